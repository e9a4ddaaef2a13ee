"""For runs that fill a folder and can be continued after a kill: the check of the folder, its lock, its failures.

Such a folder may also contain a lock, temporary files (``.tmp-*``) and hidden files of the system (``.DS_Store``); they
do not matter when a run checks whether it may use the folder.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark_builder.utils.errors import BenchError, Crashed, system_error
from benchmark_builder.utils.files import read_json, write_json, write_text
from benchmark_builder.utils.folders import entries

FAILURES, FAILURE_COLUMNS = "failures.csv", ["id", "kind", "reason"]  # what was not made and why, and notes
LOG = "errors.log"  # tracebacks of items that failed unexpectedly; deleted after these are made
LEFT_OUT = ".left-out.json"  # item that was left out -> digest of the files that decided this


@contextmanager
def sole_run(folder: Path, lock: Path, refusal: str) -> Iterator[None]:
    """Context manager: make ``folder`` and hold its ``lock``.

    Args:
        folder: created if it is missing.
        lock: a hidden file in it or in a subfolder.
        refusal: the message if another run holds the lock.

    Raises:
        BenchError: another run holds the lock, or the folder cannot be created or written.
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
        if str(error.filename).startswith(str(folder)):  # the lock's name would not help a user
            error.filename = str(folder)
        raise system_error(error, folder) from None
    except NotImplementedError as error:  # a file system that cannot lock
        raise BenchError(f"{folder}: cannot be locked ({error}); choose another --out") from None
    try:
        yield
    finally:
        taken.release()


def held(folder: Path, but: Iterable[str] = ()) -> list[str]:
    """Names in ``folder``, without hidden and temporary files and the names in ``but``, in natural order.

    Empty if the folder is missing. A folder is free to be filled if this is empty.
    """
    own = frozenset(but)
    return [path.name for path in entries(folder) if path.name not in own] if folder.is_dir() else []


def lists_failures(path: Path) -> bool:
    """Whether a file is a list of failures, as a run writes it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.readline(100).strip() == ",".join(FAILURE_COLUMNS)
    except OSError:
        return False


def occupied(folder: Path) -> list[str]:
    """:func:`held` without the lists of a run that made nothing: they do not prevent another run."""
    return held(folder, (FAILURES, LOG) if lists_failures(folder / FAILURES) else ())


def write_log(folder: Path, details: Mapping[str, str]) -> None:
    """Write the tracebacks of failed items (id -> traceback) to the folder's :data:`LOG`; if empty, delete the log."""
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
    """Read a file of :func:`write_log`: id -> traceback; empty if there is no log."""
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
    """A reason, with a hint where its traceback is."""
    return f"{reason}; traceback in {LOG}"


def keep_tracebacks(results: Mapping[str, object]) -> str:
    """Write the tracebacks of unexpected failures for a command that fills no folder.

    Args:
        results: id -> result of each item; only results :class:`~benchmark_builder.utils.errors.Crashed` are used.

    Returns:
        A line that says where they are; "" if nothing crashed.
    """
    details = {name: found.details for name, found in results.items() if isinstance(found, Crashed)}
    if not details:
        return ""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    write_log(folder, details)
    return f"tracebacks of {len(details)} unexpected failures are in {folder / LOG}"


def write_left_out(folder: Path, depended: Mapping[str, str]) -> None:
    """Store the digest of each item that was left out (see ``depends``); an item without a digest is tried again."""
    path = folder / LEFT_OUT
    known = {name: digest for name, digest in depended.items() if digest}
    if known:
        write_json(path, known)
    else:
        path.unlink(missing_ok=True)


def read_left_out(folder: Path) -> dict[str, str]:
    """Read a file of :func:`write_left_out`. An unreadable file counts as empty: all items are then tried again."""
    if not (folder / LEFT_OUT).is_file():
        return {}
    try:
        found = read_json(folder / LEFT_OUT, "record of what was left out", "delete it")
    except BenchError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: digest for name, digest in found.items() if isinstance(digest, str)}
