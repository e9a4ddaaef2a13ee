"""`bench doctor`: works if libraries are missing, broken, or crash, and says how to fix that."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from albar_bench import doctor
from albar_bench.cli.app import app
from albar_bench.doctor import MISSING, OK, PROBLEM, Check
from benchmark_builder.utils.extras import Library

BROKEN = {
    "fine_one": "print('noise')\n__version__ = '1.2'\n",
    "broken_one": "raise ImportError('libGL.so.1: cannot open\\n shared object file')\n",
    "exits_one": "raise SystemExit(3)\n",
    "crashing_one": "import os\nos.abort()\n",
    "last_one": "__version__ = '3'\n",
}


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small libraries in the place of the real ones: some work, some do not; one is missing, one has an extra."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    for name, text in BROKEN.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    names = {name: Library(name, name.replace("_", "-")) for name in BROKEN}
    names["no_such"] = Library("no_such", "no-such", "train", "bench train")
    monkeypatch.setattr(doctor, "LIBRARIES", names)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def found(group: str) -> dict[str, Check]:
    return {check.name: check for check in doctor.checks() if check.group == group}


def test_every_library_is_checked_whatever_the_others_do(libraries: None) -> None:
    said = found("libraries")
    states = {name: check.state for name, check in said.items()}
    assert states == {"fine-one": OK, "broken-one": PROBLEM, "exits-one": PROBLEM, "crashing-one": PROBLEM,
                      "last-one": OK, "no-such": MISSING}  # fmt: skip
    assert said["fine-one"].found == "1.2"
    assert "ImportError: libGL.so.1: cannot open shared object file" in said["broken-one"].found
    assert "Python ends (status -6)" in said["crashing-one"].found
    assert said["broken-one"].fix == "pip install --force-reinstall broken-one"
    assert said["no-such"].fix == "pip install 'albar-bench[train]'"


def test_only_what_is_needed_gives_exit_status_1(libraries: None, monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(app, ["doctor", "--json"])
    said = json.loads(done.stdout)
    assert done.exit_code == 1 and not said["ok"] and str(done.exception).startswith("3 problems, such as broken-one: ")
    assert {check["state"] for check in said["checks"]} == {OK, MISSING, PROBLEM}
    some = {name: library for name, library in doctor.LIBRARIES.items() if name in ("fine_one", "no_such")}
    monkeypatch.setattr(doctor, "LIBRARIES", some)
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    assert "fine-one 1.2" in done.output and "pip install 'albar-bench[train]'" in done.output
    assert max(map(len, done.output.splitlines())) <= 80


def test_datasets_disk_and_ffmpeg(libraries: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LIBRARIES", {})
    assert found("datasets")["BENCH_DATA"].state == MISSING
    (tmp_path / "data" / "hmdb51" / "videos").mkdir(parents=True)
    (tmp_path / "data" / "benchmarks" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "benchmarks" / "mine" / "manifest.csv").touch()
    said = found("datasets")
    assert said["hmdb51"].state == OK and "ucf101" in said["others"].found and said["benchmarks"].found == "mine"
    assert found("ffmpeg")["ffmpeg"].state == OK
    monkeypatch.setattr(doctor, "LITTLE", 1e18)
    assert {check.state for check in found("disk").values()} == {MISSING}
    monkeypatch.setattr(doctor, "NONE", 1e18)
    assert {check.state for check in found("disk").values()} == {PROBLEM}
    from benchmark_builder.video import binary

    for cached in (binary.ffmpeg_binary, binary.ffmpeg_version):
        cached.cache_clear()
    monkeypatch.setenv("BENCH_FFMPEG", str(tmp_path / "no-ffmpeg"))
    try:
        said = found("ffmpeg")
        assert said["ffmpeg"].state == PROBLEM and "no-ffmpeg" in said["ffmpeg"].found and said["ffmpeg"].fix
    finally:
        for cached in (binary.ffmpeg_binary, binary.ffmpeg_version):
            cached.cache_clear()


def test_weights(libraries: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LIBRARIES", {})
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "sam_vit_b_01ec64.pth").write_bytes(b"no weights")
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path / "weights"))
    said = found("weights")
    assert said["sam-vit-b"].state == PROBLEM and "damaged" in said["sam-vit-b"].found
    assert said["sam-vit-l"].state == MISSING and "bench weights fetch sam-vit-l" in said["sam-vit-l"].fix
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path / "gone"))
    assert found("weights")["BENCH_WEIGHTS"].state == PROBLEM


def test_a_check_that_fails_does_not_end_the_others(libraries: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise ValueError("odd")

    monkeypatch.setitem(doctor._GROUPS, "weights", fails)  # type: ignore[arg-type]
    assert found("weights")["the check itself"].found == "ValueError: odd" and found("disk")
