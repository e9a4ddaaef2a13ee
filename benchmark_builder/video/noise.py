"""Noise that moves with the optical flow of a video, while every single frame stays pure noise.

Ilic, Pock & Wildes, "Is Appearance Free Action Recognition Possible?", ECCV 2022, warp a frame of noise along the flow
of a video. Warping interpolates: noise becomes smooth where the flow is fractional or spreads, so a single frame shows
the moving parts as blur. Here, grains of noise move as a whole instead:

- every cell of the picture holds one grain, with a value drawn independently and uniformly from 0..255 for each colour,
  and the part of its motion that was too small for a step (at most half a cell in each direction);
- from frame to frame, a grain moves by the flow at its cell plus that rest, to the nearest cell;
- of several grains that come to one cell, the one that moves most stays (what moves is usually in front); a cell to
  which no grain comes, because it was uncovered or because the flow spreads, gets a new grain with a new value, and
  with the rest of the grain that left the cell.

Where grains go depends on the flow alone, never on their values, and no grain is ever copied. So in each frame all
values are independent and uniform, exactly, whatever the video shows: **the distribution of a single frame is the same
for all videos**. Only how frames follow each other depends on the video.
"""

from collections.abc import Iterable, Iterator

import numpy as np


def moving_noise(
    flows: Iterable[np.ndarray], height: int, width: int, draw: np.random.Generator
) -> Iterator[np.ndarray]:
    """Noise that moves with the flow of a video.

    Args:
        flows: float32 (height, width, 2) for each pair of consecutive frames: how many cells to the right and down the
            content of a cell moves to the next frame. Values that are not finite count as 0.
        height, width: number of cells.
        draw: for every value.

    Yields:
        uint8 (height, width, 3), one more than there are flows.
    """
    down, right = np.mgrid[:height, :width].reshape(2, -1)
    values = draw.integers(0, 256, (height * width, 3), np.uint8)
    rest = np.zeros((height * width, 2))
    yield values.reshape(height, width, 3)
    for flow in flows:
        moved = np.nan_to_num(flow.reshape(-1, 2).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        wanted = moved + rest
        steps = np.rint(wanted)
        x, y = right + steps[:, 0], down + steps[:, 1]
        inside = np.flatnonzero((x >= 0) & (x < width) & (y >= 0) & (y < height))
        cells = (y[inside] * width + x[inside]).astype(np.int64)
        # In order of motion; of grains that move equally far, the first cell's stays. A later one overwrites.
        order = np.lexsort((-inside, np.hypot(*moved[inside].T)))
        winner = np.full(height * width, -1)
        winner[cells[order]] = inside[order]
        taken = winner >= 0
        fresh = draw.integers(0, 256, (height * width, 3), np.uint8)
        values = np.where(taken[:, None], values[winner], fresh)
        left = wanted - steps
        rest = np.where(taken[:, None], left[winner], left)  # a new grain is in step with the one that left its cell
        yield values.reshape(height, width, 3)
