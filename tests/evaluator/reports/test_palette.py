"""One look per method: distinct, readable, and the same wherever the method is drawn."""

import itertools

import numpy as np
import pytest

from albar.parts import METHODS
from evaluator.reports.palette import COUNT, HUES, key, look, looks, style_sheet

# Machado, Oliveira and Fernandes 2009: what a reader with deuteranopia or protanopia sees, of linear RGB.
SEEN = {
    "all colours": np.eye(3),
    "no green": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
    "no red": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
}  # fmt: skip
PAPER = ("#ffffff", "#14161a")


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, white D65."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    f = np.cbrt(np.clip(matrix @ rgb / [0.9505, 1, 1.089], 0, None))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("side", [0, 1])
def test_any_two_hues_differ_for_every_reader(seen: str, side: int) -> None:
    shown = [lab(np.clip(SEEN[seen] @ linear(hue[side]), 0, 1)) for hue in HUES]
    # 2.3 is the just noticeable difference (Mahy 1994); five times that is seen at once in a legend.
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(shown, 2)) > 5 * 2.3


@pytest.mark.parametrize("side", [0, 1])
def test_hues_are_visible_on_their_background(side: int) -> None:
    light = [linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (PAPER[side], *(hue[side] for hue in HUES))]
    for one in light[1:]:
        dark, bright = sorted((light[0], one))
        assert (bright + 0.05) / (dark + 0.05) >= 3  # WCAG 2, graphics


def test_shipped_methods_have_looks_of_their_own_everywhere() -> None:
    shipped = list(METHODS.shipped)
    alone = {name: looks([name])[name] for name in shipped}
    assert looks([*shipped, "mine", "other"]).items() >= alone.items()
    assert len({one.place for one in alone.values()}) == len(shipped)
    # What a paper calls it.
    said = looks(["None", "ALBAR", "ALBAR (middle frame)", "ALBAR + StillMix", "StillMix", "Mixup"])
    assert [key(name) for name in said] == ["baseline", "albar", "albar", "albar+stillmix", "stillmix", "mixup"]
    assert all(look == alone[key(name)] for name, look in said.items())


def test_other_methods_get_free_hues_and_never_a_look_twice() -> None:
    names = [f"mine {k}" for k in range(5)]
    found = looks(["baseline", *names])
    assert len({one.colour for one in found.values()}) == 6  # of 8 hues
    assert found == looks([*reversed(names), "baseline"])  # in any order
    many = looks([f"m{k}" for k in range(COUNT)])
    assert len({(one.colour, one.corners) for one in many.values()}) == COUNT
    assert len({(one.hatch, one.corners) for one in (look(k) for k in range(8))}) == 8  # without colours
    assert len(looks([f"m{k}" for k in range(2 * COUNT)])) == 2 * COUNT  # more than there are looks: no error


def test_the_style_sheet_has_every_hue_for_both_backgrounds() -> None:
    sheet = style_sheet()
    assert all(sheet.count(light) == 1 and sheet.count(dark) == 2 for light, dark in HUES)
