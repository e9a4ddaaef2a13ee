"""Functions that all readers use: class folders, the catalogue in which list entries are looked up, label maps."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark_builder.datasets import Listing, Unusable
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, entries, files_of, subfolders
from benchmark_builder.utils.text import composed, counted, letters, plain_path, shown
from benchmark_builder.video.record import Video, id_problem
from manifests import resource

SHOWN = 6  # maximum number of suffixes in a note


def shipped_classes(dataset: str) -> list[str]:
    """The dataset's class names in label order."""
    return resource("label_maps", f"{dataset}.txt").read_text(encoding="utf-8").split("\n")[:-1]


def class_matcher(classes: Sequence[str]) -> Callable[[str], int | None]:
    """A function from a class name, in any spelling, to its label; None if it is not a class.

    A name that is exactly the class has priority. Otherwise only letters and digits are compared, ignoring case,
    blanks, underscores and punctuation (torchvision removes ``' ( )`` from the names of Kinetics' folders).
    """
    exact = {composed(name): label for label, name in enumerate(classes)}
    loose: dict[str, list[int]] = {}
    for label, name in enumerate(classes):
        loose.setdefault(letters(name), []).append(label)

    def match(name: str) -> int | None:
        found = exact.get(composed(name))
        if found is None and letters(name):
            labels = loose.get(letters(name), [])
            found = labels[0] if len(labels) == 1 else None
        return found

    return match


def folder_with_classes(root: Path, classes: Sequence[str], names: Iterable[str]) -> Path:
    """``root``, or the folder in it with one of ``names``, that contains class folders.

    Raises BenchError if none does.
    """
    match = class_matcher(classes)
    tried = [root, *(root / n for n in names)]
    for folder in tried:
        if folder.is_dir() and any(match(d.name) is not None for d in subfolders(folder)):
            return folder
    raise BenchError(
        f"{root}: contains no class folder (searched in {', '.join(str(t) for t in tried)}); give with --root the "
        "folder that contains the class folders, or its parent"
    )


def class_folders(folder: Path, classes: Sequence[str]) -> tuple[dict[int, Path], list[Path]]:
    """The class folders in ``folder`` by label, and the folders that are not a class.

    Raises:
        BenchError: two folders that are not empty belong to the same class.
    """
    match = class_matcher(classes)
    found: dict[int, Path] = {}
    strange = []
    for directory in subfolders(folder):
        label = match(directory.name)
        if label is None:
            strange.append(directory)
        elif label not in found or not entries(found[label]):
            found[label] = directory
        elif entries(directory):
            raise BenchError(
                f"{folder}: its folders {found[label].name!r} and {directory.name!r} are both class {classes[label]!r};"
                " put their videos into one of them"
            )
    return found, strange


def videos_of_classes(
    folder: Path, found: dict[int, Path], strange: Iterable[Path]
) -> tuple[dict[int, list[Path]], list[str]]:
    """The video files of class folders by label, and notes on everything that is not used."""
    videos: dict[int, list[Path]] = {}
    others: list[Path] = []
    deeper: list[Path] = []
    for label, directory in found.items():
        videos[label], rest = files_of(directory, VIDEO_SUFFIXES)
        others += rest
        deeper += [d for d in subfolders(directory) if files_of(d, VIDEO_SUFFIXES)[0]]
    notes = []
    for directory in strange:
        count = len(files_of(directory, VIDEO_SUFFIXES)[0])
        if count:  # otherwise a class with a spelling mistake would be lost without a message
            notes.append(f"{shown(directory)}: is not a class of this dataset; its videos ({count}) are left out")
    loose = files_of(folder, VIDEO_SUFFIXES)[0]
    if loose:
        first = told(loose[0], folder)
        notes.append(
            f"{folder}: {counted(len(loose), 'video is', 'videos are')} not in a class folder and not used; "
            f"the first: {first}"
        )
    if deeper:
        notes.append(f"{folder}: "
                     f"{counted(len(deeper), 'folder')} inside class folders with videos, which are not used; the "
                     f"first: {told(deeper[0], folder)}")  # fmt: skip
    return videos, notes + not_videos(folder, others)


def not_videos(folder: Path, files: Sequence[Path], wanted: str = "videos by their suffix") -> list[str]:
    """A note on the files that are not used because they are not ``wanted``; empty if there are none."""
    if not files:
        return []
    kinds = sorted({p.suffix.lower() or "none" for p in files})
    said = ", ".join(kinds[:SHOWN]) + (", …" if len(kinds) > SHOWN else "")
    return [f"{folder}: {counted(len(files), 'file is', 'files are')} not {wanted} ({said}) and not used; the first: "
            f"{told(files[0], folder)}"]  # fmt: skip


def told(path: Path, root: Path) -> str:
    """A file's name relative to the dataset's folder, for messages: always one line of printable text."""
    return shown((path.relative_to(root) if path.is_relative_to(root) else path).as_posix())


def first_folder(*candidates: Path) -> Path | None:
    """The first of the candidates that is a folder."""
    return next((c for c in candidates if c.is_dir()), None)


def stem_of(name: str) -> str:
    """A video's name without the suffix of a video file; other text after a dot belongs to the name."""
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in VIDEO_SUFFIXES else name


def wanted_split(split: str, lists: Path | None, expected: Path, title: str, called: str, notes: list[str]) -> str:
    """Which of ``train``, ``test`` and ``all`` to list. ``auto`` is ``test``, or ``all`` without split files.

    Args:
        split: the user's choice.
        lists: the folder of split files; None if it is missing.
        expected: where it is expected.
        title: the dataset's name, for messages.
        called: what the folder is called in the note that ``auto`` found none.
        notes: gets that note, as the first.

    Raises:
        BenchError: no such split, or its files are missing.
    """
    if split == "auto":
        if lists is None:
            notes.insert(0, f"no {called} in {expected.parent}: using every video (as with --split all)")
        split = "all" if lists is None else "test"
    if split not in ("train", "test", "all"):
        raise BenchError(f"--split {split}: {title} has train, test and all")
    if split != "all" and lists is None:
        raise BenchError(f"{expected}: split files are missing; get them, or give --split all")
    return split


def split_label(line: str) -> tuple[str, int | None]:
    """The parts of a list's line "name label": the name as from ``plain_path``, and the number at the end, None if
    there is none. Names may contain blanks."""
    match = re.fullmatch(r"(.*?\S)\s+([0-9]{1,9})", line)
    return (plain_path(match[1]), int(match[2])) if match else (plain_path(line), None)


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    path: Path
    label: int
    reason: str  # why it cannot be used; empty if it can


class Catalogue:
    """Every video of a dataset's folder, by id.

    Names from lists are looked up in it, ignoring case, suffix and Unicode composition. Unusable videos are stored with
    the reason.
    """

    def __init__(self, root: Path, dataset: str, classes: Sequence[str], flat: bool = False) -> None:
        """flat: ids are only stems, so the folder at the start of a name in a list is not a part of the id."""
        self.root, self.dataset, self.classes, self.flat = root, dataset, list(classes), flat
        self._entries: dict[str, list[_Entry]] = {}
        self._loose: dict[str, list[str]] = {}

    def add(self, name: str, path: Path, label: int) -> None:
        """Add a video. ``name``: its id, which is converted to composed letters; ``path``: the file or folder."""
        video_id = composed(name)
        if video_id not in self._entries:
            self._loose.setdefault(self._key(video_id), []).append(video_id)
        problem = id_problem(video_id)
        reason = f"its name {problem}; rename it" if problem else ""
        self._entries.setdefault(video_id, []).append(_Entry(video_id, path, label, reason))

    def add_class_folders(self, videos: dict[int, list[Path]]) -> None:
        """Add videos by label; ids are ``Class/stem``."""
        for label, paths in videos.items():
            for path in paths:
                self.add(f"{self.classes[label]}/{path.stem}", path, label)

    def __contains__(self, name: str) -> bool:
        return bool(self._find(name))

    def _key(self, name: str) -> str:
        """The key for names that are not found exactly: it ignores case and the spelling of the class."""
        class_name, slash, stem = composed(name).rpartition("/")
        return f"{letters(class_name) or class_name}{slash}{stem.casefold()}"

    def id_of(self, name: str) -> str:
        """The id for a name in a list, if it has the exact spelling."""
        stem = stem_of(composed(name))
        return stem.rpartition("/")[2] if self.flat else stem

    def _find(self, name: str) -> list[_Entry]:
        """The entries that a name in a list, or an id, may mean."""
        name = self.id_of(name)
        exact = self._entries.get(name)
        if exact is not None:
            return exact
        return [entry for video_id in self._loose.get(self._key(name), []) for entry in self._entries[video_id]]

    def label_of(self, name: str) -> tuple[str, int] | None:
        """(file, label) of the only video that matches a line of a list; None if there is none, or several."""
        chosen = _narrowed(self._find(name), name)
        return (self._file(chosen[0]), chosen[0].label) if len(chosen) == 1 else None

    def listing(
        self, split: str, names: Iterable[str] | None, notes: Iterable[str] = (), where: Path | None = None
    ) -> Listing:
        """The videos in a list, or all videos.

        Args:
            split: the split recorded in the listing and its videos.
            names: the names in the list, as ``Class/NAME.suffix`` or as ids; None for every video.
            notes: notes of the reader; they come before those of this function.
            where: the list, for the notes.

        Returns:
            The listing. Of two files with the same name, the one with exactly the name in the list is used, otherwise
            neither.
        """
        said = list(notes)
        taken: dict[str, _Entry] = {}
        missing: dict[str, None] = {}
        unusable: dict[Path, tuple[_Entry, str]] = {}
        passed: list[tuple[str, str]] = []
        renamed: list[tuple[str, str]] = []
        for name in self._entries if names is None else dict.fromkeys(map(composed, names)):
            found = self._entries[name] if names is None else self._find(name)
            chosen = found if names is None else _narrowed(found, name)
            if not found:
                missing[self.id_of(name)] = None
            elif len(chosen) > 1:
                others = [self._file(e) for e in chosen]
                for entry in chosen:
                    rest = ", ".join(f for f in others if f != self._file(entry))
                    unusable[entry.path] = entry, f"{rest} has the same name; keep one of them"
            elif chosen[0].reason:
                unusable[chosen[0].path] = chosen[0], chosen[0].reason
            else:
                entry = chosen[0]
                taken[entry.id] = entry
                passed += [(self._file(e), self._file(entry)) for e in found if e is not entry]
                suffix = PurePosixPath(name).suffix
                if names is not None and suffix.lower() in VIDEO_SUFFIXES and entry.path.suffix in VIDEO_SUFFIXES:
                    if suffix.lower() != entry.path.suffix.lower():
                        renamed.append((self._file(entry), PurePosixPath(name).name))
        if renamed:
            said.append(f"{where}: {counted(len(renamed), 'video has', 'videos have')} a different suffix than in "
                        f"the list and used; "
                        f"copies may differ in frames. The first: {renamed[0][0]} for {renamed[0][1]}")  # fmt: skip
        said += [f"{other} is not used: {where} lists {file}" for other, file in passed]
        videos = [Video(e.id, e.path, e.label, self.classes[e.label], split, self.dataset) for e in taken.values()]
        return Listing(
            sorted(videos, key=lambda v: v.id),
            self.classes,
            split,
            tuple(said),
            tuple(missing),
            tuple(
                Unusable(entry.id, self._file(entry), reason, entry.label, self.classes[entry.label])
                for entry, reason in unusable.values()
            ),
            tuple(sorted(self._entries)),
        )

    def _file(self, entry: _Entry) -> str:
        return told(entry.path, self.root)


def _narrowed(found: list[_Entry], name: str) -> list[_Entry]:
    """Of several files, those that best match a name in a list: first by folder, then by the whole name, then by
    suffix."""
    path = PurePosixPath(name)
    tests: tuple[Callable[[_Entry], bool], ...] = (
        lambda e: bool(letters(path.parent.name)) and letters(path.parent.name) == letters(e.path.parent.name),
        lambda e: composed(e.path.name) == path.name,
        lambda e: e.path.suffix.lower() == path.suffix.lower(),
    )
    for test in tests:
        if len(found) > 1:
            found = [e for e in found if test(e)] or found
    return found
