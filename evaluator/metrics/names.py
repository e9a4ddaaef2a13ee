"""The one table of figures: their names in records and leaderboards, their headings, and which way is good.

Built from the table of kinds (:mod:`benchmark_builder.kinds`) and the few figures that are not of a kind.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from benchmark_builder import kinds
from benchmark_builder.kinds import About

IID = About(
    name="iid", title="Original", explained="as filmed", short="IID", figure="iid", heading="IID", headline=True
)
SHIPPED = kinds.shipped()
# SCUBA of synthactions' second test set, in which clothing is independent of the class as well.
UNBIASED, UNBIASED_FIGURE = "test_unbiased", "unbiased_scuba"
SCUBA_FIGURE = next(known.figure for known in SHIPPED if known.name == "scuba")

# Figure -> heading, and which way is good. First those that head a leaderboard, named as in
# manifests/published_results.csv: IID, each kind's, contrasted accuracy.
_HEAD = {k.figure: (k.heading, k.arrow) for k in (IID, *SHIPPED) if k.headline}
_HEAD |= {k.contrast: (k.contrast_heading, "↑") for k in SHIPPED if k.headline and k.contrasted}
# Beyond them those of the other kinds, such as the shaken SCUFO (the still under a moving camera, so that noticing
# stillness does not help); how often a still donor is followed; SCUBA of the unbiased test set.
_FURTHER = {k.figure: (k.heading, k.arrow) for k in SHIPPED if not k.headline}
_FURTHER |= {k.contrast: (k.contrast_heading, "↑") for k in SHIPPED if not k.headline and k.contrasted}
_FURTHER |= {k.donors: (f"{k.heading} donor", "↓") for k in SHIPPED if k.donors}
_FURTHER |= {UNBIASED_FIGURE: ("SCUBA unbiased", "↑")}
FIGURES, EXTRA = tuple(_HEAD), tuple(_FURTHER)
HEADINGS = {**_HEAD, **_FURTHER}

# Kind -> title of one of its videos; its line of explanation; its title as a test set; which way is good.
KINDS = (IID.name, *(k.name for k in SHIPPED))
TITLES = {k.name: k.title for k in (IID, *SHIPPED)}
EXPLAINED = {k.name: k.explained for k in (IID, *SHIPPED)}
NAMES = {**TITLES, IID.name: IID.heading}
ARROW = {k.name: k.arrow for k in (IID, *SHIPPED)}

# Figures of kinds that do not ship: their names say which kind, a record or leaderboard says which way is good.
_OWN = re.compile(rf"(avg|contra)_({kinds.NAME.pattern})")


def is_own(figure: str) -> bool:
    """Whether a name can be that of a figure of a kind that does not ship."""
    match = _OWN.fullmatch(figure)
    return match is not None and figure not in HEADINGS and match[2] not in KINDS


def own_arrows(described: Mapping[str, object], figures: Collection[str]) -> dict[str, str]:
    """Which way is good for those figures that are of kinds that do not ship.

    Args:
        described: kinds that do not ship -> what a results record says of them.
        figures: names of the record's figures.
    """
    found: dict[str, str] = {}
    for name, said in described.items():
        known = kinds.own_about(name, said, "the record")
        found |= {known.figure: known.arrow} | ({known.contrast: "↑"} if known.contrasted else {})
    return {figure: arrow for figure, arrow in found.items() if figure in figures}


def ordered(figures: Iterable[str]) -> list[str]:
    """Names of figures in the order of a leaderboard, those of kinds that do not ship last."""
    given = list(figures)
    return [*(name for name in HEADINGS if name in given), *(name for name in given if name not in HEADINGS)]


def headings(own: Mapping[str, str] | None = None) -> dict[str, tuple[str, str]]:
    """Every figure's heading, and which way is good.

    Args:
        own: figures of kinds that do not ship -> which way is good, as :func:`own_arrows` gives them.
    """
    return {**HEADINGS, **{name: (_heading(name), arrow) for name, arrow in (own or {}).items()}}


def _heading(own: str) -> str:
    what, _, kind = own.partition("_")
    return f"{'Avg' if what == 'avg' else 'Contra.'} {kind}"
