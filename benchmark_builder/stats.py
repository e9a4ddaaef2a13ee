"""Plots of a built benchmark: class balance, and how much of the picture the masks fill."""

from collections import Counter
from pathlib import Path

from benchmark_builder.files import whole_file
from benchmark_builder.manifest import Benchmark


def class_balance(benchmark: Benchmark) -> dict[str, int]:
    """Videos of each class that has any, in label order."""
    counts = Counter(row.label for row in benchmark.rows)
    return {benchmark.classes[label]: counts[label] for label in sorted(counts)}


def plot_stats(benchmark: Benchmark, out: Path) -> Path:
    """Draw both plots into one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    balance = class_balance(benchmark)
    coverage = [100 * row.mask_coverage for row in benchmark.rows if row.mask_coverage is not None]
    figure = Figure(figsize=(9, 3.2 + 0.16 * len(balance)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{benchmark.folder.name}: {len(benchmark.rows)} videos of {len(balance)} classes")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.barh(list(balance), list(balance.values()), color="#3b6ea5")
    left.invert_yaxis()
    left.set_xlabel("videos")
    left.tick_params(axis="y", labelsize=7)
    if coverage:
        right.hist(coverage, bins=20, color="#3b6ea5")
    else:
        right.text(0.5, 0.5, "masks unknown", ha="center", transform=right.transAxes)
    right.set_xlabel("mask, % of the picture")
    right.set_ylabel("videos")
    with whole_file(out) as temporary:
        figure.savefig(temporary, format="png")
    return out
