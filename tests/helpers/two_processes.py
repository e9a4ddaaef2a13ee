"""``python two_processes.py WORDS…``: ``bench WORDS…`` in two processes of torch.distributed, started as torchrun does.

Its launcher forks them here, in place of new interpreters that import torch again; see :mod:`commands`.
"""

import runpy
import sys

from torch.distributed.launcher.api import LaunchConfig, elastic_launch


def bench(words: list[str]) -> None:
    sys.argv = ["bench", *words]
    try:
        runpy.run_module("albar_bench", run_name="__main__", alter_sys=True)
    except SystemExit as end:  # the launcher waits for what this function returns
        if end.code:
            raise


if __name__ == "__main__":
    start = LaunchConfig(1, 1, 2, rdzv_backend="c10d", rdzv_endpoint="localhost:0", start_method="fork")
    elastic_launch(start, bench)(sys.argv[1:])
