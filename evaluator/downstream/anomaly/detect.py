"""`bench downstream anomaly`: train a head on a folder of features, score the test videos, write everything."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmark_builder.utils.device import pick_device
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, remove_leftovers, sha256_file, whole_file, write_csv, write_json
from benchmark_builder.utils.options import pairs
from benchmark_builder.utils.resume import held, sole_run
from evaluator.downstream import need
from evaluator.downstream.anomaly import metrics
from evaluator.downstream.anomaly.bags import Bags, is_normal, read_bags, split
from evaluator.downstream.anomaly.base import Head
from evaluator.downstream.anomaly.curves import Curve, draw_curves
from evaluator.downstream.anomaly.frames import frame_scores
from evaluator.downstream.anomaly.metrics import FIGURES, ScoredVideo
from evaluator.downstream.anomaly.options import AnomalyOptions
from evaluator.downstream.anomaly.scores import read_scores, read_windows
from evaluator.downstream.anomaly.settings import HeadSettings
from evaluator.downstream.anomaly.train import Log, train, window_scores
from evaluator.downstream.results import DownstreamResults, summary, versions_of, write_results
from evaluator.features.folder import SEGMENTS, VIDEOS, FeatureFolder, FeatureVideo
from evaluator.features.record import RECORD
from evaluator.parts import HEADS

RUN, SCORES, CLASSES, TRAINING, LEFT_OUT = "run.json", "scores.csv", "classes.csv", "training.csv", "left_out.csv"
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
class _Seed:
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


def detect_anomalies(
    features: Path, options: AnomalyOptions | None = None, say: Callable[[str], None] = lambda line: None
) -> Detected:
    """Train a head on features of videos of which only the class is known, and score the test videos frame by frame.

    Can be resumed: trainings that are finished in ``options.out`` are kept, also if there are more seeds now.

    Args:
        features: a folder of `bench features` with annotations for anomaly detection.
        options: all options.
        say: function that shows lines to the user.

    Raises:
        BenchError: the folder or an option is wrong, ``options.out`` holds something else, scikit-learn is missing, or
            the test videos have no annotated frames.
    """
    options = options or AnomalyOptions()
    need("sklearn.metrics")
    folder = FeatureFolder.open(features, "anomaly")
    test = folder.videos("test")
    if not test:
        splits = ", ".join(sorted({v.split for v in folder.videos()})) or "none"
        raise BenchError(f"{features}: has no test videos (splits: {splits}); extract their features into it")
    left_out = [(v.id, v.split, v.reason) for v in folder.left_out]
    if options.scores is not None:
        kind, settings = None, None
    else:
        kind, settings = _head(options)
    with sole_run(options.out, options.out / ".lock", "another run writes here"):
        _claim(options.out, _key(folder, options, settings), say)
        device = pick_device(options.device) if kind else torch.device("cpu")
        if kind is None or settings is None:
            seeds = [_given(options, test, say)]
        else:
            seeds = _trained(folder, test, kind, settings, options, device, say)
        left_out += dict.fromkeys(row for seed in seeds for row in seed.left_out)
        return _written(folder, test, seeds, left_out, options, settings, device, say)


def _head(options: AnomalyOptions) -> tuple[type[Head], HeadSettings]:
    found = HEADS.find(options.head).part
    if not (isinstance(found, type) and issubclass(found, Head)):
        raise BenchError(f"--head {options.head}: is no head; give a subclass of {Head.__module__}.Head")
    chosen = pairs("--set", options.set)
    if options.steps is not None:
        if "steps" in chosen:
            raise BenchError("--set steps: is --steps, too; give one of them")
        chosen["steps"] = options.steps
    return found, found.Settings(**chosen)


def _key(folder: FeatureFolder, options: AnomalyOptions, settings: HeadSettings | None) -> dict[str, object]:
    """All that decides the scores of a seed."""
    tables = {name: sha256_file(folder.path / name) for name in (RECORD, VIDEOS, SEGMENTS)}
    if settings is None:
        return {"format": 1, "features": tables, "scores": str(options.scores)}
    chosen = {"validation": options.validation, "every": options.every} if options.validation else {}
    return {"format": 1, "features": tables, "head": options.head, "settings": settings.model_dump(), **chosen}


def _claim(out: Path, key: dict[str, object], say: Callable[[str], None]) -> None:
    """Take the folder for this run, or continue the same one.

    Raises:
        BenchError: it holds something else.
    """
    file = out / RUN
    if not file.is_file():
        if others := held(out):
            raise BenchError(f"--out {out}: holds {others[0]}, and no {RUN} of `bench downstream anomaly`; give an "
                             "empty or new folder")  # fmt: skip
        write_json(file, key)
        return
    remove_leftovers(out)
    found = read_json(file, "record of a run", f"delete {out}, or choose another --out")
    differ = [name for name in sorted(key.keys() | found.keys())
              if found.get(name) != key.get(name)] if isinstance(found, dict) else ["everything"]  # fmt: skip
    begun = any((out / "seeds").glob("*.json")) or (out / "results.json").exists()
    if differ and not begun:
        write_json(file, key)
    elif differ:
        detail = differ[0]
        was, now = (table.get(detail) for table in (found, key)) if isinstance(found, dict) else (None, None)
        if isinstance(was, dict) and isinstance(now, dict):
            detail = ", ".join(k for k in sorted(was | now) if was.get(k) != now.get(k))
        raise BenchError(f"--out {out}: holds a run with other {detail}; choose another --out, or delete it")
    else:
        say(f"{out}: continues")


def _given(options: AnomalyOptions, test: Sequence[FeatureVideo], say: Callable[[str], None]) -> _Seed:
    assert options.scores is not None
    found, unknown = read_scores(options.scores, test)
    if unknown:
        say(f"--scores: {len(unknown)} names are no test video, the first is {unknown[0]}")
    missing = [(v.id, "test", f"no scores in {options.scores}") for v in test if v.id not in found]
    return _Seed(0, found, {}, None, [], missing)


def _trained(
    folder: FeatureFolder, test: Sequence[FeatureVideo], kind: type[Head], settings: HeadSettings,
    options: AnomalyOptions, device: torch.device, say: Callable[[str], None],
) -> list[_Seed]:  # fmt: skip
    bags: Bags | None = None
    left_out: list[tuple[str, str, str]] = []
    seeds = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        place = options.out / "seeds" / f"seed-{seed}"
        if place.with_suffix(".json").is_file():
            say(f"seed {seed}: was finished")
        else:
            if bags is None:
                bags, left_out = _bags(folder, settings, options, say)
            _train_seed(place, bags, left_out, test, kind, settings, options, seed, device)
        seeds.append(_read_seed(place, seed, test))
    return seeds


def _bags(
    folder: FeatureFolder, settings: HeadSettings, options: AnomalyOptions, say: Callable[[str], None]
) -> tuple[Bags, list[tuple[str, str, str]]]:
    bags, left_out = read_bags(folder.videos("train"), settings.segments, options.progress)
    abnormal = int(bags.abnormal.sum())
    normal = len(bags.ids) - abnormal
    say(f"training videos: {normal} normal, {abnormal} abnormal; {len(left_out)} left out")
    if (most := min(normal, abnormal)) < settings.batch:
        say(f"{most} + {most} videos per step instead of {settings.batch} + {settings.batch}: there are no more")
    return bags, [(name, "train", reason) for name, reason in left_out]


def _train_seed(
    place: Path, bags: Bags, left_out: list[tuple[str, str, str]], test: Sequence[FeatureVideo], kind: type[Head],
    settings: HeadSettings, options: AnomalyOptions, seed: int, device: torch.device,
) -> None:  # fmt: skip
    """Train one seed, score the test videos, and write ``place.npz`` and then ``place.json``."""
    own, validation = split(bags, options.validation, seed) if options.validation else (bags, None)
    found = train(
        kind, settings, own, validation, seed, name=options.head, device=device, every=options.every,
        progress=options.progress,
    )  # fmt: skip
    scores: dict[str, np.ndarray] = {}
    left_out = list(left_out)
    bar = tqdm(test, desc=f"{options.head} seed {seed}: scores", unit="video", disable=not options.progress)
    for video in bar:
        try:
            features = video.features()
        except BenchError as error:
            left_out.append((video.id, "test", str(error)))
            continue
        scores[video.id] = window_scores(found.head, features, device)
        if scores[video.id].shape != (video.windows,) or not np.isfinite(scores[video.id]).all():
            raise BenchError(f"--head {options.head}: its scores of {video.id} are not {video.windows} finite numbers; "
                             "train fewer steps or with a smaller rate (--set lr=…)")  # fmt: skip
    with whole_file(place.with_suffix(".npz")) as temporary:
        np.savez(temporary, **scores)  # type: ignore[arg-type]
    write_json(place.with_suffix(".json"), {"step": found.step, "log": found.log, "left_out": left_out})


def _read_seed(place: Path, seed: int, test: Sequence[FeatureVideo]) -> _Seed:
    document = read_json(place.with_suffix(".json"), "record of a training", f"delete {place}.json")
    found, _ = read_windows(place.with_suffix(".npz"), [v.id for v in test])
    try:
        rows = [(str(name), str(part), str(reason)) for name, part, reason in document["left_out"]]
        log: Log = [dict(row) for row in document["log"]]
        step = int(document["step"])
    except (KeyError, TypeError, ValueError):
        raise BenchError(f"{place}.json: not a record of a training; delete it, the command trains again") from None
    frames = {}
    for video in test:
        if video.id in found:
            if len(found[video.id]) != video.windows:
                raise BenchError(f"{place}.npz: {video.id} has {len(found[video.id])} scores, not {video.windows}; "
                                 f"delete {place}.json, the command trains again")  # fmt: skip
            frames[video.id] = frame_scores(found[video.id], video.starts(), video.window, video.frames)
    return _Seed(seed, frames, found, step, log, rows)


def _written(
    folder: FeatureFolder, test: Sequence[FeatureVideo], seeds: Sequence[_Seed],
    left_out: Sequence[tuple[str, str, str]], options: AnomalyOptions, settings: HeadSettings | None,
    device: torch.device, say: Callable[[str], None],
) -> Detected:  # fmt: skip
    """Compute the figures and write all files."""
    used = [v for v in test if all(v.id in seed.frames for seed in seeds)]
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
        lines.append(f"{len(bare)} abnormal test videos have no annotated segment, all their frames count as normal; "
                     f"the first is {bare[0]}")  # fmt: skip
    if odd:
        lines.append(f"{len(odd)} normal test videos have annotated segments, these count as anomalous; the first is "
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
    path: Path, used: Sequence[FeatureVideo], truth: Mapping[str, np.ndarray], seeds: Sequence[_Seed]
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


def _write_log(path: Path, seeds: Sequence[_Seed]) -> Path:
    columns = ["seed", "step", "loss", "validation_auc"]
    write_csv(path, columns, ({"seed": s.seed, **row} for s in seeds for row in s.log))
    return path


def _of_features(folder: FeatureFolder) -> dict[str, object]:
    """What the features are, with the digests of the folder's tables."""
    kept = ("dataset", "model", "layer", "window", "stride", "last", "fps", "crops", "dimension", "sampling", "layout")
    digests = {name: sha256_file(folder.path / name) for name in (RECORD, VIDEOS)}
    return {name: folder.record[name] for name in kept if name in folder.record} | {"sha256": digests}


def _settings(options: AnomalyOptions, settings: HeadSettings | None, device: torch.device) -> dict[str, object]:
    if settings is None:
        return {"scores": str(options.scores)}
    chosen = {"validation": options.validation, "every": options.every, "device": device.type}
    return {**settings.model_dump(), **chosen, "published_steps": settings.PUBLISHED_STEPS or None}


def _number(value: float) -> str:
    return f"{value:.9g}"
