"""How a published folder appears: under its final name it is complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark_builder.publishing.archives import checksums, files_below
from benchmark_builder.publishing.record import CHECKSUMS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_text
from benchmark_builder.utils.resume import held


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder alongside ``out``; without an error it gets its checksums and then the name ``out``.

    What a killed run left is deleted by the next one.

    Raises:
        BenchError: ``out`` has content, cannot be made, or another process publishes there.
    """
    out = out.absolute()
    if out.exists() and not out.is_dir():
        raise BenchError(f"{out}: is a file; give a folder as --out")
    if others := held(out):
        raise BenchError(f"{out}: is not empty ({others[0]}); delete it or choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    staging, lock = out.with_name(f".tmp-{out.name}"), out.with_name(f".tmp-{out.name}.lock")
    taken = FileLock(lock)
    try:
        taken.acquire(timeout=0)
    except Timeout:
        raise BenchError(f"{out}: another `bench publish` is writing it; wait, or choose another --out") from None
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        yield staging
        write_text(staging / CHECKSUMS, checksums(staging, list(files_below(staging))))
        if out.is_dir():
            shutil.rmtree(out)  # empty, or with hidden files of the system
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        taken.release()
        lock.unlink(missing_ok=True)
