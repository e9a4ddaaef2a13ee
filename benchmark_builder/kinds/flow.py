"""Optical flow between consecutive frames, for kinds that move something along it.

``dis``: DIS of OpenCV (Kroeger et al., ECCV 2016), which needs no files. ``raft:FILE``: RAFT of torchvision (Teed &
Deng, ECCV 2020) with weights from a file.
"""

from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.utils.digests import known_digest
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.flow import FIX, Flow


class Dis(Flow):
    """DIS with OpenCV's preset ``medium``, on grey frames."""

    name = "dis"

    def estimate(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second))
        found: np.ndarray = dis.calc(*grey, None)
        return found


def flow_named(word: str) -> Flow:
    """The method for ``dis`` or ``raft:FILE``. Raises BenchError if it is neither, or FILE cannot be used."""
    kind, _, file = word.partition(":")
    if word == "dis":
        return Dis()
    if kind != "raft" or not file:
        raise BenchError(f"--flow {word}: {FIX}")
    path = Path(file)
    if not path.is_file():
        raise BenchError(f"--flow {word}: no such file; {FIX}")
    from benchmark_builder.kinds.raft import Raft

    return Raft(path, known_digest(path))
