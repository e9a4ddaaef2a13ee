"""StillMix's bank (Li et al., ICCV 2023): still frames from which a 2-D network guesses a class with confidence."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from albar.clips.clips import ClipSampling, cut_frame, pick
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

SCORES = "scores.csv"
COLUMNS = ["id", "frame", "p_true", "p_top1"]


def whole(frame: np.ndarray, size: int) -> torch.Tensor:
    """uint8 (H, W, 3) stretched to uint8 (3, size, size)."""
    return cut_frame(frame, (0, 0, *frame.shape[:2]), size)


def make_bank(
    folder: Path, videos: Sequence[Video], sampling: ClipSampling, tau: float, count: int, seed: int
) -> torch.Tensor:
    """StillMix's bank: frames drawn once, without replacement, from those in the quantile range [τ, 1] of p_top1.

    Args:
        folder: of a reference run.
        videos: the training videos.
        tau: 0 to below 1.
        count: how many frames; all that qualify where they are fewer.
        seed: owns the draw.

    Returns:
        uint8 (frames, 3, size, size), each a whole frame, stretched.

    Raises:
        BenchError: no scores in ``folder``, or scores of other videos.
    """
    scored = read_scores(folder)
    known = {v.id: v for v in videos}
    scored = sorted(s for s in scored if s[1] in known)  # (p_top1, id, frame)
    if not scored:
        raise BenchError(f"{folder / SCORES}: scores none of the training videos; give the --reference of this dataset")
    kept = scored[round(tau * len(scored)) :]
    chosen = generator(seed, "stillmix", "bank").choice(len(kept), min(count, len(kept)), replace=False)
    wanted: dict[str, list[int]] = {}
    for k in sorted(chosen):
        wanted.setdefault(kept[k][1], []).append(kept[k][2])
    stills = []
    for name in sorted(wanted):
        found = pick(read_frames(known[name].path), np.array(wanted[name]))
        stills += [whole(found[i], sampling.size) for i in sorted(found)]
    return torch.stack(stills)


def read_scores(folder: Path) -> list[tuple[float, str, int]]:
    """(p_top1, video id, frame) of every scored frame. BenchError if there is no readable table."""
    path = folder / SCORES
    mend = "make it with `bench train reference2d`"
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            return [(float(row["p_top1"]), row["id"], int(row["frame"])) for row in csv.DictReader(handle)]
    except OSError as error:
        raise BenchError(f"{path}: not readable ({error.strerror}); {mend}") from None
    except (KeyError, TypeError, ValueError, UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path}: not a table of scored frames ({error}); {mend}") from None
