"""Values of odd kinds in training settings: one line that names the option (and the file), whatever it is."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from albar.clips.clips import sampling
from albar.methods import METHODS, make_method, settings_of
from albar.training.settings import TrainSettings, make_settings
from albar_bench.cli.app import app
from albar_bench.cli.options import pairs
from benchmark_builder.utils.errors import BenchError

HUGE = 10**400
ODD: list[Any] = [
    math.inf,
    -math.inf,
    math.nan,
    HUGE,
    -HUGE,
    10**12,
    -1,
    0,
    1.5,
    "x",
    "",
    True,
    None,
    [1],
    [],
    {"a": 1},
]


def one_line(error: BaseException) -> str:
    text = str(error)
    assert isinstance(error, BenchError) and "\n" not in text and text
    return text


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:9])
@pytest.mark.parametrize("name", [*sampling("8x2-48").to_dict(), "squash"])
def test_clip_settings_are_taken_or_refused_by_name(name: str, value: Any) -> None:
    start = sampling("8x2-48").replaced({"resize": 2**10})
    try:
        made = start.replaced({name: value})
    except BenchError as error:
        assert name in one_line(error) or "squash" in str(error)
    else:
        values = made.to_dict().values()
        numbers = [v for value in values for v in (value if isinstance(value, list) else [value])]
        assert all(math.isfinite(v) for v in numbers if isinstance(v, int | float))
        assert type(getattr(made, name)) is type(getattr(start, name))


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:9])
def test_settings_of_a_run_are_taken_or_refused_by_name(value: Any) -> None:
    for name in TrainSettings.model_fields:
        if name in ("options", "clip", "model"):
            continue
        try:
            made = TrainSettings(**{name: value})
        except BenchError as error:
            text = one_line(error)
            assert name.replace("_", "-") in text or name in text, (name, value, text)
        else:
            recipe = made.recipe
            assert all(
                math.isfinite(getattr(recipe, n))
                for n in ("lr", "epochs", "weight_decay", "gamma", "warmup", "momentum")
            )


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:9])
@pytest.mark.parametrize("method", [*METHODS])
def test_settings_of_methods_are_taken_or_refused_by_name(method: str, value: Any) -> None:
    for name in (setting.name for setting in settings_of(method)):
        try:
            made = make_method(method, "finetune", {name: value})
        except BenchError as error:
            assert name in one_line(error)
        else:
            json.dumps(made.settings.stored(), allow_nan=False)


TOML = {
    "inf": "inf", "nan": "nan", "-1": "-1", "0": "0", "text": '"x"', "true": "true", "list": "[1, 2]",
    "table": "{a = 1}",
    "time": "1979-05-27T07:32:00Z", "huge": "1" + "0" * 400, "nul": '"a\\u0000b"', "nested": "[" * 2000 + "]" * 2000,
}  # fmt: skip


@pytest.mark.parametrize("value", TOML)
def test_a_file_of_settings_names_itself_and_the_setting(tmp_path: Path, value: str) -> None:
    path = tmp_path / "run.toml"
    for name in ("epochs", "batch", "lr", "clip", "options", "milestones", "workers", "out", "weights", "seed", "tau"):
        path.write_text(f"{name} = {TOML[value]}\n")
        try:
            make_settings(path, {"method": "albar"})
        except BenchError as error:
            assert "run.toml" in one_line(error)
    for table, name in (("clip", "frames"), ("clip", "mean"), ("options", "adv"), ("options", "still")):
        path.write_text(f"[{table}]\n{name} = {TOML[value]}\n")
        try:
            make_settings(path, {"method": "albar"})
        except BenchError as error:
            assert "run.toml" in one_line(error) and (name in str(error) or value == "nested")
    with pytest.raises(BenchError, match=r"run\.toml"):  # infinite, or no number at all
        path.write_text(f"[clip]\nframes = {TOML['inf' if value in ('0', '-1') else value]}\n")
        make_settings(path, {"method": "albar"})


def test_a_file_of_settings_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xef\xbb\xbfepochs = 3\r\n[clip]\r\nframes = 4\r\n")
    settings = make_settings(path, {})
    assert (settings.epochs, settings.clip) == (3, {"frames": 4})
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BenchError, match=r"run\.toml"):
        make_settings(path, {})
    with pytest.raises(BenchError, match="cannot be read"):
        make_settings(tmp_path, {})


@pytest.mark.parametrize(
    "words",
    [
        ["--clip", "frames=inf"],
        ["--clip", "frames=nan"],
        ["--clip", "frames=-3"],
        ["--clip", "frames=99999999"],
        ["--clip", "size=1e300"],
        ["--clip", "mean=[inf, 0, 0]"],
        ["--clip", "std=0.5"],
        ["--clip", "frames"],
        ["--clip", "=3"],
        ["--clip", "area=[[1], 2]"],
        ["--set", "adv=inf"],
        ["--set", "adv=" + "1" * 400],
        ["--set", "adv=" + "[" * 3000],
        ["--set", "adv.x=1"],
        ["--set", "still=99999999999"],
        ["--set", "penalty=3"],
        ["--static-frames", "inf"],
        ["--lr", "inf"],
        ["--lr", "nan"],
        ["--lr", "-1"],
        ["--backbone-lr", "nan"],
        ["--weight-decay", "-inf"],
        ["--warmup", "2"],
        ["--epochs", "0"],
        ["--batch", "-1"],
        ["--batch", "999999999999"],
        ["--accumulate", "0"],
        ["--limit", "0"],
        ["--validation", "nan"],
        ["--tau", "1"],
        ["--workers", "99999999"],
        ["--save-steps", "-1"],
        ["--clip-gradient", "nan"],
        ["--device", "cuda:99"],
        ["--precision", "float3"],
        ["--model", ""],
        ["--sampling", "x"],
        ["--split", "nosuch"],
    ],
    ids=lambda words: "=".join(words)[:40],
)
def test_the_command_line_names_the_option(tmp_path: Path, words: list[str]) -> None:
    """Settings are looked at before the data: there is none here."""
    done = CliRunner().invoke(app, ["train", "albar", "--dataset", "ucf101", "--root", str(tmp_path), *words])
    assert done.exit_code != 0 and (done.exception is None or isinstance(done.exception, BenchError)), done.exception
    if words[0] in ("--device", "--split", "--batch"):  # judged against the machine or the data
        return
    text = one_line(done.exception)  # type: ignore[arg-type]
    name = words[1].partition("=")[0] if words[0] in ("--clip", "--set") else words[0].strip("-")
    assert name.partition(".")[0] in text.replace("_", "-") or words[0] in text


def test_pairs_are_read_as_toml_reads_them() -> None:
    assert pairs("--clip", ["a=1", "b=0.5", "c=x", "d=[1, 2]", "e=true", "f=", "g=a=b"]) == {
        "a": 1, "b": 0.5, "c": "x", "d": [1, 2], "e": True, "f": "", "g": "a=b"}  # fmt: skip
