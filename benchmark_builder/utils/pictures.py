"""Charts: a new figure, saving it as what its file's suffix says, and text of users that matplotlib leaves as it is.

matplotlib is imported on demand, so that commands without a chart do not load it.
"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import whole_file
from benchmark_builder.utils.fonts import fitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHARTS = (".png", ".pdf", ".svg")
SHEETS, PLAYING = (".png", ".jpg", ".jpeg"), (".gif", ".mp4")  # of `bench preview`
# What each format would say of the time of writing, left out: the same figures are the same bytes.
_UNDATED: dict[str, dict[str, str | None]] = {
    "png": {"Software": "albar-bench"},
    "pdf": {"Creator": "albar-bench", "CreationDate": None},
    "svg": {"Creator": "albar-bench", "Date": None},
}
# Journals refuse the default's Type 3 fonts in a PDF; text of an SVG stays text, which can be searched and edited; its
# ids would be random without a salt.
_KEPT: dict[Any, Any] = {
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "albar-bench",
    "hatch.linewidth": 0.6,
}


def check_suffix(path: Path, suffixes: Iterable[str] = CHARTS, flag: str = "--out") -> str:
    """The suffix of a picture's name in lower case, such as ``.png``; to be called before any work is done.

    Raises:
        BenchError: it is none of ``suffixes``; the message names ``flag`` and lists them.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise BenchError(f"{flag} {path}: cannot be written as {suffix or 'a file without suffix'}; "
                         f"name a file that ends in {', '.join(suffixes)}")  # fmt: skip
    return suffix


def new_figure(width: float, height: float) -> "Figure":
    """An empty matplotlib figure of ``width`` x ``height`` inches that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path, flag: str = "--out") -> Path:
    """Write a figure as PNG, PDF or SVG, as the suffix of ``path`` says; whole or not at all, no date inside.

    Raises:
        BenchError: another suffix; see :func:`check_suffix`.
    """
    from matplotlib import rc_context

    kind = check_suffix(path, CHARTS, flag)[1:]
    with rc_context(_KEPT), fitted(figure), whole_file(path) as temporary:
        figure.savefig(temporary, format=kind, metadata=_UNDATED[kind])
    return path


def svg_text(figure: "Figure") -> str:
    """A figure as the text of an SVG file, the same as :func:`save_figure` writes."""
    from matplotlib import rc_context

    made = io.StringIO()
    with rc_context(_KEPT), fitted(figure):
        figure.savefig(made, format="svg", metadata=_UNDATED["svg"])
    return made.getvalue()


def literal(text: str) -> str:
    """Text that matplotlib draws as it stands: ``$`` starts no formula, and what cannot be printed becomes ``�``."""
    shown = (c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return "".join(shown).replace("$", r"\$")
