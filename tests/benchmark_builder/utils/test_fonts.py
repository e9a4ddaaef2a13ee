"""Charts show names in any script that an installed font has; otherwise one line says what is missing."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark_builder.utils import fonts
from benchmark_builder.utils.pictures import new_figure, save_figure

NAME = "中文"


@pytest.fixture(autouse=True)
def _only_own_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if only the fonts of matplotlib were installed."""
    import matplotlib
    from matplotlib import font_manager

    own = [f for f in font_manager.fontManager.ttflist if Path(f.fname).is_relative_to(matplotlib.get_data_path())]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    fonts._said.clear()
    fonts.fonts_for.cache_clear()
    yield
    fonts.fonts_for.cache_clear()


def made_font(path: Path, name: str, characters: str) -> Path:
    """A font with squares as glyphs of some characters."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    for n, point in enumerate(((0, 0), (0, 700), (700, 700), (700, 0))):
        (pen.lineTo if n else pen.moveTo)(point)
    pen.closePath()
    square, names = pen.glyph(), [".notdef", *(f"g{k}" for k in range(len(characters)))]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"g{k}" for k, c in enumerate(characters)})
    builder.setupGlyf(dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)
    return path


def drawn(folder: Path) -> tuple[list[str], list[str]]:
    """The family of a title with the name, and all warnings."""
    figure = new_figure(2, 1)
    title = figure.suptitle(f"ALBAR {NAME}")
    plain = figure.text(0, 0, "ALBAR é ≥")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        save_figure(figure, folder / "a.png")
    assert plain.get_fontfamily() == ["sans-serif"]
    return list(title.get_fontfamily()), [str(one.message) for one in said]


def test_without_a_font_one_line_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in (1, 0):
        assert drawn(tmp_path) == (["sans-serif"], [])
        said = capsys.readouterr().err
        assert said.count("\n") == line and ("no installed font has the characters" in said) == bool(line)


def test_fonts_that_have_the_characters_are_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from matplotlib import font_manager

    for k, character in enumerate(NAME):
        font_manager.fontManager.addfont(made_font(tmp_path / f"{k}.ttf", f"Made {k}", character))
    assert drawn(tmp_path) == (["sans-serif", "Made 0", "Made 1"], [])
    assert capsys.readouterr().err == ""
