"""StillMix's bank (Li et al., ICCV 2023): still frames from which a 2-D network guesses a class with confidence."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from albar.clips.clips import ClipSampling, ShortVideo, cut_frame, pick
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import numbered_records
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

SCORES = "scores.csv"
COLUMNS = ["id", "frame", "p_true", "p_top1"]
_FIX = "make it with `bench train reference2d`"


def whole(frame: np.ndarray, size: int) -> torch.Tensor:
    """uint8 (H, W, 3) stretched to uint8 (3, size, size)."""
    return cut_frame(frame, (0, 0, *frame.shape[:2]), size)


def stretched(frame: np.ndarray, size: int) -> torch.Tensor:
    """As :func:`whole` without anti-aliasing, as published: bilinear of the nearest four pixels, in float64."""
    made = cv2.resize(frame.astype(np.float64), (size, size), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(made.round().astype(np.uint8)).permute(2, 0, 1)


def make_bank(
    folder: Path,
    videos: Sequence[Video],
    sampling: ClipSampling,
    tau: float,
    count: int,
    seed: int,
    resize: str = "antialias",
) -> torch.Tensor:
    """StillMix's bank: frames drawn once, without replacement, from those in the quantile range [τ, 1] of p_top1: all
    but the first int(τ n) of the n frames in rising order, as published.

    Args:
        folder: of a reference run.
        videos: the training videos.
        tau: 0 to below 1.
        count: number of frames; if fewer are in the range, all of them.
        seed: seed of the draw.
        resize: ``antialias`` or ``plain``, see :class:`albar.training.settings.TrainSettings`.

    Returns:
        uint8 (frames, 3, size, size), each a whole frame, stretched.

    Raises:
        BenchError: no scores in ``folder``, or scores of other videos, or of frames that a video does not have.
    """
    scored = read_scores(folder)
    known = {v.id: v for v in videos}
    scored = sorted(s for s in scored if s[1] in known)  # (p_top1, id, frame)
    if not scored:
        raise BenchError(f"{folder / SCORES}: scores none of the training videos; give the --reference of this dataset")
    kept = scored[int(tau * len(scored)) :]
    chosen = generator(seed, "stillmix", "bank").choice(len(kept), min(count, len(kept)), replace=False)
    wanted: dict[str, list[int]] = {}
    for k in sorted(chosen):
        wanted.setdefault(kept[k][1], []).append(kept[k][2])
    stills, fit = [], stretched if resize == "plain" else whole
    for name in sorted(wanted):
        try:
            found = pick(read_frames(known[name].path), np.array(wanted[name]))
        except ShortVideo as short:
            raise BenchError(f"{folder / SCORES}: scores a frame that {name} does not have ({short}); {_FIX}") from None
        stills += [fit(found[i], sampling.size) for i in sorted(found)]
    return torch.stack(stills)


def read_scores(folder: Path) -> list[tuple[float, str, int]]:
    """(p_top1, video id, frame) of every scored frame. BenchError if there is no readable table."""
    path, scored = folder / SCORES, []
    for number, row in numbered_records(path, COLUMNS, "table of scored frames", _FIX):
        try:
            p, frame = float(row["p_top1"]), int(row["frame"])
            if not (0 <= p <= 1 and frame >= 0):
                raise ValueError
        except ValueError:
            raise BenchError(
                f"{path}, line {number}: frame {row['frame']!r} with p_top1 {row['p_top1']!r}, not a frame from 0 and "
                f"a probability; {_FIX}"
            ) from None
        scored.append((p, row["id"], frame))
    return scored
