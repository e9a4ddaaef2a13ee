"""What the answers for the versions of one video say, in words: what changed the answer and what did not.

One video proves little, so nothing is said of the model in general, and the words say what was done, not what the model
"sees".
"""

from collections.abc import Sequence

from evaluator.predict.answers import OfVersion
from evaluator.predict.variants import ORDERS, PLAIN, REMOVED, SCUBA, SCUFO

CLOSE = 10.0  # percent points between the first two classes, below which an answer is called close
_EQUAL = 1e-3  # percent points: float32 rounding of equal clips in another order
_ORDER = {"shuffled": "shuffling the frames", "reversed": "playing the clip backwards"}
END = "This is one video: it shows what can happen, not how often; `bench eval` measures that."


def verdict(versions: "Sequence[OfVersion]", classes: int, label: str = "") -> str:
    """A few sentences on one video.

    Args:
        versions: the answers, the plain version first.
        classes: number of classes.
        label: the true class, if it is known.
    """
    found = {v.name: v for v in versions}
    first = found[PLAIN]
    said = [_answer(first, classes, label)]
    said += _time(found)
    said += _background(found)
    return " ".join([*said, END])


def _answer(first: "OfVersion", classes: int, label: str) -> str:
    said = f"The answer is {first.answer.class_name!r} ({_percent(first.answer.percent)})"
    said += "." if not label else ", which is right." if label == first.answer.class_name else f", not {label!r}."
    if classes > 1 and first.top[1:] and first.answer.percent - first.top[1].percent < CLOSE:
        second = first.top[1]
        said += (f" It is close: {second.class_name!r} has {_percent(second.percent)}, and a guess among {classes} "
                 f"classes {_percent(100 / classes)}, so a changed answer may mean little.")  # fmt: skip
    return said


def _time(found: "dict[str, OfVersion]") -> list[str]:
    """On the order of the frames."""
    one, moved = found["one-frame"], [found[name] for name in ORDERS if name in _ORDER]
    said = []
    if one.same:
        said.append(f"One frame is enough for it ({_to(one)}): on this video it does not need motion.")
    else:
        said.append(f"One frame is not enough for it: {_other(one)}.")
    kept, lost = [v for v in moved if v.same], [v for v in moved if not v.same]
    if kept and all(_unchanged(v) for v in kept) and not lost:
        return [*said, "Shuffling or reversing the frames changes no probability: the order of frames is not used."]
    if kept:
        words = " and ".join(f"{_ORDER[v.name]} ({_to(v)})" for v in kept)
        said.append(f"It stays after {words}.")
    if lost:
        words = " and ".join(f"{_ORDER[v.name]} ({_other(v)})" for v in lost)
        said.append(f"It changes after {words}, so here it depends on the order of frames.")
    return said


def _background(found: "dict[str, OfVersion]") -> list[str]:
    """On what stands behind the actor, and on the actor's look."""
    said = []
    behind = [v for name, v in found.items() if name.startswith(SCUBA) and not name.startswith(SCUFO)]
    kept = [v for v in behind if v.same]
    if kept:
        over = "another background" if len(behind) == 1 else f"{len(kept)} of {len(behind)} other backgrounds"
        said.append(f"The actor over {over} still gives it ({', '.join(_to(v) for v in kept)}).")
    lost = [v for v in behind if not v.same]
    if lost:
        words = ", ".join(_other(v) for v in lost)
        said.append(f"With another background it changes ({words}): the background helps it here, or the edge of the "
                    "mask disturbs it.")  # fmt: skip
    look = bool(kept) and any(v.same for name, v in found.items() if name.startswith(SCUFO))
    removed = found.get(REMOVED)
    if removed is None:
        return said
    if look and removed.same:
        said.append(f"One frame of that gives it, too, and so does the video without the actor ({_to(removed)}): "
                    "either is enough, or the model gives this answer for almost any video.")  # fmt: skip
    elif look:
        said.append("One frame of that gives it, too, without motion and without the background: the look of the actor "
                    "is enough.")  # fmt: skip
    if removed.same and not look:
        said.append(f"Without the actor it is still the answer ({_to(removed)}): the rest of the picture is enough.")
    elif not removed.same:
        said.append(f"Without the actor it changes ({_other(removed)}).")
    return said


def _to(v: "OfVersion") -> str:
    return _percent(v.first_answer.percent)


def _other(v: "OfVersion") -> str:
    return f"{v.answer.class_name!r} {_percent(v.answer.percent)}, {v.first_answer.class_name!r} {_to(v)}"


def _unchanged(v: "OfVersion") -> bool:
    return abs(v.difference) < _EQUAL


def _percent(value: float) -> str:
    return f"{value:.1f} %" if value < 10 else f"{value:.0f} %"
