"""The runner by itself: what it keeps, tries again, counts and leaves behind."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crashing import Maker as Crashing
from filelock import FileLock

from benchmark_builder.utils import runner
from benchmark_builder.utils.errors import BenchError, Crashed, LeftOut
from benchmark_builder.utils.files import inside, write_csv, write_text
from benchmark_builder.utils.journal import Entry, Journal, from_tables
from benchmark_builder.utils.pool import Note
from benchmark_builder.utils.resume import FAILURE_COLUMNS, FAILURES, LOG


@dataclass
class Writer:
    """Writes a file that holds its name; ``bad``: what goes wrong, by name; ``made``: what was tried."""

    out: Path
    bad: dict[str, BaseException]
    tried: list[str]
    digest: str | None = "same"

    def make(self, name: str) -> runner.Made:
        self.tried.append(name)
        if name in self.bad:
            raise self.bad[name]
        write_text(self.out / f"{name}.txt", name)
        return runner.Made([{"file": f"{name}.txt"}], [Note(name, "odd", "short")] if name == "n" else ())

    def depends(self, name: str) -> str | None:
        return self.digest


class Task(runner.Filling):
    lock, journal, busy, title = ".work/lock", ".work/journal.jsonl", "is busy", "write"

    def __init__(self, out: Path, bad: dict[str, BaseException] | None = None, stale: Sequence[str] = ()) -> None:
        self.out, self.maker, self.stale = out, Writer(out, bad or {}, []), stale

    def name(self, item: Any) -> str:
        return str(item)

    def claim(self) -> None:
        if (self.out / "thesis.tex").exists():
            raise BenchError(f"{self.out}: is somebody else's")

    def earlier(self) -> Iterator[Entry]:
        if (self.out / FAILURES).is_file():
            there = {path.stem: [{"file": path.name}] for path in self.out.glob("*.txt")}
            yield from from_tables(self.out, there, "run again")

    def check_row(self, row: Any) -> None:
        inside(self.out, row["file"])

    def current(self, item: Any, rows: list[dict[str, Any]]) -> bool:
        return item not in self.stale

    def finish(self, journal: Journal, items: Sequence[Any], made: int, changed: Sequence[str]) -> runner.Report:
        failures = journal.failures((), ())
        journal.write_reasons()
        write_csv(self.out / FAILURES, FAILURE_COLUMNS, failures)
        (self.out / self.journal).unlink()
        return runner.Report(self.out, made, len(journal.all_rows()) - made, failures, changed)


def fill(task: Task, names: str) -> runner.Report:
    return runner.fill(task, list(names), progress=False)


def test_a_second_run_tries_what_failed_and_keeps_the_rest(tmp_path: Path) -> None:
    out = tmp_path / "out"
    bad: dict[str, BaseException] = {"a": BenchError("bad"), "b": LeftOut("nothing"), "c": ValueError("odd")}
    report = fill(Task(out, bad), "abcdn")
    assert (report.made, report.kept) == (2, 0)
    assert {(f["id"], f["kind"]) for f in report.failures} == {
        ("a", "failed"), ("b", "left out"), ("c", "failed"), ("n", "odd")
    }  # fmt: skip
    assert [f["id"] for f in report.failed] == ["a", "c"] and [f["id"] for f in report.left_out] == ["b"]
    assert "ValueError" in (out / LOG).read_text()
    task = Task(out)
    report = fill(task, "abcdn")
    assert task.maker.tried == ["a", "c"]  # what b was left out for is still the same
    assert (report.made, report.kept) == (2, 2) and not (out / LOG).exists()
    task = Task(out)
    task.maker.digest = "other"
    assert fill(task, "abcdn").kept == 4 and task.maker.tried == ["b"]


def test_what_is_stale_is_deleted_and_made_again(tmp_path: Path) -> None:
    fill(Task(tmp_path), "ab")
    task = Task(tmp_path, {"a": BenchError("gone")}, stale="ab")
    report = fill(task, "ab")
    assert report.changed == ["a", "b"] and (report.made, report.kept) == (1, 0)
    assert sorted(path.name for path in tmp_path.glob("*.txt")) == ["b.txt"]


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_run_goes_on_from_its_journal_wherever_it_was_cut(cut: int, tmp_path: Path) -> None:
    """The journal's last line is cut, as by a kill: that item is made again, and every other is kept."""
    stopped = Task(tmp_path, {"c": KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        fill(stopped, "abcd")
    journal = tmp_path / stopped.journal
    text = journal.read_text()
    assert text.count("\n") == 2
    journal.write_text(text[: len(text) - cut])
    whole = {json.loads(line)["id"] for line in text[: len(text) - max(cut, 1)].splitlines() if line.endswith("}")}
    task = Task(tmp_path)
    report = fill(task, "abcd")
    assert task.maker.tried == [name for name in "abcd" if name not in whole]
    assert (report.made, report.kept) == (4 - len(whole), len(whole))


def test_a_hostile_journal_names_no_file_elsewhere(tmp_path: Path) -> None:
    task = Task(tmp_path / "out", stale="a")
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    write_text(
        task.out / task.journal,
        json.dumps({"id": "a", "state": "made", "value": [{"file": "../victim.txt"}]}) + "\n"
        + json.dumps({"id": "b", "state": "made", "value": [], "notes": [{"id": 3}]}) + "\n[]\n5\n",
    )  # fmt: skip
    assert fill(task, "ab").made == 2 and victim.read_text() == "mine"


def test_a_lock_a_claim_and_a_new_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / ".work").mkdir(parents=True)
    with FileLock(out / ".work/lock"), pytest.raises(BenchError, match="is busy; wait for it"):
        fill(Task(out), "a")
    (out / "thesis.tex").write_text("years")
    with pytest.raises(BenchError, match="somebody else's"):
        fill(Task(out), "a")
    assert not (out / "a.txt").exists()


def test_lines_of_earlier_releases_are_read_and_written_the_same(tmp_path: Path) -> None:
    lines = [
        {"id": "a", "state": "made", "value": [{"file": "a.txt"}], "notes": [{"id": "a", "kind": "k", "reason": "r"}]},
        {"id": "b", "state": "failed", "value": "why", "details": "trace", "rows": [{"file": "b.txt"}]},
        {"id": "c", "state": "left out", "value": "why", "on": "digest"},
        {"id": "c", "state": "short", "value": "a note"},
    ]
    for line in lines:
        assert json.loads(Entry.read(json.dumps(line)).line()) == line
    # null stood for what was not known
    assert not Entry.read('{"id": "d", "state": "failed", "value": "w", "rows": null, "details": null}').details


def test_items_without_a_folder(tmp_path: Path) -> None:
    done = runner.work(Crashing(), ["x", "value", "bad", "y"], str, 1, title="look", progress=False)
    assert done.made == [("x", ("x", os.getpid())), ("y", ("y", os.getpid()))]
    assert [(item, type(error)) for item, error in done.failed] == [("value", Crashed), ("bad", BenchError)]
    log = Path(done.log.split()[-1])
    assert done.log.startswith("tracebacks of 1 ") and "ValueError" in log.read_text() and "bad" not in log.read_text()
