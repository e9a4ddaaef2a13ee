"""Progress bars of all commands: drawn again and again on a terminal or in a notebook, a few plain lines in a log."""

import sys
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from tqdm import tqdm
from typing_extensions import TypeVar

from benchmark_builder.utils.text import shown

T = TypeVar("T", default=Any)

SECONDS = 30.0  # smallest time between two lines of a log
LONG = 300.0  # after so many seconds a line follows, however little was done in them
SHARE = 0.1  # else the smallest share of the work between two lines

if TYPE_CHECKING:
    _Base = tqdm[T]
else:

    class _Base(tqdm):
        __class_getitem__ = classmethod(lambda cls, item: cls)


class Bar(_Base[T]):
    """A progress bar of tqdm, with the same arguments.

    Where stderr is a file or a pipe, it prints whole lines instead: at most one in 30 seconds and one per tenth of the
    work (or per five minutes), and one at the end if ``leave`` is true.
    """

    monitor_interval = 0  # no thread that watches the bars: a process with threads cannot be forked

    def __init__(self, iterable: Iterable[T] | None = None, desc: str | None = None, **options: Any) -> None:
        wanted: TextIO = options.pop("file", None) or sys.stderr
        self._lines: TextIO | _Nowhere | None = None if redrawn(wanted) else wanted
        self._said_at = time.monotonic()
        self._said: float = -1
        if self._lines is not None:
            if options.get("disable", False) is None:  # tqdm's own rule: hidden unless on a terminal
                options["disable"] = True
            options["file"] = _Nowhere()
        else:
            options["file"] = wanted
        options.setdefault("miniters", 1)  # tqdm's own choice skips updates after fast ones, which that thread notices
        super().__init__(iterable, desc, **options)  # type: ignore[arg-type]

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Draw the bar, or print a line if one is due."""
        if self._lines is None:
            return super().display(msg, pos)
        now = time.monotonic()
        waited, done = now - self._said_at, self.n - max(self._said, self.initial)
        enough = not self.total or done >= SHARE * self.total or waited >= LONG
        if waited >= SECONDS and enough and done:
            self._print()
        return True

    def close(self) -> None:
        """End the bar; a log gets its last line."""
        if self._lines is not None and not self.disable and self.leave and self._said != self.n:
            self._print()
        super().close()

    def _print(self) -> None:
        self._said_at, self._said = time.monotonic(), self.n
        try:
            print(plain_line(self.format_dict), file=self._lines, flush=True)
        except (OSError, ValueError):  # the log is closed, as at the end of a pipe; the work goes on
            self._lines = _Nowhere()


class _Nowhere:
    """A file that keeps nothing."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def redrawn(file: Any) -> bool:
    """Whether text that was written to a file can be drawn again: a terminal, or a notebook."""
    try:
        return bool(file.isatty()) or type(file).__module__.startswith("ipykernel")
    except (AttributeError, ValueError):  # not a file, or closed
        return False


def plain_line(said: Mapping[str, Any]) -> str:
    """A bar as a line of text, such as ``eval: 40 of 100 videos (40 %), 0:30 passed, 0:45 left``.

    Args:
        said: ``tqdm.format_dict``.
    """
    n, total, unit = said["n"], said["total"], said["unit"]
    size = tqdm.format_sizeof if said["unit_scale"] else str
    words = f"{unit}s" if len(unit) > 1 else unit  # video, step …, or B for bytes
    parts = [f"{size(n)} {words}"]
    if total:
        parts = [f"{size(n)} of {size(total)} {words} ({100 * n / total:.0f} %)"]
    parts.append(f"{tqdm.format_interval(said['elapsed'])} passed")
    done = n - said["initial"]
    if total and 0 < done and n < total:
        parts.append(f"{tqdm.format_interval((total - n) * said['elapsed'] / done)} left")
    if said["postfix"]:
        parts.append(str(said["postfix"]))
    return f"{shown(said['prefix'] or 'progress').removesuffix(': ')}: {', '.join(parts)}"
