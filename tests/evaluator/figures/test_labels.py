"""Labels cover neither points, nor error bars, nor each other, whatever the points are."""

import itertools

import numpy as np
import pytest

from benchmark_builder.utils.rng import generator
from evaluator.figures.labels import Box, leader, place_labels

BOUNDS = (0.0, 0.0, 400.0, 300.0)


def overlap(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


@pytest.mark.parametrize("count,spread", [(1, 1.0), (12, 1.0), (12, 0.02), (40, 0.3)])
def test_no_label_covers_anything(count: int, spread: float) -> None:
    rng = generator(count, "labels", str(spread))
    points = [(200 + spread * 180 * x, 150 + spread * 130 * y) for x, y in rng.uniform(-1, 1, (count, 2))]
    sizes = [(float(w), 11.0) for w in rng.uniform(12, 50, count)]
    lines = [(x - 15, y, x + 15, y) for x, y in points]
    found = place_labels(points, sizes, 4.0, BOUNDS, lines)
    boxes = [box for box in found if box is not None]
    assert len(boxes) == count  # the panel has room for all of them
    for box, (width, height) in zip(found, sizes, strict=True):
        assert box is not None and box[2] - box[0] == pytest.approx(width) and box[3] - box[1] == pytest.approx(height)
        assert box[0] >= 0 and box[1] >= 0 and box[2] <= 400 and box[3] <= 300
    assert not any(overlap(a, b) for a, b in itertools.combinations(boxes, 2))
    markers = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    assert not any(overlap(a, b) for a in boxes for b in (*markers, *lines))


def test_a_lone_label_is_at_the_right_of_its_point_without_a_line() -> None:
    (box,) = place_labels([(100, 100)], [(30, 10)], 4.0, BOUNDS)
    assert box is not None and box[0] > 104 and box[1] < 100 < box[3] and leader((100, 100), box, 4.0) is None
    assert leader((100, 100), (150, 95, 180, 105), 4.0) == pytest.approx((104, 100, 150, 100))


def test_what_has_no_room_gets_no_box() -> None:
    assert place_labels([(10, 10)], [(500, 10)], 4.0, BOUNDS) == [None]
    found = place_labels([(10, 10)] * 50, [(60, 20)] * 50, 4.0, (0, 0, 130, 45))
    kept = [box for box in found if box is not None]
    assert 0 < len(kept) < 50 and not any(overlap(a, b) for a, b in itertools.combinations(kept, 2))
    assert place_labels([], [], 4.0, BOUNDS) == [] and np.isfinite(kept).all()
