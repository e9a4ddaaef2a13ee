"""How fast clips are read from video files: before and after `bench data transcode`."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from albar.clips.clips import ClipSampling, pick, train_indices
from benchmark_builder.datasets import dataset_root
from benchmark_builder.layouts.layout import read_any
from benchmark_builder.transcode import rows_of
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import counted

CLIPS = 4  # clips that are read from each video


def compared(dataset: str, root: Path | None, out: Path, sample: int) -> str:
    """A line on how fast clips are read from a dataset and from the folder that `bench data transcode` filled from it.

    Args:
        dataset, root: of the sources.
        out: the folder.
        sample: number of videos from which clips are read.

    Returns:
        The line; "" if the folder has no video with at least two frames whose source is there.
    """
    place = dataset_root(dataset, root)
    rows = [r for r in rows_of(out) if (place / r["source"]).is_file() and min(r["frames"], r["source_frames"]) > 1]
    if not rows:
        return ""
    draw = generator(0, dataset, "clips before and after")
    chosen = [rows[k] for k in sorted(draw.permutation(len(rows))[:sample])]
    old = clips_per_second([(place / r["source"], r["source_frames"]) for r in chosen])
    new = clips_per_second([(out / r["file"], r["frames"]) for r in chosen])
    said = f"clips of 32 frames, stride 2, {counted(len(chosen), 'video')}"
    return f"reading: {old:.1f} clips per CPU second before, {new:.1f} after ({new / old:.2f} times; {said})"


def clips_per_second(
    videos: Sequence[tuple[Path, int]], sampling: ClipSampling | None = None, clips: int = CLIPS
) -> float:
    """Training clips that one CPU core reads per second: opened, decoded and converted to RGB, without augmentation.

    Each file is read twice in full before the measurement, as in the first epochs of a training, so that its frames are
    known (:mod:`~benchmark_builder.video.random_access`).

    Args:
        videos: (file, number of its frames).
        sampling: frames and stride; None: 32 frames, stride 2.
        clips: clips per file, at random places, the same in every call.
    """
    sampling = sampling or ClipSampling()
    spent = 0.0
    for path, frames in videos:
        for _ in range(2):
            pick(read_any(path), np.array([frames - 1]))
        draw = generator(0, path.stem, "places of clips")
        for _ in range(clips):
            wanted = train_indices(frames, sampling, draw)
            start = time.process_time()
            pick(read_any(path), wanted)
            spent += time.process_time() - start
    return len(videos) * clips / spent
