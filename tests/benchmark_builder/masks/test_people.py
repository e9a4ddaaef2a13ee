"""``people`` with networks of known answers: who is found, followed, chosen and outlined. The real ones are tried on
real clips where both are there."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from coloured_people import BLUE, RED, ColouredPeople, is_colour
from people_labels import people_mask, read_labels
from tiny_videos import write_video

from benchmark_builder.masks import mask_source
from benchmark_builder.masks.base import ActorBox
from benchmark_builder.masks.motion.evidence import find_motion, in_order
from benchmark_builder.masks.motion.source import follow
from benchmark_builder.masks.people import source as people_module
from benchmark_builder.masks.people.networks import Networks, Region
from benchmark_builder.masks.people.outline import all_frames, fitted, steady
from benchmark_builder.masks.people.persons import Person
from benchmark_builder.masks.people.source import POSE, SELFIE, Found, PeopleMasks, Prompted
from benchmark_builder.pretrained import NETWORKS
from benchmark_builder.pretrained.store import find
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

HEIGHT, WIDTH = 96, 192
WEIGHTS = find(NETWORKS[SELFIE]), find(NETWORKS[POSE])  # those of the user, before a test has a cache of its own


def scene(
    count: int, *people: tuple[tuple[int, int, int], float, float], seed: int = 0
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames uint8 (HEIGHT, WIDTH, 3) of upright ellipses before a textured wall, and each one's masks, bool.

    Args:
        people: colour, x on the first frame, pixels to the right per frame.
    """
    wall = cv2.GaussianBlur(
        generator(seed, "wall", "test").integers(60, 190, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 1.5
    )
    frames, masks = [], []
    for t in range(count):
        frame, together = wall.copy(), []
        for colour, x, speed in people:
            body = np.zeros((HEIGHT, WIDTH), np.uint8)
            cv2.ellipse(body, (round(x + speed * t), 52), (10, 30), 0, 0, 360, 1, -1)
            frame[body > 0] = colour
            together.append(body > 0)
        frames.append(frame)
        masks.append(np.stack(together) if together else np.zeros((1, HEIGHT, WIDTH), bool))
    return frames, masks


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def outlined(frames: list[np.ndarray], networks: Networks | None = None) -> list[np.ndarray]:
    track = follow(iter(frames), HEIGHT, WIDTH, Found(networks or ColouredPeople()))
    assert track.covered.shape == track.confidence.shape == (len(frames),)
    return [track.mask(k) for k in range(len(frames))]


def test_a_person_who_moves_is_outlined_on_every_frame() -> None:
    frames, masks = scene(21, (RED, 40, 3.0))
    found = outlined(frames)
    # 2 px all around an ellipse of 20 x 60 are a fifth of its area.
    assert min(iou(a, m[0]) for a, m in zip(found, masks, strict=True)) > 0.8


def test_who_stands_still_is_an_actor_where_nobody_moves() -> None:
    frames, masks = scene(17, (RED, 90, 0.0))
    track = follow(iter(frames), HEIGHT, WIDTH, Found(ColouredPeople()))
    assert track.confidence.mean() >= people_module.SURE and track.covered.all()
    assert min(iou(track.mask(k), masks[k][0]) for k in range(17)) > 0.8


def test_a_spectator_is_no_actor_while_someone_acts() -> None:
    frames, masks = scene(21, (RED, 40, 3.0), (RED, 160, 0.0))
    for mask, truth in zip(outlined(frames), masks, strict=True):
        assert iou(mask, truth[0]) > 0.7 and not (mask & truth[1]).any()


def test_several_people_who_act() -> None:
    frames, masks = scene(21, (RED, 30, 3.0), (RED, 165, -2.5))
    found = outlined(frames)
    assert min(iou(a, m.any(0)) for a, m in zip(found, masks, strict=True)) > 0.7


def test_people_of_two_shots_do_not_mix() -> None:
    first, a = scene(13, (RED, 40, 2.0))
    second, b = scene(13, (RED, 150, -2.0), seed=1)
    bright = [np.where(is_colour(f, RED)[..., None], f, 255 - f // 4) for f in second]
    found = outlined([*first, *bright])
    assert min(iou(f, m[0]) for f, m in zip(found, [*a, *b], strict=True)) > 0.7


def test_where_nobody_is_seen_motion_is_trusted_less() -> None:
    frames, _ = scene(9, (BLUE, 40, 3.0))
    alone = follow(iter(frames), HEIGHT, WIDTH).confidence.mean()
    track = follow(iter(frames), HEIGHT, WIDTH, Found(ColouredPeople()))
    assert 0 < track.confidence.mean() < alone


def test_boxes_say_who_acts(tmp_path: Path) -> None:
    frames, masks = scene(15, (RED, 40, 3.0), (RED, 150, 0.0))
    boxes = [[ActorBox(7, 138, 20, 163, 84)] if 3 <= k < 12 else [] for k in range(15)]
    track = follow(iter(frames), HEIGHT, WIDTH, Prompted(ColouredPeople(), boxes))
    assert track.covered.tolist() == [3 <= k < 12 for k in range(15)]
    assert min(iou(track.mask(k), masks[k][1]) for k in range(3, 12)) > 0.8


@pytest.mark.parametrize("only", [1, 2, 5])
def test_one_frame_with_a_box(only: int) -> None:
    frames, masks = scene(7, (RED, 90, 0.0))
    boxes = [[ActorBox(0, 78, 20, 103, 84)] if k == only else [] for k in range(7)]
    track = follow(iter(frames), HEIGHT, WIDTH, Prompted(ColouredPeople(), boxes))
    assert np.flatnonzero(track.covered).tolist() == [only] and iou(track.mask(only), masks[only][0]) > 0.8


def test_a_box_in_which_nobody_is_seen_covers_nothing() -> None:
    frames, _ = scene(9, (RED, 40, 3.0))
    boxes = [[ActorBox(0, 130, 20, 180, 84)]] * 9
    assert not follow(iter(frames), HEIGHT, WIDTH, Prompted(ColouredPeople(), boxes)).covered.any()


def test_the_same_masks_again() -> None:
    frames, _ = scene(13, (RED, 40, 3.0), (RED, 150, -1.0))
    assert all((a == b).all() for a, b in zip(outlined(frames), outlined(frames), strict=True))


def test_a_look_that_fails_is_bridged_from_its_neighbours() -> None:
    frames, masks = scene(17, (RED, 40, 3.0))
    evidence = find_motion(frames[::2], 1)
    person = Person()
    for t in (0, 2, 6, 8):
        person.put(t, masks[2 * t][0].astype(np.float32), 1.0, 1.0)
    person.put(4, np.zeros((HEIGHT, WIDTH), np.float32), 0.1, 0.0)
    soft = all_frames(steady(person, frames[::2], evidence), evidence, 17)
    assert iou(soft[8] > 0.5, masks[8][0]) > 0.6  # type: ignore[operator]


def test_a_mask_is_drawn_to_the_edges_of_the_picture() -> None:
    frames, masks = scene(1, (RED, 90, 0.0))
    truth = masks[0][0]
    loose = cv2.GaussianBlur(cv2.dilate(truth.astype(np.float32), np.ones((5, 5))), (0, 0), 3.0)
    assert iou(fitted(frames[0], loose) > 0.5, truth) > iou(loose > 0.5, truth) + 0.05


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9])
def test_the_sorting_network_is_exact(count: int) -> None:
    pictures = list(generator(0, "sort", str(count)).integers(0, 256, (count, 5, 7, 3), dtype=np.uint8))
    assert (np.stack(in_order(pictures)) == np.sort(np.stack(pictures), axis=0)).all()


def test_a_region_goes_there_and_back() -> None:
    region = Region(30.0, 40.0, 50.0, 0.7)
    dot = np.zeros((80, 100, 3), np.uint8)
    cv2.circle(dot, (34, 44), 4, (255, 255, 255), -1)
    crop = region.cut(dot)[..., 0].astype(np.float32) / 255
    assert iou(region.lay(crop, 80, 100) > 0.5, dot[..., 0] > 0) > 0.8


# As a mask source.


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PeopleMasks:
    monkeypatch.setattr(people_module, "weights_file", lambda name: tmp_path / name)
    monkeypatch.setattr(people_module, "Networks", lambda selfie, pose: ColouredPeople())
    made = mask_source("people", tmp_path)
    assert isinstance(made, PeopleMasks)
    return made


def test_a_video_without_an_actor_is_left_out(source: PeopleMasks, tmp_path: Path) -> None:
    frames, _ = scene(9)
    write_video(tmp_path / "v.mkv", np.stack(frames))
    with pytest.raises(LeftOut, match="no actor found in Archery/v"):
        source.track(Video("Archery/v", tmp_path / "v.mkv", 0, "Archery", "test", "ucf101"), HEIGHT, WIDTH)


def test_what_it_says_of_itself(source: PeopleMasks) -> None:
    said = source.describe()
    assert said["networks"] == {name: NETWORKS[name].sha256 for name in (SELFIE, POSE)}
    assert said["kind"] == "people" and said["opencv"] == cv2.__version__ and "prompts" not in said


def test_settings_that_make_no_sense(source: PeopleMasks, tmp_path: Path) -> None:
    for spec, options, words in (
        ("people:x", {}, "people reads no file"),
        ("people", {"actors": "first"}, "give --prompts"),
        ("people", {"prompts": "sam:x.pth"}, "needs prompts itself"),
    ):
        with pytest.raises(BenchError, match=words):
            mask_source(spec, tmp_path, **options)


# The real networks on real clips, against outlines drawn by hand before the source was run on them.


def test_real_people(clips: Path) -> None:
    """A clip of the person whom nothing but the networks finds whole: motion's IoU here is .33."""
    selfie, pose = WEIGHTS
    if selfie is None or pose is None:
        pytest.skip("the networks' weights are not here; run `bench weights fetch mediapipe-pose`")
    name = "ucf101/videos/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi"
    labels = read_labels()[name]
    frames = [f for f, _ in zip(read_frames(clips / name), range(41), strict=False)]
    track = follow(iter(frames), labels.height, labels.width, Found(Networks(selfie, pose)))
    assert iou(track.mask(27), people_mask(labels, 27, "actor")) > 0.8
