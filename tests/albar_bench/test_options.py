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

BUILD = """dataset root split fold seed out workers limit only shard subset keep-going protocol masks prompts actors
unannotated
smooth smooth-how dilate feather min-area min-valid sam-checkpoint sam-model box-margin drift min-score min-track device
chunk backgrounds fit grey per-video layout jpeg-quality"""
# Names that users type: none of them may be lost.
NAMES = {
    "build scuba": f"{BUILD} virtual corrections correction-numbering",
    "build scufo": f"{BUILD} from shaken shake still-area",
    "build conflfg": f"{BUILD} from order place max-covered min-visible still-area",
    "segment": """dataset root split fold protocol masks actors prompts numbering out sam-checkpoint sam-model
    box-margin
    drift min-score min-track device chunk workers limit only shard subset keep-going corrections correction-numbering
    review""",
    "train": """config dataset root split fold subset limit validation validation-split seed out preset set
    static-frames masks
    places reference tau model weights keep-head sampling clip epochs batch accumulate optimiser lr backbone-lr
    weight-decay decay warmup schedule clip-gradient precision compile workers device save-steps tensorboard""",
    "eval": """benchmarks model weights classes sampling clip views crops method trust dataset out root iid split fold
    batch workers device precision limit allow-missing seed cluster format time masks mask-set no-benchmarks
    slices quantiles subset""",
    "compare": """methods seeds first-seed dataset root benchmarks config model weights preset epochs batch lr limit
    masks places device jobs out""",
    "score": "benchmark out method model root lists allow-missing seed cluster format slices quantiles subset",
    "report": "out published gallery benchmarks root title cluster",
    "versus": "benchmarks root cluster",
    "figure": "out published figures title width by-seed full pairs",
    "leaderboard": "published",
    "verify": "workers root scuba",
    "preview": "out videos columns height root scuba",
    "stats": "out scuba",
    "export": "out for layout jpeg-quality split fold workers root scuba",
    "import": "kind dataset list backgrounds split label-base fps out workers",
    "merge": "out workers",
    "demo": "out seed workers",
    "audit leakage": "root out plot reference margin ring seed workers",
    "audit masks": "root out sheet videos columns height workers",
    "data render": "out size width frames fps train test bias seed workers",
    "data list": "dataset root split fold",
    "data segments": "dataset root",
    "data transcode": """dataset root split fold out workers limit only shard subset keep-going short enlarge fps keys
    crf preset keep-damaged sample""",
    "data inspect": "dataset root split fold workers csv",
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


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("preview b --height 3", "--height 3: give a whole number of pixels from 16 to 8192"),
        ("report r --gallery -1", "--gallery -1: give a whole number of videos from 0 to 1000"),
        ("score p.csv --benchmark b --cluster all", "--cluster all: choose from source, group, video"),
        ("score p.csv --benchmark b --format xls", "--format xls: give csv or parquet"),
        ("versus a b --cluster all", "--cluster all: choose from source, group, video"),
        ("import f --kind scuba --dataset ucf101 --label-base 3", "--label-base 3: give 0 or 1"),
        ("export b --out o --jpeg-quality 0", "--jpeg-quality 0: give a whole number from 1 to 100"),
        ("merge b --out o --workers 0", "--workers 0: give a whole number of processes from 1 to 256"),
        ("data list --fold 0", "--fold 0: give a whole number, at least 1"),
        ("compare --seeds 0", "--seeds 0: give a whole number of seeds from 1 to 10000"),
        ("compare --jobs 0", "--jobs 0: give a whole number of runs from 1 to 64"),
        ("eval m --batch 0", "--batch 0: give a whole number of clips from 1 to 65536"),
        ("train be --lr -1", "--lr -1.0: give a number, at least 0"),
        ("train be --set p=2", "method be: --set p=2: give a share from 0 to 1"),
        ("train be --clip flip=2", "--clip flip=2: give a share from 0 to 1"),
        ("train be --clip frames", "--clip frames: give NAME=VALUE"),
    ],
)
def test_every_command_refuses_a_wrong_value_in_one_line(
    words: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, words.split())
    assert isinstance(done.exception, BenchError) and str(done.exception) == says
    assert not list(tmp_path.iterdir())  # before any work
