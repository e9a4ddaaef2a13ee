"""Slices: every figure per group of videos, such as ``skin tone`` or ``object present``, and the gap between groups.

``attributes.py``: what is known of videos, from a csv file; ``table.py``: the built-in sources; ``groups.py``: which
video of a test set is in which group; ``figures.py``: the figures per group. docs/slices.md describes the formats.
"""
