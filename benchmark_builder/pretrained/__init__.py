"""Published trained networks: the table of them, the places of their weights, and their download.

Code that runs a network calls :func:`weights_file`. To add a network, add a row to ``table.py``.
"""

from benchmark_builder.pretrained.store import fetch, weights_file
from benchmark_builder.pretrained.table import NETWORKS, Network

__all__ = ["NETWORKS", "Network", "fetch", "weights_file"]
