"""`bench downstream anomaly`: train a head on a folder of features and score the test videos, or take scores."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmark_builder.utils.device import pick_device
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, remove_leftovers, sha256_file, whole_file, write_json
from benchmark_builder.utils.options import pairs
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.resume import held, sole_run
from benchmark_builder.utils.text import counted, shown
from evaluator.downstream import need
from evaluator.downstream.anomaly.bags import Bags, read_bags, split
from evaluator.downstream.anomaly.base import Head
from evaluator.downstream.anomaly.frames import frame_scores
from evaluator.downstream.anomaly.options import AnomalyOptions
from evaluator.downstream.anomaly.report import Detected, SeedScores, write_all
from evaluator.downstream.anomaly.scores import read_scores, read_windows
from evaluator.downstream.anomaly.settings import HeadSettings
from evaluator.downstream.anomaly.train import Log, train, window_scores
from evaluator.features.folder import SEGMENTS, VIDEOS, FeatureFolder, FeatureVideo
from evaluator.features.record import RECORD
from evaluator.parts import HEADS

RUN = "run.json"


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
    for part, called in (("test", "test"), ("train", "training")):
        if not folder.videos(part) and (part == "test" or options.scores is None):
            splits = ", ".join(sorted({v.split for v in folder.videos()})) or "none"
            raise BenchError(f"{features}: has no {called} videos (splits: {splits}); extract their features into it")
    annotated, frames = sum(int(v.frame_truth().sum()) for v in test), sum(v.frames for v in test)
    if annotated in (0, frames):  # before hours of training
        raise BenchError(f"{features}: of {counted(frames, 'frame')} of {counted(len(test), 'test video')}, "
                         f"{annotated} are in annotated segments; AUC needs both kinds, add the missing videos or "
                         "their annotations")  # fmt: skip
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
        return write_all(folder, test, seeds, left_out, options, settings, device.type, say)


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


def _given(options: AnomalyOptions, test: Sequence[FeatureVideo], say: Callable[[str], None]) -> SeedScores:
    assert options.scores is not None
    found, unknown = read_scores(options.scores, test)
    if unknown:
        say(
            f"--scores: {counted(len(unknown), 'name is', 'names are')} no test video, the first is {shown(unknown[0])}"
        )
    missing = [(v.id, "test", f"no scores in {options.scores}") for v in test if v.id not in found]
    return SeedScores(0, found, {}, None, [], missing)


def _trained(
    folder: FeatureFolder, test: Sequence[FeatureVideo], kind: type[Head], settings: HeadSettings,
    options: AnomalyOptions, device: torch.device, say: Callable[[str], None],
) -> list[SeedScores]:  # fmt: skip
    bags: Bags | None = None
    left_out: list[tuple[str, str, str]] = []
    seeds = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        place = options.out / "seeds" / f"seed-{seed}"
        if place.with_suffix(".json").is_file() and not _repaired(place, seed, test, folder):
            say(f"seed {seed}: was finished")
        else:
            if bags is None:
                bags, left_out = _bags(folder, settings, options, say)
            _train_seed(place, bags, left_out, test, kind, settings, options, seed, device)
        seeds.append(_read_seed(place, seed, test))
    return seeds


def _repaired(place: Path, seed: int, test: Sequence[FeatureVideo], folder: FeatureFolder) -> bool:
    """Whether a video that a finished training had to leave out can be read now."""
    left_out = {name for name, _, _ in _read_seed(place, seed, test).left_out}
    for video in folder.videos():
        if video.id in left_out and video.label is not None:
            try:
                video.features()
            except BenchError:
                continue
            return True
    return False


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
    bar = Bar(test, desc=f"{options.head} seed {seed}: scores", unit="video", disable=not options.progress)
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


def _read_seed(place: Path, seed: int, test: Sequence[FeatureVideo]) -> SeedScores:
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
                raise BenchError(f"{place}.npz: {video.id} has {counted(len(found[video.id]), 'score')}, not "
                                 f"{video.windows}; "
                                 f"delete {place}.json, the command trains again")  # fmt: skip
            frames[video.id] = frame_scores(found[video.id], video.starts(), video.window, video.frames)
    return SeedScores(seed, frames, found, step, log, rows)
