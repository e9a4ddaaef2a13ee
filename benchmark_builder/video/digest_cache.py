"""Digests of videos and of what masks are made from, kept in the cache of :mod:`benchmark_builder.utils.digests`."""

import hashlib
from pathlib import Path

from benchmark_builder.layouts import layout as layouts
from benchmark_builder.masks.base import MaskSource, Reads
from benchmark_builder.utils import digests
from benchmark_builder.utils.digests import cache_folder
from benchmark_builder.utils.errors import BenchError, ChangedFile
from benchmark_builder.video.record import Video

__all__ = ["cache_folder", "depends_on", "known_digest", "require_digest"]


def known_digest(path: Path) -> str:
    """The digest of a file or a folder of frames, from the cache where that is current.

    It finds what was replaced or written to. Bits that a disk loses leave no trace in time stamps: `bench verify` reads
    every byte instead.

    Raises:
        BenchError: the file is missing or cannot be read.
    """
    return digests.known_digest(path, layouts.digest)


def require_digest(path: Path, sha256: str, fix: str) -> None:
    """Refuse a file that is not the one that a manifest names.

    Args:
        path: the file, or a folder of frames.
        sha256: what its digest must be.
        fix: what the user can do about another file, for the message.

    Raises:
        ChangedFile: it is another file.
        BenchError: it is missing or cannot be read.
    """
    if known_digest(path) != sha256:
        raise ChangedFile(f"{path}: changed since the manifest was written (its SHA-256 differs); {fix}")


def depends_on(video: Video, masks: MaskSource) -> str | None:
    """A digest of the files that decide what a mask source gives for a video; None where the source does not say.

    Sources say it by an optional method ``reads(video)`` (:class:`benchmark_builder.masks.base.Reads`). What they read
    once for all videos is named in their description.
    """
    if not isinstance(masks, Reads) or (files := masks.reads(video)) is None:
        return None
    total = hashlib.sha256()
    for path in (video.path, *files):
        try:
            found = known_digest(path)
        except BenchError:
            found = "missing"
        total.update(f"{found}\n".encode())
    return total.hexdigest()
