"""Finding videos by what other programs call them."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from benchmark_builder.utils.text import composed, meant, plain_path

_SUFFIXES = VIDEO_SUFFIXES | PICTURE_SUFFIXES | {".zip"}


class VideoNames:
    """Finds the videos of a test set by the names that other programs use, with or without suffix and parent folders.

    Args:
        ids: ids of the test set.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = set(ids)
        self._last: dict[str, list[str]] = {}
        for video_id in self._ids:
            self._last.setdefault(PurePosixPath(composed(video_id)).name, []).append(video_id)

    def find(self, name: str) -> list[str]:
        """The ids that ``name`` can mean: the same id if it exists. Otherwise ids that are equal after backslashes
        become ``/``, letters are composed (NFC) and video suffixes are removed; either may lack parent folders."""
        for exact in (name, meant(name)):
            if exact in self._ids:
                return [exact]
        plain = plain_path(name)
        short = plain[: plain.rfind(".")] if PurePosixPath(plain).suffix.lower() in _SUFFIXES else plain
        for tried in dict.fromkeys((plain, short)):
            found = []
            for video_id in self._last.get(PurePosixPath(tried).name, []):
                own = composed(video_id)
                if own == tried:
                    return [video_id]
                if f"/{own}".endswith(f"/{tried}") or f"/{tried}".endswith(f"/{own}"):
                    found.append(video_id)
            if found:
                return sorted(found)
        return []

    def resolved(self, names: Sequence[str], where: str) -> list[str]:
        """The id of each name; an unknown name is returned unchanged, and the caller must refuse it.

        Raises:
            BenchError: a name can mean several videos.
        """
        ids = []
        for name in names:
            found = self.find(name)
            if len(found) > 1:
                raise BenchError(f"{where}: {name!r} can be {found[0]!r} or {found[1]!r}; give the whole id")
            ids.append(found[0] if found else name)
        return ids
