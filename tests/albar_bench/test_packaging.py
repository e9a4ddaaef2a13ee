"""What an installation contains: libraries by extra, data files, and what a missing extra says."""

import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import albar_bench
from albar_bench.cli import app as cli
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.extras import LIBRARIES, named_extras

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
# What the toolkit was asked to be built with; `all` has them.
NAMED = {"torch", "opencv-python-headless", "ffmpeg-python", "segment-anything", "numpy", "pandas", "typer", "tqdm"}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[ ]", r)[0] for r in requirements} - {"albar-bench"}


def test_the_table_of_libraries_is_what_pip_installs() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    required = {"": names(PROJECT["project"]["dependencies"])} | {extra: names(extras[extra]) for extra in extras}
    for extra in ("", "train", "sam", "generate", "ray", "downstream", "torchcodec"):
        assert {lib.package for lib in LIBRARIES.values() if lib.extra == extra} == required[extra], extra
    (everything,) = extras["all"]
    parts = set(everything.removeprefix("albar-bench[").removesuffix("]").split(","))
    assert parts == extras.keys() - {"all", "dev", "docs", "peers", "torchcodec"}
    assert set().union(*(required[part] for part in ("", *parts))) >= NAMED
    assert "torch" not in required[""] and ".[all,dev]" in (ROOT / "Makefile").read_text("utf-8")


def test_every_data_file_is_packaged() -> None:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True).stdout.split("\n")
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    folders = {package: package.replace(".", "/") for package in patterns}
    data = [f for f in listed if f.split("/")[0] in patterns and not f.endswith(".py")]
    assert len(data) > 30
    for file in data:
        assert any(
            file.startswith(f"{folder}/")
            and fnmatch.fnmatch(file.removeprefix(f"{folder}/"), pattern.replace("**/", ""))
            for package, folder in folders.items()
            for pattern in patterns[package]
        ), file


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module, extra in (("torch", "train"), ("segment_anything", "sam"), ("sklearn", "downstream")):
        with pytest.raises(BenchError, match=re.escape(f"run: pip install 'albar-bench[{extra}]'")), named_extras():
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
    with pytest.raises(ModuleNotFoundError), named_extras():
        raise ModuleNotFoundError("No module named 'mine'", name="mine")

    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("evaluator.reports.screen.show", missing)
    says = "torch is not installed, which this needs; run: pip install 'albar-bench[train]'"
    done = CliRunner().invoke(cli.app, ["leaderboard", str(tmp_path)])
    assert isinstance(done.exception, BenchError) and str(done.exception) == says
    monkeypatch.setattr("albar_bench.api.Benchmark", missing)
    with pytest.raises(BenchError, match=re.escape(says)):
        albar_bench.load_benchmark(tmp_path)
