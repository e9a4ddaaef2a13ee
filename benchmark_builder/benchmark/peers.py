"""Formats of other projects' loaders: `bench export --for NAME` writes names, layouts and lists that they can read.

These facts come from the loader of each project:

- **stillmix** (and its configurations): ``RawframeDataset``, lines "name frames label", frames
  ``generated_videos/NAME/frame000001.jpg``, of Kinetics ``000001.jpg``; lists ``101classes/testlist01.txt``,
  ``51classes/testlist01.txt``, ``val.txt``; ConflFG has a list for the moving and one for the still actor. Kinetics'
  ordinary videos: ``VideoDataset``, lines "path label".
- **albar**: one flat folder ``UCF101_SCUBA_Places365`` of ``NAME.zip`` (SCUFO: ``NAME.jpg``) and nothing else, frames
  in the order of their names. Labels are looked up by name: UCF101's in a JSON file, the others' in csv files.
- **mmaction2**: ``RawframeDataset``, "name frames label" with ``img_00001.jpg``, or ``VideoDataset``, "path label".
- **pyslowfast**: ``test.csv`` of lines "path label", each path below ``DATA.PATH_PREFIX``.
- **videomae**: ``test.csv`` and ``val.csv`` of lines "path label", read with a blank as separator; a video is called by
  its file name up to the first dot, and files of less than 1 KiB are passed over.

All but ALBAR split lines at blanks, so blanks in names become ``_``. ``names.csv`` says which video has which name.
"""

import csv
import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark_builder.kinds import About
from benchmark_builder.layouts.layout import JPEG_NAME
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import csv_text

NAMES = "names.csv"
NAME_COLUMNS = ["id", "name", "file", "label", "class_name"]


@dataclass(frozen=True, slots=True)
class Item:
    """One video to export.

    Attributes:
        id: its id in the benchmark or dataset.
        source: id of the dataset's video from which it was made; in the ordinary test set, its own id.
        label, class_name: 0-based label and class of the moving actor.
        frames: number of frames; 0 if a list needs no count.
        donor_label: ConflFG: label of the still actor.
        suffix: suffix of the file to write; ``""`` for a folder of frames.
    """

    id: str
    source: str
    label: int
    class_name: str
    frames: int
    donor_label: int | None
    suffix: str


@dataclass(frozen=True)
class Task:
    """An export.

    Attributes:
        dataset: the dataset of the labels.
        kind: ``iid`` or a benchmark's kind.
        backgrounds: name of the background set; empty for ``iid``.
        split: the dataset's split, such as ``test1`` or ``val``.
        classes: class names in label order.
        layout: how the videos are stored.
        out: the folder to write.
        items: sorted by id.
        about: description of the benchmark's kind; None for ``iid``.
    """

    dataset: str
    kind: str
    backgrounds: str
    split: str
    classes: Sequence[str]
    layout: str
    out: Path
    items: Sequence[Item]
    about: About | None = None

    @property
    def part(self) -> str:
        """The loader's list for this split: ``train``, ``val`` or ``test``, as in the split's name. If the name has
        none of these: ``val`` for Kinetics, ``test`` for others."""
        found = re.search(r"train|val|test", self.split)
        return found[0] if found else "val" if self.dataset == "kinetics400" else "test"

    @property
    def fold(self) -> int:
        """Number of the official split, from 1."""
        found = re.search(r"(\d+)$", self.split)
        return int(found[1]) if found else 1


class Peer(ABC):
    """How one project's loader finds videos. ``named`` below: (item, name, file relative to ``task.out``) of each."""

    name = ""
    frame = JPEG_NAME  # name of the pictures in a folder or zip
    least = 0  # smallest file that the loader reads, in bytes

    @abstractmethod
    def layouts(self, task_kind: str, dataset: str) -> tuple[str, ...]:
        """The layouts that it reads, the usual one first; for ``iid``, ``video`` means the dataset's own files."""

    def frame_name(self, dataset: str) -> str:
        """The pattern of frame names; numbers start at 1."""
        return self.frame

    def folder(self, task: Task) -> str:
        """The folder of the videos, relative to ``task.out``."""
        return "videos"

    def named(self, task: Task) -> dict[str, str]:
        """id -> name of the video below :meth:`folder`, without suffix. BenchError if two would have the same name."""
        return _names(self.name, task.items, flat=False)

    def check(self, task: Task) -> None:
        """Raise BenchError if the loader could not read the export."""

    @abstractmethod
    def lists(self, task: Task, named: Sequence[tuple[Item, str, str]]) -> dict[str, str]:
        """Relative file name -> text of every list that the loader reads."""

    @abstractmethod
    def settings(self, task: Task) -> list[str]:
        """The settings of the project with which it reads the result, as lines for the user."""


class StillMix(Peer):
    """Folders of JPEG frames and lists ``name frames label``, as StillMix published its sets."""

    name = "stillmix"

    def layouts(self, task_kind: str, dataset: str) -> tuple[str, ...]:
        return ("video", "frames") if (task_kind, dataset) == ("iid", "kinetics400") else ("frames",)

    def frame_name(self, dataset: str) -> str:
        return "{:06d}.jpg" if dataset == "kinetics400" else JPEG_NAME

    def folder(self, task: Task) -> str:
        return "videos" if task.kind == "iid" else "generated_videos"

    def named(self, task: Task) -> dict[str, str]:
        try:
            return _names(self.name, task.items, flat=True)
        except BenchError:  # lists may also contain folders
            return _names(self.name, task.items, flat=False)

    def _list(self, task: Task, prefix: str = "") -> str:
        if task.dataset == "kinetics400":
            return f"val/{prefix}testlist01.txt" if prefix else f"{task.part}.txt"
        top = f"{len(task.classes)}classes/" if task.kind != "iid" else ""
        part = "train" if task.part == "train" else "test"
        return f"{top}{prefix}{part}list{task.fold:02d}.txt"

    def lists(self, task: Task, named: Sequence[tuple[Item, str, str]]) -> dict[str, str]:
        if task.layout == "video":
            return {self._list(task): _lines((f"{name}{item.suffix}", item.label) for item, name, _ in named)}
        rows = [(name, item.frames, item.label) for item, name, _ in named]
        if task.about is None or not task.about.donors:
            return {self._list(task): _lines(rows)}
        still = [(name, item.frames, -1 if item.donor_label is None else item.donor_label) for item, name, _ in named]
        return {self._list(task, "dynamic_"): _lines(rows), self._list(task, "static_"): _lines(still)}

    def settings(self, task: Task) -> list[str]:
        lists = ", ".join(str(task.out / name) for name in self.lists(task, ()))
        said = [f"data_root = '{task.out / self.folder(task)}'", f"ann_file_test = {lists}"]
        return said if task.layout == "video" else [*said, f"filename_tmpl = '{self.frame_name(task.dataset)}'"]


# Names of the sets in ALBAR's loader: capitals, except these.
_SETS = {"ucf101": "UCF101", "hmdb51": "HMDB51", "kinetics400": "K400"}
_BACKGROUNDS = {"stripes": "Stripe", "stripe": "Stripe", "places365": "Places365", "place365": "Places365"}


class Albar(Peer):
    """One flat folder of zips of JPEG frames, as ALBAR's loader reads it."""

    name = "albar"

    def layouts(self, task_kind: str, dataset: str) -> tuple[str, ...]:
        return ("video",) if task_kind == "iid" else ("zip",)

    def folder(self, task: Task) -> str:
        if task.about is None:
            return "Videos"
        found = task.backgrounds.casefold()
        name = "VQGAN" if found.startswith("vqgan") else _BACKGROUNDS.get(found, task.backgrounds.upper())
        parts = (_SETS.get(task.dataset, task.dataset.upper()), task.about.published, name)
        return "_".join(re.sub(r"[^A-Za-z0-9_-]", "-", part) for part in parts)

    def check(self, task: Task) -> None:
        if task.kind == "iid" and task.dataset not in ("ucf101", "hmdb51"):
            _without_blanks(self.name, task.out)
        if task.kind != "iid" and task.dataset == "hmdb51":  # it removes seven characters, "__0.zip", from the name
            long = next((i.id for i in task.items if not re.search(r"__\d$", i.id)), None)
            if long is not None:
                raise BenchError(f"--for albar: its loader reads up to 10 videos per source (__0 to __9), so not "
                                 f"{long}; build with --per-video 10 or fewer")  # fmt: skip

    def named(self, task: Task) -> dict[str, str]:
        if task.kind != "iid":
            return _names(self.name, task.items, flat=True, clean=str)
        # Labels of UCF101 and HMDB51 are looked up by folder and file; only blanks would split a line.
        return _names(self.name, task.items, flat=False)

    def lists(self, task: Task, named: Sequence[tuple[Item, str, str]]) -> dict[str, str]:
        if task.dataset == "ucf101":
            return self._ucf101(task, named)
        if task.dataset == "hmdb51":
            return self._hmdb51(task, named)
        if task.about is not None:
            suffix = ".jpg" if task.about.still else ""
            rows = [[f"{name}{suffix}", item.label] for item, name, _ in named]
            return {self._labels(task): _csv([["filename", "label"], *rows])}
        lines = _lines((task.out.resolve() / file, item.label + 1) for item, _, file in named)
        part = "train" if task.part == "train" else "test"
        return {f"annotation_{part}_fullpath_resizedvids.txt": lines}

    def _labels(self, task: Task) -> str:
        """Kinetics' table of labels; for a dataset that the loader does not know, a table of the same form."""
        return f"{'k400' if task.dataset == 'kinetics400' else task.dataset}_val_labels.csv"

    def _ucf101(self, task: Task, named: Sequence[tuple[Item, str, str]]) -> dict[str, str]:
        classes = {name: label + 1 for label, name in enumerate(task.classes)}
        classes["HandStandPushups"] = classes.get("HandstandPushups", 0)  # the spelling in this class's file names
        files: dict[str, str] = {}
        if task.kind == "iid":
            part = "train" if task.part == "train" else "test"
            rows = [(f"{name}{item.suffix}", item.label + 1) for item, name, _ in named]
            lines = _lines(rows) if part == "train" else "".join(f"{file}\n" for file, _ in rows)
            files[f"ucfTrainTestlist/{part}list{task.fold:02d}.txt"] = lines
        else:
            # The loader takes the text before "_g0" as the class; for groups from 10 on this is the whole name.
            for item, name, _ in named:
                key = f"{name}{item.suffix}".removeprefix("v_").split("_g0")[0]
                classes.setdefault(key, item.label + 1)
        table = {"classes": {k: v for k, v in classes.items() if v}}
        return {**files, "ucf101_class_mapping.json": json.dumps(table, indent=1, ensure_ascii=False) + "\n"}

    def _hmdb51(self, task: Task, named: Sequence[tuple[Item, str, str]]) -> dict[str, str]:
        sources = {PurePosixPath(item.source).name: item.label for item, _, _ in named}
        table = _csv([["filename", "label"], *([f"{name}.avi", label] for name, label in sources.items())])
        if task.kind != "iid":
            return {"hmdb51_labels.csv": table}
        paths = [(PurePosixPath(f"{name}{item.suffix}"), item.label) for item, name, _ in named]
        rows = [[str(path.parent), path.name, label] for path, label in paths]
        part = "train" if task.part == "train" else "test"
        return {f"hmdb51_{part}_labels.csv": _csv([["class", "filename", "label"], *rows])}

    def settings(self, task: Task) -> list[str]:
        place = {"ucf101": "ucf101_path", "hmdb51": "hmdb_path"}.get(task.dataset, "kinetics_path")
        said = [f"cfg.{place} = '{task.out}' (its lists and labels)"]
        if task.dataset not in _SETS:
            said = [f"its loader does not know {task.dataset}; add it there as k400 is, with the files in {task.out}"]
        if task.dataset == "ucf101":
            said = [f"cfg.ucf101_class_mapping = '{task.out / 'ucf101_class_mapping.json'}'"]
            said += [f"cfg.ucf101_path = '{task.out}'"] if task.kind == "iid" else []
        if task.kind != "iid":
            said.insert(0, f"cfg.bias_path = '{task.out}', which holds {self.folder(task)}/; put the folders of "
                           "several exports, or links to them, into one")  # fmt: skip
        return said


class MMAction2(Peer):
    """Folders of raw frames, or videos, with the lists of mmaction2."""

    name = "mmaction2"
    frame = "img_{:05d}.jpg"

    def layouts(self, task_kind: str, dataset: str) -> tuple[str, ...]:
        return ("video", "frames") if task_kind == "iid" else ("frames", "video", "lossless")

    def folder(self, task: Task) -> str:
        return "rawframes" if task.layout == "frames" else "videos"

    def lists(self, task: Task, named: Sequence[tuple[Item, str, str]]) -> dict[str, str]:
        form = self.folder(task)
        if task.dataset == "kinetics400":
            list_name = f"kinetics400_{task.part}_list_{form}.txt"
        else:
            list_name = f"{task.dataset}_{task.part}_split_{task.fold}_{form}.txt"
        if task.layout == "frames":
            return {list_name: _lines((name, item.frames, item.label) for item, name, _ in named)}
        return {list_name: _lines((f"{name}{item.suffix}", item.label) for item, name, _ in named)}

    def settings(self, task: Task) -> list[str]:
        (listed,) = self.lists(task, ())
        form = "img" if task.layout == "frames" else "video"
        kind = "RawframeDataset" if form == "img" else "VideoDataset"
        place = task.out / self.folder(task)
        said = [f"type='{kind}', ann_file='{task.out / listed}', data_prefix=dict({form}='{place}') (mmaction 0.x: "
                f"data_prefix='{place}')"]  # fmt: skip
        return [*said, "filename_tmpl='img_{:05}.jpg', start_index=1 (the defaults)"] if form == "img" else said


class PySlowFast(Peer):
    """Videos, and ``test.csv`` with paths relative to ``DATA.PATH_PREFIX``."""

    name = "pyslowfast"

    def layouts(self, task_kind: str, dataset: str) -> tuple[str, ...]:
        return ("video",) if task_kind == "iid" else ("video", "lossless")

    def lists(self, task: Task, named: Sequence[tuple[Item, str, str]]) -> dict[str, str]:
        text = _lines((file, item.label) for item, _, file in named)
        return {"train.csv": text} if task.part == "train" else {"test.csv": text, "val.csv": text}

    def settings(self, task: Task) -> list[str]:
        return [f"DATA.PATH_TO_DATA_DIR {task.out} DATA.PATH_PREFIX {task.out} DATA.PATH_LABEL_SEPARATOR ' '"]


class VideoMAE(Peer):
    """Videos, and ``test.csv`` with absolute paths."""

    name = "videomae"
    least = 1024

    def layouts(self, task_kind: str, dataset: str) -> tuple[str, ...]:
        return ("video",) if task_kind == "iid" else ("video", "lossless")

    def check(self, task: Task) -> None:
        _without_blanks(self.name, task.out)

    def named(self, task: Task) -> dict[str, str]:
        """Its results name a video by its file name up to the first dot, so this must be unique."""
        try:
            return _names(self.name, task.items, flat=True, clean=_no_dots)
        except BenchError:
            return _names(self.name, task.items, flat=True, clean=_no_dots, joined=True)

    def lists(self, task: Task, named: Sequence[tuple[Item, str, str]]) -> dict[str, str]:
        text = _lines((task.out.resolve() / file, item.label) for item, _, file in named)
        return {"train.csv": text} if task.part == "train" else {"test.csv": text, "val.csv": text}

    def settings(self, task: Task) -> list[str]:
        said = [f"--data_path {task.out} --nb_classes {len(task.classes)}"]
        if task.part != "train":
            said.append("run_class_finetuning.py opens train.csv of that folder even with --eval: put yours there")
        return said


PEERS: dict[str, Peer] = {peer.name: peer for peer in (StillMix(), Albar(), MMAction2(), PySlowFast(), VideoMAE())}


def peer_of(name: str) -> Peer:
    """The peer called ``name``. Raises BenchError naming the choices."""
    if name not in PEERS:
        raise BenchError(f"--for {name}: unknown; choose from {', '.join(PEERS)}")
    return PEERS[name]


def layout_for(peer: Peer, kind: str, dataset: str, asked: str | None) -> str:
    """The layout to write for a peer: ``asked``, or if that is None, its usual one.

    Raises:
        BenchError: its loader does not read the layout ``asked``.
    """
    known = peer.layouts(kind, dataset)
    if asked is not None and asked not in known:
        raise BenchError(f"--layout {asked}: {peer.name}'s loader does not read it; give {' or '.join(known)}")
    return asked or known[0]


def names_csv(named: Iterable[tuple[Item, str, str]]) -> str:
    """The text of :data:`NAMES`: the name of each video, in the order of the lists."""
    rows = [[item.id, name, file, item.label, item.class_name] for item, name, file in named]
    return csv_text([NAME_COLUMNS, *rows])


def _names(
    peer: str, items: Sequence[Item], flat: bool, clean: Callable[[str], str] | None = None, joined: bool = False
) -> dict[str, str]:
    """id -> name: the last part of the id (``flat``), the whole id with ``_`` between its parts (``joined``), or the
    id with its folders; each part made ``clean``."""
    clean = clean or _no_blanks
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    for item in items:
        parts = [clean(part) for part in PurePosixPath(item.id).parts]
        name = "_".join(parts) if joined else parts[-1] if flat else "/".join(parts)
        # Compared in lower case: some file systems ignore case.
        other = taken.setdefault(name.casefold(), item.id)
        if other != item.id:
            raise BenchError(f"--for {peer}: {other} and {item.id} would both be called {name!r}; rename one of them")
        found[item.id] = name
    return found


def _no_blanks(text: str) -> str:
    return re.sub(r"\s+", "_", text)


def _no_dots(text: str) -> str:
    return re.sub(r"[\s.]+", "_", text)


def _without_blanks(peer: str, out: Path) -> None:
    if re.search(r"\s", str(out.resolve())):
        raise BenchError(f"--out {out}: {peer}'s list holds whole paths and is split at blanks; choose another folder")


def _csv(rows: Iterable[Iterable[object]]) -> str:
    """A csv file in which other programs look up names: cells are not changed for the safety of spreadsheets."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _lines(rows: Iterable[Sequence[object]]) -> str:
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)
