"""The picture of a leaderboard that `bench eval` and `bench demo` leave next to it: the bars of `bench figure`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.pictures import check_suffix, save_figure
from evaluator.figures.bars import draw_bars
from evaluator.reports.seeds import Entry, merge_seeds, ranked

MOST_ROWS, MOST_DATASETS = 24, 6  # more bars cannot be compared, and drawing each takes time


def plot_leaderboard(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    """Draw leaderboard rows as a bar chart in ``path`` (PNG, PDF or SVG, by its suffix), seeds merged, the best first.

    Rows measured on different videos are apart, below the same letters as in the table on screen. If a dataset has more
    than :data:`MOST_ROWS` entries, or if there are more than :data:`MOST_DATASETS` datasets, only the last of the file
    are drawn, and a note says so.

    Raises:
        BenchError: there are no rows, or the suffix is none of these three.
    """
    if not rows:
        raise BenchError("the leaderboard has no rows to draw; run `bench eval` first")
    check_suffix(path)
    by_dataset: dict[str, list[Entry]] = {}
    for one in merge_seeds(rows):
        by_dataset.setdefault(one.rows[0]["dataset"], []).append(one)
    drawn, notes = [], []
    if len(by_dataset) > MOST_DATASETS:
        notes.append(f"The last {MOST_DATASETS} of {len(by_dataset)} data sets.")
    for dataset, entries in list(by_dataset.items())[-MOST_DATASETS:]:
        if len(entries) > MOST_ROWS:
            notes.append(f"{dataset}: the last {MOST_ROWS} of {len(entries)} rows.")
        drawn += ranked(entries[-MOST_ROWS:])
    save_figure(draw_bars(drawn, notes=notes), path)
