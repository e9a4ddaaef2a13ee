"""Charts are what their file's name says, and draw users' text as it stands."""

import warnings
from pathlib import Path

import pytest

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.pictures import check_suffix, literal, new_figure, save_figure

# What each kind of file begins with, by its format's specification.
MAGIC = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".svg": b"<?xml", ".PDF": b"%PDF-"}


@pytest.mark.parametrize("suffix", MAGIC)
def test_a_chart_is_what_its_suffix_says(tmp_path: Path, suffix: str) -> None:
    figure = new_figure(2, 2)
    figure.suptitle("a chart")
    data = [save_figure(figure, tmp_path / f"{k}{suffix}").read_bytes() for k in range(2)]
    assert data[0].startswith(MAGIC[suffix]) and data[0] == data[1], "no date, no random id"
    assert ("<svg" in data[0].decode(errors="replace")) == (suffix == ".svg")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{k}{suffix}" for k in range(2)]


@pytest.mark.parametrize("name", ["a.eps", "a.png.bak", "a", "a.", ".pdf"])
def test_another_suffix_is_refused_by_name(tmp_path: Path, name: str) -> None:
    for check in (check_suffix, lambda path, flag: save_figure(new_figure(1, 1), path, flag)):
        with pytest.raises(BenchError, match=r"^--plot .*: cannot be written as .*ends in \.png, \.pdf, \.svg$"):
            check(tmp_path / name, flag="--plot")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [r"$\frac$", "$a$", "a$b", r"a\$b$", "$$", "a\x00b\nc", "caf\u00e9 \udcff", "x[/y]"])
def test_text_of_users_is_no_formula(tmp_path: Path, text: str) -> None:
    from matplotlib.text import Text

    shown, is_formula = Text(text=literal(text))._preprocess_math(literal(text))
    assert not is_formula and shown.count("$") == text.count("$") and shown.count("\\") == text.count("\\")
    figure = new_figure(2, 2)
    axes = figure.add_subplot()
    axes.barh([literal(text), "other"], [1, 2])
    axes.set_title(literal(text))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the font lacks a letter
        for suffix in (".png", ".pdf", ".svg"):
            save_figure(figure, tmp_path / f"a{suffix}")
    import xml.dom.minidom

    xml.dom.minidom.parse(str(tmp_path / "a.svg"))
