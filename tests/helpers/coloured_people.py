"""The networks of ``people`` with known answers: red is a person, blue looks like one."""

from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.masks.people.networks import SIDE, Networks, Region, Seen, around

RED, BLUE = (230, 30, 30), (30, 30, 230)


class ColouredPeople(Networks):
    """A person is what is red; selfie segmentation sees red and blue, so that blue is never a person by itself."""

    def __init__(self) -> None:
        super().__init__(Path("none"), Path("none"))

    def selfie(self, frame: np.ndarray) -> np.ndarray:
        return (is_colour(frame, RED) | is_colour(frame, BLUE)).astype(np.float32)

    def pose(self, frame: np.ndarray, region: Region) -> Seen:
        crop = region.cut(frame)
        _, labels, stats, centres = cv2.connectedComponentsWithStats(is_colour(crop, RED).astype(np.uint8))
        if len(stats) < 2:
            return Seen(0.0, np.zeros(frame.shape[:2], np.float32), region)
        middle = np.hypot(*(centres[1:] - SIDE / 2).T)
        part = 1 + int(middle.argmin())
        mask = region.lay((labels == part).astype(np.float32), *frame.shape[:2])
        x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
        return Seen(0.95, mask, around((x, y, x + w, y + h), 1.5) if w else region)


def is_colour(frame: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(frame.astype(int) - colour).max(axis=-1) < 60
