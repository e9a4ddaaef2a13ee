"""Threads of numpy's linear algebra."""

import os
import sys


def one_thread() -> None:
    """Let numpy use one thread for linear algebra, unless it is loaded already or the user has chosen a number.

    Called by commands that process items: workers use all cores already, their matrices are small, and a process with
    threads cannot be forked (:func:`~benchmark_builder.utils.pool.forks`).
    """
    if "numpy" not in sys.modules and "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
