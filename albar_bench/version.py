"""The installed version."""

import importlib.metadata

try:
    __version__ = importlib.metadata.version("albar-bench")
except importlib.metadata.PackageNotFoundError:  # run from a folder that was never installed
    __version__ = "unknown"
