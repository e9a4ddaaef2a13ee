"""Compares the frames layout with the published procedure: CPU seconds for the same clips, pictures and JPEG quality.

    python perf/frames_layout.py

A plain version of the published scripts (StillMix, ICCV 2023) reads each JPEG frame with imageio, resizes the
background with Pillow for every frame, composites in floating point, and writes with imageio at quality 75. It starts
from extracted frames; this toolkit starts from the video, and its decoding counts. Each side is one process, including
its start-up. There are two ratios: for a script that reads a frame again for each background (a loop over output
folders), and for one that reads it once.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from sources import box, build_command, cost, dataset, pictures

BACKGROUNDS = 5


def published(frames: Path, backgrounds: Path, out: Path, read_once: bool) -> None:
    """The published procedure, on one folder of frames per video, with a box as mask."""
    import imageio.v2 as imageio
    from PIL import Image

    rng = np.random.default_rng(0)
    choices = sorted(backgrounds.iterdir())
    for video in sorted(frames.iterdir()):
        names = sorted(video.iterdir())
        drawn = [Image.open(choices[int(rng.integers(len(choices)))]) for _ in range(BACKGROUNDS)]
        for n in range(BACKGROUNDS):
            (out / f"{video.name}__{n}").mkdir(parents=True)
        loops = [(range(BACKGROUNDS),)] if read_once else [((n,),) for n in range(BACKGROUNDS)]
        for (numbers,) in loops:
            for k, name in enumerate(names):
                frame = imageio.imread(name)
                height, width = frame.shape[:2]
                mask = np.zeros((height, width, 1))
                x, y, w, h = box(k)
                mask[y : y + h, x : x + w] = 1
                for n in numbers:
                    background = np.array(drawn[n].resize((width, height)))
                    image = frame * mask + background * (1 - mask)
                    imageio.imwrite(out / f"{video.name}__{n}" / name.name, image.astype(np.uint8), quality=75)


def extract(root: Path, target: Path) -> None:
    """Write frames as JPEG with quality 95, the input of the published scripts (not measured)."""
    from benchmark_builder.layouts.layout import JPEG_NAME, jpeg
    from benchmark_builder.video.decode import read_frames

    for video in sorted((root / "videos").rglob("*.*")):
        folder = target / video.stem
        folder.mkdir(parents=True)
        for k, frame in enumerate(read_frames(video), 1):
            (folder / JPEG_NAME.format(k)).write_bytes(jpeg(frame))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=17, help="source videos of 240 frames, five backgrounds each")
    parser.add_argument("--role", choices=["published", "published-read-once"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        out = options.folder / options.role
        published(options.folder / "frames", options.folder / "pictures", out, options.role.endswith("once"))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = dataset(folder, options.videos)
        images = pictures(folder)
        extract(root, folder / "frames")
        flags = ("--layout", "frames", "--jpeg-quality", 75, "--per-video", BACKGROUNDS, "--workers", 1)
        ours, _ = cost(build_command(root, folder / "ours", "--backgrounds", f"images:{images}", *flags))
        made = sum(1 for _ in (folder / "ours" / "videos").rglob("*.jpg"))
        print(f"{made} composed frames; bench build: {ours:.1f} CPU s ({1000 * ours / made:.2f} ms per frame)")
        for role in ("published", "published-read-once"):
            theirs, _ = cost([sys.executable, __file__, "--role", role, "--folder", folder])
            assert sum(1 for _ in (folder / role).rglob("*.jpg")) == made
            print(f"{role}: {theirs:.1f} CPU s ({1000 * theirs / made:.2f} ms per frame), ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
