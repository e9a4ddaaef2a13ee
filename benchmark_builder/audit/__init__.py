"""Checks: of data sets before a build, of benchmarks after it."""
