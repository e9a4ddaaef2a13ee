"""The table of kinds of test videos, one file each: what a kind is called, how it is made, checked and scored.

A new kind is its file and one row of :data:`KINDS`; an installed package adds one by an entry point of the group
``albar_bench.kinds``; ``bench build package.module:Kind`` builds one of your own. :mod:`benchmark_builder.kinds.base`
says what a kind has to offer.
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
    },
    {
        "shaken": "A still of every SCUBA video under a camera that sways, so that noticing stillness does not help.",
    },
)
NAME = re.compile(r"[a-z][a-z0-9]{0,30}")
RESERVED = ("iid", "acc")  # the ordinary test videos, and contra_acc
DESCRIBED = "kind_described"  # in protocol.json of a kind that does not ship: its About
HIGH, LOW = "high", "low"


@dataclass(frozen=True, kw_only=True)
class About:
    """What is said of a kind wherever it is named: on screen, in reports, in records.

    Attributes:
        name: as in protocol.json and the names of folders: small letters and digits, a letter first.
        title: as a heading of one of its videos.
        explained: one line: what its videos show, and what a model should do there.
        good: whether ``high`` or ``low`` accuracy is good.
        short: its name where space is short, such as on a contact sheet.
        still: its videos are one frame repeated.
        contrasted: it pairs with SCUBA for contrasted accuracy: right on SCUBA while wrong here; ``good`` is ``low``.
        figure, heading: the figure that it gives, in records and on screen.
        contrast, contrast_heading: the same of its contrasted accuracy.
        headline: its figures head the leaderboard; those of others follow where they were measured.
        donors: the figure of how often the answer is the class of the still donor, where its videos have one.
        published: what the published folders of this kind are called, as in ``HMDB51_SCUBA_Places365``.

    The last six are for kinds that ship; those of others follow from ``name``.
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
        default("published", self.short)

    @property
    def arrow(self) -> str:
        """``↑`` where high is good, else ``↓``."""
        return "↑" if self.good == HIGH else "↓"

    def said(self) -> dict[str, Any]:
        """What protocol.json and records keep of a kind that does not ship, so that it is scored without its code."""
        return {name: value for name, value in asdict(self).items() if name in _TOLD and name != "name"}


_TOLD = ("name", "title", "explained", "good", "still", "contrasted")


def own_about(name: str, said: Any, where: str) -> About:
    """What a file says of a kind that does not ship.

    Args:
        name: of the kind.
        said: as :meth:`About.said` gives it.
        where: what to name in an error.

    Raises:
        BenchError: it is no such description.
    """
    fix = "build the benchmark again with this version"
    if not isinstance(said, Mapping):
        known = ", ".join(KINDS.names())
        raise BenchError(f"{where}: kind {name[:40]!r} is none of {known}, and is not described; {fix}")
    taken = (*KINDS.shipped, *RESERVED)
    if name in taken or not NAME.fullmatch(name):
        raise BenchError(f"{where}: kind {name[:40]!r} is no name for a kind of your own (small letters and digits, a "
                         f"letter first, none of {', '.join(taken)}); rename the kind")  # fmt: skip
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
    """What is said of a kind that a file names.

    Args:
        name: of the kind.
        said: what the file says of a kind that is not registered here, as :meth:`About.said` gives it.
        where: what to name in an error.

    Raises:
        BenchError: the kind is neither registered nor described.
    """
    part = registered(name, said)
    if part is not None:
        found: About = part.about
        return found
    return own_about(name, said, where)


def shipped() -> list[About]:
    """What is said of the kinds that ship, in the table's order."""
    return [KINDS.find(name).part.about for name in KINDS.shipped]


def registered(name: str, said: object = None) -> Any:
    """The class (see :mod:`benchmark_builder.kinds.base`) of a kind that a file names; None where there is none.

    Args:
        name: of the kind.
        said: what the file says of the kind, ``part`` in it where the code of one that is not registered is. It is
            imported only if the user has named it in this run, or trusts it (:meth:`Registry.trusted`).
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
    """Keep that the user has named a class in this run, so that benchmarks of it are read back."""
    word = place_of(part)
    if getattr(part, "about", None) not in shipped() and KINDS.names_one(word):
        KINDS.find(word)


def checked(part: Any, word: str) -> Any:
    """``part`` if it is a kind: a class with an :class:`About`; the shipped names and figures are for shipped kinds.

    Raises:
        BenchError: it is none.
    """
    said = getattr(part, "about", None)
    if not isinstance(part, type) or not isinstance(said, About):
        raise BenchError(f"{word}: is no kind of test videos; give a subclass of benchmark_builder.kinds.base.Derived "
                         "with an `about`")  # fmt: skip
    if word in KINDS.shipped:
        return part
    if said != own_about(said.name, said.said(), word):
        raise BenchError(f"{word}: its about sets more than {', '.join(_TOLD)}; the rest follows from its name")
    if word in KINDS.names() and said.name != word:
        raise BenchError(f"{word}: the kind of this entry point is called {said.name!r}; give both the same name")
    return part
