"""The crops of a window: the parts of the picture that a network sees.

| crops | which, in this order |
| --- | --- |
| 1 | the centre |
| 3 | both ends of the longer side and the centre between, as :func:`albar.clips.clips.eval_boxes` |
| 10 | top left, top right, bottom left, bottom right, centre, then the same of the mirrored picture (torchvision's \
TenCrop); with ``340x256``: top left, top right, centre, bottom left, bottom right, then mirrored (UR-DMU) |

``crop`` says what they are cut from: ``model``: the picture as the network's own test clips have it, its short side
at ``resize`` (stretched to a square if its sampling says so); ``squash``: the whole picture, stretched to a square;
``340x256``: the picture stretched to 340 x 256, of which crops of 224 are taken, whatever the network's size.
"""

from typing import Literal

import numpy as np
import torch

from albar.clips.clips import ClipSampling, cut_frame, eval_box, eval_boxes
from benchmark_builder.utils.errors import BenchError

Crop = Literal["model", "squash", "340x256"]
Box = tuple[int, int, int, int]  # top, left, height, width in source pixels
COUNTS = (1, 3, 10)


class Cropper:
    """Cuts every crop of the frames of one video."""

    def __init__(self, sampling: ClipSampling, crops: int, crop: str) -> None:
        self.sampling, self.crops, self.crop = sampling, crops, crop
        self._boxes: list[tuple[Box, bool]] = []
        check_crops(crops, crop)

    def cut(self, frame: np.ndarray) -> torch.Tensor:
        """uint8 (crops, 3, S, S) of a frame, uint8 (H, W, 3); all frames must have one size."""
        if not self._boxes:
            self._boxes = boxes_of(frame.shape[0], frame.shape[1], self.sampling, self.crops, self.crop)
        cut: dict[Box, torch.Tensor] = {}
        made = torch.empty((self.crops, 3, self.sampling.size, self.sampling.size), dtype=torch.uint8)
        for k, (box, mirrored) in enumerate(self._boxes):
            if box not in cut:
                cut[box] = cut_frame(frame, box, self.sampling.size)
            made[k] = cut[box].flip(-1) if mirrored else cut[box]
        return made


def check_crops(crops: int, crop: str) -> None:
    """Raise BenchError if there is no such way of cropping."""
    if crops not in COUNTS:
        raise BenchError(f"--crops {crops}: choose from {', '.join(map(str, COUNTS))}")
    if crop == "squash" and crops > 1:
        raise BenchError(f"--crops {crops}: --crop squash shows the whole picture, which is one crop; give --crops 1")


def boxes_of(height: int, width: int, sampling: ClipSampling, crops: int, crop: str) -> list[tuple[Box, bool]]:
    """The box of each crop, and whether it is mirrored.

    Args:
        height, width: of the picture, in pixels.
        sampling: of the network. crops, crop: see the head of this module.
    """
    if crop == "squash":
        return [((0, 0, height, width), False)]
    if crop == "model" and crops < 10:
        return [(box, False) for box in eval_boxes(height, width, sampling.replaced({"crops": crops}))]
    if crop == "model":
        _, _, h, w = eval_box(height, width, sampling)
    else:
        h, w = max(1, round(height * 224 / 256)), max(1, round(width * 224 / 340))
    low, right = height - h, width - w
    centre = (low // 2, right // 2)
    if crops == 1:
        return [((*centre, h, w), False)]
    if crops == 3:
        return [((centre[0], x, h, w), False) for x in (0, centre[1], right)]
    corners = [(0, 0), (0, right), (low, 0), (low, right)]
    places = [*corners, centre] if crop == "model" else [*corners[:2], centre, *corners[2:]]
    plain: list[Box] = [(top, left, h, w) for top, left in places]
    # The top left crop of the mirrored picture is the top right one, mirrored.
    turned: list[Box] = [(top, width - w - left, h, w) for top, left, _, _ in plain]
    return [(box, False) for box in plain] + [(box, True) for box in turned]
