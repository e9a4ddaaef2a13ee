"""`bench build all`: what the commands of the kinds build, with one command."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from albar_bench.cli.app import app
from benchmark_builder.utils.errors import BenchError

KINDS = ("scuba", "scufo", "shaken", "conflfg")


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["build", *map(str, words), "--workers", "1"])


def files(folder: Path) -> dict[str, bytes]:
    """Every file of the benchmarks in a folder, by its path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def options(folder_of_actions: Callable[..., Path]) -> tuple[object, ...]:
    root = folder_of_actions()
    return ("--dataset", "ucf101", "--root", root, "--split", "all", "--masks", f"stored:{root / 'masks'}",
            "--per-video", 1, "--limit", 3)  # fmt: skip


def test_every_kind_is_what_its_own_command_builds(
    options: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "all"))
    for kind in KINDS:
        assert run(kind, *options).exit_code == 0
    (tmp_path / "all").rename(tmp_path / "one")
    done = run("all", *options)
    assert done.exit_code == 0, done.output
    single, together = files(tmp_path / "one" / "benchmarks"), files(tmp_path / "all" / "benchmarks")
    assert {path.partition("/")[0] for path in together} == {f"ucf101-{kind}-stripes" for kind in KINDS}
    assert together == single
    folders = [tmp_path / "all" / "benchmarks" / f"ucf101-{kind}-stripes" for kind in KINDS]
    assert f"next: bench eval MODEL --benchmarks {' '.join(map(str, folders))}\n" in done.output
    assert "masks: stored, of 3 videos; this source gives no confidence; look at them: bench audit" in done.output
    again = run("all", *options)  # resumes: everything is kept
    assert again.exit_code == 0 and again.output.count("(0 new, ") == 4
    assert files(tmp_path / "all" / "benchmarks") == together


def test_a_kind_that_cannot_be_built_does_not_stop_the_others(
    options: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    only = ("--only", "Archery", "--keep-going", "--out", tmp_path / "out")  # one class: there are no donors
    done = run("all", *options, *only, "--kinds", "scuba", "conflfg", "scufo")
    assert isinstance(done.exception, BenchError) and "1 kind was not built; the first: conflfg: " in str(
        done.exception
    )
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"scuba", "scufo"}
    assert (
        f"next: bench eval MODEL --benchmarks {tmp_path / 'out' / 'scuba'} {tmp_path / 'out' / 'scufo'}\n"
        in done.output
    )
    done = run("all", "--from", tmp_path / "out" / "scuba", "--out", tmp_path / "out", "--kinds", "shaken")
    assert done.exit_code == 0 and (tmp_path / "out" / "shaken" / "manifest.csv").is_file()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--kinds", "scuba", "scufu"], "bench build scufu: no such kind of test videos"),
        (["--kinds", "scuba", "--from", "x"], "--kinds scuba: --from names the SCUBA benchmark"),
        (["--kinds", "shaken", "--corrections", "c.csv"], "--corrections: are for SCUBA"),
        (["--dataset", "no-such"], "--dataset no-such: no such dataset"),
    ],
)
def test_wrong_use_is_one_line_before_any_work(words: list[str], says: str, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = run("all", *words)
    assert isinstance(done.exception, BenchError) and str(done.exception).startswith(says)
    assert not list(tmp_path.iterdir())
