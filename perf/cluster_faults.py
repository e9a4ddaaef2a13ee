"""Builds on a Ray cluster whose machines are processes of this one: equal to local, also after kills at random moments.

    python perf/cluster_faults.py equal             every kind with every layout on 2 machines; on 1 and 3, every layout
                                                    of SCUBA, and every other kind with one layout
    python perf/cluster_faults.py nodes --runs 10   a machine is killed at a random moment, and another one joins
    python perf/cluster_faults.py workers --runs 10 a process of a worker is killed
    python perf/cluster_faults.py driver --runs 5   the command itself is killed, and run again

Each prints a line per run, and at the end how many were equal, byte for byte, to a local build.
"""

import argparse
import atexit
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmark_builder.builders import Run, build_kind, build_scuba
from benchmark_builder.kinds import KINDS
from benchmark_builder.settings import SynthSettings
from benchmark_builder.synthactions import render_dataset
from benchmark_builder.utils import engine
from benchmark_builder.utils.errors import BenchError

SMALL: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
QUIET = Run(workers=1, progress=False, say=lambda line: None)
LAYOUTS = ("video", "lossless", "frames", "zip", "virtual")


def build(place: Path, kinds: tuple[str, ...], layout: str, per_video: int = 2) -> None:
    """Render, unless there is a render alongside, and build SCUBA and the kinds made from it, all below ``place``."""
    place.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    os.chdir(place)
    try:
        if not Path("../synth").is_dir():
            render_dataset(Path("synth"), SynthSettings(train=0, test=8, size=32, frames=8), 1, progress=False)
        root = Path("synth") if Path("synth").is_dir() else Path("../synth")
        options: dict[str, Any] = {"masks": f"stored:{root}/masks", "per_video": per_video, "layout": layout}
        build_scuba("synthactions", root, "test", out=Path("scuba"), run=QUIET, **options)
        for kind in kinds:
            try:
                build_kind(kind, Path("scuba"), out=Path(kind), run=QUIET, layout=layout)
            except BenchError as error:  # a kind that needs weights, or does not go with the layout
                print(f"{kind}, {layout}: not built: {error}", flush=True)
    finally:
        os.chdir(before)


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def differing(left: dict[str, bytes], right: dict[str, bytes]) -> list[str]:
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


def start_cluster(machines: int) -> Any:
    from ray.cluster_utils import Cluster

    os.environ["RAY_worker_niceness"] = "0"  # 15 is Ray's own, which beside other work means no progress
    cluster = Cluster(initialize_head=True, head_node_args=SMALL, shutdown_at_exit=False)
    for _ in range(machines - 1):
        cluster.add_node(**SMALL)
    return cluster


def join(cluster: Any) -> None:
    import ray

    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    atexit.register(lambda: (ray.shutdown(), cluster.shutdown()))


def equal(scratch: Path, given: argparse.Namespace) -> bool:
    """Kinds and layouts on several numbers of machines."""
    kinds, layouts = tuple(given.kinds), tuple(given.layouts)
    render_dataset(scratch / "synth", SynthSettings(train=0, test=2, size=32, frames=4), 1, progress=False)
    for layout in layouts:
        build(scratch / "place", kinds, layout, per_video=1)  # always here: tables have the places of their sources
        (scratch / "place").rename(scratch / f"local-{layout}")
    cluster, right = start_cluster(1), True
    join(cluster)
    for machines in sorted(given.machines):
        while len(cluster.list_all_nodes()) < machines:
            cluster.add_node(**SMALL)
        for turn, layout in enumerate(layouts):
            chosen = kinds if machines == 2 else kinds[turn :: len(layouts)]
            place, began = scratch / "place", time.monotonic()
            with engine.using("ray"):
                build(place, chosen, layout, per_video=1)
            here, folders = content(place), sorted(folder.name for folder in place.iterdir())
            local = content(scratch / f"local-{layout}")
            local = {name: data for name, data in local.items() if name.partition("/")[0] in ("scuba", *chosen)}
            wrong = differing(local, here)
            right = right and not wrong
            said = "equal" if not wrong else f"DIFFERENT: {wrong[:3]}"
            print(f"{machines} machines, {layout}: {' '.join(folders)}; {len(here)} files, "
                  f"{time.monotonic() - began:.0f} s: {said}", flush=True)  # fmt: skip
            shutil.rmtree(place)
    return right


def faults(scratch: Path, runs: int, what: str) -> bool:
    """Kill something in each run."""
    layout, draws = "frames", random.Random(0)
    place = scratch / "place"
    render_dataset(scratch / "synth", SynthSettings(train=0, test=8, size=32, frames=8), 1, progress=False)
    build(place, ("scufo",), layout, per_video=4)
    wanted = content(place)
    shutil.rmtree(place)
    cluster = start_cluster(3)
    join(cluster)
    with engine.using("ray"):
        began = time.monotonic()
        build(place, ("scufo",), layout, per_video=4)
        whole = time.monotonic() - began
    assert content(place) == wanted
    shutil.rmtree(place)
    print(f"without a kill: {whole:.0f} s, {len(wanted)} files", flush=True)
    good = 0
    for run in range(runs):
        after = draws.uniform(0.05, 0.9) * whole
        killed = "nothing: the run had ended"
        if what == "driver":
            command = [sys.executable, __file__, "_build", str(place), cluster.address]
            process = subprocess.Popen(command)
            with suppress(subprocess.TimeoutExpired):
                process.wait(after)
            if process.poll() is None:
                process.kill()
                killed = f"the driver after {after:.1f} s, {len(content(place)) if place.is_dir() else 0} files"
            process.wait()
            subprocess.run(command, check=True)
        else:
            noted = list[str]()
            ended = threading.Event()
            killer = threading.Thread(target=kill, args=(cluster, what, after, draws.random(), noted, ended))
            killer.start()
            with engine.using("ray"):
                build(place, ("scufo",), layout, per_video=4)
            ended.set()
            killer.join()
            killed = noted[0] if noted else killed
        wrong = differing(wanted, content(place))
        good += not wrong
        print(f"run {run}: killed {killed}: {'equal' if not wrong else f'DIFFERENT: {wrong[:3]}'}", flush=True)
        shutil.rmtree(place)
    print(f"{good} of {runs} runs are equal to a local build")
    return good == runs


def kill(cluster: Any, what: str, after: float, draw: float, noted: list[str], ended: threading.Event) -> None:
    """Kill a machine or a worker's process after some seconds."""
    if ended.wait(after):
        return
    if what == "nodes":
        others = [node for node in cluster.list_all_nodes() if not node.head]
        leaving = others[int(draw * len(others))]
        leaving.kill_raylet()
        noted.append(f"a machine after {after:.1f} s; another joins")
        cluster.worker_nodes.discard(leaving)
        cluster.add_node(**SMALL)
        return
    for _ in range(100):  # processes of agents, which are there only while items are made
        found = workers()
        if found or ended.wait(0.05):
            break
    if found:
        pid = found[int(draw * len(found))]
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            noted.append(f"process {pid} of a worker after {after:.1f} s")


def workers() -> list[int]:
    """Processes that agents of this script's machines have started for items."""
    parents, titles = dict[int, int](), dict[int, bytes]()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                titles[int(folder.name)] = (folder / "cmdline").read_bytes()
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])

    def above(pid: int) -> Iterator[int]:
        while pid := parents.get(pid, 0):
            yield pid

    found = [pid for pid, title in titles.items() if b"spawn_main" in title and os.getpid() in above(pid)]
    return sorted(pid for pid in found if titles.get(parents[pid], b"").startswith(b"ray::Agent"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("equal", "nodes", "workers", "driver", "_build"))
    parser.add_argument("more", nargs="*")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 3], help="equal: numbers of machines")
    parser.add_argument("--layouts", nargs="+", default=LAYOUTS, help="equal: layouts")
    parser.add_argument("--kinds", nargs="+", default=[name for name in KINDS if name != "scuba"], help="equal: kinds")
    given = parser.parse_args()
    if given.what == "_build":
        place, address = given.more
        with engine.using(f"ray:{address}"):
            build(Path(place), ("scufo",), "frames", per_video=4)
        return
    with tempfile.TemporaryDirectory(prefix="bench-cluster-") as scratch:
        if given.what == "equal":
            good = equal(Path(scratch), given)
        else:
            good = faults(Path(scratch), given.runs, given.what)
        raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
