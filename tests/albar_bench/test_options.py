"""Options of commands come from settings models: names, types, defaults, ranges and help."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from albar_bench.cli import app as cli
from albar_bench.cli.options import Chosen, with_options
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import PathSetting, SettingsModel, setting, share

BUILD = """dataset root split fold seed out workers limit only shard keep-going protocol masks prompts actors
unannotated
smooth smooth-how dilate feather min-area min-valid sam-checkpoint sam-model box-margin drift min-score min-track device
chunk backgrounds fit grey per-video layout jpeg-quality"""
# Names that users type: none of them may be lost.
NAMES = {
    "build scuba": f"{BUILD} virtual",
    "build scufo": f"{BUILD} from shaken shake still-area",
    "build conflfg": f"{BUILD} from order place max-covered min-visible still-area",
    "segment": """dataset root split fold protocol masks actors prompts numbering out sam-checkpoint sam-model
    box-margin
    drift min-score min-track device chunk workers limit only shard keep-going""",
    "train": """config dataset root split fold limit validation validation-split seed out preset set static-frames masks
    places reference tau model weights keep-head sampling clip epochs batch accumulate optimiser lr backbone-lr
    weight-decay decay warmup schedule clip-gradient precision compile workers device save-steps tensorboard""",
    "eval": """benchmarks model weights classes sampling clip views crops method trust dataset out root iid split fold
    batch workers device precision limit allow-missing seed cluster format""",
    "compare": """methods seeds first-seed dataset root benchmarks config model weights preset epochs batch lr limit
    masks places device jobs out""",
}


def command_of(words: str) -> Any:
    found: Any = typer.main.get_command(cli.app)
    for word in words.split():
        found = found.get_command(None, word)
    return found


@pytest.mark.parametrize("words", NAMES)
def test_no_option_is_lost(words: str) -> None:
    found = {name for option in command_of(words).params for name in option.opts if name.startswith("--")}
    assert {f"--{name}" for name in NAMES[words].split()} <= found


def test_no_command_reads_its_locals() -> None:
    folder = Path(str(cli.__file__)).parent
    assert not [p.name for p in folder.glob("*.py") if "locals()" in p.read_text(encoding="utf-8")]


class Whole(SettingsModel):
    count: int = setting(3, "How many.", ge=1, le=9)
    names: tuple[str, ...] = setting((), "Several.")
    quick: bool = setting(False, "Fast.")
    log: bool = setting(True, "Write a log.")
    place: PathSetting | None = setting(None, "Where.", shown="here")


class Part(SettingsModel):
    way: Literal["up", "down"] = setting("up", "Which way.")
    ratio: float = share(0.0, "How much.")
    kind: str = setting("a", "What.", flag="--sort")


def run(*words: str) -> tuple[Any, list[Any]]:
    app, got = typer.Typer(rich_markup_mode="markdown"), []

    @app.command()
    @with_options
    def command(whole: Whole, part: Annotated[dict[str, Any], Chosen(Part, "Its part")], other: str = "x") -> None:
        """Do it."""
        got.extend([whole, part, other])

    return CliRunner(env={"COLUMNS": "140"}).invoke(app, words), got


def test_a_model_arrives_whole_or_as_what_was_chosen() -> None:
    assert run()[1] == [Whole(), {}, "x"]
    words = "--count 4 --names a --names b --quick --no-log --place p --way down --ratio 1 --sort b --other y"
    chosen = {"way": "down", "ratio": 1.0, "kind": "b"}
    whole = Whole(count=4, names=("a", "b"), quick=True, log=False, place=Path("p"))
    assert run(*words.split())[1] == [whole, chosen, "y"]


def test_help_has_description_range_choices_and_default() -> None:
    said = " ".join(run("--help")[0].output.replace("│", " ").split())
    for part in ("How many. [from 1 to 9; default: 3]", "[up|down] Which way. [default: up]", "--log --no-log",
                 "How much. [from 0 to 1; default: 0.0]", "Where. [default: here]", "Its part", "--sort",
                 "Several.", "Do it."):  # fmt: skip
        assert part in said, said
    assert "--no-quick" not in said


def test_an_option_out_of_range_is_one_line() -> None:
    done, _ = run("--count", "0")
    assert isinstance(done.exception, BenchError)
    assert str(done.exception) == "--count 0: give a whole number from 1 to 9"
