"""Scores made elsewhere: read, and matched with the test videos.

- a folder with ``ID.npy``, ``ID.csv`` or ``ID.txt`` (one number per line) per video
- an ``.npz`` with an array per video
- one ``.npy``: the scores of all test videos in the order of the feature folder's lists, as the public code of RTFM,
  MGFN and UR-DMU has them

Each array has a number per window or per frame; which of the two, its length says. Without overlap, scores of windows
that are repeated, ``repeat(scores, window)``, are also frames: what is longer than the video is cut, frames at its end
that are in no window take the last score.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import open_zip, zip_member
from benchmark_builder.utils.folders import entries
from benchmark_builder.utils.text import counted, read_lines
from evaluator.downstream.anomaly.frames import frame_scores
from evaluator.features.folder import FeatureVideo

SUFFIXES = (".npy", ".csv", ".txt")
MOST = 2**31  # bytes of one array of an .npz
FIX = "give one finite number per window or per frame"


def read_scores(path: Path, videos: Sequence[FeatureVideo]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Frame scores of the test videos: id -> float64 (frames,); and the names of arrays that belong to no test video.

    Videos without scores are missing from the result.

    Raises:
        BenchError: the file is missing or damaged, an array has another length, or no video has scores.
    """
    if path.is_file() and path.suffix.lower() == ".npy":
        return _cut(_array(_load(path), str(path)), videos, path), []
    if path.is_dir():
        files = [p for p in entries(path) if p.suffix.lower() in SUFFIXES]
        found: Mapping[str, Path] = {p.stem: p for p in files}
        if len(found) < len(files):
            twice = next(p for p in files if found[p.stem] != p)
            raise BenchError(f"--scores {path}: has {twice.name} and {found[twice.stem].name}; keep one of them")
        made = {v.id: _of_file(found[v.id]) for v in videos if v.id in found}
        names = list(found)
    elif path.is_file() and path.suffix.lower() == ".npz":
        made, names = read_windows(path, [v.id for v in videos])
    else:
        raise BenchError(f"--scores {path}: no such folder, .npz or .npy; {FIX}")
    if not made:
        known = f"{videos[0].id}.npy" if path.is_dir() else videos[0].id
        raise BenchError(
            f"--scores {path}: no name in it is that of a test video ({counted(len(names), 'name')}); the first is "
            f"{known}"
        )
    return {v.id: _frames(made[v.id], v, path) for v in videos if v.id in made}, sorted(set(names) - set(made))


def _frames(scores: np.ndarray, video: FeatureVideo, path: Path) -> np.ndarray:
    """One video's scores per frame. Their number says which they are; if the two are equal, so are the scores."""
    if len(scores) == video.frames:
        return scores
    if len(scores) == video.windows:
        return frame_scores(scores, video.starts(), video.window, video.frames)
    if len(scores) == _repeated(video):
        more = video.frames - len(scores)
        return np.append(scores, np.full(more, scores[-1])) if more > 0 else scores[: video.frames]
    raise BenchError(f"--scores {path}: {video.id} has {counted(len(scores), 'score')}, but "
                     f"{counted(video.windows, 'window')} and "
                     f"{counted(video.frames, 'frame')}; {FIX}")  # fmt: skip


def _repeated(video: FeatureVideo) -> int:
    """Length of ``repeat(scores, window)`` without overlap; 0 with it."""
    return video.windows * video.window if video.stride == video.window else 0


def _cut(scores: np.ndarray, videos: Sequence[FeatureVideo], path: Path) -> dict[str, np.ndarray]:
    """One array for all videos."""
    for count in (lambda v: v.windows, lambda v: v.frames, _repeated):
        counts = [count(v) for v in videos]
        if sum(counts) == len(scores):
            parts = np.split(scores, np.cumsum(counts)[:-1])
            return {v.id: _frames(part, v, path) for v, part in zip(videos, parts, strict=True)}
    raise BenchError(f"--scores {path}: has {counted(len(scores), 'score')}, but the "
                     f"{counted(len(videos), 'test video has', 'test videos have')} "
                     f"{counted(sum(v.windows for v in videos), 'window')} and "
                     f"{counted(sum(v.frames for v in videos), 'frame')}; give the "
                     "scores of these features, or an array per video")  # fmt: skip


def _of_file(path: Path) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        return _array(_load(path), str(path))
    values = []
    for number, line in read_lines(path, "list of scores", FIX):
        try:
            values.append(float(line))
        except ValueError:
            raise BenchError(f"{path}, line {number}: {line[:40]!r} is no number; {FIX}") from None
    return _array(np.array(values), str(path))


def read_windows(path: Path, wanted: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of an ``.npz`` that are wanted, by name, float64 (n,); and all its names.

    Raises:
        BenchError: it is missing or damaged, or an array is no list of finite numbers.
    """
    try:
        archive = open_zip(path)
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if len(set(names)) < len(names):
            twice = next(n for n in names if names.count(n) > 1)
            raise BenchError(f"{path}: has {twice} twice; write it again, with one array per video")
        raw = {i: zip_member(archive, f"{i}.npy", MOST) for i in wanted if i in names}
    except (OSError, zipfile.BadZipFile) as error:
        raise BenchError(f"{path}: not a readable .npz ({error}); write it again") from None
    return {i: _array(_load(io.BytesIO(data), f"{path}, {i}"), f"{path}, {i}") for i, data in raw.items()}, names


def _load(source: Path | io.BytesIO, name: str = "") -> object:
    """An array of a ``.npy`` file or stream; objects in it, which would run code, are refused.

    Raises:
        BenchError: it is damaged.
    """
    try:
        return np.load(source, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, OverflowError) as error:
        raise BenchError(f"{name or source}: not a readable .npy array ({str(error)[:80]}); write it again") from None


def _array(value: object, name: str) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.size != max(value.shape, default=0):
        shape = getattr(value, "shape", type(value).__name__)
        raise BenchError(f"{name}: holds {shape}, not a list of scores; {FIX}")
    flat = value.reshape(-1).astype(np.float64)
    if not len(flat) or not np.isfinite(flat).all():
        raise BenchError(f"{name}: {'is empty' if not len(flat) else 'has scores that are not finite'}; {FIX}")
    return flat
