"""Masks of `motion` and `people` against people outlined by hand in real clips, and against UCF101-24's boxes.

    BENCH_CLIPS=FOLDER python perf/mask_quality.py

Prints, per clip and source: the mean IoU of three frames, with people who do not act counted as wrong and left out;
CPU ms per frame (one thread); confidence. Then, for the clip with boxes: the share of the mask inside the box, the
share of the box that is filled, and flicker (1 - mean IoU of neighbouring frames' masks).
"""

import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.masks import mask_source
from benchmark_builder.masks.motion.source import MotionTrack, Outline, follow
from benchmark_builder.masks.networks.prompts import prompt_boxes
from benchmark_builder.masks.people.source import Found, PeopleMasks, Prompted
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

BOXED = "SoccerJuggling/v_SoccerJuggling_g23_c01"


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two bool masks, 0..1; 1 if both are empty."""
    either = int((a | b).sum())
    return float((a & b).sum() / either) if either else 1.0


def timed(frames: list[np.ndarray], outline: Outline | None) -> tuple[MotionTrack, float]:
    """The masks of a clip, and CPU ms per frame."""
    height, width = frames[0].shape[:2]
    start = time.process_time()
    track = follow(iter(frames), height, width, outline)
    return track, (time.process_time() - start) / len(frames) * 1e3


def against_boxes(track: MotionTrack, boxes: list) -> str:
    """Figures of a clip with one annotated box per frame."""
    inside, filled, same, before = [], [], [], None
    for k in range(min(len(boxes), len(track.covered))):
        mask = track.mask(k)
        if not boxes[k] or not mask.any():
            before = mask
            continue
        _, x1, y1, x2, y2 = boxes[k][0]
        inside.append(mask[y1:y2, x1:x2].sum() / mask.sum())
        filled.append(mask[y1:y2, x1:x2].mean())
        if before is not None:
            same.append(iou(mask, before))
        before = mask
    return f"inside the box {np.mean(inside):.3f}, box filled {np.mean(filled):.3f}, flicker {1 - np.mean(same):.3f}"


def threefold(frames: list[np.ndarray], track: MotionTrack) -> list[np.ndarray]:
    """The same clip with its person three times: pasted 90 pixels to the left and to the right as well."""
    crowd = []
    for k, frame in enumerate(frames):
        picture, mask = frame.copy(), track.mask(k)
        for shift in (-90, 90):
            moved = np.roll(mask, shift, axis=1)
            picture[moved] = np.roll(frame, shift, axis=1)[moved]
        crowd.append(picture)
    return crowd


def main() -> None:
    """Print the table."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
    from people_labels import people_mask, read_labels

    clips = Path(os.environ["BENCH_CLIPS"])
    cv2.setNumThreads(1)
    people = mask_source("people", clips)
    assert isinstance(people, PeopleMasks)
    rows: dict[str, list[tuple[float, float]]] = {"motion": [], "people": []}
    for name, labels in read_labels().items():
        frames = list(read_frames(clips / name))
        for kind, outline in (("motion", None), ("people", Found(people.networks))):
            track, cost = timed(frames, outline)
            strict, loose = [], []
            for index in labels.frames:
                actor = people_mask(labels, index, "actor")
                other = people_mask(labels, index, "other") & ~actor
                mask = track.mask(index)
                strict.append(iou(mask, actor))
                loose.append(iou(mask & ~other, actor))
            rows[kind].append((float(np.mean(strict)), float(np.mean(loose))))
            each = " ".join(f"{v:.2f}" for v in loose)
            print(
                f"{Path(name).stem[:24]:24} {kind:6} IoU {np.mean(strict):.3f}, others left out {np.mean(loose):.3f} "
                f"({each})  {cost:5.1f} ms  confidence {track.confidence.mean():.2f}",
                flush=True,
            )
            if BOXED in name:
                video = Video(BOXED, clips / name, 0, "SoccerJuggling", "all", "ucf101")
                source = mask_source(f"ucf101-24:{clips}/annotations/ucf101_24_pyannot.pkl", clips)
                boxes = prompt_boxes(source.track(video, *frames[0].shape[:2]), *frames[0].shape[:2], BOXED)
                print(f"{'':24} {kind:6} {against_boxes(track, boxes)}", flush=True)
                if kind == "people":
                    _, three = timed(threefold(frames, track), Found(people.networks))
                    print(f"{'':24} people, three persons: {three:.1f} ms", flush=True)
                    track, cost = timed(frames, Prompted(people.networks, boxes))
                    print(
                        f"{'':24} people --prompts ucf101-24: {against_boxes(track, boxes)}  {cost:5.1f} ms", flush=True
                    )
    for kind, means in rows.items():
        strict, loose = np.mean(means, axis=0)
        print(f"{kind}: mean IoU {strict:.3f}, others left out {loose:.3f}")


if __name__ == "__main__":
    main()
