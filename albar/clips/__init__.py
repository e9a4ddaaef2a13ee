"""Clips: how they are sampled from videos and cut."""

from benchmark_builder.utils.moved import names_of

__getattr__ = names_of(__name__, "albar.clips.clips")
