"""Masks of the actors alongside training clips, from any mask source."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmark_builder.masks import MaskTrack, mask_source
from benchmark_builder.masks.base import pack, unpack
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.progress import Bar
from benchmark_builder.video.decode import probe
from benchmark_builder.video.record import Video


class ActorMasks:
    """Which pixels are actors, for a list of videos.

    Attributes:
        without: ids of videos that the source has no masks of; theirs are empty.
    """

    def __init__(self, videos: Sequence[Video], spec: str, root: Path, limit_mb: int, progress: bool = False) -> None:
        """Read every mask once; they stay in memory, compressed, as long as they need at most ``limit_mb``.

        Args:
            spec: ``KIND`` or ``KIND:PATH``, as ``--masks`` of a build.
            root: the dataset's folder.

        Raises:
            BenchError: no such source, or masks that cannot be used; the message names the video.
        """
        self.videos = list(videos)
        self._source = mask_source(spec, root)
        self.without: list[str] = []
        self._none: set[int] = set()
        self._kept: list[dict[int, bytes]] | None = []
        used = 0
        for index, video in enumerate(Bar(self.videos, desc="masks", unit="video", disable=not progress)):
            info = probe(video.path)
            try:
                track = self._track(index, info.height, info.width)
            except LeftOut:
                self.without.append(video.id)
                self._none.add(index)
                track = None
            if self._kept is None:
                continue
            packed = {} if track is None else {int(i): pack(track.mask(int(i))) for i in np.flatnonzero(track.covered)}
            self._kept.append(packed)
            used += sum(map(len, packed.values()))
            if used > limit_mb * 2**20:
                self._kept = None
        if len(self.without) == len(self.videos):
            raise BenchError(
                f"--masks {spec} has no masks of any of the {len(self.videos)} training videos; choose another"
            )

    def of(self, index: int, frames: Iterable[int], height: int, width: int) -> dict[int, np.ndarray]:
        """Masks of some frames of video ``index``: uint8 (height, width, 1), 255 on actors; 0 where none is known."""
        wanted = list(frames)
        made = {k: np.zeros((height, width, 1), np.uint8) for k in wanted}
        if self._kept is not None:
            for k in wanted:
                if (packed := self._kept[index].get(k)) is not None:
                    made[k][..., 0] = unpack(packed, height, width) * np.uint8(255)
        elif index not in self._none:
            track = self._track(index, height, width)
            for k in wanted:
                if k < len(track.covered) and track.covered[k]:
                    made[k][..., 0] = track.mask(k).astype(np.uint8) * 255
        return made

    def _track(self, index: int, height: int, width: int) -> MaskTrack:
        try:
            return self._source.track(self.videos[index], height, width)
        except LeftOut:
            raise
        except BenchError as error:
            raise BenchError(f"{self.videos[index].id}: {error}") from None
