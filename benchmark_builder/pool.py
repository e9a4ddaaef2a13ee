"""Work spread over processes: independent items in, results out as they come, errors kept beside their item."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import cv2

from benchmark_builder.errors import BenchError, system_error


@dataclass(frozen=True)
class Note:
    """Something to list that is no failure of an item: ``id`` of what it is about, a ``kind``, a ``reason``."""

    id: str
    kind: str
    reason: str


class Maker(Protocol):
    """What a build does with one item. Pickled once to each worker, so it may hold large tables."""

    def make(self, item: Any) -> Any: ...


_maker: Maker | None = None


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(maker: Maker, items: Iterable[Any], workers: int) -> Iterator[tuple[Any, Any]]:
    """Yield ``(item, result or BenchError)`` in order of completion.

    Raises:
        BenchError: a worker process died (out of memory, say); what was yielded before stands.
        Exception: any other error of ``maker`` is a bug and is raised as it is.
    """
    if workers <= 1:
        for item in items:
            with one_cv2_thread():
                result = _guarded(maker, item)
            yield item, result
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start, (maker, os.getpid())) as pool:
        todo, running = iter(items), dict[Future, Any]()
        try:
            while True:
                # A short queue: enough to keep workers busy, little to lose.
                while len(running) < workers * 2 and (item := next(todo, None)) is not None:
                    running[pool.submit(_work, item)] = item
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool:
            raise BenchError(
                "a worker process was killed (out of memory?); run it again with fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def one_cv2_thread() -> Iterator[None]:
    """Keep OpenCV to the thread that calls it: threads cost more than they give on frames, and change last bits."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _start(maker: Maker, parent: int) -> None:
    global _maker
    _maker = maker
    cv2.setNumThreads(1)
    die_with(parent)


def die_with(parent: int) -> None:
    """End this process soon after the process ``parent`` did: a killed parent cannot stop its workers."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _work(item: Any) -> Any:
    assert _maker is not None
    return _guarded(_maker, item)


def _guarded(maker: Maker, item: Any) -> Any:
    try:
        return maker.make(item)
    except BenchError as error:
        return error
    except OSError as error:  # a full disk or a file without rights costs its item, not the others
        return system_error(error)
