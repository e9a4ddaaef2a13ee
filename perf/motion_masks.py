"""The quality of the `motion` masks on real clips and on synthactions, and their speed and memory.

python perf/motion_masks.py                       # real clips from $BENCH_CLIPS (default ../shared/clips)
python perf/motion_masks.py --sheets FOLDER       # also contact sheets
python perf/motion_masks.py --synth 24            # mean IoU on 24 synthactions videos of 240 pixels
python perf/motion_masks.py --memory 1000         # peak memory over 1,000 frames of 1080p
"""

import argparse
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.masks.annotations.ucf101_24 import BoxTrack, UCF101_24Boxes
from benchmark_builder.masks.base import MaskTrack
from benchmark_builder.masks.motion.source import MotionMasks, follow
from benchmark_builder.synthactions import SynthSettings
from benchmark_builder.synthactions.render import render_clip
from benchmark_builder.utils.errors import LeftOut
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.record import Video

CLIPS = Path(os.environ.get("BENCH_CLIPS", Path(__file__).resolve().parents[1] / "../shared/clips"))


def box_bar(track: MaskTrack, boxes: BoxTrack) -> tuple[float, float, float]:
    """Compares masks with loose annotated boxes, over the annotated frames.

    Returns:
        Share of frames in which 85 % of the mask is inside the box and the mask fills 12 to 60 % of the box; and the
        medians of both shares. A frame without a mask fails.
    """
    inside, fill = [], []
    for t in np.flatnonzero(boxes.covered):
        if t >= len(track.covered) or not track.covered[t]:
            inside.append(0.0)
            fill.append(0.0)
            continue
        mask, box = track.mask(int(t)), boxes.mask(int(t))
        both = (mask & box).sum()
        inside.append(both / max(1, mask.sum()))
        fill.append(both / max(1, box.sum()))
    a, b = np.array(inside), np.array(fill)
    return float(((a >= 0.85) & (b >= 0.12) & (b <= 0.6)).mean()), float(np.median(a)), float(np.median(b))


def real(sheets: Path | None) -> None:
    """For every real clip: frames per second on one thread, covered frames, confidence, and if boxes exist, the test
    above."""
    table = UCF101_24Boxes(CLIPS / "annotations/ucf101_24_pyannot.pkl", CLIPS)
    print(f"{'clip':45} {'fps':>6} {'covered':>8} {'conf.':>6} {'area':>6}  bar (median inside, fill)")
    for path in sorted(p for p in CLIPS.rglob("*") if p.suffix in (".avi", ".mp4") and p.stem != "corrupted"):
        info = probe(path)
        video = Video(path.stem, path, 0, path.parent.name, "all", "real")
        start = time.process_time()
        try:
            track = MotionMasks(None, CLIPS).track(video, info.height, info.width)
        except LeftOut as reason:
            print(f"{path.stem[:45]:45} {'':6} left out: {reason}")
            continue
        speed = len(track.covered) / (time.process_time() - start)
        area = np.mean([track.mask(int(t)).mean() for t in np.flatnonzero(track.covered)])
        line = (
            f"{path.stem[:45]:45} {speed:6.1f} {track.covered.mean():8.2f} {track.confidence.mean():6.2f} {area:6.3f}"
        )
        try:
            line += "  {:.3f} ({:.2f}, {:.2f})".format(*box_bar(track, table.track(video, info.height, info.width)))
        except LeftOut:
            pass
        print(line, flush=True)
        if sheets:
            sheet(path, track, sheets / f"{path.stem}.png")


def sheet(path: Path, track: MaskTrack, out: Path) -> None:
    """Twenty frames, darkened outside the mask; frames without a mask are grey."""
    count = len(track.covered)
    wanted = set(np.linspace(0, count - 1, 20).astype(int).tolist())
    tiles = []
    for t, frame in enumerate(read_frames(path)):
        if t in wanted:
            shown = frame // 3 + (0 if track.covered[t] else 50)
            mask = track.mask(t) & bool(track.covered[t])
            shown[mask] = frame[mask]
            tiles.append(cv2.resize(shown, (240, 180), interpolation=cv2.INTER_AREA))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 5)
    rows = [np.hstack(tiles[i : i + 5]) for i in range(0, len(tiles), 5)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(cv2.imencode(out.suffix, np.vstack(rows)[..., ::-1])[1].tobytes())


def synth(count: int, size: int, frames: int) -> None:
    """Mean IoU with the exact masks, with a still camera (as rendered) and with a panning one."""
    scores: dict[str, list[float]] = {"still": [], "panning": []}
    for index in range(count):
        settings = SynthSettings(size=size, width=size * 4 // 3, frames=frames, fps=20)
        images, masks, _ = render_clip(settings, "test_unbiased", index)
        scores["still"].append(_iou(images, masks))
        wide = SynthSettings(size=size * 3 // 2, width=size * 2, frames=frames, fps=20)
        images, masks, _ = render_clip(wide, "test_unbiased", index)
        y = (size / 4 + size / 6 * np.cos(np.arange(frames) / 17)).astype(int)
        x = (size / 3 + size / 4 * np.sin(np.arange(frames) / 12)).astype(int)
        view = [(slice(a, a + size), slice(b, b + size * 4 // 3)) for a, b in zip(y, x, strict=True)]
        scores["panning"].append(
            _iou(
                np.stack([im[v] for im, v in zip(images, view, strict=True)]),
                np.stack([m[v] for m, v in zip(masks, view, strict=True)]),
            )
        )
    for name, values in scores.items():
        q = np.percentile(values, [25, 50, 75])
        print(
            f"synthactions {size} px, {count} videos of {frames} frames, camera {name}: mean IoU {np.mean(values):.3f}"
            f" (quartiles {q[0]:.2f} {q[1]:.2f} {q[2]:.2f})"
        )


def _iou(images: np.ndarray, masks: np.ndarray) -> float:
    track = follow(images, *images.shape[1:3])
    found = np.stack([track.mask(t) for t in range(len(images))])
    both, either = (found & masks).sum(axis=(1, 2)), (found | masks).sum(axis=(1, 2))
    return float((both / np.maximum(either, 1)).mean())


def memory(count: int) -> None:
    """Peak resident memory for ``count`` frames of 1080p, which are made one by one."""

    def frames() -> Iterator[np.ndarray]:
        scene = np.random.default_rng(0).integers(0, 255, (68, 122, 3)).astype(np.uint8)
        wall = cv2.resize(scene, (1952, 1088), interpolation=cv2.INTER_CUBIC)
        for t in range(count):
            frame = wall[:1080, :1920].copy()
            x = 300 + int(600 * (1 + np.sin(t / 40)))
            cv2.rectangle(frame, (x, 300), (x + 200, 900), (200, 40 + t % 50, 30), -1)
            yield frame

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    follow(frames(), 1080, 1920)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{count} frames of 1080p: peak {peak / 1024:.0f} MiB, {(peak - before) / 1024:.0f} MiB above the start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets of the real clips")
    parser.add_argument("--synth", type=int, default=0, metavar="VIDEOS")
    parser.add_argument("--size", type=int, default=240, help="height of the synthactions videos")
    parser.add_argument("--frames", type=int, default=40, help="length of the synthactions videos")
    parser.add_argument("--memory", type=int, default=0, metavar="FRAMES")
    options = parser.parse_args()
    if options.memory:
        memory(options.memory)
    if options.synth:
        synth(options.synth, options.size, options.frames)
    if not options.memory and not options.synth:
        real(options.sheets)


if __name__ == "__main__":
    main()
