"""Every random draw of the project uses a generator derived from (seed, id, variant)."""

import hashlib

import numpy as np


def generator(seed: int, video_id: str, variant: str) -> np.random.Generator:
    """The generator for one draw; it does not depend on other videos, on workers or on the order.

    Args:
        seed: the user's seed, any integer.
        video_id: id of the video (or of another item for which something is drawn).
        variant: what is drawn, e.g. ``"background/3"``.
    """
    key = f"{seed}\x1f{video_id}\x1f{variant}".encode()
    words = np.frombuffer(hashlib.sha256(key).digest(), dtype="<u4")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([int(w) for w in words])))
