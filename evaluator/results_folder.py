"""The folder that evaluations write to, several at once: what a killed one left there is deleted by the next."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: left-overs stay, nothing else changes
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def results_folder(out: Path) -> Iterator[None]:
    """Make ``out`` and hold it while writing; if nobody else does, delete the temporary files of killed runs first.

    Only this program's own places are looked at (``out``, ``predictions`` and ``results`` below it), never what lies
    deeper: ``out`` may be any folder. A folder made here that is empty in the end is taken away again.
    """
    new = not out.is_dir()
    out.mkdir(parents=True, exist_ok=True)
    handle = os.open(out, os.O_RDONLY) if fcntl else None
    try:
        if handle is not None and _lock(handle):
            for folder in (out, out / "predictions", out / "results"):
                for path in folder.glob(".tmp-*") if folder.is_dir() else []:
                    if path.suffix in (".csv", ".parquet", ".json", ".png") and path.is_file():
                        path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        if handle is not None:
            os.close(handle)
        if new:
            with contextlib.suppress(OSError):  # it is not empty
                out.rmdir()


def _lock(handle: int) -> bool:
    """Lock for this process alone; where others are at work, together with them. Whether it is alone."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:  # others are at work, or the file system has no locks
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH)
        return False
