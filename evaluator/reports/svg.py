"""Charts of the report as inline SVG. The page's style sheet sets the colours, for light and dark mode.

Letters are 14 units in charts 420 wide, so that they can be read on a telephone, where a chart has 360 pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape as html_escape

from benchmark_builder.utils.text import shown
from evaluator.figures.labels import Box, leader, place_labels
from evaluator.figures.scatter import MOST_BARS, limits
from evaluator.reports.palette import HUES, Look
from evaluator.reports.seeds import Mean

LETTER, TALL, RADIUS = 8.0, 14.0, 6.0  # of a label, per letter; its height; of a marker
MOST_NAMED, NAME = 9, 20  # more points than this have numbers; characters of a name
_LEFT, _TOP, _SIDE, _BOTTOM = 52, 12, 352, 50
_WIDE, _HIGH = 352, 190  # of the panel of a line chart


@dataclass(frozen=True)
class Spot:
    """A point of the scatter chart: ``number`` is the row of the leaderboard, from 1."""

    number: int
    name: str
    look: Look
    x: Mean
    y: Mean
    published: bool = False


@dataclass(frozen=True)
class Line:
    """A line of a chart: (x, y) of its points, in order."""

    name: str
    look: Look
    points: tuple[tuple[float, float], ...]


def scatter(spots: Sequence[Spot], x_name: str, y_name: str, title: str) -> str:
    """Points with error bars in both directions, axes close around them. Few points have names, many have numbers;
    of very many, error bars are left out."""
    x0, x1 = limits([v for s in spots for v in (s.x.value, *(s.x.ends or ()))])
    y0, y1 = limits([v for s in spots for v in (s.y.value, *(s.y.ends or ()))])

    def at(x: float, y: float) -> tuple[float, float]:
        x, y = min(max(x, x0), x1), min(max(y, y0), y1)
        return _LEFT + (x - x0) / (x1 - x0) * _SIDE, _TOP + (y1 - y) / (y1 - y0) * _SIDE

    parts = []
    for t in ticks(x0, x1):
        x = at(t, y0)[0]
        parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}v{_SIDE}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{_TOP + _SIDE + 18}">{t:g}</text>')
    for t in ticks(y0, y1):
        y = at(x0, t)[1]
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}h{_SIDE}"/>')
        parts.append(f'<text class="tick end" x="{_LEFT - 7}" y="{y + 5:.1f}">{t:g}</text>')
    parts.append(f'<text class="axis" x="{_LEFT + _SIDE / 2}" y="{_TOP + _SIDE + 42}">{escape(x_name)}</text>')
    middle = _TOP + _SIDE / 2
    parts.append(f'<text class="axis" transform="rotate(-90 14 {middle})" x="14" y="{middle}">{escape(y_name)}</text>')
    bars: list[Box] = []
    for s in spots if len(spots) <= MOST_BARS else ():
        x, y = at(s.x.value, s.y.value)
        if s.x.ends:
            a, b = at(s.x.ends[0], s.y.value)[0], at(s.x.ends[1], s.y.value)[0]
            parts.append(f'<path class="whisker" d="M{a:.1f} {y:.1f}H{b:.1f}"/>')
            bars.append((a, y - 1, b, y + 1))
        if s.y.ends:
            a, b = at(s.x.value, s.y.ends[1])[1], at(s.x.value, s.y.ends[0])[1]
            parts.append(f'<path class="whisker" d="M{x:.1f} {a:.1f}V{b:.1f}"/>')
            bars.append((x - 1, a, x + 1, b))
    named = len(spots) <= MOST_NAMED
    texts = [_short(s.name, NAME) if named else str(s.number) for s in spots]
    points = [at(s.x.value, s.y.value) for s in spots]
    sizes = [(LETTER * len(text) + 2, TALL) for text in texts]
    places = place_labels(points, sizes, RADIUS, (_LEFT, _TOP, _LEFT + _SIDE + 14, _TOP + _SIDE), bars)
    for s, (x, y), place, text in zip(spots, points, places, texts, strict=True):
        spoken = f"{s.name}: {x_name} {spoken_mean(s.x)}, {y_name} {spoken_mean(s.y)}"
        hollow = " hollow" if s.published else ""
        parts.append(f'<g class="spot {hue(s.look)}{hollow}"><title>{escape(spoken)}</title>')
        way = leader((x, y), place, RADIUS) if place else None
        if way:
            parts.append('<path class="leader" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>'.format(*way))
        parts.append(shape(s.look, x, y, RADIUS))
        if place:
            parts.append(f'<text class="label" x="{place[0] + 1:.1f}" y="{place[3] - 3:.1f}">{escape(text)}</text>')
        parts.append("</g>")
    return _svg(_LEFT + _SIDE + 16, _TOP + _SIDE + _BOTTOM, title, "".join(parts))


def line_chart(lines: Sequence[Line], title: str, percent: bool) -> str:
    """Lines over epochs, from 0 to 100 if ``percent``, else from the lowest to the highest value."""
    points = [point for line in lines for point in line.points]
    x0, x1 = min(x for x, _ in points), max(x for x, _ in points)
    y0, y1 = (0.0, 100.0) if percent else (min(y for _, y in points), max(y for _, y in points))
    x1, y1 = x1 if x1 > x0 else x0 + 1, y1 if y1 > y0 else y0 + 1

    def at(x: float, y: float) -> tuple[float, float]:
        return _LEFT + (x - x0) / (x1 - x0) * _WIDE, _TOP + (y1 - y) / (y1 - y0) * _HIGH

    parts = []
    for t in ticks(y0, y1):
        y = at(x0, t)[1]
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}h{_WIDE}"/>')
        parts.append(f'<text class="tick end" x="{_LEFT - 7}" y="{y + 5:.1f}">{t:g}</text>')
    for t in (t for t in ticks(x0, x1) if float(t).is_integer()):
        x = at(t, y0)[0]
        parts.append(f'<text class="tick" x="{x:.1f}" y="{_TOP + _HIGH + 18}">{t:g}</text>')
    parts.append(f'<text class="axis" x="{_LEFT + _WIDE / 2}" y="{_TOP + _HIGH + 40}">epoch</text>')
    for line in lines:
        placed = [at(x, y) for x, y in line.points]
        way = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
        dashes = f' stroke-dasharray="{" ".join(f"{2 * d:g}" for d in line.look.dashes)}"' if line.look.dashes else ""
        parts.append(f'<g class="line {hue(line.look)}"><title>{escape(line.name)}</title><path d="{way}"{dashes}/>')
        every = max(1, len(placed) // 5)
        parts += [shape(line.look, x, y, 4.5) for x, y in placed[::every]]
        parts.append("</g>")
    return _svg(_LEFT + _WIDE + 16, _TOP + _HIGH + 48, title, "".join(parts))


def swatch(look: Look, hollow: bool = False, line: bool = False) -> str:
    """The marker of a method, for keys in text; ``line``: on a piece of its line."""
    dashes = f' stroke-dasharray="{" ".join(f"{2 * d:g}" for d in look.dashes)}"' if look.dashes else ""
    drawn = f'<path class="piece" d="M0 8H34"{dashes}/>' if line else ""
    wide = 34 if line else 16
    kinds = f"{hue(look)}{' hollow' if hollow else ''}"
    return (f'<svg class="key {kinds}" aria-hidden="true" viewBox="0 0 {wide} 16" width="{wide}" height="16">{drawn}'
            f"{shape(look, wide / 2, 8, 5.5)}</svg>")  # fmt: skip


def hue(look: Look) -> str:
    """The class of a look's hue in the style sheet."""
    return f"h{look.place % len(HUES)}"


def shape(look: Look, x: float, y: float, radius: float) -> str:
    """The marker of a look."""
    if not look.corners:
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>'
    corners = " ".join(f"{x + radius * a:.1f},{y - radius * b:.1f}" for a, b in look.corners)
    return f'<polygon class="mark" points="{corners}"/>'


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most ``most`` + 1 of them."""
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 2.5, 5, 10) if unit * k >= rough * (1 - 1e-9))
    return [round(k * step, 10) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def spoken_mean(mean: Mean) -> str:
    """A figure in words, with what its error bar is."""
    text = f"{mean.value:.1f} %"
    if mean.sd is not None:
        return f"{text} ± {mean.sd:.1f} over {mean.seeds} seeds"
    return text if mean.ends is None else f"{text} ({mean.ends[0]:.1f} to {mean.ends[1]:.1f})"


def _svg(width: float, height: float, title: str, body: str) -> str:
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{1.25 * width:.0f}px"'
    return f'<svg class="chart" role="img" aria-label="{escape(title)}" {box}>{body}</svg>'


def escape(text: str) -> str:
    """Text, escaped for use in an element or an attribute."""
    return html_escape(shown(text), quote=True)


def _short(name: str, length: int) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
