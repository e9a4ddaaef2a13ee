"""The data for the measurements of the builder: a dataset in UCF101's layout, with boxes as masks.

All files are written below ``$TMPDIR``. On a disk, the system time depends on the state of the disk;
`TMPDIR=/dev/shm` avoids this for both sides.
"""

import os
import pickle
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from measure import NotMeasured, videos_of

from benchmark_builder.layouts.layout import jpeg
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.decode import probe, read_frames

CLIPS = Path(os.environ.get("BENCH_CLIPS") or Path(__file__).parent.parent.parent / "shared" / "clips")
USUAL = Path("ucf101") / "videos" / "SoccerJuggling" / "v_SoccerJuggling_g23_c01.avi"


def real_clip(clips: Path | None) -> Path:
    """A UCF101 clip of 320x240 below this folder: the usual one, else the longest of up to 800 frames (:func:`box`).

    Raises:
        NotMeasured: there is none.
    """
    if clips and (clips / USUAL).is_file():
        return clips / USUAL
    found = []
    for path in videos_of(clips, "ucf101"):
        try:
            info, frames = probe(path), sum(1 for _ in read_frames(path))
        except BenchError:  # a file that cannot be read is no candidate
            continue
        if (info.width, info.height) == (320, 240) and 32 <= frames <= 800:
            found.append((frames, path))
    if not found:
        raise NotMeasured(f"no video of 320x240 pixels and 32 to 800 frames below {clips and clips.name}/ucf101")
    return max(found)[1]


def clip(folder: Path) -> Path:
    """A real UCF101 clip (320x240, 240 frames) if the clips are available, otherwise a rendered one of that size."""
    if (CLIPS / USUAL).is_file():
        return CLIPS / USUAL
    from benchmark_builder.synthactions import SynthSettings, render_clip
    from benchmark_builder.video.encode import open_video

    print("no real clips (set BENCH_CLIPS): using a rendered one")
    settings = SynthSettings(size=240, width=320, frames=240, fps=30, train=1, test=0)
    frames = render_clip(settings, "train", 0)[0]
    path = folder / "rendered.mp4"
    with open_video(path, 320, 240, 30) as encoder:
        for frame in frames:
            encoder.write(frame)
    return path


def box(frame: int) -> tuple[int, int, int, int]:
    """The actor's box in a frame, x, y, width, height in pixels of 320x240: it moves slowly, and covers about 1/7."""
    return 100 + frame // 6, 48 + frame // 12, 86, 120


def dataset(folder: Path, videos: int, source: Path | None = None) -> Path:
    """``videos`` copies of one clip as UCF101, with boxes in the format of UCF101-24's pyannot.pkl."""
    source = source or clip(folder)
    count = sum(1 for _ in read_frames(source))
    root, table = folder / "ucf101", {}
    boxes = np.array([box(k) for k in range(count)], np.int16)
    for k in range(videos):
        name = f"SoccerJuggling/v_SoccerJuggling_g{k + 1:02d}_c01"
        target = root / "videos" / f"{name}{source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        tube = {"label": 0, "sf": 0, "ef": count, "boxes": boxes}
        table[name] = {"numf": count, "label": 0, "annotations": [tube]}
    (root / "annotations").mkdir()
    (root / "annotations" / "pyannot.pkl").write_bytes(pickle.dumps(table, protocol=2))
    return root


def pictures(folder: Path, count: int = 20) -> Path:
    """Background pictures as JPEG, 256x256 as in Places365: noise with the spectrum of photographs (amplitude 1/f)."""
    from benchmark_builder.utils.rng import generator

    target = folder / "pictures"
    target.mkdir()
    y, x = np.mgrid[:256, :256] - 128
    falling = 1 / np.maximum(np.hypot(x, y), 1)[..., None]
    for k in range(count):
        noise = generator(0, "picture", str(k)).normal(size=(256, 256, 3))
        spectrum = np.fft.fftshift(np.fft.fft2(noise, axes=(0, 1)), axes=(0, 1)) * falling
        image = np.fft.ifft2(np.fft.ifftshift(spectrum, axes=(0, 1)), axes=(0, 1)).real
        image = 128 + 50 * image / image.std()
        (target / f"{k:04d}.jpg").write_bytes(jpeg(np.clip(image, 0, 255).astype(np.uint8)))
    return target


def cost(command: list[object]) -> tuple[float, float]:
    """Run a command: (CPU seconds of it and its children, wall seconds), including start-up."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - start


def build_command(root: Path, out: Path, *options: object, masks: str | None = None) -> list[object]:
    """`bench build scuba` on that dataset."""
    masks = masks or f"ucf101-24:{root / 'annotations' / 'pyannot.pkl'}"
    where = ["--dataset", "ucf101", "--root", root, "--split", "all"]
    return [sys.executable, "-m", "albar_bench", "build", "scuba", *where, "--masks", masks, "--out", out, *options]
