"""Trained networks of others: the table of them, where their weights are, and how they are fetched.

:func:`weights_file` is for whoever runs a network. A new network is one row in ``table.py``.
"""

from benchmark_builder.pretrained.store import fetch, weights_file
from benchmark_builder.pretrained.table import NETWORKS, Network

__all__ = ["NETWORKS", "Network", "fetch", "weights_file"]
