"""The people outlined by hand in real clips: the file is sound, and its masks are what its conventions say."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from people_labels import (
    LABELS,
    ROLES,
    Clip,
    Person,
    area,
    chosen_frames,
    crossings,
    people_mask,
    person_mask,
    read_labels,
)

from benchmark_builder.video.decode import probe, scan_frames

CLIPS = read_labels()
RINGS = [
    pytest.param(clip, ring, id=f"{Path(name).stem}-{index}-{number}")
    for name, clip in CLIPS.items()
    for index, people in clip.frames.items()
    for number, person in enumerate(people)
    for ring in (person.polygon, *person.holes)
]


@pytest.mark.parametrize(("clip", "ring"), RINGS)
def test_every_outline_is_a_simple_polygon_inside_the_picture(clip: Clip, ring: list[list[float]]) -> None:
    corners = np.array(ring)
    assert corners.shape == (len(ring), 2) and len(ring) >= 8
    assert (corners >= 0).all() and (corners <= [clip.width, clip.height]).all()
    assert crossings(ring) == []
    assert area(ring) >= 80


def test_three_frames_of_every_clip_each_with_an_actor() -> None:
    for name, clip in CLIPS.items():
        assert list(clip.frames) == chosen_frames(clip.frames_in_clip), name
        for people in clip.frames.values():
            assert {person.role for person in people} <= set(ROLES)
            assert any(person.role == "actor" for person in people), name


def test_frames_are_the_middles_of_the_thirds() -> None:
    assert chosen_frames(3) == [0, 1, 2]
    assert chosen_frames(83) == [13, 41, 69]


def test_masks_follow_their_outlines() -> None:
    """A pixel farther from every outline than half its diagonal, and an eighth more, is all inside or all outside."""
    for name, clip in CLIPS.items():
        for people in clip.frames.values():
            for person in people:
                mask = person_mask(person, clip.height, clip.width)
                rings = [np.array(ring, dtype=np.float32) for ring in (person.polygon, *person.holes)]
                for row, column in np.argwhere(np.ones_like(mask[::6, ::5])) * (6, 5):
                    centre = (float(column) + 0.5, float(row) + 0.5)
                    outer, *holes = (cv2.pointPolygonTest(ring, centre, True) for ring in rings)
                    inside = min(outer, *(-hole for hole in holes)) if holes else outer
                    if abs(inside) > 0.5**0.5 + 0.125:
                        assert mask[row, column] == (inside > 0), (name, row, column)


def test_pixel_k_covers_k_to_k_plus_1() -> None:
    square = Person("actor", [[2.0, 3.0], [6.0, 3.0], [6.0, 5.0], [2.0, 5.0]])
    expected = np.zeros((8, 9), dtype=bool)
    expected[3:5, 2:6] = True
    assert np.array_equal(person_mask(square, 8, 9), expected)


def test_holes_are_cut_out() -> None:
    ring = [[0.0, 0.0], [8.0, 0.0], [8.0, 8.0], [0.0, 8.0]]
    hole = [[2.0, 2.0], [5.0, 2.0], [5.0, 6.0], [2.0, 6.0]]
    expected = np.ones((8, 8), dtype=bool)
    expected[2:6, 2:5] = False
    mask = person_mask(Person("actor", ring, (hole,)), 8, 8)
    assert np.array_equal(mask, expected)


def test_roles_are_kept_apart() -> None:
    left = Person("actor", [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    right = Person("other", [[4.0, 0.0], [8.0, 0.0], [8.0, 4.0], [4.0, 4.0]])
    clip = Clip(8, 4, 3, "", {0: [left, right]})
    assert people_mask(clip, 0, "actor")[:, :4].all() and not people_mask(clip, 0, "actor")[:, 5:].any()
    assert people_mask(clip, 0, "other")[:, 4:].all() and not people_mask(clip, 0, "other")[:, :3].any()


def test_a_polygon_that_crosses_itself_is_found() -> None:
    assert crossings([[0, 0], [4, 4], [4, 0], [0, 4]]) == [(0, 2)]
    assert crossings([[0, 0], [4, 0], [4, 4], [2, 0], [0, 4]]) != []  # a vertex on an edge
    assert crossings([[0, 0], [4, 0], [4, 4], [0, 4]]) == []


def test_the_labels_are_of_the_clips_as_they_decode(clips: Path) -> None:
    for name, clip in CLIPS.items():
        info = probe(clips / name)
        assert (info.width, info.height) == (clip.width, clip.height), name
        assert sum(1 for _ in scan_frames(clips / name)) == clip.frames_in_clip, name


def test_every_real_clip_is_labelled_or_the_reason_is_given(clips: Path) -> None:
    reasons = json.loads(LABELS.read_text(encoding="utf-8"))["not_labelled"]
    videos = {
        path.relative_to(clips).as_posix() for path in clips.rglob("*") if path.suffix in (".avi", ".mp4", ".mov")
    }
    assert videos == set(CLIPS) | set(reasons)
    assert all(reasons.values())
