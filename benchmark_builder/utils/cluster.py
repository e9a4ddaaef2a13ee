"""The cluster engine's side of the process that gives out the work: items go to one agent per machine of a Ray cluster.

The driver (this process) pulls items from an iterator only when an agent has room for them, so its memory does not grow
with their number. It alone sees the results: journals and tables are written here. Machines may join and leave at any
time; what a lost machine had not finished is done by another one.
"""

import itertools
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic

from tqdm import tqdm

from benchmark_builder.utils import cluster_checks
from benchmark_builder.utils.cluster_checks import Origin, Question, differences, inside, look, marked
from benchmark_builder.utils.engine_choice import Engine
from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.pool import Item, Maker, Result, crashed, default_workers, unpacked

POLL = 2.0  # seconds between two looks at the list of machines
SOON = 0.2  # the same, while a machine may get its resources back
PATIENCE = 300.0  # seconds without any machine that could work
SETTLING = 5.0  # seconds in which a machine may get its resources back from work that has just ended
MOST_LOSSES = 3  # machines that an item may be on when they are lost; agents of one machine that may end in a row
MOST_BYTES = 2**25  # of pickled items in an agent's queue
_SAMPLE = 24  # items whose sources every machine is asked for
_SHOWN = 20  # differences
_OBJECT_STORE = 2**28  # bytes, of a cluster that is started for one command


def run(
    chosen: Engine, maker: Maker[Item, Result], items: Iterable[Item], shared: Sequence[Path] = ()
) -> "Generator[tuple[Item, Result | BenchError], None, None]":
    """Yield ``(item, result or BenchError)`` in order of completion; see :func:`benchmark_builder.utils.engine.run`.

    An item whose process ended is tried once more after all others, alone on its machine, as in a local run. An item
    whose machine is lost is given to another one; if that happens twice, it is tried alone, too.
    """
    sample, items = _sample(items)
    if not sample:
        return
    ray = connect(chosen)
    files, devices = inside(maker, sample)
    _check_devices(chosen, devices)
    folders = [str(folder.absolute()) for folder in shared]
    modules = tuple(name.partition(":")[0] for name in os.environ.get("BENCH_TRUST", "").split(",") if name)
    paths = tuple(dict.fromkeys(str(path.absolute()) for path in files))
    question = Question(Origin.here(), paths, tuple(folders), f".tmp-{uuid.uuid4().hex}.json", modules)
    fleet: _Fleet[Item] = _Fleet(ray, chosen, bytes(ForkingPickler.dumps(maker)), question)
    with closing(fleet), marked([Path(folder) for folder in folders], question.token):
        fleet.start()
        again = list[_Task[Item]]()
        for task, result in _spread(fleet, _tasks(items), alone=False):
            if isinstance(result, Crashed) and result.again:
                again.append(task)
            else:
                yield task.item, result
        for task, result in _spread(fleet, iter(again), alone=True) if again else ():
            yield task.item, result


def connect(chosen: Engine) -> Any:
    """The module ``ray``, connected to the cluster; once per process.

    Raises:
        BenchError: Ray is not installed, or the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError:
        raise BenchError(
            f"--engine {chosen.name}: needs Ray; install it on every machine with `pip install 'albar-bench[ray]'`"
        ) from None
    # Sent as code, so that a machine without this toolkit can be looked at, too.
    ray.cloudpickle.register_pickle_by_value(cluster_checks)
    if ray.is_initialized():
        return ray
    address = chosen.address or os.environ.get("RAY_ADDRESS") or None
    address = _running_here() if address in (None, "auto") else address
    fix = "start it with `ray start --head`, and run this command on one of its machines"
    if (chosen.address or os.environ.get("RAY_ADDRESS")) and not (address and _answers(address)):
        where = address or "on this machine"
        raise BenchError(f"--engine {chosen.name}: no Ray cluster answers at {where}; {fix}")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        cores = default_workers()
        _say(
            f"--engine ray: no Ray cluster runs on this machine, so Ray is started here for this command: {cores} cores"
        )
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet |= {"num_cpus": cores, "include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address or "local", **quiet)
    except Exception as error:  # Ray raises ConnectionError, RuntimeError, ValueError, OSError, …
        said = " ".join(str(error).split())[:300] or type(error).__name__
        # A head node may ask for a token without being told to, while others must be told to send it.
        token = (Path.home() / ".ray" / "auth_token").is_file() and "RAY_AUTH_MODE" not in os.environ
        fix = f"{fix}{'; if it asks for a token, set RAY_AUTH_MODE=token' if token else ''}"
        raise BenchError(f"--engine {chosen.name}: the cluster cannot be used ({said}); {fix}") from None
    finally:
        if main and before is not None:
            signal.signal(signal.SIGTERM, before)  # Ray sets its own
    return ray


def gpus_of(chosen: Engine) -> float:
    """The GPUs of all machines of the cluster."""
    return sum(node.get("Resources", {}).get("GPU", 0.0) for node in connect(chosen).nodes() if node["Alive"])


def _running_here() -> str | None:
    """The address of the cluster that this machine is in; None if there is none that answers.

    Ray notes it in a file, which stays behind if the cluster was killed; Ray itself would then wait for minutes.
    """
    noted = Path(os.environ.get("RAY_TMPDIR") or "/tmp", "ray", "ray_current_cluster")
    with suppress(OSError):
        address = noted.read_text(encoding="utf-8", errors="replace").strip()
        return address if _answers(address) else None
    return None


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError):
        return False
    return True


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def _sample(items: Iterable[Item]) -> tuple[list[Item], Iterable[Item]]:
    """Some of the items, and all of them."""
    if isinstance(items, Sequence):
        return list(items[:: max(1, len(items) // _SAMPLE)][:_SAMPLE]), items
    rest = iter(items)
    first = list(itertools.islice(rest, _SAMPLE))
    return first, itertools.chain(first, rest)


def _check_devices(chosen: Engine, devices: set[str]) -> None:
    on_gpu = sorted(device for device in devices if device.startswith("cuda"))
    if on_gpu and not chosen.gpus:
        raise BenchError(
            f"--engine-gpus: a network is to run on {on_gpu[0]}; give the share of a GPU that each process uses, such "
            "as 0.25 for four processes per GPU, or --device cpu"
        )


@dataclass(eq=False)
class _Task(Generic[Item]):
    """An item on its way. ``data``: the pickled item. ``losses``: machines that were lost with it."""

    item: Item
    data: bytes = b""
    error: Crashed | None = None  # why it cannot be pickled
    losses: int = 0


def _tasks(items: Iterable[Item]) -> Iterator[_Task[Item]]:
    for item in items:
        try:
            yield _Task(item, bytes(ForkingPickler.dumps(item)))
        except Exception as error:  # only this item fails
            yield _Task(item, error=crashed(error))


def _spread(
    fleet: "_Fleet[Item]", tasks: Iterator[_Task[Item]], alone: bool
) -> Generator[tuple[_Task[Item], Any], None, None]:
    """Yield tasks with their results. ``alone``: a machine does one at a time."""
    returned, results = deque[_Task[Item]](), deque[tuple[_Task[Item], Any]]()
    more = True

    def following() -> _Task[Item] | None:
        nonlocal more
        while returned or more:
            task = returned.popleft() if returned else next(tasks, None)
            if task is None:
                more = False
            elif task.error is not None:
                results.append((task, task.error))
            else:
                return task
        return None

    while True:
        for machine in fleet.free():
            room = 1 if alone else machine.workers + machine.ahead
            size, batch = sum(len(task.data) for task in machine.tasks.values()), list[_Task[Item]]()
            while len(machine.tasks) + len(batch) < room and size < MOST_BYTES:
                task = following()
                if task is None:
                    break
                batch.append(task)
                size += len(task.data)
            if batch or machine.tasks:
                fleet.exchange(machine, batch, hurry=alone or not (more or returned), alone=alone)
        while results:
            yield results.popleft()
        if not more and not returned and not fleet.working:
            return
        done, lost = fleet.wait(idle=not fleet.working)
        for task, result in done:
            results.append((task, unpacked(result) if isinstance(result, bytes) else result))
        for task, error in lost:
            if error is None:
                returned.append(task)
            elif alone and task.losses < MOST_LOSSES and not error.again:
                returned.append(task)
            elif not alone and task.losses < 2:
                returned.append(task)
            else:
                results.append((task, error))


@dataclass(eq=False)
class _Machine(Generic[Item]):
    """One machine of the cluster.

    Attributes:
        id: Ray's. name: for messages.
        total: its resources.
        seen: when it was first seen.
        state: ``asked`` (whether it is like this one), ``fit``, ``starting`` (its agent), ``ready``, or ``unfit``.
        agent: the actor; None if there is none.
        workers, ahead: processes, and items that it wants in addition.
        tasks: what it has not finished, by number.
        calling: whether a call of its agent has not returned.
        ended: agents that have ended since the last result.
        error: why it is unfit.
    """

    id: str
    name: str
    total: Mapping[str, float]
    seen: float = field(default_factory=time.monotonic)
    state: str = "asked"
    agent: Any = None
    workers: int = 0
    ahead: int = 0
    tasks: dict[int, _Task[Item]] = field(default_factory=dict)
    calling: bool = False
    ended: int = 0
    error: str = ""


class _Fleet(Generic[Item]):
    """The machines, their agents, and the calls to them."""

    def __init__(self, ray: Any, chosen: Engine, job: bytes, question: Question) -> None:
        self.ray, self.chosen, self.question = ray, chosen, question
        self.job = ray.put(job)  # each machine fetches it once
        self.machines: dict[str, _Machine[Item]] = {}
        self.events: SimpleQueue[tuple[str, _Machine[Item], Any, Any]] = SimpleQueue()
        self.numbers = itertools.count()
        self.polled = 0.0
        self.last_fit = time.monotonic()
        self.here: Mapping[str, str] = {}

    # Machines.

    def start(self) -> None:
        """Look at every machine before any work begins.

        Raises:
            BenchError: one of them differs from this one, or none has room for a process.
        """
        self.here = look(self.question)
        self._poll()
        while any(machine.state == "asked" for machine in self.machines.values()):
            self._event(*self.events.get())
        lines = [
            f"{machine.name}: {line}"
            for machine in self.machines.values()
            for line in machine.error.splitlines()
            if line
        ]
        if lines:
            for line in lines[:_SHOWN]:
                _say(line)
            if len(lines) > _SHOWN:
                _say(f"… and {len(lines) - _SHOWN} more")
            count = sum(machine.state == "unfit" for machine in self.machines.values())
            raise BenchError(
                f"--engine {self.chosen.name}: {count} of {len(self.machines)} machines differ from this one, such as "
                f"{lines[0]}; install the same versions and mount the same folders there, or stop Ray on them"
            )
        if not any(self._capacity(machine.total) for machine in self.machines.values()):
            needs = {name: amount for name, amount in self.chosen.needs.items() if amount}
            largest = {name: max(m.total.get(name, 0) for m in self.machines.values()) for name in needs}
            short = next((name for name in needs if largest[name] < needs[name]), "CPU")
            option = {"CPU": "cpus", "GPU": "gpus", "memory": "memory"}[short]
            unit, scale = (" GB", 1e9) if short == "memory" else ("", 1.0)
            raise BenchError(
                f"--engine-{option} {needs[short] / scale:g}: no machine of the cluster has room for a process; the "
                f"largest has {largest[short] / scale:g}{unit} of {short}"
            )
        self.last_fit = time.monotonic()
        for machine in list(self.machines.values()):
            self._begin(machine)

    def _poll(self) -> None:
        """Notice machines that have joined, and let those begin that can."""
        self.polled = time.monotonic()
        there = {node["NodeID"]: node for node in self.ray.nodes() if node["Alive"]}
        for key, node in there.items():
            if key not in self.machines:
                name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {key[:6]})"
                machine = self.machines[key] = _Machine[Item](key, name, node.get("Resources", {}))
                task = self.ray.remote(look).options(num_cpus=0, max_retries=0, scheduling_strategy=self._on(machine))
                self._call("looked", machine, task.remote(self.question))
        for key in [key for key, m in self.machines.items() if key not in there and not m.calling and not m.tasks]:
            machine = self.machines[key]
            if machine.state != "asked":
                self._end(machine)
                del self.machines[key]
        for machine in self.machines.values():
            if machine.state == "fit":
                self._begin(machine)

    def _on(self, machine: _Machine[Item]) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(machine.id, soft=False)

    def _capacity(self, resources: Mapping[str, float]) -> int:
        """The number of processes for which a machine has room."""
        found = float(self.chosen.workers or math.inf)
        for name, need in self.chosen.needs.items():
            has = resources.get(name, 0.0)
            if name == "GPU" and 0 < need < 1:
                whole = int(has + 1e-9)  # what other work leaves of a single GPU can be used, too
                found = min(found, whole * int(1 / need + 1e-9) if whole else int(has / need + 1e-9))
            elif need:
                found = min(found, int(has / need + 1e-9))
        return int(found) if math.isfinite(found) else 0

    def _begin(self, machine: _Machine[Item]) -> None:
        """Start an agent on a machine that is fit, if it has room."""
        if machine.state != "fit":
            return
        count, all_of_it = self._capacity(self._available(machine)), self._capacity(machine.total)
        if not count or (count < all_of_it and time.monotonic() - machine.seen < SETTLING):
            return
        from benchmark_builder.utils.cluster_agent import Agent

        needs = {name: count * need for name, need in self.chosen.needs.items()}
        gpus = needs["GPU"] if needs["GPU"] <= 1 else math.ceil(needs["GPU"] - 1e-9)
        made = self.ray.remote(Agent).options(
            num_cpus=round(needs["CPU"], 4), num_gpus=round(gpus, 4), memory=int(needs["memory"]) or None,
            max_concurrency=4, scheduling_strategy=self._on(machine),
        )  # fmt: skip
        machine.agent = made.remote(self.job, self.question.origin, count, self.chosen.gpus or 0.0)
        machine.workers, machine.ahead, machine.state = count, 0, "starting"
        self._call("started", machine, machine.agent.ready.remote())

    def _available(self, machine: _Machine[Item]) -> Mapping[str, float]:
        """What other work leaves of a machine's resources."""
        with suppress(Exception):  # it is no public part of Ray; without it, wait until all of the machine is free
            from ray._private.state import available_resources_per_node

            left: Mapping[str, float] = available_resources_per_node()[machine.id]
            return left
        return machine.total

    def _end(self, machine: _Machine[Item]) -> None:
        if machine.agent is not None:
            with suppress(Exception):
                self.ray.kill(machine.agent)
            machine.agent = None

    # Calls.

    @property
    def working(self) -> bool:
        """Whether any machine has work."""
        return any(machine.tasks for machine in self.machines.values())

    def free(self) -> list[_Machine[Item]]:
        """Machines whose agents can be called."""
        return [m for m in self.machines.values() if m.state == "ready" and not m.calling]

    def exchange(self, machine: _Machine[Item], batch: Sequence[_Task[Item]], hurry: bool, alone: bool) -> None:
        """Give items to a machine; :meth:`wait` returns their results later."""
        new = dict(zip(self.numbers, batch, strict=False))
        machine.tasks |= new
        packed = [(number, task.data) for number, task in new.items()]
        self._call("exchanged", machine, machine.agent.exchange.remote(packed, hurry, alone))

    def _call(self, what: str, machine: _Machine[Item], ref: Any) -> None:
        machine.calling, agent, events = True, machine.agent, self.events
        ref.future().add_done_callback(lambda future: events.put((what, machine, agent, future)))

    def wait(
        self, idle: bool
    ) -> tuple[list[tuple[_Task[Item], bytes | Crashed]], list[tuple[_Task[Item], Crashed | None]]]:
        """Wait for something to happen.

        Args:
            idle: no machine has work, though there is some.

        Returns:
            Tasks with results, and tasks whose machine was lost, each with what is to be said if it is not tried again
            (``again``: the machine is still there, so the item may be the reason); None if they had not begun.

        Raises:
            BenchError: no machine can work.
        """
        now = time.monotonic()
        settling = any(m.state == "fit" and now - m.seen < SETTLING for m in self.machines.values())
        pause = SOON if settling else POLL
        if now - self.polled > pause:
            self._poll()
        try:
            event = self.events.get(timeout=max(0.01, self.polled + pause - time.monotonic()))
        except Empty:
            event = None
        found = self._event(*event) if event is not None else ([], [])
        machines = self.machines.values()
        if not idle or any(machine.state == "ready" for machine in machines):
            self.last_fit = time.monotonic()
        elif time.monotonic() - self.last_fit > PATIENCE or (machines and all(m.state == "unfit" for m in machines)):
            without = "other work has their cores, GPUs or memory" if machines else "all have left it"
            reason = next((machine.error.splitlines()[0] for machine in machines if machine.error), without)
            raise BenchError(
                f"--engine {self.chosen.name}: no machine of the cluster can work ({reason}); add machines, and run "
                "the same command again to continue"
            )
        return found

    def _event(
        self, what: str, machine: _Machine[Item], agent: Any, future: Any
    ) -> tuple[list[tuple[_Task[Item], bytes | Crashed]], list[tuple[_Task[Item], Crashed | None]]]:
        machine.calling = False
        error = future.exception()
        if error is None and what == "exchanged":
            results, machine.ahead = future.result()
            if results:
                machine.ended = 0
            return [(machine.tasks.pop(number), result) for number, result in results], []
        if error is None and what == "started":
            machine.state = "ready"
        elif error is None:
            lines = differences(self.here, future.result())
            machine.state, machine.error = ("unfit", "\n".join(lines)) if lines else ("fit", "")
            if lines and any(m.state == "ready" for m in self.machines.values()):
                for line in lines[:_SHOWN]:
                    _say(f"{machine.name} has joined the cluster, but gets no work: {line}")
        else:
            return [], self._lost(machine, what, error)
        return [], []

    def _lost(self, machine: _Machine[Item], what: str, error: Exception) -> list[tuple[_Task[Item], Crashed | None]]:
        """What a machine had not finished, after a call has failed."""
        tasks, machine.tasks = list(machine.tasks.values()), {}
        self._end(machine)
        alive = any(node["NodeID"] == machine.id and node["Alive"] for node in self.ray.nodes())
        said = " ".join(str(error).split())[:300]
        cause = getattr(error, "cause", None)
        if isinstance(error, BenchError) or isinstance(cause, BenchError):  # its processes cannot start
            machine.state, machine.error = "unfit", str(cause or error)
            _say(f"{machine.name} gets no more work: {machine.error}")
            return [(task, None) for task in tasks]
        machine.ended += 1
        if not alive:
            self.machines.pop(machine.id, None)
        elif what == "looked" or machine.ended >= MOST_LOSSES:
            machine.state, machine.error = "unfit", f"processes of Ray end there ({said})"
            if what != "looked":
                _say(f"{machine.name} gets no more work: {machine.error}")
        else:
            machine.state, machine.seen = "fit", time.monotonic()
        for task in tasks:
            task.losses += 1
        text = f"the process that fed its process on {machine.name} ended, twice, the second time alone"
        return [(task, Crashed(text, said, again=alive)) for task in tasks]

    def close(self) -> None:
        """End all agents; their processes delete half-written files first."""
        agents = [machine.agent for machine in self.machines.values() if machine.state == "ready"]
        with suppress(Exception):
            self.ray.wait([agent.stop.remote() for agent in agents], num_returns=len(agents), timeout=5.0)
        for machine in self.machines.values():
            self._end(machine)
