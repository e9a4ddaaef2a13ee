"""The columns of compare.csv, the table of `bench compare`."""

from collections.abc import Iterable

from albar.training.cost import BACKWARD, FORWARD
from evaluator.metrics.names import EXTRA, FIGURES
from evaluator.reports.leaderboard import OWN

# Of each figure: mean and standard deviation over seeds; with one seed, the limits of its 95 % interval over videos.
PARTS = ("mean", "sd", "low", "high")
# Clips through the network per training clip (albar.training.cost); and all of them together, over the whole run, as a
# multiple of a run of the baseline with the settings that all runs share.
COSTS = (FORWARD, BACKWARD, "cost")
_FIGURES = [f"{figure}_{what}" for figure in (*FIGURES, *EXTRA) for what in PARTS]
COLUMNS = ["method", "seeds", *COSTS, *_FIGURES, "chance"]


def columns_of(own: Iterable[str], drops: Iterable[str] = ()) -> list[str]:
    """Columns of compare.csv; ``own``: figures of users' kinds, which come last with :data:`OWN`."""
    lost = [f"{drop}_{what}" for drop in drops for what in PARTS]
    further = [f"{figure}_{what}" for figure in own for what in PARTS]
    return [*COLUMNS, *lost, *further, OWN] if further else [*COLUMNS, *lost]
