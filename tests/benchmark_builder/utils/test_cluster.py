"""The cluster engine, on a Ray cluster of two machines that are processes of this one."""

import itertools
import os
import platform
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from crashing import EndsAgent, Maker, Noted
from small_builds import QUIET
from tiny_videos import make_actions

from benchmark_builder.builders import build_scuba, build_scufo
from benchmark_builder.utils import cluster, engine
from benchmark_builder.utils.cluster_agent import _gpu_places
from benchmark_builder.utils.errors import BenchError, Crashed

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'albar-bench[ray]'")
SMALL: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def machines() -> Iterator[Any]:
    """A cluster of two machines with one core each."""
    from ray.cluster_utils import Cluster

    settings = {
        "worker_niceness": 0,  # as the other tests beside it
        # A new process of Ray costs 0.7 CPU seconds: none is started before it is needed, idle ones stay.
        "prestart_worker_first_driver": 0, "num_workers_soft_limit": 3,
        "idle_worker_killing_time_threshold_ms": 600_000,
        "health_check_period_ms": 500,  # a machine that has left is noticed soon
    }  # fmt: skip
    os.environ.update({f"RAY_{name}": str(value) for name, value in settings.items()})
    cluster_utils = Cluster(initialize_head=True, head_node_args=SMALL)
    cluster_utils.add_node(**SMALL)
    ray.init(address=cluster_utils.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield cluster_utils
    finally:
        ray.shutdown()
        cluster_utils.shutdown()


@pytest.fixture(autouse=True)
def _engine(machines: Any) -> Iterator[None]:
    with engine.using("ray"):
        yield


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_items_fail_as_in_a_local_run(tmp_path: Path) -> None:
    ways = ("segfault", "value", "system", "left out", "unsent")  # one that ends its process: starting one takes long
    found, pids, given = dict[str, Any](), set[str](), list[str]()

    def items() -> Iterator[str]:
        """Until both machines are at work; then those that fail."""
        latest = time.monotonic() + 60  # a machine may need some seconds to start its process
        while len(pids) < 2 and time.monotonic() < latest:
            given.append(f"good{len(given)}")
            yield given[-1]
            time.sleep(0.002)
        given.extend(ways)
        yield from ways

    for name, result in engine.run(Maker(), items(), 2):
        found[name] = result
        if name.startswith("good"):
            pids.add(result[1])
    with engine.using("local"):
        local = dict(engine.run(Maker(), given, 2))
    assert found.keys() == local.keys() == set(given)
    assert len(pids) == 2  # a process per machine
    for name in ways:
        assert (type(found[name]), str(found[name])) == (type(local[name]), str(local[name]))
        assert getattr(found[name], "details", "") == getattr(local[name], "details", "")
    assert isinstance(next(engine.run(Maker(), [lambda: None], 1))[1], Crashed)


def test_builds_are_equal_to_local_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_actions(tmp_path / "ucf", 3)
    for name in ("ray", "local"):
        with engine.using(name):
            options: dict[str, Any] = {"masks": "stored:ucf/masks", "per_video": 2, "layout": "frames"}
            build_scuba("ucf101", Path("ucf"), "all", out=Path("out/scuba"), run=QUIET, **options)  # relative paths
            build_scufo(Path("out/scuba"), out=Path("out/scufo"), run=QUIET)
        Path("out").rename(f"made by {name}")  # tables have the place of what they were made from
    made, local = content(tmp_path / "made by ray"), content(tmp_path / "made by local")
    assert len(made) > 50 and root.is_dir()
    assert [name for name in made.keys() | local.keys() if made.get(name) != local.get(name)] == []


def test_a_million_items_are_pulled_only_as_they_are_needed(tmp_path: Path) -> None:
    last = most = 0

    def items() -> Iterator[int]:
        nonlocal last
        while True:
            yield last
            last += 1

    with closing(engine.run(Maker(), items(), 1)) as results:
        for count, (item, result) in enumerate(itertools.islice(results, 3000)):
            assert result[0] == item
            most = max(most, last - count)
    from benchmark_builder.utils.cluster_agent import MOST_AHEAD

    assert most <= 2 * (2 * MOST_AHEAD)  # two machines, each with what it works on and what it has just handed over


def test_an_item_that_ends_its_process_once_succeeds_and_one_that_ends_its_agent_fails_alone(tmp_path: Path) -> None:
    results = list(engine.run(EndsAgent(tmp_path), [*range(30), "greedy", "end"], 1))
    found = dict(results)
    assert [found[k] for k in range(30)] == list(range(30)) and len(results) == 32
    assert found["greedy"] == "greedy" and results[-1][0] in ("greedy", "end")
    assert isinstance(found["end"], Crashed) and "ended, twice, the second time alone" in str(found["end"])


def test_a_machine_leaves_and_another_joins(machines: Any, tmp_path: Path) -> None:
    """There are items until a process of the machine that joins has done one."""
    pids, given = set[str](), list[int]()

    def items() -> Iterator[int]:
        while len(pids) < 3 and len(given) < 5000:
            given.append(len(given))
            yield given[-1]

    done = list[int]()
    with closing(engine.run(Noted(0.05), items(), 1)) as results:
        for item, result in results:
            assert not isinstance(result, BenchError)
            done.append(item)
            if len(pids) < 2 and len(pids | {result}) == 2:  # both machines are at work
                leaving = next(node for node in machines.list_all_nodes() if not node.head)
                leaving.kill_raylet()
                machines.add_node(**SMALL)
            pids.add(result)
    assert sorted(done) == given, "nothing is lost or done twice"
    assert len(pids) == 3


def test_a_machine_that_differs_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: "3.9.9")
    with pytest.raises(
        BenchError, match=r"machines differ from this one, such as .*: Python: 3\.\d+\.\d+, here 3\.9\.9"
    ):
        list(engine.run(Maker(), ["exits"], 1))
    assert "Python: 3." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ({"gpus": 2.0}, "--engine-gpus 2: no machine of the cluster has room for a process; the largest has 0 of GPU"),
        (
            {"cpus": 1.5},
            "--engine-cpus 1.5: no machine of the cluster has room for a process; the largest has 1 of CPU",
        ),
        ({"memory": 9e4}, "--engine-memory 90000: no machine of the cluster has room for a process"),
    ],
)
def test_an_item_for_which_no_machine_has_room_is_an_error(needs: dict[str, float], said: str) -> None:
    with engine.using("ray", **needs), pytest.raises(BenchError) as raised:
        list(engine.run(Maker(), ["a"], 1))
    assert str(raised.value).startswith(said)


def test_processes_per_machine_follow_from_what_each_needs() -> None:
    def count(resources: dict[str, float], **needs: Any) -> int:
        fleet = cluster._Fleet.__new__(cluster._Fleet)
        fleet.chosen = engine.Engine("ray", **needs)
        return fleet._capacity(resources)

    whole = {"CPU": 16.0, "GPU": 2.0, "memory": 64e9}
    assert count(whole) == 16 and count(whole, workers=3) == 3 and count(whole, cpus=3) == 5
    assert count(whole, gpus=0.25) == 8 and count(whole, gpus=0.3) == 6 and count(whole, gpus=2) == 1
    assert count({"CPU": 16.0, "GPU": 0.5}, gpus=0.25) == 2 and count({"CPU": 16.0, "GPU": 1.5}, gpus=0.25) == 4
    assert count(whole, memory=10) == 6 and count({"CPU": 16.0}, gpus=0.5) == 0 and count({}, memory=1) == 0


@pytest.mark.parametrize(
    ("gpus", "workers", "wanted"),
    [
        (0.25, 8, ["3"] * 4 + ["5"] * 4),
        (0.3, 6, ["3"] * 3 + ["5"] * 3),
        (0.5, 2, ["3", "3"]),
        (1.0, 2, ["3", "5"]),
        (2.0, 1, ["3,5"]),
        (0.0, 3, [""]),
    ],
)
def test_each_process_sees_its_own_gpu(
    monkeypatch: pytest.MonkeyPatch, gpus: float, workers: int, wanted: list[str]
) -> None:
    context = SimpleNamespace(get_accelerator_ids=lambda: {"GPU": ["3", "5"]})
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    assert [place["CUDA_VISIBLE_DEVICES"] for place in _gpu_places(gpus, workers)] == wanted


def test_features_are_equal_to_local_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from long_videos import long_videos

    from evaluator.features import groups
    from evaluator.features.extract import extract_features
    from evaluator.features.options import FeaturesOptions

    long_videos(tmp_path / "videos", (1, 17, 40, 41))
    monkeypatch.setattr(groups, "GROUP_VIDEOS", 2)
    options = FeaturesOptions(progress=False, prefix="", stride=8, workers=0)
    for name in ("ray", "local"):
        with engine.using(name):
            out = tmp_path / name
            extract_features("long_videos:tiny", "folder", tmp_path / "videos", out=out, options=options)
    assert content(tmp_path / "ray") == content(tmp_path / "local")
    assert len(list((tmp_path / "ray/features").iterdir())) == 4
