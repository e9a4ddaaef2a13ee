"""How videos are stored on disk."""

from benchmark_builder.utils.moved import names_of

__getattr__ = names_of(__name__, "benchmark_builder.layouts.layout")
