"""Read one array from a MATLAB 5 file (``save`` since 1996, except ``-v7.3``), with every length checked.

scipy's reader trusts the lengths in a damaged file and can crash the process (seen with scipy 1.17), which would end a
build. Only a small part of the format is needed here: MathWorks, "MAT-File Format", version 5, real numbers.
"""

import math
import struct
import zlib
from pathlib import Path

import numpy as np

_COMPRESSED, _MATRIX, _DIMENSIONS = 15, 14, 5
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMBERS = range(6, 16)  # the array classes double, single, int8 … uint64; logical is uint8 with a flag
_COMPLEX = 0x0800


def read_array(path: Path, name: str, limit: int) -> np.ndarray:
    """The array ``name``, in the type in which it is stored (it may be smaller than the MATLAB class).

    Args:
        limit: bytes; a larger file, or one that unpacks to more, is refused before memory is allocated for it.

    Raises:
        ValueError: the file is not a MATLAB 5 file, is damaged, or does not contain such an array of real numbers.
    """
    if path.stat().st_size > limit:
        raise ValueError(f"is larger than {limit} bytes")
    data = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or struct.unpack_from(f"{order}H", data, 124) != (0x0100,):
        raise ValueError("is not a MATLAB 5 file")
    try:
        at = 128
        while at < len(data):
            kind, body, at = _element(data, at, order)
            if kind == _COMPRESSED:
                unpacker = zlib.decompressobj()
                inner = unpacker.decompress(body, limit)
                if not unpacker.eof:
                    raise ValueError(f"is incomplete, or unpacks to more than {limit} bytes")
                kind, body, _ = _element(inner, 0, order)
            if kind == _MATRIX:
                array = _array(body, name, order)
                if array is not None:
                    return array
    except (struct.error, zlib.error) as error:
        raise ValueError(f"is damaged ({error})") from None
    raise ValueError(f"contains no array {name}")


def _element(data: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """The element at ``at``: its type, its bytes, and the position of the next element."""
    kind, size = struct.unpack_from(f"{order}II", data, at)
    start = at + 8
    if kind >> 16:  # up to four bytes are stored in the tag itself
        kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        end = at + 8
    else:
        end = start + size + (0 if kind == _COMPRESSED else -size % 8)
    if start + size > min(end, len(data)):
        raise ValueError("is incomplete")
    return kind, data[start : start + size], end


def _array(body: bytes, name: str, order: str) -> np.ndarray | None:
    """The array in a matrix element, or None if it has another name."""
    _, flags, at = _element(body, 0, order)
    kind, sides, at = _element(body, at, order)
    if kind != _DIMENSIONS:  # not a numeric array (for example an object): skip it
        return None
    _, found, at = _element(body, at, order)
    if found != name.encode():
        return None
    word = struct.unpack_from(f"{order}I", flags)[0]
    if word & 0xFF not in _NUMBERS or word & _COMPLEX:
        raise ValueError(f"{name} is not an array of real numbers")
    kind, values, _ = _element(body, at, order)
    if kind not in _STORED or len(sides) % 4 or len(values) % int(_STORED[kind][1]):
        raise ValueError(f"{name} is damaged")
    shape = np.frombuffer(sides, f"{order}i4").tolist()
    array = np.frombuffer(values, order + _STORED[kind])
    if min(shape, default=-1) < 0 or math.prod(shape) != len(array):
        raise ValueError(f"{name} has {len(array)} values for {shape}")
    return array.reshape(shape, order="F")
