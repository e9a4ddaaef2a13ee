"""How often the interval of a gap between groups of videos covers the true gap, and how often it excludes 0.

    python perf/gap_coverage.py [--runs 500]

Every run draws source videos with three variants per group (half of the videos have variants that are all alike), with
known shares. The nominal coverage is 95 %; the interval is simultaneous, so with several groups it may cover more. The
reference is the usual interval of the largest minus the smallest group (difference and 1.96 standard errors), which
ignores that these two were chosen because they differ most.
"""

import argparse

import numpy as np

from evaluator.metrics.gaps import gap
from evaluator.metrics.intervals import group_replicates
from evaluator.metrics.outcomes import Part

CASES: dict[str, tuple[dict[str, int], dict[str, float]]] = {
    "2 groups, gap 20": ({"a": 60, "b": 60}, {"a": 0.7, "b": 0.5}),
    "2 groups, no gap": ({"a": 60, "b": 60}, {"a": 0.6, "b": 0.6}),
    "2 unequal groups, gap 20": ({"a": 400, "b": 35}, {"a": 0.7, "b": 0.5}),
    "3 unequal groups, gap 30": ({"a": 200, "b": 80, "c": 40}, {"a": 0.8, "b": 0.5, "c": 0.75}),
    "5 groups, gap 20": ({n: 50 for n in "abcde"}, {"a": 0.7, "b": 0.5, "c": 0.6, "d": 0.6, "e": 0.65}),
    "5 groups, no gap": ({n: 50 for n in "abcde"}, dict.fromkeys("abcde", 0.6)),
    "2 groups of 10, gap 20": ({"a": 10, "b": 10}, {"a": 0.7, "b": 0.5}),
}
VARIANTS = 3


def drawn(seed: int, sizes: dict[str, int], shares: dict[str, float]) -> dict[str, list[Part]]:
    """One sample: group -> its part."""
    rng = np.random.default_rng(seed)
    groups = {}
    for name, size in sizes.items():
        common = rng.random(size) < shares[name]
        own = rng.random((size, VARIANTS)) < shares[name]
        outcomes = np.where(rng.random(size)[:, None] < 0.5, common[:, None], own)
        sources = [f"{name}{k}" for k in range(size) for _ in range(VARIANTS)]
        ids = [f"{s}__{v % VARIANTS}" for v, s in enumerate(sources)]
        groups[name] = [Part(ids, outcomes.ravel().astype(float), sources)]
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    runs = parser.parse_args().runs
    print(f"{runs} runs     covers   excludes 0   mean width |  two chosen groups: covers   excludes 0")
    for title, (sizes, shares) in CASES.items():
        true = 100 * (max(shares.values()) - min(shares.values()))
        covers = excludes = plain_covers = plain_excludes = 0
        widths = []
        for run in range(runs):
            groups = drawn(run, sizes, shares)
            found = gap(groups, title, run)
            assert found is not None
            covers += found.low <= true + 1e-9 and true - 1e-9 <= found.high
            excludes += found.low > 0
            widths.append(found.high - found.low)
            pair = group_replicates([groups[found.largest], groups[found.smallest]], title, run)
            error = 100 * float(np.nanstd(pair[0] - pair[1]))
            plain_covers += abs(found.percent - true) <= 1.96 * error
            plain_excludes += found.percent > 1.96 * error
        shown = [100 * n / runs for n in (covers, excludes, plain_covers, plain_excludes)]
        print(f"{title:26} {shown[0]:5.1f} % {shown[1]:8.1f} % {np.mean(widths):10.1f}  | "
              f"{shown[2]:17.1f} % {shown[3]:9.1f} %", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
