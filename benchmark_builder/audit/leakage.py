"""How much of the original background a SCUBA benchmark still shows, and what this background reveals.

**Share.** Of the pixels that were pasted, the share outside a reference mask of the actor: this is background. A video
counts once, since all its variants have the same masks. At a soft edge, each pixel counts by its weight.

**Probe.** A nearest-neighbour probe (:mod:`~benchmark_builder.audit.probe`) sees only pixels *around* the actor in the
benchmark: pixels that were pasted and are more than ``margin`` pixels away from the reference mask. Without a
reference, it sees a ring of ``ring`` pixels just inside the edge of the pasted area. If the mask is tight, this ring
shows the outline and clothes of the actor, so the result is an upper bound for the background.

- *class*: does the nearest video **of another source** have the same class? Above chance, the surroundings reveal it.
- *source*: is the nearest video another variant of the same source? Variants differ in everything except the pasted
  pixels, so above chance, surroundings of the source are still visible.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.audit.probe import Histograms, Probed, name_class, name_source
from benchmark_builder.benchmark.manifest import Benchmark, Row, read_benchmark
from benchmark_builder.masks import MaskSource, MaskTrack, mask_source
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.settings import LeakageSettings as Settings
from benchmark_builder.utils.errors import BenchError, Crashed, LeftOut
from benchmark_builder.utils.files import inside, write_csv
from benchmark_builder.utils.pictures import check_suffix, literal, new_figure, save_figure
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.runner import work
from benchmark_builder.utils.text import shown
from benchmark_builder.video.record import Video
from benchmark_builder.video.selection import indices

REPLICATES = 2000
OWN_TRUTH = {"synthactions": "truth"}  # datasets with exact masks
FRAMES = 16  # number of frames per video, spread over its length, for the probe's features


@dataclass(frozen=True)
class Share:
    """A mean over source videos, 0..1, with its 95 % interval: sources are drawn with replacement, 2,000 times; the
    limits are the 2.5 and 97.5 percentiles of the means. If every source has the same value, both limits are equal."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Leakage:
    """The result for one benchmark. A figure is None if it cannot be measured.

    Attributes:
        benchmark: its folder.
        masks: the mask source of the build.
        reference: the reference's spec, or "" for none.
        around: the pixels that the probe saw, in words.
        sources, videos: number of measured sources and videos. missing: (source id, reason) for the others. leaked:
        share of the pasted pixels that are background. background_shown: share of the source's background that is still
        shown. actor_shown: share of the actor that was pasted. seen: share of the videos with any pixel for the probe;
        the others are guessed. class_probe, class_chance: share of videos whose class the probe predicts correctly; the
        same for a uniform guess. source_probe, source_chance: the same for the source; None for benchmarks with one
        variant per source.
    """

    benchmark: Path
    masks: str
    reference: str
    around: str
    sources: int
    videos: int
    missing: list[tuple[str, str]]
    leaked: Share | None
    background_shown: Share | None
    actor_shown: Share | None
    seen: float
    class_probe: Share | None
    class_chance: float | None
    source_probe: Share | None
    source_chance: float | None


@dataclass(frozen=True)
class Counted:
    """The sums of one source over its frames, in pixels (weighted at soft edges), and a feature of each video."""

    pasted: float
    leaked: float
    background: int
    actor: int
    actor_pasted: float
    features: list[np.ndarray | None]


@dataclass(frozen=True)
class Counter:
    """Measures one source; :meth:`make` gets its rows."""

    benchmark: Benchmark
    reference: MaskSource | None
    settings: Settings

    def make(self, rows: Sequence[Row]) -> Counted:
        """Count pixels and features of one source's videos.

        Raises:
            LeftOut: the reference has no mask for it.
            BenchError: masks or videos cannot be read, or do not match each other.
        """
        row = rows[0]
        pasted = StoredTrack(inside(self.benchmark.folder, row.mask_file), row.height, row.width)
        try:
            shown = indices(row.source_frames)
        except ValueError:
            raise BenchError(f"{row.id}: source frames {row.source_frames!r} are not ranges; build it again") from None
        if len(shown) != row.frames:
            raise BenchError(
                f"{row.id}: has {row.frames} frames, but source frames {row.source_frames!r}; build it again"
            )
        truth = self._truth(row)
        usable = [at for at, k in enumerate(shown) if truth is None or (k < len(truth.covered) and truth.covered[k])]
        if not usable:
            raise LeftOut(f"the reference covers no frame of {row.source_id}")
        picks = {usable[int(k)] for k in np.linspace(0, len(usable) - 1, min(FRAMES, len(usable))).round()}
        sums, regions = np.zeros(5), {}
        for at in usable:
            mask = pasted.mask(shown[at])
            actor = None if truth is None else truth.mask(shown[at])
            if actor is not None:
                weight = self._weight(mask)
                there = float(weight.sum())
                on_actor = float(weight[actor].sum())
                sums += (there, there - on_actor, int((~actor).sum()), int(actor.sum()), on_actor)
            if at in picks:
                regions[at] = self._around(mask, actor)
        features = [self._feature(r, regions) for r in rows]
        return Counted(sums[0], sums[1], int(sums[2]), int(sums[3]), sums[4], features)

    def _truth(self, row: Row) -> MaskTrack | None:
        if self.reference is None:
            return None
        path = self.benchmark.source(row)
        video = Video(row.source_id, path, row.label, row.class_name, row.split, self.benchmark.dataset)
        return self.reference.track(video, row.height, row.width)

    def _weight(self, mask: np.ndarray) -> np.ndarray:
        """The weight of the source in each pixel, 0..1: bool or float32 (H, W)."""
        feather = float(self.benchmark.protocol.mask_settings.feather or 0)
        return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), feather) if feather else mask

    def _around(self, mask: np.ndarray, actor: np.ndarray | None) -> np.ndarray:
        """The pixels that the probe sees: bool (H, W)."""
        if actor is not None:
            return mask & ~_grown(actor, self.settings.margin)
        return mask & _grown(~mask, self.settings.ring)  # the border of the picture is not an edge of the mask

    def _feature(self, row: Row, regions: dict[int, np.ndarray]) -> np.ndarray | None:
        if not any(region.any() for region in regions.values()):
            return None
        histograms, last, read = Histograms(), max(regions), 0
        for at, frame in enumerate(self.benchmark.frames(row)):
            read += 1
            if at in regions:
                if frame.shape[:2] != regions[at].shape:
                    raise BenchError(f"{row.file}: is not {row.width}x{row.height}, as in its row; build it again")
                histograms.add(frame, regions[at])
            if at >= last:
                break
        if read <= last:
            raise BenchError(f"{row.file}: has {read} frames, but its row says {row.frames}; build it again")
        return histograms.feature()


def measure(
    folder: Path, settings: Settings | None = None, root: Path | None = None, workers: int = 1, progress: bool = True
) -> Leakage:
    """Measure the leakage of one SCUBA benchmark.

    Args:
        folder: the benchmark; its stored masks show what was pasted.
        root: the dataset's folder, where the reference searches for its files; None for its place at build time.
        workers: processes.
        progress: show a progress bar.

    Raises:
        BenchError: ``folder`` is not a SCUBA benchmark or has no masks, or none of its videos could be measured.
    """
    settings = settings or Settings()
    benchmark = read_benchmark(folder, root)
    if benchmark.kind != "scuba":
        raise BenchError(f"{folder}: is a {benchmark.kind} benchmark; give the SCUBA benchmark from which it was made")
    if not all(row.mask_file for row in benchmark.rows) or not benchmark.rows:
        raise BenchError(f"{folder}: does not contain the masks it was made with, so leakage cannot be measured; "
                         "build it with `bench build scuba`")  # fmt: skip
    spec = settings.reference
    if spec == "auto":
        spec = OWN_TRUTH.get(benchmark.dataset, "none")
    reference = None
    if spec != "none":
        try:
            place = benchmark.source_root
        except BenchError as error:
            raise BenchError(f"{error}, or give --reference none") from None
        try:
            reference = mask_source(spec, place)
        except BenchError as error:
            raise BenchError(str(error).replace("--masks", "--reference")) from None
    ordered = sorted(benchmark.rows, key=lambda r: (r.source_id, r.variant))
    items = [list(rows) for _, rows in groupby(ordered, key=lambda r: r.source_id)]
    counter = Counter(benchmark, reference, settings)
    done = work(counter, items, lambda rows: rows[0].source_id, workers,
                title=f"leakage {shown(folder.name)}", unit="source", progress=progress)  # fmt: skip
    missing = [
        (rows[0].source_id, f"{error}; {done.log}" if isinstance(error, Crashed) else str(error))
        for rows, error in done.failed
    ]
    if not done.made:
        raise BenchError(f"{folder}: none of its {len(items)} sources could be measured; the first: {missing[0][1]}")
    around = f"beyond {settings.margin} px of {spec}" if reference else f"ring of {settings.ring} px inside the edge"
    measured = sorted(done.made, key=lambda one: one[0][0].source_id)  # independent of the order of completion
    return _summary(benchmark, "" if reference is None else spec, around, measured, sorted(missing), settings.seed)


def _summary(
    benchmark: Benchmark,
    reference: str,
    around: str,
    found: list[tuple[list[Row], Counted]],
    missing: list[tuple[str, str]],
    seed: int,
) -> Leakage:
    rows = [row for rows, _ in found for row in rows]
    features = [feature for _, counted in found for feature in counted.features]
    place = np.array([k for k, (rows_, _) in enumerate(found) for _ in rows_])
    labels = np.array([row.label for row in rows])
    counts = [counted for _, counted in found]

    def ratio(name: str, above: str, below: str) -> Share | None:
        pairs = [(getattr(c, above), getattr(c, below)) for c in counts if getattr(c, below)] if reference else []
        return _share(np.array([a / b for a, b in pairs]), name, seed) if pairs else None

    def probed(name: str, result: Probed) -> tuple[Share, float]:
        per_source = np.bincount(place, result.right) / np.bincount(place)
        return _share(per_source, name, seed), float((np.bincount(place, result.chance) / np.bincount(place)).mean())

    several = len(set(labels.tolist())) > 1
    by_class = probed("class", name_class(features, labels, place)) if several else (None, None)
    by_source = probed("source", name_source(features, place)) if len(found) < len(rows) else (None, None)
    return Leakage(
        benchmark.folder,
        _masks(benchmark.protocol.masks.plain()),
        reference,
        around,
        len(found),
        len(rows),
        missing,
        ratio("leaked", "leaked", "pasted"),
        ratio("background", "leaked", "background"),
        ratio("actor", "actor_pasted", "actor"),
        sum(f is not None for f in features) / len(features),
        *by_class,
        *by_source,
    )


def _share(values: np.ndarray, name: str, seed: int) -> Share:
    """Mean of one value per source, and its percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13)."""
    draw, count = generator(seed, name, "leakage bootstrap"), len(values)
    means = [values[draw.integers(0, count, count)].mean() for _ in range(REPLICATES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Share(float(values.mean()), float(low), float(high))


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask, bool (H, W), dilated with a disc of radius ``pixels``."""
    if not pixels:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1,) * 2)
    return cv2.dilate(mask.astype(np.uint8), disc, borderType=cv2.BORDER_CONSTANT, borderValue=0).astype(bool)


def _masks(described: Mapping[str, object]) -> str:
    """A mask source in one or two words; for ``stored`` and ``boxes`` with their origin."""
    inner = described.get("origin") or described.get("of")
    return str(described.get("kind", "unknown")) + (f" of {_masks(inner)}" if isinstance(inner, dict) else "")


_FIGURES = ("leaked", "background_shown", "actor_shown", "class_probe", "source_probe")
COLUMNS = [
    "benchmark", "masks", "reference", "around", "sources", "videos", "missing", "seen",
    *(f"{name}{end}" for name in _FIGURES for end in ("", "_low", "_high")), "class_chance", "source_chance",
]  # fmt: skip


def write_table(path: Path, found: Sequence[Leakage]) -> None:
    """Write one row per benchmark as CSV: shares 0..1, empty if not measured."""
    rows = []
    for one in found:
        row = {name: getattr(one, name) for name in COLUMNS if hasattr(one, name)}
        row["missing"] = len(one.missing)
        for name in _FIGURES:
            share = getattr(one, name)
            for end in ("value", "low", "high"):
                row[name if end == "value" else f"{name}_{end}"] = "" if share is None else repr(getattr(share, end))
        rows.append({name: "" if value is None else value for name, value in row.items()})
    write_csv(path, COLUMNS, rows)


def plot(path: Path, found: Sequence[Leakage]) -> None:
    """Draw the benchmarks side by side as bars with intervals, and chance as a dashed line: PNG, PDF or SVG by suffix.

    Raises:
        BenchError: the suffix is not supported.
    """
    check_suffix(path, flag="--plot")
    titles = {"leaked": "pasted pixels that\nare background", "class_probe": "class predicted from\nthe surroundings",
              "source_probe": "source predicted from\nthe surroundings"}  # fmt: skip
    figure = new_figure(3 * len(titles), 2.2 + 0.3 * len(found))
    names = [f"{literal(one.benchmark.name)}\n({literal(one.masks)})" for one in found]
    for axes, (key, title) in zip(figure.subplots(1, len(titles), sharey=True), titles.items(), strict=True):
        for at, one in enumerate(found):
            share = getattr(one, key)
            if share is None:
                axes.text(2, at, "not measured", va="center", fontsize=8, color="#777777")
                continue
            reach = [[100 * max(0.0, share.value - share.low)], [100 * max(0.0, share.high - share.value)]]
            axes.barh(at, 100 * share.value, xerr=reach, color="#3b6ea5", error_kw={"capsize": 3, "lw": 1})
            chance = getattr(one, key.replace("probe", "chance")) if key.endswith("probe") else None
            if chance is not None:
                axes.plot([100 * chance] * 2, [at - 0.45, at + 0.45], "--", color="#c23b22", lw=1.5)
        axes.set(xlim=(0, 100), xlabel="%", title=title, yticks=range(len(names)), yticklabels=names)
        axes.title.set_fontsize(9)
        axes.tick_params(labelsize=7)
    axes.set_ylim(len(names) - 0.4, -0.6)
    save_figure(figure, path, "--plot")
