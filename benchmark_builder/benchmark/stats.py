"""Figures and plots of a built benchmark: class balance, mask coverage, and how much of the actor the stills show."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark
from benchmark_builder.kinds.stills import FEW, mask_areas, may_be_still, relative_areas
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.pictures import check_suffix, literal, new_figure, save_figure
from benchmark_builder.utils.text import counted

COLOUR = "#3b6ea5"


def class_balance(benchmark: Benchmark) -> dict[str, int]:
    """Number of videos of each class with at least one, in label order."""
    counts = Counter(row.label for row in benchmark.rows)
    return {benchmark.classes[label]: counts[label] for label in sorted(counts)}


@dataclass(frozen=True)
class Areas:
    """Mask areas of a benchmark's stills (of ConflFG, its donors); of SCUBA, of all frames that have a mask.

    Attributes:
        what: ``stills``, ``donors`` or ``frames``.
        relative: area as a share of the median of its own video's masks: float (N,), 0 and more.
        share: area as a share of the picture: float (N,), 0..1.
        few: of SCUBA, how many sources have fewer than ten frames that a still may be drawn from by the default
            protocol; of others None.
    """

    what: str
    relative: np.ndarray
    share: np.ndarray
    few: int | None = None

    def lines(self) -> list[str]:
        """The distributions in words, for the screen."""
        of = {"stills": "the stills'", "donors": "the donors' stills'", "frames": "the frames'"}[self.what]
        said = []
        for name, values in (("relative to the median mask of their video", self.relative),
                             ("as a share of the picture", self.share)):  # fmt: skip
            points = np.quantile(values, (0, 0.05, 0.5, 1))
            least, low, middle, most = (f"{100 * v:.1f} %" for v in points)
            said.append(f"{of} mask area {name}: least {least}, 5 % are below {low}, median {middle}, largest {most}")
        below = int(np.sum(self.relative < 0.5))
        said.append(f"{below} of {len(self.relative)} {self.what} have less than half of their video's median mask")
        if self.few is not None:
            said.append(
                f"{counted(self.few, 'source has', 'sources have')} fewer than {FEW} frames with at least "
                f"half of their median mask"
            )
        return said


def mask_areas_of(benchmark: Benchmark) -> Areas | None:
    """The mask areas of a benchmark's stills or frames; None if it was made without masks.

    Raises:
        BenchError: the SCUBA benchmark that it was made from, or masks of it, are not at hand.
    """
    found: list[tuple[float, float]] = []
    if any(row.mask_file for row in benchmark.rows):  # SCUBA; other kinds have no masks of their own
        few = 0
        for row in {r.source_id: r for r in benchmark.rows if r.mask_file}.values():
            areas = mask_areas(benchmark, row)
            picture = row.height * row.width
            few += len(areas) >= FEW > int(may_be_still(areas, 0.5).sum())
            found += [(r, a / picture) for r, a in zip(relative_areas(areas), areas, strict=True) if a]
        return _areas("frames", found, few)
    if benchmark.protocol.origin.manifest_sha256 is None:  # an imported benchmark
        return None
    donors = bool(benchmark.about.donors)
    drawn = [row for row in benchmark.rows if (row.donor_frame if donors else row.still_frame) is not None]
    if not drawn:  # a kind without a drawn still
        return None
    scuba = benchmark.origin
    for row in benchmark.rows:
        name, frame = (row.donor_id, row.donor_frame) if donors else (row.id, row.still_frame)
        base = scuba.by_id.get(name)
        if base is None or frame is None or not 0 <= frame < base.frames:
            raise BenchError(f"{scuba.folder}: holds no frame {frame} of {name!r}; build {benchmark.folder} again")
        if base.mask_file:
            areas = mask_areas(scuba, base)
            found.append((float(relative_areas(areas)[frame]), areas[frame] / (base.height * base.width)))
    return _areas("donors" if donors else "stills", found)


def _areas(what: str, found: list[tuple[float, float]], few: int | None = None) -> Areas | None:
    if not found:
        return None
    relative, share = np.array(found).T
    return Areas(what, relative, share, few)


def plot_stats(benchmark: Benchmark, out: Path, areas: Areas | None = None) -> Path:
    """Draw class balance, mask coverage and, if given, ``areas`` into one picture.

    PNG, PDF or SVG by the suffix of ``out``; BenchError for another suffix.
    """
    check_suffix(out)
    balance = class_balance(benchmark)
    coverage = [100 * row.mask_coverage for row in benchmark.rows if row.mask_coverage is not None]
    panels = [("mask, % of the picture", "videos", coverage)]
    if areas is not None:
        panels += [
            (f"{areas.what}: mask, % of their video's median", areas.what, (100 * areas.relative).tolist()),
            (f"{areas.what}: mask, % of the picture", areas.what, (100 * areas.share).tolist()),
        ]
    figure = new_figure(5.4 + 3.6 * len(panels), 3.2 + 0.16 * len(balance))
    figure.suptitle(
        f"{literal(benchmark.folder.name)}: {counted(len(benchmark.rows), 'video')} of {len(balance)} classes"
    )
    left, *others = figure.subplots(1, 1 + len(panels), width_ratios=(3, *[2] * len(panels)))
    left.barh([literal(name) for name in balance], list(balance.values()), color=COLOUR)
    left.invert_yaxis()
    left.set_xlabel("videos")
    left.tick_params(axis="y", labelsize=7)
    for axes, (title, of_what, values) in zip(others, panels, strict=True):
        if values:
            axes.hist(values, bins=20, color=COLOUR)
        else:
            axes.text(0.5, 0.5, "masks unknown", ha="center", transform=axes.transAxes)
        axes.set_xlabel(title)
        axes.set_ylabel(of_what)
    return save_figure(figure, out)
