"""One picture of the leaderboard: bars a figure, a colour a row, whiskers for the 95 % intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark_builder.errors import BenchError
from benchmark_builder.files import whole_file
from evaluator.leaderboard import groups, number
from evaluator.results import FIGURES
from evaluator.show import HEADINGS


def plot_leaderboard(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    """Draw leaderboard rows as a bar chart into ``path`` (PNG), one panel a dataset.

    Rows measured on different videos carry the letters that the table on screen shows.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not rows:
        raise BenchError("the leaderboard has no rows to draw; run `bench eval` first")
    letters = groups(rows)
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    picture = Figure(figsize=(9, 4.2 * len(datasets)), dpi=120, layout="constrained")
    FigureCanvasAgg(picture)
    for k, dataset in enumerate(datasets):
        axes = picture.add_subplot(len(datasets), 1, k + 1)
        chosen = [(r, letter) for r, letter in zip(rows, letters, strict=True) if r["dataset"] == dataset]
        several = len({letter for _, letter in chosen}) > 1
        width = 0.8 / len(chosen)
        for j, (row, letter) in enumerate(chosen):
            values = {name: v for name in FIGURES if (v := number(row[name])) is not None}
            at = [FIGURES.index(name) + (j - (len(chosen) - 1) / 2) * width for name in values]
            label = f"{row['method']}, {row['model']}" + (f" [videos {letter}]" if several else "")
            bars = axes.bar(at, list(values.values()), width * 0.94, label=label)
            axes.bar_label(bars, [f"{v:.1f}" for v in values.values()], padding=2, fontsize=8)
            for x, name in zip(at, values, strict=True):
                low, high = number(row.get(f"{name}_low", "")), number(row.get(f"{name}_high", ""))
                if low is not None and high is not None:
                    axes.vlines(x, low, high, color="black", linewidth=1, alpha=0.6)
        axes.set_xticks(range(len(FIGURES)), [f"{h} {arrow}" for h, arrow in (HEADINGS[name] for name in FIGURES)])
        axes.set_ylim(0, 108)
        axes.set_ylabel("percent")
        axes.set_title(dataset)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, ncols=min(3, len(chosen)))
    with whole_file(path) as temporary:
        picture.savefig(temporary, format="png", metadata={"Software": "albar-bench"})
