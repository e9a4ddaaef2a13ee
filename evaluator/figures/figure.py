"""`bench figure`: one of the figures of :data:`KINDS`, from results or runs on disk, in a file."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.pictures import check_suffix, save_figure
from evaluator.figures.bars import draw_bars
from evaluator.figures.classes import draw_classes
from evaluator.figures.confusion import answers_of, draw_confusion
from evaluator.figures.curves import draw_curves
from evaluator.figures.entries import read_entries
from evaluator.figures.models import read_models
from evaluator.figures.runs import read_curves
from evaluator.figures.scatter import draw_scatter
from evaluator.options import FigureOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _bars(sources: Sequence[Path], o: FigureOptions, given: dict[str, Any]) -> "Figure":
    return draw_bars(read_entries(sources, o.published, o.by_seed), o.figures, **given)


def _scatter(sources: Sequence[Path], o: FigureOptions, given: dict[str, Any]) -> "Figure":
    return draw_scatter(read_entries(sources, o.published, o.by_seed), o.figures, full=o.full, **given)


def _curves(sources: Sequence[Path], o: FigureOptions, given: dict[str, Any]) -> "Figure":
    return draw_curves(read_curves(sources), o.figures, **given)


def _conflfg(sources: Sequence[Path], o: FigureOptions, given: dict[str, Any]) -> "Figure":
    return draw_confusion(answers_of(read_models(sources, o.by_seed)), o.pairs, **given)


def _classes(sources: Sequence[Path], o: FigureOptions, given: dict[str, Any]) -> "Figure":
    return draw_classes(read_models(sources), o.figures, **given)


# Kind -> how it is drawn, and the options that it has in addition to --out, --title and --width.
KINDS: dict[str, tuple[Callable[[Sequence[Path], FigureOptions, dict[str, Any]], "Figure"], tuple[str, ...]]] = {
    "bars": (_bars, ("figures", "published", "by_seed")),
    "scatter": (_scatter, ("figures", "published", "by_seed", "full")),
    "curves": (_curves, ("figures",)),
    "conflfg": (_conflfg, ("by_seed", "pairs")),
    "classes": (_classes, ("figures",)),
}


def write_figure(kind: str, sources: Sequence[Path], **options: Any) -> Path:
    """Draw a figure and write it.

    Args:
        kind: a name of :data:`KINDS`.
        sources: ``--out`` folders of `bench eval` and `bench compare`, records, leaderboard.csv, compare.csv; for
            curves, folders of `bench train` and `bench compare`.
        options: fields of :class:`~evaluator.options.FigureOptions`.

    Returns:
        the file.

    Raises:
        BenchError: no such kind, an option that it has not, another suffix, or nothing to draw at a source.
    """
    if kind not in KINDS:
        raise BenchError(f"figure {kind}: no such figure; choose from {', '.join(KINDS)}")
    o = FigureOptions(**options)
    draw, own = KINDS[kind]
    for name in ("figures", "published", "by_seed", "full", "pairs"):
        if getattr(o, name) and name not in own:
            others = [other for other, (_, takes) in KINDS.items() if name in takes]
            raise BenchError(f"--{name.replace('_', '-')}: not an option of {kind}, but of {', '.join(others)}")
    out = o.out or Path(f"{kind}.png")
    check_suffix(out)
    given: dict[str, Any] = {"title": o.title} | ({} if o.width is None else {"width": o.width})
    return save_figure(draw(sources, o, given), out)
