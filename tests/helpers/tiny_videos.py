"""Makes tiny videos for tests."""

import functools
import tempfile
from pathlib import Path

import numpy as np

from benchmark_builder.masks.stored import write_masks
from benchmark_builder.video.encode import FFV1, open_video


def moving_square(frames: int = 8, height: int = 32, width: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A noisy video with a moving square as actor: uint8 (T, H, W, 3) RGB, and its mask, bool (T, H, W)."""
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
    """A dataset in UCF101's layout with stored masks, two real class names and lossless videos."""
    for name, data in _actions(per_class, frames, height, width).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


@functools.cache  # encoding takes five times as long, and most tests use the same videos
def _actions(per_class: int, frames: int, height: int, width: int) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for c, name in enumerate(("Archery", "Basketball")):
            for k in range(per_class):
                video, masks = moving_square(frames, height, width, seed=10 * c + k)
                stem = f"v_{name}_g{k + 1:02d}_c01"
                write_video(root / "videos" / name / f"{stem}.mkv", video)
                write_masks(root / "masks" / name / f"{stem}.zip", masks)
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
