"""Digests of videos and of what masks are made from, kept in the cache of :mod:`benchmark_builder.utils.digests`."""

import hashlib
from pathlib import Path

from benchmark_builder.layouts import layout as layouts
from benchmark_builder.masks.base import MaskSource, Reads, correction_of
from benchmark_builder.utils import digests
from benchmark_builder.utils.digests import cache_folder
from benchmark_builder.utils.errors import BenchError, ChangedFile
from benchmark_builder.video.record import Video

__all__ = ["cache_folder", "depends_on", "known_digest", "require_digest"]


def known_digest(path: Path) -> str:
    """The digest of a file or a folder of frames, from the cache if that is up to date.

    It detects files that were replaced or changed. Bit errors of a disk do not change time stamps, so `bench verify`
    reads every byte instead.

    Raises:
        BenchError: the file is missing or cannot be read.
    """
    return digests.known_digest(path, layouts.digest)


def require_digest(path: Path, sha256: str, fix: str) -> None:
    """Raise an error if a file is not the one in the manifest.

    Args:
        path: the file, or a folder of frames.
        sha256: the expected digest.
        fix: what the user can do if the file is a different one, for the message.

    Raises:
        ChangedFile: it is a different file.
        BenchError: it is missing or cannot be read.
    """
    if known_digest(path) != sha256:
        raise ChangedFile(f"{path}: changed since the manifest was written (its SHA-256 differs); {fix}")


def depends_on(video: Video, masks: MaskSource) -> str | None:
    """A digest of the files and corrections that decide the masks of a video; None if the source lists no files.

    Sources list them in an optional method ``reads(video)`` (:class:`benchmark_builder.masks.base.Reads`). Files that
    are used for all videos are in their description.
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
    total.update(correction_of(masks, video.id).encode())
    return total.hexdigest()
