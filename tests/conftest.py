"""What the tests share: tiny videos they make themselves, and the folder of real clips where it is there."""

import functools
import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Set before torch and OpenCV are imported: the tensors here are tiny, threads that wait for each other cost more than
# they give, above all where the tests run on every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line: where a run asks for more, they do not spin
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

import pytest
from quick_workers import forking
from tiny_videos import make_actions

CLIPS = Path(os.environ.get("BENCH_CLIPS") or Path(__file__).parent.parent.parent / "shared" / "clips")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Modules and tests stay until the end: to look for garbage among them was a third of the time of a collection."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of real clips; the test is skipped where it is missing."""
    if not CLIPS.is_dir():
        pytest.skip(f"no real clips at {CLIPS}; set BENCH_CLIPS")
    return CLIPS


@pytest.fixture(autouse=True, scope="session")
def _own_data_root_of_shared_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a whole module shares is made before a test's own data root is set: it has another."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("BENCH_DATA", str(tmp_path_factory.mktemp("shared-data")))
        monkeypatch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("shared-cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_wait_for_the_disk() -> Iterator[None]:
    """The folders of the tests need not survive a power failure: waiting for the disk was a third of a small build."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True)
def _own_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test reads or writes the user's data or runs."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield


@pytest.fixture
def quick_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool's workers are forked from the tests' process, with all that is loaded there, in place of new ones."""
    from benchmark_builder.utils import pool

    if sys.platform == "linux":  # elsewhere, libraries do not survive a fork
        monkeypatch.setattr(pool, "multiprocessing", forking())


@pytest.fixture
def folder_of_actions(tmp_path: Path) -> Callable[..., Path]:
    """:func:`make_actions` in the test's own folder."""
    return functools.partial(make_actions, tmp_path / "ucf")
