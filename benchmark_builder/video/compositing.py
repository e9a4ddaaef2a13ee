"""Compositing: the operations used for every kind of test video."""

import cv2
import numpy as np


def paste(
    foreground: np.ndarray, mask: np.ndarray, background: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """``foreground·mask + background·(1 − mask)`` (SCUBA, StillMix, ICCV 2023).

    Args:
        foreground, background: uint8 (H, W, 3).
        mask: bool (H, W).
        out: uint8 (H, W, 3) to write into and return; None for a new array. In a builder's loop this saves the
            allocation.

    Returns:
        uint8 (H, W, 3): exactly the foreground's pixels where the mask is True, otherwise the background's pixels.
    """
    out = np.empty_like(background) if out is None else out
    np.copyto(out, background)
    return cv2.copyTo(foreground, mask.view(np.uint8), out)


def blend(foreground: np.ndarray, mask: np.ndarray, background: np.ndarray, feather: float) -> np.ndarray:
    """:func:`paste` with a soft edge: the mask is blurred with a Gaussian of standard deviation ``feather`` pixels.

    Args:
        foreground, background: uint8 (H, W, 3).
        mask: bool (H, W).
        feather: pixels, > 0.

    Returns:
        uint8 (H, W, 3), rounded to the nearest.
    """
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), feather)[..., None]
    mixed = background + alpha * (foreground.astype(np.float32) - background)
    return np.rint(mixed).astype(np.uint8)


def compose(
    frame: np.ndarray, mask: np.ndarray, background: np.ndarray, feather: float, out: np.ndarray | None = None
) -> np.ndarray:
    """One SCUBA frame: uint8 (H, W, 3) from frame and background of that shape, and a mask, bool (H, W)."""
    return blend(frame, mask, background, feather) if feather else paste(frame, mask, background, out)


def add_donor(frame: np.ndarray, mover: np.ndarray, image: np.ndarray, mask: np.ndarray, order: str) -> np.ndarray:
    """One ConflFG frame, uint8 (H, W, 3); it differs from ``frame`` only inside the donor's mask.

    Args:
        frame: frame of the SCUBA video, uint8 (H, W, 3).
        mover: mask of the moving actor on this frame, bool (H, W).
        image, mask: the donor, uint8 (H, W, 3) and bool (H, W).
        order: ``behind`` or ``front``.
    """
    return paste(image, mask if order == "front" else mask & ~mover, frame)


def fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize an image (h, w, C) so that it covers (height, width), and crop its centre: uint8 (height, width, C)."""
    h, w = image.shape[:2]
    scale = max(height / h, width / w)
    new_h, new_w = max(height, round(h * scale)), max(width, round(w * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (new_w, new_h), interpolation=how)
    top, left = (new_h - height) // 2, (new_w - width) // 2
    return np.ascontiguousarray(resized[top : top + height, left : left + width])


def stretch(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize an image, uint8 (h, w, 3), to (height, width) with Pillow's bicubic filter, ignoring its aspect ratio
    (StillMix)."""
    from PIL import Image  # not used by the default, and slow to import

    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    return np.array(resized)
