"""Converts RGB to the planes of H.264. A converter in the encoder's process would take three times as long.

BT.601, limited range (Y 16..235, U and V 16..240), 4:2:0: each U and V sample is the mean of two by two pixels.
"""

import cv2
import numpy as np

# OpenCV's U and V have the range 0..255 around 128; files of limited range use 16..240.
_LIMITED = np.rint(128 + (np.arange(256) - 128) * (224 / 255)).astype(np.uint8)


def to_planes(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) RGB with even sides -> uint8 (H·3/2, W): Y, then U, then V, each row by row (yuv420p)."""
    height, width = image.shape[:2]
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
    # OpenCV takes U and V from one of four pixels, which flickers at edges; here they are the mean of all four.
    quarter = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    _, v, u = cv2.split(cv2.cvtColor(quarter, cv2.COLOR_RGB2YCrCb))
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    chroma[0], chroma[1] = cv2.LUT(u, _LIMITED), cv2.LUT(v, _LIMITED)
    return planes
