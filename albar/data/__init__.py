"""Training data: clips, actors, scenes, still images."""

from benchmark_builder.utils.moved import names_of

__getattr__ = names_of(__name__, "albar.data.dataset")
