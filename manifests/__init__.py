"""Data that ships with the package: label maps, published results, named protocols. No logic lives here."""

from importlib.resources import files
from importlib.resources.abc import Traversable


def resource(*parts: str) -> Traversable:
    """A shipped data file, e.g. ``resource("label_maps", "ucf101.txt").read_text()``."""
    return files(__name__).joinpath(*parts)
