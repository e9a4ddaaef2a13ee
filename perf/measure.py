"""What the scripts of this folder share: sides that take turns, CPU seconds, and rows of the table (table.py).

A script has a function ``rows(clips, rounds)`` that yields :class:`Row`; ``show`` prints them, and table.py prints
those of all scripts. Times are CPU seconds of this process and of its ended children, so other work on the machine
matters little. It still matters somewhat (caches and clock rates are shared), so the sides take turns and the spread is
printed.
"""

import importlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

UNITS = {"ratio": "", "ms": " ms", "s": " s"}
MODULES = {"torchcodec": "torchcodec.decoders", "decord2": "decord", "imageio": "imageio.v2"}
VIDEOS = (".avi", ".mp4", ".mkv", ".mov", ".webm")


class NotMeasured(Exception):
    """Why something cannot be measured here, in one line."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work: what is measured.
        against: the other side; "" if there is none.
        values: the value of each round. A ratio is the other side's CPU time divided by ours.
        goal: the median must be at least this, or at most this if ``at_most``; None: no goal.
        unit: a key of :data:`UNITS`.
        missing: why it was not measured; then there are no values.
        note: what the reader should know.
    """

    work: str
    against: str = ""
    values: tuple[float, ...] = ()
    goal: float | None = None
    at_most: bool = False
    unit: str = "ratio"
    missing: str = ""
    note: str = ""

    @property
    def value(self) -> float | None:
        """The median; None if nothing was measured."""
        return None if self.missing or not self.values else median(self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None if it was not measured, or has no goal."""
        value = self.value
        if value is None or self.goal is None:
            return None
        return value <= self.goal if self.at_most else value >= self.goal

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return {None: "no goal", True: "reached", False: "NOT reached"}[self.reached]

    def record(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self) | {"value": self.value, "reached": self.reached, "verdict": self.verdict}

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> "Row":
        fields = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        return cls(**fields | {"values": tuple(record["values"])})  # type: ignore[arg-type,call-overload]


@dataclass
class Turns:
    """CPU seconds of each side in each round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def ratios(self, other: str, ours: str = "ours") -> tuple[float, ...]:
        """The other side's time divided by ours, per round."""
        return tuple(a / b for a, b in zip(self.seconds[other], self.seconds[ours], strict=True))


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    began = cpu_seconds()
    work()
    return cpu_seconds() - began


def interleaved(sides: Mapping[str, Callable[[], object]], rounds: int, warm: bool = True) -> Turns:
    """Time all sides in turns; each round starts with another side.

    Args:
        sides: name -> work. All must do the same amount.
        rounds: at least 1.
        warm: call each side once before, so that imports and caches do not count.
    """
    names, found = list(sides), Turns({name: [] for name in sides})
    if warm:
        for work in sides.values():
            work()
    for k in range(rounds):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            found.seconds[name].append(timed(sides[name]))
    return found


@contextmanager
def cache(folder: Path) -> Iterator[Path]:
    """Inside, digests and times of frames are kept in this folder, not in the user's cache."""
    before = os.environ.get("BENCH_CACHE")
    os.environ["BENCH_CACHE"] = str(folder)
    try:
        yield folder
    finally:
        os.environ.pop("BENCH_CACHE")
        os.environ |= {} if before is None else {"BENCH_CACHE": before}


def run(command: Sequence[object], **more: str) -> None:
    """Run a command of which nothing is printed; NotMeasured with the last line of its errors if it fails."""
    # As installed: Python keeps the modules that it has compiled.
    places = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([str(c) for c in command], env=places | more, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise NotMeasured(f"{' '.join(map(str, command[1:5]))} … failed: {lines[-1][:200]}")


def needs(name: str) -> None:
    """NotMeasured if a peer (torchcodec, decord2, imageio) cannot be imported."""
    try:
        importlib.import_module(MODULES[name])
    except Exception as error:  # torchcodec raises RuntimeError where FFmpeg's libraries are missing
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        missing = isinstance(error, ModuleNotFoundError)
        said = "is not installed: pip install -e '.[peers]'" if missing else f"cannot be imported: {lines[0][:120]}"
        raise NotMeasured(f"{name} {said}") from None


def videos_of(clips: Path | None, *datasets: str) -> list[Path]:
    """Videos below the folder of clips, in order; damaged and rotated ones (``edge``) are not for measurements.

    Args:
        clips: a folder with subfolders that are named like datasets; None: nobody gave one.
        datasets: only those below a folder of one of these names; none: all.

    Raises:
        NotMeasured: there are none.
    """
    if clips is None:
        raise NotMeasured("this needs real videos: give a folder of clips, or set BENCH_CLIPS")
    found = [p for p in sorted(clips.rglob("*")) if p.suffix in VIDEOS and "edge" not in p.relative_to(clips).parts]
    if datasets:
        found = [p for p in found if set(datasets) & set(p.relative_to(clips).parts)]
    if not found:
        raise NotMeasured(f"no videos{' of ' + ' or '.join(datasets) if datasets else ''} below {clips.name}/")
    return found


def text(row: Row) -> tuple[str, str, str, str]:
    """(value, spread, goal, verdict) as they are printed; so many digits that value and goal agree with the verdict."""
    unit, value = UNITS[row.unit], row.value
    goal = "–" if row.goal is None else f"{'≤' if row.at_most else '≥'} {row.goal:g}{unit}"
    if value is None:
        return "", "", goal, f"not measured: {row.missing or 'no round'}"
    digits = 1 if row.unit == "ms" else 2
    while digits < 6 and row.goal is not None and _reaches(row, round(value, digits)) != row.reached:
        digits += 1
    spread = f"{min(row.values):.{digits}f} to {max(row.values):.{digits}f}" if len(row.values) > 1 else "one round"
    return f"{value:.{digits}f}{unit}", spread, goal, row.verdict


def _reaches(row: Row, value: float) -> bool:
    assert row.goal is not None
    return value <= row.goal if row.at_most else value >= row.goal


def show(rows: Iterable[Row]) -> None:
    """Print rows one below the other, as they come."""
    try:
        for row in rows:
            value, spread, goal, verdict = text(row)
            against = f" against {row.against}" if row.against else ""
            measured = f"{value} ({spread}), goal {goal}: " if value else ""
            print(f"{row.work}{against}: {measured}{verdict}{'; ' + row.note if row.note else ''}", flush=True)
    except NotMeasured as error:
        sys.exit(f"not measured: {error}")
