"""Metrics against figures computed by hand; the same digits whatever the row order."""

import csv
import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark_builder.utils.errors import BenchError
from evaluator.metrics.outcomes import (
    class_parts,
    contrasted,
    contrasted_part,
    donor_confusion,
    donor_part,
    figure,
    prefers_mover_part,
    top1,
    top1_part,
    top_k_part,
)
from evaluator.predictions.files import (
    FORMATS,
    Predictions,
    make_predictions,
    read_predictions,
    softmax,
    write_predictions,
)

CLASSES = ["jump", "run, fast", "wave"]

# id -> (label, pred). By hand:
#   SCUBA a: right on v1__0 v1__1 v2__0 v4__0, wrong on v3__0                    -> 4 of 5 = 80 %
#   SCUFO a: right on v1__1 v3__0, wrong on v1__0 v2__0 v4__0                    -> 2 of 5 = 40 %
#   contrasted a: SCUBA right and SCUFO wrong: v1__0 v2__0 v4__0                 -> 3 of 5 = 60 %
#   SCUBA b: right on v1__0, wrong on v2__0                                      -> 1 of 2 = 50 %
#   SCUFO b: right on v1__0, wrong on v2__0                                      -> 1 of 2 = 50 %
#   contrasted b: v1__0 SCUFO right, v2__0 SCUBA wrong                           -> 0 of 2 = 0 %
#   averages, unweighted: SCUBA 65, SCUFO 45, contrasted 30
SCUBA_A = {"v1__0": (0, 0), "v1__1": (0, 0), "v2__0": (1, 1), "v3__0": (2, 1), "v4__0": (2, 2)}
SCUFO_A = {"v1__0": (0, 1), "v1__1": (0, 0), "v2__0": (1, 0), "v3__0": (2, 2), "v4__0": (2, 0)}
SCUBA_B = {"v1__0": (0, 0), "v2__0": (1, 2)}
SCUFO_B = {"v1__0": (0, 0), "v2__0": (1, 0)}
PARTNERS = {i: i for i in SCUBA_A}


def lines(table: dict[str, tuple[int, int]]) -> list[str]:
    """CSV lines of a table; the predicted class gets .5, the others .25 and .25."""
    made = ['id,label,pred,jump,"run, fast",wave']
    for i, (label, pred) in table.items():
        made.append(f"{i},{label},{pred}," + ",".join("0.5" if k == pred else "0.25" for k in range(3)))
    return made


def read(path: Path, table: dict[str, tuple[int, int]], shuffle: int | None = None) -> Predictions:
    body = lines(table)
    if shuffle is not None:
        rest = body[1:]
        random.Random(shuffle).shuffle(rest)
        body = [body[0], *rest]
    path.write_text("\n".join(body) + "\n")
    return read_predictions(path, CLASSES)


def test_every_figure_by_hand(tmp_path: Path) -> None:
    scuba_a, scufo_a = read(tmp_path / "sa.csv", SCUBA_A), read(tmp_path / "fa.csv", SCUFO_A)
    scuba_b, scufo_b = read(tmp_path / "sb.csv", SCUBA_B), read(tmp_path / "fb.csv", SCUFO_B)
    assert (top1(scuba_a).percent, top1(scuba_a).n) == (80.0, 5)
    assert (top1(scufo_a).percent, top1(scufo_a).n) == (40.0, 5)
    assert (top1(scuba_b).percent, top1(scufo_b).percent) == (50.0, 50.0)
    assert (contrasted(scuba_a, scufo_a, PARTNERS).percent, contrasted(scuba_a, scufo_a, PARTNERS).n) == (60.0, 5)
    assert contrasted(scuba_b, scufo_b, PARTNERS).percent == 0.0
    assert figure([top1_part(scuba_a), top1_part(scuba_b)]).percent == pytest.approx(65.0, abs=1e-12)
    assert figure([top1_part(scufo_a), top1_part(scufo_b)]).percent == pytest.approx(45.0, abs=1e-12)
    pairs = [contrasted_part(scuba_a, scufo_a, PARTNERS), contrasted_part(scuba_b, scufo_b, PARTNERS)]
    assert (figure(pairs).percent, figure(pairs).n) == (pytest.approx(30.0, abs=1e-12), 7)


@pytest.mark.parametrize("shuffle", range(5))
def test_shuffled_rows_give_the_same_digits(tmp_path: Path, shuffle: int) -> None:
    plain = read(tmp_path / "s.csv", SCUBA_A), read(tmp_path / "f.csv", SCUFO_A)
    mixed = read(tmp_path / "s2.csv", SCUBA_A, shuffle), read(tmp_path / "f2.csv", SCUFO_A, shuffle + 50)
    assert top1(mixed[0]) == top1(plain[0])
    assert contrasted(*mixed, PARTNERS) == contrasted(*plain, PARTNERS)


def test_pairing_is_by_id_not_by_position(tmp_path: Path) -> None:
    # The published evaluation pairs row k with row k. With SCUFO's rows in the order v1__1 v1__0 v2__0 v4__0 v3__0 it
    # would join v1__0 with v1__1 (0) and v1__1 with v1__0 (1), v3__0 (SCUBA wrong: 0), v4__0 with v3__0 (0): 2 of 5.
    order = ["v1__1", "v1__0", "v2__0", "v4__0", "v3__0"]
    shuffled = {i: SCUFO_A[i] for i in order}
    (tmp_path / "f.csv").write_text("\n".join(lines(shuffled)) + "\n")
    (tmp_path / "s.csv").write_text("\n".join(lines(SCUBA_A)) + "\n")
    with open(tmp_path / "s.csv", newline="") as a, open(tmp_path / "f.csv", newline="") as b:
        rows = list(zip(csv.DictReader(a), csv.DictReader(b), strict=True))
    by_position = 100 * sum(x["pred"] == x["label"] and y["pred"] != x["pred"] for x, y in rows) / len(rows)
    by_id = contrasted(read_predictions(tmp_path / "s.csv"), read_predictions(tmp_path / "f.csv"), PARTNERS).percent
    assert (by_id, by_position) == (60.0, 40.0)


def test_partner_ids_may_differ_from_the_own() -> None:
    scuba = make_predictions("s", CLASSES, ["a"], np.array([0]), np.array([[0.9, 0.1, 0.0]]))
    scufo = make_predictions("f", CLASSES, ["still/a"], np.array([0]), np.array([[0.1, 0.9, 0.0]]))
    assert contrasted(scuba, scufo, {"still/a": "a"}).percent == 100.0
    with pytest.raises(BenchError, match="no SCUBA partner"):
        contrasted(scuba, scufo, {})


def test_a_pair_with_an_unscored_side_counts_as_missing() -> None:
    everything = {"a": 0, "b": 0, "c": 0, "d": 0}

    def some(ids: list[str], wrong: bool) -> Predictions:
        scores = np.tile([[0.1, 0.9, 0.0]] if wrong else [[0.9, 0.1, 0.0]], (len(ids), 1))
        return make_predictions("p", CLASSES, ids, np.zeros(len(ids), int), scores, everything, allow_missing=True)

    scuba, scufo = some(["a", "b", "d"], wrong=False), some(["a", "c", "d"], wrong=True)
    found = contrasted(scuba, scufo, {i: i for i in everything})
    assert (found.percent, found.n, found.missing) == (100.0, 2, 2)
    assert (top1(scuba).n, top1(scuba).missing) == (3, 1)


def test_labels_of_a_pair_must_agree() -> None:
    scuba = make_predictions("s", CLASSES, ["a"], np.array([0]), np.array([[0.9, 0.1, 0.0]]))
    scufo = make_predictions("f.csv", CLASSES, ["a"], np.array([1]), np.array([[0.1, 0.9, 0.0]]))
    with pytest.raises(BenchError, match=r"f\.csv: label of 'a'"):
        contrasted(scuba, scufo, {"a": "a"})


def test_nothing_scored_is_an_error_not_a_zero() -> None:
    with pytest.raises(BenchError, match="nothing was scored"):
        figure([])


@pytest.mark.parametrize("suffix", FORMATS)
def test_write_read_round_trip_keeps_every_float32(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    rng = np.random.default_rng(0)
    scores = softmax(rng.normal(size=(50, 3)) * 20).astype(np.float32)
    ids = [f"C/v,{k}" for k in range(50)]
    labels = rng.integers(0, 3, 50)
    write_predictions(path, CLASSES, list(zip(ids, labels.tolist(), scores, strict=True))[::-1])
    found = read_predictions(path, CLASSES, dict(zip(ids, labels.tolist(), strict=True)))
    at = [ids.index(i) for i in found.ids]
    assert (found.scores.astype(np.float32) == scores[at]).all()
    assert found.ids == sorted(ids) and (found.labels == labels[at]).all()
    if suffix == ".csv":
        with open(path, newline="") as handle:
            assert next(csv.reader(handle)) == ["id", "label", "pred", *CLASSES]


def test_parquet_and_csv_give_the_same_digits(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [(f"v{k:02d}", k % 3, softmax(rng.normal(size=3) * 9).astype(np.float32)) for k in range(30)]
    found = []
    for suffix in FORMATS:
        write_predictions(tmp_path / f"p{suffix}", CLASSES, rows)
        found.append(read_predictions(tmp_path / f"p{suffix}"))
    # Every bit of the scores, so that whatever is computed from them is the same too.
    assert found[0].scores.tobytes() == found[1].scores.tobytes()
    assert (found[0].ids, found[0].classes) == (found[1].ids, found[1].classes)
    # As pandas users write it: float64, an index, dictionary-coded ids.
    frame = pd.read_csv(tmp_path / "p.csv").sample(frac=1, random_state=0)
    frame.astype({"id": "category"}).to_parquet(tmp_path / "q.parquet", index=False)
    assert read_predictions(tmp_path / "q.parquet").scores.tobytes() == found[0].scores.tobytes()


def _edit(old: str, new: str) -> str:
    text = "\n".join(lines(SCUBA_A)) + "\n"
    assert old in text
    return text.replace(old, new, 1)


EXPECTED = {i: label for i, (label, _) in SCUBA_A.items()}
BAD = {
    "missing id": (_edit("v3__0,2,1,0.25,0.5,0.25\n", ""), "no row for 'v3__0'"),
    "doubled id": (_edit("v3__0", "v2__0"), "id 'v2__0' occurs twice"),
    "unknown id": (_edit("v3__0", "v9__0"), "id 'v9__0' is not in the test set"),
    "NaN score": (_edit("v1__0,0,0,0.5", "v1__0,0,0,nan"), "scores of 'v1__0' are not all finite"),
    "infinite score": (_edit("v1__0,0,0,0.5", "v1__0,0,0,inf"), "scores of 'v1__0' are not all finite"),
    "other label": (_edit("v1__0,0,0", "v1__0,1,0"), "'v1__0' has label 1, the test set says 0"),
    "pred is not the top": (_edit("v1__0,0,0", "v1__0,0,2"), "'v1__0' has pred 2"),
    "text for a score": (_edit("v1__0,0,0,0.5", "v1__0,0,0,high"), "line 2: could not convert"),
    "short row": (_edit("v1__0,0,0,0.5,", "v1__0,0,0,"), "line 2: 5 cells under 6 columns"),
    "other class": (_edit("wave", "walk"), "class column 2 is 'walk', the test set's is 'wave'"),
    "other order": (_edit('jump,"run, fast"', '"run, fast",jump'), "another order"),
    "fewer classes": (_edit(",wave", ""), "2 class columns, but the test set has 3 classes"),
    "no predictions": ("hello\n", "not a predictions file"),
    "empty": ("", "not a predictions file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_line_naming_the_file(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(BenchError) as caught:
        read_predictions(path, CLASSES, EXPECTED)
    assert message in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


# A table has no short rows, and what is no table, or has NaN, is tried below.
@pytest.mark.parametrize("case", sorted(BAD.keys() - {"short row", "no predictions", "empty", "NaN score"}))
def test_bad_parquet_files_are_refused_alike(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    path = tmp_path / "p.parquet"
    pd.read_csv(io.StringIO(text)).to_parquet(path, index=False)
    message = "column 'jump' holds" if case == "text for a score" else message
    with pytest.raises(BenchError) as caught:
        read_predictions(path, CLASSES, EXPECTED)
    assert message in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def frame() -> pd.DataFrame:
    return pd.read_csv(io.StringIO("\n".join(lines(SCUBA_A))))


def _text(path: Path, edit: Callable[[str], str], encoding: str = "utf-8") -> Path:
    path.write_bytes(edit("\n".join(lines(SCUBA_A)) + "\n").encode(encoding))
    return path


def _late(text: pd.DataFrame) -> pd.DataFrame:
    """Filtered, so that the index is kept as a column."""
    return pd.concat([text.iloc[:1].assign(id="x"), text]).iloc[1:]


# How programs and people write the table of SCUBA_A.
WRITTEN: dict[str, Callable[[Path], Path | None]] = {
    "pandas' index": lambda p: frame().to_csv(p),
    "pandas' index, twice": lambda p: frame().reset_index().reset_index().to_csv(p),
    "ids as the index": lambda p: frame().set_index("id").to_csv(p),
    "semicolons": lambda p: frame().to_csv(p, sep=";", index=False),
    "semicolons, decimal commas": lambda p: frame().to_csv(p, sep=";", decimal=",", index=False),
    "Excel's first line": lambda p: _text(p, lambda t: "sep=;\n" + t.replace('"run, fast"', "run@fast")
                                          .replace(",", ";").replace("@", ", ")),
    "tabs": lambda p: frame().to_csv(p, sep="\t", index=False),
    "byte order mark": lambda p: _text(p, str, "utf-8-sig"),
    "UTF-16": lambda p: _text(p, str, "utf-16"),
    "CRLF": lambda p: _text(p, lambda t: t.replace("\n", "\r\n")),
    "old Mac": lambda p: _text(p, lambda t: t.replace("\n", "\r")),
    "all quoted": lambda p: frame().to_csv(p, quoting=csv.QUOTE_ALL, index=False),
    "labels as floats": lambda p: frame().astype({"label": float, "pred": float}).to_csv(p, index=False),
    "labels as names": lambda p: frame().replace({"label": dict(enumerate(CLASSES))}).to_csv(p, index=False),
    "other order of columns": lambda p: frame()[["wave", "pred", "jump", "id", *CLASSES[1:2], "label"]].to_csv(p),
    "ids with suffix": lambda p: frame().assign(id=lambda f: f["id"] + ".mp4").to_csv(p, index=False),
    "ids with backslashes": lambda p: frame().assign(id=lambda f: ".\\set\\" + f["id"]).to_csv(p, index=False),
    "class names with blanks": lambda p: _text(p, lambda t: t.replace("wave", " Wave ")),
    "blank lines": lambda p: _text(p, lambda t: t.replace("\n", "\n\n")),
    "Parquet with an index": lambda p: _late(frame()).to_parquet(p.with_suffix(".parquet")),
    "Parquet with a named index": lambda p: frame().rename_axis("clip")[::-1].to_parquet(p.with_suffix(".parquet")),
    "Parquet, ids as the index": lambda p: frame().set_index("id").to_parquet(p.with_suffix(".parquet")),
    "Parquet, float16, categories": lambda p: frame().astype(
        {"id": "category", "jump": "float16", "label": "float64", "pred": "int8"}
    ).to_parquet(p.with_suffix(".parquet")),
    "Parquet, reset index": lambda p: _late(frame()).reset_index().to_parquet(p.with_suffix(".parquet")),
    "Parquet, capital suffix": lambda p: frame().to_parquet(p.with_suffix(".PARQUET")),
}  # fmt: skip


@pytest.mark.parametrize("how", WRITTEN)
def test_the_table_is_read_however_it_was_written(tmp_path: Path, how: str) -> None:
    WRITTEN[how](tmp_path / "p.csv")
    (path,) = tmp_path.glob("p.*")
    found = read_predictions(path, CLASSES, EXPECTED)
    wanted = read(tmp_path / "plain.csv", SCUBA_A)
    assert found.ids == wanted.ids and found.classes == CLASSES
    assert found.scores.tolist() == wanted.scores.tolist() and found.right.tolist() == wanted.right.tolist()


def test_composed_and_decomposed_ids_are_one(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,label,pred,a\u0308,b\nx/e\u0301,0,0,1,0\n")
    found = read_predictions(tmp_path / "p.csv", ["\u00e4", "b"], {"x/\u00e9": 0})
    assert (found.ids, found.classes) == (["x/\u00e9"], ["\u00e4", "b"])


def test_an_id_that_can_be_two_videos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,label,pred,a,b\nv,0,0,1,0\n")
    with pytest.raises(BenchError, match=r"p\.csv: 'v' can be 'x/v' or 'y/v'"):
        read_predictions(tmp_path / "p.csv", ["a", "b"], {"x/v": 0, "y/v": 0}, allow_missing=True)


@pytest.mark.parametrize("suffix", FORMATS)
def test_of_equal_scores_any_may_be_the_answer(tmp_path: Path, suffix: str) -> None:
    text = "id,label,pred,a,b,c\nu,1,1,0.5,0.5,0\nv,1,0,0.5,0.5,0\nw,2,2,0.3333,0.3333,0.3333\n"
    path = tmp_path / f"p{suffix}"
    pd.read_csv(io.StringIO(text)).to_parquet(path) if suffix == ".parquet" else path.write_text(text)
    found = read_predictions(path)
    assert found.pred.tolist() == [1, 0, 2] and found.right.tolist() == [True, False, True]
    # The answers are kept when they are written again.
    rows = zip(found.ids, found.labels.tolist(), found.scores, strict=True)
    write_predictions(
        tmp_path / f"q{suffix}", found.classes, rows, dict(zip(found.ids, found.pred.tolist(), strict=True))
    )
    assert read_predictions(tmp_path / f"q{suffix}").pred.tolist() == [1, 0, 2]
    for pred in (2, -1, 3):
        with pytest.raises(BenchError, match="has pred"):
            make_predictions("p", ["a", "b", "c"], ["u"], np.array([0]), np.array([[0.5, 0.5, 0]]), preds=[pred])


def test_class_columns_in_another_order_need_answers_that_agree(tmp_path: Path) -> None:
    # By name, v1 is right; had the columns merely been named wrongly, pred would contradict them.
    (tmp_path / "p.csv").write_text("id,label,pred,b,a\nv1,0,0,0.1,0.9\nv2,1,1,0.8,0.2\n")
    found = read_predictions(tmp_path / "p.csv", ["a", "b"])
    assert found.scores.tolist() == [[0.9, 0.1], [0.2, 0.8]] and found.right.all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,pred,a,b\n0,0,1,0\n", "without video ids"),
        ("id,pred,a,b\nv,0,1,0\n", "has no column label"),
        ("id;pred;a\nv;0;1\n", "not a predictions file"),
        ("id,label,pred\nv,0,2\n", "'v' has pred 2, which is outside 0..1"),
        ("id,label,pred\nv,0,-2\n", "'v' has pred -2, which is outside 0..1"),
        ('id,label,pred,a,b\nv,0,0,"0,9",0\n', "line 2: could not convert"),
        ("id;label;pred;a;b\nv;0;0;1.000,9;0\n", "line 2: could not convert"),
        ("id,label,pred,a,b\nv,0.5,0,1,0\n", "line 2: '0.5' is neither a whole number nor a class"),
        ("id,label,pred,a,b\nv,,0,1,0\n", "line 2: '' is neither"),
        ("id,label,pred,a,b\nv,1e400,0,1,0\n", "line 2: '1e400' is neither"),
        ("id,label,pred,a,b\nv,99999999999999999999,0,1,0\n", "p.csv"),
        ("id,label,pred,a,b\nv,0,0,1,\n", "line 2: could not convert"),
        ("id,label,pred,a,b\nv,0,0,1,NaN\n", "not all finite"),
        ("id,label,pred,a,a\nv,0,0,1,0\n", "occurs twice"),
        ("id,label,pred,a,b,extra\nv,0,0,1,0,0\n", "3 class columns, but the test set has 2"),
        ('id,label,pred,a,b\n"v,0,0,1,0\n', "cells under 5 columns"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(BenchError) as caught:
        read_predictions(tmp_path / "p.csv", ["a", "b"], {"v": 0})
    assert message in str(caught.value) and "p.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_parquet_files_that_are_none_or_have_holes(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    path.write_bytes(b"PAR1 and then nothing of the kind PAR1")
    with pytest.raises(BenchError, match=r"p\.parquet: cannot be read"):
        read_predictions(path)
    whole = pd.read_csv(io.StringIO("\n".join(lines(SCUBA_A))))
    whole.drop(columns="pred").to_parquet(path)
    with pytest.raises(BenchError, match="not a predictions file"):
        read_predictions(path)
    whole.astype({"label": "Int64"}).replace({"label": {2: pd.NA}}).to_parquet(path, index=False)
    with pytest.raises(BenchError, match="column 'label' has 2 empty cells"):
        read_predictions(path)
    # pandas would write NaN as an empty cell; other writers do not.
    broken = whole.assign(wave=whole["wave"].where(whole["wave"] != 0.25, np.nan))
    pq.write_table(pa.table({name: pa.array(column.to_numpy()) for name, column in broken.items()}), path)
    with pytest.raises(BenchError, match="are not all finite"):
        read_predictions(path)


def test_absent_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such predictions file"):
        read_predictions(tmp_path / "p.csv")
    (tmp_path / "p.csv").write_bytes(b"\xff\x00\x01" * 9)
    with pytest.raises(BenchError, match="cannot be read"):
        read_predictions(tmp_path / "p.csv")


def test_allow_missing_notes_what_is_absent(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(_edit("v3__0,2,1,0.25,0.5,0.25\n", ""))
    found = read_predictions(tmp_path / "p.csv", CLASSES, EXPECTED, allow_missing=True)
    assert found.missing == ("v3__0",)
    assert (top1(found).percent, top1(found).n, top1(found).missing) == (100.0, 4, 1)


def test_softmax_neither_overflows_nor_loses_its_sum() -> None:
    found = softmax(np.array([[1000.0, 0.0, -1000.0], [3.0, 3.0, 3.0]]))
    assert found[0].tolist() == [1.0, 0.0, 0.0]
    assert np.allclose(found.sum(1), 1, rtol=0, atol=3 * np.finfo(float).eps)  # three terms, one rounding each


def test_mean_class_counts_only_classes_that_occur(tmp_path: Path) -> None:
    # SCUBA a: class 0 is 2 of 2, class 1 is 1 of 1, class 2 is 1 of 2: mean (1 + 1 + 1/2) / 3.
    # SCUBA b: class 0 is 1 of 1, class 1 is 0 of 1, class 2 does not occur: mean 1/2, not 1/3.
    for table, wanted in ((SCUBA_A, 250 / 3), (SCUBA_B, 50.0)):
        found = class_parts(top1_part(read(tmp_path / "p.csv", table)), EXPECTED)
        assert figure(list(found.values())).percent == pytest.approx(wanted, abs=1e-9)
    assert sorted(found) == [0, 1]


def test_top_k_by_hand() -> None:
    classes = list("abcd")
    scores = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.4, 0.3, 0.2], [0.25, 0.25, 0.25, 0.25], [0.4, 0.4, 0.1, 0.1]])
    p = make_predictions("p", classes, ["u", "v", "w", "x"], np.array([2, 0, 1, 1]), scores)
    # Places of the true class: 3rd, 4th, 2nd (equals in index order), 2nd.
    assert [figure([top_k_part(p, k)]).percent for k in (1, 2, 3)] == [0.0, 50.0, 75.0]
    assert figure([top_k_part(p, 1)]).percent == top1(p).percent
    # The file's answer counts first among equals: what is right is among the highest k, whatever k.
    tied = make_predictions("p", classes, ["u"], np.array([3]), np.full((1, 4), 0.25), preds=[3])
    assert [figure([top_k_part(tied, k)]).percent for k in (1, 2, 3)] == [100.0] * 3 == [top1(tied).percent] * 3
    other = make_predictions("p", classes, ["u"], np.array([1]), np.full((1, 4), 0.25), preds=[3])
    assert [figure([top_k_part(other, k)]).percent for k in (1, 2, 3)] == [0.0, 0.0, 100.0]
    with pytest.raises(BenchError, match="top-4 of 4 classes"):
        top_k_part(p, 4)


def test_conflicting_foreground_by_hand() -> None:
    scores = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.4, 0.4, 0.2]])
    p = make_predictions("p", CLASSES, ["u", "v", "w", "x"], np.array([0, 0, 1, 1]), scores)
    donors = {"u": 1, "v": 1, "w": 0, "x": 0}
    # Answers 0 1 2 0; movers 0 0 1 1; donors 1 1 0 0: right, donor, other, donor.
    assert top1(p).percent == 25.0
    assert figure([donor_part(p, donors)]).percent == 50.0
    # Mover above donor: .6 > .3 yes; .2 > .5 no; .2 > .1 yes; .4 > .4 no.
    assert figure([prefers_mover_part(p, donors)]).percent == 50.0
    assert donor_confusion(p, donors) == {(0, 1): (1, 1, 0), (1, 0): (0, 1, 1)}
    with pytest.raises(BenchError, match="'x' has no donor"):
        donor_part(p, {"u": 1, "v": 1, "w": 0})
