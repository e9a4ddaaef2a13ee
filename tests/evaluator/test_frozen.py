"""Evaluation by a frozen protocol: what it decides, and what it refuses."""

from types import SimpleNamespace
from typing import Any

import pytest

from benchmark_builder.utils.errors import BenchError
from evaluator.frozen import by_protocol, headline, require_protocol
from evaluator.options import EvalOptions, ModelOptions

NAME = "albar-bench-2026.1"


def test_it_decides_how_a_model_is_evaluated() -> None:
    options = by_protocol(EvalOptions(protocol=NAME))
    assert (options.model.views, options.model.crops, options.iid) == (1, 1, True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": 1}, "--seed 1"),
        ({"limit": 3}, "--limit 3"),
        ({"iid": False}, "--iid False"),
        ({"cluster": "video"}, "--cluster video"),
        ({"split": "train"}, "--split train"),
        ({"model": ModelOptions(views=4)}, "--views 4"),
        ({"protocol": "default"}, "no frozen protocol"),
    ],
)
def test_other_options_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchError, match=said):
        by_protocol(EvalOptions(**{"protocol": NAME, **given}))


def test_a_kind_that_is_missing() -> None:
    s: Any = SimpleNamespace(kind="iid", benchmark=None)
    with pytest.raises(BenchError, match="scuba, scufo, shaken, conflfg is missing"):
        require_protocol(NAME, [s])


def test_the_headline_is_in_its_order() -> None:
    figures = {"iid": SimpleNamespace(percent=80.0), "contra_acc": SimpleNamespace(percent=12.34)}
    record: Any = SimpleNamespace(figures=figures)
    said = headline(NAME, record)
    assert said.startswith(f"{NAME}: IID ↑ 80.0, ") and "Contra. Acc. ↑ 12.3" in said and "not measured" in said
