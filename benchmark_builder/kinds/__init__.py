"""The table of kinds of test videos, one file each: the name of a kind, and how it is made, checked and scored.

A new kind is its file and one row in :data:`KINDS`. An installed package adds a kind with an entry point of the group
``albar_bench.kinds``; ``bench build package.module:Kind`` builds your own kind. :mod:`benchmark_builder.kinds.base`
defines the interface of a kind.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import Registry

# In the order in which reports list them.
KINDS = Registry(
    "kind of test videos",
    "bench build",
    "kinds",
    {
        "scuba": "benchmark_builder.kinds.scuba:Scuba",
        "scufo": "benchmark_builder.kinds.scufo:Scufo",
        "conflfg": "benchmark_builder.kinds.conflfg:Conflfg",
        "shaken": "benchmark_builder.kinds.shaken:Shaken",
        "human-only": "benchmark_builder.kinds.human_only:HumanOnly",
        "background-only": "benchmark_builder.kinds.background_only:BackgroundOnly",
        "swap": "benchmark_builder.kinds.swap:Swap",
        "appearance-free": "benchmark_builder.kinds.appearance_free:AppearanceFree",
    },
    {
        "shaken": "A still of every SCUBA video with a swaying camera, so that detecting a still video does not help.",
        "human-only": "Show only the actor; everything else has one colour (HAT).",
        "background-only": "Remove the actor and fill in the background (HAT); low accuracy is good.",
        "swap": "Show the actor over the moving, filled-in background of another video (HAT); the label is the actor's "
        "class.",
        "appearance-free": "Move noise along the optical flow of every source video, so that no single frame shows "
        "anything.",
    },
)
NAME = re.compile(r"[a-z][a-z0-9]{0,30}")
RESERVED = ("iid", "acc")  # the ordinary test videos, and contra_acc
DESCRIBED = "kind_described"  # in protocol.json of a kind that is not part of this toolkit: its About
HIGH, LOW = "high", "low"


@dataclass(frozen=True, kw_only=True)
class About:
    """The description of a kind, used on screen, in reports and in records.

    Attributes:
        name: as in protocol.json and in folder names: lower-case letters and digits, a letter first; those of this
            toolkit may have hyphens.
        title: the heading of one of its videos.
        explained: one line: what its videos show, and how a model should answer.
        good: whether ``high`` or ``low`` accuracy is good.
        short: a short name, for example for a contact sheet.
        still: whether its videos are one frame repeated.
        contrasted: whether it is used with SCUBA for contrasted accuracy: right on SCUBA while wrong here; then
            ``good`` must be ``low``.
        figure, heading: the name of its figure in records and on screen. contrast, contrast_heading: the same for its
        contrasted accuracy. headline: whether its figures come first in the leaderboard; those of other kinds follow if
        they were measured. donors, donors_heading: the same for answers with the class of the donor (the still actor,
        or the video whose background is shown), if its videos have one. wins, wins_heading: for how often the actor's
        class has a higher score than the donor's. same, same_heading: for the accuracy on sets whose donors all have
        the actor's class, which is not part of ``figure``. published: the name of this kind in published folders, as in
        ``HMDB51_SCUBA_Places365``.

    The last twelve are for kinds of this toolkit; for other kinds they are derived from ``name``.
    """

    name: str
    title: str
    explained: str
    good: str = HIGH
    short: str = ""
    still: bool = False
    contrasted: bool = False
    figure: str = ""
    heading: str = ""
    contrast: str = ""
    contrast_heading: str = ""
    headline: bool = False
    donors: str = ""
    donors_heading: str = ""
    wins: str = ""
    wins_heading: str = ""
    same: str = ""
    same_heading: str = ""
    published: str = ""

    def __post_init__(self) -> None:
        def default(field: str, value: str) -> None:
            if not getattr(self, field):
                object.__setattr__(self, field, value)

        default("short", self.name)
        default("figure", f"avg_{self.name}")
        default("heading", f"Avg {self.short}")
        if self.contrasted:
            default("contrast", f"contra_{self.name}")
            default("contrast_heading", f"Contra. {self.short}")
        if self.donors:
            default("donors_heading", f"{self.heading} donor")
        default("published", self.short)

    @property
    def arrow(self) -> str:
        """``↑`` if high is good, otherwise ``↓``."""
        return "↑" if self.good == HIGH else "↓"

    def said(self) -> dict[str, Any]:
        """The description of a user's kind in protocol.json and records, so that it can be scored without its code."""
        return {name: value for name, value in asdict(self).items() if name in _TOLD and name != "name"}


_TOLD = ("name", "title", "explained", "good", "still", "contrasted")


def own_about(name: str, said: object, where: str) -> About:
    """Read the description of a user's kind from a file.

    Args:
        name: the name of the kind.
        said: as returned by :meth:`About.said`.
        where: the file, for error messages.

    Raises:
        BenchError: it is not a valid description.
    """
    fix = "build the benchmark again with this version"
    if not isinstance(said, Mapping):
        known = ", ".join(KINDS.names())
        raise BenchError(f"{where}: kind {name[:40]!r} is none of {known}, and has no description; {fix}")
    taken = (*KINDS.shipped, *RESERVED)
    if name in taken or not NAME.fullmatch(name):
        raise BenchError(f"{where}: kind {name[:40]!r} is not a valid name for your own kind (lower-case letters and "
                         f"digits, a letter first, none of {', '.join(taken)}); rename the kind")  # fmt: skip
    for field, longest in (("title", 40), ("explained", 200)):
        text = said.get(field)
        if not isinstance(text, str) or not 1 <= len(text) <= longest or not text.isprintable():
            raise BenchError(f"{where}: {field} of kind {name} is not one line of 1 to {longest} characters; {fix}")
    if said.get("good") not in (HIGH, LOW):
        raise BenchError(f"{where}: good of kind {name} is neither {HIGH} nor {LOW}; {fix}")
    for field in ("still", "contrasted"):
        if not isinstance(said.get(field), bool):
            raise BenchError(f"{where}: {field} of kind {name} is not true or false; {fix}")
    if said["contrasted"] and said["good"] != LOW:
        raise BenchError(f"{where}: kind {name} is contrasted, so its good must be {LOW}; {fix}")
    return About(name=name, **{field: said[field] for field in _TOLD if field != "name"})


def about(name: str, said: object = None, where: str = "the benchmark") -> About:
    """The description of a kind that is named in a file.

    Args:
        name: the name of the kind.
        said: the description in the file of a kind that is not registered here, as returned by :meth:`About.said`.
        where: the file, for error messages.

    Raises:
        BenchError: the kind is neither registered nor described.
    """
    part = registered(name, said)
    if part is not None:
        found: About = part.about
        return found
    return own_about(name, said, where)


def shipped() -> list[About]:
    """The descriptions of the kinds of this toolkit, in the order of the table."""
    return [KINDS.find(name).part.about for name in KINDS.shipped]


def registered(name: str, said: object = None) -> Any:
    """The class (see :mod:`benchmark_builder.kinds.base`) of a kind that is named in a file; None if it has none.

    Args:
        name: the name of the kind.
        said: the description of the kind in the file; for a kind that is not registered, its ``part`` names the class.
            The class is imported only if the user named it in this run, or trusts it (:meth:`Registry.trusted`).
    """
    if name in KINDS:
        return checked(KINDS.find(name).part, name)
    word = place_said(said)
    try:
        part = checked(KINDS.trusted(word).part, word) if word else None
    except BenchError:
        return None
    return part if part is not None and part.about.name == name else None


def place_said(said: object) -> str:
    """The ``package.module:Kind`` in what a protocol.json says of a kind; empty if there is none."""
    word = said.get("part") if isinstance(said, Mapping) else None
    return word if isinstance(word, str) and KINDS.names_one(word) else ""


def place_of(part: type) -> str:
    """The ``package.module:Kind`` of a class."""
    return f"{part.__module__}:{part.__qualname__}"


def trust(part: type) -> None:
    """Record that the user named a class in this run, so that benchmarks of this kind can be read."""
    word = place_of(part)
    if getattr(part, "about", None) not in shipped() and KINDS.names_one(word):
        KINDS.find(word)


def checked(part: Any, word: str) -> Any:
    """``part`` if it is a kind: a class with an :class:`About`. Names and figures of this toolkit's kinds are reserved.

    Raises:
        BenchError: it is not a kind.
    """
    said = getattr(part, "about", None)
    if not isinstance(part, type) or not isinstance(said, About):
        raise BenchError(f"{word}: is not a kind of test videos; give a subclass of "
                         "benchmark_builder.kinds.base.Derived with an `about`")  # fmt: skip
    if word in KINDS.shipped:
        return part
    if missing := ", ".join(sorted(getattr(part, "__abstractmethods__", ()))):
        raise BenchError(f"{word}: has no {missing}; a kind needs it")
    if said != own_about(said.name, said.said(), word):
        raise BenchError(
            f"{word}: its about may set only {', '.join(_TOLD)}; remove the other fields, they are "
            "derived from its name"
        )
    if word in KINDS.names() and said.name != word:
        raise BenchError(f"{word}: the entry point has another name than its kind, {said.name!r}; use the same name")
    return part
