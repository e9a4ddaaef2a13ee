"""The choice of the engine, without Ray."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import bench_anew, error_of

from benchmark_builder.settings import EngineSettings
from benchmark_builder.utils import engine
from benchmark_builder.utils.cluster_checks import Origin, Question, differences, inside, look, marked
from benchmark_builder.utils.errors import BenchError


def test_the_engine_is_that_of_the_block_else_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_ENGINE", raising=False)
    assert engine.current().local
    monkeypatch.setenv("BENCH_ENGINE", "ray:10.0.0.1:6379")
    assert engine.current().address == "10.0.0.1:6379" and not engine.current().local
    with engine.using("ray", gpus=0.25, memory=2):
        assert engine.current().address is None
        assert engine.current().needs == {"CPU": 1.0, "GPU": 0.25, "memory": 2e9}
    with engine.using():
        assert engine.current().name == "ray:10.0.0.1:6379"
    monkeypatch.setenv("BENCH_ENGINE", "spark")
    with pytest.raises(BenchError, match=r"^BENCH_ENGINE=spark: is no engine; give local, ray "):
        engine.current()


@pytest.mark.parametrize(
    "name", ["Ray", "ray:", "ray:host", "ray:ray://host:10001", "ray:host:99x", "", "local:1", "ray\n"]
)
def test_names_that_are_no_engine(name: str) -> None:
    with pytest.raises(BenchError, match="is no engine"), engine.using(name):
        pass
    with pytest.raises(BenchError, match="--engine "):
        EngineSettings(engine=name)


def test_resources_are_checked() -> None:
    for wrong in (
        {"engine_gpus": 1.5},
        {"engine_gpus": -0.1},
        {"engine_gpus": 0.0001},
        {"engine_cpus": 0.0},
        {"engine_memory": 0.0},
    ):
        with pytest.raises(BenchError, match="--engine-"):
            EngineSettings(**wrong)
    assert EngineSettings(engine_gpus=2.0).engine_gpus == 2
    with pytest.raises(BenchError, match=r"^--engine-gpus: is only for --engine ray; leave it out$"):
        with engine.using("local", gpus=1):
            pass


@pytest.fixture
def without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ray is not installed: importing it fails, and leaves a file."""
    package = tmp_path / "hidden" / "ray"
    package.mkdir(parents=True)
    tried = tmp_path / "tried"
    (package / "__init__.py").write_text(f"open({str(tried)!r}, 'w').close()\nraise ImportError('no ray')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package.parent), *filter(None, sys.path)]))
    return tried


def test_local_work_and_help_never_import_ray(without_ray: Path) -> None:
    out = Path("r")
    words = ("--train", 2, "--test", 1, "--size", 32, "--frames", 4, "--out", out, "--workers", 2)
    done = bench_anew("data", "render", *words)
    assert done.returncode == 0 and (out / "masks").is_dir(), done.stderr
    assert "--engine-gpus" in bench_anew("data", "inspect", "--help").stdout
    assert not without_ray.exists()


def test_a_missing_extra_is_named_in_one_line(without_ray: Path) -> None:
    said = error_of("data", "render", "--train", 1, "--test", 1, "--size", 32, "--out", "r", "--engine", "ray")
    assert said == "error: --engine ray: needs Ray; install it on every machine with `pip install 'albar-bench[ray]'`"
    assert without_ray.exists()


def test_an_address_that_does_not_answer_is_an_error_at_once() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'albar-bench[ray]'")
    said = error_of("data", "render", "--train", 1, "--test", 0, "--out", "r", "--engine", "ray:127.0.0.1:1")
    assert "no Ray cluster answers at 127.0.0.1:1; start it with `ray start --head`" in said


@dataclass
class Network:
    device: str
    weights: Path


def test_files_and_devices_are_found_inside_objects() -> None:
    paths, devices = inside({"a": [Network("cuda:1", Path("w.pt"))]}, lambda: None, (Path("x"), "not/a/path"))
    assert paths == [Path("w.pt"), Path("x")] and devices == {"cuda:1"}


def test_a_look_sees_content_sizes_missing_files_and_other_folders(tmp_path: Path) -> None:
    file, gone, folder = tmp_path / "a.avi", tmp_path / "gone", tmp_path / "out"
    file.write_bytes(b"x" * 300_000)
    folder.mkdir()
    question = Question(Origin.here(), (str(file), str(gone), str(tmp_path)), (str(folder),), ".tmp-1", ("crashing",))
    with marked([folder], question.token):
        here = look(question)
        assert [p.name for p in folder.iterdir()] == [".tmp-1"]
        assert differences(here, look(question)) == []
        file.write_bytes(b"x" * 299_999 + b"y")
        (name, *_), said = differences(here, look(question))[0].split(": "), differences(here, look(question))
        assert name == str(file) and len(said) == 1 and "a file of 300000 bytes" in said[0]
        file.unlink()
        gone.mkdir()
        (folder / ".tmp-1").unlink()
        told = differences(here, look(question))
    assert [line.split(", here ")[0] for line in told] == [
        f"{file}: missing", f"{gone}: a folder", f"{folder} as a shared folder: is another folder there",
    ]  # fmt: skip
    assert not list(folder.iterdir()) and here["code of benchmark_builder"] != "missing"
    assert here["module crashing"] != "missing" and here["numpy"].split(".")[0].isdigit()


def test_a_machine_without_the_toolkit_says_so(tmp_path: Path) -> None:
    """:mod:`cluster_checks` is sent as code: it works where nothing of this toolkit can be imported."""
    source = Path(look.__code__.co_filename)
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('checks', {str(source)!r})\n"
        "m = importlib.util.module_from_spec(spec); sys.modules['checks'] = m; spec.loader.exec_module(m)\n"
        "found = m.look(m.Question(m.Origin('/', (), {}, '')))\n"
        "print(found['code of benchmark_builder'], found['numpy'])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["missing", "missing"], done.stderr
