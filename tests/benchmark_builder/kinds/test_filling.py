"""Filling in: what other frames show is copied exactly or moved with the camera; the rest is painted and counted."""

import cv2
import numpy as np
import pytest

from benchmark_builder.kinds.filling import COLOUR, Count, fill

HEIGHT, WIDTH = 96, 128


def scene(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """A picture with corners to track: blocks of 8 pixels in drawn colours, a little blurred."""
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return cv2.GaussianBlur(cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST), (0, 0), 1.0)


def crossing(frames: int, size: int = 20, speed: int = 4) -> np.ndarray:
    """Masks of a square that crosses the picture: bool (T, H, W)."""
    masks = np.zeros((frames, HEIGHT, WIDTH), bool)
    for t in range(frames):
        masks[t, 30 : 30 + size, speed * t : speed * t + size] = True
    return masks


def with_actor(video: np.ndarray, masks: np.ndarray) -> np.ndarray:
    shown = video.copy()
    shown[masks] = (255, 0, 0)
    return shown


def filled(video: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, Count]:
    count = Count()
    return np.stack(list(fill(zip(video, masks, strict=True), count))), count


def test_a_still_camera_gives_back_every_place_that_is_uncovered_at_some_time() -> None:
    video = np.repeat(scene()[None], 20, 0)
    masks = crossing(20)
    made, count = filled(with_actor(video, masks), masks)
    assert count == Count(filled=int(masks.sum()), never=0)
    assert (made == video).all(), "copied without interpolation"


def test_a_moving_camera_is_followed() -> None:
    world = scene(HEIGHT, WIDTH + 64)
    video = np.stack([world[:, 3 * t : 3 * t + WIDTH] for t in range(20)])
    masks = crossing(20, speed=5)
    made, count = filled(with_actor(video, masks), masks)
    assert count.share < 0.02
    difference = np.abs(made.astype(int) - video)[masks].mean()
    # The tracked motion is right to a fraction of a pixel; a fill that ignores it is 3 pixels off or more per frame.
    ignored = np.abs(np.roll(video, 3, 2).astype(int) - video)[masks].mean()
    assert difference < ignored / 4, (difference, ignored)


def test_what_is_never_uncovered_is_painted_counted_and_stays_the_same() -> None:
    video = np.repeat(scene()[None], 8, 0)
    masks = np.zeros(video.shape[:3], bool)
    masks[:, 40:60, 50:70] = True
    made, count = filled(with_actor(video, masks), masks)
    assert count == Count(filled=8 * 400, never=8 * 400) and count.share == 1.0
    assert (made[~masks] == video[~masks]).all() and (made == made[:1]).all(), "nothing flickers"
    red = (made[0, 40:60, 50:70] == (255, 0, 0)).all(-1)
    assert not red.any(), "none of the actor is left"


def test_no_place_is_filled_from_another_shot() -> None:
    first, second = scene(seed=1), scene(seed=2)
    video = np.stack([first] * 6 + [second] * 6)
    masks = np.zeros(video.shape[:3], bool)
    masks[:6, 40:60, 50:70] = True  # the second shot shows the place, but of another scene
    made, count = filled(with_actor(video, masks), masks)
    assert count.never == 6 * 400
    assert not (made[5, 40:60, 50:70] == second[40:60, 50:70]).all(-1).any()


@pytest.mark.parametrize(("covered", "left"), [(slice(0, 4), 0), (slice(0, 3), 0)])
def test_frames_that_are_covered_completely(covered: slice, left: int) -> None:
    video = np.repeat(scene()[None], 4, 0)
    masks = np.zeros(video.shape[:3], bool)
    masks[covered] = True
    made, count = filled(with_actor(video, masks), masks)
    assert count.filled == masks.sum()
    if masks.all():
        assert (made == COLOUR).all() and count.share == 1.0
    assert not (made == (255, 0, 0)).all(-1).any()


def test_a_long_shot_is_filled_in_pieces_and_its_length_is_kept() -> None:
    video = np.repeat(scene()[None], 205, 0)
    masks = np.zeros(video.shape[:3], bool)
    masks[:100, 40:60, 50:70] = True
    made, count = filled(with_actor(video, masks), masks)
    assert made.shape == video.shape and (made == video).all() and count.never == 0


def test_one_frame_and_tiny_frames() -> None:
    video = np.random.default_rng(0).integers(0, 256, (1, 6, 7, 3), np.uint8)
    masks = np.zeros((1, 6, 7), bool)
    masks[0, 2, 3] = True
    made, count = filled(video, masks)
    assert (made[~masks] == video[~masks]).all() and count == Count(1, 1)
