"""`bench paper`: the tables of papers, from the official datasets to the figures, in one command.

plan.py reads a plan (``manifests/papers/NAME.toml``), needs.py finds what it needs on this machine, cost.py measures
training steps, run.py runs it, table.py compares the figures with the published ones, tiny.py makes small copies of the
official layouts, on which the same plan runs in a few minutes.
"""
