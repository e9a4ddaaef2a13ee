"""`bench predict`: the top classes of a model for single videos, and for the same videos changed.

One frame, shuffled and reversed frames, and, with masks, another background or no actor: what stays of the answer hints
at what the model reads. It is one video, so it is no measurement: `bench eval` measures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from albar.clips.clips import Normaliser
from albar.training.accelerator import pick_device
from benchmark_builder.backgrounds import BackgroundSource, background_source
from benchmark_builder.benchmark.manifest import MANIFEST
from benchmark_builder.benchmark.protocol_record import PROTOCOL
from benchmark_builder.datasets import classes_of, read_dataset
from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.masks import KINDS, mask_source, settings_of
from benchmark_builder.masks.base import MaskSource
from benchmark_builder.synthactions import CLASSES as SYNTHACTIONS
from benchmark_builder.utils.errors import BenchError, system_error
from benchmark_builder.utils.files import write_csv, write_json
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_of
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.text import shown as printable
from benchmark_builder.video.record import Video, id_problem
from evaluator.evaluate import describe_model, video_scores
from evaluator.inference.clips import Batch
from evaluator.metrics.figures import plain
from evaluator.models import ScoredModel, load_model
from evaluator.models.base import Network, apply_options
from evaluator.options import ModelOptions, PredictOptions
from evaluator.predict.answers import Answer, OfVersion, Predicted, Prediction
from evaluator.predict.pictures import draw_prediction
from evaluator.predict.variants import PLAIN, Version, versions_of
from evaluator.predict.verdict import verdict
from evaluator.training_data import LABEL_MAPS

COLUMNS = ["video", "clips", "rank", "class_name", "percent", "first_answer", "first_answer_percent", "reason"]


def predict(
    spec: "Path | str | ScoredModel",
    videos: Sequence[Path],
    options: PredictOptions | None = None,
    model_options: ModelOptions | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Predicted:
    """Ask a model about videos, and about the same videos changed.

    Args:
        spec: a model, or a text for :func:`~evaluator.models.load_model`.
        videos: files, folders or zips of frames, and folders of video files, which stand for all of these.
        options: all other options.
        model_options: the user's options for the model.
        say: function that shows lines to the user.

    Returns:
        The answers; predictions.csv, predictions.json and a picture per video are in ``options.out``. A video that
        cannot be read has a ``reason``; the others are not affected.

    Raises:
        BenchError: the model, the mask source or a background set is wrong, or no video was given.
    """
    options, model_options = options or PredictOptions(), model_options or ModelOptions()
    paths = _paths(videos)
    sources = _sources(paths, options)
    backgrounds = [background_source(word) for word in options.backgrounds] if options.masks else []
    model = apply_options(spec, model_options) if isinstance(spec, ScoredModel) else load_model(spec, model_options)
    model, names, columns = _classes(model, options)
    known = _listed(options)
    for line in describe_model(model, "float32"):
        say(line)
    device = pick_device(options.device)
    asked = _Asked(model, model.network(device), device, names, columns, backgrounds, known, options, sources)
    options.out.mkdir(parents=True, exist_ok=True)
    found: list[Prediction] = []
    for path in Bar(paths, desc="predict", unit="video", disable=not options.progress or len(paths) == 1):
        try:
            one, clips = asked.about(path)
        except BenchError as error:
            one, clips = Prediction(path, reason=str(error)), []
        if clips and options.pictures:
            one.picture = draw_prediction(one, clips, _picture(path, found, options.out), options.columns)
        found.append(one)
    return Predicted(found, _written(found, options.out))


@dataclass
class _Asked:
    model: ScoredModel
    network: Network
    device: torch.device
    names: list[str] | None
    columns: list[int] | None
    backgrounds: list[BackgroundSource]
    known: dict[Path, Video]
    options: PredictOptions
    sources: dict[Path, MaskSource] = field(default_factory=dict)

    def about(self, path: Path) -> tuple[Prediction, list[np.ndarray]]:
        """Ask about one video; returns the answers, and of each version the frames to show, uint8 (T, S, S, 3) RGB: the
        crop in the middle of the clip in the middle. Raises BenchError if the video cannot be read."""
        try:
            return self._about(path)
        except OSError as error:
            raise system_error(error, path) from None

    def _about(self, path: Path) -> tuple[Prediction, list[np.ndarray]]:
        if not path.exists():
            raise BenchError(f"{path}: no such video; give a video file or a folder of frames")
        video = self._video(path)
        o, sampling = self.options, self.model.clips
        made = versions_of(video, sampling, o.seed, self._masks(path), self.backgrounds)
        clips = torch.cat([version.clips for version in made.made])
        batch = Batch(list(range(len(made.made))), clips, [])
        scores = video_scores(self.network, batch, Normaliser(sampling), self.device, False, o.batch)
        if not np.isfinite(scores).all():
            raise BenchError(f"{path}: the network's output is not finite; train the network again")
        names, scores = self._named(scores)
        versions = [self._of(version, row, scores[0], names) for version, row in zip(made.made, scores, strict=True)]
        label = video.class_name if path.resolve() in self.known else ""
        said = verdict(versions, len(names), label)
        middle = sampling.views // 2 * sampling.crops + sampling.crops // 2
        shown = [version.clips[middle].permute(1, 2, 3, 0).contiguous().numpy() for version in made.made]
        reason = "; ".join(made.failures)
        return Prediction(path, label, versions, said, made.notes, reason, len(names)), shown

    def _of(self, version: Version, row: np.ndarray, plain: np.ndarray, names: list[str]) -> OfVersion:
        first, difference = int(plain.argmax()), 100 * float(np.abs(row - plain).max())
        # equal probabilities: the lower index first
        order = np.argsort(-row, kind="stable")[: self.options.top]
        top = [Answer(names[int(k)], 100 * float(row[k])) for k in order]
        of_first = Answer(names[first], 100 * float(row[first]))
        return OfVersion(version.name, version.title, top, of_first, difference)

    def _named(self, scores: np.ndarray) -> tuple[list[str], np.ndarray]:
        """The names of the classes, and the scores in their order."""
        outputs = scores.shape[1]
        if self.names is None:
            return [f"output {k}" for k in range(outputs)], scores
        if len(self.names) != outputs:
            raise BenchError(f"{self.model.source}: has {outputs} outputs, but {len(self.names)} classes are named; "
                             "name its own with --classes FILE")  # fmt: skip
        return self.names, scores if self.columns is None else scores[:, self.columns]

    def _video(self, path: Path) -> Video:
        listed = self.known.get(path.resolve())
        if listed is not None:
            return listed
        name = path.stem if path.is_file() else path.resolve().name
        return Video(f"video-{plain(name)}" if id_problem(name) else name, path, 0, "", "all", "folder")

    def _masks(self, path: Path) -> MaskSource | None:
        if self.options.masks is None:
            return None
        root = _root(path, self.options)
        if root not in self.sources:
            self.sources[root] = mask_source(self.options.masks, root, mask_set=self.options.mask_set)
        return self.sources[root]


def _root(path: Path, options: PredictOptions) -> Path:
    """Where a mask source without PATH searches for its files."""
    return options.root or path.parent


def _sources(paths: Sequence[Path], options: PredictOptions) -> dict[Path, MaskSource]:
    """Mask sources by folder, created before the model is loaded, so that a wrong one is one error. Without PATH, a
    source may depend on the folder of the video: of several folders, each video fails for itself.

    Raises:
        BenchError: the source is unknown, or its files are missing.
    """
    if options.masks is None:
        return {}
    settings_of(options.masks)
    roots = {_root(path, options) for path in paths}
    if len(roots) > 1 and not KINDS.split(options.masks)[1]:
        return {}
    return {root: mask_source(options.masks, root, mask_set=options.mask_set) for root in sorted(roots)}


def _paths(videos: Sequence[Path]) -> list[Path]:
    """The videos, in the order given; a folder of video files stands for these."""
    found: list[Path] = []
    for path in videos:
        if path.is_dir():
            if (path / MANIFEST).is_file() or (path / PROTOCOL).is_file():
                raise BenchError(f"{path}: is a built benchmark; score it with `bench eval`, or give videos in it")
            inner = files_of(path, VIDEO_SUFFIXES)[0]
            found += inner or [path]
        else:
            found.append(path)
    if not found:
        raise BenchError("no video was given; name one video or more")
    return found


def _classes(model: ScoredModel, options: PredictOptions) -> tuple[ScoredModel, list[str] | None, list[int] | None]:
    """The model with its classes, their names, and the output of each; None: as the outputs are."""
    if options.dataset is None:
        return model, model.classes, None
    known = classes_of(options.dataset)
    if known == "synthactions":
        wanted = list(SYNTHACTIONS)
    elif known in LABEL_MAPS:
        wanted = shipped_classes(known)
    else:
        wanted = read_dataset(options.dataset, options.root, "all").classes
    model = model.with_classes(wanted, options.dataset)
    return model, wanted, model.columns(wanted, f"--dataset {options.dataset}")


def _listed(options: PredictOptions) -> dict[Path, Video]:
    """The dataset's videos by file, if ``--root`` says where it is."""
    if options.root is None:
        return {}
    assert options.dataset is not None, "the options were checked"
    return {video.path.resolve(): video for video in read_dataset(options.dataset, options.root, "all").videos}


def _picture(path: Path, before: Sequence[Prediction], out: Path) -> Path:
    """The file of a video's picture: its name, with a number if another video has that, upper and lower case alike."""
    name = plain(path.stem if path.is_file() else path.resolve().name)
    taken = {one.picture.name.lower() for one in before if one.picture is not None}
    files = (f"{name}.png" if k == 1 else f"{name}-{k}.png" for k in range(1, len(before) + 2))
    return out / next(file for file in files if file.lower() not in taken)


def _written(found: Sequence[Prediction], out: Path) -> list[Path]:
    table, whole = out / "predictions.csv", out / "predictions.json"
    write_csv(table, COLUMNS, [row for one in found for row in _rows(one)])
    write_json(whole, [one.plain() for one in found])
    return [table, whole, *(one.picture for one in found if one.picture is not None)]


def _rows(one: Prediction) -> list[dict[str, Any]]:
    """Rows of predictions.csv: a class per row; a video that could not be read has one row with the reason."""
    rows = [
        {"video": str(one.path), "clips": v.name, "rank": rank, "class_name": a.class_name,
         "percent": f"{a.percent:.9g}", "first_answer": v.first_answer.class_name,
         "first_answer_percent": f"{v.first_answer.percent:.9g}", "reason": ""}
        for v in one.versions for rank, a in enumerate(v.top, 1)
    ]  # fmt: skip
    failed = {**dict.fromkeys(COLUMNS, ""), "video": str(one.path), "reason": printable(one.reason)}
    return [*rows, *([failed] if one.reason else [])]


__all__ = ["PLAIN", "Answer", "OfVersion", "Predicted", "Prediction", "predict"]
