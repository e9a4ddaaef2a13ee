"""synthactions: rendered videos whose motion alone is the class, with exact masks and a bias of known strength.

``motions`` moves a skeleton, ``looks`` dresses it, ``actor`` draws it, ``scenery`` draws what stands behind it and
``render`` makes the dataset on disk. See :func:`~benchmark_builder.synthactions.render.render_dataset`.
"""

from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.synthactions.render import render_clip, render_dataset
from benchmark_builder.synthactions.settings import SPLITS, SynthSettings

__all__ = ["CLASSES", "SPLITS", "SynthSettings", "render_clip", "render_dataset"]
