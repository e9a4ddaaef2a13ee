"""What a plan needs, and what of it is on this machine."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.datasets import data_root, read_dataset, where_to_get
from benchmark_builder.pretrained.store import find, kept_at, torch_hub
from benchmark_builder.pretrained.table import network_of
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import PICTURE_SUFFIXES, files_below
from benchmark_builder.utils.text import counted
from evaluator.papers.plan import Need, PaperPlan


@dataclass(frozen=True)
class Found:
    """One need, looked for.

    Attributes:
        need: the need. path: its place, whether or not it is there.
        state: ``here``, ``missing``, or ``later``: it is downloaded when it is first used.
        said: what was found, or why it cannot be used.
        videos: of a dataset, the number of videos per split that was read.
    """

    need: Need
    path: Path
    state: str
    said: str
    videos: Mapping[str, int]


class Places:
    """The places of a plan's needs: the user's, otherwise the conventional ones."""

    def __init__(self, plan: PaperPlan, have: Mapping[str, str]) -> None:
        """have: name of a need -> path. Raises BenchError if a name is no need of the plan."""
        self.plan = plan
        known = {need.name for need in plan.needs}
        for name in have:
            if name not in known:
                raise BenchError(f"--have {name}=…: {plan.name} needs no {name!r}; it needs {', '.join(sorted(known))}")
        self._have = {name: Path(str(path)) for name, path in have.items()}

    def of(self, need: Need) -> Path:
        """Where a need is, or should be."""
        if need.name in self._have:
            return self._have[need.name]
        if need.kind == "torchvision":
            return torch_hub() / need.place
        if need.kind == "weights":
            return find(network_of(need.place)) or kept_at(network_of(need.place))
        return data_root() / (need.place or need.name)

    def given(self, name: str) -> Path | None:
        """The place of a need that the user named; None: the conventional one."""
        return self._have.get(name)

    def named(self, name: str) -> Path | None:
        """The place of the need of this name; None: the plan has none."""
        return next((self.of(need) for need in self.plan.needs if need.name == name), None)

    def root(self, dataset: str) -> Path:
        """The folder of a dataset."""
        return self.named(dataset) or data_root() / dataset


def given_places(words: Sequence[str]) -> dict[str, str]:
    """The words of ``--have``, NAME=PATH, as name -> path; a path that begins with ``~`` is in the user's home.

    Raises:
        BenchError: a word is not NAME=PATH, or a name is given twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not name or not equals or not path:
            raise BenchError(f"--have {word}: give NAME=PATH, such as hmdb51=/data/hmdb51")
        if name in found:
            raise BenchError(f"--have {word}: {name} is given twice; leave one of them out")
        found[name] = str(Path(path).expanduser())
    return found


def look(plan: PaperPlan, places: Places) -> list[Found]:
    """Look for every need of the plan; nothing is downloaded."""
    return [_look(plan, need, places) for need in plan.needs]


def missing(found: Sequence[Found]) -> list[Found]:
    """The needs without which the plan cannot run."""
    return [one for one in found if one.state == "missing"]


def free_gigabytes(out: Path) -> float:
    """Free disk space at ``out``, or at the nearest folder above it that exists; in 10^9 bytes."""
    there = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    return shutil.disk_usage(there).free / 1e9


def _look(plan: PaperPlan, need: Need, places: Places) -> Found:
    path = places.of(need)
    if need.kind == "dataset":
        return _dataset(plan, need, path)
    if need.kind == "pictures":
        count = len(files_below(path, PICTURE_SUFFIXES)) if path.is_dir() else 0
        return _found(need, path, count > 0, counted(count, "picture") if count else need.where)
    if need.kind == "folder":
        return _found(need, path, path.is_dir(), "" if path.is_dir() else need.where)
    if need.kind == "torchvision":
        there = path.is_file()
        return Found(need, path, "here" if there else "later", "" if there else need.where, {})
    if need.kind == "weights":
        said = f"this is a folder; {need.where}" if path.is_dir() else need.where
        return _found(need, path, path.is_file(), "" if path.is_file() else said)
    return _found(need, path, path.exists(), "" if path.exists() else need.where)


def _found(need: Need, path: Path, there: bool, said: str) -> Found:
    return Found(need, path, "here" if there else "missing", said, {})


def _dataset(plan: PaperPlan, need: Need, path: Path) -> Found:
    splits = {"train": "train", "test": plan.test} if need.name == plan.dataset else {"test": "auto"}
    if need.name == plan.actors.dataset and need.name != plan.dataset:
        splits = {"test": plan.actors.split}
    try:
        listings = {name: read_dataset(need.name, path, split, plan.fold) for name, split in splits.items()}
    except BenchError as error:
        where = where_to_get(need.name).replace("--root", f"--have {need.name}=ROOT")  # this command's own option
        return _found(need, path, False, str(error) if path.is_dir() else where)
    counts = {name: len(listing.videos) for name, listing in listings.items()}
    lost = sum(len(listing.left_out) for listing in listings.values())
    said = ", ".join(f"{count} {name} videos" for name, count in counts.items())
    return Found(need, path, "here", said + (f"; {lost} more are missing or cannot be used" if lost else ""), counts)
