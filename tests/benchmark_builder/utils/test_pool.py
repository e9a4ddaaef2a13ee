"""The pool: an item that ends in any way costs itself alone, and no process stays."""

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from crashing import WAYS, Maker, Once, Slow, Unstartable
from filelock import FileLock

from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError, Crashed, LeftOut

SAID = {
    "exits": "its process ended with status 7, twice, the second time alone",
    "killed": "its process was ended by SIGKILL (out of memory?), twice",
    "segfault": "its process was ended by SIGSEGV, twice",
    "sys.exit": "its process ended with status 3, twice",
    "value": "unexpected ValueError: odd value (crashing.py, line ",
    "memory": "unexpected MemoryError (crashing.py, line ",
    "system": "/full/disk: No space left on device; free space there",
    "left out": "nothing there",
    "bad": "bad input",
    "unsent": "unexpected AttributeError: Can't pickle",
}


def by_name(results: list) -> dict:
    return {item if isinstance(item, str) else "unpicklable": result for item, result in results}


def test_every_way_to_fail_costs_its_item_alone() -> None:
    good = [f"good{k}" for k in range(6)] + ["x" * 400_000]
    items = [*good[:2], *WAYS, *good[2:], lambda: None]
    results = list(pool.run(Maker(), items, 2))
    assert len(results) == len(items)
    found = by_name(results)
    assert all(found[name][0] == name for name in good)
    for name, said in SAID.items():
        assert isinstance(found[name], BenchError) and str(found[name]).startswith(said), (name, found[name])
        assert "\n" not in str(found[name])
    assert isinstance(found["unpicklable"], Crashed) and type(found["left out"]) is LeftOut
    assert type(found["bad"]) is type(found["system"]) is BenchError
    assert "raise ValueError" not in str(found["value"])
    assert "line" in found["value"].details and found["value"].details.endswith("ValueError: odd\nvalue\n")
    if os.name == "posix":  # Python's own traceback around a crash in C
        assert "Segmentation fault" in found["segfault"].details and "crashing.py" in found["segfault"].details
        assert "0x7" not in found["segfault"].details


def test_one_worker_apart_survives_a_crash_and_one_in_this_process_an_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apart = by_name(list(pool.run(Maker(), ["a", "segfault", "b"], 1, apart=True)))
    assert isinstance(apart["segfault"], Crashed) and apart["a"][1] != os.getpid()
    here = by_name(list(pool.run(Maker(), ["a", "value", "memory", "left out", "b"], 1)))
    assert here["a"] == ("a", os.getpid()) and here["b"] == ("b", os.getpid())
    assert all(str(here[name]).startswith(SAID[name]) for name in ("value", "memory", "left out"))
    with pytest.raises(SystemExit):
        list(pool.run(Maker(), ["sys.exit"], 1))
    monkeypatch.setenv("BENCH_APART", "1")
    assert next(pool.run(Maker(), ["a"], 1))[1][1] != os.getpid()


def test_an_item_whose_process_died_is_tried_again_alone(tmp_path: Path) -> None:
    results = list(pool.run(Once(tmp_path), ["a", "greedy", "b", "c"], 2))
    assert sorted(results) == [(name, name) for name in ("a", "b", "c", "greedy")] and results[-1][0] == "greedy"


@pytest.mark.parametrize(("dies", "why"), [(False, "no module named 'weights'"), (True, "ended with status 4")])
def test_workers_that_cannot_start_are_an_error_and_no_loop(dies: bool, why: str) -> None:
    with pytest.raises(BenchError, match=rf"worker processes end as they start \(.*{why}"):
        list(pool.run(Unstartable(dies), range(9), 2))


def test_closing_stops_workers_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with closing(pool.run(Slow(tmp_path), [0, 1], 2)) as results:
        assert next(results) == (0, 0)
        while not list(tmp_path.iterdir()):
            time.sleep(0.02)
    assert time.monotonic() - began < 30
    assert not any(_alive(path) for path in tmp_path.iterdir())


def _alive(path: Path) -> bool:
    try:
        state = Path(f"/proc/{path.name[3:]}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from crashing import Slow\n"
        "from benchmark_builder import pool\n"
        "if __name__ == '__main__': list(pool.run(Slow(Path(sys.argv[2])), [1, 2], 2))"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    noted = tmp_path / "pids"
    noted.mkdir()
    process = subprocess.Popen([sys.executable, str(script), str(Path(__file__).parents[2] / "helpers"), str(noted)])
    while len(list(noted.iterdir())) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    for _ in range(200):
        if not any(_alive(path) for path in noted.iterdir()):
            return
        time.sleep(0.05)
    raise AssertionError("a worker outlived its run")


class Files:
    """Lists what its process has open."""

    def make(self, item: str) -> list[str]:
        return [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_a_fork_has_no_files_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a killed run would stay locked, and a worker would not see that its pipe was closed by the parent."""
    monkeypatch.setattr(pool, "forks", lambda: True)
    starts: list[object] = []
    monkeypatch.setattr(pool.Crew, "_failed_start", lambda self, why: starts.append(why))
    with FileLock(tmp_path / "lock"), open(tmp_path / "table", "w") as table:
        found = [opened for _, opened in pool.run(Files(), ["a", "b", "c"], 2)]
        assert table.write("still open here") and all(isinstance(opened, list) for opened in found)
    assert not any(str(tmp_path) in name for opened in found for name in opened) and not starts


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_letting_go_of_a_file_that_was_closed_meanwhile(tmp_path: Path) -> None:
    number = os.open(tmp_path / "closed", os.O_CREAT)
    os.close(number)
    pool._let_go([number])  # its number is the next that is free
    assert os.path.realpath(f"/proc/self/fd/{number}") == os.devnull
    os.close(number)


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
@pytest.mark.parametrize(
    ("before", "forked"),
    [
        ("import albar_bench.cli.build", True),
        ("import threading, time; threading.Thread(target=time.sleep, args=(1,), daemon=True).start()", False),
        ("import sys; sys.modules['torch'] = sys", False),
    ],
)
def test_workers_are_forked_only_from_a_process_with_one_thread(before: str, forked: bool) -> None:
    """The command line has only one: numpy and OpenCV start none."""
    code = f"{before}\nfrom benchmark_builder.utils import pool\nprint(pool.forks())"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment).stdout
    assert said.split() == [str(forked)]
