"""The result in one sentence: the best model, its figure with an interval, and how much that is above the baseline."""

from collections.abc import Sequence

from evaluator.metrics.intervals import with_interval
from evaluator.metrics.paired import compare
from evaluator.reports.comparable import Row, ranked_blocks
from evaluator.reports.merged_runs import Group, parts_of
from evaluator.reports.screen import BASELINES

_BY = ("contra_acc", "contra_shaken", "avg_scuba", "iid")  # the first that was measured decides
_WORDS = {"contra_acc": "contrasted accuracy", "contra_shaken": "contrasted accuracy on shaken stills",
          "avg_scuba": "accuracy on SCUBA", "iid": "accuracy on the ordinary test videos"}  # fmt: skip


def headline(groups: Sequence[Group], rows: Sequence[Row] = ()) -> str:
    """One sentence on the models that were measured on the same videos as most others; empty without a known figure.

    The interval is over test videos, of the mean over seeds; the difference is paired.

    Args:
        groups: the models.
        rows: all rows of the leaderboard; by default those of the models.
    """
    figure = next((name for name in _BY if any(name in group.entry.figures for group in groups)), None)
    if figure is None:
        return ""
    entries = [group.entry for group in groups if figure in group.entry.figures]
    blocks = ranked_blocks(rows or [row for group in groups for row in group.entry.rows], entries, figure)
    several = len(blocks) > 1
    of = {id(group.entry): group for group in groups}
    best, *others = (of[id(one)] for one in max(blocks, key=len))
    parts = parts_of(best)[figure]
    value = with_interval(parts, figure)
    said = f"On {best.entry.rows[0]['dataset']}, {best.name}" if several else best.name
    what = _WORDS[figure]
    said += f" has the highest {what}, {value.percent:.1f} %" if others else (
        f" has {'an' if what[0] == 'a' else 'a'} {what} of {value.percent:.1f} %"
    )  # fmt: skip
    mean = best.entry.figures[figure]
    notes = [] if value.low is None else [f"95 % interval {value.low:.1f} to {value.high:.1f}"]
    notes += [f"mean of {mean.seeds} seeds, deviation {mean.sd:.1f}"] if mean.sd is not None else []
    said += f" ({'; '.join(notes)})" if notes else ""
    if not others:
        return f"{said}."
    base = next((other for other in others if other.entry.method in BASELINES), others[0])
    change = compare(parts, parts_of(base, best)[figure], figure)
    said += f": {change.difference:.1f} points more than {base.name} ({change.low:+.1f} to {change.high:+.1f})"
    return f"{said}, which may be chance." if change.low <= 0 <= change.high else f"{said}."
