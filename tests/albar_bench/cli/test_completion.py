"""Shell completion: commands, options and values, without importing what is heavy."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from albar_bench.cli.app import app


def completed(line: str) -> list[str]:
    """What bash is offered for the last word of a line (an empty one after a blank)."""
    words = line.split(" ")
    variables = {"_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return CliRunner(env=variables).invoke(app, [], prog_name="bench").output.split()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("bench ", {"build", "train", "eval", "downstream"}),
        ("bench ex", {"export", "export-weights", "explain"}),
        ("bench build ", {"scuba", "scufo", "conflfg", "shaken", "swap"}),
        ("bench build scuba --dataset ", {"synthactions", "ucf101", "folder"}),
        ("bench build scuba --masks st", {"stored"}),
        ("bench build scuba --backgrounds ", {"stripes", "images", "noise"}),
        ("bench build shaken --layout ", {"video", "frames", "virtual"}),
        ("bench build scuba --protocol ", {"default", "stillmix", "ucf101-updated"}),
        ("bench build conflfg --order ", {"behind", "front"}),
        ("bench train ", {"baseline", "albar", "stillmix"}),
        ("bench train albar --model swin3d_", {"swin3d_t", "swin3d_s", "swin3d_b"}),
        ("bench train albar --config swin-t-k", {"swin-t-kinetics-hmdb51"}),
        ("bench train albar --preset ", {"finetune", "scratch", "pretrained"}),
        ("bench train albar --lr", {"--lr", "--lr-clips"}),
        ("bench compare --methods ", {"baseline", "albar"}),
        ("bench eval model.ckpt --time ", {"one-frame", "shuffled"}),
        ("bench export DIR --for ", {"stillmix", "mmaction2"}),
        ("bench downstream anomaly F --head ", {"mil", "rtfm", "mgfn"}),
        ("bench weights fetch sam", {"sam-vit-h", "sam2-hiera-tiny"}),
        ("bench paper albar-", {"albar-hmdb51", "albar-ucf101"}),
    ],
)
def test_words_are_completed(line: str, wanted: set[str]) -> None:
    offered = completed(line)
    last = line.split(" ")[-1]
    assert offered and wanted <= set(offered) and all(word.startswith(last) for word in offered), offered


def test_free_text_and_files_are_left_to_the_shell() -> None:
    assert completed("bench score p.csv --method ") == []  # a name for the leaderboard, not a training method
    assert completed("bench eval model.ckpt --prompt ") == []
    assert completed("bench build scuba --root ") == []


def test_a_users_own_part_is_not_imported_for_completion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    completed("bench build mine:Kind --da")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "line", ["bench ", "bench tr", "bench data ", "bench train albar --dataset ", "bench build scuba --protocol "]
)
def test_completion_imports_nothing_heavy(line: str) -> None:
    code = (
        "import os, sys\n"
        f"os.environ.update(_BENCH_COMPLETE='complete_bash', COMP_WORDS={line!r}, COMP_CWORD='{line.count(' ')}')\n"
        "from albar_bench.cli.app import app\n"
        "try:\n    app(prog_name='bench')\nfinally:\n"
        "    print('loaded', [m for m in ('torch', 'cv2', 'numpy', 'pandas', 'ray') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.stdout.strip().endswith("loaded []") and len(said.stdout.split()) > 2, said.stderr


def test_a_script_for_the_shell_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    for shell in ("bash", "zsh", "fish"):
        done = CliRunner().invoke(app, ["--show-completion", shell], prog_name="bench")
        assert done.exit_code == 0 and "_BENCH_COMPLETE" in done.output and "bench" in done.output
