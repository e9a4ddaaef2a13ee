"""The part of the cluster engine on each machine: an actor of Ray that feeds the pool's processes of that machine.

The processes are those of a local run (:class:`~benchmark_builder.utils.pool.Crew`), so an item fails there in the
same ways and with the same words. The agent receives the pickled maker once, keeps a short queue, and hands results
over in groups.
"""

import collections
import multiprocessing.process
import os
import sys
import threading
import time
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from benchmark_builder.utils.cluster_checks import PASSED, Origin, adopt_path
from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.pool import Crew, NotBegun

AHEAD = 2.0  # seconds of work that wait in the agent's queue, so that no process waits for the driver
LINGER = 1.0  # seconds that results may wait for others, as long as there is work in the queue
MOST_AHEAD = 4096  # items


class Agent:
    """Runs items on one machine. One call of :meth:`exchange` at a time."""

    def __init__(self, job: bytes, origin: Origin, workers: int, gpus: float) -> None:
        """Prepare; processes start with the first items.

        Args:
            job: the pickled maker.
            origin: the process that gives out the work.
            workers: number of processes.
            gpus: GPUs of each, or its share of one; 0: it sees none.
        """
        adopt(origin)
        self.job, self.workers = bytes(job), workers
        self.places = _gpu_places(gpus, workers)
        self.todo: collections.deque[tuple[int, bytes]] = collections.deque()
        self.done: list[tuple[int, bytes | Crashed]] = []
        self.error: BenchError | None = None
        self.seconds = 0.0  # per item, a moving mean; 0: not known yet
        self.busy, self.alone, self.stopping = 0, False, False
        self.lock = threading.Condition()
        self.bell, self.rope = Pipe(duplex=False)
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def ready(self) -> int:
        """The id of the process; returns when the agent has started."""
        return os.getpid()

    def exchange(
        self, items: Sequence[tuple[int, bytes]], hurry: bool, alone: bool = False
    ) -> tuple[list[tuple[int, bytes | Crashed]], int]:
        """Add items to the queue, wait for results, and take them.

        Args:
            items: numbers and pickled items.
            hurry: do not let results wait for others.
            alone: end idle processes first, so that the item has the memory of the machine.

        Returns:
            Numbers and results (packed, or :class:`Crashed` if the item's process ended); and how many items should be
            in the queue in addition to those that are being processed.

        Raises:
            BenchError: no process can be started.
        """
        until = time.monotonic() + LINGER
        with self.lock:
            self.todo.extend(items)
            self.alone = alone
            self._ring()
            while not self.error:
                if self.done and (hurry or (not self.todo and self.busy < self.workers)):
                    break
                left = until - time.monotonic()
                if self.done and left <= 0:
                    break
                self.lock.wait(left if self.done else None)
            if self.error:
                raise self.error
            done, self.done = self.done, []
            ahead = min(MOST_AHEAD, int(AHEAD * self.workers / max(self.seconds, 1e-5))) if self.seconds else 0
            return done, ahead

    def stop(self) -> None:
        """End all processes; busy ones delete their half-written files first."""
        self.stopping = True
        self._ring()
        self.thread.join()

    def _ring(self) -> None:
        """Wake the thread."""
        self.rope.send_bytes(b"\0")

    def _work(self) -> None:
        """Give items to processes and collect results, in a thread of its own, since a call may come at any time."""
        crew: Crew[tuple[int, bytes, list[float]]] = Crew(self.job, self.workers, self.places)
        returned: collections.deque[tuple[int, bytes]] = collections.deque()
        try:
            while not self.stopping:
                while crew.free:
                    with self.lock:
                        if not returned and not self.todo:
                            break
                        number, data = (returned or self.todo).popleft()
                        alone = self.alone
                    if alone:
                        crew.rest()
                    if not crew.give((number, data, [time.monotonic()]), data):
                        returned.append((number, data))
                with self.lock:
                    self.busy = len(crew.busy)
                    self.lock.notify()
                for (number, data, began), result in crew.wait(self.bell):
                    if isinstance(result, NotBegun):
                        returned.append((number, data))
                        continue
                    with self.lock:
                        self.done.append((number, result))
                        took = time.monotonic() - began[0]
                        # A process's first item includes its start, so shorter times count for more.
                        weight = 1.0 if not self.seconds else 0.5 if took < self.seconds else 0.1
                        self.seconds += weight * (took - self.seconds)
                        self.busy = len(crew.busy)
                        self.lock.notify()
        except BenchError as error:
            with self.lock:
                self.error = error
                self.lock.notify()
        finally:
            crew.stop()


def adopt(origin: Origin) -> None:
    """Make this process like the driver for the processes that it starts: folder, modules, environment, main module."""
    for name in [name for name in os.environ if name.startswith(PASSED) and name not in origin.environment]:
        del os.environ[name]  # such as OMP_NUM_THREADS, which Ray sets
    os.environ.update(origin.environment)
    os.environ["BENCH_ENGINE"] = "local"  # an item that processes others does so on its own machine
    adopt_path(origin)
    os.chdir(origin.folder)
    multiprocessing.process.ORIGINAL_DIR = origin.folder  # type: ignore[attr-defined]  # where new processes start
    main: Any = types.ModuleType("__main__")
    if origin.main.endswith(".py") or "/" in origin.main:
        if Path(origin.main).is_file():
            main.__file__ = origin.main
    elif origin.main:
        with suppress(ImportError, ValueError):
            if find_spec(origin.main) is not None:
                main.__spec__ = ModuleSpec(origin.main, None)
    sys.modules["__main__"] = main  # processes import it as the pool of a local run does


def _gpu_places(gpus: float, workers: int) -> list[Mapping[str, str]]:
    """The GPUs of each process, among those that Ray has reserved for this agent."""
    if not gpus:
        return [{"CUDA_VISIBLE_DEVICES": ""}]
    import ray

    found = [str(name) for name in ray.get_runtime_context().get_accelerator_ids().get("GPU", [])]
    if gpus < 1:
        per_gpu = int(1 / gpus + 1e-9)
        return [{"CUDA_VISIBLE_DEVICES": found[k // per_gpu]} for k in range(workers)]
    each = round(gpus)
    return [{"CUDA_VISIBLE_DEVICES": ",".join(found[k * each : (k + 1) * each])} for k in range(workers)]
