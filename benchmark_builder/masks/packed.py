"""Masks of one video in little memory: packed to bits and compressed, one by one."""

import zlib

import numpy as np


def pack(mask: np.ndarray) -> bytes:
    """A mask, bool (H, W), as compressed bits."""
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def unpack(data: bytes, height: int, width: int) -> np.ndarray:
    """What :func:`pack` packed: bool (H, W)."""
    bits = np.unpackbits(np.frombuffer(zlib.decompress(data), np.uint8), count=height * width)
    return bits.reshape(height, width).astype(bool)


class PackedTrack:
    """Masks of one video. ``covered``: bool (T,), the frames that have one."""

    def __init__(self, length: int, height: int, width: int) -> None:
        self.size = (height, width)
        self.covered = np.zeros(length, dtype=bool)
        self._packed: dict[int, bytes] = {}

    def keep(self, index: int, mask: np.ndarray) -> None:
        """Keep the mask of frame ``index``: bool (H, W)."""
        self._packed[index] = pack(mask)
        self.covered[index] = True

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W)."""
        return unpack(self._packed[index], *self.size)
