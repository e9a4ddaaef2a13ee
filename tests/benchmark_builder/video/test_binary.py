"""Which ffmpeg runs, and that it is not started each time to know its version."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark_builder.utils import digests
from benchmark_builder.video import binary

pytest.importorskip("imageio_ffmpeg")
CACHES = (binary.ffmpeg_binary, binary.ffmpeg_version, binary._bundled)


def forget() -> None:
    """What a new process does not know."""
    for cached in CACHES:
        cached.cache_clear()
    digests._close()
    digests._memory.clear()


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    for name in ("BENCH_FFMPEG", "IMAGEIO_FFMPEG_EXE"):
        monkeypatch.delenv(name, raising=False)
    forget()
    yield
    forget()


def test_it_is_started_once_and_then_its_version_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    first = binary.ffmpeg_binary(), binary.ffmpeg_version()
    assert first[1] != "unknown" and any(letter.isdigit() for letter in first[1]) and Path(first[0]).is_file()
    forget()
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("ffmpeg was started"))
    assert (binary.ffmpeg_binary(), binary.ffmpeg_version()) == first


def test_one_that_does_not_run_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    import imageio_ffmpeg

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/of/the/system/ffmpeg")
    real: Any = binary._asked
    monkeypatch.setattr(binary, "_asked", lambda path: (1, real(path)[1]))
    assert binary.ffmpeg_binary() == "/of/the/system/ffmpeg"
