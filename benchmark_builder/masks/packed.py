"""Stores the masks of one video in little memory: each mask is packed to bits and compressed."""

import zlib

import numpy as np


def pack(mask: np.ndarray) -> bytes:
    """A mask, bool (H, W), as compressed bits."""
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def unpack(data: bytes, height: int, width: int) -> np.ndarray:
    """Reverse of :func:`pack`: bool (H, W)."""
    bits = np.unpackbits(np.frombuffer(zlib.decompress(data), np.uint8), count=height * width)
    return bits.reshape(height, width).astype(bool)


class PackedTrack:
    """Masks of one video. ``covered``: bool (T,), the frames with a mask."""

    def __init__(self, length: int, height: int, width: int) -> None:
        self.size = (height, width)
        self.covered = np.zeros(length, dtype=bool)
        self._packed: dict[int, bytes] = {}

    def keep(self, index: int, mask: np.ndarray) -> None:
        """Store the mask of frame ``index``: bool (H, W)."""
        self._packed[index] = pack(mask)
        self.covered[index] = True

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W)."""
        return unpack(self._packed[index], *self.size)
