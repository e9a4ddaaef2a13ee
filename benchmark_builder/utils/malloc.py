"""Settings of glibc's malloc: zeroed memory for x264, and memory that a worker keeps for its next item.

With B-frames and its macroblock tree (the defaults of lossy H.264), x264 reads a byte or two of each frame's buffer
before it writes them, and they change quantisers. In a new process they are zero; in a process that has used its memory
before, they are not, and equal frames give different files.
"""

import ctypes
import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Of mallopt(3). M_PERTURB: new memory is filled with the complement of a byte; 0 switches it off.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _PERTURB = -1, -3, -6
_SIZES = (20_000, 80_000)  # buffers of frames are larger; x264's blocks of other sizes do not matter
_ALIGNMENT = 64  # of all that x264 allocates

_lock, _users = threading.Lock(), 0


@contextmanager
def zeroed() -> Iterator[None]:
    """Memory that this process allocates inside this context is zero, in all of its threads. Needs :func:`can_zero`."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _libc().mallopt(_PERTURB, 0xFF)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _libc().mallopt(_PERTURB, 0)


@functools.cache
def can_zero() -> bool:
    """Whether :func:`zeroed` works here, found by a try with another byte.

    False without glibc (macOS, Windows, musl), with another allocator in its place, and if glibc is told to reuse
    buffers as large as frames without filling them.
    """
    if sys.platform != "linux":
        return False
    try:
        libc = _libc()
    except AttributeError:  # no mallopt or no memalign
        return False
    with _lock:
        if _users:  # another thread tried it just now
            return True
        libc.mallopt(_PERTURB, 0x5A)
        try:
            return all(_filled(libc, size) for size in _SIZES)
        finally:
            libc.mallopt(_PERTURB, 0)


def _filled(libc: ctypes.CDLL, size: int) -> bool:
    for _ in range(2):  # new memory, then memory that was used
        block = libc.memalign(_ALIGNMENT, size)
        if not block:
            return False
        filled = ctypes.string_at(block, size) == b"\xa5" * size
        ctypes.memset(block, 0, size)
        libc.free(block)
        if not filled:
            return False
    return True


# For networks on the CPU: each step takes the memory of the one before. A step of small3d takes 20 % less time.
NETWORKS = 256 << 20


def keep_freed(most: int = 64 << 20) -> None:
    """Let this process keep up to ``most`` bytes that it has freed, and take blocks up to 32 MiB from there.

    glibc raises its limits to 32 and 64 MiB by itself, when blocks of that size are freed. Until then, each video's
    frames and encoder buffers come from the system again, page by page: 2 ms for a clip of 16 small frames. Without
    glibc, nothing changes.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):
            _libc().mallopt(_MMAP_THRESHOLD, 32 << 20)
            _libc().mallopt(_TRIM_THRESHOLD, most)


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None)
    libc.mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
    libc.memalign.argtypes, libc.memalign.restype = [ctypes.c_size_t, ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None
    return libc
