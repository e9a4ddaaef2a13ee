"""Finding videos by what other programs call them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from benchmark_builder.utils.text import composed, meant, plain_path

_SUFFIXES = VIDEO_SUFFIXES | PICTURE_SUFFIXES | {".zip"}


class VideoNames:
    """Finds the videos of a test set by the names that other programs use, with or without suffix and parent folders.

    Args:
        ids: ids of the test set.
        also: further names of the videos, such as their files -> ids.
    """

    def __init__(self, ids: Iterable[str], also: Mapping[str, str] | None = None) -> None:
        self._ids = set(ids)
        self._also = dict(also or {})
        self._last: dict[str, list[tuple[str, str]]] = {}  # last part of a name -> (whole name, id)
        for video_id in self._ids:
            self._add(composed(video_id), video_id)
        for name, video_id in self._also.items():
            plain = plain_path(name)
            for known in dict.fromkeys((plain, _short(plain))):
                self._add(known, video_id)

    def _add(self, name: str, video_id: str) -> None:
        self._last.setdefault(PurePosixPath(name).name, []).append((name, video_id))

    def find(self, name: str) -> list[str]:
        """The ids that ``name`` can mean: the same id if it exists. Otherwise ids that are equal after backslashes
        become ``/``, letters are composed (NFC) and video suffixes are removed; either may lack parent folders."""
        for exact in (name, meant(name)):
            if exact in self._ids:
                return [exact]
            if exact in self._also:
                return [self._also[exact]]
        plain = plain_path(name)
        for tried in dict.fromkeys((plain, _short(plain))):
            found = set()
            for own, video_id in self._last.get(PurePosixPath(tried).name, []):
                if own == tried:
                    return [video_id]
                if f"/{own}".endswith(f"/{tried}") or f"/{tried}".endswith(f"/{own}"):
                    found.add(video_id)
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


def _short(path: str) -> str:
    """A relative path without the suffix of a video or picture."""
    return path[: path.rfind(".")] if PurePosixPath(path).suffix.lower() in _SUFFIXES else path
