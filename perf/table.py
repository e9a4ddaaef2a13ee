"""One command for all speed goals: how this toolkit compares with others, on this machine, from what is installed.

    python perf/table.py CLIPS                      # eight minutes of CPU time; --long adds the demo and the tests
    python perf/table.py CLIPS --only evaluation --only clips
    python perf/table.py CLIPS --markdown > table.md
    python perf/table.py CLIPS --json > table.json

CLIPS is a folder with some videos below ucf101/, hmdb51/ and kinetics400/; $BENCH_CLIPS if it is not given. The peers
torchcodec and decord2 come with `pip install -e '.[peers]'`. What is missing is printed as "not measured" with its
reason, never as reached.

A ratio is the other side's CPU time divided by ours: above 1, ours is cheaper. Where the goal is "at most" (≤), it is
ours divided by the other side's. All sides take turns; the median of the rounds is compared with the goal, and the
smallest and largest round are printed. Each part is a process of its own: a part that fails, crashes or takes longer
than --limit costs its own rows alone.
"""

import argparse
import csv
import importlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from measure import NotMeasured, Row, text

from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.text import shown

HEADINGS = ("work", "against", "ratio or time", "rounds", "goal", "reached", "note")
ROOM = 4 * 10**9  # bytes for the files of a part
NAMED = ("av", "opencv-python-headless", "torch", "torchcodec", "decord2", "pillow")


@dataclass(frozen=True)
class Part:
    """A script with ``rows(clips, rounds)``.

    Attributes:
        script: its module.
        says: what it measures.
        rounds: as many as its spread needs.
        long: only with --long.
    """

    script: str
    says: str
    rounds: int
    long: bool = False


PARTS = {
    "evaluation": Part("input_speed", "evaluation from zips, videos and lossless files", 5),
    "clips": Part("clip_reading", "training clips from videos, folders, zips and lossless files", 5),
    "jpeg": Part("frames_layout", "SCUBA as JPEG frames", 3),
    "video": Part("default_layout", "SCUBA as video", 3),
    "short": Part("short_clips", "short clips", 5),
    "step": Part("albar_step", "ALBAR's step", 3),
    "feed": Part("feed_gpu", "training clips for a GPU", 2),
    "start": Part("start_up", "start of a build, bench --help", 7),
    "demo": Part("demo", "bench demo", 1, long=True),
    "suite": Part("suite", "the test suite", 1, long=True),
}


def measured(name: str, clips: Path | None, rounds: int | None, limit: float) -> list[Row]:
    """The rows of one part, which a process of its own measures; what went wrong is a row, too."""
    part = PARTS[name]
    command = [sys.executable, __file__, *([str(clips)] if clips else []), "--only", name, "--worker"]
    output, problem = output_of([*command, "--rounds", str(rounds or part.rounds)], limit)
    found = [Row.from_record(json.loads(line)) for line in output.splitlines() if line.startswith('{"work"')]
    if not found and not problem:
        problem = "nothing was measured"
    return found + ([Row(part.says, missing=problem[:200])] if problem else [])


def output_of(command: Sequence[str], limit: float) -> tuple[str, str]:
    """(what a command printed, why it failed or ""); at the limit, it and all that it started are killed."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as printed,
        tempfile.TemporaryFile("w+") as errors,
        tempfile.TemporaryDirectory(dir=memory(), ignore_cleanup_errors=True) as scratch,
    ):
        more = {"OMP_NUM_THREADS": "1", "TMPDIR": scratch}
        process = subprocess.Popen(
            command, stdout=printed, stderr=errors, env=os.environ | more, start_new_session=True
        )
        problem = ""
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            problem = f"it took more than {limit:g} seconds (--limit)"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        printed.seek(0)
        errors.seek(0)
        if not problem and process.returncode < 0:
            problem = f"the process was ended by signal {-process.returncode}"
        elif not problem and process.returncode:
            problem = (errors.read().strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        return printed.read(), problem


def memory() -> Path | None:
    """Where files are in memory, so that the state of a disk does not count; None without room, or with $TMPDIR."""
    place = Path("/dev/shm")
    if "TMPDIR" in os.environ or not os.access(place, os.W_OK):
        return None
    return place if shutil.disk_usage(place).free > ROOM else None


def worker(name: str, clips: Path | None, rounds: int) -> None:
    """Measure one part here; print each row as a line of JSON as soon as it is there."""
    try:
        for row in importlib.import_module(PARTS[name].script).rows(clips, rounds):
            print(json.dumps(row.record()), flush=True)
    except NotMeasured as error:
        print(json.dumps(Row(PARTS[name].says, missing=str(error)).record()), flush=True)


def machine() -> str:
    """Processor, system and versions, in one line."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:  # not Linux
        pass
    files = "in memory" if memory() else f"in {os.environ.get('TMPDIR', 'the folder for temporary files')}"
    found = [f"{model}, {os.cpu_count()} cores, files {files}", f"Python {platform.python_version()}"]
    for package in NAMED:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return ", ".join(found)


def cells(row: Row) -> tuple[str, ...]:
    value, spread, goal, verdict = text(row)
    return tuple(shown(c) for c in (row.work, row.against, value, spread, goal, verdict, row.note))


def counted(rows: Sequence[Row]) -> str:
    """How many goals are reached."""
    with_goal = [row for row in rows if row.goal is not None or row.value is None]
    reached = sum(row.reached is True for row in with_goal)
    missed = sum(row.reached is False for row in with_goal)
    return f"goals: {reached} reached, {missed} not reached, {len(with_goal) - reached - missed} not measured"


def markdown(rows: Sequence[Row]) -> str:
    bold = {"NOT reached": "**not reached**"}
    lines = [f"| {' | '.join(HEADINGS)} |", "| --- | --- | --: | --: | --: | --- | --- |"]
    for row in rows:
        lines.append("| " + " | ".join(bold.get(c, c.replace("|", "\\|")) for c in cells(row)) + " |")
    return "\n".join([*lines, "", counted(rows) + f". {machine()}."])


def plain(rows: Sequence[Row]) -> str:
    """Columns for the screen; the note stands below its row."""
    table = [HEADINGS[:-1], *(cells(row)[:-1] for row in rows)]
    widths = [max(len(line[k]) for line in table) for k in range(5)]
    lines = []
    for k, line in enumerate(table):
        padded = [c.rjust(w) if 2 <= n <= 4 else c.ljust(w) for n, (c, w) in enumerate(zip(line, widths, strict=False))]
        lines.append("  ".join([*padded, line[5]]).rstrip())
        if k and rows[k - 1].note:
            lines.append(f"    {rows[k - 1].note}")
    return "\n".join([*lines, "", counted(rows), machine()])


def main() -> None:
    about = "\n".join(f"  {name:12}{part.says}{' (--long)' * part.long}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"parts:\n{about}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path, nargs="?", help="folder of real videos.  [default: $BENCH_CLIPS]")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; several times for several")
    parser.add_argument("--long", action="store_true", help="also the demo and the test suite: about 15 minutes more")
    parser.add_argument("--rounds", type=int, help="rounds of each part.  [default: 3 to 7, as each part needs]")
    parser.add_argument("--limit", type=float, default=1200, help="seconds for one part.  [default: 1200]")
    forms = parser.add_mutually_exclusive_group()
    for form in ("markdown", "csv", "json"):
        forms.add_argument(f"--{form}", action="store_const", dest="form", const=form)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    place = given.clips or os.environ.get("BENCH_CLIPS")
    clips = Path(place) if place else None
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds must be at least 1")
    if given.limit <= 0:
        parser.error("--limit must be above 0")
    if clips and not clips.is_dir():
        parser.error(f"{clips}: no such folder; give a folder with videos below ucf101/, hmdb51/ and kinetics400/")
    if given.worker:
        worker(given.only[0], clips, given.rounds)
        return
    names = given.only or [name for name, part in PARTS.items() if given.long or not part.long]
    rows: list[Row] = []
    stopped = False
    try:
        with Bar(dict.fromkeys(names), "measure", unit="part") as bar:
            for name in bar:
                bar.set_postfix_str(PARTS[name].says)
                rows += measured(name, clips, given.rounds, given.limit)
    except KeyboardInterrupt:
        stopped = True
    match given.form:
        case "json":
            found = {"machine": machine(), "rows": [row.record() for row in rows]}
            print(json.dumps(found, indent=1, ensure_ascii=False))
        case "csv":
            csv.writer(sys.stdout, lineterminator="\n").writerows([HEADINGS, *map(cells, rows)])
        case "markdown":
            print(markdown(rows))
        case _:
            print(plain(rows))
    if stopped:
        sys.exit("interrupted: the table has only what was measured before")


if __name__ == "__main__":
    main()
