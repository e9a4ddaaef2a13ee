"""The table of figures: names in records and leaderboards, headings, and whether high or low is good.

Built from the table of kinds (:mod:`benchmark_builder.kinds`) and the few figures that do not belong to a kind.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from benchmark_builder import kinds
from benchmark_builder.kinds import About

IID = About(
    name="iid", title="Original", explained="as filmed", short="IID", figure="iid", heading="IID", headline=True
)
SHIPPED = kinds.shipped()
# SCUBA of the second test set of synthactions, where clothing is also independent of the class.
UNBIASED, UNBIASED_FIGURE = "test_unbiased", "unbiased_scuba"
SCENE_FIGURE = "scene"  # of the ordinary test videos, how often a network that says scenes names the right one
SCUBA_FIGURE = next(known.figure for known in SHIPPED if known.name == "scuba")

# Figure -> heading, and whether high or low is good. First the main figures of a leaderboard, named as in
# manifests/published_results.csv: IID, each kind's, contrasted accuracy.
_HEAD = {k.figure: (k.heading, k.arrow) for k in (IID, *SHIPPED) if k.headline}
_HEAD |= {k.contrast: (k.contrast_heading, "↑") for k in SHIPPED if k.headline and k.contrasted}
# Then those of the other kinds, such as shaken SCUFO (a still with a moving camera, so that detecting a still video
# does not help); the share of answers with the donor's class; how often the actor's class has a higher score than the
# donor's; accuracy on sets whose donors have the actor's class; SCUBA of the unbiased test set; the scene's top-1.
_FURTHER = {k.figure: (k.heading, k.arrow) for k in SHIPPED if not k.headline}
_FURTHER |= {k.contrast: (k.contrast_heading, "↑") for k in SHIPPED if not k.headline and k.contrasted}
_FURTHER |= {k.donors: (k.donors_heading, "↓") for k in SHIPPED if k.donors}
_FURTHER |= {k.wins: (k.wins_heading, "↑") for k in SHIPPED if k.wins}
_FURTHER |= {k.same: (k.same_heading, "↑") for k in SHIPPED if k.same}
_FURTHER |= {UNBIASED_FIGURE: ("SCUBA unbiased", "↑"), SCENE_FIGURE: ("Scene", "↑")}
FIGURES, EXTRA = tuple(_HEAD), tuple(_FURTHER)
HEADINGS = {**_HEAD, **_FURTHER}

# The columns of a table on screen, from the left: the main figures with those of the other contrasted kinds, since a
# still with a moving camera shows what a still that does not move can hide; then the rest.
_SIDE_BY_SIDE = [k.figure for k in (IID, *SHIPPED) if k.headline or k.contrasted]
_SIDE_BY_SIDE += [k.contrast for k in SHIPPED if k.contrasted]
TABLE = tuple(dict.fromkeys((*_SIDE_BY_SIDE, *HEADINGS)))

# Kind -> title of one of its videos; its explanation; its title as a test set; whether high or low is good.
KINDS = (IID.name, *(k.name for k in SHIPPED))
TITLES = {k.name: k.title for k in (IID, *SHIPPED)}
EXPLAINED = {k.name: k.explained for k in (IID, *SHIPPED)}
NAMES = {**TITLES, IID.name: IID.heading}
ARROW = {k.name: k.arrow for k in (IID, *SHIPPED)}

# Figures of users' kinds: their names contain the kind, a record or leaderboard says whether high or low is good.
_OWN = re.compile(rf"(avg|contra)_({kinds.NAME.pattern})")


def is_own(figure: str) -> bool:
    """Whether a name can be that of a figure of a user's kind."""
    match = _OWN.fullmatch(figure)
    return match is not None and figure not in HEADINGS and match[2] not in KINDS


def own_arrows(described: Mapping[str, object], figures: Collection[str]) -> dict[str, str]:
    """Whether high or low is good, for the figures of users' kinds.

    Args:
        described: users' kinds -> their descriptions in a results record.
        figures: names of the figures in the record.
    """
    found: dict[str, str] = {}
    for name, said in described.items():
        known = kinds.own_about(name, said, "the record")
        found |= {known.figure: known.arrow} | ({known.contrast: "↑"} if known.contrasted else {})
    return {figure: arrow for figure, arrow in found.items() if figure in figures}


def ordered(figures: Iterable[str]) -> list[str]:
    """Names of figures in the order of a leaderboard; those of users' kinds come last."""
    given = list(figures)
    return [*(name for name in HEADINGS if name in given), *(name for name in given if name not in HEADINGS)]


def headings(own: Mapping[str, str] | None = None) -> dict[str, tuple[str, str]]:
    """The heading of every figure, in the order of a table (:data:`TABLE`), and whether high or low is good.

    Args:
        own: figures of users' kinds -> whether high or low is good, as returned by :func:`own_arrows`.
    """
    further = {name: (_heading(name), arrow) for name, arrow in (own or {}).items()}
    return {name: HEADINGS[name] for name in TABLE} | further


def _heading(own: str) -> str:
    what, _, kind = own.partition("_")
    return f"{'Avg' if what == 'avg' else 'Contra.'} {kind}"
