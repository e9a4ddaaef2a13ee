"""The seconds of `bench demo`, which `make demo` runs after the installation, on all cores; and whether it still shows
what it is for: ALBAR's accuracy on SCUFO below 5 %, its contrasted accuracy above 70 %.

python perf/demo.py
"""

import csv
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measure import NotMeasured, Row, cpu_seconds, run, show

GOAL, SCUFO, CONTRASTED = 360.0, 5.0, 70.0


def rows(clips: Path | None = None, rounds: int = 1) -> Iterator[Row]:
    """Wall seconds of one run each, so nothing else should run meanwhile; ``clips`` are not needed."""
    spent, figures = [], []
    with tempfile.TemporaryDirectory() as name:
        for k in range(rounds):
            out, began, used = Path(name) / str(k), time.perf_counter(), cpu_seconds()
            run([sys.executable, "-m", "albar_bench", "demo", "--out", out])
            spent.append(time.perf_counter() - began)
            with open(out / "results" / "leaderboard.csv", newline="", encoding="utf-8") as handle:
                found = [row for row in csv.DictReader(handle) if row["method"] == "albar"]
            if not found:
                raise NotMeasured("the demo's leaderboard has no row of albar")
            figures.append((float(found[-1]["avg_scufo"]), float(found[-1]["contra_acc"])))
            used = cpu_seconds() - used
    said = ", ".join(f"{scufo:.1f} and {contrasted:.1f}" for scufo, contrasted in figures)
    note = f"ALBAR's SCUFO and contrasted accuracy: {said}; {used:.0f} CPU seconds"
    if all(scufo < SCUFO and contrasted > CONTRASTED for scufo, contrasted in figures):
        yield Row("bench demo", "", tuple(spent), GOAL, at_most=True, unit="s", note=note)
    else:
        yield Row("bench demo", "", goal=GOAL, at_most=True, unit="s", missing=f"it no longer shows its effect; {note}")


if __name__ == "__main__":
    show(rows())
