"""Charts of the report as inline SVG. The page's style sheet sets the colours, for light and dark mode."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape as html_escape

from benchmark_builder.utils.text import shown

COLOURS = 8  # in the style sheet, s0 to s7
BAR, GAP, LABEL, PLOT, VALUE = 16, 12, 190, 720, 60


@dataclass(frozen=True)
class Mark:
    """A point or bar: ``series`` is the model's number, ``low`` and ``high`` are the interval (None: no interval)."""

    series: int
    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Spot:
    """A point of the scatter chart."""

    series: int
    name: str
    x: Mark
    y: Mark
    published: bool = False


def bars(groups: Sequence[tuple[str, Sequence[Mark]]], title: str) -> str:
    """Horizontal bars 0..100, one group per test set, with whiskers for the intervals.

    Args:
        groups: (heading, bars) per group; the heading says whether high or low is good.
        title: text for screen readers.
    """
    parts, y = [], 22
    for heading, marks in groups:
        parts.append(f'<text class="group" x="0" y="{y + 4}">{escape(heading)}</text>')
        y += 14
        for mark in marks:
            width, middle = mark.value / 100 * PLOT, y + BAR / 2
            spoken = f"{mark.name}: {_interval(mark)}"
            parts.append(f"<g><title>{escape(spoken)}</title>")
            parts.append(f'<text class="name" x="{LABEL - 8}" y="{middle + 4}">{escape(_short(mark.name))}</text>')
            box = f'x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR - 3}"'
            parts.append(f'<rect class="s{mark.series % COLOURS}" {box}/>')
            if mark.low is not None and mark.high is not None:
                a, b = LABEL + mark.low / 100 * PLOT, LABEL + mark.high / 100 * PLOT
                parts.append(f'<path class="whisker" d="M{a:.1f} {middle - 1.5:.1f}H{b:.1f}"/>')
                for x in (a, b):
                    parts.append(f'<path class="whisker" d="M{x:.1f} {middle - 5:.1f}v7"/>')
            end = LABEL + max(width, (mark.high or 0) / 100 * PLOT)
            parts.append(f'<text class="value" x="{end + 6:.1f}" y="{middle + 3}">{mark.value:.1f}</text></g>')
            y += BAR
        y += GAP + 8
    grid = "".join(
        f'<path class="grid" d="M{LABEL + t / 100 * PLOT} 12V{y - GAP}"/>'
        f'<text class="tick" x="{LABEL + t / 100 * PLOT}" y="{y + 2}">{t}</text>'
        for t in (0, 25, 50, 75, 100)
    )
    return _svg(LABEL + PLOT + VALUE, y + 10, title, grid + "".join(parts))


def scatter(points: Sequence[Spot], x_name: str, y_name: str, title: str) -> str:
    """Points in the square 0..100 with whiskers in both directions; each shows its number, ``series`` + 1."""
    side, left, bottom, top = 360, 56, 44, 14
    parts = []
    for t in (0, 25, 50, 75, 100):
        x, y = left + t / 100 * side, top + side - t / 100 * side
        parts.append(f'<path class="grid" d="M{x} {top}V{top + side}M{left} {y}H{left + side}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{top + side + 16}">{t}</text>')
        parts.append(f'<text class="tick end" x="{left - 6}" y="{y + 4}">{t}</text>')
    parts.append(f'<text class="axis" x="{left + side / 2}" y="{top + side + 36}">{escape(x_name)}</text>')
    turn = f"rotate(-90 14 {top + side / 2})"
    parts.append(f'<text class="axis" transform="{turn}" x="14" y="{top + side / 2}">{escape(y_name)}</text>')
    for point in points:
        x, y = left + point.x.value / 100 * side, top + side - point.y.value / 100 * side
        spoken = f"{point.name}: {x_name} {_interval(point.x)}, {y_name} {_interval(point.y)}"
        parts.append(f'<g class="spot"><title>{escape(spoken)}</title>')
        if point.x.low is not None and point.x.high is not None:
            a, b = left + point.x.low / 100 * side, left + point.x.high / 100 * side
            parts.append(f'<path class="whisker" d="M{a:.1f} {y:.1f}H{b:.1f}"/>')
        if point.y.low is not None and point.y.high is not None:
            a, b = top + side - point.y.low / 100 * side, top + side - point.y.high / 100 * side
            parts.append(f'<path class="whisker" d="M{x:.1f} {a:.1f}V{b:.1f}"/>')
        kind = "hollow" if point.published else f"s{point.series % COLOURS}"
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="9"/>')
        parts.append(f'<text class="number" x="{x:.1f}" y="{y + 3.5:.1f}">{point.series + 1}</text></g>')
    return _svg(left + side + 16, top + side + bottom, title, "".join(parts))


def _svg(width: float, height: float, title: str, body: str) -> str:
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px"'
    return f'<svg class="chart" role="img" aria-label="{escape(title)}" {box}>{body}</svg>'


def escape(text: str) -> str:
    """Text, escaped for use in an element or an attribute."""
    return html_escape(shown(text), quote=True)


def _interval(mark: Mark) -> str:
    text = f"{mark.value:.1f} %"
    return text if mark.low is None or mark.high is None else f"{text} ({mark.low:.1f} to {mark.high:.1f})"


def _short(name: str, length: int = 27) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
