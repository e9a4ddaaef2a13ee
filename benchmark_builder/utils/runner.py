"""The runner: processes many items in several processes; a failure affects only its item.

Commands that write no folder of results (`bench data inspect`, `bench verify`) use :func:`work`. Commands that fill a
folder (`bench build`, `bench segment`, `bench data render`) use :func:`fill`: it locks the folder, finds the finished
items in the journal, processes the others, and then the command writes its tables. A killed run leaves complete files
and a journal; the next run makes the missing items and writes the same tables as a run that was not killed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from benchmark_builder.utils import engine, pool
from benchmark_builder.utils.errors import BenchError, Crashed, LeftOut, system_error
from benchmark_builder.utils.files import remove_leftovers
from benchmark_builder.utils.journal import Entry, Journal, PlainRow, read_entries
from benchmark_builder.utils.pool import Item, Result
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.resume import keep_tracebacks, logged, sole_run


@dataclass(frozen=True)
class Report:
    """The result of a run in ``folder``. ``made`` and ``kept`` count videos.

    ``failures``: dicts of id, kind (``left out``, ``failed``, or the kind of a note), reason; the rows of failures.csv.
    ``changed``: items that were made again because their sources have changed since they were made.
    """

    folder: Path
    made: int
    kept: int
    failures: list[dict[str, str]]
    changed: Sequence[str] = ()

    @property
    def failed(self) -> list[dict[str, str]]:
        return [f for f in self.failures if f["kind"] == "failed"]

    @property
    def left_out(self) -> list[dict[str, str]]:
        return [f for f in self.failures if f["kind"] == "left out"]


# Without a folder of results.


@dataclass(frozen=True)
class Worked(Generic[Item, Result]):
    """The results of items in order of completion: ``made`` has pairs of item and result, ``failed`` pairs of item and
    error. ``log``: a line that says where the tracebacks of unexpected errors are; empty if there were none."""

    made: list[tuple[Item, Result]]
    failed: list[tuple[Item, BenchError]]
    log: str = ""


def work(
    maker: pool.Maker[Item, Result],
    items: Sequence[Item],
    name: Callable[[Item], str],
    workers: int,
    *,
    title: str,
    unit: str = "video",
    progress: bool = True,
) -> Worked[Item, Result]:
    """Process items for a command that writes no folder of results.

    Args:
        maker: its ``make(item)`` returns an item's result.
        items: the items to process.
        name: function for the item's id, which is used in the log of tracebacks.
        workers: processes.
        title, unit: title of the progress bar, and the name of what it counts.
        progress: show the progress bar.
    """
    made, failed = list[tuple[Item, Result]](), list[tuple[Item, BenchError]]()
    work = engine.run(maker, items, workers)
    with closing(_each(work, len(items), len(items), title, unit, progress)) as results:
        for item, result in results:
            if isinstance(result, BenchError):
                failed.append((item, result))
            else:
                made.append((item, result))
    return Worked(made, failed, keep_tracebacks({name(item): error for item, error in failed}))


def _each(
    work: Generator[tuple[Item, Result | BenchError], None, None],
    count: int,
    total: int,
    title: str,
    unit: str,
    progress: bool,
) -> Generator[tuple[Item, Result | BenchError], None, None]:
    """Yield ``count`` items with their results, with a bar of ``total`` items; the others count as done."""
    bar = Bar(total=total, initial=total - count, desc=title, unit=unit, disable=not progress)
    with bar, closing(work) as results:
        for item, result in results:
            yield item, result
            bar.update()


# With a folder of results.


@dataclass(frozen=True)
class Made:
    """The result of one item: its rows (dicts of plain JSON values), notes on it, and whether it is new."""

    rows: list[PlainRow]
    notes: Sequence[pool.Note] = ()
    new: bool = True


class Filling(ABC, Generic[Item]):
    """A command that fills a folder, as :func:`fill` needs it.

    Attributes:
        out: the folder.
        lock, journal: names of hidden files in it.
        busy: the message if another run holds the lock.
        maker: makes one item. It may have a method ``depends(item)``, which returns a digest of the files that decide
            whether the item is left out; such an item is tried again only if the digest has changed. Without the method
            it is tried again in every run.
        title, unit: title of the progress bar, and the name of what it counts.
        files: columns of a row with paths of files below ``out``; may be empty.
    """

    out: Path
    lock: str
    journal: str
    busy: str
    maker: Any
    title: str
    unit = "video"
    files: tuple[str, ...] = ("file",)

    def name(self, item: Any) -> str:
        """The item's id, which is used in the journal and in failures.csv."""
        return str(item.id)

    @abstractmethod
    def claim(self) -> None:
        """Mark the folder as this command's. Raises BenchError if it contains something else."""

    @abstractmethod
    def earlier(self) -> Iterable[Entry]:
        """The results of a finished run, from its tables; called if there is no journal."""

    @abstractmethod
    def check_row(self, row: object) -> None:
        """Raise BenchError if a row of the journal is not one that a run wrote."""

    def begin(self, journal: Journal) -> None:
        """Called before the items to make are chosen; the folder is locked and marked."""

    def current(self, item: Item, rows: list[PlainRow]) -> bool:
        """Whether the rows made from an item are still up to date; if False, the item is made again."""
        return True

    def ready(self) -> None:
        """Called after the files of changed items are deleted."""

    def results(self, items: Sequence[Item], workers: int) -> Generator[tuple[Item, Any], None, None]:
        """Yield the items to make with their results (or BenchErrors), in any order; here each by itself, by the maker
        in processes of the chosen engine."""
        return engine.run(self.maker, items, workers, shared=(self.out,))

    def made(self, result: object) -> Made:
        """The maker's result of an item, in the form that the runner needs."""
        assert isinstance(result, Made)
        return result

    @abstractmethod
    def finish(self, journal: Journal, items: Sequence[Item], made: int, changed: Sequence[str]) -> Report:
        """Write the tables. ``made`` counts new rows."""

    def tidy(self) -> None:
        """Called at the end, also after an error: delete everything that the same command cannot continue from."""


def fill(task: Filling[Item], items: Sequence[Item], workers: int = 1, progress: bool = True) -> Report:
    """Make every missing item, then let the command write its tables.

    A failed item is tried again in every run. An item that was left out is tried again too, unless the maker has a
    method ``depends(item)`` and its digest is unchanged.

    Raises:
        BenchError: another run is working in the folder, or the folder contains something else or cannot be written.
    """
    out = task.out
    new = not out.exists()
    try:
        with sole_run(out, out / task.lock, task.busy):
            try:
                task.claim()
                try:
                    remove_leftovers(out)
                    path = out / task.journal
                    entries = read_entries(path, task.check_row) if path.is_file() else task.earlier()
                    with closing(Journal(out, path, task.files, entries)) as journal:
                        return _fill(task, journal, items, workers, progress)
                finally:
                    remove_leftovers(out)  # of stopped workers, whose encoders may run for a moment longer
            finally:
                task.tidy()
    except OSError as error:
        raise system_error(error, out) from None
    finally:
        if new:  # delete it if it is still empty
            with suppress(OSError):
                out.rmdir()


def _fill(task: Filling[Item], journal: Journal, items: Sequence[Item], workers: int, progress: bool) -> Report:
    task.begin(journal)
    done = journal.made() | _left_out_again(task, journal, items)
    before = [(task.name(item), item) for item in items if task.name(item) in done]
    changed = [name for name, item in before if not task.current(item, journal.rows(name))]
    for name in changed:
        journal.forget(name)
    task.ready()
    done -= set(changed)
    todo = [item for item in items if task.name(item) not in done]
    made = 0
    work = task.results(todo, workers)
    with closing(_each(work, len(todo), len(items), task.title, task.unit, progress)) as results:
        for item, result in results:
            made += _note(task, journal, item, result)
    return task.finish(journal, items, made, changed)


def _left_out_again(task: Filling[Item], journal: Journal, items: Sequence[Item]) -> set[str]:
    """Names of items that were left out and whose ``depends`` digest is unchanged."""
    depends = getattr(task.maker, "depends", None)
    if depends is None:
        return set()
    left_out = {name: entry.on for name, entry in journal.entries.items() if entry.state == "left out" and entry.on}
    asked = ((task.name(item), item) for item in items)
    return {name for name, item in asked if name in left_out and left_out[name] == depends(item)}


def _note(task: Filling[Item], journal: Journal, item: Item, result: object) -> int:
    """Write the result of an item into the journal; returns the number of new rows."""
    name = task.name(item)
    if isinstance(result, LeftOut):
        depends = getattr(task.maker, "depends", None)
        journal.add(Entry(name, "left out", reason=str(result), on=(depends(item) if depends else None) or ""))
    elif isinstance(result, Crashed):
        journal.add(Entry(name, "failed", reason=logged(str(result)), details=result.details))
    elif isinstance(result, BenchError):
        journal.add(Entry(name, "failed", reason=str(result)))
    else:
        made = task.made(result)
        notes = [{"id": n.id, "kind": n.kind, "reason": n.reason} for n in made.notes]
        journal.add(Entry(name, "made", made.rows, notes=notes))
        return len(made.rows) if made.new else 0
    return 0


def has_rows(task: Filling) -> bool:
    """Whether a killed run has made anything."""
    return any(entry.rows for entry in read_entries(task.out / task.journal, task.check_row))
