"""Which frames of a source are used in a test video, and reading only those."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import LONGEST


def choose_frames(covered: np.ndarray, unannotated: str, name: str) -> dict[int, int | None]:
    """Which source frames a SCUBA video shows, and the index of the mask for each of them (None: no mask).

    Args:
        covered: bool (T,), the frames with a mask.
        unannotated: treatment of the other frames between the first and the last covered one: ``hold`` (use the mask of
            the nearest frame; of two equally near ones, the earlier), ``drop``, or ``background``.
        name: the video's name, for the message.

    Raises:
        LeftOut: no frame has a mask.
    """
    indices_ = np.flatnonzero(covered)
    if len(indices_) == 0:
        raise LeftOut(f"no frame of {name} has a mask")
    chosen: dict[int, int | None] = {}
    for index in range(int(indices_[0]), int(indices_[-1]) + 1):
        if covered[index]:
            chosen[index] = index
        elif unannotated == "hold":
            at = int(np.searchsorted(indices_, index))
            before, after = int(indices_[at - 1]), int(indices_[at])
            chosen[index] = before if index - before <= after - index else after
        elif unannotated == "background":
            chosen[index] = None
    return chosen


def source_frames(
    path: Path, wanted: Sequence[int], height: int, width: int, version: int = 2
) -> Iterator[tuple[int, np.ndarray]]:
    """:func:`wanted_frames` of a source, read from its start, by the rules of a protocol of ``version``."""
    return wanted_frames(read_frames(path, version=version), path, wanted, height, width)


def wanted_frames(
    decoded: Iterator[np.ndarray], path: Path, wanted: Sequence[int], height: int, width: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (index, frame uint8 (height, width, 3) RGB) for the ``wanted`` frames that exist in a source, in order.

    Nothing is read beyond the last wanted frame.

    Raises:
        BenchError: the source is damaged, or the frame size changes.
    """
    keep, last = set(wanted), max(wanted)
    for index, frame in enumerate(decoded):
        if index in keep:
            if frame.shape != (height, width, 3):
                raise BenchError(f"{path}: changes its size at frame {index}; re-encode the file at one size")
            yield index, frame
        if index >= last:
            return


def ranges(indices: Sequence[int]) -> str:
    """Sorted indices as inclusive ranges: ``[3, 4, 5, 9]`` gives ``"3-5 9-9"``."""
    parts: list[list[int]] = []
    for index in indices:
        if parts and index == parts[-1][1] + 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    return " ".join(f"{a}-{b}" for a, b in parts)


def indices(text: str) -> list[int]:
    """The inverse of :func:`ranges`. Raises ValueError as :func:`count_frames`."""
    return [k for a, b in _pairs(text) for k in range(a, b + 1)]


def count_frames(text: str) -> int:
    """Number of frames in a text of :func:`ranges`. Raises ValueError if a frame occurs twice or is above the limit."""
    return sum(b - a + 1 for a, b in _pairs(text))


def _pairs(text: str) -> list[tuple[int, int]]:
    pairs = [(int(a), int(b)) for a, b in (part.split("-") for part in text.split())]
    before = -1
    for a, b in pairs:
        if not before < a <= b < LONGEST:
            raise ValueError("not ascending ranges of frames")
        before = b
    return pairs
