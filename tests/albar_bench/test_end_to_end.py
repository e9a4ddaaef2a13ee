"""The three commands as their users type them, on a tiny synthactions: from nothing to a leaderboard row."""

import csv
import json
from pathlib import Path

import pytest
from commands import bench, error_of


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(autouse=True)
def _in_the_house(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", str(house / "data"))
    monkeypatch.chdir(house)


def said(*words: object) -> str:
    done = bench(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_nothing_to_a_leaderboard_row(house: Path) -> None:
    said("data", "render", "--size", 24, "--frames", 8, "--train", 32, "--test", 16)
    for kind in ("scufo", "conflfg"):  # each builds the SCUBA it needs first
        said("build", kind, "--per-video", 1)
    for method in ("baseline", "albar"):
        still = ["--static-frames", 1] if method == "albar" else []
        said("train", method, "--epochs", 1, "--batch", 8, "--clip", "size=24", "--clip", "frames=4", *still)
        checkpoint = house / "runs" / f"synthactions-{method}-s0" / "model.ckpt"
        shown = said("eval", checkpoint)
        assert "IID" in shown and method in shown
    assert json.loads((checkpoint.parent / "settings.json").read_text())["method_settings"]["static_frames"] == 1
    with open(house / "results" / "leaderboard.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [r["method"] for r in rows] == ["baseline", "albar"]
    for row in rows:
        for figure in ("iid", "avg_scuba", "avg_scufo", "conflfg", "contra_acc"):
            assert 0 <= float(row[figure]) <= 100 and int(row[f"n_{figure}"]) == 16
    assert (house / "results" / "leaderboard.png").stat().st_size > 1000


def test_predictions_are_a_csv_of_id_label_pred_and_scores(house: Path) -> None:
    files = sorted((house / "results" / "predictions").glob("*.csv"))
    assert len(files) == 2 * 4  # two checkpoints; IID, SCUBA, SCUFO, ConflFG
    for path in files:
        with open(path, newline="") as handle:
            reader = csv.DictReader(handle)
            rows = list(reader)
        assert reader.fieldnames is not None and reader.fieldnames[:3] == ["id", "label", "pred"]
        assert len(reader.fieldnames) == 3 + 8 and len(rows) == 16
        for row in rows:
            scores = [float(row[c]) for c in reader.fieldnames[3:]]
            assert abs(sum(scores) - 1) < 1e-5 and int(row["pred"]) == max(range(8), key=scores.__getitem__)


def test_the_row_is_what_the_predictions_say(house: Path) -> None:
    folder = house / "results"
    with open(folder / "leaderboard.csv", newline="") as handle:
        row = list(csv.DictReader(handle))[1]

    def right(kind: str) -> dict[str, bool]:
        path = next((folder / "predictions").glob(f"*-{kind}*albar*.csv"))
        with open(path, newline="") as handle:
            return {r["id"]: r["label"] == r["pred"] for r in csv.DictReader(handle)}

    scuba, scufo = right("scuba-stripes"), right("scufo-stripes")
    assert float(row["avg_scuba"]) == pytest.approx(100 * sum(scuba.values()) / 16)
    assert float(row["contra_acc"]) == pytest.approx(100 * sum(scuba[k] and not scufo[k] for k in scuba) / 16)


def test_report_and_comparison_of_both(house: Path) -> None:
    page = house / "report.html"
    said("report", "results", "--out", page, "--gallery", 1, "--published", "hmdb51")
    text = page.read_text(encoding="utf-8")
    assert "albar" in text and "http://" not in text.replace("http://www.w3.org", "")
    records = sorted((house / "results" / "results").glob("*.json"))
    assert "McNemar" in said("versus", *records)
    assert "published" in said("leaderboard", "results", "--published", "hmdb51").lower()


def test_a_benchmark_that_is_not_there_is_named(house: Path, tmp_path: Path) -> None:
    checkpoint = house / "runs" / "synthactions-albar-s0" / "model.ckpt"
    said_ = error_of("eval", checkpoint, "--benchmarks", tmp_path / "nothing", "--out", tmp_path / "out")
    assert "nothing" in said_ and not (tmp_path / "out" / "leaderboard.csv").exists()
