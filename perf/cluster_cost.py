"""What the cluster engine costs: the driver's CPU, memory and its limit of items per second, on machines that are
processes of this one.

    python perf/cluster_cost.py overhead              CPU in addition to the items' own: items of 100 ms, and tiny ones
    python perf/cluster_cost.py memory --items 20000  the driver's memory, without a journal
    python perf/cluster_cost.py journal --items 20000 items per second of the driver that also writes a journal
    python perf/cluster_cost.py scaling               two machines against one
"""

import argparse
import itertools
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cluster_faults import SMALL, join, start_cluster

from benchmark_builder.utils import engine
from benchmark_builder.utils.journal import Entry, Journal

WARM = 60  # items before a measurement


@dataclass(frozen=True)
class Work:
    """Uses a core for some seconds; returns when it began and ended, and a row of a manifest's size."""

    seconds: float

    def make(self, item: int) -> tuple[float, float, dict[str, str]]:
        began, until = time.monotonic(), time.process_time() + self.seconds
        while time.process_time() < until:
            pass
        return began, time.monotonic(), {f"column{k}": f"value of {item}" for k in range(26)}


def cpu_seconds() -> dict[int, float]:
    """The CPU seconds of this process and of all below it that run now, by process id, to a microsecond."""
    parents = dict[int, int]()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    below = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in below and child not in below}:
        below |= more
    found = dict[int, float]()
    for pid in below:
        with suppress(OSError):
            found[pid] = time.clock_gettime((~pid << 3) | 2)  # the clock of another process, see clock_getcpuclockid
    return found


ROLES = {
    "ray::Agent": "agents", "spawn_main": "workers", "gcs_server": "Ray's gcs_server", "raylet/raylet": "Ray's raylets",
    "dashboard/agent": "Ray's dashboard agents", "runtime_env": "Ray's runtime_env agents", "log_monitor":
    "Ray's log monitor", "monitor.py": "Ray's autoscaler monitor", "ray::": "Ray's idle workers",
}  # fmt: skip


def role(pid: int) -> str:
    """What a process is there for."""
    if pid == os.getpid():
        return "driver"
    with suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return next((name for part, name in ROLES.items() if part in line), "others")
    return "others"


def used(before: dict[int, float]) -> dict[str, float]:
    """CPU seconds since then, by what a process is there for."""
    found = dict[str, float]()
    for pid, seconds in cpu_seconds().items():
        found[role(pid)] = found.get(role(pid), 0.0) + seconds - before.get(pid, 0.0)
    return {name: found[name] for name in sorted(found, key=found.__getitem__, reverse=True)}


def shares(found: dict[str, float], scale: float, unit: str) -> str:
    return ", ".join(f"{name} {scale * value:.{1 if scale > 1 else 4}f}" for name, value in found.items()) + f" {unit}"


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


def measured(name: str, seconds: float, items: int) -> tuple[float, float, float, dict[str, float]]:
    """Wall seconds, number of items (with parts of items), and CPU seconds in all and by role.

    They are of the time from the result of item ``WARM`` to the last result: starting processes is not counted. Results
    come in groups, so which items were worked on in this time is known from when each began and ended.
    """
    with engine.using(name):
        results = engine.run(Work(seconds), range(WARM + items), 2)
        spans = [next(results)[1][:2] for _ in range(WARM)]
        began, before = time.monotonic(), cpu_seconds()
        spans += [result[:2] for _, result in itertools.islice(results, items)]
        found, ended = used(before), time.monotonic()
        results.close()
    done = sum(max(0.0, min(end, ended) - max(start, began)) / max(end - start, 1e-9) for start, end in spans)
    return ended - began, done, sum(found.values()), found


def overhead(given: argparse.Namespace) -> None:
    """What is used in addition to the items themselves."""
    sizes = [(0.1, given.items or 300), (0.0, given.tiny)]
    local = [measured("local", *size) for size in sizes]
    with machines(2):
        time.sleep(10)  # until all of Ray's processes have started
        before = cpu_seconds()
        time.sleep(20)
        idle = {name: value / 20 for name, value in used(before).items()}
        rest = sum(idle.values())
        print(f"an idle cluster uses {shares(idle, 1, 'CPU s per second')}; {rest:.4f} in all", flush=True)
        ray = [measured("ray", *size) for size in sizes]
    for (seconds, _), each in zip(sizes, zip(local, ray, strict=True), strict=True):
        print(f"items of {1000 * seconds:g} ms, CPU us per item in addition to its own {1e6 * seconds:.0f}:")
        for name, (wall, done, cpu, found) in zip(("local", "ray"), each, strict=True):
            more, idly = cpu / done - seconds, rest * wall / done if name == "ray" else 0.0
            said = f", of which an idle cluster's {1e6 * idly:.0f}" if idly else ""
            share = f" ({100 * more / seconds:.2f} %)" if seconds else ""
            print(f"  {name}: {done:.1f} items in {wall:.1f} s: {1e6 * more:.0f}{share}{said}; "
                  f"{shares({k: v / done for k, v in found.items()}, 1e6, 'us')}", flush=True)  # fmt: skip


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
        for item, (_, _, row) in results:
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
            wall, done, _, _ = measured("ray", 0.1, given.items or 200)
            walls[count] = wall / done
            print(f"{count} machines of one core: {done / wall:.1f} items per second", flush=True)
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
