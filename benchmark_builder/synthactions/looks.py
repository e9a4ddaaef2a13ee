"""Clothing: one kind per class, each with a pattern and a palette that vary from video to video."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

# kind -> (pattern of the shirt, hue of its ground colour, hue of its pattern, hue of the trousers), hues 0..1
CLOTHING = {
    "plain": ("plain", 0.0, 0.0, 0.62),
    "hoops": ("hoops", 0.08, 0.62, 0.3),
    "pinstripe": ("pinstripe", 0.15, 0.0, 0.75),
    "checked": ("checked", 0.3, 0.15, 0.08),
    "dotted": ("dotted", 0.48, 0.95, 0.0),
    "slanted": ("slanted", 0.62, 0.15, 0.48),
    "halves": ("halves", 0.76, 0.45, 0.15),
    "chevron": ("chevron", 0.9, 0.3, 0.9),
}
SKINS = ((247, 214, 188), (229, 184, 143), (198, 143, 98), (150, 98, 62), (104, 66, 44))
SKIN_GROUPS = {"light": SKINS[:2], "dark": SKINS[-2:]}  # for `--skin-bias`
TILE = 48  # side of the shirt's texture, pixels


def colour(hue: float, saturation: float, value: float) -> Colour:
    """RGB, 0..255 each, of a colour given by hue (any real number, in turns), saturation and value (clipped to
    0..1)."""
    r, g, b = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return round(r * 255), round(g * 255), round(b * 255)


@dataclass(frozen=True)
class Look:
    """The clothing of one actor: RGB colours 0..255, and the texture of the shirt, uint8 (TILE, TILE, 3)."""

    shirt: np.ndarray
    sleeve: Colour
    trousers: Colour
    shoes: Colour
    skin: Colour
    hair: Colour


# Name -> the pixels of a pattern's second colour, bool, from the coordinates x and y (0..1), those within one of 4 x 4
# cells (dx and dy, -0.5..0.5), and the offset.
_PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]] = {
    "plain": lambda x, y, dx, dy, offset: y < 0.06 + 0.04 * offset,
    "hoops": lambda x, y, dx, dy, offset: np.abs(dy) < 0.22,
    "pinstripe": lambda x, y, dx, dy, offset: np.abs(dx) < 0.18,
    "checked": lambda x, y, dx, dy, offset: (dx > 0) ^ (dy > 0),
    "dotted": lambda x, y, dx, dy, offset: dx**2 + dy**2 < 0.09,
    "slanted": lambda x, y, dx, dy, offset: ((x + y) * 3 + offset) % 1 < 0.4,
    "halves": lambda x, y, dx, dy, offset: x < 0.4 + 0.2 * offset,
    "chevron": lambda x, y, dx, dy, offset: ((y - np.abs(x - 0.5)) * 3 + offset) % 1 < 0.4,
}


def _pattern(name: str, offset: float) -> np.ndarray:
    """Pixels of the second colour: bool (TILE, TILE). ``offset`` (0..1) shifts it by a part of its period."""
    along = np.arange(TILE) / TILE
    within = (along * 4 + offset) % 1 - 0.5
    found = _PATTERNS[name](along[None, :], along[:, None], within[None, :], within[:, None], offset)
    return np.broadcast_to(found, (TILE, TILE))


def draw_look(kind: str, rng: np.random.Generator) -> Look:
    """Draw clothing of ``kind`` (a key of :data:`CLOTHING`) for one actor; skin and hair are independent of it."""
    pattern, ground_hue, figure_hue, trouser_hue = CLOTHING[kind]
    hue, value, offset, shade = rng.uniform(-0.025, 0.025), rng.uniform(0.75, 1.0), rng.random(), rng.uniform(0.45, 0.7)
    ground = colour(ground_hue + hue, rng.uniform(0.75, 0.95), value)
    figure = colour(figure_hue + hue, rng.uniform(0.3, 0.7), 1.0)
    shirt = np.where(_pattern(pattern, offset)[..., None], np.array(figure), np.array(ground)).astype(np.uint8)
    hair = colour(rng.uniform(0.02, 0.12), rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.75))
    return Look(
        shirt=shirt,
        sleeve=ground,
        trousers=colour(trouser_hue + hue, rng.uniform(0.5, 0.7), shade),
        shoes=colour(0.0, 0.0, rng.uniform(0.1, 0.9)),
        skin=SKINS[int(rng.integers(len(SKINS)))],
        hair=hair,
    )
