"""Masks from motion alone, without files or weights."""

from benchmark_builder.utils.moved import names_of

__getattr__ = names_of(__name__, "benchmark_builder.masks.motion.source")
