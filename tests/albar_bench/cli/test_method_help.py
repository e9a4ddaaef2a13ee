"""`bench train --help` and `bench train METHOD --help` show the values that a run would have."""

from typing import Any

import pytest
from typer.testing import CliRunner

from albar.training.recipe import PROBE_RECIPE, RECIPES
from albar.training.settings import TrainSettings
from albar_bench.cli.app import app


def said(*words: str) -> str:
    done = CliRunner(env={"COLUMNS": "220"}).invoke(app, ["train", *words, "--help"])
    assert done.exit_code == 0
    return " ".join(done.output.replace("│", " ").split())


def shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_help_shows_the_presets_values() -> None:
    text = said()
    for name in ("lr", "batch", "epochs"):
        values = ", ".join(f"{preset} {shown(getattr(recipe, name))}" for preset, recipe in RECIPES.items())
        assert f"default: {values}]" in text, name
    assert "How the rate falls after that. [default: cosine]" in text  # one value that all presets have


@pytest.mark.parametrize("method", ["baseline", "probe"])
def test_the_table_of_a_method_has_what_a_run_would_take(method: str) -> None:
    text = said(method)
    for name in ("lr", "batch", "epochs", "weight_decay", "warmup", "clip_gradient"):
        runs = [getattr(TrainSettings(method=method, preset=preset).recipe, name) for preset in RECIPES]  # type: ignore[arg-type]
        assert f"--{name.replace('_', '-')} {' '.join(map(shown, runs))} " in text, name
    assert (PROBE_RECIPE.batch != RECIPES["scratch"].batch) and f"Defaults of {method}" in text
