"""Fonts for text of users in charts: names in Chinese, Korean, Devanagari … need another font than matplotlib's own.

matplotlib is imported on demand, so that commands without a chart do not load it.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from benchmark_builder.utils.text import shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BOXES = "Last Resort"  # has a box for every character
_MOST = 8  # fonts added to one text
_said: set[str] = set()


@contextmanager
def fitted(figure: "Figure") -> Iterator[None]:
    """Inside, a figure can be measured and drawn: its texts fall back to installed fonts for characters that their own
    font lacks.

    If no installed font has a character, one line on stderr names it and says what to install, once per process; it is
    drawn as a box.
    """
    _fit(figure)
    with warnings.catch_warnings():  # the line has said it; matplotlib says it again for every glyph
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        yield


def _fit(figure: "Figure") -> None:
    from matplotlib.text import Text

    missing = ""
    for text in figure.findobj(Text):
        if not isinstance(text, Text) or text.get_text().isascii():
            continue
        lacking = _lacking(text.get_text(), text.get_fontfamily())
        if not lacking:
            continue
        fallbacks, without = fonts_for(lacking)
        missing += without
        text.set_fontfamily([*text.get_fontfamily(), *fallbacks])
    new = "".join(dict.fromkeys(c for c in missing if c not in _said))
    if new:
        _said.update(new)
        some = shown(new[:10]) + (" …" if len(new) > 10 else "")
        print(
            f"chart: no installed font has the characters {some}; they are drawn as boxes. Install one that has "
            "them, such as Noto Sans CJK (Debian, Ubuntu: apt-get install fonts-noto-cjk)",
            file=sys.stderr,
        )


def _lacking(text: str, family: list[str]) -> str:
    """Characters that none of the fonts of a family has."""
    from matplotlib.font_manager import FontProperties, findfont

    paths = [findfont(FontProperties(family=[name])) for name in family]
    return "".join(dict.fromkeys(c for c in text if c.isprintable() and not any(_has(p, c) for p in paths)))


@lru_cache(4096)
def _has(path: str, character: str) -> bool:
    from matplotlib import font_manager

    try:
        return font_manager.get_font(path).get_char_index(ord(character)) != 0
    except (OSError, RuntimeError):  # a font that cannot be read
        return False


@lru_cache(256)
def fonts_for(characters: str) -> tuple[tuple[str, ...], str]:
    """(names of installed fonts that have the characters between them, the characters that none has).

    Upright sans-serif fonts of normal weight come first; of equal ones, the first by name.
    """
    from matplotlib import font_manager

    def order(entry: font_manager.FontEntry) -> tuple[bool, bool, int, str]:
        weight = entry.weight if isinstance(entry.weight, int) else 400
        return entry.style != "normal", "Sans" not in entry.name, abs(weight - 400), entry.name

    left, chosen = characters, list[str]()
    for entry in sorted(font_manager.fontManager.ttflist, key=order):
        if not left or len(chosen) == _MOST:
            break
        if entry.name.startswith(_BOXES) or entry.name in chosen:
            continue
        rest = "".join(c for c in left if not _has(entry.fname, c))
        if rest != left:
            chosen.append(entry.name)
            left = rest
    return tuple(chosen), left
