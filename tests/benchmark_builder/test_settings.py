"""Settings are checked in one place, and every error names the option or the file, the value, and what to give."""

import pickle
from pathlib import Path
from typing import Any, Literal

import pytest

from benchmark_builder.protocols import resolve
from benchmark_builder.settings import BackgroundSettings, MaskSettings, NetworkSettings, Settings, ShakeSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import PathSetting, SettingsModel, setting, share


class Example(SettingsModel):
    count: int = setting(1, "How many.", of="frames", ge=1, le=9)
    ratio: float = share(0.5, "How much.")
    way: Literal["up", "down"] = setting("up", "Which way.")
    limit: int | None = setting(None, "At most.", ge=1)
    place: PathSetting | None = setting(None, "Where.")
    kind: str = setting("a", "What.", flag="--sort")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"count": 0}, "--count 0: give a whole number of frames from 1 to 9"),
        ({"count": 10**30}, f"--count {10**30}: give a whole number of frames from 1 to 9"),
        ({"count": True}, "--count True: give a whole number of frames from 1 to 9"),
        ({"count": 1.0}, "--count 1.0: give a whole number of frames from 1 to 9"),
        ({"count": "1"}, "--count 1: give a whole number of frames from 1 to 9"),
        ({"count": None}, "--count None: give a whole number of frames from 1 to 9"),
        ({"ratio": float("nan")}, "--ratio nan: give a share from 0 to 1"),
        ({"ratio": float("inf")}, "--ratio inf: give a share from 0 to 1"),
        ({"ratio": False}, "--ratio False: give a share from 0 to 1"),
        ({"ratio": 10**400}, "give a share from 0 to 1"),
        ({"way": "left"}, "--way left: choose from up, down"),
        ({"way": ["up"]}, "--way ['up']: choose from up, down"),
        ({"limit": 0}, "--limit 0: give a whole number, at least 1"),
        ({"place": 7}, "--place 7: give a path"),
        ({"place": ""}, "--place '': give a path"),
        ({"kind": 7}, "--sort 7: give a word"),
        ({"cuont": 2}, "--cuont 2: no such setting; did you mean 'count'?"),
        ({"nothing": 2}, "--nothing 2: no such setting; choose from count, ratio"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchError) as error:
        Example(**values)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_settings_are_frozen_hashable_and_can_be_sent_to_workers() -> None:
    made = Example(ratio=1, place="a/b")  # type: ignore[arg-type]
    assert made.ratio == 1.0 and type(made.ratio) is float and made.place == Path("a/b")
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301
    assert hash(made) == hash(Example(ratio=1.0, place=Path("a/b")))
    with pytest.raises(ValueError):
        made.count = 3  # type: ignore[misc]


def test_an_error_in_a_file_names_the_file() -> None:
    with pytest.raises(BenchError, match=r"^mine\.toml: count is 0; give a whole number of frames from 1 to 9$"):
        Example.from_file({"count": 0}, "mine.toml")


@pytest.mark.parametrize("name", sorted(Settings.setting_names()))
@pytest.mark.parametrize("wrong", [None, [], {}, True, object()])
def test_no_setting_of_a_build_takes_what_is_no_value(name: str, wrong: Any) -> None:
    with pytest.raises(BenchError, match=f"--{name.replace('_', '-')} "):
        Settings(**{name: wrong})


def test_every_setting_has_help_and_a_default_that_is_right() -> None:
    for model in (Settings, NetworkSettings):
        values = {name: field.default for name, field in model.model_fields.items()}
        assert model(**values) == model()
        assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: resolve("default", "ucf101", {"per_video": 0}), "--per-video 0: give a whole number of backgrounds"),
        (lambda: resolve("stillmix", "ucf101", {"smooth": 1.5}), "--smooth 1.5: give a whole number of frames"),
        (lambda: resolve("default", "ucf101", {"perVideo": 3}), "--perVideo 3: no such setting; did you mean"),
        (lambda: ShakeSettings(shake=0.0), "--shake 0.0: give a share above 0 to 0.5"),
        (lambda: BackgroundSettings(fit="fill"), "--fit fill: choose from cover, stretch"),  # type: ignore[arg-type]
        (lambda: MaskSettings(min_area=0.5), "--min-area 0.5: has no effect"),
    ],
)
def test_build_settings(make: Any, said: str) -> None:
    with pytest.raises(BenchError) as error:
        make()
    assert said in str(error.value)
