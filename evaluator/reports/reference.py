"""The reference row "stillness detector": what a model would score if it guessed wherever nothing moves.

Contrasted accuracy is meant to show that a model reads motion, but it can be won by noticing that a SCUFO video is
still and then giving any answer. A **stillness detector** does only that. It answers as the model on every video that
moves, and draws a class, each with the same probability, on every video that is one frame repeated. With K classes, so
that a guess is right with probability 1/K, its expected figures, in percent, are

- IID, SCUBA, ConflFG, and every other kind that moves: as the model;
- SCUFO: 100 / K;
- contrasted accuracy: SCUBA · (1 − 1/K). A pair counts if SCUBA is right (as often as the model's) and the guess on its
  still is wrong, and the guess is independent of the answer on SCUBA;
- shaken SCUFO, which moves (the camera does), and its contrasted accuracy: as the model.

So a model whose contrasted accuracy is no higher than this row's has shown no more by it than by its SCUBA accuracy,
and the shaken figures, which this detector cannot improve, decide.
"""

from collections.abc import Mapping, Sequence

from benchmark_builder import kinds
from evaluator.metrics.names import SCUBA_FIGURE
from evaluator.reports.leaderboard import number
from evaluator.time_order import drop_name

NAME = "stillness detector"
MARK = "reference"  # a key of reference rows alone
NOTE_OF_MEANS = (
    f"{NAME}: no model, but what {{method}} would score if it guessed wherever nothing moves: SCUFO at chance, "
    "contrasted accuracy SCUBA × (1 − 1 / classes), the rest unchanged. Shaken SCUFO moves, so nothing is gained there."
)
NOTE = NOTE_OF_MEANS.format(method="the one above")
NONE = (
    f"No {NAME}: it needs rows with SCUFO whose number of classes is known. Rows of older versions lack it: score "
    "them again (existing predictions are used)."
)
# Figures of stills, and their contrasted accuracies.
STILL = tuple(k.figure for k in kinds.shipped() if k.still)
CONTRASTED = tuple(k.contrast for k in kinds.shipped() if k.still and k.contrasted)


def contrasted_by_chance(scuba: float, chance: float) -> float:
    """SCUBA · (1 − 1/K), percent.

    Args:
        scuba: accuracy on the SCUBA videos that are paired, percent.
        chance: 100 / K, percent.
    """
    return scuba * (1 - chance / 100)


def all_paired(row: Mapping[str, str], contrast: str) -> bool:
    """Whether every scored SCUBA video of a leaderboard row is in a pair, so that SCUBA · (1 − 1/K) is of the pairs."""
    return bool(row.get(f"n_{contrast}")) and row.get(f"n_{contrast}") == row.get(f"n_{SCUBA_FIGURE}")


def reference_row(row: Mapping[str, str]) -> dict[str, str] | None:
    """The stillness detector of a leaderboard row, as a row.

    Contrasted accuracy is blank if some scored SCUBA videos are in no pair. None if the row has no figure of stills, or
    the number of its classes is unknown (published rows, rows of older versions).
    """
    chance = number(row.get("chance", ""))
    if chance is None or not any(row.get(name) for name in (*STILL, *CONTRASTED)):
        return None
    made = {**row, "method": NAME, "trained_on": "", "checkpoint": "", MARK: "yes"}
    one_frame = drop_name("one-frame", "")  # a clip of one frame is a still, too; its drop is not stated
    made |= dict.fromkeys((c for c in row if c.startswith(one_frame)), "")
    for name in (*STILL, *CONTRASTED):
        made |= {f"{name}_low": "", f"{name}_high": ""}
    for name in STILL:
        made[name] = repr(chance) if row.get(name) else ""
    scuba = number(row.get(SCUBA_FIGURE, ""))
    for name in CONTRASTED:
        known = bool(row.get(name)) and scuba is not None and all_paired(row, name)
        made[name] = repr(contrasted_by_chance(scuba, chance)) if known and scuba is not None else ""
    return made


def is_reference(row: Mapping[str, str]) -> bool:
    """Whether a row is a reference, made by :func:`reference_row`."""
    return MARK in row


def chance_of(rows: Sequence[Mapping[str, str]]) -> str:
    """The ``chance`` of several rows of one method; blank if it is unknown, differs, or SCUBA videos are in no pair."""
    paired = all(all_paired(row, name) for row in rows for name in CONTRASTED if row.get(name))
    found = {row.get("chance", "") for row in rows}
    return found.pop() if paired and len(found) == 1 else ""


def reference_of_means(row: Mapping[str, str]) -> dict[str, str] | None:
    """The stillness detector of a row of compare.csv, as such a row: the formulas are linear in SCUBA, so the mean over
    seeds is that of the mean, and the standard deviation is (1 − 1/K) times SCUBA's.

    None as for :func:`reference_row`.
    """
    chance = number(row.get("chance", ""))
    if chance is None or not any(row.get(f"{name}_mean") for name in (*STILL, *CONTRASTED)):
        return None
    made = {**row, "method": f"{NAME} ({row['method']})", MARK: "yes"}
    # A clip of one frame is a still, too; its drop is not stated.
    one_frame = drop_name("one-frame", "")
    unstated = [c for c in row if c.startswith((*(f"{name}_" for name in (*STILL, *CONTRASTED)), one_frame))]
    made |= dict.fromkeys(unstated, "")
    for name in STILL:
        made[f"{name}_mean"] = repr(chance) if row.get(f"{name}_mean") else ""
    for name in CONTRASTED:
        for what in ("mean", "sd"):
            scuba = number(row.get(f"{SCUBA_FIGURE}_{what}", ""))
            known = bool(row.get(f"{name}_mean")) and scuba is not None
            made[f"{name}_{what}"] = repr(contrasted_by_chance(scuba or 0.0, chance)) if known else ""
    return made
