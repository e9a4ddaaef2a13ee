"""What every run that fills a folder needs to go on after a kill: whose folder it is, one run at a time, what failed.

A folder that is being filled may hold, besides its own files, a lock, temporary files (``.tmp-*``) and hidden files of
the system (``.DS_Store``): none of them says that the folder is somebody else's.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark_builder.utils.errors import BenchError, Crashed, system_error
from benchmark_builder.utils.files import read_json, write_json, write_text
from benchmark_builder.utils.folders import entries

FAILURES, FAILURE_COLUMNS = "failures.csv", ["id", "kind", "reason"]  # what was not made and why, and notes
LOG = "errors.log"  # tracebacks of items that failed unexpectedly; gone once they are made
LEFT_OUT = ".left-out.json"  # for each item left out, a digest of what that depended on


@contextmanager
def sole_run(folder: Path, lock: Path, refusal: str) -> Iterator[None]:
    """Make ``folder`` and hold its ``lock``.

    Args:
        folder: made if it is missing.
        lock: a file in it, or below; hidden.
        refusal: what to say of the folder if another run holds the lock.

    Raises:
        BenchError: another run holds the lock; or the folder cannot be made or written.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise BenchError(f"{folder}: is a file; give a folder as --out")
        lock.parent.mkdir(parents=True, exist_ok=True)
        taken = FileLock(lock)
        taken.acquire(timeout=0)
    except Timeout:
        raise BenchError(f"{folder}: {refusal}; wait for it or choose another --out") from None
    except OSError as error:
        if str(error.filename).startswith(str(folder)):  # the lock's own name tells a user nothing
            error.filename = str(folder)
        raise system_error(error, folder) from None
    except NotImplementedError as error:  # a file system that cannot lock
        raise BenchError(f"{folder}: cannot be locked ({error}); choose another --out") from None
    try:
        yield
    finally:
        taken.release()


def held(folder: Path, but: Iterable[str] = ()) -> list[str]:
    """Names of what ``folder`` holds, without hidden and temporary files and the names in ``but``, in natural order.

    Empty if the folder is missing. This says whether a folder is free to be filled.
    """
    own = frozenset(but)
    return [path.name for path in entries(folder) if path.name not in own] if folder.is_dir() else []


def lists_failures(path: Path) -> bool:
    """Whether a file is a list of failures that a run left."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.readline(100).strip() == ",".join(FAILURE_COLUMNS)
    except OSError:
        return False


def occupied(folder: Path) -> list[str]:
    """:func:`held`, but for the lists that a run leaves that made nothing: they refuse no other run."""
    return held(folder, (FAILURES, LOG) if lists_failures(folder / FAILURES) else ())


def write_log(folder: Path, details: Mapping[str, str]) -> None:
    """Write the tracebacks of failed items, by id, to the folder's :data:`LOG`; without any, there is no log."""
    path = folder / LOG
    if not details:
        path.unlink(missing_ok=True)
        return
    parts = []
    for name in sorted(details):
        body = "".join(f"    {line}\n" for line in details[name].rstrip().splitlines())
        parts.append(f"{' '.join(name.split())}\n{body}\n")
    write_text(path, "".join(parts))


def read_log(folder: Path) -> dict[str, str]:
    """What :func:`write_log` wrote: traceback by id; nothing where there is no log."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    body: list[str] = []
    for line in lines:
        if line.startswith("    "):
            body.append(line[4:])
        elif line.strip():
            body = found.setdefault(line.strip(), [])
    return {name: "\n".join(text) for name, text in found.items()}


def logged(reason: str) -> str:
    """A reason with a word on where its traceback is."""
    return f"{reason}; traceback in {LOG}"


def keep_tracebacks(results: Mapping[str, object]) -> str:
    """Write the tracebacks of unexpected failures, by id, for a command that fills no folder.

    Args:
        results: what became of each item; only what is a :class:`~benchmark_builder.utils.errors.Crashed` counts.

    Returns:
        A line that says where they are; "" where nothing crashed.
    """
    details = {name: found.details for name, found in results.items() if isinstance(found, Crashed)}
    if not details:
        return ""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    write_log(folder, details)
    return f"tracebacks of {len(details)} unexpected failures are in {folder / LOG}"


def write_left_out(folder: Path, depended: Mapping[str, str]) -> None:
    """Keep, for each item that was left out, the digest of what that depended on; an item without is tried again."""
    path = folder / LEFT_OUT
    known = {name: digest for name, digest in depended.items() if digest}
    if known:
        write_json(path, known)
    else:
        path.unlink(missing_ok=True)


def read_left_out(folder: Path) -> dict[str, str]:
    """What :func:`write_left_out` kept. A file that cannot be read counts as empty: then all is tried again."""
    if not (folder / LEFT_OUT).is_file():
        return {}
    try:
        found = read_json(folder / LEFT_OUT, "record of what was left out", "delete it")
    except BenchError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: digest for name, digest in found.items() if isinstance(digest, str)}
