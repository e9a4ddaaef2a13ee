"""The report's gallery: some videos in all versions, as small H.264 data URIs, with each model's answer."""

import base64
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.benchmark.preview import spread_rows
from benchmark_builder.kinds import HIGH, About
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.ffmpeg import open_animation
from benchmark_builder.video.selection import indices, source_frames
from evaluator.metrics.names import EXPLAINED as EXPLAINED
from evaluator.metrics.names import IID, KINDS
from evaluator.metrics.names import TITLES as TITLES
from evaluator.predictions.files import NO_ANSWER, Predictions
from evaluator.runs import Run
from evaluator.testsets import TestSet, pair_sets

# Every browser plays baseline profile in 4:2:0; CRF 30 at this size is good enough to look at.
CODEC = {"vcodec": "libx264", "preset": "slow", "crf": 30, "profile:v": "baseline", "movflags": "+faststart"}
HEIGHT, FRAMES = 160, 120
SMALL = 160  # pixels; the page shows a video about 240 pixels wide


@dataclass(frozen=True)
class Verdict:
    """The answer of one model: ``confidence`` in percent, None if its scores are not probabilities. ``good``: the
    answer is right, or it is wrong and the kind is one for which low accuracy is good. ``donor``: the answer is the
    class of the donor (ConflFG: of the still actor; swap: of the background's video)."""

    run: str
    pred: str
    confidence: float | None
    right: bool
    good: bool
    donor: bool


@dataclass(frozen=True)
class Version:
    """One version of a video: its description and its data URI, or the reason why it cannot be read.

    ``small``: its pictures are smaller than :data:`SMALL`, so that enlarging them smoothly would blur them.
    """

    kind: str
    title: str
    explained: str
    uri: str
    reason: str
    verdicts: list[Verdict]
    small: bool = False


@dataclass(frozen=True)
class Card:
    """One video in all its versions."""

    id: str
    class_name: str
    versions: list[Version]


def build_gallery(runs: Sequence[Run], videos: int = 4, height: int = HEIGHT) -> list[Card]:
    """Cards of a few videos, chosen evenly from the first SCUBA set of the first run that has such a set.

    Args:
        runs: the runs with the predictions; a run without the test set of a version has no answer there.
        videos: number of videos.
        height: largest height of the small videos, in pixels.

    If a video cannot be read, the card shows the reason.
    """
    for run in runs:
        scuba = next((s for s in run.sets if s.kind == "scuba" and s.benchmark), None)
        if scuba and scuba.benchmark:
            known = {item.id for item in scuba.items}
            rows = [row for row in scuba.benchmark.rows if row.id in known]
            return [_card(run, scuba, row, runs, height) for row in spread_rows(rows, videos)] if videos else []
    return []


def _card(run: Run, scuba: TestSet, row: Row, runs: Sequence[Run], height: int) -> Card:
    assert scuba.benchmark is not None
    benchmark, versions = scuba.benchmark, []
    iid = next((s for s in run.sets if s.kind == "iid"), None)
    verdicts = _verdicts(runs, iid, row.source_id, row.label)
    versions.append(_version(IID, lambda: _original(benchmark, row), row, verdicts, height))
    verdicts = _verdicts(runs, scuba, row.id, row.label)
    versions.append(_version(scuba.about, lambda: benchmark.frames(row), row, verdicts, height))
    known = [*KINDS, *(s.kind for s in run.sets if s.kind not in KINDS)]
    for kind in dict.fromkeys(kind for kind in known if kind not in (IID.name, scuba.kind)):
        for _, other in (pair for pair in pair_sets(run.sets, kind) if pair[0] is scuba):
            video_id = next((i for i, partner in other.partners.items() if partner == row.id), None)
            if other.benchmark and video_id is not None:
                made = other.benchmark.by_id[video_id]
                verdicts = _verdicts(runs, other, video_id, row.label)
                versions.append(_version(other.about, partial(other.benchmark.frames, made), made, verdicts, height))
    return Card(row.id, row.class_name, versions)


def _original(benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
    try:
        path = benchmark.source(row)
    except BenchError:
        raise BenchError("the dataset's video is missing, or has changed") from None
    frames = source_frames(path, indices(row.source_frames), row.height, row.width)
    return (frame for _, frame in frames)


def _version(
    about: About, frames: Callable[[], Iterator[np.ndarray]], row: Row, verdicts: list[Verdict], height: int
) -> Version:
    uri, reason = "", ""
    try:
        uri = small_video(frames(), row.fps, height)
    except BenchError as error:  # an unreadable video must not stop the page
        reason = str(error)
    return Version(about.name, about.title, about.explained, uri, reason, verdicts, max(row.height, row.width) < SMALL)


def _verdicts(runs: Sequence[Run], test_set: TestSet | None, video_id: str, label: int) -> list[Verdict]:
    found = []
    for run in runs:
        same = next((s for s in run.sets if test_set is not None and s.digest == test_set.digest), None)
        if same is None or video_id not in run.predictions[same.name].ids:
            continue
        p = run.predictions[same.name]
        k = p.ids.index(video_id)
        pred = int(p.pred[k])
        right = pred == label
        good = right == (same.about.good == HIGH)
        donor = same.donors.get(video_id) == pred
        said = "no class" if pred == NO_ANSWER else p.classes[pred]
        found.append(Verdict(run.name, said, _confidence(p, k), right, good, donor))
    return found


def _confidence(p: Predictions, k: int) -> float | None:
    if p.scores is None:
        return None
    scores = p.scores[k]
    if scores.min() < 0 or abs(scores.sum() - 1) > 1e-3:
        return None
    return float(100 * scores.max())


def small_video(frames: Iterator[np.ndarray], fps: float, height: int = HEIGHT, most: int = FRAMES) -> str:
    """Encode frames, uint8 (H, W, 3) RGB, as a small MP4 that every browser plays; a ``data:`` URI.

    Args:
        frames: frames; only the first ``most`` are used.
        fps: frames per second.
        height: largest height in pixels; smaller pictures keep their size, odd sides are cropped to even ones.

    Raises:
        BenchError: there are no frames, or they cannot be encoded.
    """
    first = next(frames, None)
    if first is None:
        raise BenchError("a video for the gallery has no frames; run `bench verify` on the benchmark")
    scale = min(1.0, height / first.shape[0])
    tall, wide = (max(16, round(side * scale / 2) * 2) for side in first.shape[:2])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        with open_animation(path, wide, tall, fps, CODEC) as encoder:
            encoder.write(_resize(first, tall, wide))
            for frame in islice(frames, most - 1):
                encoder.write(_resize(frame, tall, wide))
        return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _resize(frame: np.ndarray, tall: int, wide: int) -> np.ndarray:
    return cv2.resize(frame, (wide, tall), interpolation=cv2.INTER_AREA)
