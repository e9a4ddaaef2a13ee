"""The one runner: many items worked through in several processes, each item's failure its own.

:func:`work` is for commands that write no folder of results (`bench data inspect`, `bench verify`). :func:`fill` is for
those that fill a folder (`bench build`, `bench segment`, `bench data render`): it locks the folder, reads what is done
from the journal, works through the rest, and lets the command write its tables last. A killed run leaves whole files
and a journal; the next run does what is missing and ends with the same tables.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError, Crashed, LeftOut, system_error
from benchmark_builder.utils.files import remove_leftovers
from benchmark_builder.utils.journal import Entry, Journal, read_entries
from benchmark_builder.utils.resume import keep_tracebacks, logged, sole_run


@dataclass(frozen=True)
class Report:
    """What a run did in ``folder``. ``made`` and ``kept`` count videos.

    ``failures``: dicts of id, kind (``left out``, ``failed``, or that of a note), reason; failures.csv holds the same.
    ``changed``: items that were made before, and again now, because what they are made from has changed since.
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


# Items worked through.


@dataclass(frozen=True)
class Worked:
    """What became of items, in order of completion: ``made``, pairs of item and result, and ``failed``, of item and
    error. ``log``: a line that says where the tracebacks of unexpected errors are; empty without any."""

    made: list[tuple[Any, Any]]
    failed: list[tuple[Any, BenchError]]
    log: str = ""


def work(
    maker: pool.Maker,
    items: Sequence[Any],
    name: Callable[[Any], str],
    workers: int,
    *,
    title: str,
    unit: str = "video",
    progress: bool = True,
) -> Worked:
    """Work through items for a command that writes no folder of results.

    Args:
        maker: its ``make(item)`` gives an item's result.
        items: what to work on.
        name: the item's id, which stands in the log of tracebacks.
        workers: processes.
        title, unit: what the progress bar says and counts.
        progress: show it.
    """
    made, failed = list[tuple[Any, Any]](), list[tuple[Any, BenchError]]()
    with closing(_each(maker, items, workers, len(items), title, unit, progress)) as results:
        for item, result in results:
            (failed if isinstance(result, BenchError) else made).append((item, result))
    return Worked(made, failed, keep_tracebacks({name(item): error for item, error in failed}))


def _each(
    maker: pool.Maker, items: Sequence[Any], workers: int, total: int, title: str, unit: str, progress: bool
) -> Generator[tuple[Any, Any], None, None]:
    """Items and their results, with a bar of ``total`` items, of which those that are not in ``items`` are done."""
    bar = tqdm(total=total, initial=total - len(items), desc=title, unit=unit, disable=not progress)
    with bar, closing(pool.run(maker, items, workers)) as results:
        for item, result in results:
            yield item, result
            bar.update()


# A folder filled.


@dataclass(frozen=True)
class Made:
    """What was made of one item: its rows (dicts of plain JSON values), notes on it, and whether it is new."""

    rows: list[dict[str, Any]]
    notes: Sequence[pool.Note] = ()
    new: bool = True


class Filling(ABC):
    """A command that fills a folder: what :func:`fill` has to know of it.

    Attributes:
        out: the folder.
        lock, journal: files in it, hidden.
        busy: what to say of the folder if another run holds the lock.
        maker: makes one item. A method ``depends(item)`` of it may give a digest of what decides whether an item is
            left out; an item is tried again only if that has changed. Without, it is tried in every run.
        title, unit: what the progress bar says and counts.
        files: columns of a row that name files below ``out``; empty for none.
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
        """The item's id, which stands in the journal and in failures.csv."""
        return str(item.id)

    @abstractmethod
    def claim(self) -> None:
        """Refuse a folder that holds something else; note in it what it is to hold. Raises BenchError."""

    @abstractmethod
    def earlier(self) -> Iterable[Entry]:
        """What a finished run made, from its tables; asked where there is no journal."""

    @abstractmethod
    def check_row(self, row: Any) -> None:
        """Raise BenchError for what no run wrote as a row into the journal."""

    def begin(self, journal: Journal) -> None:
        """Before it is decided what is to be made; the folder is locked and its own."""

    def current(self, item: Any, rows: list[dict[str, Any]]) -> bool:
        """Whether an item and the rows that were made of it still belong together; else it is made again."""
        return True

    def ready(self) -> None:
        """Once the files of items that have changed are gone."""

    def made(self, result: Any) -> Made:
        """What the maker returned of an item, as the runner takes it."""
        assert isinstance(result, Made)
        return result

    @abstractmethod
    def finish(self, journal: Journal, items: Sequence[Any], made: int, changed: Sequence[str]) -> Report:
        """Write the tables. ``made`` counts new rows."""

    def tidy(self) -> None:
        """At the end, however it came: leave what the same command can go on from, and nothing else."""


def fill(task: Filling, items: Sequence[Any], workers: int = 1, progress: bool = True) -> Report:
    """Make every item that is not made yet, then let the command write its tables.

    An item that failed is tried again in every run. So is one that was left out, unless the maker says what that
    depended on and it is the same as before.

    Raises:
        BenchError: another run is at work in the folder, or the folder holds something else or cannot be written.
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
                    remove_leftovers(out)  # of workers that were stopped, whose encoders may live a moment more
            finally:
                task.tidy()
    except OSError as error:
        raise system_error(error, out) from None
    finally:
        if new:  # and nothing came of it: as if it had never been tried
            with suppress(OSError):
                out.rmdir()


def _fill(task: Filling, journal: Journal, items: Sequence[Any], workers: int, progress: bool) -> Report:
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
    with closing(_each(task.maker, todo, workers, len(items), task.title, task.unit, progress)) as results:
        for item, result in results:
            made += _note(task, journal, item, result)
    return task.finish(journal, items, made, changed)


def _left_out_again(task: Filling, journal: Journal, items: Sequence[Any]) -> set[str]:
    """Names of items that were left out for what is still the same."""
    depends = getattr(task.maker, "depends", None)
    if depends is None:
        return set()
    left_out = {name: entry.on for name, entry in journal.entries.items() if entry.state == "left out" and entry.on}
    asked = ((task.name(item), item) for item in items)
    return {name for name, item in asked if name in left_out and left_out[name] == depends(item)}


def _note(task: Filling, journal: Journal, item: Any, result: Any) -> int:
    """Write down what became of an item; how many new rows that is."""
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
