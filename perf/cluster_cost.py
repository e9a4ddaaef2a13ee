"""What the cluster engine costs: the driver's CPU, memory and its limit of items per second, on machines that are
processes of this one.

    python perf/cluster_cost.py overhead              CPU seconds beside the local pool: items of 100 ms, and tiny ones
    python perf/cluster_cost.py memory --items 20000  the driver's memory, without a journal
    python perf/cluster_cost.py journal --items 20000 items per second of the driver that also writes a journal
    python perf/cluster_cost.py scaling               two machines against one
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster_faults import SMALL, join, start_cluster

from benchmark_builder.utils import engine
from benchmark_builder.utils.journal import Entry, Journal

WARM = 60  # items before a measurement


@dataclass(frozen=True)
class Work:
    """Uses a core for some seconds; returns a row of a manifest's size."""

    seconds: float

    def make(self, item: int) -> dict[str, str]:
        until = time.process_time() + self.seconds
        while time.process_time() < until:
            pass
        return {f"column{k}": f"value of {item}" for k in range(26)}


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process and all that it has started, also of those that have ended."""
    ticks, parents = dict[int, float](), dict[int, int]()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(folder.name)] = int(words[1])
            ticks[int(folder.name)] = sum(map(int, words[11:15]))
    below, total = {pid}, 0.0
    for child in sorted(ticks):  # parents mostly have smaller numbers; a second pass finds the others
        if parents[child] in below:
            below.add(child)
    for child in sorted(ticks):
        if parents[child] in below:
            below.add(child)
    for child in below:
        total += ticks.get(child, 0.0)
    return total / os.sysconf("SC_CLK_TCK")


@contextmanager
def machines(count: int) -> Iterator[None]:
    import ray

    cluster = start_cluster(count)
    join(cluster)
    try:
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def measured(name: str, seconds: float, items: int) -> tuple[float, float]:
    """Wall and CPU seconds of so many items, after others: starting the processes of both machines is not counted."""
    with engine.using(name):
        results = engine.run(Work(seconds), range(WARM + items), 2)
        for _ in range(WARM):
            next(results)
        began, before = time.monotonic(), cpu_seconds(os.getpid())
        assert sum(1 for _ in results) == items
        return time.monotonic() - began, cpu_seconds(os.getpid()) - before


def overhead(given: argparse.Namespace) -> None:
    sizes = [(0.1, given.items or 300), (0.0, given.tiny)]
    found = [measured("local", *size) for size in sizes]
    with machines(2):
        for (seconds, items), (wall, cpu) in zip(sizes, found, strict=True):
            time.sleep(10)  # processes of the measurement before this one end
            before = cpu_seconds(os.getpid())
            time.sleep(10)
            rest = max(0.0, cpu_seconds(os.getpid()) - before) / 10  # what an idle cluster uses, per second
            wall_ray, cpu_ray = measured("ray", seconds, items)
            own = cpu_ray - rest * wall_ray
            print(f"{items} items of {1000 * seconds:g} ms: local {cpu:.2f} CPU s, {wall:.1f} s; "
                  f"ray {cpu_ray:.2f} ({own:.2f} without an idle cluster's {rest:.3f}/s), {wall_ray:.1f} s; "
                  f"more CPU: {100 * (cpu_ray / cpu - 1):.1f} % ({100 * (own / cpu - 1):.1f} %), "
                  f"{1e6 * (cpu_ray - cpu) / items:.0f} us per item", flush=True)  # fmt: skip


def memory(given: argparse.Namespace) -> None:
    with machines(2), engine.using("ray"):
        count, began = 0, time.monotonic()
        for _ in engine.run(Work(0.0), (k for k in range(given.items or 20_000)), 2):
            count += 1
            if count == 100:
                first = resident()
        print(f"{count} items: {count / (time.monotonic() - began):.0f} per second; the driver has {first} MB after "
              f"100 items, at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")  # fmt: skip


def journal(given: argparse.Namespace) -> None:
    """The driver's own CPU seconds per item, with five rows of a manifest in a journal."""
    with machines(2), engine.using("ray"), tempfile.TemporaryDirectory() as name:
        out = Path(name)
        kept = Journal(out, out / "journal.jsonl", (), ())
        results = engine.run(Work(0.0), range(given.items or 20_000), 2)
        next(results)
        began, before, count = time.monotonic(), time.process_time(), 0
        for item, row in results:
            kept.add(Entry(str(item), "made", [row] * 5))
            count += 1
        wall, cpu = time.monotonic() - began, time.process_time() - before
        kept.close()
        print(f"{count} items: {count / wall:.0f} per second here; the driver's CPU: {1e6 * cpu / count:.0f} us per "
              f"item, so at most {count / cpu:.0f} items per second on a core of its own")  # fmt: skip


def resident() -> int:
    """Megabytes of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20


def scaling(given: argparse.Namespace) -> None:
    walls = {}
    for count in (1, 2):
        with machines(count):
            walls[count], _ = measured("ray", 0.1, given.items or 200)
            print(f"{count} machines of one core: {walls[count]:.1f} s", flush=True)
    print(f"two against one: {walls[1] / walls[2]:.2f} times as fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {"overhead": overhead, "memory": memory, "journal": journal, "scaling": scaling}
    parser.add_argument("what", choices=tasks)
    parser.add_argument("--items", type=int, help="number of items")
    parser.add_argument("--tiny", type=int, default=20_000, help="number of items that do nothing, for overhead")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, machines {SMALL['num_cpus']} core each")
    tasks[given.what](given)


if __name__ == "__main__":
    main()
