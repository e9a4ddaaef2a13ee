"""The look of every method: one colour, marker, hatch and line, the same in charts, the report and on screen.

The hues are near those of Okabe and Ito ("Color Universal Design", 2008), once for a white and once for a dark
background. Their lightness was moved apart, so that any two differ for colour-blind readers too, and so that each has
the contrast of 3 : 1 with its background that WCAG 2 asks of graphics.
Where there is no colour (a print in grey), markers, hatches and lines differ as well.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# For a white background, for a dark one. The first is the baseline's, and has no hue.
HUES = (
    ("#383b40", "#ced2d9"),  # grey
    ("#bd4b26", "#e0683f"),  # vermilion
    ("#1d5593", "#3f8fe8"),  # blue
    ("#008d5c", "#00d080"),  # bluish green
    ("#996b8e", "#d8488a"),  # reddish purple
    ("#5a3d08", "#e09500"),  # brown, orange
    ("#2e96ef", "#8fd0ff"),  # sky blue
    ("#a89200", "#f5ee30"),  # yellow
)
_HATCHES = ("", "///", "\\\\\\", "...", "xx", "++", "--", "oo")
# Lengths of dashes and gaps, in line widths, as matplotlib and SVG take them; empty: a solid line.
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.5), (1.2, 1.2), (6, 1.5, 1.2, 1.5))
# Corners of each marker, in units of its radius, y upwards; the first has none: a circle.
MARKERS: tuple[tuple[tuple[float, float], ...], ...] = (
    (),
    ((-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)),
    ((0, 1.15), (1.0, -0.75), (-1.0, -0.75)),
    ((0, 1.2), (1.2, 0), (0, -1.2), (-1.2, 0)),
    ((0, -1.15), (1.0, 0.75), (-1.0, 0.75)),
    ((0, 1.1), (1.05, 0.34), (0.65, -0.9), (-0.65, -0.9), (-1.05, 0.34)),
    (
        (-0.4, 1.1), (0.4, 1.1), (0.4, 0.4), (1.1, 0.4), (1.1, -0.4), (0.4, -0.4),
        (0.4, -1.1), (-0.4, -1.1), (-0.4, -0.4), (-1.1, -0.4), (-1.1, 0.4), (-0.4, 0.4),
    ),
    (
        (0, 1.35), (0.39, 0.53), (1.28, 0.42), (0.63, -0.2), (0.79, -1.09),
        (0, -0.66), (-0.79, -1.09), (-0.63, -0.2), (-1.28, 0.42), (-0.39, 0.53),
    ),
)  # fmt: skip
# The same markers as characters, for the screen.
SIGNS = ("●", "■", "▲", "◆", "▼", "⬟", "✚", "★")
COUNT = len(HUES) * len(MARKERS)
# The methods that ship, as :func:`key` names them, and the places of their looks: they never change.
_KNOWN = {
    "baseline": 0, "albar": 1, "stillmix": 2, "albar+stillmix": 4, "mixup": 5, "videomix": 6, "sdn": 3, "be": 7,
    "actorcutmix": 11, "fame": 10, "devias": 13, "probe": 12, "pretrained": 8,
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How a method is drawn.

    Attributes:
        place: 0..:data:`COUNT` - 1; looks of different places differ in hue or marker.
        colour, dark: its hue on a white and on a dark background, ``#rrggbb``.
        corners: of its marker, as in :data:`MARKERS`; empty for a circle.
        hatch: as matplotlib takes it; empty for a plain area.
        dashes: of its line, in line widths; empty for a solid one.
    """

    place: int
    colour: str
    dark: str
    corners: tuple[tuple[float, float], ...]
    hatch: str
    dashes: tuple[float, ...]

    @property
    def sign(self) -> str:
        """Its marker as a character."""
        return SIGNS[MARKERS.index(self.corners)]


def look(place: int) -> Look:
    """The look of a place, from 0; places from :data:`COUNT` on begin again."""
    place %= COUNT
    hue, turn = place % len(HUES), place // len(HUES)
    form = (hue + turn) % len(MARKERS)
    return Look(place, *HUES[hue], MARKERS[form], _HATCHES[form], DASHES[(hue + turn) % len(DASHES)])


def key(method: str) -> str:
    """A method's name as tables of other authors may write it: ``None`` is the baseline, ``ALBAR + StillMix`` is
    ``albar+stillmix``; what follows in brackets is left out."""
    plain = re.sub(r"\([^)]*\)|[^\w+:=.,]|_", "", method.casefold())
    return "baseline" if plain == "none" else plain


def looks(methods: Iterable[str]) -> dict[str, Look]:
    """The look of each method of a figure.

    A method that ships has its own look. The look of another one follows from its name, but moves on to a hue that is
    free, or else to a free marker, if another method of the same figure has it already.

    Args:
        methods: names; those that are the same to :func:`key` have the same look.
    """
    names = list(dict.fromkeys(methods))
    places = {k: _KNOWN[k] for k in map(key, names) if k in _KNOWN}
    for other in sorted({key(name) for name in names} - set(places)):
        taken = set(places.values())
        hues = {place % len(HUES) for place in taken}
        first = int.from_bytes(hashlib.sha256(other.encode("utf-8", "backslashreplace")).digest()[:4]) % COUNT
        turns = [(first + k) % COUNT for k in range(COUNT)]
        free = [p for p in turns if p not in taken]
        places[other] = next((p for p in free if p % len(HUES) not in hues), free[0] if free else first)
    return {name: look(places[key(name)]) for name in names}


def dark_screen(environment: Mapping[str, str]) -> bool:
    """Whether a terminal has a dark background, as far as it says so (``COLORFGBG``); most have."""
    last = environment.get("COLORFGBG", "").rpartition(";")[2]
    return last not in ("7", "15")


def style_sheet() -> str:
    """CSS custom properties of the hues, ``--h0`` to ``--h7``, in light and dark: the report's."""
    light = " ".join(f"--h{k}: {hue[0]};" for k, hue in enumerate(HUES))
    dark = " ".join(f"--h{k}: {hue[1]};" for k, hue in enumerate(HUES))
    classes = "\n".join(f".h{k} {{ --c: var(--h{k}); }}" for k in range(len(HUES)))
    return (
        f":root {{ {light} }}\n"
        f'@media (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{ {dark} }} }}\n'
        f':root[data-theme="dark"] {{ {dark} }}\n'
        f"{classes}\n"
    )
