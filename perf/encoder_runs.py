"""Encodes equal frames many times in one process whose memory is in another state every time, and compares the files.

    python perf/encoder_runs.py --runs 3000
    python perf/encoder_runs.py --runs 300 --unprotected    # x264 in memory as it is: how often files differ

Sizes (odd ones too), frame rates, qualities and pixel formats vary. Before every run, memory is filled with random
bytes and partly freed, in several threads, and other videos are encoded and decoded. Each file must have the bytes of
the first run with these frames, and its frames and their rate must be those of a new process of ffmpeg.
"""

import argparse
import collections
import contextlib
import ctypes
import hashlib
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmark_builder.layouts.video import to_planes
from benchmark_builder.utils import malloc
from benchmark_builder.video import encode
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.encode import FFV1, H264, H264_EXACT, Encoder
from benchmark_builder.video.ffmpeg import open_animation

SIDES = [
    (64, 48), (320, 240), (112, 112), (71, 48), (50, 34), (33, 21), (96, 65), (128, 96), (2, 2), (1, 1), (160, 120),
    (231, 179), (98, 250),
]  # fmt: skip
RATES = [25, 23.976, 29.97, 12.5, 30, 8.333333, 1, 59.94]
BLOCKS = [24, 100, 500, 1000, 2000, 9000, 20_000, 50_000, 83_000, 100_000, 140_000, 170_000, 500_000, 1_600_000]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3000, help="encoded files")
    parser.add_argument("--cases", type=int, default=60, help="different videos and settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unprotected", action="store_true", help="do not zero x264's memory")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    if options.unprotected:
        encode._needs_zeroed = lambda *_: False
    else:
        print(f"memory can be zeroed here: {malloc.can_zero()}")
    with tempfile.TemporaryDirectory() as name:
        start = time.process_time()
        cases = [case(rng) for _ in range(options.cases)]
        expected = [by_ffmpeg(Path(name), *c) for c in cases]
        files = [collections.Counter[str]() for _ in cases]
        other_frames = set()
        kept: list[int] = []
        for _ in range(options.runs):
            k = int(rng.integers(len(cases)))
            disturb(rng, kept, Path(name))
            path = Path(name) / "a.mp4"
            write(path, *cases[k])
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest not in files[k] and shown(path) != expected[k]:
                other_frames.add(k)
            files[k][digest] += 1
    differ = sum(sum(c.values()) - max(c.values(), default=0) for c in files)
    print(f"{options.runs} files of {options.cases} videos: {differ} differ from most others of the same frames, in "
          f"{sum(len(c) > 1 for c in files)} videos; frames or rates are not those of ffmpeg's process in "
          f"{len(other_frames)} videos {[describe(*cases[k]) for k in sorted(other_frames)]}; "
          f"{time.process_time() - start:.0f} CPU s")  # fmt: skip


def case(rng: np.random.Generator) -> tuple[np.ndarray, float, dict, str]:
    """Frames, frames per second, codec and pixel format."""
    width, height = SIDES[rng.integers(len(SIDES))]
    count = int(rng.integers(1, 17))
    rough = rng.integers(0, 256, (height // 8 + 8, width // 8 + 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    step = rng.integers(0, 4, 2)
    frames = np.stack([rough[step[0] * k % 50 :, step[1] * k % 50 :][:height, :width] for k in range(count)])
    if noise := rng.integers(0, 30):
        frames = np.clip(frames + rng.integers(-noise, noise, frames.shape), 0, 255).astype(np.uint8)
    codec = dict(H264_EXACT) if rng.random() < 0.15 else H264 | {"crf": int(rng.choice([10, 10, 18, 28]))}
    pixels = "yuv420p" if width % 2 == height % 2 == 0 and rng.random() < 0.6 else "rgb24"
    return frames, float(rng.choice(RATES)), codec, pixels


def describe(frames: np.ndarray, fps: float, codec: dict, pixels: str) -> str:
    return f"{frames.shape[2]}x{frames.shape[1]}, {len(frames)} frames, {fps} fps, {codec}, {pixels}"


def by_ffmpeg(folder: Path, frames: np.ndarray, fps: float, codec: dict, pixels: str) -> object:
    path = folder / "process.mp4"
    with open_animation(path, frames.shape[2], frames.shape[1], fps, codec, pixels) as process:
        for frame in frames:
            process.write(frame if pixels == "rgb24" else to_planes(frame))
    return shown(path)


def write(path: Path, frames: np.ndarray, fps: float, codec: dict, pixels: str) -> None:
    encoder = Encoder(path, frames.shape[2], frames.shape[1], fps, codec, pixels)
    for frame in frames:
        encoder.write(frame if pixels == "rgb24" else to_planes(frame))
    encoder.close()


def shown(path: Path) -> object:
    """What a reader gets: the digest of the frames, their number, and the frame rate."""
    frames = list(read_frames(path))
    return hashlib.sha256(b"".join(f.tobytes() for f in frames)).hexdigest(), len(frames), probe(path).fps


def disturb(rng: np.random.Generator, kept: list[int], folder: Path) -> None:
    """Leave used memory behind: blocks of many sizes with random bytes, some of them kept until later."""
    libc = ctypes.CDLL(None)
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None

    def fill(seed: int) -> None:
        own = np.random.default_rng(seed)
        noise = own.bytes(1 << 16)
        blocks = []
        for _ in range(own.integers(1, 60)):
            size = int(BLOCKS[own.integers(len(BLOCKS))] * own.uniform(0.5, 1.5))
            block = libc.malloc(size)
            for at in range(0, size, len(noise)):
                ctypes.memmove(block + at, noise, min(len(noise), size - at))
            blocks.append(block)
        own.shuffle(blocks)
        for block in blocks:
            if own.random() < 0.9:
                libc.free(block)
            else:
                kept.append(block)

    fill(int(rng.integers(1 << 30)))
    if rng.random() < 0.1:
        threads = [threading.Thread(target=fill, args=(int(rng.integers(1 << 30)),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    while len(kept) > 200:
        libc.free(kept.pop(int(rng.integers(len(kept)))))
    if rng.random() < 0.1:
        frames, fps, codec, _ = case(rng)
        other = folder / "other.mkv"
        with contextlib.suppress(FileNotFoundError):
            other.unlink()
        write(other, frames, fps, FFV1 if rng.random() < 0.5 else codec, "rgb24")
        for _ in read_frames(other):
            if rng.random() < 0.2:
                break


if __name__ == "__main__":
    main()
