"""Markdown, LaTeX, HTML and csv: names are never markup, and every row has as many cells as there are columns."""

import html.parser
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from evaluator.reports.formats import as_html, latex, latex_text, markdown, print_sheet
from evaluator.reports.palette import looks
from evaluator.reports.sheet import Cell, Column, Sheet

NAMES = [
    "a_b^c~d", "100 % & more # $x$ {y} \\input{/etc/passwd}", "<script>alert(1)</script>", "| a | b |", "`c` *d* _e_",
    "[l](javascript:x)", "体育", "Größe é ł ő", "\\end{tabular}", '"quoted" \'x\'', "--epochs ---",
    "a\nb\x1b[31m", "😀",
    "www.x.com http://x.com", "<!-- c", "&amp;", "=1+1", "~~x~~", "x" * 200, "% comment", "^^41", "\\\\", "]", "[1] *",
    "e\u0301", "a\u00a0b", "#", "",
]  # fmt: skip


def sheet(names: list[str] = NAMES) -> Sheet:
    rows = [[Cell(name), Cell("12.3", "4.5", "b", (("(-3.4)", "red"), ("[1.0, 2.0]", "dim"))), Cell("–")]
            for name in names]  # fmt: skip
    columns = [Column("Method_&"), Column("Contra. Acc. ↑", True), Column("SCUFO ↓", True)]
    notes = ["† published: 50 % of $1_000 <b>", *names]
    return Sheet("Leaderboard of a_b & c, percent, mean ± deviation", columns, rows, frozenset({0, 3}), notes=notes)


def on_terminal(sheet: Sheet, width: int, terminal: bool = True, **environment: str) -> str:
    made = io.StringIO()
    given = {"TERM": "xterm", "COLORTERM": "truecolor", **environment}
    print_sheet(sheet, Console(file=made, force_terminal=terminal, width=width, _environ=given))
    return made.getvalue()


def test_methods_have_on_a_terminal_the_marker_and_hue_of_charts() -> None:
    names = ["albar", "ALBAR †", "baseline [a]", "mine"]
    some = Sheet("t", [Column("Method"), Column("IID", True)], [[Cell(n), Cell("1.0")] for n in names])
    look = looks(["albar", "baseline", "mine"])
    for dark, environment in ((True, {}), (False, {"COLORFGBG": "0;15"})):
        said = on_terminal(some, 80, **environment)
        for name, method in zip(names, ("albar", "albar", "baseline", "mine"), strict=True):
            one = look[method]
            hue = ";".join(str(v) for v in bytes.fromhex((one.dark if dark else one.colour)[1:]))
            assert f"\x1b[38;2;{hue}m{one.sign} \x1b[0m{name}" in said
    assert len({one.sign for one in look.values()}) == 3
    for text in (on_terminal(some, 80, terminal=False), markdown(some), latex(some), some.csv()):
        assert not any(one.sign in text for one in look.values())
    narrow = Sheet("t", some.columns, [[Cell("name123" * 9), Cell("12.34")], [Cell("x"), Cell("5")]] * 5)
    plain = re.sub(r"\x1b\[[\d;]*m", "", on_terminal(narrow, 20))
    assert plain.count("12.34") == 5 and max(map(len, plain.splitlines())) <= 20


def test_latex_has_equal_columns_and_nothing_unescaped() -> None:
    text = latex(sheet())
    body = text.split("\\begin{tabular}{lrr}")[1].split("\\end{tabular}\n  \\par")[0]
    lines = [line for line in body.splitlines() if line.endswith(" \\\\")]
    assert len(lines) == 1 + len(NAMES)
    assert all(len(re.findall(r"(?<!\\)&", line)) == 2 for line in lines)
    bare = re.sub(r"\\[\\{}$&#%_]|\\[a-z]+|\\char\d\d", "", text.replace("\\\\\n", ""))
    assert not re.search(
        r"[#%_~^\\]", "".join(line for line in bare.splitlines() if "% letters" not in line).replace("a~b", "")
    )
    without = re.sub(r"\\[{}]", "", text)
    assert without.count("{") == without.count("}") and re.sub(r"\\\$", "", text).count("$") % 2 == 0
    assert "/etc/passwd" in text and "\\input" not in text


def test_a_minus_is_a_minus_and_hyphens_stay_hyphens() -> None:
    assert latex_text("-3.4") == "$-$3.4" and latex_text("(-3.4)") == "($-$3.4)"
    assert latex_text("8x2-48") == "8x2-48" and latex_text("--x") == "-{}-x" and latex_text("a–b") == "a--b"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path: Path) -> None:
    document = f"\\documentclass{{article}}\\begin{{document}}\n{latex(sheet())}\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "t.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
    assert ran.returncode == 0, ran.stdout[-1500:]
    assert "Missing character" not in (tmp_path / "t.log").read_text(errors="replace")


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.attributes: set[tuple[str, str | None]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= set(attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def test_html_has_no_element_but_those_of_the_table() -> None:
    text = as_html(sheet())
    assert text.isascii()
    read = _Tags()
    read.feed(text)
    assert set(read.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td", "sup", "small", "p"}
    assert read.attributes == {("style", "text-align: right")}
    assert read.tags.count("td") == 3 * len(NAMES) and "体育" in read.texts and "&amp;" in read.texts


def test_markdown_has_equal_columns_and_only_text_in_its_cells() -> None:
    lines = [line for line in markdown(sheet()).splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + len(NAMES)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}
    md = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    rendered = md.render(markdown(sheet()))
    read = _Tags()
    read.feed(rendered)
    assert set(read.tags) <= {"p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert rendered.count("<td") == 3 * len(NAMES)


def test_csv_is_run_by_no_spreadsheet() -> None:
    assert "'=1+1," in sheet().csv()
    assert len(list(io.StringIO(sheet(["a", "b"]).csv()))) == 3
