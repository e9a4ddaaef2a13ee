"""Weakly supervised anomaly detection: a head learns from labels of whole videos, and is scored frame by frame.

One file per head, after its paper: ``mil.py``, ``rtfm.py``, ``mgfn.py``; a new one is a file and a row in
:data:`evaluator.parts.HEADS`.
"""
