"""What the licences of the datasets say about passing videos on.

A licence is what the dataset's authors state for the videos, not for annotations. Where they state none, or where this
toolkit does not know the dataset, pixels are not passed on.
"""

from dataclasses import dataclass

from benchmark_builder.utils.registry import safe_name


@dataclass(frozen=True)
class Licence:
    """The licence of a dataset's videos.

    Attributes:
        name: in words, for people.
        pixels: whether videos that show its pixels may be passed on.
        note: what else a user should know.
    """

    name: str
    pixels: bool
    note: str


_YOUTUBE = "videos of YouTube users, who keep their rights; only annotations are licensed"
LICENCES: dict[str, Licence] = {
    "synthactions": Licence("MIT, as this toolkit that renders it", True, "no person is shown"),
    "synthlong": Licence("MIT, as this toolkit that renders it", True, "no person is shown"),
    "hmdb51": Licence("CC BY 4.0", True, "as its authors state; most clips are from films: name the authors"),
    "ucf101": Licence("none stated", False, _YOUTUBE),
    "hat-ucf101": Licence("none stated", False, _YOUTUBE),
    "kinetics400": Licence("CC BY 4.0 for annotations only", False, _YOUTUBE),
    "hat-kinetics400": Licence("CC BY 4.0 for annotations only", False, _YOUTUBE),
    "mimetics": Licence("none stated for videos", False, _YOUTUBE),
    "aras": Licence("none stated for videos", False, _YOUTUBE),
    "jhmdb": Licence("none stated", False, "clips of HMDB51, with annotations of their own"),
    "diving48": Licence("none stated", False, "videos of others, from the internet"),
    "ssv2": Licence("Something-Something V2 licence: research only", False, "it does not allow passing videos on"),
    "ucf-crime": Licence("none stated", False, "videos of others, from the internet"),
    "ucf-crime-recognition": Licence("none stated", False, "videos of others, from the internet"),
    "thumos14": Licence("research only, by agreement", False, _YOUTUBE),
}
UNKNOWN = Licence("unknown", False, "this toolkit does not know the dataset")


def licence_of(dataset: str) -> Licence:
    """The licence of a dataset, by the name in protocol.json; :data:`UNKNOWN` if it is not in the table."""
    return LICENCES.get(safe_name(dataset), UNKNOWN)


def licence_lines() -> list[str]:
    """The table as lines of Markdown, for the documentation: dataset, licence, may pixels be passed on, note."""
    head = ["| dataset | licence of the videos | pixels are published | note |", "| --- | --- | --- | --- |"]
    rows = [f"| `{k}` | {v.name} | {'yes' if v.pixels else 'no'} | {v.note} |" for k, v in LICENCES.items()]
    return [*head, *rows, f"| any other | {UNKNOWN.name} | no | {UNKNOWN.note} |"]
