"""What a model recognises in ConflFG videos, as a matrix: the moving actor's class, the still's class, or another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark_builder.utils.errors import BenchError
from evaluator.figures.models import Model
from evaluator.figures.style import INK, SIZE, SMALL, SOFT, name, note_below, page, write
from evaluator.metrics.names import TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ANSWERS = ("actor's class", "still's class", "another class")
ALL = "all classes"
_ROW, _CLASS = 0.17, 26  # inches, a row; characters of a class's name
_MOST_WRITTEN = 14  # classes whose pairs have numbers in their cells


@dataclass(frozen=True)
class Answers:
    """The answers of one model.

    Attributes:
        name: the model's.
        counts: (class of the moving actor, class of the still) -> videos answered with the actor's class, the still's,
            another one; over all seeds and sets.
        seeds: how many records were added up.
    """

    name: str
    counts: Mapping[tuple[str, str], tuple[int, int, int]]
    seeds: int

    @property
    def actors(self) -> list[str]:
        """Classes of moving actors, in alphabetical order."""
        return sorted({actor for actor, _ in self.counts})

    def of_actor(self, actor: str | None = None) -> np.ndarray:
        """Videos by answer, int (3,), of one class of actors or of all."""
        found = [c for (a, _), c in self.counts.items() if actor in (None, a)]
        return np.array(found, int).reshape(-1, 3).sum(0)


def answers_of(models: Sequence[Model], kind: str = "conflfg") -> list[Answers]:
    """The answers of the models that were scored on sets of ``kind``; others are left out."""
    found = []
    for model in models:
        counts: dict[tuple[str, str], tuple[int, int, int]] = {}
        used = 0
        for record in model.records:
            sets = [s for s in record.sets if s.kind == kind and s.confusion]
            used += bool(sets)
            for c in (c for s in sets for c in s.confusion):
                old = counts.get((c.mover, c.donor), (0, 0, 0))
                counts[c.mover, c.donor] = (old[0] + c.said_mover, old[1] + c.said_donor, old[2] + c.said_other)
        if any(sum(three) for three in counts.values()):
            found.append(Answers(model.name, counts, used))
    return found


def draw_confusion(answers: Sequence[Answers], pairs: bool = False, width: float = 6.9, title: str = "") -> "Figure":
    """Draw a matrix per model.

    Args:
        answers: of the models.
        pairs: a row per class of the moving actor and a column per class of the still, shaded by how often the answer
            is the still's class; else a row per class of the actor, and the three answers as columns.
        width: inches; of pairs, a panel's.
        title: above the figure.

    Raises:
        BenchError: there are no answers.
    """
    if not answers:
        raise BenchError(
            f"no {TITLES['conflfg']} set among these results; build one (bench build conflfg), and score it"
        )
    draw = _pairs if pairs else _three
    figure = draw(answers, width)
    if title:
        figure.suptitle(name(title, 110), fontsize=SIZE + 1, fontweight="bold", x=0.01, ha="left")
    several = max(one.seeds for one in answers)
    shade = "Shade: percent of the videos of a cell that are answered with the still's class; –: no video."
    notes = [shade if pairs else "Cells: percent of the videos of a row."]
    notes += [f"Videos of up to {several} seeds are added up."] if several > 1 else []
    note_below(figure, [" ".join(notes)], figure.get_figwidth())
    return figure


def _three(answers: Sequence[Answers], width: float) -> "Figure":
    actors = sorted({actor for one in answers for actor in one.actors})
    rows = [ALL, *actors] if len(actors) > 1 else actors
    per_line = max(1, min(len(answers), int((width - 1.6) / 1.35)))
    lines = -(-len(answers) // per_line)
    figure = page(width, lines * (_ROW * len(rows) + 0.75) + 0.45)
    for k, axes in enumerate(figure.subplots(lines, per_line, squeeze=False).flat):
        if k >= len(answers):
            axes.set_axis_off()
            continue
        counts = np.stack([answers[k].of_actor(None if row is ALL else row) for row in rows])
        totals = counts.sum(1)
        shares = np.divide(100 * counts, totals[:, None], out=np.full(counts.shape, np.nan), where=totals[:, None] > 0)
        _shade(axes, shares, True)
        axes.set_xticks(range(3), ["actor's", "still's", "another"], fontsize=SMALL)
        axes.set_yticks(
            range(len(rows)), [name(row, _CLASS) for row in rows] if k % per_line == 0 else [], fontsize=SIZE
        )
        if rows[0] is ALL:
            axes.axhline(0.5, color="white", linewidth=3)
        _head(axes, answers[k], int(totals[0] if rows[0] is ALL else totals.sum()), 22)
    return figure


def _pairs(answers: Sequence[Answers], width: float) -> "Figure":
    classes = sorted({name for one in answers for pair in one.counts for name in pair})
    side = min(width, max(2.4, 1.3 + _ROW * len(classes)))
    size = SMALL if len(classes) <= 40 else max(3.0, SMALL * 40 / len(classes))
    figure = page(side * len(answers), side + 0.5)
    for axes, one in zip(figure.subplots(1, len(answers), squeeze=False)[0], answers, strict=True):
        shares = np.full((len(classes), len(classes)), np.nan)
        for (actor, still), three in one.counts.items():
            if sum(three):
                shares[classes.index(actor), classes.index(still)] = 100 * three[1] / sum(three)
        _shade(axes, shares, len(classes) <= _MOST_WRITTEN)
        names = [name(text, _CLASS) for text in classes]
        axes.set_xticks(range(len(classes)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(classes)), names, fontsize=size)
        axes.set_xlabel("class of the still", fontsize=SIZE)
        axes.set_ylabel("class of the moving actor", fontsize=SIZE)
        _head(axes, one, int(one.of_actor().sum()), 24)
    return figure


def _shade(axes: "Axes", shares: np.ndarray, written: bool) -> None:
    """Cells from white (0) to dark (100), with numbers whose letters are light on dark cells."""
    axes.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=115, aspect="auto", interpolation="nearest")
    for (row, column), share in np.ndenumerate(shares):
        if np.isnan(share):
            write(axes, column, row, "–", ha="center", va="center", color=SOFT, fontsize=SMALL)
        elif written:
            colour = "white" if share > 60 else INK
            write(axes, column, row, f"{share:.0f}", ha="center", va="center", color=colour, fontsize=SMALL)
    axes.set_xticks(np.arange(shares.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(shares.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _head(axes: "Axes", one: Answers, videos: int, most: int) -> None:
    heading = f"{name(one.name, most)}\n{videos} videos"
    axes.set_title(heading, fontsize=SIZE, color=INK, loc="left", linespacing=1.3)
