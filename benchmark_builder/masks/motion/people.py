"""Upright people, found by OpenCV's detector (HOG and a linear SVM; Dalal and Triggs, CVPR 2005)."""

import cv2
import numpy as np


class People:
    """The detector that is part of OpenCV; no file is loaded."""

    def __init__(self) -> None:
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())

    def find(self, frame: np.ndarray) -> list[tuple[float, float, float, float, float]]:
        """People on a frame (uint8 (H, W, 3)): (x, y, w, h, score) each, in pixels of the frame.

        The box includes the margin of the detector: the person fills about the middle 3/4 of its height.
        """
        # The window is 64x128. At double size, people from a quarter of a 240-pixel frame on are found.
        scale = 480 / frame.shape[0]
        if frame.shape[1] * scale < 96:
            return []
        big = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        boxes, scores = self._hog.detectMultiScale(big, winStride=(8, 8), padding=(16, 16), scale=1.1)
        found = [
            (*(float(v) / scale for v in box), float(score)) for box, score in zip(boxes, np.ravel(scores), strict=True)
        ]
        return [(f[0], f[1], f[2], f[3], f[4]) for f in found]
