"""A table before it is drawn: what its cells say, in one form for the screen and for every format of files."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from benchmark_builder.utils.text import csv_text


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: a name or a figure; empty for a cell that says nothing.
        spread: the deviation of the figure, without its sign.
        mark: letters that a note explains, written raised.
        more: (text, style) of what stands after the figure, or below it where the table is narrow.
        style: of the text, in the words of rich.
    """

    text: str = ""
    spread: str = ""
    mark: str = ""
    more: tuple[tuple[str, str], ...] = ()
    style: str = ""


@dataclass(frozen=True)
class Column:
    """A column. ``number``: whether its cells are figures; else they are names and stand at the left of each part."""

    heading: str
    number: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table with its title and notes.

    Attributes:
        title: one line.
        columns: names first, then figures.
        rows: cells of each row, as many as columns.
        breaks: numbers of the rows before which a new block starts.
        dim: numbers of the rows that are no results of the user.
        notes: lines below the table.
        data: heading and rows of the csv form; None: the cells' texts.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    breaks: frozenset[int] = frozenset()
    dim: frozenset[int] = frozenset()
    notes: Sequence[str] = ()
    data: Sequence[Sequence[object]] | None = field(default=None, repr=False)

    @property
    def named(self) -> int:
        """How many columns are names; they come first."""
        return next((k for k, column in enumerate(self.columns) if column.number), len(self.columns))

    def turned(self, heading: str = "Figure") -> "Sheet":
        """One row per figure, and one column per row: for few rows of many figures. Notes and title stay."""
        first = [" ".join(cell.text for cell in row[: self.named] if cell.text) for row in self.rows]
        columns = [Column(heading), *(Column(name, True) for name in first)]
        rows = [
            [Cell(column.heading), *(row[k] for row in self.rows)]
            for k, column in enumerate(self.columns) if k >= self.named
        ]  # fmt: skip
        return replace(self, columns=columns, rows=rows, breaks=frozenset(), dim=frozenset())

    def csv(self) -> str:
        """The csv form: numbers as they are, one heading line."""
        if self.data is not None:
            return csv_text(self.data)
        rows = [[plain(cell) for cell in row] for row in self.rows]
        return csv_text([[column.heading for column in self.columns], *rows])


def plain(cell: Cell) -> str:
    """A cell as text on one line: ``72.9 ± 3.0 (+2.5)``."""
    spread = f" ± {cell.spread}" if cell.spread else ""
    return " ".join([f"{cell.text}{spread}{raised(cell.mark)}", *(text for text, _ in cell.more)]).strip()


_RAISED = str.maketrans("abcdefghijklmnoprstuvwxyz0123456789", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ⁰¹²³⁴⁵⁶⁷⁸⁹")


def raised(mark: str) -> str:
    """A mark in raised letters, each one column wide; ``q`` has none and stays."""
    return mark.translate(_RAISED)
