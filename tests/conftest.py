"""What the tests share: tiny videos they make themselves, and the folder of real clips where it is there."""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

# Set before torch and OpenCV are imported: the tensors here are tiny, threads that wait for each other cost more than
# they give, above all where the tests run on every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

import numpy as np
import pytest

from benchmark_builder.masks.stored import write_masks
from benchmark_builder.video.encode import FFV1, open_video

CLIPS = Path(os.environ.get("BENCH_CLIPS") or Path(__file__).parent.parent.parent / "shared" / "clips")


@pytest.fixture
def clips() -> Path:
    """The folder of real clips; the test is skipped where it is missing."""
    if not CLIPS.is_dir():
        pytest.skip(f"no real clips at {CLIPS}; set BENCH_CLIPS")
    return CLIPS


@pytest.fixture(autouse=True, scope="session")
def _own_data_root_of_shared_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a whole module shares is made before a test's own data root is set: it has another."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("BENCH_DATA", str(tmp_path_factory.mktemp("shared-data")))
        monkeypatch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("shared-cache")))
        yield


@pytest.fixture(autouse=True)
def _own_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test reads or writes the user's data or runs."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield


def moving_square(frames: int = 8, height: int = 32, width: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A noisy video with a square actor that moves: uint8 (T, H, W, 3) RGB and bool (T, H, W)."""
    rng = np.random.default_rng(seed)
    video = rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    masks = np.zeros((frames, height, width), dtype=bool)
    for k in range(frames):
        masks[k, 8:20, 4 + k : 16 + k] = True
    return video, masks


def write_video(path: Path, video: np.ndarray, fps: float = 10.0) -> None:
    """Write frames, uint8 (T, H, W, 3), without loss."""
    with open_video(path, video.shape[2], video.shape[1], fps, FFV1) as encoder:
        for frame in video:
            encoder.write(frame)


def make_actions(root: Path, per_class: int = 2, frames: int = 8, height: int = 32, width: int = 48) -> Path:
    """A dataset in UCF101's layout, with stored masks: two real class names, lossless videos."""
    for c, name in enumerate(("Archery", "Basketball")):
        for k in range(per_class):
            video, masks = moving_square(frames, height, width, seed=10 * c + k)
            stem = f"v_{name}_g{k + 1:02d}_c01"
            write_video(root / "videos" / name / f"{stem}.mkv", video)
            write_masks(root / "masks" / name / f"{stem}.zip", masks)
    return root


@pytest.fixture
def folder_of_actions(tmp_path: Path) -> Callable[..., Path]:
    """:func:`make_actions` in the test's own folder."""
    return functools.partial(make_actions, tmp_path / "ucf")
