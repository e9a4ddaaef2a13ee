"""Work spread over processes: independent items in, results out as they come, errors kept with their item.

Every part of the toolkit that works through many videos does it here, so that one item never costs another: an
exception that nobody foresaw, or a process that is killed or crashes (no memory, a decoder's segmentation fault), is
the result of the item alone, a :class:`~benchmark_builder.utils.errors.Crashed`.
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
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Protocol

import cv2
from tqdm import tqdm

from benchmark_builder.utils.errors import BenchError, Crashed, system_error


@dataclass(frozen=True)
class Note:
    """Something to list that is no failure of an item: ``id`` of what it is about, a ``kind``, a ``reason``."""

    id: str
    kind: str
    reason: str


class Maker(Protocol):
    """What a build does with one item. Pickled once to each worker, so it may hold large tables."""

    def make(self, item: Any) -> Any: ...


MOST_WORKERS = 256  # each is a process of several hundred megabytes; the command line refuses more


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    maker: Maker, items: Iterable[Any], workers: int, apart: bool = False
) -> Generator[tuple[Any, Any], None, None]:
    """Yield ``(item, result or BenchError)`` in order of completion.

    An unexpected exception, or the death of the process that worked on an item, is that item's result, a
    :class:`Crashed`; an item whose process died, or that wanted memory, is tried once more, alone, after the others.
    ``KeyboardInterrupt`` and ``SystemExit`` of this process pass through. Close the generator to stop the workers.

    Args:
        maker: its ``make(item)`` gives an item's result.
        items: any number of them.
        workers: processes. 1 works in this process, where a debugger reaches it, unless ``apart`` is True or
            ``$BENCH_APART`` is 1, as the command line sets it: then a crash of that one worker costs its item alone.
        apart: never work in this process.

    Raises:
        BenchError: worker processes end as they start.
    """
    if workers <= 1 and not apart and os.environ.get("BENCH_APART") != "1":
        for item in items:
            with one_cv2_thread():
                result = _guarded(maker, item)
            yield item, result
        return
    job, again = bytes(ForkingPickler.dumps(maker)), list[Any]()
    with closing(_spread(job, items, max(1, workers))) as results:
        for item, result in results:
            if isinstance(result, Crashed) and result.again:
                again.append(item)
            else:
                yield item, result
    for item in again:
        yield from _spread(job, [item], 1)


@contextmanager
def one_cv2_thread() -> Iterator[None]:
    """Keep OpenCV to the thread that calls it: threads cost more than they give on frames, and change last bits."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def die_with(parent: int) -> None:
    """End this process soon after the process ``parent`` did: a killed parent cannot stop its workers."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(1)


# How an item ends: its result, a foreseen error, or a Crashed.


def _guarded(maker: Maker, item: Any) -> Any:
    try:
        return maker.make(item)
    except BenchError as error:
        return error.with_traceback(None)  # frames would be kept, with all they hold
    except OSError as error:  # a full disk or a file without rights costs its item, not the others
        return _crashed(error) if error.errno is None or _wants_memory(error) else system_error(error)
    except Exception as error:  # that nobody foresaw: it costs this item alone, and its traceback is kept
        return _crashed(error)


def _crashed(error: Exception) -> Crashed:
    """An unexpected exception in one line, with its traceback from ``maker.make`` on."""
    trace = error.__traceback__.tb_next if error.__traceback__ else None
    text = "".join(traceback.format_exception(type(error), error, trace))
    last = (traceback.extract_tb(trace) or traceback.extract_tb(error.__traceback__))[-1]
    said = " ".join(str(error).split())[:300]
    where = f"({Path(last.filename).name}, line {last.lineno})"
    name = f"unexpected {type(error).__name__}"
    return Crashed(f"{name}: {said} {where}" if said else f"{name} {where}", text, _wants_memory(error))


def _wants_memory(error: Exception) -> bool:
    """Whether memory was wanting, or a GPU is out of order: then neither this process nor this try tells much."""
    if isinstance(error, MemoryError):
        return True
    return bool(re.search(r"out ?of ?memory|cannot allocate|failed to allocate|\bCUDA\b", str(error), re.IGNORECASE))


# The worker's side.


def _serve(tasks: "connection.Connection", faults: "connection.Connection | None", job: bytes, parent: int) -> None:
    """Answer every item that comes with its result, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it stops its workers
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    die_with(parent)
    if faults is not None:
        faulthandler.enable(file=faults.fileno(), all_threads=False)
    cv2.setNumThreads(1)
    tqdm.set_lock(threading.RLock())  # its own one is a semaphore of the system's, which a killed process leaves
    try:
        maker = ForkingPickler.loads(job)
    except Exception:  # the maker's module may raise anything while it is imported
        tasks.send((False, traceback.format_exc().strip().splitlines()[-1]))
        return
    tasks.send((True, ""))
    while True:
        try:
            item = tasks.recv_bytes()
        except (EOFError, OSError):
            return
        tasks.send_bytes(_answer(maker, item))


def _answer(maker: Maker, item: bytes) -> bytes:
    try:
        return bytes(ForkingPickler.dumps(_guarded(maker, ForkingPickler.loads(item))))
    except Exception as error:  # the item or the result cannot be sent from process to process
        return bytes(ForkingPickler.dumps(_crashed(error)))


# The parent's side.

_MOMENT = 2.0  # seconds
_MOST_STARTS = 3  # workers in a row that may end as they start
_alive: dict[BaseProcess, int] = {}  # workers, and whose they are


@atexit.register
def _kill_all() -> None:
    """Without this, an interpreter that ends would wait for its workers, and they for it."""
    for process, parent in list(_alive.items()):
        if parent == os.getpid():
            process.kill()


class _Worker:
    """One process and the item it works on."""

    def __init__(self, job: bytes) -> None:
        context = multiprocessing.get_context("spawn")  # the threads of torch and others do not survive a fork
        self.tasks, theirs = context.Pipe()
        # Where a crash in C leaves the traceback of the Python around it. (On Windows it would need a file.)
        faults = context.Pipe(duplex=False) if os.name == "posix" else (None, None)
        self.faults: Any = faults[0]
        fault_end: Any = faults[1]
        self.ready, self.why, self.item = False, "", None  # why: it could not begin
        self.process = context.Process(target=_serve, args=(theirs, fault_end, job, os.getpid()))
        try:
            with _without_interrupts():
                self.process.start()
        except BaseException:
            self._close()
            raise
        finally:
            theirs.close()
            if fault_end is not None:
                fault_end.close()
        _alive[self.process] = os.getpid()

    def end(self) -> str:
        """Wait for a process that is ending; how it ended."""
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
        """What a crash in C left, without the addresses, which differ from run to run."""
        if self.faults is None:
            return ""
        os.set_blocking(self.faults.fileno(), False)
        try:
            text = os.read(self.faults.fileno(), 1 << 16).decode(errors="replace")
        except OSError:  # nothing there
            return ""
        return re.sub(r"0x[0-9a-f]{6,}", "0x…", text)

    def stop(self) -> None:
        """End the process at once, whatever it does."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        _alive.pop(self.process, None)

    def close(self) -> None:
        """Let an idle process end by itself; kill it if it does not."""
        self._close()
        self.process.join(5)
        self.stop()

    def _close(self) -> None:
        self.tasks.close()
        if self.faults is not None:
            self.faults.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back while a process starts. The process inherits that, so that it prints no traceback of its own."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start would let signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _spread(job: bytes, items: Iterable[Any], workers: int) -> Generator[tuple[Any, Any], None, None]:
    """Yield ``(item, result)``; a worker that died is replaced, its item's result is a :class:`Crashed`."""
    crew = _Crew(job, workers)
    todo, returned, results = iter(items), deque[Any](), deque[tuple[Any, Any]]()
    try:
        while True:
            while crew.free:  # work is handed out before results are, so that no worker waits for who takes them
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
                except Exception as error:  # the item cannot be sent from process to process
                    results.append((item, _crashed(error)))
            while results:
                yield results.popleft()
            if not crew.busy and not returned:
                return
            for item, result in crew.wait():
                if isinstance(result, _NotBegun):
                    returned.append(item)
                else:
                    results.append((item, result))
    finally:
        crew.stop()


class _NotBegun:
    """The result of an item whose worker ended before it could begin."""


class _Crew:
    """The workers of one run: hired when there is work, replaced when they die."""

    def __init__(self, job: bytes, workers: int) -> None:
        self.job, self.workers = job, workers
        self.busy: dict[Any, _Worker] = {}  # by their end of the pipe
        self.idle: list[_Worker] = []
        self.failed_starts = 0

    @property
    def free(self) -> bool:
        """Whether another item can be given."""
        return len(self.busy) < self.workers

    def give(self, item: Any) -> bool:
        """Send an item to a worker; False if that worker has ended meanwhile, or none could be started.

        Raises:
            BenchError: no worker can be started.
            Exception: the item cannot be pickled.
        """
        try:
            worker = self.idle.pop() if self.idle else _Worker(self.job)
        except OSError as error:  # no memory for a process, or too many of them
            self._failed_start(str(system_error(error)))
            return False
        try:
            worker.tasks.send(item)
        except OSError:
            self._failed(worker)
            return False
        except BaseException:
            self.idle.append(worker)
            raise
        worker.item = item
        self.busy[worker.tasks] = worker
        return True

    def wait(self) -> list[tuple[Any, Any]]:
        """What the workers have to say; waits until one of them has. Pairs of item and result, possibly none."""
        results = []
        for channel in connection.wait(list(self.busy)):
            worker = self.busy[channel]
            try:
                message = worker.tasks.recv()
            except (EOFError, OSError):
                del self.busy[channel]
                results.append((worker.item, self._failed(worker)))
                continue
            except Exception as error:  # a result that cannot be read in this process
                message = _crashed(error)
            if not worker.ready:  # its first word
                worker.ready, worker.why = message
                if worker.ready:
                    self.failed_starts = 0
                continue
            del self.busy[channel]
            results.append((worker.item, message))
            if isinstance(message, Crashed) and message.again:
                worker.close()  # what it holds may be what is wanting
            else:
                self.idle.append(worker)
        return results

    def stop(self) -> None:
        """End all workers; those that work get a moment to clear away what they have half written."""
        for worker in self.busy.values():
            worker.process.terminate()
        end = time.monotonic() + _MOMENT
        for worker in self.busy.values():
            worker.process.join(max(0.0, end - time.monotonic()))
            worker.stop()
        for worker in [*self.busy.values(), *self.idle]:
            worker.close()

    def _failed(self, worker: "_Worker") -> "Crashed | _NotBegun":
        """What to say of the item of a worker that has ended."""
        how, dump = worker.end(), worker.dump()
        worker.close()
        if not worker.ready:
            self._failed_start(worker.why or f"a process {how} as it started")
            return _NotBegun()
        said = f"its process {how}, twice, the second time alone"
        return Crashed(said, f"the process {how}\n{dump}", again=True)

    def _failed_start(self, why: str) -> None:
        """Do with fewer workers; give up if there are none."""
        self.failed_starts += 1
        if self.failed_starts < _MOST_STARTS:
            return
        self.workers = len(self.busy) + len(self.idle)
        if not self.workers:
            raise BenchError(
                f"worker processes end as they start ({why}); free memory or use fewer --workers (in a script of your "
                'own, start the work below `if __name__ == "__main__":`)'
            )
