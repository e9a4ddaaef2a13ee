"""synthactions: rendered videos where only the motion is the class, with exact masks and a bias of known strength.

``motions`` moves a skeleton, ``looks`` defines clothing, ``actor`` draws the actor, ``scenery`` draws the background
and ``render`` writes the dataset. See :func:`~benchmark_builder.synthactions.render.render_dataset`.
"""

from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.synthactions.render import render_clip, render_dataset
from benchmark_builder.synthactions.settings import SPLITS, SynthSettings

__all__ = ["CLASSES", "SPLITS", "SynthSettings", "render_clip", "render_dataset"]
