"""A user's own videos: one folder a class, ``ROOT/CLASS/NAME.mp4`` (or ``ROOT/videos/CLASS/NAME.mp4``).

Classes are the folders that hold videos, sorted by name, and labels their places in that order; ``ROOT/classes.txt``
(a class a line, in label order) decides instead where it is. Splits: ``ROOT/{train,test,val}.txt`` of lines
"CLASS/NAME.mp4".
"""

from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import VIDEO_SUFFIXES, read_lines
from benchmark_builder.errors import BenchError
from benchmark_builder.video import Video

WHERE = "Get videos of your own and lay them as ROOT/CLASS/NAME.mp4, one folder a class, ROOT being given with --root"
SPLITS = ("train", "test", "val")
CLASSES = "classes.txt"


def read(root: Path, split: str, fold: int) -> Listing:
    """List a folder of class folders. Ids are ``CLASS/NAME``; splits ``train``, ``test``, ``val``, ``all``, ``auto``.

    ``auto`` is ``test`` where test.txt is there, else ``val`` where val.txt is there, else ``all``.

    Raises:
        BenchError: no class folder holds a video, two videos of a class share a name, or a list that is none.
    """
    if split not in (*SPLITS, "all", "auto"):
        raise BenchError(f"--split {split}: a folder has {', '.join(SPLITS)}, all, auto")
    if fold != 1:
        raise BenchError(f"--fold {fold}: a folder has fold 1 only")
    files, empty = _class_folders(root)
    classes, notes = _classes(root, files, empty)

    if split == "auto":
        split = next((s for s in ("test", "val") if (root / f"{s}.txt").is_file()), "all")
        if split == "all":
            notes.append(f"no test.txt in {root}: taking every video (as --split all)")
    found: dict[str, tuple[Path, int]] = {}
    for label, class_name in enumerate(classes):
        for path in files.get(class_name, []):
            key = f"{class_name}/{path.stem}"
            if key in found:
                raise BenchError(f"{path}: {found[key][0].name} beside it has the same name; rename one of them")
            found[key] = (path, label)
    wanted, missing = sorted(found), list[str]()
    if split != "all":
        named = _named(root, split, classes)
        wanted = sorted(key for key in named if key in found)
        missing = sorted(key for key in named if key not in found)
    videos = [Video(k, found[k][0], found[k][1], classes[found[k][1]], split, "folder") for k in wanted]
    return Listing(videos, classes, split, tuple(notes), tuple(missing))


def _class_folders(root: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Class name -> its video files, sorted; and the folders without a video, which are none (masks, say)."""
    for folder in (root / "videos", root):
        if not folder.is_dir():
            continue
        inside = sorted(d for d in folder.iterdir() if d.is_dir() and not d.name.startswith("."))
        files = {d.name: sorted(p for p in d.iterdir() if _is_video(p)) for d in inside}
        if any(files.values()):
            return {name: f for name, f in files.items() if f}, [name for name, f in files.items() if not f]
    raise BenchError(f"{root}: holds no folder with videos ({', '.join(sorted(VIDEO_SUFFIXES))}). {WHERE}")


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def _classes(root: Path, files: dict[str, list[Path]], empty: list[str]) -> tuple[list[str], list[str]]:
    """Class names in label order, and what to tell the user."""
    path = root / CLASSES
    if not path.is_file():
        notes = [f"{name} holds no video and is no class; if it is one, name it in {CLASSES}" for name in empty]
        return sorted(files), notes
    classes = read_lines(path)
    twice = next((c for k, c in enumerate(classes) if c in classes[:k]), None)
    if twice is not None:
        raise BenchError(f"{path}: {twice!r} stands twice; a class stands on one line")
    left = sorted(files.keys() - set(classes))
    return classes, [f"{name} is left out: it does not stand in {CLASSES}" for name in left]


def _named(root: Path, split: str, classes: list[str]) -> list[str]:
    """The ids that ``ROOT/SPLIT.txt`` names, each once."""
    path = root / f"{split}.txt"
    if not path.is_file():
        raise BenchError(f"{path}: no such list; write a line 'CLASS/NAME.mp4' for each video, or give --split all")
    ids: dict[str, None] = {}
    for number, line in enumerate(read_lines(path), 1):
        class_name, _, file = line.partition("/")
        if class_name not in classes or Path(file).suffix.lower() not in VIDEO_SUFFIXES or "/" in file:
            raise BenchError(f"{path}, line {number}: {line!r} is no 'CLASS/NAME.mp4' of a known class; mend the line")
        ids[f"{class_name}/{Path(file).stem}"] = None
    return list(ids)
