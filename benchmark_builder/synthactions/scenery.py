"""Scenery: one procedural kind per class; colour, scale and offset vary from video to video."""

from collections.abc import Callable

import cv2
import numpy as np

from benchmark_builder.synthactions.looks import colour

# A kind paints (H, W, 3) float32 0..255 from coordinates x, y (0..1 over the shorter side) and a generator.
_Paint = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
_KINDS: dict[str, _Paint] = {}

# Share of the contrast of a kind that is kept: the scenery is less visible than the actor and its motion.
CONTRAST = 0.65


def _kind(paint: _Paint) -> _Paint:
    _KINDS[paint.__name__.strip("_")] = paint
    return paint


def draw_scenery(
    kind: str, height: int, width: int, rng: np.random.Generator, further: tuple[int, int] = (0, 0)
) -> np.ndarray:
    """One scenery of ``kind`` (one of :data:`SCENERY`): uint8 (H, W, 3) RGB.

    ``further``: pixels by which it continues (down, right) beyond the picture, for a camera that moves; the result is
    larger by these.
    """
    zoom = 2
    unit = min(height, width) * zoom
    height, width = height + further[0], width + further[1]
    y, x = np.mgrid[0 : height * zoom, 0 : width * zoom].astype(np.float32) / unit
    image = _KINDS[kind](x, y, rng)
    small = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    small = small.mean(axis=(0, 1)) * (1 - CONTRAST) + small * CONTRAST
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def pan(height: int, width: int, frames: int, step: float, rng: np.random.Generator) -> np.ndarray:
    """Where the picture is in a scenery that is passed at ``step`` pixels per frame.

    The path is straight, and returns on itself after one shorter side of the picture, so that a scenery is never more
    than twice as large as the picture.

    Returns:
        int (T, 2): rows and columns, 0 or more, of the upper left corner of each frame.
    """
    reach = min(height, width)
    angle = rng.uniform(0, 2 * np.pi)
    gone = (rng.uniform(0, 2 * reach) + step * np.arange(frames)) % (2 * reach)
    along = np.minimum(gone, 2 * reach - gone)
    path = np.outer(along, [np.sin(angle), np.cos(angle)])
    start = np.array([reach * max(0.0, -np.sin(angle)), reach * max(0.0, -np.cos(angle))])
    return np.maximum(np.rint(path + start), 0).astype(int)


def _shade(hue: float, rng: np.random.Generator, saturation: float = 0.4, value: float = 0.75) -> np.ndarray:
    """A muted colour near ``hue``: float32 (3,). Muted, so that an actor stands out."""
    return np.array(
        colour(hue + rng.uniform(-0.03, 0.03), saturation + rng.uniform(-0.1, 0.1), value + rng.uniform(-0.12, 0.12)),
        np.float32,
    )


def _mix(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.asarray(a + (b - a) * weight[..., None].astype(np.float32))


@_kind
def _hills(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    image = _mix(_shade(0.58, rng, 0.4, 0.8), _shade(0.55, rng, 0.15, 0.95), np.clip(y * 1.4, 0, 1))
    for k in range(3):
        crest = 0.5 + 0.16 * k + rng.uniform(-0.05, 0.05) + 0.07 * np.sin(x * rng.uniform(4, 9) + rng.uniform(0, 6.28))
        image = _mix(image, _shade(0.32, rng, 0.5, 0.75 - 0.17 * k), y > crest)
    return image


@_kind
def _sea(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    horizon = rng.uniform(0.15, 0.35)
    ripple = np.sin((y + 0.012 * np.sin(x * rng.uniform(15, 25))) * rng.uniform(60, 90) + rng.uniform(0, 6.28))
    water = _mix(_shade(0.52, rng, 0.6, 0.5), _shade(0.5, rng, 0.4, 0.8), 0.5 + 0.5 * ripple)
    return np.where((y > horizon)[..., None], water, _shade(0.12, rng, 0.25, 0.95))


@_kind
def _bricks(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tall = rng.uniform(0.07, 0.1)
    down = (y + rng.random()) / tall
    row = np.floor(down)
    across = (x + rng.random()) / (2.2 * tall) + 0.5 * (row % 2)
    tint = 0.5 + 0.5 * np.sin(12.9898 * np.floor(across) + 78.233 * row)
    image = _mix(_shade(0.03, rng, 0.5, 0.65), _shade(0.04, rng, 0.5, 0.5), tint)
    mortar = (down % 1 < 0.14) | (across % 1 < 0.07)
    return _mix(image, _shade(0.1, rng, 0.15, 0.85), mortar)


@_kind
def _tiles(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = rng.uniform(0.11, 0.17)
    odd = (np.floor((x + rng.random()) / side) + np.floor((y + rng.random()) / side)) % 2
    return _mix(_shade(0.13, rng, 0.3, 0.85), _shade(0.1, rng, 0.4, 0.55), odd)


@_kind
def _dots(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    step = rng.uniform(0.13, 0.19)
    down = (y + rng.random()) / step
    u, v = ((x + rng.random()) / step + 0.5 * (np.floor(down) % 2)) % 1 - 0.5, down % 1 - 0.5
    return _mix(_shade(0.75, rng, 0.35, 0.7), _shade(0.8, rng, 0.15, 0.95), u**2 + v**2 < rng.uniform(0.06, 0.11))


@_kind
def _skyline(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    image = _mix(_shade(0.68, rng, 0.5, 0.35), _shade(0.62, rng, 0.4, 0.6), np.clip(y, 0, 1))
    wide = rng.uniform(0.12, 0.18)
    house = np.floor((x + rng.random()) / wide).astype(int)
    tops = rng.uniform(0.2, 0.65, house.max() + 1)
    walls = _shade(0.65, rng, 0.25, 0.3)
    lit = ((x / 0.045) % 1 < 0.5) & ((y / 0.07) % 1 < 0.5)
    return _mix(image, _mix(walls, _shade(0.14, rng, 0.5, 0.9), lit), y > tops[house])


@_kind
def _forest(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    image = _mix(_shade(0.22, rng, 0.2, 0.95), _shade(0.25, rng, 0.3, 0.8), np.clip(y, 0, 1))
    for k in range(3):
        wide, top = rng.uniform(0.14, 0.22), 0.15 + 0.22 * k
        tree = np.abs((x / wide + rng.random()) % 1 - 0.5)
        image = _mix(image, _shade(0.38, rng, 0.5, 0.62 - 0.16 * k), y > top + rng.uniform(0, 0.08) + 0.7 * tree)
    return image


@_kind
def _rays(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = np.arctan2(y - rng.uniform(0.3, 0.7), x - rng.uniform(0.3, 0.7)) / (2 * np.pi)
    ray = (angle * rng.integers(8, 14) + rng.random()) % 1 < 0.5
    return _mix(_shade(0.95, rng, 0.35, 0.85), _shade(0.9, rng, 0.4, 0.6), ray)


SCENERY: tuple[str, ...] = tuple(_KINDS)
