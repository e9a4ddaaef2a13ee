"""What the readers share: finding video files, label maps, split files."""

from collections.abc import Iterable
from pathlib import Path

from benchmark_builder.errors import BenchError
from manifests import resource

VIDEO_SUFFIXES = {".avi", ".mp4", ".mkv", ".webm", ".mov", ".mpg", ".mpeg", ".m4v"}


def shipped_classes(dataset: str) -> list[str]:
    """The dataset's class names in label order."""
    return resource("label_maps", f"{dataset}.txt").read_text(encoding="utf-8").split("\n")[:-1]


def folder_with_classes(root: Path, classes: Iterable[str], names: Iterable[str]) -> Path:
    """``root``, or the one of its folders ``names``, that holds class folders. Raises BenchError if none does."""
    wanted = {c.lower() for c in classes}
    tried = [root, *(root / n for n in names)]
    for folder in tried:
        if folder.is_dir() and any(d.is_dir() and d.name.lower() in wanted for d in folder.iterdir()):
            return folder
    raise BenchError(
        f"{root}: holds no class folder (looked in {', '.join(str(t) for t in tried)}); give as --root the "
        "folder whose folders are the classes, or the one above it"
    )


def videos_in_class_folders(folder: Path, classes: list[str]) -> dict[str, tuple[Path, int]]:
    """Map ``Class/stem`` to (path, label) for every video file in a class folder, whatever its letter case."""
    label = {c.lower(): i for i, c in enumerate(classes)}
    found: dict[str, tuple[Path, int]] = {}
    for directory in sorted(d for d in folder.iterdir() if d.is_dir()):
        index = label.get(directory.name.lower())
        if index is None:
            continue
        for path in sorted(directory.iterdir()):
            if path.suffix.lower() in VIDEO_SUFFIXES:
                name = f"{classes[index]}/{path.stem}"
                if name in found:
                    raise BenchError(f"{path}: {found[name][0].name} has the same name; keep one of the two")
                found[name] = (path, index)
    return found


def strange_folders(folder: Path, classes: Iterable[str]) -> list[str]:
    """What to tell of folders that hold videos but are no class: a misspelt one would be lost unsaid."""
    known = {c.lower() for c in classes}
    notes = []
    for directory in sorted(d for d in folder.iterdir() if d.is_dir() and d.name.lower() not in known):
        count = sum(1 for p in directory.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES)
        if count:
            notes.append(f"{directory}: is no class of this data set; its videos ({count}) are left out")
    return notes


def read_lines(path: Path) -> list[str]:
    """Non-empty lines of a text file, stripped. Raises BenchError if it cannot be read."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{path}: cannot be read ({error}); get the split files from the dataset's site") from None


def first_folder(*candidates: Path) -> Path | None:
    """The first of the candidates that is a folder."""
    return next((c for c in candidates if c.is_dir()), None)
