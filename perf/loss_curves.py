"""Compares the loss curves of two training runs, with the difference that another seed makes as the scale.

    python perf/loss_curves.py RUN OTHER SAME_AS_RUN_WITH_ANOTHER_SEED

Each argument is the folder of a run of `bench train`. For every term and accuracy in metrics.csv, the mean distance
over the epochs is printed. OTHER agrees with RUN if its distance is not larger than that of the other seed.
"""

import argparse
import csv
from pathlib import Path

CLOCK = ("epoch", "step", "lr", "seconds", "cpu_seconds", "clips_per_second")


def read(folder: Path) -> list[dict[str, float]]:
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as handle:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(handle)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("seed", type=Path)
    options = parser.parse_args()
    runs = [read(folder) for folder in (options.run, options.other, options.seed)]
    names = [name for name in runs[0][0] if name not in CLOCK]
    for name in names:
        print(f"{name}:")
        for folder, rows in zip((options.run, options.other, options.seed), runs, strict=True):
            print(f"  {folder.name:>16} " + " ".join(f"{row[name]:8.3f}" for row in rows))
        other, seed = (
            sum(abs(a[name] - b[name]) for a, b in zip(runs[0], rows, strict=True)) / len(rows) for rows in runs[1:]
        )
        verdict = "agrees" if other <= seed else "is further away than another seed"
        print(f"  {options.other.name} is {other:.4f} away, another seed {seed:.4f}: it {verdict}")
    speeds = [max(row["clips_per_second"] for row in rows) for rows in runs]
    print(
        f"clips a second, best epoch: {speeds[0]:.1f} and {speeds[1]:.1f}: {options.other.name} is "
        f"{speeds[1] / speeds[0]:.2f} times as fast"
    )


if __name__ == "__main__":
    main()
