"""What `bench downstream anomaly` computes from scores, and the files that it writes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file, write_csv
from benchmark_builder.utils.text import counted
from evaluator.downstream.anomaly import metrics
from evaluator.downstream.anomaly.bags import is_normal
from evaluator.downstream.anomaly.curves import Curve, draw_curves
from evaluator.downstream.anomaly.metrics import FIGURES, ScoredVideo
from evaluator.downstream.anomaly.options import AnomalyOptions
from evaluator.downstream.anomaly.settings import HeadSettings
from evaluator.downstream.anomaly.train import Log
from evaluator.downstream.results import DownstreamResults, summary, versions_of, write_results
from evaluator.features.folder import VIDEOS, FeatureFolder, FeatureVideo
from evaluator.features.record import RECORD

SCORES, CLASSES, TRAINING, LEFT_OUT = "scores.csv", "classes.csv", "training.csv", "left_out.csv"
CLASS_COLUMNS = ["class", "videos", "frames", "anomalous_frames", *(f"{f}{p}" for f in FIGURES for p in ("", "_sd"))]


@dataclass(frozen=True)
class Detected:
    """What `bench downstream anomaly` found and wrote.

    Attributes:
        record: the figures, shares from 0 to 1.
        classes: class -> figure -> mean and deviation (None for one seed) of its videos and all normal ones.
        videos: number of scored test videos. frames, anomalous: of their frames, and of those in annotated segments.
        left_out: id, split and reason of each video that was not used.
        written: the files.
    """

    record: DownstreamResults
    classes: dict[str, dict[str, tuple[float, float | None]]]
    videos: int
    left_out: list[tuple[str, str, str]]
    frames: int
    anomalous: int
    written: list[Path]


@dataclass(frozen=True)
class SeedScores:
    """One training.

    Attributes:
        seed: its seed. frames: id -> frame scores, float64 (frames,), of the test videos.
        windows: id -> window scores, float32 (T,); empty for scores made elsewhere.
        step: the scored one. log: rows of training.csv. left_out: id, split and reason of each unusable video.
    """

    seed: int
    frames: dict[str, np.ndarray]
    windows: dict[str, np.ndarray]
    step: int | None
    log: Log
    left_out: list[tuple[str, str, str]]


def write_all(
    folder: FeatureFolder, test: Sequence[FeatureVideo], seeds: Sequence[SeedScores],
    left_out: Sequence[tuple[str, str, str]], options: AnomalyOptions, settings: HeadSettings | None,
    device: str, say: Callable[[str], None],
) -> Detected:  # fmt: skip
    """Compute the figures and write all files."""
    used = [v for v in test if all(v.id in seed.frames for seed in seeds)]
    if not used:
        name, _, reason = next(row for row in left_out if row[1] == "test")
        raise BenchError(
            f"{folder.path}: none of {counted(len(test), 'test video')} can be scored; the first: {name}: {reason}"
        )
    truth = {v.id: v.frame_truth() for v in used}
    each = [[ScoredVideo(v.id, v.label, is_normal(v), s.frames[v.id], truth[v.id]) for v in used] for s in seeds]
    figures = [metrics.pooled(videos) for videos in each]
    for line in _doubts(used, truth):
        say(line)
    drawn = [metrics.replicates(videos) for videos in each]
    interval = {f: metrics.limits(np.mean([d[f] for d in drawn], axis=0)) for f in FIGURES}
    classes = _classes(each)
    out = options.out
    written = [_write_classes(out / CLASSES, used, truth, classes)]
    if settings is not None:
        written += [_write_windows(out / SCORES, used, truth, seeds), _write_log(out / TRAINING, seeds)]
    write_csv(out / LEFT_OUT, ["video", "split", "reason"], (dict(zip(("video", "split", "reason"), row, strict=True))
                                                             for row in left_out))  # fmt: skip
    name = options.head if settings is not None else "scores"
    record = write_results(
        out,
        {
            "task": "anomaly",
            "head": name,
            "seeds": [
                {"seed": s.seed, "figures": f, "step": s.step} for s, f in zip(seeds, figures, strict=True)
            ],
            "interval": {f: {"low": low, "high": high} for f, (low, high) in interval.items()},
            "features": _of_features(folder),
            "settings": _settings(options, settings, device),
            "versions": versions_of("torch", "numpy", "scikit-learn"),
            "test": {
                "videos": len(used), "left_out": sum(part == "test" for _, part, _ in left_out),
                "frames": sum(map(len, truth.values())), "anomalous_frames": int(sum(t.sum() for t in truth.values())),
            },
            "classes": {c: {f: m for f, (m, _) in row.items()} for c, row in classes.items()},
        },
    )  # fmt: skip
    for old in (out / "curves").glob("*.png"):  # of fewer seeds, or drawn in the other way
        old.unlink()
    curves = [Curve(v, np.stack([s.frames[v.id] for s in seeds])) for v in used]
    model = folder.record["model"]["method"]
    pictures = draw_curves(curves, options.curves, out / "curves", f"{name} on features of {model}")
    written += [out / LEFT_OUT, out / "results.json", *pictures]
    return Detected(
        record, classes, len(used), list(left_out), sum(map(len, truth.values())),
        int(sum(t.sum() for t in truth.values())), written,
    )  # fmt: skip


def _doubts(used: Sequence[FeatureVideo], truth: Mapping[str, np.ndarray]) -> list[str]:
    """Labels and annotations that do not agree."""
    bare = [v.id for v in used if not is_normal(v) and not truth[v.id].any()]
    odd = [v.id for v in used if is_normal(v) and truth[v.id].any()]
    lines = []
    if bare:
        lines.append(f"{counted(len(bare), 'abnormal test video has', 'abnormal test videos have')} no annotated "
                     f"segment, all frames count as normal; "
                     f"the first is {bare[0]}")  # fmt: skip
    if odd:
        lines.append(f"{counted(len(odd), 'normal test video has', 'normal test videos have')} annotated segments, "
                     f"these count as anomalous; the first is "
                     f"{odd[0]}")  # fmt: skip
    return lines


def _classes(each: Sequence[Sequence[ScoredVideo]]) -> dict[str, dict[str, tuple[float, float | None]]]:
    """Class -> figure -> mean and deviation over seeds."""
    tables = [metrics.by_class(videos) for videos in each]
    found = {}
    for label in tables[0]:
        mean, sd = summary([table[label] for table in tables])
        found[label] = {f: (mean[f], sd[f]) for f in FIGURES}
    return found


def _write_classes(
    path: Path, used: Sequence[FeatureVideo], truth: Mapping[str, np.ndarray],
    classes: Mapping[str, Mapping[str, tuple[float, float | None]]],
) -> Path:  # fmt: skip
    """One row per class, also those without figures."""
    rows = []
    for label in sorted({v.label for v in used if v.label is not None and not is_normal(v)}):
        own = [truth[v.id] for v in used if v.label == label]
        row: dict[str, Any] = {"class": label, "videos": len(own), "frames": sum(map(len, own)),
                               "anomalous_frames": int(sum(t.sum() for t in own))}  # fmt: skip
        for figure, (mean, sd) in classes.get(label, {}).items():
            row |= {figure: _number(mean), f"{figure}_sd": "" if sd is None else _number(sd)}
        rows.append(row)
    write_csv(path, CLASS_COLUMNS, rows)
    return path


def _write_windows(
    path: Path, used: Sequence[FeatureVideo], truth: Mapping[str, np.ndarray], seeds: Sequence[SeedScores]
) -> Path:
    """One row per window of every test video: its frames, the share of them in annotated segments, its scores."""
    named = [f"seed_{s.seed}" for s in seeds]
    rows = []
    for video in used:
        for k, start in enumerate(video.starts().tolist()):
            end = min(start + video.window, video.frames)
            row = {"video": video.id, "window": k, "start_frame": start, "end_frame": end,
                   "anomalous": _number(float(truth[video.id][start:end].mean()))}  # fmt: skip
            rows.append(row | {n: _number(s.windows[video.id][k]) for n, s in zip(named, seeds, strict=True)})
    write_csv(path, ["video", "window", "start_frame", "end_frame", "anomalous", *named], rows)
    return path


def _write_log(path: Path, seeds: Sequence[SeedScores]) -> Path:
    columns = ["seed", "step", "loss", "validation_auc"]
    write_csv(path, columns, ({"seed": s.seed, **row} for s in seeds for row in s.log))
    return path


def _of_features(folder: FeatureFolder) -> dict[str, object]:
    """What the features are, with the digests of the folder's tables."""
    kept = ("dataset", "model", "layer", "window", "stride", "last", "fps", "crops", "dimension", "sampling", "layout")
    digests = {name: sha256_file(folder.path / name) for name in (RECORD, VIDEOS)}
    return {name: folder.record[name] for name in kept if name in folder.record} | {"sha256": digests}


def _settings(options: AnomalyOptions, settings: HeadSettings | None, device: str) -> dict[str, object]:
    if settings is None:
        return {"scores": str(options.scores)}
    chosen = {"validation": options.validation, "every": options.every, "device": device}
    return {**settings.model_dump(), **chosen, "published_steps": settings.PUBLISHED_STEPS or None}


def _number(value: float) -> str:
    return f"{value:.9g}"
