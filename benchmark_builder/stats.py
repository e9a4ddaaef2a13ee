"""Plots of a built benchmark: class balance, and how much of the picture the masks fill."""

from collections import Counter
from pathlib import Path

from benchmark_builder.manifest import Benchmark
from benchmark_builder.pictures import check_suffix, literal, new_figure, save_figure


def class_balance(benchmark: Benchmark) -> dict[str, int]:
    """Videos of each class that has any, in label order."""
    counts = Counter(row.label for row in benchmark.rows)
    return {benchmark.classes[label]: counts[label] for label in sorted(counts)}


def plot_stats(benchmark: Benchmark, out: Path) -> Path:
    """Draw both plots into one picture: PNG, PDF or SVG by the suffix of ``out``. BenchError for another suffix."""
    check_suffix(out)
    balance = class_balance(benchmark)
    coverage = [100 * row.mask_coverage for row in benchmark.rows if row.mask_coverage is not None]
    figure = new_figure(9, 3.2 + 0.16 * len(balance))
    figure.suptitle(f"{literal(benchmark.folder.name)}: {len(benchmark.rows)} videos of {len(balance)} classes")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.barh([literal(name) for name in balance], list(balance.values()), color="#3b6ea5")
    left.invert_yaxis()
    left.set_xlabel("videos")
    left.tick_params(axis="y", labelsize=7)
    if coverage:
        right.hist(coverage, bins=20, color="#3b6ea5")
    else:
        right.text(0.5, 0.5, "masks unknown", ha="center", transform=right.transAxes)
    right.set_xlabel("mask, % of the picture")
    right.set_ylabel("videos")
    return save_figure(figure, out)
