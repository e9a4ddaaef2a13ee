"""Distance of a video's scene to the training set, as SOAR (Zhai et al., ICCV 2023) measures it.

The distance is the smallest cosine distance of the video's scene feature (of a network trained on Places365) to that of
any training video. As in SOAR the videos of each class are sorted by it and divided into groups of equal size, so that
groups do not differ in their classes.
"""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import open_zip, sha256_file, zip_member
from benchmark_builder.utils.text import counted, read_text
from evaluator.predictions.files import VideoNames
from evaluator.slices.attributes import Attribute, Segment, read_slice_table
from evaluator.slices.numbers import number_of, sources_of
from evaluator.slices.table import Request

FIX = (
    "give a csv file of columns id,distance, or an .npz file of the arrays ids (N), features (N, D) of the test videos "
    "and train (M, D) of the training videos"
)
_ROUNDING = 1e-5  # of 1 minus a cosine of float32 features: so far below 0 is 0
_STEP = 512  # test videos compared at once
_NAME = "scene distance to training"


def read(request: Request) -> list[Attribute]:
    """``scene-distance:FILE``: distances (csv) or features (npz).

    Raises:
        BenchError: it is no such file, or a number in it is not finite.
    """
    path = request.file("a csv file of distances or an .npz file of features")
    table = _computed(path) if path.suffix.lower() == ".npz" else _given(path)
    labels = sources_of(request.sets)
    names = VideoNames(labels)
    placed: dict[int, list[tuple[float, str]]] = {}
    for name, distance in table.items():
        meant = names.find(name)
        if len(meant) == 1:
            placed.setdefault(labels[meant[0]], []).append((distance, name))
    count = request.quantiles
    at = {
        name: k * count // len(videos)
        for videos in placed.values()
        for k, (_, name) in enumerate(sorted(videos))
    }  # fmt: skip
    titles = {}
    for place in sorted(set(at.values())):
        mean = np.mean([table[name] for name, own in at.items() if own == place])
        end = " (nearest)" if place == 0 else " (farthest)" if place == count - 1 else ""
        titles[place] = f"{place + 1} of {count}{end}: mean {mean:.3f}"
    first = next(iter(titles.values()), "no video")
    segments = {name: (Segment(titles[at[name]] if name in at else first),) for name in table}
    digest = sha256_file(path) if path.suffix.lower() == ".npz" else _digest(path)
    return [Attribute(_NAME, segments, path.name, digest, order=tuple(titles.values()))]


def _digest(path: Path) -> str:
    return hashlib.sha256(read_text(path).encode()).hexdigest()


def _given(path: Path) -> dict[str, float]:
    _, rows = read_slice_table(path, ("id", "distance"), (), FIX)
    table: dict[str, float] = {}
    for line, (video_id, text) in rows:
        value = number_of(text)
        if value is None or not video_id.strip():
            raise BenchError(f"{path}, line {line}: {text!r} is no number, or the id is empty; {FIX}")
        if value < -_ROUNDING:
            what = f"the distance of {video_id.strip()!r} is {text.strip()}, below 0"
            raise BenchError(f"{path}, line {line}: {what}; {FIX}")
        value = max(value, 0.0)
        if table.setdefault(video_id.strip(), value) != value:
            raise BenchError(f"{path}, line {line}: {video_id.strip()!r} has two distances; keep one of the lines")
    return table


def _computed(path: Path) -> dict[str, float]:
    """Smallest cosine distance of each test video to a training video, 0..2."""
    if not path.is_file():
        raise BenchError(f"{path}: no such file; {FIX}")
    arrays = {}
    try:
        with open_zip(path) as archive:
            for name in ("ids", "features", "train"):
                if f"{name}.npy" not in archive.namelist():
                    raise BenchError(f"{path}: has no array {name}; {FIX}")
                arrays[name] = _array(path, zip_member(archive, f"{name}.npy"), name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BenchError(f"{path}: is not an .npz file ({error}); {FIX}") from None
    ids, features, train = arrays["ids"], arrays["features"], arrays["train"]
    if ids.ndim != 1 or ids.dtype.kind != "U" or features.ndim != 2 or train.ndim != 2 or len(ids) != len(features):
        raise BenchError(f"{path}: its arrays do not have the shapes (N), (N, D) and (M, D), with ids as text; {FIX}")
    if features.shape[1] != train.shape[1] or not len(train) or not len(ids):
        raise BenchError(f"{path}: features {features.shape} do not go with train {train.shape}; {FIX}")
    twice = len(ids) - len(set(ids.tolist()))
    if twice:
        raise BenchError(
            f"{path}: {counted(twice, 'id is', 'ids are')} in it more than once; keep one feature of each video"
        )
    units = [_unit(path, array) for array in (features, train)]
    nearest = [
        (1 - units[0][k : k + _STEP] @ units[1].T).min(1).clip(0) for k in range(0, len(ids), _STEP)
    ]  # fmt: skip
    return dict(zip(ids.tolist(), np.concatenate(nearest).tolist(), strict=True))


def _unit(path: Path, array: np.ndarray) -> np.ndarray:
    wide = array.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    if not np.isfinite(wide).all() or not (length > 0).all():
        raise BenchError(f"{path}: a feature is not finite, or all 0; compute the features again")
    unit: np.ndarray = wide / length
    return unit


def _array(path: Path, data: bytes, name: str) -> np.ndarray:
    """An array of an .npz file; pickles in it are refused."""
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        reason = (str(error).splitlines() or ["?"])[0]
        raise BenchError(f"{path}: its array {name} cannot be read ({reason}); {FIX}") from None
    if name != "ids" and array.dtype.kind not in "fiu":
        raise BenchError(f"{path}: its array {name} holds {array.dtype}, not numbers; {FIX}")
    found: np.ndarray = array
    return found
