"""Masks in the formats of other tools."""

from typing import Any

import numpy as np
from pycocotools import mask as coco


def compressed(mask: np.ndarray) -> dict[str, Any]:
    rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode("ascii")}
