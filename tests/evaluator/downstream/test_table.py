import csv

import pytest
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from evaluator.downstream.results import write_results
from evaluator.downstream.run import named, split_results
from evaluator.downstream.table import captions, downstream_table, heading, shown
from evaluator.reports.leaderboard import COLUMNS


def result(path, task, method, digest, values, head, dataset):
    figure = {"anomaly": "auc", "localization": "map"}[task]
    seeds = [{"seed": k, "figures": {figure: v}} for k, v in enumerate(values)]
    features = {"model": {"method": method, "digest": digest}, "dataset": dataset} if digest else {"name": method}
    if not digest:
        features["dataset"] = dataset
    write_results(path, {"task": task, "head": head, "seeds": seeds, "features": features,
                         "interval": {figure: {"low": 0.1, "high": 0.9}}})  # fmt: skip
    return path


def board(path, *rows):
    write_csv(path, COLUMNS, [dict.fromkeys(COLUMNS, "") | {"model": "swin3d_t", **row} for row in rows])
    return path


A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def lines(path):
    return {row["method"] + row["published"]: row for row in csv.DictReader(path.read_text().splitlines())}


def test_the_table_of_the_paper(tmp_path):
    result(tmp_path / "r/1", "anomaly", "baseline", A, [0.80, 0.84], "mgfn", "ucf-crime")
    result(tmp_path / "r/2", "localization", "baseline", A, [0.5, 0.52, 0.54], "actionformer", "thumos14")
    result(tmp_path / "r/3", "anomaly", "albar", B, [0.9], "mgfn", "ucf-crime")
    result(tmp_path / "r/4", "anomaly", "albar", C, [0.8], "mgfn", "ucf-crime")
    file = board(
        tmp_path / "leaderboard.csv",
        {"dataset": "hmdb51", "method": "baseline", "contra_acc": "30", "contra_acc_low": "28", "contra_acc_high": "32",
         "checkpoint_sha256": A[:12]},
        {"dataset": "hmdb51", "method": "albar", "contra_acc": "50", "checkpoint_sha256": B[:12]},
        {"dataset": "hmdb51", "method": "albar", "contra_acc": "52", "checkpoint_sha256": C[:12]},
        {"dataset": "hmdb51", "method": "albar", "contra_acc": "1", "checkpoint_sha256": "other"},
    )  # fmt: skip
    table = downstream_table([tmp_path / "r"], [file], tmp_path / "out")
    assert table.columns == ["hmdb51_contra_acc", "ucf_crime_auc", "thumos14_map"]
    assert [heading(c) for c in table.columns] == ["HMDB51 contrasted acc.", "UCF-Crime AUC", "THUMOS14 mAP"]
    baseline, albar, *published = table.rows
    assert [shown(baseline.cells[c]) for c in table.columns] == ["30.00", "82.00 ± 2.83", "52.00 ± 2.00"]
    assert baseline.heads == "mgfn; actionformer"
    assert [shown(albar.cells.get(c)) for c in table.columns] == ["51.00 ± 1.41", "85.00 ± 7.07", "–"]
    assert [(r.method, r.heads, shown(r.cells["ucf_crime_auc"])) for r in published] == [
        ("Baseline", "MGFN; TriDet", "82.39"), ("ALBAR", "MGFN; TriDet", "84.91"),
    ]  # fmt: skip
    assert not table.notes
    found = lines(tmp_path / "out/downstream.csv")
    assert found["albar"]["ucf_crime_auc_models"] == "2"
    assert found["baseline"]["ucf_crime_auc_seeds"] == "2"
    assert found["baseline"]["thumos14_map_head"] == "actionformer"
    assert float(found["baseline"]["thumos14_map_sd"]) == pytest.approx(2.0, abs=1e-5)
    assert float(found["baseline"]["ucf_crime_auc_high"]) == pytest.approx(90)
    assert found["ALBARyes"]["thumos14_map"] == "55.2"
    page = (tmp_path / "out/downstream.md").read_text()
    assert "| baseline | mgfn; actionformer | 30.00 | 82.00 ± 2.83 | 52.00 ± 2.00 |" in page
    assert "| ALBAR † | MGFN; TriDet | 53.02 | 84.91 | 55.20 |" in page
    assert any("Table 5" in line for line in captions(table))


def test_several_heads_are_several_rows_and_other_datasets_other_columns(tmp_path):
    for k, head in enumerate(("mil", "rtfm")):
        result(tmp_path / f"r/{k}", "anomaly", "baseline", A, [0.5 + k / 10], head, "synthlong")
    result(tmp_path / "r/9", "localization", "baseline", A, [0.4], "actionformer", "synthlong")
    table = downstream_table([tmp_path / "r"])
    own = [r for r in table.rows if not r.published]
    assert [(r.heads, shown(r.cells["synthlong_auc"])) for r in own] == [
        ("mil; actionformer", "50.00"),
        ("rtfm", "60.00"),
    ]
    assert {"synthlong_auc", "synthlong_map", "ucf_crime_auc"} <= set(table.columns)


def test_predictions_of_others_are_found_by_name(tmp_path):
    result(tmp_path / "p", "localization", "ALBAR", "", [0.55], "TriDet", "thumos14")
    file = board(tmp_path / "l.csv", {"dataset": "hmdb51", "method": "albar", "contra_acc": "50",
                                      "checkpoint_sha256": "x"})  # fmt: skip
    row = downstream_table([tmp_path / "p/results.json"], [file]).rows[0]
    assert (row.method, row.heads, shown(row.cells["hmdb51_contra_acc"])) == ("ALBAR", "TriDet", "50.00")


def test_damaged_and_repeated_results_cost_themselves(tmp_path):
    result(tmp_path / "r/1", "anomaly", "baseline", A, [0.8], "mgfn", "ucf-crime")
    result(tmp_path / "r/2", "anomaly", "baseline", A, [0.9], "mgfn", "ucf-crime")
    for name, text in [("3", "{"), ("4", '{"task": "anomaly"}'), ("5", '{"other": 1}')]:
        (tmp_path / "r" / name).mkdir()
        (tmp_path / "r" / name / "results.json").write_text(text)
    table = downstream_table([tmp_path / "r"])
    assert shown(table.rows[0].cells["ucf_crime_auc"]) == "80.00"
    assert len(table.notes) == 3
    assert sum("same model" in note for note in table.notes) == 1


def test_other_networks_are_other_rows_and_other_settings_are_said(tmp_path):
    for k, (network, stride) in enumerate([("small3d", 4), ("swin3d_t", 8)]):
        features = {
            "model": {"method": "albar", "model": network, "digest": str(k)},
            "dataset": "made",
            "stride": stride,
        }
        seeds = [{"seed": 0, "figures": {"auc": 0.5}}]
        write_results(tmp_path / f"r/{k}", {"task": "anomaly", "head": "mil", "seeds": seeds, "features": features,
                                            "settings": {"steps": 10 * k, "device": f"cuda:{k}"}})  # fmt: skip
    table = downstream_table([tmp_path / "r"])
    assert [r.method for r in table.rows if not r.published] == ["albar (small3d)", "albar (swin3d_t)"]
    assert table.notes == ["anomaly on made with mil: the results differ in more than their models: stride, steps"]


def test_leaderboard_of_other_models_is_said(tmp_path):
    result(tmp_path / "r", "anomaly", "baseline", A, [0.8], "mgfn", "ucf-crime")
    file = board(tmp_path / "l.csv", {"dataset": "hmdb51", "method": "baseline", "contra_acc": "5",
                                      "checkpoint_sha256": "x"})  # fmt: skip
    table = downstream_table([tmp_path / "r"], [file])
    assert "no row with contrasted accuracy is of one of these models" in table.notes[0]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_no_results(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match=r"no such file or folder|no results"):
        downstream_table([tmp_path / name])


def test_names_are_no_markup(tmp_path):
    result(tmp_path / "r", "anomaly", "[red]|<b>", A, [0.8], "=cmd()", "ucf-crime")
    table = downstream_table([tmp_path / "r"], out=tmp_path / "o")
    assert "| [red]\\|&lt;b> | =cmd() |" in (tmp_path / "o/downstream.md").read_text()
    assert "'=cmd()" in (tmp_path / "o/downstream.csv").read_text()
    assert table.rows[0].method == "[red]|<b>"


def test_results_and_models(tmp_path):
    result(tmp_path / "r/deep", "anomaly", "baseline", A, [0.8], "mgfn", "ucf-crime")
    (tmp_path / "runs/a").mkdir(parents=True)
    (tmp_path / "runs/a/model.ckpt").write_bytes(b"")
    results, models = split_results([str(tmp_path / "r"), str(tmp_path / "runs"), "hf:some/model"])
    assert results == [tmp_path / "r"]
    assert models == [str(tmp_path / "runs/a/model.ckpt"), "hf:some/model"]
    assert named(models) == {"a": models[0], "hf.some-model": "hf:some/model"}
    with pytest.raises(BenchError, match="both called a"):
        named([models[0], models[0]])


def test_results_without_the_figure_of_the_table_are_left_out(tmp_path):
    result(tmp_path / "r/1", "anomaly", "baseline", A, [0.8], "mil", "ucf-crime")
    for name, task, figure in (("2", "anomaly", "ap"), ("3", "localization", "map@0.5")):
        write_results(tmp_path / "r" / name, {"task": task, "head": name, "features": {"dataset": "ucf-crime"},
                                              "seeds": [{"seed": 0, "figures": {figure: 0.5}}]})  # fmt: skip
    table = downstream_table([tmp_path / "r"])
    assert [r.heads for r in table.rows if not r.published] == ["mil"]
    assert [note.split(": ")[2] for note in table.notes] == [
        "has no figure auc (ap), which the table shows; run `bench downstream` again",
        "has no figure map (map@0.5), which the table shows; run `bench downstream` again",
    ]
    with pytest.raises(BenchError, match="has no figure auc"):
        downstream_table([tmp_path / "r/2/results.json"])


def test_of_several_leaderboard_rows_of_a_model_the_first_is_shown_and_others_are_named(tmp_path):
    result(tmp_path / "r", "anomaly", "baseline", A, [0.8], "mil", "ucf-crime")
    row = {"dataset": "hmdb51", "method": "baseline", "checkpoint_sha256": A[:12]}
    file = board(
        tmp_path / "l.csv",
        row | {"contra_acc": "30", "protocol": "8x2", "manifests": "scuba:1"},
        row | {"contra_acc": "45", "protocol": "16x4", "manifests": "scuba:2"},
        row | {"contra_acc": "30", "protocol": "8x2", "manifests": "scuba:3"},
    )
    table = downstream_table([tmp_path / "r"], [file])
    assert shown(table.rows[0].cells["hmdb51_contra_acc"]) == "30.00"
    (note,) = table.notes
    assert "baseline on hmdb51 has 30 and 45" in note
    assert "16x4, scuba:2" in note


def test_names_stay_on_one_line(tmp_path):
    result(tmp_path / "r", "anomaly", "a\nb", A, [0.8], "mil", "own\n| data")
    table = downstream_table([tmp_path / "r"], out=tmp_path / "o")
    assert "own | data_auc" in table.columns
    page = (tmp_path / "o/downstream.md").read_text()
    assert "| a b | mil |" in page
    assert "own \\| data AUC" in page


@pytest.mark.parametrize(
    "words", ["--on synthlong", "--features stride=8", "--anomaly-head mgfn", "--localize-head x:Y"]
)
def test_options_of_models_are_refused_for_results(tmp_path, words):
    result(tmp_path / "r", "anomaly", "baseline", A, [0.8], "mil", "ucf-crime")
    done = CliRunner().invoke(app, ["compare", "--downstream", str(tmp_path / "r"), *words.split()])
    assert isinstance(done.exception, BenchError)
    assert str(done.exception).startswith(f"{words.split()[0]}: is for models")
