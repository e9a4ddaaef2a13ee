"""results.json of `bench downstream`."""

import json

import pytest

from benchmark_builder.utils.errors import BenchError
from evaluator.downstream import need
from evaluator.downstream.results import read_results, summary, write_results


def values(**changed):
    seeds = [{"seed": 0, "figures": {"auc": 0.8, "ap": 0.3}}, {"seed": 1, "figures": {"auc": 0.9, "ap": 0.5}}]
    return {"task": "anomaly", "head": "mil", "seeds": seeds, "features": {"model": "swin"}, **changed}


def test_what_is_written_is_read(tmp_path):
    written = write_results(tmp_path / "out", values(per_class={"Abuse": 0.5}))
    read = read_results(tmp_path / "out")
    assert read == written == read_results(tmp_path / "out" / "results.json")
    assert read.mean == {"auc": pytest.approx(0.85), "ap": pytest.approx(0.4)}
    assert read.sd == {"auc": pytest.approx(0.1 / 2**0.5), "ap": pytest.approx(0.2 / 2**0.5)}  # |a - b| / √2
    assert read.plain()["per_class"] == {"Abuse": 0.5}
    assert "albar-bench" in read.versions


def test_one_seed_has_no_deviation():
    assert summary([{"map": 0.5, "map@0.3": 0.75}]) == ({"map": 0.5, "map@0.3": 0.75}, {"map": None, "map@0.3": None})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": "sports"}, "task is 'sports', not one of anomaly, localization"),
        ({"mean": {"auc": 85.0, "ap": 0.4}, "sd": {"auc": None, "ap": None}}, "mean.auc is 85.0, not a number from 0"),
        ({"mean": {"auc": 0.85}, "sd": {"auc": None}}, "seeds[0].figures has other figures than mean"),
        ({"seeds": [{"seed": 0, "figures": {"auc": 0.5}}] * 2}, "a seed twice"),
        ({"interval": {"map": {"low": 0.1, "high": 0.2}}}, "figures that mean lacks (map)"),
        ({"seeds": []}, "seeds is [], not a list that is not empty"),
        (
            {"mean": {"auc": 0.95, "ap": 0.4}, "sd": {"auc": 0.1, "ap": 0.1}},
            "mean.auc is 0.95, but its seeds give 0.85",
        ),
        (
            {"mean": {"auc": 0.85, "ap": 0.4}, "sd": {"auc": 0.070711, "ap": None}},
            "sd.ap is null, but its seeds give 0.141421",
        ),
        ({"interval": {"ap": {"low": 0.5, "high": 0.2}}}, "interval.ap ends (0.2) before it starts (0.5)"),
    ],
)
def test_wrong_records_are_refused(tmp_path, change, said):
    with pytest.raises(BenchError) as refused:
        write_results(tmp_path, values(**change))
    assert said in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_record(tmp_path):
    with pytest.raises(BenchError, match="no record of a downstream task here"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text(json.dumps([1]))
    with pytest.raises(BenchError, match="not a record of a downstream task"):
        read_results(tmp_path)


def test_a_missing_extra_is_named():
    with pytest.raises(BenchError, match=r"no_such_module is not installed; install it with .*\[downstream\]"):
        need("no_such_module.inside")
