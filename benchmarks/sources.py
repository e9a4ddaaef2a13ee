"""What the builder's benchmarks work on: a dataset in UCF101's layout, with boxes as stored masks."""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmark_builder.frames import probe, read_frames
from benchmark_builder.masks.stored import write_masks

CLIPS = Path(os.environ.get("BENCH_CLIPS") or Path(__file__).parent.parent.parent / "shared" / "clips")
CLIP = CLIPS / "ucf101" / "videos" / "SoccerJuggling" / "v_SoccerJuggling_g23_c01.avi"


def clip(folder: Path) -> Path:
    """A real UCF101 clip (320x240, 240 frames) where the clips are at hand, else a rendered one of that size."""
    if CLIP.is_file():
        return CLIP
    from benchmark_builder.encode import open_video
    from benchmark_builder.synthactions import SynthSettings, render_clip

    print("no real clips (set BENCH_CLIPS): taking a rendered one")
    settings = SynthSettings(size=240, width=320, frames=240, fps=30, train=1, test=0)
    frames = render_clip(settings, "train", 0)[0]
    path = folder / "rendered.mp4"
    with open_video(path, 320, 240, 30) as encoder:
        for frame in frames:
            encoder.write(frame)
    return path


def dataset(folder: Path, videos: int) -> Path:
    """``videos`` copies of one clip as UCF101, its box (about a seventh of the picture) as masks."""
    source = clip(folder)
    info, count = probe(source), sum(1 for _ in read_frames(source))
    root = folder / "ucf101"
    masks = np.zeros((count, info.height, info.width), bool)
    masks[:, info.height // 5 : info.height * 7 // 10, info.width // 3 : info.width * 3 // 5] = True
    for k in range(videos):
        name = f"SoccerJuggling/v_SoccerJuggling_g{k + 1:02d}_c01"
        target = root / "videos" / f"{name}{source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        write_masks(root / "masks" / f"{name}.zip", masks)
    return root


def pictures(folder: Path, count: int = 20) -> Path:
    """Background pictures as JPEG, 256x256 like Places365's."""
    import cv2

    from benchmark_builder.backgrounds.plain import Noise
    from benchmark_builder.rng import generator

    target = folder / "pictures"
    target.mkdir()
    for k in range(count):
        image = Noise().image(generator(0, "picture", str(k)), 256, 256)[0]
        cv2.imwrite(str(target / f"{k:04d}.jpg"), image)
    return target


def cost(command: list[object]) -> tuple[float, float]:
    """Run a command to its end: (CPU seconds of it and its children, wall seconds). Start-up is included."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - start


def build_command(root: Path, out: Path, *options: object) -> list[object]:
    """`bench build scuba` on that dataset."""
    masks = f"stored:{root / 'masks'}"
    return [sys.executable, "-m", "bench", "build", "scuba", "--dataset", "ucf101", "--root", root, "--split", "all",
            "--masks", masks, "--out", out, *options]  # fmt: skip
