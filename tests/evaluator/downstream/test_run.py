from types import SimpleNamespace

import pytest
from localizers import localization_folder

pytest.importorskip("torch")

from benchmark_builder.utils.errors import BenchError
from evaluator.downstream.results import write_results
from evaluator.downstream.run import CompareDownstream, measure
from evaluator.downstream.table import downstream_table


@pytest.fixture
def steps(monkeypatch):
    """Extraction writes a made folder, heads write made figures; those whose names are in ``broken`` fail."""
    seen = SimpleNamespace(calls=[], broken=set())

    def extract(model, dataset, root, split, out, options, say):
        seen.calls.append(("features", out.name, root, options.value("window"), options.value("stride")))
        if out.name in seen.broken:
            raise BenchError(f"{model}: damaged")
        if not out.is_dir():
            localization_folder(out)

    def localize(features, options, say):
        seen.calls.append(("localize", options.out.name, options.seeds, options.first_seed))
        if options.out.name in seen.broken:
            raise BenchError("no memory")
        write_results(options.out, {"task": "localization", "head": options.head, "seeds": [
            {"seed": 0, "figures": {"map": 0.5}}], "features": {"name": features.name, "dataset": "made"}})  # fmt: skip

    monkeypatch.setattr("evaluator.features.extract.extract_features", extract)
    monkeypatch.setattr("evaluator.downstream.localize.localize.localize_actions", localize)
    return seen


def run(out, *models, **options):
    chosen = CompareDownstream(downstream=models, **{"on": ("thumos14:/data", "synthlong"), **options})
    return measure(models, chosen, (2, 5), "cpu", out, lambda line: None)


def test_every_model_on_every_dataset(tmp_path, steps):
    done = run(tmp_path, "runs/a/model.ckpt", "runs/b/model.ckpt")
    assert not done.failures
    assert [p.relative_to(tmp_path).as_posix() for p in done.results] == [
        f"localize/{model}-{dataset}-actionformer" for model in "ab" for dataset in ("thumos14", "synthlong")
    ]
    assert next(c[1:] for c in steps.calls if c[0] == "localize") == ("a-thumos14-actionformer", 2, 5)
    windows = {call[1]: call[3:] for call in steps.calls if call[0] == "features"}
    assert windows["a-thumos14"] == windows["a-synthlong"] == (16, 4)
    assert len(downstream_table(done.results).rows) == 4 + 2


def test_a_step_that_fails_costs_its_figures(tmp_path, steps):
    steps.broken = {"a-thumos14", "b-synthlong-actionformer"}
    done = run(tmp_path, "runs/a/model.ckpt", "runs/b/model.ckpt")
    assert [p.name for p in done.results] == ["a-synthlong-actionformer", "b-thumos14-actionformer"]
    assert done.failures == [
        "features of a on thumos14: runs/a/model.ckpt: damaged", "actions, actionformer on b-synthlong: no memory",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on": ("kinetics",)}, "no such dataset of untrimmed videos"),
        ({"features": ("stride",)}, "--features stride: give NAME=VALUE"),
        ({"features": ("size=3",)}, "size"),
        ({"features": ("stride=x",)}, "--features: --stride x: give a whole number"),
        ({"anomaly_head": "tridet"}, "no such anomaly head"),
    ],
)
def test_wrong_settings(tmp_path, steps, options, said):
    with pytest.raises(BenchError, match=said):
        run(tmp_path, "a.ckpt", **options)
    assert not steps.calls


def test_features_as_said(tmp_path, steps):
    run(tmp_path, "a.ckpt", on=("ucf-crime",), features=("stride=8",))
    assert steps.calls[0][3:] == (16, 8)
