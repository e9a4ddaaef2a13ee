"""Compares the speed of evaluation's loader with the published kind of loader; same clips.

    BENCH_CLIPS=CLIPS python perf/input_speed.py

A plain version of the published loader decodes every frame of every video, one after another, also frames that the clip
does not need; it scales, crops, converts to float and normalises the clip's frames one by one as PIL pictures. It also
decodes all frames of a SCUFO video, although they are equal. Of a zip of JPEGs, it reads only the clip's pictures. Both
loaders give float32 clips, normalised, ready for the network; ours compares files with the manifest's digests.

Each row is measured twice: with files that were read before, whose digests and frame times are in the cache, and with
files that nobody has read (copies of them, with an empty cache).
"""

import argparse
import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from measure import NotMeasured, Row, Turns, cache, interleaved, show
from PIL import Image
from sources import CLIPS, dataset, real_clip
from torchvision import transforms

from albar.clips.clips import ClipSampling, Normaliser, eval_indices, sampling
from benchmark_builder.builders import Run, build_scuba, build_scufo
from evaluator.inference.clips import batches, order
from evaluator.testsets import TestSet, benchmark_set, iid_set

# Goals of the ratios; IID, SCUBA and SCUFO are videos, as `bench build` writes them.
GOALS = {"IID": 4.0, "SCUBA": 2.3, "SCUFO": 10.0, "zip": 1.3}
SAMPLING = "32x2-224"


def build_all(folder: Path, source: Path, videos: int, per_video: int) -> None:
    """IID, SCUBA in three layouts, and SCUFO, from copies of a real clip, built with the default settings."""
    root, run = dataset(folder, videos, source), Run(workers=1, progress=False, say=lambda line: None)
    masks = f"ucf101-24:{root / 'annotations' / 'pyannot.pkl'}"
    for name, layout in (("SCUBA", "video"), ("lossless", "lossless"), ("zip", "zip")):
        out = folder / name
        build_scuba("ucf101", root, "all", masks=masks, per_video=per_video, out=out, layout=layout, run=run)
    build_scufo(folder / "SCUBA", out=folder / "SCUFO", run=run)


def test_set(folder: Path, name: str) -> TestSet:
    return iid_set("ucf101", folder / "ucf101", "all") if name == "IID" else benchmark_set(folder / name)


def decoded(path: Path) -> list[np.ndarray]:
    """All frames of a video."""
    capture, frames = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]), []
    while True:
        found, frame = capture.read()
        if not found:
            return frames
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


def zipped(path: Path, s: ClipSampling) -> list[Image.Image]:
    """The clip's pictures of a zip."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(archive.namelist())
        wanted = [names[int(k)] for k in eval_indices(len(names), s)]
        return [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in wanted]


def published(sets: list[TestSet], s: ClipSampling) -> Iterator[torch.Tensor]:
    """The published kind of loader: float32 (3, T, S, S) per video."""
    scale = [transforms.Resize(s.resize), transforms.CenterCrop(s.size), transforms.ToTensor()]
    prepare = transforms.Compose([*scale, transforms.Normalize(s.mean, s.std)])
    for test_set in sets:
        for item in test_set.items:
            if item.path.suffix == ".zip":
                pictures = zipped(item.path, s)
            else:
                frames = decoded(item.path)
                pictures = [Image.fromarray(frames[int(k)]) for k in eval_indices(len(frames), s)]
            yield torch.stack([prepare(picture) for picture in pictures], 1)


def ours(sets: list[TestSet], s: ClipSampling) -> Iterator[torch.Tensor]:
    """The evaluation's loader: float32 (3, T, S, S) per video; it checks the manifest's digests like `bench eval`."""
    prepare = Normaliser(s)
    for batch in batches(order(sets), s):
        if batch.errors:
            raise batch.errors[0][1]
        assert batch.clips is not None
        yield from prepare(batch.clips).expand(-1, -1, s.frames, -1, -1)


def read_all(work: Callable[[], Iterator[torch.Tensor]]) -> int:
    """The number of clips; they are dropped as they come."""
    return sum(1 for _ in work())


def rows(
    clips: Path | None, rounds: int = 5, videos: int = 4, per_video: int = 2, shape: str = SAMPLING
) -> Iterator[Row]:
    """Evaluation from zips, from videos (IID, SCUBA, SCUFO) and from `lossless`."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    source, chosen = real_clip(clips), sampling(shape)
    with tempfile.TemporaryDirectory() as name, cache(Path(name) / "cache"):
        folder = Path(name) / "built"
        folder.mkdir()
        build_all(folder, source, videos, per_video)
        for which in ("zip", "IID", "SCUBA", "SCUFO"):
            title = "evaluation from JPEG zips" if which == "zip" else f"evaluation from video: {which}"
            known = test_set(folder, which)
            pairs = zip(published([known], chosen), ours([known], chosen), strict=True)
            apart = float(np.mean([(a - b).abs().mean() for a, b in pairs]))
            if apart > 0.1:  # Pillow and OpenCV scale differently, by a few hundredths of a standard deviation
                raise NotMeasured(f"{title}: the clips of both loaders differ by {apart:.2f} standard deviations")
            found = interleaved(
                {"theirs": lambda k=known: read_all(lambda: published([k], chosen)),
                 "ours": lambda k=known: read_all(lambda: ours([k], chosen))}, rounds,
            )  # fmt: skip
            yield _row(title, found, GOALS[which], len(known.items))
            yield _row(f"{title}, first read", _first(folder, which, chosen, rounds), GOALS[which], len(known.items))
        layouts = {which: test_set(folder, which) for which in ("SCUBA", "lossless")}
        found = interleaved(
            {which: lambda k=known: read_all(lambda: ours([k], chosen)) for which, known in layouts.items()}, rounds
        )
        yield Row("evaluation from lossless", "from video", found.ratios("SCUBA", "lossless"), 0.5)


def _first(folder: Path, which: str, chosen: ClipSampling, rounds: int) -> Turns:
    """Both sides in turns; before each, the files are copied to a place where nobody has read them."""
    total = Turns({"theirs": [], "ours": []})
    for k in range(rounds):
        copy = folder.parent / f"copy-{which}-{k}"
        part = "ucf101" if which == "IID" else which
        shutil.copytree(folder / part, copy / part)
        fresh = test_set(copy, which)
        with cache(copy / "cache"):
            once = interleaved(
                {"theirs": lambda f=fresh: read_all(lambda: published([f], chosen)),
                 "ours": lambda f=fresh: read_all(lambda: ours([f], chosen))}, 1, warm=False,
            )  # fmt: skip
        for side, seconds in once.seconds.items():
            total.seconds[side] += seconds
        shutil.rmtree(copy)
    return total


def _row(title: str, found: Turns, goal: float, clips: int) -> Row:
    theirs, mine = (clips / median(found.seconds[side]) for side in ("theirs", "ours"))
    note = f"{theirs:.1f} and {mine:.1f} clips per CPU second"
    return Row(title, "the published kind of loader", found.ratios("theirs"), goal, note=note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=4, help="source videos of 240 frames")
    parser.add_argument("--per-video", type=int, default=2, help="SCUBA (and SCUFO) videos per source video")
    parser.add_argument("--sampling", default=SAMPLING)
    parser.add_argument("--rounds", "--turns", type=int, default=5)
    given = parser.parse_args()
    show(rows(CLIPS, given.rounds, given.videos, given.per_video, given.sampling))


if __name__ == "__main__":
    main()
