"""`bench explain`: integrated gradients of a video, or of the videos of a benchmark, and how much is on the actor.

``inside``: of a video, the share of the absolute attribution that is inside the actor's mask, over all its test clips::

    inside = Σ_i m_i |a_i| / Σ_i |a_i|

i runs over colours, frames and pixels; m_i, 0..1, is the share of the pixel that the mask covers. ``area`` is the mean
of m_i: the value of ``inside`` if attribution were the same everywhere. Figures of a benchmark are means over videos,
with percentile intervals of a bootstrap that draws source videos (:func:`evaluator.metrics.intervals.replicates`).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from albar.clips.clips import ClipSampling, normalise
from albar.training.accelerator import pick_device
from benchmark_builder.benchmark.manifest import MANIFEST
from benchmark_builder.benchmark.protocol_record import PROTOCOL
from benchmark_builder.layouts.layout import read_any
from benchmark_builder.masks import mask_source
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.text import letters
from benchmark_builder.video.decode import probe
from benchmark_builder.video.record import Video
from evaluator.evaluate import describe_model
from evaluator.explain.actors import benchmark_masks, video_masks
from evaluator.explain.attribution import NotExplainable, attribute, baseline_of, logits_of, require_gradients
from evaluator.explain.pictures import Shown, draw_animation, draw_sheet
from evaluator.inference.clips import read_clips
from evaluator.metrics.intervals import replicates
from evaluator.metrics.outcomes import Part
from evaluator.models import ScoredModel, load_model
from evaluator.models.base import Network, apply_options
from evaluator.options import ExplainOptions, ModelOptions
from evaluator.testsets import Item, TestSet, benchmark_set, limited

FIGURES = ("inside", "area", "difference")
COLUMNS = [
    "id", "source_id", "class_name", "explained", "predicted", "clips", "inside", "area", "difference", "score",
    "baseline_score", "gap", "absolute", "reason",
]  # fmt: skip
SUMMARY_COLUMNS = ["figure", "percent", "low", "high", "videos", "sources", "missing"]
LARGE_GAP = 0.05  # of the sum of the absolute attributions


@dataclass(frozen=True)
class Explanation:
    """The attributions of one video.

    Attributes:
        id, source_id: of the video. class_name: its label; empty if it has none.
        explained: the class whose logit is explained. predicted: the model's answer (mean softmax over clips).
        clips: number of test clips. inside, area: see the module, 0..1; None without masks. score, baseline_score: the
            logit for the clip and for the baseline, mean over clips.
        gap: sum of the attributions minus (score − baseline_score), mean over clips of its absolute value.
        absolute: sum of the absolute attributions, mean over clips. reason: why there are no figures.
    """

    id: str
    source_id: str
    class_name: str
    explained: str = ""
    predicted: str = ""
    clips: int = 0
    inside: float | None = None
    area: float | None = None
    score: float | None = None
    baseline_score: float | None = None
    gap: float | None = None
    absolute: float | None = None
    reason: str = ""

    @property
    def difference(self) -> float | None:
        """``inside − area``; above 0: the network looks at the actor more than chance does."""
        return None if self.inside is None or self.area is None else self.inside - self.area


@dataclass(frozen=True)
class Mean:
    """A figure of a benchmark.

    Attributes:
        figure: one of :data:`FIGURES`.
        percent: the mean over videos. low, high: limits of its 95 % interval; None with fewer than two source videos.
        videos, sources: their number. missing: number of videos without the figure.
    """

    figure: str
    percent: float
    low: float | None
    high: float | None
    videos: int
    sources: int
    missing: int


@dataclass(frozen=True)
class Explained:
    """What `bench explain` found and wrote.

    Attributes:
        videos: one per video, in the order of ids. means: figures over all of them; empty for a single video.
        written: the files.
    """

    videos: list[Explanation]
    means: list[Mean]
    written: list[Path]


def explain(
    spec: "Path | str | ScoredModel",
    what: Path,
    options: ExplainOptions | None = None,
    model_options: ModelOptions | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Explained:
    """Explain what a network says of a video, or of the videos of a benchmark.

    Args:
        spec: a model, or a text for :func:`~evaluator.models.load_model`.
        what: a video (a file or a folder of frames), or a built benchmark.
        options: all other options.
        model_options: the user's options for the model.
        say: function that shows lines to the user.

    Returns:
        The figures; tables and pictures are written to ``options.out``.

    Raises:
        NotExplainable: the model gives no gradients.
        BenchError: the model, video or benchmark is missing, the classes differ, or no video could be explained.
    """
    options, model_options = options or ExplainOptions(), model_options or ModelOptions()
    model = apply_options(spec, model_options) if isinstance(spec, ScoredModel) else load_model(spec, model_options)
    s = _test_set(model, what, options)
    if s.benchmark:
        model = model.with_classes(s.classes, s.dataset)
    for line in describe_model(model, "float32"):
        say(line)
    device = pick_device(options.device)
    columns = model.columns(s.classes, s.name) if s.benchmark else None
    explainer = _Explainer(model, model.network(device), s, device, options, columns)
    drawn = {s.items[int(k)].id for k in np.linspace(0, len(s.items) - 1, min(options.videos, len(s.items))).round()}
    found, pictures = [], []
    for item in Bar(s.items, desc="explain", unit="video", disable=not options.progress):
        try:
            explanation, shown = explainer.explain(item)
        except NotExplainable:
            raise
        except BenchError as error:
            label = s.classes[item.label] if s.benchmark else ""
            explanation, shown = Explanation(item.id, item.source_id, label, reason=str(error)), None
        found.append(explanation)
        if shown is not None and item.id in drawn:
            pictures.append(shown)
    good = [one for one in found if one.explained]
    if not good:
        raise BenchError(found[0].reason)
    worst = max(good, key=_relative_gap)
    if _relative_gap(worst) > LARGE_GAP:
        wrong_by = f"{100 * _relative_gap(worst):.0f} % of their absolute sum"
        say(f"{worst.id}: attributions sum to the change of the score with an error of {wrong_by}; give more "
            f"than --steps {options.steps}")  # fmt: skip
    means = [] if s.benchmark is None else means_of(found, options.seed)
    return Explained(found, means, _written(options, s, found, means, pictures))


def means_of(videos: Sequence[Explanation], seed: int = 0) -> list[Mean]:
    """Means of :data:`FIGURES` over videos, percent, with 95 % intervals that draw source videos.

    Videos without a figure are left out and counted. Empty if no video has one.
    """
    known = [video for video in videos if video.inside is not None]
    if not known:
        return []
    ids, sources = [video.id for video in known], [video.source_id for video in known]
    count, means = len(set(sources)), []
    for figure in FIGURES:
        values = np.array([getattr(video, figure) for video in known], np.float64)
        low = high = None
        if count > 1:
            drawn = replicates([Part(ids, values, sources)], f"explain/{figure}", seed)
            low, high = (100 * float(v) for v in np.quantile(drawn, [0.025, 0.975]))
        means.append(Mean(figure, 100 * float(values.mean()), low, high, len(known), count, len(videos) - len(known)))
    return means


@dataclass
class _Explainer:
    model: ScoredModel
    network: Network
    test_set: TestSet
    device: torch.device
    options: ExplainOptions
    columns: list[int] | None  # output of each class of a benchmark; None for a single video
    checked: bool = False  # whether the network is known to give gradients

    @property
    def sampling(self) -> ClipSampling:
        return self.model.clips

    def explain(self, item: Item) -> tuple[Explanation, Shown | None]:
        """The figures of a video, and what to draw of it. Raises BenchError if it cannot be read."""
        s, sampling, source = self.test_set, self.sampling, self.model.source
        clips = read_clips(s, item, sampling)
        masks = self._masks(item)
        if not self.checked:
            require_gradients(self.network, self._prepared(clips[0]), source)
            self.checked = True
        with torch.no_grad():
            logits = torch.cat([logits_of(self.network, self._prepared(clip)[None], source).double() for clip in clips])
        names = self._names(logits.shape[1])
        considered = self._considered(logits.shape[1])
        predicted = considered[int(logits.softmax(1).mean(0)[considered].argmax())]
        target = self._target(item, names, predicted)
        inside = area = total = 0.0
        scores, middle, shown = [], len(clips) // 2, None
        for view, clip in enumerate(clips):
            ready = self._prepared(clip)
            baseline = baseline_of(ready, sampling, self.options.baseline)
            found = attribute(self.network, ready, baseline, target, self.options.steps, self.options.batch, source)
            scores.append((found.score, found.baseline_score, abs(found.gap)))
            heat, mask = found.heat, None
            total += float(heat.sum())
            if masks is not None:
                mask = masks[view].expand(sampling.frames, -1, -1).double()
                inside += float((heat * mask).sum())
                area += float(mask.mean()) / len(clips)
            if view == middle:
                shown = self._shown(item, clip, heat, mask, f"{names[target]} (says {names[predicted]})")
        if total == 0:
            raise BenchError(f"{item.id}: no pixel has an attribution: the score of {names[target]!r} is the same for "
                             "all clips between the baseline and this one")  # fmt: skip
        score, at_baseline, gap = np.mean(scores, axis=0).tolist()
        label = s.classes[item.label] if s.benchmark else ""
        explanation = Explanation(
            item.id, item.source_id, label, names[target], names[predicted], len(clips),
            None if masks is None else inside / total, None if masks is None else area, score, at_baseline, gap,
            total / len(clips),
        )  # fmt: skip
        return explanation, shown

    def _prepared(self, clip: torch.Tensor) -> torch.Tensor:
        ready = normalise(clip.to(self.device), self.sampling)
        return ready.expand(-1, self.sampling.frames, -1, -1).contiguous()

    def _considered(self, outputs: int) -> list[int]:
        """The outputs among which the model's answer is: those of the benchmark's classes, as in `bench eval`."""
        if self.columns is None:
            return list(range(outputs))
        if max(self.columns) >= outputs:
            raise NotExplainable(
                f"the network has {outputs} outputs, {self.test_set.name} has {len(self.columns)} classes; choose a "
                "model trained on this dataset"
            )
        return self.columns

    def _names(self, outputs: int) -> list[str]:
        names = [f"output {k}" for k in range(outputs)]
        known = dict(enumerate(self.model.classes or ()))
        if self.columns is not None:
            known = dict(zip(self.columns, self.test_set.classes, strict=True))
        for k, name in known.items():
            if k < outputs:
                names[k] = name
        return names

    def _target(self, item: Item, names: list[str], predicted: int) -> int:
        asked = self.options.target or ("predicted" if self.columns is None else "label")
        if asked == "predicted":
            return predicted
        if asked == "label":
            if self.columns is None:
                raise NotExplainable("--target label: a single video has no label; give predicted or a class name")
            return self.columns[item.label]
        fits = [k for k, name in enumerate(names) if letters(name) == letters(asked)]
        if len(fits) != 1:
            count = "no" if not fits else "several"
            raise NotExplainable(
                f"--target {asked}: {self.model.source} has {count} outputs of this name; give label, predicted, or a "
                f"class such as {names[0]!r}"
            )
        return fits[0]

    def _masks(self, item: Item) -> torch.Tensor | None:
        if self.test_set.benchmark is not None:
            return benchmark_masks(self.test_set, item, self.sampling)
        if self.options.masks is None:
            return None
        info = probe(item.path)
        video = Video(item.id, item.path, 0, "", "all", "folder")
        found = mask_source(self.options.masks, item.path.parent, mask_set=self.options.mask_set)
        track = found.track(video, info.height, info.width)
        return video_masks(track, item.frames, (info.height, info.width), self.sampling)

    def _shown(self, item: Item, clip: torch.Tensor, heat: torch.Tensor, mask: torch.Tensor | None, said: str) -> Shown:
        s = self.test_set
        fps = s.benchmark.by_id[item.id].fps if s.benchmark else probe(item.path).fps
        frames = clip.expand(-1, self.sampling.frames, -1, -1).permute(1, 2, 3, 0).contiguous().numpy()
        known = None if mask is None else mask.numpy() >= 0.5
        step = item.frames / self.sampling.frames if self.sampling.even else self.sampling.stride
        return Shown(f"{item.id}   [{said}]", frames, heat.numpy(), known, max(1.0, fps / step))


def _test_set(model: ScoredModel, what: Path, options: ExplainOptions) -> TestSet:
    if (what / PROTOCOL).is_file() or (what / MANIFEST).is_file():
        if options.masks is not None:
            raise BenchError(f"--masks {options.masks}: leave it out, {what} has its own masks")
        s = benchmark_set(what, options.root)
        if s.benchmark is not None and options.scuba is not None:
            s = replace(s, benchmark=replace(s.benchmark, scuba=options.scuba))
        if options.video is not None:
            items = [item for item in s.items if options.video in (item.id, item.source_id)]
            if not items:
                raise BenchError(f"--video {options.video}: not in {what}, whose first video is {s.items[0].id}")
            s = replace(s, items=items)
        return s if options.limit is None else limited(s, options.limit)
    if not what.exists():
        raise BenchError(f"{what}: no such video or benchmark; give a video file, a folder of frames or a benchmark")
    if options.video is not None:
        raise BenchError(f"--video {options.video}: is for benchmarks; {what} is one video, so leave it out")
    name = what.stem if what.is_file() else what.resolve().name
    frames = sum(1 for _ in read_any(what))
    item = Item(name, 0, name, what, frames)
    return TestSet(name, "iid", "", list(model.classes or ()), "", "", False, "", [item])


def _relative_gap(one: Explanation) -> float:
    return (one.gap or 0.0) / one.absolute if one.absolute else 0.0


def _written(
    options: ExplainOptions, s: TestSet, found: Sequence[Explanation], means: Sequence[Mean], pictures: Sequence[Shown]
) -> list[Path]:
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / "attribution.csv"]
    write_csv(paths[0], COLUMNS, [_row(one) for one in found])
    if means:
        paths.append(out / "summary.csv")
        write_csv(paths[-1], SUMMARY_COLUMNS, [_plain(asdict(mean)) for mean in means])
    if pictures:
        paths.append(draw_sheet(pictures, out / "sheet.png", options.columns, options.height))
        paths.append(draw_animation(pictures, out / f"animation.{options.animation}", options.height))
    return paths


def _row(one: Explanation) -> dict[str, Any]:
    return _plain({**asdict(one), "difference": one.difference})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers with nine significant digits; nothing for None."""
    return {
        name: "" if value is None else f"{value:.9g}" if isinstance(value, float) else value
        for name, value in values.items()
    }
