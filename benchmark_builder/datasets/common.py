"""What the readers share: class folders, the catalogue of videos that lists are looked up in, label maps."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark_builder.datasets import Listing, Unusable
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, entries, files_of, subfolders
from benchmark_builder.utils.text import composed, letters, plain_path, shown
from benchmark_builder.video.record import Video, id_problem
from manifests import resource

SHOWN = 6  # suffixes that a note names


def shipped_classes(dataset: str) -> list[str]:
    """The dataset's class names in label order."""
    return resource("label_maps", f"{dataset}.txt").read_text(encoding="utf-8").split("\n")[:-1]


def class_matcher(classes: Sequence[str]) -> Callable[[str], int | None]:
    """A function from a class name, however it is spelt, to its label; None where it is no class.

    A name that is written exactly as the class wins; else its letters and digits decide, so that case, blanks,
    underscores and punctuation do not count (torchvision drops ``' ( )`` from Kinetics' folders).
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
    """``root``, or the one of its folders ``names``, that holds class folders. Raises BenchError if none does."""
    match = class_matcher(classes)
    tried = [root, *(root / n for n in names)]
    for folder in tried:
        if folder.is_dir() and any(match(d.name) is not None for d in subfolders(folder)):
            return folder
    raise BenchError(
        f"{root}: holds no class folder (looked in {', '.join(str(t) for t in tried)}); give as --root the "
        "folder whose folders are the classes, or the one above it"
    )


def class_folders(folder: Path, classes: Sequence[str]) -> tuple[dict[int, Path], list[Path]]:
    """The class folders in ``folder`` by label, and the folders that are no class.

    Raises:
        BenchError: two folders that both hold something are the same class.
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
    """The video files of class folders by label, and notes on everything that is not taken."""
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
        if count:  # a misspelt class would be lost without a word
            notes.append(f"{shown(directory)}: is no class of this data set; its videos ({count}) are left out")
    loose = files_of(folder, VIDEO_SUFFIXES)[0]
    if loose:
        first = told(loose[0], folder)
        notes.append(f"{folder}: {len(loose)} videos are in no class folder and are not taken; the first: {first}")
    if deeper:
        notes.append(f"{folder}: {len(deeper)} folders inside class folders hold videos, which are not taken; the "
                     f"first: {told(deeper[0], folder)}")  # fmt: skip
    return videos, notes + not_videos(folder, others)


def not_videos(folder: Path, files: Sequence[Path], wanted: str = "videos by their suffix") -> list[str]:
    """A note on the files that are not taken since they are not ``wanted``; none if there are none."""
    if not files:
        return []
    kinds = sorted({p.suffix.lower() or "none" for p in files})
    said = ", ".join(kinds[:SHOWN]) + (", …" if len(kinds) > SHOWN else "")
    return [f"{folder}: {len(files)} files are not {wanted} ({said}) and are not taken; the first: "
            f"{told(files[0], folder)}"]  # fmt: skip


def told(path: Path, root: Path) -> str:
    """A file's name relative to the dataset's folder, for people: whatever it holds, it is one line of text."""
    return shown((path.relative_to(root) if path.is_relative_to(root) else path).as_posix())


def first_folder(*candidates: Path) -> Path | None:
    """The first of the candidates that is a folder."""
    return next((c for c in candidates if c.is_dir()), None)


def stem_of(name: str) -> str:
    """A video's name without the suffix of a video file; a dot that starts no such suffix belongs to the name."""
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in VIDEO_SUFFIXES else name


def split_label(line: str) -> tuple[str, int | None]:
    """A line "name label" of a list in its parts: the name as ``plain_path`` has it, and
    the number at its end, None where there is none. Names may hold blanks."""
    match = re.fullmatch(r"(.*?\S)\s+([0-9]{1,9})", line)
    return (plain_path(match[1]), int(match[2])) if match else (plain_path(line), None)


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    path: Path
    label: int
    reason: str  # why it cannot be taken; empty if it can


class Catalogue:
    """Every video of a dataset's folder, by id. Lists are looked up in it, whatever the case, suffix or composition of
    the names they use; what cannot be taken is kept with its reason."""

    def __init__(self, root: Path, dataset: str, classes: Sequence[str], flat: bool = False) -> None:
        """flat: ids are stems alone, so the folder that a list's name begins with is no part of the id."""
        self.root, self.dataset, self.classes, self.flat = root, dataset, list(classes), flat
        self._entries: dict[str, list[_Entry]] = {}
        self._loose: dict[str, list[str]] = {}

    def add(self, name: str, path: Path, label: int) -> None:
        """Enter a video. ``name``: its id, composed here; the file or folder is at ``path``."""
        video_id = composed(name)
        if video_id not in self._entries:
            self._loose.setdefault(self._key(video_id), []).append(video_id)
        problem = id_problem(video_id)
        reason = f"its name {problem}; rename it" if problem else ""
        self._entries.setdefault(video_id, []).append(_Entry(video_id, path, label, reason))

    def add_class_folders(self, videos: dict[int, list[Path]]) -> None:
        """Enter videos by label; ids are ``Class/stem``."""
        for label, paths in videos.items():
            for path in paths:
                self.add(f"{self.classes[label]}/{path.stem}", path, label)

    def __contains__(self, name: str) -> bool:
        return bool(self._find(name))

    def _key(self, name: str) -> str:
        """What is compared where a name is not found as it is: case, and the spelling of the class, do not count."""
        class_name, slash, stem = composed(name).rpartition("/")
        return f"{letters(class_name) or class_name}{slash}{stem.casefold()}"

    def id_of(self, name: str) -> str:
        """The id that a list's name stands for, as far as it is spelt as ours are."""
        stem = stem_of(composed(name))
        return stem.rpartition("/")[2] if self.flat else stem

    def _find(self, name: str) -> list[_Entry]:
        """What a list's name or an id may stand for."""
        name = self.id_of(name)
        exact = self._entries.get(name)
        if exact is not None:
            return exact
        return [entry for video_id in self._loose.get(self._key(name), []) for entry in self._entries[video_id]]

    def label_of(self, name: str) -> tuple[str, int] | None:
        """(file, label) of the one video that a list's line names; None where there is none, or several."""
        chosen = _narrowed(self._find(name), name)
        return (self._file(chosen[0]), chosen[0].label) if len(chosen) == 1 else None

    def listing(
        self, split: str, names: Iterable[str] | None, notes: Iterable[str] = (), where: Path | None = None
    ) -> Listing:
        """The videos that a list names, or all of them.

        Args:
            split: as the listing and its videos shall say.
            names: what the list names, each as ``Class/NAME.suffix``, or as ids are; None for every video.
            notes: of the reader, told before those of this choice.
            where: the list, for the notes.

        Returns:
            The listing. Of two files of one name, the one that the list names exactly is taken, else neither.
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
            said.append(f"{where}: {len(renamed)} videos have another suffix than the list says and are taken; "
                        "re-encoded copies may differ in frames. The first: "
                        f"{renamed[0][0]} for {renamed[0][1]}")  # fmt: skip
        said += [f"{other} is not taken: {where} names {file}" for other, file in passed]
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
    """Of several files, those that a list's name fits best: its folder first, then its whole name, then its suffix."""
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
