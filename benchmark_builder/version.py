"""The version of this toolkit. This line is the only place where it is set: the packaging reads it, too."""

__version__ = "0.1.0"
