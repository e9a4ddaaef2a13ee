"""The version of this toolkit."""

from benchmark_builder.version import __version__

__all__ = ["__version__"]
