"""Boxes that prompt a segmenter: from tubes, from masks of any source, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from tiny_videos import moving_square

from benchmark_builder.masks import ActorBox
from benchmark_builder.masks.annotations.ucf101_24 import BoxTrack
from benchmark_builder.masks.networks.prompts import overlap, part_boxes, prompt_boxes, prompt_source
from benchmark_builder.masks.stored import StoredTrack, write_masks
from benchmark_builder.utils.errors import BenchError


def tubes(*runs: tuple[int, list[list[float]]], actors: str = "all", length: int = 0) -> BoxTrack:
    return BoxTrack(length, [(start, np.array(boxes, float)) for start, boxes in runs], 32, 48, actors)


class Masks:
    """A track of given masks: bool (T, H, W)."""

    def __init__(self, masks: np.ndarray, covered: np.ndarray | None = None) -> None:
        self.masks = masks
        self.covered = np.ones(len(masks), bool) if covered is None else covered

    def mask(self, index: int) -> np.ndarray:
        assert self.covered[index], "an uncovered frame was asked for"
        return self.masks[index]


def test_a_tube_is_an_actor_and_keeps_its_number() -> None:
    track = tubes((0, [[1, 2, 9, 10]] * 3), (2, [[20, 5, 30, 25]] * 2), length=6)
    boxes = prompt_boxes(track, 32, 48, "v")
    assert boxes[0] == boxes[1] == [ActorBox(0, 1, 2, 9, 10)]
    assert boxes[2] == [ActorBox(0, 1, 2, 9, 10), ActorBox(1, 20, 5, 30, 25)]
    assert boxes[3] == [ActorBox(1, 20, 5, 30, 25)]
    assert boxes[4:] == [[], []]


def test_the_first_tube_alone() -> None:
    track = tubes((0, [[1, 2, 9, 10]] * 2), (0, [[20, 5, 30, 25]] * 3), actors="first")
    assert [[b.actor for b in boxes] for boxes in prompt_boxes(track, 32, 48, "v")] == [[0], [0], [1]]


def test_boxes_are_clipped_to_the_frame() -> None:
    assert prompt_boxes(tubes((0, [[-5, -7, 9, 99]])), 32, 48, "v") == [[ActorBox(0, 0, 0, 9, 32)]]


def test_boxes_without_area_and_outside_are_listed() -> None:
    run = [[1, 2, 9, 10], [60, 2, 70, 10], [5, 5, 5, 9]] + [[3, 4, 8, 4]] * 5
    with pytest.raises(BenchError) as caught:
        prompt_boxes(tubes((4, run)), 32, 48, "Archery/v_x")
    message = str(caught.value)
    assert message.startswith("Archery/v_x: ") and "\n" not in message
    assert "frame 5 (48, 2, 48, 10), frame 6 (5, 5, 5, 9), frame 7 (3, 4, 8, 4)" in message
    assert "frame 4" not in message and "frame 10" not in message and "and 2 more" in message


def test_masks_of_any_source_give_the_box_of_their_actor(tmp_path: Path) -> None:
    _, masks = moving_square(5)
    write_masks(tmp_path / "m.zip", masks)
    boxes = prompt_boxes(StoredTrack(tmp_path / "m.zip", 32, 48), 32, 48, "v")
    assert boxes == [[ActorBox(0, 4 + k, 8, 16 + k, 20)] for k in range(5)]


def test_uncovered_and_empty_frames_have_no_box() -> None:
    masks = np.zeros((3, 32, 48), bool)
    masks[0, 4:8, 4:8] = masks[2, 4:8, 4:8] = True
    found = prompt_boxes(Masks(masks, np.array([True, True, False])), 32, 48, "v")
    assert found == [[ActorBox(0, 4, 4, 8, 8)], [], []]


def test_parts_specks_and_touching_boxes() -> None:
    mask = np.zeros((40, 60), bool)
    mask[2:12, 2:12] = True  # 100 pixels
    mask[30, 50] = True  # a speck
    mask[20:30, 30:32] = True  # 20 pixels: an actor of its own
    assert part_boxes(mask) == [(2, 2, 12, 12), (30, 20, 32, 30)]
    mask[4:11, 13:16] = True  # beside the first, one column between them: boxes do not touch
    assert len(part_boxes(mask)) == 3
    mask[4, 12] = True
    assert part_boxes(mask) == [(2, 2, 16, 12), (30, 20, 32, 30)]
    cross = np.zeros((40, 60), bool)
    cross[5:15, 5:7] = cross[13:15, 5:15] = True  # an L ...
    cross[6:10, 10:14] = True  # ... and a part inside its box
    assert part_boxes(cross) == [(5, 5, 15, 15)]
    assert part_boxes(np.zeros((4, 4), bool)) == []


def test_a_part_keeps_its_number_while_the_order_of_size_changes() -> None:
    masks = np.zeros((4, 40, 60), bool)
    for k, (left, right) in enumerate([(10, 8), (8, 10), (0, 10), (9, 10)]):  # the left one is gone on frame 2
        masks[k, 2 : 2 + left, 2 : 2 + left] = True
        masks[k, 20 : 20 + right, 40 : 40 + right] = True
    found = prompt_boxes(Masks(masks), 40, 60, "v")
    assert [[(b.actor, b.x1) for b in boxes] for boxes in found] == [
        [(0, 2), (1, 40)],
        [(0, 2), (1, 40)],
        [(1, 40)],
        [(0, 2), (1, 40)],
    ]


def test_overlap() -> None:
    assert overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == 2 / 6
    assert overlap((0, 0, 2, 2), (2, 0, 4, 2)) == 0


@pytest.mark.parametrize(
    ("spec", "words"),
    [(None, "--masks sam: needs boxes"), ("", "--prompts"), ("sam:x", "--prompts sam:x"), ("nothing", "choose from")],
)
def test_prompts_that_cannot_be(spec: str | None, words: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=words):
        prompt_source(spec, tmp_path, "sam")


def test_settings_reach_the_prompt_source(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--actors some"):
        prompt_source("ucf101-24:x.pkl", tmp_path, "sam", actors="some")
