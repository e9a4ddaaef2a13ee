"""CPU time of scoring per video, and per row of a leaderboard, for different numbers of them, and ratios.

The benchmarks are tables only (scoring reads no video): SCUBA, SCUFO and ConflFG with so many videos each, five
variants per source, and random scores. The leaderboards contain rows of such runs. If the time is linear, the ratio is
1.

    python perf/scale_eval.py --videos 1000 5000 20000 --rows 10 300 1000
"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmark_builder.benchmark.manifest import Row, write_benchmark
from benchmark_builder.benchmark.protocol_record import ProtocolRecord
from evaluator.predictions.files import read_predictions, softmax, write_predictions
from evaluator.reports import leaderboard
from evaluator.reports.picture import plot_leaderboard
from evaluator.reports.report import report
from evaluator.reports.screen import show
from evaluator.runs import compare_runs, find_records, load_run
from evaluator.score import score
from evaluator.testsets import benchmark_set

KINDS, VARIANTS = ("scuba", "scufo", "conflfg"), 5


def tables(folder: Path, count: int, classes: list[str]) -> list[Path]:
    """Benchmarks with ``count`` videos each, as tables without video files."""
    blank: dict[str, Any] = {
        f.name: 0 if f.type in (int, float) else "" for f in dataclasses.fields(Row) if f.default is dataclasses.MISSING
    }
    for kind in KINDS:
        rows = []
        for k in range(count):
            label = (k // VARIANTS) % len(classes)
            source = f"{classes[label]}/v{k // VARIANTS:06d}"
            own = {"id": f"{source}__{k % VARIANTS}", "file": f"videos/{source}__{k % VARIANTS}.mp4", "label": label,
                   "class_name": classes[label], "split": "test1", "source_id": source, "variant": k % VARIANTS,
                   "source_frames": "0-9", "file_sha256": "0" * 64}  # fmt: skip
            own |= {"partner_id": own["id"]} if kind != "scuba" else {}
            own |= {"donor_label": (label + 1) % len(classes)} if kind == "conflfg" else {}
            rows.append(Row(**{**blank, **own}))
        said = {"kind": kind, "dataset": "ucf101", "classes": classes, "backgrounds": {"name": "stripes"}}
        write_benchmark(folder / kind, ProtocolRecord.made(said, folder / kind), rows, [])
    return [folder / kind for kind in KINDS]


def predict(folder: Path, benchmarks: list[Path], seed: int, suffix: str = ".csv") -> list[Path]:
    """Write random scores for every video, in the form of `bench eval`."""
    rng = np.random.default_rng(seed)
    files = []
    for benchmark in benchmarks:
        s = benchmark_set(benchmark)
        scores = softmax(rng.normal(size=(len(s.items), len(s.classes)))).astype(np.float32)
        rows = ((item.id, item.label, row) for item, row in zip(s.items, scores, strict=True))
        files.append(folder / f"{benchmark.name}-{seed}{suffix}")
        write_predictions(files[-1], s.classes, rows)
    return files


def by_videos(folder: Path, count: int, classes: list[str]) -> dict[str, float]:
    benchmarks, out = tables(folder / "b", count, classes), folder / "out"
    files = [predict(folder / "p", benchmarks, seed) for seed in (0, 1)]
    parquet = predict(folder / "p", benchmarks, 0, ".parquet")
    sets = [benchmark_set(b) for b in benchmarks]

    def again(read: list[Path]) -> None:
        for path, s in zip(read, sets, strict=True):
            read_predictions(path, s.classes, s.labels)

    def versus() -> None:
        a, b = (load_run(path) for path in find_records([out]))
        compare_runs(a, b)

    steps: dict[str, Callable[[], object]] = {
        "write csv": lambda: predict(folder / "p", benchmarks, 0),
        "read csv": lambda: again(files[0]),
        "read parquet": lambda: again(parquet),
        "open benchmarks": lambda: [benchmark_set(b) for b in benchmarks],
        "score": lambda: score(files[0], list(benchmarks), out, method="a"),
        "score another": lambda: score(files[1], list(benchmarks), out, method="b"),
        "versus": versus,
        "report": lambda: report([out], folder / "r.html", gallery=0),
    }
    return {name: timed(step) / count for name, step in steps.items()}


def by_rows(folder: Path, count: int) -> dict[str, float]:
    benchmarks = tables(folder / "b", 60, ["a", "b", "c"])
    scored = score(predict(folder / "p", benchmarks, 0), list(benchmarks), folder / "out", method="baseline")
    board = folder / "board" / leaderboard.NAME
    rows = [
        leaderboard.row_of(scored.record.replaced(method="baseline" if k % 9 == 0 else f"method {k % 9}", seed=k,
                                                  checkpoint_sha256=f"{k:064d}"))
        for k in range(count)
    ]  # fmt: skip
    board.parent.mkdir(parents=True)
    from benchmark_builder.utils.files import write_csv

    write_csv(board, leaderboard.COLUMNS, rows)
    with open(os.devnull, "w") as sink:
        steps: dict[str, Callable[[], object]] = {
            "read leaderboard": lambda: leaderboard.read_leaderboard(board),
            "put a row in": lambda: leaderboard.update(board, {**scored, "method": "new"}),
            "show it": lambda: show([board], Console(file=sink)),
            "draw it": lambda: plot_leaderboard(leaderboard.read_leaderboard(board), folder / "l.png"),
        }
        return {name: timed(step) / count for name, step in steps.items()}


def timed(step: Callable[[], object]) -> float:
    """CPU milliseconds of one step."""
    before = time.process_time()
    step()
    return 1000 * (time.process_time() - before)


def compare(title: str, what: str, sizes: list[int], measure: Callable[[Path, int], dict[str, float]]) -> None:
    found: list[dict[str, float]] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            found.append(measure(Path(name), size))
    print(f"\nCPU milliseconds per {what}, {title}; ratio of the most to the fewest")
    print(f"{'':18s}" + "".join(f"{size:>10d}" for size in sizes) + f"{'in all, s':>12s}{'ratio':>8s}")
    for name in found[0]:
        cells = "".join(f"{one[name]:10.3f}" for one in found)
        print(f"{name:18s}{cells}{found[-1][name] * sizes[-1] / 1000:12.2f}{found[-1][name] / found[0][name]:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, nargs="+", default=[1000, 5000, 20000], help="videos per benchmark")
    parser.add_argument("--rows", type=int, nargs="+", default=[10, 300, 1000], help="numbers of leaderboard rows")
    parser.add_argument("--classes", type=int, default=51)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:  # load matplotlib, scipy and pyarrow before measuring
        by_rows(Path(name), 1)
    with tempfile.TemporaryDirectory() as name:
        by_videos(Path(name), 100, ["a", "b", "c"])
    classes = [f"class{k:03d}" for k in range(options.classes)]
    compare("by rows of a leaderboard", "row", options.rows, by_rows)
    compare(f"three benchmarks, {options.classes} classes", "video", options.videos,
            lambda folder, count: by_videos(folder, count, classes))  # fmt: skip


if __name__ == "__main__":
    main()
