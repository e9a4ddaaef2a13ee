"""synthlong: rendered untrimmed videos of the actors, motions and scenery of synthactions, annotated for both tasks.

One actor does several things in one video, one after the other, and in between stands, walks out, or nobody is there.
``timeline`` draws what happens when, ``render`` draws the videos and writes the dataset, ``annotations`` writes it down
as UCF-Crime and THUMOS14 do, and ``reader`` reads it. See :func:`~benchmark_builder.synthlong.render.render_synthlong`.
"""

from benchmark_builder.settings import SynthLongSettings
from benchmark_builder.synthlong.render import render_long, render_synthlong
from benchmark_builder.synthlong.timeline import ANOMALIES, NORMAL, NORMALS, LongFacts, Stretch, long_facts

__all__ = [
    "ANOMALIES",
    "NORMAL",
    "NORMALS",
    "LongFacts",
    "Stretch",
    "SynthLongSettings",
    "long_facts",
    "render_long",
    "render_synthlong",
]
