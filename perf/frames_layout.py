"""Compares the frames layout with the published procedure: CPU seconds for the same clips, pictures and JPEG quality.

    BENCH_CLIPS=CLIPS python perf/frames_layout.py

A plain version of the published scripts (StillMix, ICCV 2023) reads each JPEG frame with imageio, resizes the
background with Pillow for every frame, composites in floating point, and writes with imageio at quality 75. It starts
from extracted frames; this toolkit starts from the video, and its decoding counts. Each side is one process, including
its start-up. There are two ratios: for a script that reads a frame again for each background (a loop over output
folders), and for one that reads it once.

*The floor* is a program that decodes each video once, copies every frame as often as there are backgrounds, and writes
the copies as JPEG with OpenCV at the same quality: no masks, backgrounds, digests or tables. How many times as long the
build takes is the third ratio.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from measure import NotMeasured, Row, Turns, needs, run, show, timed
from sources import CLIPS, box, build_command, dataset, pictures, real_clip

BACKGROUNDS, QUALITY = 5, 75
PUBLISHED = {
    "published": "the published box script, frames read per background",
    "published-read-once": "the published box script, frames read once",
}
ROLES = (*PUBLISHED, "floor")


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
                    imageio.imwrite(out / f"{video.name}__{n}" / name.name, image.astype(np.uint8), quality=QUALITY)


def extract(root: Path, target: Path) -> None:
    """Write frames as JPEG with quality 95, the input of the published scripts (not measured)."""
    from benchmark_builder.layouts.layout import JPEG_NAME, jpeg
    from benchmark_builder.video.decode import read_frames

    for video in sorted((root / "videos").rglob("*.*")):
        folder = target / video.stem
        folder.mkdir(parents=True)
        for k, frame in enumerate(read_frames(video), 1):
            (folder / JPEG_NAME.format(k)).write_bytes(jpeg(frame))


def floor(videos: Path, out: Path) -> None:
    """Decode, copy, JPEG."""
    import av
    import cv2

    cv2.setNumThreads(1)
    for path in sorted(videos.rglob("*.*")):
        folders = [out / f"{path.stem}__{n}" for n in range(BACKGROUNDS)]
        for folder in folders:
            folder.mkdir(parents=True)
        with av.open(str(path)) as container:
            container.streams.video[0].thread_count = 1
            for k, frame in enumerate(container.decode(video=0), 1):
                picture = frame.to_ndarray(format="bgr24")
                for folder in folders:
                    data = cv2.imencode(".jpg", picture.copy(), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
                    (folder / f"{k:06d}.jpg").write_bytes(data)


def rows(clips: Path | None, rounds: int = 3, videos: int = 5) -> Iterator[Row]:
    """The build against the published procedure (both ways) and against the floor."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, images = dataset(folder, videos, real_clip(clips)), pictures(folder)
        extract(root, folder / "frames")
        flags = ("--layout", "frames", "--jpeg-quality", QUALITY, "--per-video", BACKGROUNDS, "--workers", 1)
        made = {"ours": build_command(root, folder / "ours", "--backgrounds", f"images:{images}", *flags)}
        made |= {r: [sys.executable, __file__, "--role", r, "--folder", folder] for r in ROLES}
        if missing := _no_imageio():
            made = {side: command for side, command in made.items() if side not in PUBLISHED}
        counts, found = dict[str, int](), Turns({side: [] for side in made})
        for k in range(rounds):
            for side in [*made][k % len(made) :] + [*made][: k % len(made)]:
                found.seconds[side].append(timed(lambda side=side: run(made[side])))
                counts[side] = sum(1 for _ in (folder / side).rglob("*.jpg"))
                shutil.rmtree(folder / side)
        if len(set(counts.values())) > 1:
            raise NotMeasured(f"the sides wrote different numbers of pictures: {counts}")
        title = f"SCUBA as JPEG frames, {counts['ours']:,} frames"
        for role, against in PUBLISHED.items():
            goal = 10.0 if role == "published" else None  # the published loop is over output folders
            if missing:
                yield Row(title, against, goal=goal, missing=missing)
            else:
                yield Row(title, against, found.ratios(role), goal, note=_each(found, role, counts["ours"]))
        values, note = found.ratios("ours", "floor"), _each(found, "floor", counts["ours"])
        yield Row(title, "decode + copy + JPEG alone", values, 1.35, at_most=True, note=note)


def _no_imageio() -> str:
    try:
        needs("imageio")
    except NotMeasured as error:
        return str(error)
    return ""


def _each(found: Turns, side: str, frames: int) -> str:
    other, mine = (1000 * median(found.seconds[name]) / frames for name in (side, "ours"))
    return f"{other:.2f} and {mine:.2f} ms per frame"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=5, help="source videos of 240 frames, five backgrounds each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role == "floor":
        floor(given.folder / "ucf101" / "videos", given.folder / given.role)
    elif given.role:
        out = given.folder / given.role
        published(given.folder / "frames", given.folder / "pictures", out, given.role.endswith("once"))
    else:
        show(rows(CLIPS, given.rounds, given.videos))


if __name__ == "__main__":
    main()
