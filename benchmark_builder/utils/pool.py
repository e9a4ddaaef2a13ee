"""Processes independent items in several processes and yields each result when it is ready.

Every part of the toolkit that processes many videos uses this pool, so that a failure affects only its item: the error
is the item's result. After an unexpected exception, or if a process is killed or crashes (no memory, a segmentation
fault in a decoder), that result is a :class:`~benchmark_builder.utils.errors.Crashed`.
"""

import atexit
import faulthandler
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import cv2

from benchmark_builder.utils.errors import BenchError, Crashed, system_error
from benchmark_builder.utils.malloc import keep_freed


@dataclass(frozen=True)
class Note:
    """A row of failures.csv that is not the failure of an item: the ``id`` it refers to, its ``kind``, a ``reason``."""

    id: str
    kind: str
    reason: str


Item = TypeVar("Item")
Result = TypeVar("Result")
_Taken = TypeVar("_Taken", contravariant=True)
_Given = TypeVar("_Given", covariant=True)


class Maker(Protocol[_Taken, _Given]):
    """Makes the result of one item. It is pickled once per worker, so it may contain large tables."""

    def make(self, item: _Taken) -> _Given: ...


MOST_WORKERS = 256  # largest --workers of the command line: each worker needs several hundred megabytes


def default_workers() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    maker: Maker[Item, Result], items: Iterable[Item], workers: int, apart: bool = False
) -> "Generator[tuple[Item, Result | BenchError], None, None]":
    """Yield ``(item, result or BenchError)`` in order of completion.

    After an unexpected exception, or if an item's process ends, the item's result is a :class:`Crashed`. An item whose
    process ended, or for which memory ran out, is tried once more after all others, while no other item is processed.
    ``KeyboardInterrupt`` and ``SystemExit`` of this process are raised. Close the generator to stop the workers.

    Args:
        maker: its ``make(item)`` returns an item's result.
        items: any number of them.
        workers: number of processes. 1 works in this process, where a debugger can be used, unless ``apart`` is True or
            ``$BENCH_APART`` is 1 (the command line sets it): then it works in a process, whose crash affects one item.
        apart: always use a separate process.

    Raises:
        BenchError: worker processes end while they start.
    """
    if in_this_process(workers, apart):
        for item in items:
            with one_cv2_thread():
                result = _guarded(maker, item)
            yield item, result
        return
    job, again = bytes(ForkingPickler.dumps(maker)), list[Item]()
    with closing(_spread(job, items, max(1, workers))) as results:
        for item, result in results:
            if isinstance(result, Crashed) and result.again:
                again.append(item)
            else:
                yield item, result
    for item in again:
        yield from _spread(job, [item], 1)


def in_this_process(workers: int, apart: bool = False) -> bool:
    """Whether :func:`run` processes items in the calling process."""
    return workers <= 1 and not apart and os.environ.get("BENCH_APART") != "1"


@contextmanager
def one_cv2_thread() -> Iterator[None]:
    """Use one thread in OpenCV: on single frames more threads are slower, and they change the last bits of results."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def die_with(parent: int) -> None:
    """End this process soon after the process ``parent`` has ended: a killed parent cannot stop its workers."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(1)


# The outcome of an item: its result, an expected error, or a Crashed.


def _guarded(maker: Maker[Item, Result], item: Item) -> Result | BenchError:
    try:
        return maker.make(item)
    except BenchError as error:
        return error.with_traceback(None)  # a traceback would keep all local variables in memory
    except OSError as error:  # such as a full disk or a missing permission; other items continue
        return crashed(error) if error.errno is None or _wants_memory(error) else system_error(error)
    except Exception as error:  # unexpected: only this item fails, and its traceback is kept
        return crashed(error)


def crashed(error: Exception) -> Crashed:
    """The result of an item that raised an unexpected exception: one line, and the traceback from ``maker.make`` on."""
    trace = error.__traceback__.tb_next if error.__traceback__ else None
    text = "".join(traceback.format_exception(type(error), error, trace))
    last = (traceback.extract_tb(trace) or traceback.extract_tb(error.__traceback__))[-1]
    said = " ".join(str(error).split())[:300]
    where = f"({Path(last.filename).name}, line {last.lineno})"
    name = f"unexpected {type(error).__name__}"
    return Crashed(f"{name}: {said} {where}" if said else f"{name} {where}", text, _wants_memory(error))


def _wants_memory(error: Exception) -> bool:
    """Whether memory ran out or a GPU failed: the item may then succeed in a new process."""
    if isinstance(error, MemoryError):
        return True
    return bool(re.search(r"out ?of ?memory|cannot allocate|failed to allocate|\bCUDA\b", str(error), re.IGNORECASE))


# The worker's side.


def _serve(
    tasks: "connection.Connection",
    faults: "connection.Connection | None",
    job: bytes,
    parent: int,
    inherited: Iterable[int] = (),
) -> None:
    """Receive items and send their results, until the other end closes the connection.

    Args:
        tasks: receives items, sends results.
        faults: where the traceback of a crash goes.
        job: the pickled maker.
        parent: the process that this one ends with.
        inherited: files of that process which are open here too, after a fork.
    """
    _let_go(set(inherited) - {tasks.fileno(), -1 if faults is None else faults.fileno()})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C the parent stops its workers
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    die_with(parent)
    if faults is not None:
        faulthandler.enable(file=faults.fileno(), all_threads=False)
    cv2.setNumThreads(1)
    keep_freed()
    try:
        maker = ForkingPickler.loads(job)
    except Exception:  # importing the maker's module may raise anything
        tasks.send((False, traceback.format_exc().strip().splitlines()[-1]))
        return
    _own_bar_lock()
    tasks.send((True, ""))
    while True:
        try:
            item = tasks.recv_bytes()
        except (EOFError, OSError):
            return
        tasks.send_bytes(_answer(maker, item))


def _let_go(files: Collection[int]) -> None:
    """Replace open files of a parent by one that is empty: a lock, and ends of pipes to other workers, are its alone.

    They are not closed, since objects here would close their numbers again, which may then belong to other files.
    """
    nothing = os.open(os.devnull, os.O_RDWR)  # it may get the number of a file that was closed at the fork
    for file in {*files} - {nothing}:
        os.dup2(nothing, file, inheritable=False)
    if nothing not in files:
        os.close(nothing)


def _own_bar_lock() -> None:
    """Give tqdm a lock of this process: its own one is a system semaphore, which a killed process leaves behind."""
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        tqdm.set_lock(threading.RLock())


def _answer(maker: Maker, item: bytes) -> bytes:
    """The result of an item as :func:`packed` bytes."""
    try:
        return packed(_guarded(maker, ForkingPickler.loads(item)))
    except Exception as error:  # the item or the result cannot be pickled
        return packed(crashed(error))


# The first byte of a packed result says whether the item is tried again alone, so that a process which only hands
# results on need not unpickle them, which imports modules.
_DONE, _AGAIN = b"\0", b"\1"


def packed(result: object) -> bytes:
    """A result as bytes. Raises any exception if it cannot be pickled."""
    again = isinstance(result, Crashed) and result.again
    return (_AGAIN if again else _DONE) + bytes(ForkingPickler.dumps(result))


def unpacked(data: bytes) -> object:
    """The result in :func:`packed` bytes; a :class:`Crashed` if it cannot be unpickled in this process."""
    try:
        return ForkingPickler.loads(memoryview(data)[1:])
    except Exception as error:
        return crashed(error)


# The parent's side.

# What these libraries keep (threads, a GPU, connections) is not usable after a fork.
_NOT_FORKED = ("torch", "ray", "tensorflow", "jax", "cupy", "onnxruntime")


def forks() -> bool:
    """Whether workers are forks of this process, which have its modules, instead of new processes that import them.

    A fork has only the thread that forked; a lock that another thread held stays locked in it. So this is done only in
    a process with one thread, of libraries too, and on Linux, where the number of threads is known.
    """
    if sys.platform != "linux" or any(name in sys.modules for name in _NOT_FORKED):
        return False
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


def _open_files() -> list[int]:
    """Numbers of the open files of this process, without standard input, output and errors."""
    listed = [int(link.name) for link in Path("/proc/self/fd").iterdir()]
    return [file for file in listed if file > 2 and _is_open(file)]


def _is_open(file: int) -> bool:
    try:
        os.fstat(file)
    except OSError:  # that of the listing
        return False
    return True


_MOMENT = 2.0  # seconds
_MOST_STARTS = 3  # consecutive workers that may end while they start
_alive: dict[BaseProcess, int] = {}  # worker -> id of the process that started it


@atexit.register
def _kill_all() -> None:
    """Kill the workers when the interpreter ends: otherwise it would wait for them, and they for it."""
    for process, parent in list(_alive.items()):
        if parent == os.getpid():
            process.kill()


class _Worker:
    """One process and the item it works on. ``place``: environment variables of the process, such as its GPU."""

    def __init__(self, job: bytes, place: Mapping[str, str] | None = None) -> None:
        self.place = place
        forked = forks()
        context: Any = multiprocessing.get_context("fork" if forked else "spawn")
        self.tasks, theirs = context.Pipe()
        # After a crash in C code, the Python traceback is in this pipe. (Windows would need a file.)
        ends: tuple[connection.Connection | None, connection.Connection | None] = (
            context.Pipe(duplex=False) if os.name == "posix" else (None, None)
        )
        self.faults, fault_end = ends
        self.ready, self.why = False, ""  # why: reason why it could not start
        self.item: Any = None
        inherited = _open_files() if forked else []
        self.process = context.Process(target=_serve, args=(theirs, fault_end, job, os.getpid(), inherited))
        try:
            with _without_interrupts(forked), _environment(place or {}):
                self.process.start()
        except BaseException:
            self.let_go()
            raise
        finally:
            theirs.close()
            if fault_end is not None:
                fault_end.close()
        _alive[self.process] = os.getpid()

    def end(self) -> str:
        """Wait until the process has ended; returns how it ended, in words."""
        self.process.join(5)
        self.stop()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with status {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")

    def dump(self) -> str:
        """The traceback of a crash in C code, without addresses, which differ between runs."""
        if self.faults is None:
            return ""
        os.set_blocking(self.faults.fileno(), False)
        try:
            text = os.read(self.faults.fileno(), 1 << 16).decode(errors="replace")
        except OSError:  # the pipe is empty
            return ""
        return re.sub(r"0x[0-9a-f]{6,}", "0x…", text)

    def stop(self) -> None:
        """Kill the process at once."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        _alive.pop(self.process, None)

    def close(self) -> None:
        """Let an idle process end; kill it if it does not."""
        self.let_go()
        self.process.join(5)
        self.stop()

    def let_go(self) -> None:
        """Tell an idle process to end, without waiting."""
        self.tasks.close()
        if self.faults is not None:
            self.faults.close()


@contextmanager
def _without_interrupts(forked: bool) -> Iterator[None]:
    """Block Ctrl-C while a process starts. The process inherits this, so that Ctrl-C does not print its traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    if not forked:
        resource_tracker.ensure_running()  # starting it later would unblock the signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, which a process that starts inherits."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _spread(job: bytes, items: Iterable[Item], workers: int) -> Generator[tuple[Item, Any], None, None]:
    """Yield ``(item, result)``; a worker that has ended is replaced, and its item's result is a :class:`Crashed`."""
    crew: Crew[Item] = Crew(job, workers)
    todo, returned, results = iter(items), deque[Item](), deque[tuple[Item, object]]()
    try:
        while True:
            while crew.free:  # give out work before yielding results, so that no worker waits for the caller
                if returned:
                    item = returned.popleft()
                else:
                    try:
                        item = next(todo)
                    except StopIteration:
                        break
                try:
                    if not crew.give(item):
                        returned.append(item)
                except BenchError:
                    raise
                except Exception as error:  # the item cannot be pickled
                    results.append((item, crashed(error)))
            while results:
                yield results.popleft()
            if not crew.busy and not returned:
                return
            for item, result in crew.wait():
                if isinstance(result, NotBegun):
                    returned.append(item)
                else:
                    results.append((item, unpacked(result) if isinstance(result, bytes) else result))
    finally:
        crew.stop()


class NotBegun:
    """The result of an item whose worker ended before it started the item."""


class Crew(Generic[Item]):
    """The workers of one run: started when there is work, replaced when they end.

    Args:
        job: the pickled maker.
        workers: the largest number of processes.
        places: environment variables of each of them, if they differ, such as the GPU that it uses.
    """

    def __init__(self, job: bytes, workers: int, places: Sequence[Mapping[str, str]] = ()) -> None:
        self.job, self.workers, self.places = job, workers, places
        self.busy: dict[Any, _Worker] = {}  # connection -> worker
        self.idle: list[_Worker] = []
        self.failed_starts = 0

    @property
    def free(self) -> bool:
        """Whether another item can be given to a worker."""
        return len(self.busy) < self.workers

    def give(self, item: Item, data: bytes | None = None) -> bool:
        """Send an item to a worker; returns False if that worker has ended, or if no worker could be started now.

        Args:
            item: the item.
            data: the pickled item, if it is known.

        Raises:
            BenchError: no worker can be started.
            Exception: the item cannot be pickled.
        """
        try:
            worker = self.idle.pop() if self.idle else _Worker(self.job, self._free_place())
        except OSError as error:  # no memory for a process, or too many processes
            self._failed_start(str(system_error(error)))
            return False
        try:
            worker.tasks.send_bytes(ForkingPickler.dumps(item) if data is None else data)
        except OSError:
            self._failed(worker)
            return False
        except BaseException:
            self.idle.append(worker)
            raise
        worker.item = item
        self.busy[worker.tasks] = worker
        return True

    def wait(self, bell: "connection.Connection | None" = None) -> list[tuple[Item, "bytes | Crashed | NotBegun"]]:
        """Wait until a worker reports something; returns pairs of item and result, which may be none.

        Args:
            bell: a connection on which a message, which is received here, ends the wait.

        Returns:
            Results as :func:`packed` bytes; a :class:`Crashed` if the process ended, a :class:`NotBegun` if it ended
            while it started.
        """
        results = list[tuple[Item, bytes | Crashed | NotBegun]]()
        for channel in connection.wait([*self.busy, *([bell] if bell is not None else [])]):
            if channel is bell:
                bell.recv_bytes()
                continue
            worker = self.busy[channel]
            try:
                message = worker.tasks.recv_bytes()
            except (EOFError, OSError):
                del self.busy[channel]
                results.append((worker.item, self._failed(worker)))
                continue
            if not worker.ready:  # its first message
                worker.ready, worker.why = ForkingPickler.loads(message)
                if worker.ready:
                    self.failed_starts = 0
                continue
            del self.busy[channel]
            results.append((worker.item, message))
            if message.startswith(_AGAIN):
                worker.close()  # this may free the memory that is needed
            else:
                self.idle.append(worker)
        return results

    def rest(self) -> None:
        """End the idle workers, which frees their memory; new ones are started when there is work."""
        while self.idle:
            self.idle.pop().close()

    def stop(self) -> None:
        """End all workers; busy ones get a moment to delete their half-written files."""
        for worker in self.busy.values():
            worker.process.terminate()
        end = time.monotonic() + _MOMENT
        for worker in self.busy.values():
            worker.process.join(max(0.0, end - time.monotonic()))
            worker.stop()
        everyone = [*self.busy.values(), *self.idle]
        for worker in everyone:
            worker.let_go()  # all of them first, so that they end at the same time
        for worker in everyone:
            worker.close()

    def _free_place(self) -> Mapping[str, str] | None:
        """The place with the fewest workers."""
        taken = [worker.place for worker in [*self.busy.values(), *self.idle]]
        return min(self.places, key=taken.count, default=None)

    def _failed(self, worker: "_Worker") -> "Crashed | NotBegun":
        """The result of the item of a worker that has ended."""
        how, dump = worker.end(), worker.dump()
        worker.close()
        if not worker.ready:
            self._failed_start(worker.why or f"a process {how} as it started")
            return NotBegun()
        said = f"its process {how}, twice, the second time alone"
        return Crashed(said, f"the process {how}\n{dump}", again=True)

    def _failed_start(self, why: str) -> None:
        """Continue with fewer workers; raises BenchError if none is left."""
        self.failed_starts += 1
        if self.failed_starts < _MOST_STARTS:
            return
        self.workers = len(self.busy) + len(self.idle)
        if not self.workers:
            raise BenchError(
                f"worker processes end as they start ({why}); free memory or use fewer --workers (in a script of your "
                'own, start the work below `if __name__ == "__main__":`)'
            )
