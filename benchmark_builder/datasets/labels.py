"""Compares the labels in a list from others with the classes in the names of its videos."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark_builder.datasets.common import class_matcher
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import letters

# v_Basketball_g01_c01 in UCF101, and NAME_cartwheel_f_cm_np1_le_bad_0 in HMDB51.
_UCF101 = re.compile(r"v_(.+)_g\d+_c\d+")
_HMDB51 = re.compile(r"(.+)_[fhlu]_[cn]m_np\d+_(?:fr|le|ri|ba)_(?:goo|med|bad)_\d+", re.IGNORECASE)
_VARIANT = re.compile(r"__\d+$")


class NamedClasses:
    """Finds the class in a video's name: a folder named like a class, or the naming of UCF101 and HMDB51."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._match = class_matcher(classes)
        self._letters = [letters(name) for name in classes]

    def of(self, name: str) -> tuple[frozenset[int], bool]:
        """The labels that a relative name may have (none if it shows no class), and whether this is certain.

        It is not certain for names as in HMDB51, where the class is the end of an arbitrary text.
        """
        path = PurePosixPath(name)
        for folder in reversed(path.parent.parts):
            label = self._match(folder)
            if label is not None:
                return frozenset((label,)), True
        stem = _VARIANT.sub("", path.name)
        if found := _UCF101.fullmatch(stem):
            label = self._match(found[1])
            return frozenset(() if label is None else (label,)), True
        if found := _HMDB51.fullmatch(stem):  # "…_draw_sword" matches both draw_sword and sword
            parts = found[1].split("_")
            ends = {letters("".join(parts[k:])) for k in range(1, len(parts))}
            return frozenset(k for k, name in enumerate(self._letters) if name in ends), False
        return frozenset(), True


@dataclass(frozen=True, slots=True)
class Labelled:
    """A line of a list: a video's name, and its label as written there."""

    name: str
    label: int


def check_labels(path: Path, lines: Sequence[Labelled], classes: Sequence[str], base: int) -> list[tuple[str, str]]:
    """Raise BenchError if the labels of a list are not those of ``classes``, counted from ``base``.

    Args:
        path: the list, for messages.
        lines: its lines.
        classes: class names in label order.
        base: the label of the first class, 0 or 1, given by the user.

    Returns:
        (name, message) for labels that differ from an uncertain name, if most other labels agree.

    Raises:
        BenchError: the names of the videos show other classes than the labels, or a label is not one of the classes. If
            the labels count from the other base, the message names the option for it.
    """
    names, other = NamedClasses(classes), 1 - base
    told = [(line, *said) for line in lines if (said := names.of(line.name))[0]]
    wrong = [(line, known, sure) for line, known, sure in told if line.label - base not in known]
    if any(sure for _, _, sure in wrong) or 2 * len(wrong) > len(told):
        line, known, _ = wrong[0]
        taken_for, true = _class(classes, line.label - base), _names(classes, known)
        where = (
            f"{path}: {line.name} has label {line.label}, which is {taken_for} if labels count from {base}, but its "
            f"name says {true}; the same for {len(wrong)} of {len(told)} videos whose names show a class"
        )
        if all(line.label - other in known for line, known, _ in told):
            raise BenchError(f"{where}. The labels seem to count from {other}: give --label-base {other}")
        raise BenchError(f"{where}; get the list again, or check --dataset")
    outside = next((line for line in lines if not 0 <= line.label - base < len(classes)), None)
    if outside is not None:
        fits = all(0 <= line.label - other < len(classes) for line in lines)
        fix = f"give --label-base {other}" if fits else "get the list again, or check --dataset"
        raise BenchError(f"{path}: {outside.name} has label {outside.label}, which is none of {len(classes)} classes "
                         f"that count from {base}; {fix}")  # fmt: skip
    text = "label {} is {}, but its name says {}; the list's label is used"
    return [
        (line.name, text.format(line.label, _class(classes, line.label - base), _names(classes, known)))
        for line, known, _ in wrong
    ]


def _class(classes: Sequence[str], label: int) -> str:
    return repr(classes[label]) if 0 <= label < len(classes) else "no class"


def _names(classes: Sequence[str], labels: Iterable[int]) -> str:
    return " or ".join(repr(classes[k]) for k in sorted(labels))
