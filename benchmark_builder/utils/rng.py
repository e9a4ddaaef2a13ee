"""Every random draw of the project has an owner: a generator derived from (seed, id, variant)."""

import hashlib

import numpy as np


def generator(seed: int, video_id: str, variant: str) -> np.random.Generator:
    """The generator that owns one draw, independent of every other video, of workers and of order.

    Args:
        seed: the user's seed, any integer.
        video_id: id of the video (or of whatever else owns the draw).
        variant: what is drawn, e.g. ``"background/3"``.
    """
    key = f"{seed}\x1f{video_id}\x1f{variant}".encode()
    words = np.frombuffer(hashlib.sha256(key).digest(), dtype="<u4")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([int(w) for w in words])))
