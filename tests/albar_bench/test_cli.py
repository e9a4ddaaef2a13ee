"""The command line as its users meet it: what is heavy stays out of --help, and bad input gives one line."""

import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from commands import bench, error_of
from tiny_videos import moving_square, write_video
from typer.testing import CliRunner

from albar_bench.cli import app as bench_app
from albar_bench.cli.variadic import is_anything, variadic
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.kinds import KINDS
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.video.decode import probe

HEAVY = ("torch", "cv2", "numpy", "pandas", "av", "matplotlib", "ray")


@pytest.mark.parametrize(
    ("words", "kept_out"),
    [("", (*HEAVY, "pydantic")), ("build", HEAVY), ("data", HEAVY), ("train", HEAVY), ("build scuba", HEAVY)],
)
def test_help_imports_nothing_heavy(words: str, kept_out: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom albar_bench.__main__ import main\n"
        f"sys.argv = ['bench', *{words.split()!r}, '--help']\ntry:\n    main()\nfinally:\n"
        f"    print('loaded', [m for m in {kept_out!r} if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert said.strip().endswith("loaded []") and "Usage" in said


def test_a_build_imports_only_what_it_needs(folder_of_actions: Callable[..., Path], tmp_path: Path) -> None:
    """A build imports numpy, OpenCV and PyAV, and should import nothing else that is slow."""
    needless = (
        "torch",
        "pandas",
        "matplotlib",
        "rich",
        "scipy",
        "sklearn",
        "ray",
        "ffmpeg",
        "PIL",
        "httpx",
        "requests",
    )
    root, pictures = folder_of_actions(per_class=1), tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "grey.png"), np.full((8, 8, 3), 99, np.uint8))
    words = [
        "build",
        "scuba",
        "--dataset",
        "ucf101",
        "--root",
        root,
        "--split",
        "all",
        "--masks",
        f"stored:{root}/masks",
    ]
    words += ["--out", tmp_path / "out", "--backgrounds", f"images:{pictures}", "--layout", "frames"]
    code = (
        "import sys\nfrom albar_bench.__main__ import main\n"
        f"sys.argv = ['bench', *{[str(word) for word in words]!r}]\ntry:\n    main()\nfinally:\n"
        f"    print('loaded', [m for m in {needless!r} if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert said.strip().endswith("loaded []") and "(10 new, 0 kept)" in said


def tree(group: Any = None, above: str = "") -> list[tuple[str, Any, Any]]:
    """Every command: its words, what stands for it in the list, and the command itself."""
    group = group or typer.main.get_command(bench_app.app)
    found = []
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        found.append((f"{above}{name}", group.listed(name), command))
        found += tree(command, f"{above}{name} ") if hasattr(command, "list_commands") else []
    return found


@pytest.mark.parametrize(("words", "listed", "command"), [pytest.param(*it, id=it[0]) for it in tree()])
def test_the_list_of_commands_says_what_each_says_itself(words: str, listed: Any, command: Any) -> None:
    said = (listed.short_help or listed.help).split("\n\n")[0]
    assert said == " ".join(command.help.split("\n\n")[0].split()), words


def test_help_lists_every_command_and_kind() -> None:
    done = bench("--help")
    assert done.returncode == 0
    for words, _, _ in tree():
        if " " not in words:
            assert f"│ {words} " in done.stdout
    kinds = bench("build", "--help").stdout
    assert all(f"│ {name} " in kinds for name in KINDS.names())


@pytest.mark.parametrize("command", ["build scuba", "build scufo", "build conflfg", "train", "eval", "data render"])
def test_every_command_teaches(command: str) -> None:
    done = bench(*command.split(), "--help")
    assert done.returncode == 0 and "--out" in done.stdout


def test_missing_dataset_says_where_to_get_it(tmp_path: Path) -> None:
    said = error_of("build", "scuba", "--dataset", "hmdb51")
    assert "hmdb51: no such folder. Get HMDB51" in said and "testTrainMulti_7030_splits" in said
    assert not (tmp_path / "data").exists()


def test_unknown_names_list_the_choices() -> None:
    assert "choose from synthactions, ucf101" in error_of("build", "scuba", "--dataset", "ucf102")


def test_an_annotation_file_that_is_not_one(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    (tmp_path / "a.pkl").write_text("boxes, honest")
    said = error_of("build", "scuba", "--dataset", "ucf101", "--root", root, "--split", "all",
                    "--masks", f"ucf101-24:{tmp_path / 'a.pkl'}", "--out", out)  # fmt: skip
    assert "a.pkl" in said and not out.exists()


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


def test_a_hostile_pickle_is_refused(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Hostile(tmp_path / "ran")))
    said = error_of("build", "scuba", "--dataset", "ucf101", "--root", root, "--split", "all",
                    "--masks", f"ucf101-24:{tmp_path / 'a.pkl'}", "--out", out)  # fmt: skip
    assert "refused" in said and not (tmp_path / "ran").exists() and not out.exists()


def test_a_corrupted_clip_among_good_ones(folder_of_actions: Callable, clips: Path, tmp_path: Path) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    bad = root / "videos" / "Archery" / "v_Archery_g09_c01.mp4"
    shutil.copy(clips / "edge" / "corrupted.mp4", bad)
    info = probe(bad)
    masks = np.ones((info.frames, info.height, info.width), bool)
    write_masks(root / "masks" / "Archery" / "v_Archery_g09_c01.zip", masks)
    words = ["build", "scuba", "--dataset", "ucf101", "--root", root, "--split", "all", "--out", out]
    said = error_of(*words, "--masks", f"stored:{root / 'masks'}", "--per-video", 1)
    assert "failures.csv: 1 failed" in said
    assert len(read_benchmark(out).rows) == 4
    assert "v_Archery_g09_c01.mp4: breaks after frame" in (out / "failures.csv").read_text()
    assert bench("verify", out).returncode == 0
    assert bench(*words, "--masks", f"stored:{root / 'masks'}", "--per-video", 1, "--keep-going").returncode == 0


def test_a_checkpoint_that_is_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_text("weights, honest")
    assert "model.ckpt" in error_of("eval", tmp_path / "model.ckpt")
    assert not (tmp_path / "results").exists()


def test_scufo_from_a_folder_that_is_no_benchmark(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    said = error_of("build", "scufo", "--from", tmp_path / "plain", "--out", tmp_path / "out")
    assert "plain" in said and "bench build" in said and not (tmp_path / "out").exists()


def test_scufo_and_conflfg_build_the_scuba_they_need(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    shared = ("--dataset", "ucf101", "--root", root, "--split", "all", "--masks", f"stored:{root / 'masks'}")
    for kind in ("scufo", "conflfg"):
        done = bench("build", kind, *shared, "--per-video", 1)
        assert done.returncode == 0, done.stderr
    folder = tmp_path / "data" / "benchmarks"
    assert {p.name for p in folder.iterdir()} == {f"ucf101-{k}-stripes" for k in ("scuba", "scufo", "conflfg")}
    assert f"starting from {folder / 'ucf101-scuba-stripes'}" in done.stdout
    done = bench("preview", folder / "ucf101-conflfg-stripes", "--out", tmp_path / "sheet.png", "--videos", 2)
    assert done.returncode == 0 and (tmp_path / "sheet.png").stat().st_size > 1000


def test_real_clip_from_boxes_to_stills(clips: Path, tmp_path: Path) -> None:
    scuba, scufo = tmp_path / "scuba", tmp_path / "scufo"
    done = bench("build", "scuba", "--dataset", "ucf101", "--root", clips / "ucf101" / "videos", "--split", "all",
                 "--masks", f"ucf101-24:{clips / 'annotations' / 'ucf101_24_pyannot.pkl'}", "--backgrounds", "stripes",
                 "--per-video", 2, "--seed", 0, "--out", scuba)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left out: ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01: no UCF101-24 annotation" in done.stdout
    assert "ApplyEyeMakeup" in (scuba / "failures.csv").read_text()
    assert bench("build", "scufo", "--from", scuba, "--out", scufo).returncode == 0
    assert bench("verify", scuba).returncode == bench("verify", scufo).returncode == 0
    assert "contains only one class" in error_of("build", "conflfg", "--from", scuba, "--out", tmp_path / "conflfg")


def test_several_values_after_one_option(tmp_path: Path) -> None:
    app, seen = typer.Typer(), []

    @app.command(cls=variadic(many=is_anything))
    def command(first: str, many: list[str] = typer.Option([]), flag: bool = typer.Option(False, "--flag")) -> None:
        seen.append((first, many, flag))

    for words in (["x", "--many", "a", "b", "--flag"], ["x", "--flag", "--many", "a", "--many", "b"]):
        assert CliRunner().invoke(app, words).exit_code == 0
    assert seen == [("x", ["a", "b"], True)] * 2
    assert CliRunner().invoke(app, ["x", "--many"]).exit_code == 2


def spread(command: str, *words: str) -> dict[str, object] | str:
    """The values that a command would get, or what its parser says."""
    group: Any = typer.main.get_command(bench_app.app)
    try:
        return dict(group.get_command(None, command).make_context(command, list(words)).params)
    except Exception as error:  # typer's own kind of usage error
        return error.format_message()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def benchmarks(tmp_path: Path) -> list[str]:
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.csv").write_text("")
    for name in ("model.ckpt", "p.csv", "q.pkl", "l.txt", "r1/leaderboard.csv", "r2/leaderboard.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return ["A", "B"]


@pytest.mark.parametrize(
    "words",
    [
        "model.ckpt --benchmarks A B", "--benchmarks A B model.ckpt", "--benchmarks A model.ckpt B",
        "--benchmarks model.ckpt A B", "--out o --benchmarks A B model.ckpt", "--benchmarks A B model.ckpt --out o",
        "--benchmarks A B --out o model.ckpt", "--no-iid --benchmarks A B model.ckpt", "--benchmarks A B -- model.ckpt",
        "--benchmarks A --benchmarks B model.ckpt", "--benchmarks A model.ckpt --benchmarks B",
        "--benchmarks=A --benchmarks=B model.ckpt", "--benchmarks A B --seed 3 model.ckpt",
        "--batch 2 --benchmarks A B --limit 3 model.ckpt --trust",
    ],
)  # fmt: skip
def test_the_model_may_come_anywhere(benchmarks: list[str], words: str) -> None:
    found = spread("eval", *words.split())
    assert isinstance(found, dict), found
    assert found["model"] == "model.ckpt" and [str(p) for p in found["benchmarks"]] == benchmarks  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", ["hf:some/model", "no-such.ckpt", "package.module:factory"])
def test_a_model_that_is_no_file_may_come_last(benchmarks: list[str], model: str) -> None:
    found = spread("eval", "--benchmarks", *benchmarks, model)
    assert isinstance(found, dict) and found["model"] == model
    assert [str(p) for p in found["benchmarks"]] == benchmarks  # type: ignore[attr-defined]


def test_a_missing_argument_is_missed(benchmarks: list[str]) -> None:
    lacking = ("eval --benchmarks A B", "eval --benchmarks A", "eval --benchmarks gone", "report --benchmarks A B",
               "score --benchmark A", "versus --benchmarks A r1")  # fmt: skip
    for words in lacking:
        assert "Missing argument" in str(spread(*words.split())), words
    assert "requires an argument" in str(spread("eval", "model.ckpt", "--benchmarks"))
    found = spread("eval", "model.ckpt", "--benchmarks", "A", "gone")  # nothing is missing, so all are benchmarks
    assert isinstance(found, dict) and [str(p) for p in found["benchmarks"]] == ["A", "gone"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("command", "words", "wanted"),
    [
        ("score", "p.csv q.pkl --benchmark A iid:ucf101", "predictions=p.csv,q.pkl benchmark=A,iid:ucf101"),
        ("score", "--benchmark A iid:ucf101 p.csv q.pkl", "predictions=p.csv,q.pkl benchmark=A,iid:ucf101"),
        ("score", "--benchmark A --lists l.txt q.pkl", "predictions=q.pkl benchmark=A lists=l.txt"),
        ("score", "--lists l.txt p.csv --benchmark A", "predictions=p.csv benchmark=A lists=l.txt"),
        ("score", "--lists l.txt --benchmark A p.csv", "predictions=p.csv benchmark=A lists=l.txt"),
        ("score", "--benchmark A p.csv --lists l.txt", "predictions=p.csv benchmark=A lists=l.txt"),
        ("score", "--lists l.txt l.txt q.pkl q.pkl --benchmark A B",
         "predictions=q.pkl,q.pkl benchmark=A,B lists=l.txt,l.txt"),
        ("report", "--benchmarks A B r1 r2", "results=r1,r2 benchmarks=A,B"),
        ("report", "r1 r2 --benchmarks A B", "results=r1,r2 benchmarks=A,B"),
        ("report", "--benchmarks A r1 --out x.html", "results=r1 benchmarks=A"),
        ("versus", "--benchmarks A B r1 r2", "a=r1 b=r2 benchmarks=A,B"),
        ("versus", "r1 --benchmarks A B r2", "a=r1 b=r2 benchmarks=A,B"),
        ("versus", "--benchmarks A r1 --root B r2", "a=r1 b=r2 benchmarks=A root=B"),
        ("compare", "--methods albar be --benchmarks A B --seeds 2", "methods=albar,be benchmarks=A,B seeds=2"),
    ],
)  # fmt: skip
def test_arguments_after_options_of_several_values(
    benchmarks: list[str], command: str, words: str, wanted: str
) -> None:
    found = spread(command, *words.split())
    assert isinstance(found, dict), found
    texts = {k: ",".join(map(str, v)) if isinstance(v, (list, tuple)) else str(v) for k, v in found.items()}
    assert {name: texts[name] for name in wanted.replace("=", " ").split()[::2]} == dict(
        pair.split("=") for pair in wanted.split()
    )


def test_odd_names_and_a_clip_without_an_actor(tmp_path: Path) -> None:
    video, _ = moving_square(height=240, width=320)
    write_video(tmp_path / "data" / "hmdb51" / "videos" / "wave" / "#1_[a](b)!_wave_u_nm_np1_fr_goo_0.mkv", video)
    done = bench("build", "scuba", "--dataset", "hmdb51", "--per-video", 1)
    # A clip of noise has no actor: it is left out, in one line, and nothing pretends to be a benchmark.
    assert done.returncode == 1 and "left out" in done.stdout and "nothing was built" in done.stderr
