"""Predictions without scores: every format gives the same figures, and what has two meanings is refused."""

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
import torch
from click.testing import Result
from commands import bench
from small_scores import benchmark, dump, refused
from typer.testing import CliRunner

from albar_bench.cli.app import app
from evaluator.predictions.answers import ClassNames
from evaluator.predictions.files import write_predictions
from evaluator.predictions.mmaction import read_any_predictions
from evaluator.runs import load_run, recompute
from evaluator.score import score
from evaluator.testsets import TestSet

CLASSES = ["draw_sword", "HandstandPushups", "run, fast", "wave"]
VIDEOS = [(f"{CLASSES[k % 4].split(',')[0]}/v {k:02d}__0", k % 4) for k in range(48)]
LABELS = dict(VIDEOS)
IDS = sorted(LABELS)
PERFECT = {i: LABELS[i] for i in IDS}
# Every class is the answer for as many videos of each class, so a quarter is right.
CHANCE = {i: (LABELS[i] + int(i[-5:-3]) // 4) % 4 for i in IDS}


@pytest.fixture(scope="module")
def scuba(tmp_path_factory: pytest.TempPathFactory) -> TestSet:
    return benchmark(tmp_path_factory.mktemp("b") / "scuba", "scuba", videos=VIDEOS, classes=CLASSES)


Preds = dict[str, int]


def table(path: Path, columns: list[str], row: Callable[[str, int], list[Any]], preds: Preds, sep: str = ",") -> Path:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=sep)
    writer.writerows([columns, *(row(i, p) for i, p in preds.items())])
    path.write_text(text.getvalue())
    return path


def plain(path: Path, preds: Preds) -> Path:
    return table(path, ["id", "pred"], lambda i, p: [i, CLASSES[p]], preds)


def excel(path: Path, preds: Preds) -> Path:
    book = openpyxl.Workbook()
    for row in [["pred", "id"], *([CLASSES[p], i] for i, p in preds.items())]:
        book.active.append([*row, None])
    book.save(path)
    return path


def scores(pred: int) -> list[float]:
    return [0.7 if k == pred else 0.1 for k in range(4)]


def ranks(path: Path, preds: Preds) -> Path:
    """Three processes of VideoMAE: two views per video, the last videos twice, since all processes get as many."""
    path.mkdir()
    lines = [
        f"{i.split('/')[1]} {[x + 0.5 * v for x in scores(p)]} {LABELS[i]} {v} 0" for i, p in preds.items()
        for v in range(2)
    ]  # fmt: skip
    lines += lines[:1]
    for k in range(3):
        (path / f"{k}.txt").write_text("\n".join(["25.0, 100.0", *lines[k::3]]) + "\n")
    return path


def pandas_table(path: Path, preds: Preds) -> Path:
    frame = pd.DataFrame({"prediction": [CLASSES[p] for p in preds.values()], "video_id": list(preds)})
    frame.to_parquet(path)
    return path


def records(preds: Preds) -> list[dict[str, object]]:
    return [{"id": i, "pred": CLASSES[p]} for i, p in preds.items()]


def lines(path: Path, found: list[Any]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in found))
    return path


FORMATS: dict[str, Callable[[Path, Preds], Path]] = {
    "id,pred": lambda p, a: plain(p / "p.csv", a),
    "id,label,pred by number": lambda p, a: table(
        p / "p.csv", ["id", "label", "pred"], lambda i, x: [i, LABELS[i], x], a
    ),
    "other order, names, labels by number": lambda p, a: table(
        p / "p.csv", ["pred", "label", "id"], lambda i, x: [CLASSES[x], float(LABELS[i]), i], a
    ),
    "names by letters and digits": lambda p, a: table(
        p / "p.csv", ["id", "pred"], lambda i, x: [i, ["Draw Sword", "handstand-pushups", "RUN FAST", " wave"][x]], a
    ),
    "files of the manifest": lambda p, a: table(
        p / "p.csv", ["file", "pred"], lambda i, x: [f"videos/{i}.mp4", CLASSES[x]], a
    ),
    "whole paths": lambda p, a: table(
        p / "p.csv", ["path", "pred"], lambda i, x: [f"C:\\data\\{i}.avi".replace("/", "\\"), CLASSES[x]], a
    ),
    "file names alone": lambda p, a: table(
        p / "p.csv", ["filename", "prediction"], lambda i, x: [f"{i.split('/')[1]}.avi", CLASSES[x]], a
    ),
    "a pandas index, id and file": lambda p, a: table(
        p / "p.csv", ["", "id", "file", "pred"], lambda i, x: [7, i, f"videos/{i}.mp4", CLASSES[x]], a
    ),
    "semicolons": lambda p, a: table(p / "p.csv", ["id", "pred"], lambda i, x: [i, CLASSES[x]], a, ";"),
    "tabs": lambda p, a: table(p / "p.tsv", ["ID", "Pred"], lambda i, x: [i, CLASSES[x]], a, "\t"),
    "bars in a txt": lambda p, a: table(p / "p.txt", ["id", "pred"], lambda i, x: [i, CLASSES[x]], a, "|"),
    "Excel": lambda p, a: excel(p / "p.xlsx", a),
    "JSON id: [class]": lambda p, a: dump(p / "p.json", {i: [CLASSES[x]] for i, x in a.items()}),
    "Parquet": lambda p, a: pandas_table(p / "p.parquet", a),
    "JSON id: class": lambda p, a: dump(p / "p.json", {i: CLASSES[x] for i, x in a.items()}),
    "JSON records": lambda p, a: dump(p / "p.json", records(a)),
    "JSON lines": lambda p, a: lines(p / "p.jsonl", records(a)),
    "JSON lines called json": lambda p, a: lines(p / "p.json", records(a)),
    "pickle id: number, with labels": lambda p, a: dump(
        p / "p.pkl", {i: {"pred_label": np.int64(x), "gt_label": LABELS[i]} for i, x in a.items()}
    ),
    "scores by class": lambda p, a: table(
        p / "p.csv", ["id", "label", "pred", *CLASSES], lambda i, x: [i, LABELS[i], x, *scores(x)], a
    ),
    "JSON scores": lambda p, a: dump(p / "p.json", {i: scores(x) for i, x in a.items()}),
    "VideoMAE's processes": lambda p, a: ranks(p / "eval", a),
}


def folder_of(s: TestSet) -> Path:
    assert s.benchmark is not None
    return s.benchmark.folder


def top1(path: Path, scuba: TestSet, **options: Any) -> float:
    return score([path], [folder_of(scuba)], **options).record.figures["avg_scuba"].percent


@pytest.mark.parametrize("form", FORMATS)
def test_perfect_answers_give_100_and_chance_gives_chance_in_any_order(
    tmp_path: Path, scuba: TestSet, form: str
) -> None:
    for name, preds, percent in (("perfect", PERFECT, 100.0), ("chance", CHANCE, 25.0)):
        shuffled = dict(random.Random(name).sample(sorted(preds.items()), len(preds)))
        assert list(shuffled) != list(preds)
        for k, given in enumerate((preds, shuffled)):
            (tmp_path / f"{name}{k}").mkdir()
            path = FORMATS[form](tmp_path / f"{name}{k}", given)
            found = read_any_predictions(path, scuba)
            assert found.ids == IDS and found.pred.tolist() == [preds[i] for i in IDS]
            assert top1(path, scuba) == percent
    # Nothing had to be assumed: names, or numbers that the labels confirm.
    assert found.notes == ()


def test_slowfast_needs_and_takes_the_list_of_its_run(tmp_path: Path, scuba: TestSet) -> None:
    order = random.Random(1).sample(IDS, len(IDS))
    listing = tmp_path / "test.csv"
    listing.write_text("".join(f"videos/{i}.mp4 {LABELS[i]}\n" for i in order))
    for preds, percent in ((PERFECT, 100.0), (CHANCE, 25.0)):
        both = [torch.tensor([scores(preds[i]) for i in order]), torch.tensor([LABELS[i] for i in order])]
        path = dump(tmp_path / "r.pkl", both)
        assert top1(path, scuba, lists=[listing]) == percent
        assert "--lists" in refused(lambda path=path: top1(path, scuba))
    # Answers alone, without ids.
    path = dump(tmp_path / "a.json", [CLASSES[CHANCE[i]] for i in order])
    assert top1(path, scuba, lists=[listing]) == 25.0
    assert "without video ids" in refused(lambda: top1(path, scuba))


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def rows(edit: dict[int, str] | None = None, header: str = "id,pred") -> str:
    """A correct file, with some rows (from 0) replaced."""
    cells = {k: f'{i},"{CLASSES[LABELS[i]]}"' for k, i in enumerate(IDS)} | (edit or {})
    return "\n".join([header, *(c for c in cells.values() if c)]) + "\n"


A, B = IDS[0], IDS[1]
MALFORMED: dict[str, tuple[str, str, str]] = {  # file, text, message
    "empty": ("p.csv", "", "not a predictions file"),
    "no names of columns": ("p.csv", rows(header="v,w"), "no columns id and pred"),
    "a class in the first row": ("p.csv", rows(header=f"{IDS[0]},wave"), "no columns id and pred"),
    "no ids": ("p.csv", "pred\nwave\n", "without video ids"),
    "two columns pred": ("p.csv", "id,pred,pred\nx,1,2\n", "has the column 'pred' twice"),
    "a further column": ("p.csv", "id,pred,confidence\nx,1,2\n", "neither a class of the benchmark nor id"),
    "other classes": ("p.csv", "id,label,pred,jump,run\nx,1,1,0,1\n", "2 columns are neither a class"),
    "double": ("p.csv", rows({1: f"{A},draw_sword"}), "occurs 2 times"),
    "conflict": ("p.csv", rows({1: f"{A},wave"}), "with different answers ('HandstandPushups', 'wave')"),
    "unknown id": ("p.csv", rows({3: "x9,wave", 4: "x8,wave"}), "2 ids are not in scuba: 'x9' (line 5), 'x8'"),
    "missing id": ("p.csv", rows({3: "", 4: ""}),
                   f"no row for {IDS[3]!r}, {IDS[4]!r}; predict it too, or pass --allow-missing"),
    "no class": ("p.csv", rows({3: f"{IDS[3]},waves", 4: f"{IDS[4]},waves"}),
                 "2 cells in the column pred are no class of scuba: 'waves' (line 5, 2 times, like 'wave'?)"),
    "empty cells": ("p.csv", rows({3: f"{IDS[3]},", 4: f"{IDS[4]},NaN"}), "2 answers are missing in the column pred"),
    "empty id": ("p.csv", rows({3: ",wave"}), "line 5: the id is missing"),
    "an unquoted comma": ("p.csv", rows({3: f"{IDS[3]},run, fast"}), "line 5: 3 cells under 2 columns; put cells"),
    "number too large": ("p.csv", rows({3: f"{IDS[3]},17"}), "line 5: pred 17 of"),
    "half a number": ("p.csv", rows({3: f"{IDS[3]},1.5"}), "no class of scuba: '1.5'"),
    "other label": ("p.csv", f"id,label,pred\n{A},wave,wave\n",
                    "has label 'wave', the test set says 'HandstandPushups'"),
    "label missing": ("p.csv", f"id,label,pred\n{A},1,1\n{B},,1\n", f"line 3: the label of {B!r} is missing"),
    "not UTF-8": ("p.csv", "", "cannot be read as UTF-8"),
    "no JSON": ("p.json", "{", "not readable JSON"),
    "JSON with an id twice": ("p.json", f'{{"{A}": 1, "{A}": 2}}', f"it has '{A}' 2 times, with different values"),
    "JSON without pred": ("p.jsonl", json.dumps({"id": A, "answer": "wave"}), "line 1: has neither scores nor pred"),
    "JSON line that is none": ("p.jsonl", f'{json.dumps({"id": A, "pred": 1})}\n[1]\n', "line 2: is not an object"),
    "JSON, true": ("p.json", json.dumps({A: True}), "no class of scuba: 'True'"),
    "some with ids": ("p.json", json.dumps([{"id": A, "pred": 1}, {"pred": 1}]), "some of its rows name their video"),
    "scores and answers": ("p.json", json.dumps({A: scores(1), B: 1}), "is not 4 scores"),
    "no Excel": ("p.xlsx", "id,pred\n", "is not an Excel file"),
    "old Excel": ("p.xls", "id,pred\n", "unknown kind"),
    "no Parquet": ("p.parquet", "PAR1", "cannot be read"),
    "VideoMAE's text, cut": ("p.txt", "50, 100\nv [1, 2, 3, 4] 0 0 0\nv [1, 2\n", "line 3: is not `id [scores]"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_refused_in_one_line(tmp_path: Path, scuba: TestSet, case: str) -> None:
    name, text, message = MALFORMED[case]
    path = write(tmp_path / name, text)
    if case == "not UTF-8":
        path.write_bytes(b"id,pred\n\xff\xfe\xfd,1\n")
    said = refused(lambda: read_any_predictions(path, scuba))
    assert message in said and str(path) in said


def test_malformed_files_end_the_command_with_status_1_and_one_line(tmp_path: Path, scuba: TestSet) -> None:
    name, text, message = MALFORMED["no class"]
    done = bench("score", str(write(tmp_path / name, text)), "--benchmark", str(folder_of(scuba)))
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1 and message in done.stderr


def test_byte_order_marks_and_line_ends_change_nothing(tmp_path: Path, scuba: TestSet) -> None:
    for text in (rows().replace("\n", "\r\n"), rows().replace("\n", "\n\n")):
        for encoding in ("utf-8-sig", "utf-16"):
            (tmp_path / "p.csv").write_bytes(text.encode(encoding))
            assert top1(tmp_path / "p.csv", scuba) == 100.0


# Numbers ----------------------------------------------------------------------------------------------------------


def numbers(path: Path, preds: Preds, add: int, labels: int | None = None) -> Path:
    if labels is None:
        return table(path, ["id", "pred"], lambda i, p: [i, p + add], preds)
    return table(path, ["id", "label", "pred"], lambda i, p: [i, LABELS[i] + labels, p + add], preds)


def test_numbers_without_labels_are_said_to_count_from_0(tmp_path: Path, scuba: TestSet) -> None:
    said: list[str] = []
    path = numbers(tmp_path / "p.csv", PERFECT, 0)
    record = score([path], [folder_of(scuba)], say=said.append).record
    assert record.figures["avg_scuba"].percent == 100.0
    assert any("assumed that they count from 0" in line and "0 = 'draw_sword', 3 = 'wave'" in line for line in said)
    assert record.notes == said
    quiet = score([path], [folder_of(scuba)], answers="from-0").record
    assert quiet.figures == record.figures and not any("assumed" in line for line in quiet.notes)


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".pkl"])
def test_how_classes_are_written_is_not_used_where_there_are_scores(
    tmp_path: Path, scuba: TestSet, suffix: str
) -> None:
    ids, path = sorted(scuba.labels), tmp_path / f"p{suffix}"
    scores = np.eye(4)[[scuba.labels[i] for i in ids]]
    listing = write(tmp_path / "list.txt", "".join(f"{i} {scuba.labels[i]}\n" for i in ids))
    if suffix == ".csv":
        write_predictions(path, scuba.classes, ((i, scuba.labels[i], row) for i, row in zip(ids, scores, strict=True)))
    elif suffix == ".npy":
        np.save(path, scores)
    else:
        dump(path, list(scores))
    lists = () if suffix == ".csv" else (listing,)
    said: list[str] = []
    record = score([path], [folder_of(scuba)], say=said.append, answers="from-1", lists=lists).record
    assert record.figures["avg_scuba"].percent == 100.0
    assert said == record.notes and len(said) == 1
    assert said[0].startswith(f"--answers from-1 is not used for {path}: it has scores")
    assert not score([path], [folder_of(scuba)], lists=lists).record.notes


def test_numbers_from_1_are_refused_until_it_is_said(tmp_path: Path, scuba: TestSet) -> None:
    for k, (add, labels) in enumerate(((1, None), (1, 1), (0, 1))):
        path = numbers(tmp_path / f"{k}.csv", PERFECT, add, labels)
        said = refused(lambda path=path: top1(path, scuba))
        assert "seem to count from 1" in said and "--answers from-1" in said
    assert top1(tmp_path / "0.csv", scuba, answers="from-1") == 100.0
    assert top1(tmp_path / "1.csv", scuba, answers="from-1") == 100.0
    assert "outside 1..4" in refused(lambda: top1(tmp_path / "2.csv", scuba, answers="from-1"))
    # Also where the last class is never the answer.
    path = numbers(tmp_path / "3.csv", {i: min(p, 2) for i, p in PERFECT.items()}, 1)
    assert "seem to count from 1 (36 of 48" in refused(lambda: top1(path, scuba))


def test_numeric_class_names_are_never_taken_for_numbers_in_silence(tmp_path: Path) -> None:
    names = ["2", "1", "0", "10"]
    s = benchmark(tmp_path / "b", "scuba", videos=[(f"v{k}", k) for k in range(4)], classes=names)
    path = write(tmp_path / "p.csv", "id,pred\n" + "".join(f"v{k},{names[k]}\n" for k in range(4)))
    said = refused(lambda: read_any_predictions(path, s))
    assert "line 2: '2' can be class number 2 or the class named '2' (number 0)" in said and "--answers names" in said
    assert read_any_predictions(path, s, answers="names").right.all()
    path = write(tmp_path / "q.csv", "id,pred\nv0,0\nv1,1\nv2,2\nv3,3\n")
    assert read_any_predictions(path, s, answers="from-0").right.all()
    assert "no class of b: '3'" in refused(lambda: read_any_predictions(path, s, answers="names"))
    # Where names and numbers say the same, there is nothing to choose.
    s = benchmark(tmp_path / "c", "scuba", videos=[(f"v{k}", k) for k in range(4)], classes=list("0123"))
    assert read_any_predictions(path, s).right.all()


def test_names_with_equal_letters_must_be_exact(tmp_path: Path) -> None:
    s = benchmark(tmp_path / "b", "scuba", videos=[("u", 0), ("v", 1)], classes=["Push-up", "push up", "?!"])
    path = write(tmp_path / "p.csv", "id,pred\nu,Push-up\nv,push up\n")
    assert read_any_predictions(path, s).right.all()
    assert read_any_predictions(write(path, "id,pred\nu,?!\nv,push up\n"), s).pred.tolist() == [2, 1]
    said = refused(lambda: read_any_predictions(write(path, "id,pred\nu,pushup\nv,push up\n"), s))
    assert "line 2: 'pushup' can be 'Push-up' or 'push up'" in said


def test_class_names_by_letters_and_digits() -> None:
    names = ClassNames(["draw_sword", "sword", "Caf\u00e9", "3 steps"], "hmdb51")
    texts = ("Draw Sword", "drawing a sword.", "SWORD", "cafe\u0301", "3steps", "draw", "", "  ")
    assert [names.find(t) for t in texts] == [[0], [0], [1], [2], [3], [], [], []]


# What is left out, and how it is shown ----------------------------------------------------------------------------


def test_no_answer_counts_as_wrong_and_is_shown(tmp_path: Path, scuba: TestSet) -> None:
    scufo = benchmark(tmp_path / "scufo", "scufo", videos=VIDEOS, classes=CLASSES)
    half = {i: LABELS[i] if k % 2 else -1 for k, i in enumerate(IDS)}
    named = {i: "-1" if p < 0 else CLASSES[p] for i, p in half.items()}
    path = table(tmp_path / "p.csv", ["id", "pred"], lambda i, p: [i, named[i]], half)
    wrong = plain(tmp_path / "q.csv", {i: (p + 1) % 4 for i, p in PERFECT.items()})
    said: list[str] = []
    folders = [folder_of(scuba), folder_of(scufo)]
    scored = score([path, wrong], folders, tmp_path / "out", say=said.append)
    assert {k: f.percent for k, f in scored.record.figures.items()} == {
        "avg_scuba": 50.0, "avg_scufo": 0.0, "contra_acc": 50.0,
    }  # fmt: skip
    first, second = scored.record.sets
    assert (first.unread, first.top1_read and (first.top1_read.percent, first.top1_read.n)) == (24, (100.0, 24))
    assert (second.unread, second.top1_read) == (None, None)
    assert any("24 of 48 answers are no class and count as wrong (top-1 50.00, 100.00 without them)" in t for t in said)
    with scored.slices[-1].open() as file:
        left = list(csv.DictReader(file))
    assert [r["id"] for r in left] == [i for i, p in half.items() if p < 0] and left[0]["reason"] == "no class"
    # What was written is read back to the same record.
    assert scored.path is not None
    run = load_run(scored.path)
    assert (recompute(run).figures, recompute(run).sets[0].unread) == (scored.record.figures, first.unread)
    again = score([tmp_path / "out" / str(s.predictions) for s in scored.record.sets], folders)
    assert again.record.figures == scored.record.figures
    assert again.record.checkpoint_sha256 == scored.record.checkpoint_sha256


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_answers_are_stored_and_read_in_both_formats(tmp_path: Path, scuba: TestSet, suffix: str) -> None:
    path = plain(tmp_path / "p.csv", CHANCE)
    scored = score([path], [folder_of(scuba)], tmp_path / "out", suffix=suffix)
    (stored,) = (tmp_path / "out/predictions").iterdir()
    assert stored.suffix == suffix
    assert scored.path is not None and recompute(load_run(scored.path)).figures == scored.record.figures


def test_missing_videos_are_counted_and_listed(tmp_path: Path, scuba: TestSet) -> None:
    path = write(tmp_path / "p.csv", rows({3: f"{IDS[3]},", 4: ""}))
    assert "is missing in the column pred" in refused(lambda: top1(path, scuba)).replace("are", "is")
    said: list[str] = []
    scored = score([path], [folder_of(scuba)], tmp_path / "out", say=said.append, allow_missing=True)
    figure = scored.record.figures["avg_scuba"]
    assert (figure.percent, figure.n, figure.missing) == (100.0, 46, 2)
    assert any(f"2 of 48 videos were not predicted: {IDS[3]}, {IDS[4]}" in line for line in said)
    assert [r.split(",")[1] for r in scored.slices[-1].read_text().splitlines()[1:]] == IDS[3:5]


def test_figures_that_need_scores_are_left_out_and_said(tmp_path: Path) -> None:
    classes = [f"class {k}" for k in range(6)]
    videos = [(f"v{k}", k % 6) for k in range(12)]
    donors = {i: {"donor_label": (label + 1) % 6, "donor_id": "d"} for i, label in videos}
    s = benchmark(tmp_path / "conflfg", "conflfg", videos=videos, classes=classes, **donors)
    path = write(tmp_path / "p.csv", "id,pred\n" + "".join(f"{i},class {(label + 1) % 6}\n" for i, label in videos))
    said: list[str] = []
    record = score([path], [tmp_path / "conflfg"], tmp_path / "out", say=said.append).record
    assert {k: f.percent for k, f in record.figures.items()} == {"conflfg": 0.0, "conflfg_donor": 100.0}
    (entry,) = record.sets
    assert entry.donor is not None and entry.donor.percent == 100.0
    assert entry.top5 is None and entry.prefers_mover is None
    assert any(line.startswith("not available, since it needs scores: top5, prefers_mover") for line in said)
    assert s.has_same_donors is False


def run(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(words))


# The template -----------------------------------------------------------------------------------------------------


def test_the_template_is_filled_in_and_scored(tmp_path: Path, scuba: TestSet, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(folder_of(scuba))
    monkeypatch.chdir(tmp_path)
    assert run("score", "--template", folder).exit_code == 0
    path = tmp_path / "scuba-answers.csv"
    frame = pd.read_csv(path)
    assert list(frame) == ["id", "file", "pred"] and frame["id"].tolist() == IDS
    assert frame["file"].tolist() == [f"videos/{i}.mp4" for i in IDS] and frame["pred"].isna().all()
    classes = pd.read_csv(tmp_path / "scuba-classes.csv")
    assert dict(zip(classes["number"], classes["class"], strict=True)) == dict(enumerate(CLASSES))
    # Not filled in: every answer is missing.
    assert "48 answers are missing" in str(run("score", str(path), "--benchmark", folder).exception)
    # What may hold answers is never overwritten.
    assert "exists already" in str(run("score", "--template", folder).exception)
    frame.assign(pred=[CLASSES[LABELS[i]] for i in frame["id"]]).to_csv(path, index=False)
    assert "avg_scuba    100.00" in run("score", str(path), "--benchmark", folder).output
    other = tmp_path / "mine.csv"
    assert run("score", str(other), f"--template={folder}").exit_code == 0 and other.is_file()
    assert "leave --benchmark out" in str(run("score", "--template", folder, "--benchmark", folder).exception)
    assert "Missing argument" in run("score", "--benchmark", folder).output
