"""Tables as text on screen, Markdown, LaTeX, csv and HTML. Whatever a name contains, it is never markup."""

import html
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark_builder.utils.text import composed, shown
from evaluator.reports.palette import dark_screen, looks
from evaluator.reports.sheet import Cell, Sheet, plain, raised

FORMATS = ("text", "md", "latex", "csv", "html")
_GAP = 2  # blanks between columns
_NAME, _NARROW = 24, 16  # the widest that a column of names may be where the table is narrow; where that helps
_SHORT = 9  # a name of so many letters is never folded
_FEW = 4  # rows that are rather turned than continued below
_SIGN = 2  # columns of the marker of a method, with a blank
_REMARK = re.compile(r"( †)?( \[\w+\])?$")  # what the leaderboard adds to a method's name
_ENDLESS = 10**6  # columns of a file or a pipe
_BOX = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")  # a line below the headings, and no other


def print_sheets(sheets: Sequence[Sheet], form: str = "text", console: Console | None = None) -> None:
    """Print tables in one of :data:`FORMATS`; ``console`` is for ``text`` alone. In csv, a blank line is between two.

    On a terminal, and where ``COLUMNS`` says how wide it is, a table is made as narrow as that without losing a
    column (:func:`on_screen`). Into a file or pipe it is as wide as it needs to be.
    """
    if form == "text":
        console = console or Console()
        for sheet in sheets:
            print_sheet(sheet, console)
        return
    write: dict[str, Callable[[Sheet], str]] = {"md": markdown, "latex": latex, "csv": Sheet.csv, "html": as_html}
    sys.stdout.write("\n".join(write[form](sheet) for sheet in sheets))
    sys.stdout.flush()


def print_sheet(sheet: Sheet, console: Console) -> None:
    """Print one table as text."""
    limited = console.is_terminal or bool(console._environ.get("COLUMNS", "").isdigit())
    width = console.width if limited else _ENDLESS
    signs = method_signs(sheet, dark_screen(console._environ)) if _shows_signs(console) else {}
    tables = on_screen(sheet, width, signs)
    wide = max((_width(table) for table in tables), default=0)
    before, console.width = console.width, max(console.width, wide)  # nothing is cut off in a very narrow terminal
    console.print(Text(shown(sheet.title), "bold"))
    for table in tables:
        console.print()
        console.print(table, crop=False)
    console.print()
    for note in sheet.notes:
        console.print(Text(shown(note), "dim"), width=min(width, max(wide, 80)))
    console.print()
    if limited:
        console.width = before


def _shows_signs(console: Console) -> bool:
    coloured = console.color_system is not None and not console.no_color
    return console.is_terminal and coloured and console.encoding.startswith("utf")


def method_signs(sheet: Sheet, dark: bool = True) -> dict[str, Text]:
    """Cell of a method -> the marker and colour that charts and the report draw it with; empty without such a column.

    Args:
        sheet: the table.
        dark: of the colours, those for a dark background.
    """
    place = next((k for k, c in enumerate(sheet.columns) if c.heading == "Method" and not c.number), None)
    if place is None:
        return {}
    cells = [row[place].text for row in sheet.rows if row[place].text not in ("", "–")]
    known = looks(_REMARK.sub("", cell) for cell in cells)
    found = {cell: known[_REMARK.sub("", cell)] for cell in cells}
    return {cell: Text().append(f"{look.sign} ", look.dark if dark else look.colour) for cell, look in found.items()}


def on_screen(sheet: Sheet, width: int, signs: Mapping[str, Text] | None = None) -> list[Table]:
    """The table within ``width`` columns, one or several below each other. No column and no digit is lost.

    ``signs``: what stands before a name in the column of methods.

    The first of these that fits: every row on one line; what belongs to a figure below it; few rows turned into
    columns; continued below, with the names again. Long names are folded.
    """
    several = any(cell.more for row in sheet.rows for cell in row)
    for form in (sheet, sheet.turned()) if len(sheet.rows) <= min(_FEW, len(sheet.columns) - 1) else (sheet,):
        for stacked in (False, True) if several else (False,):
            for folded, most in ((False, _ENDLESS), (True, _ENDLESS), (True, _NAME), (True, _NARROW)):
                laid = _Layout(form, stacked, most, folded, signs if form is sheet else None)
                if laid.width(range(len(form.columns))) <= width:
                    return [laid.table(range(len(form.columns)))]
    wide = [k for k in range(sheet.named) if any(cell_len(row[k].text) > _SHORT for row in sheet.rows)]
    most = max(_SHORT, min(_NAME, width * 2 // 5 // max(1, len(wide))))
    laid = _Layout(sheet, several, most, signs=signs)
    return [laid.table(columns) for columns in laid.parts(width)]


class _Layout:
    """Widths and lines of all cells, for one way to draw a table.

    Args:
        stacked: whether what belongs to a figure is below it.
        most: widest that a column of names may be.
        folded: whether headings are folded to the width of their figures.
        signs: as for :func:`on_screen`.
    """

    def __init__(
        self, sheet: Sheet, stacked: bool, most: int, folded: bool = True, signs: Mapping[str, Text] | None = None
    ) -> None:
        self.sheet, self.most = sheet, most
        self.cells: list[list[list[Text]]] = []  # column, row, lines
        self.widths: list[int] = []
        self.headings: list[list[str]] = []
        for k, column in enumerate(sheet.columns):
            cells = [row[k] for row in sheet.rows]
            lines = (
                list(_aligned(cells, stacked))
                if column.number
                else [[Text(shown(c.text) + raised(c.mark), c.style)] for c in cells]
            )
            before = _SIGN if signs and column.heading == "Method" else 0
            needed = before + max((cell_len(line.plain) for cell in lines for line in cell), default=0)
            words = [cell_len(word) for word in shown(column.heading).split(" ")]
            whole = sum(words) + len(words) - 1
            if not folded:
                longest = max(needed, whole)
            elif column.number:
                longest = max(needed, min(max(words), max(needed, _NAME)))
            else:
                longest = min(most + before, max(needed, whole))
            heading = _wrapped(shown(column.heading), longest)
            if not column.number:
                lines = [[line for text in cell for line in _folded(text, longest - before)] for cell in lines]
            if before and signs:
                lines = [_signed(cell, signs.get(c.text)) for cell, c in zip(lines, cells, strict=True)]
            self.cells.append(lines)
            self.widths.append(max(longest, *map(cell_len, heading)))
            self.headings.append(heading)

    def width(self, columns: Sequence[int]) -> int:
        return sum(self.widths[k] for k in columns) + _GAP * max(0, len(columns) - 1)

    def parts(self, width: int) -> list[list[int]]:
        """Columns of each part: the names, and as many figures as fit, at least one; no more parts than needed, and of
        those, as equally wide as they can be."""
        parts = list(self._parts(width))
        while width > 0 and len(narrower := list(self._parts(width - 1))) == len(parts):
            parts, width = narrower, width - 1
        return parts

    def _parts(self, width: int) -> Iterator[list[int]]:
        names = list(range(self.sheet.named))
        part: list[int] = []
        for k in range(self.sheet.named, len(self.sheet.columns)):
            if part and self.width([*names, *part, k]) > width:
                yield [*names, *part]
                part = []
            part.append(k)
        yield [*names, *part]

    def _padded(self, line: Text, column: int) -> Text:
        if not self.sheet.columns[column].number:
            return line
        return Text(" " * (self.widths[column] - cell_len(line.plain))).append_text(line)

    def table(self, columns: Sequence[int]) -> Table:
        table = Table(box=_BOX, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0), header_style="bold")
        for k in columns:
            number, width = self.sheet.columns[k].number, self.widths[k]
            heading = [line.rjust(width) if number else line for line in self.headings[k]]
            # Figures are padded here: rich takes away blanks at the end, which put the points below each other.
            table.add_column(Text("\n".join(heading)), width=width, no_wrap=number, overflow="fold", vertical="top")
        for j in range(len(self.sheet.rows)):
            if j in self.sheet.breaks and j:
                table.add_row()
            cells = [Text("\n").join(self._padded(line, k) for line in self.cells[k][j]) for k in columns]
            table.add_row(*cells, style="dim" if j in self.sheet.dim else None)
        return table


def _signed(lines: list[Text], sign: Text | None) -> list[Text]:
    """A name with its sign in front; all its lines begin at the same place."""
    blank = Text(" " * _SIGN)
    return [(sign if sign and not k else blank).copy().append_text(line) for k, line in enumerate(lines)]


def _width(table: Table) -> int:
    return sum(column.width or 0 for column in table.columns) + _GAP * max(0, len(table.columns) - 1)


def _folded(text: Text, width: int) -> list[Text]:
    """A name on lines of at most ``width`` columns, parted after a blank or a sign where that is possible."""
    lines = [""]
    for word in re.split(r"(?<=[ ,;:/_=-])", text.plain):
        if cell_len(lines[-1] + word.rstrip()) > width and lines[-1]:
            lines.append("")
        for c in word:
            if cell_len(lines[-1] + c) > width and not c.isspace():
                lines.append("")
            lines[-1] += c
    return [Text(line.rstrip(), text.style) for line in lines]


def _wrapped(heading: str, width: int) -> list[str]:
    return textwrap.wrap(heading, max(1, width), break_long_words=True, break_on_hyphens=False) or [""]


def _aligned(cells: Sequence[Cell], stacked: bool) -> Iterator[list[Text]]:
    """Lines of the cells of one column, with the points of the figures below each other."""
    spread = max((len(cell.spread) for cell in cells), default=0)
    marks = max((len(cell.mark) for cell in cells), default=0)
    many = max((len(cell.more) for cell in cells), default=0)
    widths = [max((cell_len(c.more[k][0]) for c in cells if len(c.more) > k), default=0) for k in range(many)]
    for cell in cells:
        end = (f" ± {cell.spread.rjust(spread)}" if cell.spread else "") + raised(cell.mark)
        line = Text(f"{shown(cell.text)}{end.ljust((spread + 3 if spread else 0) + marks)}", cell.style)
        if stacked:
            yield [line, *(Text(shown(text), style) for text, style in cell.more)]
            continue
        for k, wide in enumerate(widths):
            text, style = cell.more[k] if k < len(cell.more) else ("", "")
            line.append(" ").append(shown(text).rjust(wide), style)
        yield [line]


def markdown(sheet: Sheet) -> str:
    """A table of GitHub's Markdown, with its title and notes as paragraphs."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    head = [line([markdown_text(column.heading) for column in sheet.columns])]
    head += [line(["---:" if column.number else "---" for column in sheet.columns])]
    rows = [
        line([plain(cell) if column.number else markdown_text(cell.text) + raised(cell.mark)
              for cell, column in zip(row, sheet.columns, strict=True)])
        for row in sheet.rows
    ]  # fmt: skip
    notes = [markdown_text(note) for note in sheet.notes]
    return "\n\n".join([f"**{markdown_text(sheet.title)}**", "\n".join([*head, *rows]), *notes]) + "\n"


_MARKDOWN = re.compile(
    r"[\\`*_\[\]<>|~&$@]"  # emphasis, code, links, elements, cells, characters, formulas, people
    r"|(?<=http)(?=://)|(?<=https)(?=://)|(?<=ftp)(?=://)|(?<=www)(?=\.)|#(?=[0-9])"  # links without brackets
    r"|^[-+#=]",  # lists, headings
    re.IGNORECASE,
)


def markdown_text(text: str) -> str:
    """Text that Markdown prints as it is."""
    return re.sub(r"^([0-9]+)([.)])", r"\1\\\2", _MARKDOWN.sub(r"\\\g<0>", shown(text)))


# What LaTeX does not print as it is.
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", "'": r"\char39{}", "`": r"\char96{}", "’": "'", "‘": "`",
    "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "×": r"$\times$", "−": "$-$", "–": "--",
    "…": r"\dots{}", "†": r"\dag{}", "‡": r"\ddag{}", "≥": r"$\geq$", "≤": r"$\leq$", "→": r"$\rightarrow$",
    "[": "{[}", "]": "{]}", "*": "{*}", "\u00a0": "~",
}  # fmt: skip
_LETTER = (
    "\\providecommand{\\unicodeletter}[2]{\\ifdefined\\Uchar#2\\else\\texttt{U+#1}\\fi}"
    " % letters that pdfLaTeX does not know\n"
)


def latex(sheet: Sheet) -> str:
    """A ``table`` environment that needs no package. Letters that pdfLaTeX does not know are printed by XeLaTeX and
    LuaLaTeX; pdfLaTeX prints their numbers (``U+4F53``)."""

    def cell(found: Cell) -> str:
        spread = f" $\\pm$ {escape(found.spread)}" if found.spread else ""
        mark = f"\\textsuperscript{{{escape(found.mark)}}}" if found.mark else ""
        return " ".join([f"{escape(found.text)}{spread}{mark}", *(escape(text) for text, _ in found.more)]).strip()

    def escape(text: str) -> str:
        return latex_text(shown(text))

    lines = ["\\begin{table}", "  \\centering", f"  \\caption{{{escape(sheet.title)}.}}"]
    lines += [f"  \\begin{{tabular}}{{{''.join('r' if c.number else 'l' for c in sheet.columns)}}}", "    \\hline"]
    lines += [f"    {' & '.join(escape(column.heading) for column in sheet.columns)} \\\\", "    \\hline"]
    for k, row in enumerate(sheet.rows):
        lines += ["    \\hline"] if k in sheet.breaks and k else []
        lines.append(f"    {' & '.join(map(cell, row))} \\\\")
    lines += ["    \\hline", "  \\end{tabular}"]
    lines += [f"  \\par\\footnotesize {escape(note)}" for note in sheet.notes]
    text = "\n".join([*lines, "\\end{table}"]) + "\n"
    return (_LETTER if "\\unicodeletter" in text else "") + text


def latex_text(text: str) -> str:
    """Text that LaTeX prints as it is; a hyphen in front of a number is a minus sign."""
    parts = re.split("(-+)", composed(text))
    for k in range(1, len(parts), 2):
        minus = parts[k] == "-" and parts[k + 1][:1].isdigit() and parts[k - 1][-1:] in ("", " ", "(", "[")
        parts[k] = "$-$" if minus else "-{}" * (len(parts[k]) - 1) + "-"
    return "".join(part if k % 2 else "".join(map(_letter, part)) for k, part in enumerate(parts))


def _letter(c: str) -> str:
    return _LATEX.get(c) or (c if c.isascii() or _is_latin(c) else _unknown(c))


def _is_latin(c: str) -> bool:
    """Whether pdfLaTeX prints a letter in its usual encoding: Western European letters with accents."""
    return c in "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŠšŽžČčŁłŃńŚśŻżŹźĆćŘřŮůĚěŐőŰű"


def _unknown(c: str) -> str:
    return f"\\unicodeletter{{{ord(c):04X}}}{{{c}}}"


def as_html(sheet: Sheet) -> str:
    """A ``table`` element and paragraphs for the notes, in ASCII, so that it means the same in any page."""

    def escaped(text: str) -> str:
        return html.escape(shown(text)).encode("ascii", "xmlcharrefreplace").decode("ascii")

    def inside(cell: Cell) -> str:
        mark = f"<sup>{escaped(cell.mark)}</sup>" if cell.mark else ""
        main = f"{cell.text} ± {cell.spread}" if cell.spread else cell.text
        return " ".join([escaped(main) + mark, *(f"<small>{escaped(text)}</small>" for text, _ in cell.more)])

    def row(cells: Sequence[str], tag: str) -> str:
        sides = [' style="text-align: right"' if column.number else "" for column in sheet.columns]
        return "<tr>" + "".join(f"<{tag}{s}>{c}</{tag}>" for c, s in zip(cells, sides, strict=True)) + "</tr>"

    lines = ["<table>", f"<caption>{escaped(sheet.title)}</caption>"]
    lines += ["<thead>", row([escaped(column.heading) for column in sheet.columns], "th"), "</thead>", "<tbody>"]
    for k, cells in enumerate(sheet.rows):
        lines += ["</tbody>", "<tbody>"] if k in sheet.breaks and k else []
        lines.append(row([inside(cell) for cell in cells], "td"))
    lines += ["</tbody>", "</table>", *(f"<p>{escaped(note)}</p>" for note in sheet.notes)]
    return "\n".join(lines) + "\n"
