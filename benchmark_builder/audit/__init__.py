"""Checks of datasets before a build, and of benchmarks after it."""
