"""The weights-free mask source: its parts against known answers, the whole against exact masks and real boxes."""

import json
import os
import pickle
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_videos import write_video

from benchmark_builder.masks import mask_source
from benchmark_builder.masks.annotations.ucf101_24 import UCF101_24Boxes
from benchmark_builder.masks.motion.camera import PIECE, TAIL, background_motion, content_box, overlay, shots
from benchmark_builder.masks.motion.colour import Colours, colour_bins
from benchmark_builder.masks.motion.source import LONG, SHORT, SURE, MotionMasks, MotionTrack, follow
from benchmark_builder.synthactions import SynthSettings
from benchmark_builder.synthactions.render import render_clip
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

CLIPS = Path(os.environ.get("BENCH_CLIPS", Path(__file__).resolve().parents[3] / "../shared/clips"))
needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason="no real clips: set BENCH_CLIPS to their folder")


def textured(height: int, width: int, name: str) -> np.ndarray:
    """A picture full of corners: uint8 (height, width, 3)."""
    rng = generator(0, name, "texture")
    coarse = rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def panning(picture: np.ndarray, count: int, height: int, width: int) -> list[np.ndarray]:
    """A camera that sweeps over a still picture: up to 3 pixels a frame."""
    return [
        np.ascontiguousarray(picture[20 + t // 2 : 20 + t // 2 + height, 10 + 2 * t : 10 + 2 * t + width])
        for t in range(count)
    ]


def walker(count: int, pan: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A textured body crossing a textured scene in 120x200, and its exact masks; ``pan`` moves the camera."""
    scene, body = textured(120, 200 + pan * count, "scene") // 2, textured(60, 24, "body") // 2 + 120
    frames, masks = [], []
    for t in range(count):
        frame = scene[:, pan * t : pan * t + 200].copy()
        x = 20 + 3 * t
        frame[40:100, x : x + 24] = body
        mask = np.zeros((120, 200), bool)
        mask[40:100, x : x + 24] = True
        frames.append(frame)
        masks.append(mask)
    return frames, masks


def mean_iou(track: MotionTrack, masks: list[np.ndarray]) -> float:
    found = [track.mask(t) for t in range(len(masks))]
    return float(np.mean([(a & b).sum() / (a | b).sum() for a, b in zip(found, masks, strict=True)]))


def write(path: Path, frames: list[np.ndarray]) -> Video:
    """A lossless file of the frames and its record."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 25, (width, height))
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    return Video(path.stem, path, 0, "Walk", "all", "made")


# --- the camera


def test_the_background_is_found_although_the_actor_has_more_corners() -> None:
    scene = cv2.cvtColor(textured(240, 320, "wall"), cv2.COLOR_RGB2GRAY)
    truth = np.array([[1.02, 0.01, 3.0], [-0.01, 1.02, -2.0], [0.0, 0.0, 1.0]])
    after = cv2.warpPerspective(scene, truth, (320, 240), borderMode=cv2.BORDER_REPLICATE)
    actor = cv2.resize(cv2.cvtColor(textured(60, 60, "actor"), cv2.COLOR_RGB2GRAY), (130, 170))
    before = scene.copy()
    before[35:205, 90:220], after[35:205, 97:227] = actor, actor
    # A dark wall shows few corners; the actor in front keeps its contrast.
    for image, x in ((before, 90), (after, 97)):
        kept = image[35:205, x : x + 130].copy()
        image[:] = image // 6
        image[35:205, x : x + 130] = kept
    matrix, share = background_motion(before, after)
    points = np.array([[[10.0, 10.0]], [[310.0, 10.0]], [[310.0, 230.0]], [[10.0, 230.0]]])
    wrong = np.linalg.norm(cv2.perspectiveTransform(points, matrix) - cv2.perspectiveTransform(points, truth), axis=2)
    # RANSAC admits corners within 1.5 pixels, which bounds the fit inside the frame; the actor's own motion is 7 off.
    assert wrong.max() < 1.5
    assert share > 0.5


def test_a_still_camera_is_exactly_still() -> None:
    scene = cv2.cvtColor(textured(120, 200, "still"), cv2.COLOR_RGB2GRAY)
    matrix, share = background_motion(scene, scene)
    assert np.array_equal(matrix, np.eye(3))
    assert share == 1.0


def test_nothing_to_track_is_no_motion_and_no_share() -> None:
    blank = np.full((120, 200), 90, np.uint8)
    matrix, share = background_motion(blank, blank)
    assert np.array_equal(matrix, np.eye(3))
    assert share == 0.0


def test_a_cut_divides_and_every_frame_is_kept_in_order() -> None:
    first, second = textured(60, 80, "first"), textured(60, 80, "second")
    frames = [first] * 12 + [second] * 9
    pieces = list(shots(frames))
    assert [(len(p), fresh) for p, fresh in pieces] == [(12, True), (9, True)]
    assert all(a is b for a, b in zip([f for p, _ in pieces for f in p], frames, strict=True))


def test_a_long_shot_is_worked_on_in_pieces_of_bounded_length() -> None:
    count = 3 * PIECE + 7
    frame = textured(60, 80, "long")
    pieces = list(shots(frame for _ in range(count)))
    assert sum(len(p) for p, _ in pieces) == count
    assert all(len(p) < PIECE + TAIL for p, _ in pieces)
    assert [fresh for _, fresh in pieces] == [True] + [False] * (len(pieces) - 1)


def test_black_bars_are_cut_off_and_a_dark_scene_is_not() -> None:
    picture = textured(240, 320, "bars")
    barred = picture.copy()
    barred[:30], barred[210:] = 8, 8
    rows, columns = content_box([barred] * 3)
    assert (30 <= rows.start <= 33, 207 <= rows.stop <= 210) == (True, True)  # 2 more for the bar's blurred edge
    assert (columns.start, columns.stop) == (0, 320)
    assert content_box([np.full((240, 320, 3), 12, np.uint8)]) == (slice(0, 240), slice(0, 320))


def test_a_logo_is_what_stays_while_the_camera_moves() -> None:
    frames = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in panning(textured(300, 500, "street"), 60, 200, 300)]
    for frame in frames:
        cv2.putText(frame, "TV", (230, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 4)
    found = overlay(frames, shift=2.0)
    drawn = np.zeros_like(frames[0])
    cv2.putText(drawn, "TV", (230, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 4)
    assert found[drawn > 0].mean() > 0.9
    assert found[60:].mean() < 0.02
    assert not overlay(frames, shift=0.0).any()  # with the camera at rest, everything stays


# --- colours


def test_colours_tell_actor_from_background_and_are_remembered() -> None:
    frame = np.zeros((20, 20, 3), np.uint8)
    frame[:, :10], frame[:, 10:] = (220, 30, 30), (30, 200, 30)
    bins = colour_bins(frame, (20, 20))
    left = np.zeros((20, 20))
    left[:, :10] = 1.0
    colours = Colours()
    colours.learn([(bins, left, 1.0 - left)])
    odds = colours.odds()[bins]
    assert odds[:, :10].min() == 2.0  # the limit
    assert odds[:, 10:].max() == -2.0
    colours.keep()
    colours.learn([(bins, np.ones((20, 20)), np.ones((20, 20)))])  # this piece says nothing
    assert (colours.odds()[bins][:, :10] > 0.5).all()


# --- the whole


@pytest.mark.parametrize("pan", [0, 2])
def test_a_body_crossing_the_scene_is_found(pan: int) -> None:
    frames, masks = walker(24, pan)
    track = follow(frames, 120, 200)
    assert track.covered.all()
    # The box around it moves 3 pixels a frame and is 24 wide: a mask that lagged by its flow gap of two frames would
    # overlap by (24 - 6) / (24 + 6) = 0.6. The outline itself is exact only to the 2 pixels of the half-size maps.
    assert mean_iou(track, masks) > 0.7


def test_synthactions_masks_are_near_the_exact_ones() -> None:
    scores, trivial = [], []
    for index in range(8):  # one of every class
        images, masks, _ = render_clip(SynthSettings(size=64, frames=5), "test_unbiased", index)
        track = follow(images, 64, 64)
        scores.append(mean_iou(track, list(masks)))
        trivial.append(float(masks.mean()))  # what the whole frame as a mask would score
    # Limbs that rest throughout cannot be found by motion, so the mean is asked for, not each video.
    assert np.mean(scores) > 0.5
    assert np.mean(scores) > 3 * np.mean(trivial)


@pytest.mark.parametrize("moving", [False, True])
def test_a_scene_without_an_actor_is_left_out(tmp_path: Path, moving: bool) -> None:
    picture = textured(300, 500, "empty")
    frames = panning(picture, 24, 200, 300) if moving else [picture[:200, :300].copy()] * 24
    video = write(tmp_path / "empty.mkv", frames)
    with pytest.raises(LeftOut, match="no actor found in empty"):
        MotionMasks(None, tmp_path).track(video, 200, 300)


def test_the_same_masks_on_every_run_whatever_else_uses_opencv(tmp_path: Path) -> None:
    frames, _ = walker(6, 1)
    video = write(tmp_path / "walk.mkv", frames)
    source = MotionMasks(None, tmp_path)
    first = source.track(video, 120, 200)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    cv2.setRNGSeed(99)
    try:
        second = pickle.loads(pickle.dumps(source)).track(video, 120, 200)  # noqa: S301 - made here
        assert cv2.getNumThreads() == 2  # handed back as it was
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(first.confidence, second.confidence)
    assert all(np.array_equal(first.mask(t), second.mask(t)) for t in range(6))


def test_masks_come_at_the_video_s_size() -> None:
    frames, masks = walker(8)
    large = [cv2.resize(f, (600, 360), interpolation=cv2.INTER_CUBIC) for f in frames]
    track = follow(large, 360, 600)
    assert track.mask(0).shape == (360, 600)
    assert track.mask(0).dtype == bool
    wide = [cv2.resize(m.astype(np.uint8), (600, 360), interpolation=cv2.INTER_NEAREST) > 0 for m in masks]
    assert mean_iou(track, wide) > 0.6


@pytest.mark.parametrize(
    ("height", "width", "count"),
    [(1, 1, 3), (8, 8, 5), (24, 24, 9), (30, 200, 3), (400, 20, 6), (33, 47, 7), (48, 48, 1), (48, 48, 2)],
)
@pytest.mark.parametrize("kind", ["noise", "black"])
def test_odd_shapes_and_lengths_do_not_break_it(height: int, width: int, count: int, kind: str) -> None:
    rng = generator(0, f"{height}x{width}x{count}", kind)
    shape = (count, height, width, 3)
    frames = rng.integers(0, 255, shape).astype(np.uint8) if kind == "noise" else np.zeros(shape, np.uint8)
    track = follow(frames, height, width)
    assert len(track.covered) == len(track.confidence) == count
    assert track.mask(count - 1).shape == (height, width)
    assert track.confidence.mean() < SURE


def test_the_working_size_suits_dense_flow() -> None:
    # OpenCV's DIS (finest level 2, patches of 8) crashes below 8 * 2^2 by 32 * 2^1.5 pixels; it is given half the size.
    assert SHORT >= 2 * 32
    assert LONG >= 2 * 32 * 2**1.5


def test_it_is_the_kind_motion_and_describes_itself(tmp_path: Path) -> None:
    source = mask_source("motion", tmp_path)
    assert isinstance(source, MotionMasks)
    assert json.loads(json.dumps(source.describe()))["kind"] == "motion"
    with pytest.raises(BenchError, match="takes no path; give --masks motion"):
        mask_source("motion:weights.pt", tmp_path)


def test_a_missing_video_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such file"):
        MotionMasks(None, tmp_path).track(Video("x", tmp_path / "x.mp4", 0, "X", "all", "made"), 10, 10)


# --- real clips


def excerpt(source: Path, path: Path, frames: int) -> Path:
    """The first frames of a real clip, without loss: the whole of it would take most of this file's time."""
    write_video(path, np.stack(list(islice(read_frames(source), frames))), 30.0)
    return path


@needs_clips
def test_the_juggler_lies_in_his_annotated_box(tmp_path: Path) -> None:
    name = "v_SoccerJuggling_g23_c01"
    path = excerpt(CLIPS / f"ucf101/videos/SoccerJuggling/{name}.avi", tmp_path / f"{name}.mkv", 52)
    video = Video(f"SoccerJuggling/{path.stem}", path, 0, "SoccerJuggling", "test", "ucf101")
    boxes = UCF101_24Boxes(CLIPS / "annotations/ucf101_24_pyannot.pkl", CLIPS).track(video, 240, 320)
    track = MotionMasks(None, CLIPS).track(video, 240, 320)
    good = 0
    annotated = np.flatnonzero(boxes.covered[:52])
    assert len(annotated) > 50
    for t in annotated:
        mask, box = track.mask(int(t)), boxes.mask(int(t))
        inside, fill = (mask & box).sum() / max(1, mask.sum()), (mask & box).sum() / box.sum()
        good += bool(track.covered[t] and inside >= 0.85 and 0.12 <= fill <= 0.6)
    # The bar of the task is 0.8 of the frames; the boxes are loose, the boy fills about a sixth to a quarter of his.
    assert good / len(annotated) >= 0.8


@needs_clips
def test_the_pool_without_an_actor_is_left_out(tmp_path: Path) -> None:
    path = excerpt(CLIPS / "edge/no_actor_cleaning_pool.mp4", tmp_path / "pool.mkv", 50)
    with pytest.raises(LeftOut, match="no actor found"):
        MotionMasks(None, CLIPS).track(Video("pool", path, 0, "edge", "all", "real"), 256, 340)


@needs_clips
def test_a_file_that_breaks_is_an_error_not_a_short_track() -> None:
    path = CLIPS / "edge/corrupted.mp4"
    with pytest.raises(BenchError, match="breaks after frame") as caught:
        MotionMasks(None, CLIPS).track(Video("broken", path, 0, "edge", "all", "real"), 720, 1280)
    assert not isinstance(caught.value, LeftOut)
