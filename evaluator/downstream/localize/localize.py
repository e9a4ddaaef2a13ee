"""`bench downstream localize`: train a head on a folder of features or read predictions, score, write everything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmark_builder.datasets.thumos14 import CLASSES as THUMOS14
from benchmark_builder.utils.device import pick_device
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, remove_leftovers, sha256_file, write_csv, write_json
from benchmark_builder.utils.options import pairs
from benchmark_builder.utils.registry import first_line
from benchmark_builder.utils.resume import held, sole_run
from benchmark_builder.utils.text import counted, shown
from evaluator.downstream.localize.base import Found, Head, LocalVideo, Shape
from evaluator.downstream.localize.metrics import FIGURES, Spans
from evaluator.downstream.localize.options import LocalizeOptions
from evaluator.downstream.localize.pictures import draw_videos
from evaluator.downstream.localize.predictions import Predictions, read_predictions, write_predictions
from evaluator.downstream.localize.score import class_rows, score_all
from evaluator.downstream.localize.settings import HeadSettings
from evaluator.downstream.localize.truth import AMBIGUOUS, SAME, Truth, read_classes, read_ids, read_truth
from evaluator.downstream.localize.truth import truth_of_features as features_truth
from evaluator.downstream.results import DownstreamResults, versions_of, write_results
from evaluator.features.folder import SEGMENTS, VIDEOS, FeatureFolder, FeatureVideo
from evaluator.features.record import RECORD
from evaluator.parts import LOCALIZERS

RUN, CLASSES, TRAINING, LEFT_OUT, PICTURES = "run.json", "classes.csv", "training.csv", "left_out.csv", "pictures"
LEFT_OUT_COLUMNS = ["video", "split", "seed", "place", "reason"]
MISSED = "no predictions; its segments are missed"
MOST_KEPT = 2**30  # bytes of training features that stay in memory
Say = Callable[[str], None]


@dataclass(frozen=True)
class Localized:
    """What `bench downstream localize` found and wrote.

    Attributes:
        record: the figures, shares from 0 to 1. classes: rows of classes.csv.
        videos: number of scored videos. segments: annotated ones.
        missing: of each seed, the annotated videos without a prediction.
        left_out: rows of left_out.csv: videos and predictions that were not used.
        notes: what the user should know. written: the files.
    """

    record: DownstreamResults
    classes: list[dict[str, object]]
    videos: int
    segments: int
    missing: dict[int, list[str]]
    left_out: list[dict[str, object]]
    notes: list[str]
    written: list[Path]


def localize_actions(
    features: Path | None, options: LocalizeOptions | None = None, say: Say = lambda line: None
) -> Localized:
    """Train a head on annotated videos and score its predictions of the test videos; or score given predictions.

    Can be resumed: trainings that are finished in ``options.out`` are kept, also if there are more seeds now.

    Args:
        features: a folder of `bench features` with annotations for localization; may be None with predictions and
            their truth.
        options: all options.
        say: function that shows lines to the user.

    Raises:
        BenchError: the folder, a file or an option is wrong, ``options.out`` holds something else, or the package of
            the head is missing.
    """
    options = options or LocalizeOptions()
    if options.predictions:
        return _score_given(features, options, say)
    if features is None:
        raise BenchError("FEATURES is missing; give a folder of `bench features`, or --predictions FILE --truth FILE")
    folder = FeatureFolder.open(features, "localization")
    truth = features_truth(folder, read_ids(options.leave_out) if options.leave_out else ())
    name = options.head or "actionformer"
    kind, settings = _head(name, options)
    train, test = _videos(folder, truth, "train"), _videos(folder, truth, "test")
    if not train:  # THUMOS14 trains on its validation videos
        train = _videos(folder, truth, "validation")
    if not any(len(v.segments) for v in train):
        splits = ", ".join(sorted({v.split for v in folder.videos()}))
        raise BenchError(f"{features}: has no annotated training or validation videos (splits: {splits}); extract "
                         "their features into it")  # fmt: skip
    shape = Shape(
        folder.dimension, folder.window, folder.stride, max(v.video.windows for v in train),
        max(v.video.windows for v in (*train, *test)),
    )  # fmt: skip
    head = _made(name, kind, settings, truth.classes, shape)
    with sole_run(options.out, options.out / ".lock", "another run writes here"):
        _claim(options.out, {**_features_key(folder), "head": name, "settings": head.described(),
                             "without": sorted(v for v, _ in truth.left_out)}, say)  # fmt: skip
        device = pick_device(options.device)
        run = _Training(name, kind, settings, shape, truth, train, test, options, device, say)
        found = run.seeds()
        if not found:
            raise BenchError(f"no training succeeded ({len(run.failures)} failed); {run.failures[0]}")
        result = _written(
            truth, found, options, name, say, folder=folder, settings=head.described(), package=head.package,
            left_out=run.left_out, log=run.log,
        )  # fmt: skip
    if run.failures:
        raise BenchError(f"{len(run.failures)} of {counted(options.seeds, 'training')} failed, results are of the "
                         f"others; "
                         f"{run.failures[0]}")  # fmt: skip
    return result


def _score_given(features: Path | None, options: LocalizeOptions, say: Say) -> Localized:
    without = read_ids(options.leave_out) if options.leave_out else ()
    classes = read_classes(options.classes) if options.classes else ()
    folder = None
    source = options.truth or features
    if source is None:
        raise BenchError("--predictions: compared with what? give --truth FILE.json, or a folder of features")
    if source.is_dir():
        if options.subset or options.classes:
            raise BenchError("--subset, --classes: are for a json file as --truth; leave them out")
        folder = FeatureFolder.open(source, "localization")
        truth = features_truth(folder, without)
    else:
        truth = read_truth(source, options.subset, classes, without)
    given = [(k, read_predictions(path, truth)) for k, path in enumerate(options.predictions)]
    digests = [sha256_file(p) for p in options.predictions]
    if len(set(digests)) < len(digests):
        raise BenchError("--predictions: two files have the same contents; give one file per seed")
    key = {"format": 1, "predictions": digests, "truth": str(source.resolve())}
    with sole_run(options.out, options.out / ".lock", "another run writes here"):
        _claim(options.out, key, lambda line: None)
        settings: dict[str, object] = {"predictions": [str(p) for p in options.predictions], "truth": str(source)}
        return _written(truth, given, options, options.head or "predictions", say, folder=folder, settings=settings)


def _head(name: str, options: LocalizeOptions) -> tuple[type[Head], HeadSettings]:
    found = LOCALIZERS.find(name).part
    if not (isinstance(found, type) and issubclass(found, Head)):
        raise BenchError(f"--head {name}: is no head; give a subclass of {Head.__module__}.Head")
    chosen = pairs("--set", options.set)
    if options.epochs is not None:
        if "epochs" in chosen:
            raise BenchError("--set epochs: is --epochs, too; give one of them")
        chosen["epochs"] = options.epochs
    return found, found.Settings(**chosen)


def _made(name: str, kind: type[Head], settings: HeadSettings, classes: Sequence[str], shape: Shape) -> Head:
    """A new head; what the code of a user raises becomes one line."""
    try:
        return kind(settings, classes, shape)
    except BenchError:
        raise
    except Exception as error:
        raise BenchError(
            f"--head {name}: cannot be made ({type(error).__name__}: {first_line(error)}); fix it"
        ) from error


def _videos(folder: FeatureFolder, truth: Truth, split: str) -> list[LocalVideo]:
    number = {name: k for k, name in enumerate(truth.classes)}
    skipped = {name for name, _ in truth.left_out}
    return [_video(v, number) for v in folder.videos(split) if v.id not in skipped]


def _video(video: FeatureVideo, number: dict[str, int]) -> LocalVideo:
    """A video without ambiguous, short and repeated segments, as in the truth."""
    kept: list[tuple[str, float, float]] = []
    for s in video.segments:
        twice = any(n == s.label and abs(a - s.start) <= SAME and abs(b - s.end) <= SAME for n, a, b in kept)
        if s.label.casefold() != AMBIGUOUS and s.end - s.start >= SAME and not twice:
            kept.append((s.label, s.start, s.end))
    times = np.array([row[1:] for row in kept], dtype=np.float64).reshape(-1, 2)
    return LocalVideo(video, times, np.array([number[row[0]] for row in kept], dtype=np.int64))


def _features_key(folder: FeatureFolder) -> dict[str, object]:
    tables = {name: sha256_file(folder.path / name) for name in (RECORD, VIDEOS, SEGMENTS)}
    return {"format": 1, "features": tables}


def _claim(out: Path, key: dict[str, object], say: Say) -> None:
    """Take the folder for this run, or continue the same one.

    Raises:
        BenchError: it holds something else.
    """
    file = out / RUN
    if not file.is_file():
        if others := held(out):
            raise BenchError(f"--out {out}: holds {others[0]}, and no {RUN} of `bench downstream localize`; give an "
                             "empty or new folder")  # fmt: skip
        write_json(file, key)
        return
    remove_leftovers(out)
    found = read_json(file, "record of a run", f"delete {out}, or choose another --out")
    found = found if isinstance(found, dict) else {}
    differ = [name for name in sorted(key.keys() | found.keys()) if found.get(name) != key.get(name)]
    begun = any((out / "seeds").glob("*.json")) or (out / "results.json").exists()
    if differ and not begun:
        write_json(file, key)
        return
    if differ:
        was, now, detail = found.get(differ[0]), key.get(differ[0]), differ[0]
        if isinstance(was, dict) and isinstance(now, dict):
            detail = ", ".join(str(k) for k in sorted(was | now) if was.get(k) != now.get(k))
        raise BenchError(f"--out {out}: holds a run with other {detail}; choose another --out, or delete it")
    say(f"{out}: continues")


class _Training:
    """Trains one head per seed, and keeps its predictions in ``seeds/``."""

    def __init__(
        self, name: str, kind: type[Head], settings: HeadSettings, shape: Shape, truth: Truth,
        train: Sequence[LocalVideo], test: Sequence[LocalVideo], options: LocalizeOptions, device: torch.device,
        say: Say,
    ) -> None:  # fmt: skip
        self.name, self.kind, self.settings, self.shape, self.truth = name, kind, settings, shape, truth
        self.train, self.test, self.options, self.device, self.say = list(train), test, options, device, say
        self.left_out: list[dict[str, object]] = []
        self.log: list[dict[str, object]] = []
        self.failures: list[str] = []
        self.unread: list[tuple[str, str]] = []
        self.loaded = False

    def seeds(self) -> list[tuple[int, Predictions]]:
        """The predictions of every seed that could be trained."""
        found = []
        first = self.options.first_seed
        for seed in range(first, first + self.options.seeds):
            place = self.options.out / "seeds" / f"seed-{seed}"
            try:
                if place.with_suffix(".json").is_file():
                    self.say(f"seed {seed}: was finished")
                else:
                    self._one(seed, place)
                found.append((seed, self._read(seed, place)))
            except BenchError as error:
                self.failures.append(f"seed {seed}: {error}")
                self.say(self.failures[-1])
        return found

    def _one(self, seed: int, place: Path) -> None:
        """Train one seed, predict the test videos, and write its predictions and then its record."""
        if not self.loaded:
            self._load()
        options, name = self.options, self.name
        head = _made(name, self.kind, self.settings, self.truth.classes, self.shape)
        try:
            log = head.train(self.train, seed, self.device, options.progress, name)
            found, left_out = {}, []
            for video in self.test:
                try:
                    found[video.id] = self._checked(video, head.predict(video, self.device))
                except BenchError as error:
                    left_out.append((video.id, str(error)))
        except BenchError:
            raise
        except Exception as error:  # a head of a user, or the package
            raise BenchError(f"--head {name}: failed ({type(error).__name__}: {first_line(error)}); look at its code, "
                             "or give other settings with --set") from error  # fmt: skip
        if not found:
            raise BenchError(f"no test video could be predicted; the first: {left_out[0][1]}")
        write_predictions(self._file(place), self._spans(found), list(found), name)
        write_json(place.with_suffix(".json"), {"log": log, "left_out": left_out, "videos": len(found),
                                                "training": [list(row) for row in self.unread]})  # fmt: skip

    def _load(self) -> None:
        """Read the training features once: those that cannot be read are left out, those that fit stay in memory."""
        usable, size = [], 0
        for video in self.train:
            try:
                features = video.features()
            except BenchError as error:
                self.unread.append((video.id, str(error)))
                continue
            size += features.nbytes
            if size <= MOST_KEPT:
                video.kept = features
            usable.append(video)
        if not any(len(v.segments) for v in usable):
            raise BenchError(f"no annotated training video can be read; {self.unread[0][1] if self.unread else ''}")
        self.train, self.loaded = usable, True

    def _checked(self, video: LocalVideo, found: Found) -> Found:
        times, labels, scores = (np.asarray(part) for part in found)
        count = len(self.truth.classes)
        fits = times.shape == (len(scores), 2) and labels.shape == scores.shape == (len(scores),)
        if not fits or not np.isfinite(times).all() or not np.isfinite(scores).all():
            raise BenchError(f"--head {self.name}: its predictions of {video.id} are not N times two finite numbers "
                             "with N finite scores; train fewer epochs, or at a lower rate (--set lr=…)")  # fmt: skip
        if (times[:, 1] < times[:, 0]).any() or ((labels < 0) | (labels >= count)).any():
            raise BenchError(f"--head {self.name}: its predictions of {video.id} end before they start, or have a "
                             f"label outside 0 … {count - 1}; correct it")  # fmt: skip
        return Found(times.astype(np.float64), labels.astype(np.int64), scores.astype(np.float64))

    def _spans(self, found: dict[str, Found]) -> Spans:
        names = [video for video, f in found.items() for _ in range(len(f.scores))]
        labels = [self.truth.classes[k] for f in found.values() for k in f.labels.tolist()]
        times = np.concatenate([np.zeros((0, 2)), *(f.times for f in found.values())])
        return Spans(names, labels, times, np.concatenate([np.zeros(0), *(f.scores for f in found.values())]))

    @staticmethod
    def _file(place: Path) -> Path:
        return place.with_name(f"{place.name}-predictions.json")

    def _read(self, seed: int, place: Path) -> Predictions:
        fix = f"delete {place}.json; the command trains this seed again"
        document = read_json(place.with_suffix(".json"), "record of a training", fix)
        try:
            self.log += [{"seed": seed, **{str(k): float(v) for k, v in row.items()}} for row in document["log"]]
            rows = [("test", v, reason) for v, reason in document["left_out"]]
            rows += [("train", v, reason) for v, reason in document["training"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BenchError(f"{place}.json: not a record of a training; {fix}") from None
        self.left_out += [{"video": v, "split": split, "seed": seed, "reason": reason} for split, v, reason in rows]
        return read_predictions(self._file(place), self.truth)


def _written(
    truth: Truth, given: Sequence[tuple[int, Predictions]], options: LocalizeOptions, name: str, say: Say, *,
    folder: FeatureFolder | None, settings: dict[str, object], package: str = "",
    left_out: Sequence[dict[str, object]] = (), log: Sequence[dict[str, object]] = (),
) -> Localized:  # fmt: skip
    """Compute the figures and write all files."""
    scores, interval = score_all(truth, given)
    out, rows = options.out, [*left_out]
    rows += [{"video": v, "split": truth.subset, "reason": reason} for v, reason in truth.left_out]
    for s in scores:
        rows += [{"video": v, "split": truth.subset, "seed": s.seed, "place": place, "reason": reason}
                 for v, place, reason in s.predictions.left_out]  # fmt: skip
        rows += [{"video": v, "split": truth.subset, "seed": s.seed, "reason": MISSED}
                 for v in s.missing]  # fmt: skip
    classes = class_rows(truth, scores)
    notes = list(dict.fromkeys([*truth.notes, *(note for s in scores for note in s.predictions.notes)]))
    for note in notes:
        say(shown(note))
    model = str(options.name or "")
    if folder is not None and not model:
        model = str(folder.record["model"].get("method") or folder.record["model"].get("model"))
    model = model or (options.predictions[0].stem if options.predictions else "")
    write_csv(out / CLASSES, ["class", "annotated", "predictions", *FIGURES], classes)
    write_csv(out / LEFT_OUT, LEFT_OUT_COLUMNS, rows)
    written = [out / CLASSES, out / LEFT_OUT]
    if log:
        columns = list(dict.fromkeys(column for row in log for column in row))
        write_csv(out / TRAINING, columns, log)
        written.append(out / TRAINING)
    record = write_results(
        out,
        {
            "task": "localization",
            "head": name,
            "seeds": [{"seed": s.seed, "figures": s.figures} for s in scores],
            "interval": {f: {"low": low, "high": high} for f, (low, high) in interval.items()},
            "features": {**(_of_features(folder) if folder else {"dataset": _dataset(truth)}), "name": model},
            "settings": settings,
            "versions": versions_of(*filter(None, ("torch", "numpy", package))),
            "test": {
                "truth": str(truth.source), "subset": truth.subset, "videos": len(truth.videos),
                "segments": len(truth.spans), "missing": {str(s.seed): len(s.missing) for s in scores},
                "left_out": len(truth.left_out),
            },
        },
    )  # fmt: skip
    pictures = draw_videos(truth, scores[0].predictions.spans, options.pictures, out / PICTURES, f"{name} on {model}")
    return Localized(
        record, classes, len(truth.videos), len(truth.spans), {s.seed: s.missing for s in scores}, rows, notes,
        [*written, out / "results.json", *pictures],
    )  # fmt: skip


def _of_features(folder: FeatureFolder) -> dict[str, object]:
    """What the features are, with the digests of the folder's tables."""
    kept = ("dataset", "model", "layer", "window", "stride", "last", "fps", "crops", "dimension", "sampling", "layout")
    digests = {name: sha256_file(folder.path / name) for name in (RECORD, VIDEOS)}
    return {name: folder.record[name] for name in kept if name in folder.record} | {"sha256": digests}


def _dataset(truth: Truth) -> str:
    """The dataset of a json file: known by its classes, else the name of the file."""
    return "thumos14" if set(truth.classes) == set(THUMOS14) else truth.source.stem
