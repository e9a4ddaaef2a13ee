"""Predictions of other frameworks: mmaction2's dumps, their order, and pickles that would run code."""

import dataclasses
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from small_scores import CLASSES, SCORES, STILLS, VIDEOS, benchmark, dump, label, refused

from benchmark_builder.benchmark.manifest import write_benchmark
from benchmark_builder.utils import safe_pickle
from evaluator.predictions.files import write_predictions
from evaluator.predictions.mmaction import read_any_predictions
from evaluator.reports.leaderboard import read_leaderboard
from evaluator.reports.report import report
from evaluator.reports.screen import show
from evaluator.runs import clustered, load_run, recompute
from evaluator.score import score
from evaluator.testsets import TestSet, benchmark_set


@pytest.fixture
def scuba(tmp_path: Path) -> TestSet:
    return benchmark(tmp_path / "scuba", "scuba")


def in_order(table: dict[str, list[float]], order: list[str] | None = None) -> list[np.ndarray]:
    return [np.array(table[i], np.float32) for i in order or sorted(table)]


def plain(arrays: list[np.ndarray]) -> list[list[float]]:
    return [a.tolist() for a in arrays]


def labelled(video_id: str) -> dict[str, Any]:
    """A sample as mmaction2 1.2 dumps it."""
    label = torch.tensor([dict(VIDEOS)[video_id]])
    return {"pred_score": torch.tensor(SCORES[video_id]), "gt_label": label, "img_shape": (224, 224), "num_clips": 1}


def slowfast(p: Path) -> Path:
    """What PySlowFast pickles: all scores and all labels."""
    scores = torch.tensor([SCORES[i] for i in sorted(SCORES)])
    return dump(p / "r.pkl", [scores, torch.tensor([dict(VIDEOS)[i] for i in sorted(SCORES)])])


def npy(p: Path) -> Path:
    np.save(p / "r.npy", np.array(in_order(SCORES)))
    return p / "r.npy"


# Files without ids, in the order of the ids.
WITHOUT_IDS: dict[str, Callable[[Path], Path]] = {
    "mmaction 0.x pickle": lambda p: dump(p / "r.pkl", in_order(SCORES)),
    "mmaction 0.x JSON": lambda p: dump(p / "r.json", plain(in_order(SCORES))),
    "one array": lambda p: dump(p / "r.pkl", np.array(in_order(SCORES))),
    "npy": npy,
    "mmaction2 1.0 pickle": lambda p: dump(
        p / "r.pkl", [{"pred_scores": {"item": torch.tensor(a)}, "num_clips": 1} for a in in_order(SCORES)]
    ),
    "mmaction2 1.2 pickle, with labels": lambda p: dump(p / "r.pickle", [labelled(i) for i in sorted(SCORES)]),
    "PySlowFast": slowfast,
    "csv": lambda p: table(p / "r.csv", ["label", "pred", *CLASSES], lambda i: [label(i), top(i), *SCORES[i]]),
}


def top(video_id: str) -> int:
    return int(np.argmax(SCORES[video_id]))


def table(path: Path, header: list[str], row: Callable[[str], list[Any]], sep: str = ",") -> Path:
    lines = [sep.join(header), *(sep.join(map(str, row(i))) for i in sorted(SCORES))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("kind", WITHOUT_IDS)
def test_scores_without_ids_are_never_paired_by_position(tmp_path: Path, scuba: TestSet, kind: str) -> None:
    path = WITHOUT_IDS[kind](tmp_path)
    message = refused(lambda: read_any_predictions(path, scuba))
    assert path.name in message and "without video ids" in message and "--lists" in message
    assert "--lists" in refused(lambda: score([path], [tmp_path / "scuba"]))
    # The list that they were made from gives the order.
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"{i} 30 {label(i)}\n" for i in sorted(SCORES)))
    found = read_any_predictions(path, scuba, listing)
    assert found.ids == sorted(SCORES)
    assert np.allclose(found.scores, [SCORES[i] for i in found.ids], rtol=0, atol=1e-7)  # float32 of numbers below 1
    assert found.right.tolist() == [True, False, True, True]
    # A list of another length, or whose labels are others.
    listing.write_text("".join(f"{i} 30 {label(i)}\n" for i in sorted(SCORES)[:3]))
    assert "--lists" in refused(lambda: read_any_predictions(path, scuba, listing))
    listing.write_text("".join(f"{i} 30 {label(i) + 1}\n" for i in sorted(SCORES)))
    message = refused(lambda: read_any_predictions(path, scuba, listing))
    assert "list.txt, line 1: label 1 of 'jump/a', the test set says 0" in message and "count from 0" in message


def videomae(p: Path) -> Path:
    """Two views of each video: their softmaxed logits have the wanted mean."""
    lines = ["50.0, 100.0"]
    for view in range(2):
        for video_id, scores in SCORES.items():
            shift = np.array([0.01, -0.01, 0]) * (1 if view else -1)
            logits = np.log(np.array(scores) + shift + 1e-9 + (0.02 if min(scores) == 0 else 0)) + 3
            lines.append(f"{video_id.split('/')[1]} {logits.tolist()} {label(video_id)} {view} 0")
    (p / "0.txt").write_text("\n".join(lines) + "\n")
    return p / "0.txt"


WITH_IDS: dict[str, Callable[[Path], Path]] = {
    "JSON by id": lambda p: dump(p / "r.json", dict(reversed(SCORES.items()))),
    "JSON by file name": lambda p: dump(p / "r.json", {f"x\\{i}.mp4": s for i, s in SCORES.items()}),
    "JSON records": lambda p: dump(
        p / "r.json", [{"id": i, "label": label(i), **dict(zip(CLASSES, s, strict=True))} for i, s in SCORES.items()]
    ),
    "mmaction2 with file names": lambda p: dump(
        p / "r.pkl", [{**labelled(i), "filename": f"/data/{i}.avi"} for i, _ in VIDEOS]
    ),
    "VideoMAE": videomae,
    "csv": lambda p: table(p / "r.csv", ["id", "label", "pred", *CLASSES], lambda i: [i, label(i), top(i), *SCORES[i]]),
    "tsv": lambda p: table(
        p / "r.tsv", ["id", "label", "pred", *CLASSES], lambda i: [i, label(i), top(i), *SCORES[i]], "\t"
    ),
}


@pytest.mark.parametrize("kind", WITH_IDS)
def test_every_format_with_ids_reads_alike(tmp_path: Path, scuba: TestSet, kind: str) -> None:
    found = read_any_predictions(WITH_IDS[kind](tmp_path), scuba)
    assert found.ids == sorted(SCORES)
    # VideoMAE's views were shifted to and fro; the rest is float32 of numbers below 1.
    assert np.allclose(found.scores, [SCORES[i] for i in found.ids], rtol=0, atol=0.05 if kind == "VideoMAE" else 1e-7)
    assert found.right.tolist() == [True, False, True, True]


def test_entries_that_name_their_videos_must_follow_the_list(tmp_path: Path, scuba: TestSet) -> None:
    path = dump(tmp_path / "r.pkl", [{**labelled(i), "filename": f"/data/{i}.avi"} for i, _ in VIDEOS])
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"{i} 30 {n}\n" for i, n in VIDEOS))
    assert read_any_predictions(path, scuba, listing).ids == sorted(SCORES)
    listing.write_text("".join(f"{i} 30 {label(i)}\n" for i in sorted(SCORES)))
    assert "entry 0 is 'run fast/b', " in refused(lambda: read_any_predictions(path, scuba, listing))
    half = [{**labelled(i), **({"filename": i} if label(i) else {})} for i, _ in VIDEOS]
    assert "others do not" in refused(lambda: read_any_predictions(dump(tmp_path / "h.pkl", half), scuba))


@pytest.mark.parametrize(
    "form", ["{id} 30 {label}", "{id} {label}", "{id}.mp4 {label}", "/data/x/{id} 30 {label}", "{stem} 30 {label}"]
)
def test_a_list_file_gives_the_order(tmp_path: Path, scuba: TestSet, form: str) -> None:
    order = [i for i, _ in VIDEOS]
    lines = [form.format(id=i, stem=i.split("/")[1], label=label) for i, label in VIDEOS]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    found = read_any_predictions(dump(tmp_path / "r.pkl", in_order(SCORES, order)), scuba, tmp_path / "list.txt")
    assert found.right.tolist() == [True, False, True, True]


def test_the_manifest_may_be_named_as_the_list(tmp_path: Path, scuba: TestSet) -> None:
    manifest = tmp_path / "scuba" / "manifest.csv"
    found = read_any_predictions(dump(tmp_path / "r.pkl", in_order(SCORES)), scuba, manifest)
    assert found.right.tolist() == [True, False, True, True]


def test_labels_in_the_dump_unmask_another_list(tmp_path: Path, scuba: TestSet) -> None:
    path = dump(tmp_path / "r.pkl", [labelled(i) for i, _ in VIDEOS])
    (tmp_path / "list.txt").write_text("".join(f"{i}\n" for i in sorted(SCORES)))  # without labels
    message = refused(lambda: read_any_predictions(path, scuba, tmp_path / "list.txt"))
    assert "r.pkl" in message and "--lists" in message


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


class MaliciousStorage:
    """Hides a pickle that would run code where a tensor's storage is expected."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        buffer = io.BytesIO()
        torch.save(Malicious(self.path), buffer)
        return torch.storage._load_from_bytes, (buffer.getvalue(),)


@pytest.mark.parametrize("kind", [Malicious, MaliciousStorage])
def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path, scuba: TestSet, kind: type) -> None:
    path = dump(tmp_path / "r.pkl", [kind(tmp_path / "pwned")])
    assert str(path) in refused(lambda: read_any_predictions(path, scuba))
    assert not (tmp_path / "pwned").exists()
    with open(path, "rb") as handle:  # the file would have done it
        pickle.load(handle)  # noqa: S301
    assert (tmp_path / "pwned").exists()


def test_what_a_pickle_asks_for_is_named(tmp_path: Path) -> None:
    path = dump(tmp_path / "r.pkl", [Path("a"), 3])
    message = refused(lambda: safe_pickle.load(path, "list", fix="do as you please"))
    assert "asks for pathlib" in message and message.endswith("do as you please")


def test_other_bad_files(tmp_path: Path, scuba: TestSet) -> None:
    def read(path: Path) -> str:
        return refused(lambda: read_any_predictions(path, scuba))

    assert "not 3 scores" in read(dump(tmp_path / "b.json", {i: [0.5, 0.5] for i in SCORES}))
    assert "neither scores nor pred" in read(dump(tmp_path / "c.json", {i: {"top": 1} for i in SCORES}))
    assert "not all finite" in read(dump(tmp_path / "d.pkl", {i: np.array([np.nan, 0, 0]) for i in SCORES}))
    assert "a number of 401 digits" in read(dump(tmp_path / "d.json", {i: [10**400, 0, 0] for i in SCORES}))
    nested: list[Any] = []
    for _ in range(200):
        nested = [nested]
    assert "nested more than 100 deep" in read(dump(tmp_path / "d3.json", nested))
    np.save(tmp_path / "empty.npy", np.zeros((0, 3)))
    np.save(tmp_path / "vast.npy", np.zeros((10**12, 0)))
    for name in ("empty", "vast"):
        assert f"{name}.npy" in read(tmp_path / f"{name}.npy")
    labels = {i: {"pred_score": SCORES[i], "gt_label": [0, 1]} for i in SCORES}
    assert "a label that is no class" in read(dump(tmp_path / "d2.json", labels))
    assert "no row for 'wave/c'" in read(dump(tmp_path / "e.json", {i: SCORES[i] for i in sorted(SCORES)[:3]}))
    assert "id 'x' is not in the test set" in read(dump(tmp_path / "f.json", {**SCORES, "x": [1, 0, 0]}))
    assert "holds a int" in read(dump(tmp_path / "g.json", 7))
    (tmp_path / "h.json").write_text("{")
    assert "not readable JSON" in read(tmp_path / "h.json")
    (tmp_path / "i.pkl").write_bytes(pickle.dumps(in_order(SCORES))[:-9])
    assert "i.pkl" in read(tmp_path / "i.pkl")
    assert "unknown kind" in read(tmp_path / "k.xls")
    assert "no such file; give the file of scores" in read(tmp_path / "l.pkl")
    (tmp_path / "list.txt").write_text("z 3 0\n")
    path = dump(tmp_path / "m.pkl", in_order(SCORES))
    assert "list.txt, line 1: 'z' names no video" in refused(
        lambda: read_any_predictions(path, scuba, tmp_path / "list.txt")
    )


def test_score_gives_the_contrasted_accuracy_and_a_leaderboard_row(tmp_path: Path, scuba: TestSet) -> None:
    scufo = benchmark(tmp_path / "scufo", "scufo")
    stills = [(i, dict(VIDEOS)[i], np.array(s)) for i, s in STILLS.items()]
    write_predictions(tmp_path / "stills.csv", CLASSES, stills)
    files = [dump(tmp_path / "r.pkl", SCORES), tmp_path / "stills.csv"]
    folders = [tmp_path / "scuba", tmp_path / "scufo"]
    record = score(files, folders, tmp_path / "out", method="Mine", model="tsm").plain()
    # SCUBA right on a c d, SCUFO right on a: contrasted c d.
    assert {k: v["percent"] for k, v in record["figures"].items()} == {
        "avg_scuba": 75.0, "avg_scufo": 25.0, "contra_acc": 50.0,
    }  # fmt: skip
    (row,) = read_leaderboard(tmp_path / "out/leaderboard.csv")
    assert (row["method"], row["model"], float(row["contra_acc"]), row["iid"]) == ("Mine", "tsm", 50.0, "")
    # What was written is scored to the same digits, and its row takes the place of the first.
    again = score(
        [tmp_path / "out" / s["predictions"] for s in record["sets"]],
        folders,
        tmp_path / "out",
        method="Mine",
        model="tsm",
    )
    assert again.record.plain()["figures"] == record["figures"]
    assert len(read_leaderboard(tmp_path / "out/leaderboard.csv")) == 1
    assert scufo.kind == "scufo"


def test_score_wants_a_benchmark_a_file(tmp_path: Path, scuba: TestSet) -> None:
    path = dump(tmp_path / "r.pkl", in_order(SCORES))
    assert "2 predictions files and 1 benchmark;" in refused(lambda: score([path, path], [tmp_path / "scuba"]))
    assert "same name" in refused(lambda: score([path, path], [tmp_path / "scuba"] * 2))
    lists = [path, path]
    assert "2 list files for 1" in refused(lambda: score([path], [tmp_path / "scuba"], lists=lists))
    message = refused(lambda: score([path], [tmp_path / "scuba"], time=["shuffled"]))
    assert "--time shuffled: needs the network" in message and "bench eval MODEL --time" in message
    assert scuba.kind == "scuba"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_score_writes_is_read_back_by_any_command(tmp_path: Path, scuba: TestSet, suffix: str) -> None:
    path = dump(tmp_path / "r.json", SCORES)
    record = score([path], [tmp_path / "scuba"], tmp_path / "out", suffix=suffix).plain()
    (stored,) = (tmp_path / "out/predictions").iterdir()
    assert stored.suffix == suffix
    run = load_run(Path(record["record"]))
    assert recompute(run).plain()["figures"] == record["figures"]
    again = score([stored], [tmp_path / "scuba"]).plain()
    # The digest names what was predicted, whatever the file's format.
    assert (again["figures"], again["checkpoint_sha256"]) == (record["figures"], record["checkpoint_sha256"])
    assert "--predictions .xls: give csv or parquet" in refused(lambda: score([path], [scuba.name], suffix=".xls"))


BLOCKED = """
import importlib.abc, json, sys
from pathlib import Path

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "transformers"}:
            raise ImportError(f"{name} is not on this machine")

sys.meta_path.insert(0, Block())
from evaluator.runs import load_run, recompute
from evaluator.score import score

files, folders, record = json.loads(sys.argv[1])
scored = score([Path(f) for f in files], [Path(f) for f in folders])
print(json.dumps([scored.plain(), recompute(load_run(Path(record))).plain()]))
"""


def test_a_machine_without_torch_gives_the_same_digits(tmp_path: Path, scuba: TestSet) -> None:
    benchmark(tmp_path / "scufo", "scufo")
    for name, table, suffix in (("a", SCORES, ".csv"), ("b", STILLS, ".parquet")):
        rows = [(i, dict(VIDEOS)[i], np.array(s, np.float32)) for i, s in table.items()]
        write_predictions(tmp_path / f"{name}{suffix}", CLASSES, rows)
    files, folders = [tmp_path / "a.csv", tmp_path / "b.parquet"], [tmp_path / "scuba", tmp_path / "scufo"]
    record = score(files, folders, tmp_path / "out").plain()
    told = json.dumps([[str(f) for f in files], [str(f) for f in folders], record["record"]])
    done = subprocess.run([sys.executable, "-c", BLOCKED, told], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for found in json.loads(done.stdout):
        for key in ("figures", "pairs", "per_class"):
            assert found[key] == record[key]


def grouped(folder: Path, names: list[str]) -> TestSet:
    """A SCUBA benchmark of the named sources, two variants each."""
    test_set = benchmark(folder, "scuba")
    assert test_set.benchmark is not None
    row = test_set.benchmark.rows[0]
    rows = [dataclasses.replace(row, id=f"{n}__{v}", source_id=n, label=0) for n in names for v in range(2)]
    write_benchmark(folder, test_set.benchmark.protocol, rows, [])
    return benchmark_set(folder)


def test_intervals_by_source_group_and_video(tmp_path: Path) -> None:
    names = [f"jump/v_Jump_g{g:02d}_c{c:02d}" for g in range(1, 11) for c in range(1, 5)]
    test_set = grouped(tmp_path / "g", names)
    # Whole groups are right or wrong: what was 80 answers is 10.
    scores = {
        item.id: [0.9, 0.1, 0.0] if int(item.source_id[-6:-4]) % 2 else [0.1, 0.9, 0.0] for item in test_set.items
    }
    path = dump(tmp_path / "r.json", scores)
    widths = []
    for cluster, count in (("video", 80), ("source", 40), ("group", 10)):
        assert len(set(test_set.clusters(cluster).values())) == count
        record = score([path], [tmp_path / "g"], tmp_path / cluster, cluster=cluster).plain()
        found = record["figures"]["avg_scuba"]
        assert found["percent"] == 50.0 and record["cluster"] == cluster
        assert read_leaderboard(tmp_path / cluster / "leaderboard.csv")[0]["cluster"] == cluster
        run = load_run(Path(record["record"]))
        assert recompute(run).plain()["figures"] == record["figures"]
        assert clustered(run, "group").record.plain()["figures"] == recompute(run, "group").plain()["figures"]
        widths.append(found["high"] - found["low"])
    # The standard error of a half over k independent draws is 1 / (2 sqrt k): 1 : sqrt 2 : sqrt 8. Ends are multiples
    # of 1/k and themselves drawn: for 10 groups the step is 10 points of about 60.
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(2), rel=0.2)
    assert widths[2] / widths[0] == pytest.approx(np.sqrt(8), rel=0.2)


def test_a_cluster_that_is_none(tmp_path: Path, scuba: TestSet) -> None:
    path = dump(tmp_path / "r.json", SCORES)
    message = refused(lambda: score([path], [tmp_path / "scuba"], cluster="group"))
    assert "--cluster group: 'jump/a' of scuba is not named v_Class_gNN_cMM" in message
    message = refused(lambda: score([path], [tmp_path / "scuba"], cluster="class"))
    assert "choose from source, group, video" in message and scuba.kind == "scuba"


def test_figures_against_shaken_stills_and_without_the_clothing(tmp_path: Path, scuba: TestSet) -> None:
    benchmark(tmp_path / "shaken", "shaken")
    unbiased = benchmark(tmp_path / "unbiased", "scuba", split="test_unbiased")
    files = [dump(tmp_path / f"{k}.json", table) for k, table in enumerate((SCORES, STILLS, STILLS))]
    record = score(files, [tmp_path / name for name in ("scuba", "shaken", "unbiased")], tmp_path / "out").plain()
    # SCUBA right on a c d; shaken right on a: contrasted c d. The second SCUBA set is answered as the stills: a alone.
    assert {k: v["percent"] for k, v in record["figures"].items()} == {
        "avg_scuba": 75.0, "avg_shaken": 25.0, "contra_shaken": 50.0, "unbiased_scuba": 25.0,
    }  # fmt: skip
    with open(os.devnull, "w") as sink:
        console = Console(width=200, record=True, file=sink)
        show([tmp_path / "out"], console)
    shown = console.export_text()
    for heading in ("Avg shaken ↓", "Contra. shaken ↑", "SCUBA unbiased ↑"):
        assert heading in shown
    page = report([tmp_path / "out"], tmp_path / "r.html", gallery=0).read_text()
    assert "Contra. shaken" in page and "SCUBA unbiased" in page
    assert unbiased.split == "test_unbiased" and scuba.split == "test1"
