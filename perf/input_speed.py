"""Compares the speed of evaluation's loader, in clips per second, with the published kind of loader; same clips.

    python perf/input_speed.py

A plain version of the published loader decodes every frame of every video, one after another, also frames that the clip
does not need; it scales, crops, converts to float and normalises the clip's frames one by one as PIL pictures. It also
decodes all frames of a SCUFO video, although they are equal. Both loaders give float32 clips, normalised, ready for the
network.
Times are CPU seconds, so other work on the machine does not count; each side has one process with one thread. Both run
in turns, and the median of the turns is used.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from sources import dataset
from torchvision import transforms

from albar.clips.clips import ClipSampling, Normaliser, eval_indices, sampling
from benchmark_builder.builders import Run, build_scuba, build_scufo
from evaluator.inference.clips import batches, order
from evaluator.testsets import TestSet, benchmark_set, iid_set


def test_sets(folder: Path, videos: int, per_video: int) -> list[TestSet]:
    """IID, SCUBA and SCUFO from copies of a real clip, built with the default settings."""
    root, run = dataset(folder, videos), Run(workers=1, progress=False, say=lambda line: None)
    masks = f"ucf101-24:{root / 'annotations' / 'pyannot.pkl'}"
    scuba, scufo = folder / "scuba", folder / "scufo"
    build_scuba("ucf101", root, "all", masks=masks, per_video=per_video, out=scuba, run=run)
    build_scufo(scuba, out=scufo, run=run)
    return [iid_set("ucf101", root, "all"), benchmark_set(scuba), benchmark_set(scufo)]


def published(sets: list[TestSet], s: ClipSampling) -> Iterator[torch.Tensor]:
    """The published kind of loader: float32 (3, T, S, S) per video."""
    prepare = transforms.Compose([
        transforms.ToPILImage(), transforms.Resize(s.resize), transforms.CenterCrop(s.size), transforms.ToTensor(),
        transforms.Normalize(s.mean, s.std),
    ])  # fmt: skip
    for test_set in sets:
        for item in test_set.items:
            capture = cv2.VideoCapture(str(item.path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
            frames = []
            while True:
                found, frame = capture.read()
                if not found:
                    break
                frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            yield torch.stack([prepare(frames[int(k)]) for k in eval_indices(len(frames), s)], 1)


def ours(sets: list[TestSet], s: ClipSampling) -> Iterator[torch.Tensor]:
    """The evaluation's loader: float32 (3, T, S, S) per video; it checks the manifest's digests like `bench eval`."""
    prepare = Normaliser(s)
    for batch in batches(order(sets), s):
        if batch.errors:
            raise batch.errors[0][1]
        assert batch.clips is not None
        yield from prepare(batch.clips).expand(-1, -1, s.frames, -1, -1)


def seconds(work: Callable[[], Iterator[torch.Tensor]]) -> tuple[float, int]:
    """CPU seconds, and the number of clips."""
    start = time.process_time()
    count = sum(1 for _ in work())
    return time.process_time() - start, count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=12, help="source videos of 240 frames")
    parser.add_argument("--per-video", type=int, default=2, help="SCUBA (and SCUFO) videos per source video")
    parser.add_argument("--sampling", default="32x2-224")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    chosen = sampling(options.sampling)
    with tempfile.TemporaryDirectory() as name:
        sets = test_sets(Path(name), options.videos, options.per_video)
        for kinds in (sets, *([s] for s in sets)):
            theirs, mine, difference = [], [], 0.0
            for _ in range(options.turns):
                theirs.append(seconds(lambda kinds=kinds: published(kinds, chosen)))
                mine.append(seconds(lambda kinds=kinds: ours(kinds, chosen)))
            if kinds is not sets:
                pairs = zip(published(kinds, chosen), ours(kinds, chosen), strict=True)
                difference = float(np.mean([(a - b).abs().mean() for a, b in pairs]))
            clips = mine[0][1]
            assert clips == theirs[0][1]
            a, b = (clips / median(spent for spent, _ in turns) for turns in (theirs, mine))
            label = "+".join(s.kind for s in kinds)
            print(f"{label:16} {clips:3} clips: published {a:5.2f}, ours {b:6.2f} per CPU second; ratio {b / a:.2f}"
                  + (f"; mean difference {difference:.3f} standard deviations" if difference else ""))  # fmt: skip


if __name__ == "__main__":
    main()
