"""The leaderboard as a bar chart: one group of bars per figure, one colour per row, whiskers for the 95 % intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.pictures import literal, new_figure, save_figure
from evaluator.metrics.names import FIGURES, HEADINGS
from evaluator.reports.leaderboard import groups, number

MOST_ROWS, MOST_DATASETS = 24, 6  # more bars cannot be distinguished, and drawing each takes time


def plot_leaderboard(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    """Draw leaderboard rows as a bar chart in ``path`` (PNG, PDF or SVG, by its suffix), one panel per dataset.

    Rows measured on different videos have the same letters as in the table on screen. If a dataset has more than
    :data:`MOST_ROWS` rows, or if there are more than :data:`MOST_DATASETS` datasets, only the last are drawn, and
    the title says so.

    Raises:
        BenchError: there are no rows, or the suffix is none of these three.
    """
    from matplotlib import colormaps

    if not rows:
        raise BenchError("the leaderboard has no rows to draw; run `bench eval` first")
    chosen: dict[str, list[tuple[Mapping[str, str], str]]] = {}
    for row, letter in zip(rows, groups(rows), strict=True):
        chosen.setdefault(row["dataset"], []).append((row, letter))
    datasets = list(chosen)[-MOST_DATASETS:]
    picture = new_figure(9, 4.2 * len(datasets))
    for k, dataset in enumerate(datasets):
        axes = picture.add_subplot(len(datasets), 1, k + 1)
        of, drawn = chosen[dataset], chosen[dataset][-MOST_ROWS:]
        several = len({letter for _, letter in of}) > 1
        width, crowded = 0.8 / len(drawn), len(drawn) > 8
        handles, names = [], []
        for j, (row, letter) in enumerate(drawn):
            values = {name: v for name in FIGURES if (v := number(row[name])) is not None}
            at = [FIGURES.index(name) + (j - (len(drawn) - 1) / 2) * width for name in values]
            colour = f"C{j}" if len(drawn) <= 10 else colormaps["turbo"]((j + 0.5) / len(drawn))
            bars = axes.bar(at, list(values.values()), width * 0.94, color=colour)
            if not crowded:
                axes.bar_label(bars, [f"{v:.1f}" for v in values.values()], padding=2, fontsize=8)
            ends = [(x, number(row.get(f"{n}_low", "")), number(row.get(f"{n}_high", "")))
                    for x, n in zip(at, values, strict=True)]  # fmt: skip
            whiskers = [(x, low, high) for x, low, high in ends if low is not None and high is not None]
            if whiskers:
                axes.vlines(*zip(*whiskers, strict=True), color="black", linewidth=1, alpha=0.6)
            names.append(f"{row['method']}, {row['model']}" + (f" [videos {letter}]" if several else ""))
            handles.append(bars)
        axes.set_xticks(range(len(FIGURES)), [f"{h} {arrow}" for h, arrow in (HEADINGS[name] for name in FIGURES)])
        axes.set_ylim(0, 108)
        axes.set_ylabel("percent")
        left = f" (the last {len(drawn)} of {len(of)} rows)" if len(drawn) < len(of) else ""
        axes.set_title(literal(f"{dataset}{left}"))
        axes.spines[["top", "right"]].set_visible(False)
        # matplotlib leaves out legend labels that start with an underscore, so names are set afterwards.
        below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.08)} if len(drawn) > 6 else {}
        stand_in = ["name"] * len(handles)
        legend = axes.legend(handles, stand_in, frameon=False, fontsize=8, ncols=min(3, len(drawn)), **below)
        for text, name in zip(legend.get_texts(), names, strict=True):
            text.set_text(literal(name[:80]))
    if len(datasets) < len(chosen):
        picture.suptitle(f"the last {len(datasets)} of {len(chosen)} data sets")
    save_figure(picture, path)
