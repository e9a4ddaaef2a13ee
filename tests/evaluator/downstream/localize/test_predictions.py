import json
import pickle

import numpy as np
import pandas as pd
import pytest
from bomb import Bomb

from benchmark_builder.utils.errors import BenchError
from evaluator.downstream.localize.metrics import Spans
from evaluator.downstream.localize.predictions import read_predictions, write_predictions
from evaluator.downstream.localize.score import class_rows, score_all
from evaluator.downstream.localize.truth import read_truth

ROWS = [("a", 0.0, 10.0, "High Jump", 0.9), ("a", 20.0, 24.0, "Diving", 0.8), ("b", 1.0, 2.0, "Diving", 0.7)]
NUMBER = {"High Jump": 3, "Diving": 7}


@pytest.fixture
def truth(tmp_path):
    jump = {"segment": [0, 10], "label": "High Jump", "label_id": 3}
    dives = [{"segment": times, "label": "Diving", "label_id": 7} for times in ([20, 24], [1, 2])]
    database = {
        "a": {"subset": "Test", "duration": 30, "annotations": [jump, dives[0]]},
        "b": {"subset": "Test", "duration": 30, "annotations": [dives[1]]},
        "t": {"subset": "Validation", "duration": 30, "annotations": [dives[1]]},
    }
    (tmp_path / "truth.json").write_text(json.dumps({"database": database}))
    return read_truth(tmp_path / "truth.json")


def columns(rows=ROWS, label=lambda name: name):
    video, start, end, name, score = zip(*rows, strict=True)
    return {"video-id": list(video), "t-start": np.array(start), "t-end": np.array(end),
            "label": np.array([label(n) for n in name]), "score": np.array(score)}  # fmt: skip


def opentad(rows=ROWS, label=lambda name: name):
    found = {}
    for video, start, end, name, score in rows:
        found.setdefault(video, []).append({"segment": [start, end], "label": label(name), "score": score})
    return {"results": found}


def as_rows(spans):
    return list(zip(spans.videos, *spans.times.T.tolist(), spans.labels, spans.scores.tolist(), strict=True))


def saved(path, value):
    path.write_bytes(pickle.dumps(value) if path.suffix == ".pkl" else json.dumps(value).encode())
    return path


def test_every_form(tmp_path, truth):
    by_number = {"database": {v: [{"segment": e["segment"], "label_id": NUMBER[e["label"]], "scores": e["score"]}
                                  for e in own] for v, own in opentad()["results"].items()}}  # fmt: skip
    given = [
        saved(tmp_path / "opentad.json", opentad()),
        saved(tmp_path / "underscores.json", opentad(label=lambda n: n.replace(" ", "_").lower())),
        saved(tmp_path / "table.json", opentad(label=NUMBER.get)["results"]),
        saved(tmp_path / "actionformer.json", by_number),
        saved(tmp_path / "eval_results.pkl", columns(label=NUMBER.get)),
        saved(tmp_path / "names.pkl", columns()),
        columns(label=NUMBER.get),
        pd.DataFrame(columns(label=NUMBER.get)),
    ]
    pd.DataFrame(columns(label=NUMBER.get)).to_csv(tmp_path / "frame.csv")  # with the index as first column
    pd.DataFrame(columns()).to_csv(tmp_path / "names.csv", index=False)
    for form in [*given, tmp_path / "frame.csv", tmp_path / "names.csv"]:
        found = read_predictions(form, truth)
        assert as_rows(found.spans) == ROWS, form
        assert not found.left_out
        assert not found.notes


def test_written_file_is_read_back(tmp_path, truth):
    video, start, end, label, score = zip(*ROWS, strict=True)
    spans = Spans(video, label, np.stack([start, end], 1), np.array(score))
    write_predictions(tmp_path / "p.json", spans, ["a", "b", "c"], "mine")
    assert as_rows(read_predictions(tmp_path / "p.json", truth).spans) == ROWS
    assert json.loads((tmp_path / "p.json").read_text())["results"]["c"] == []


GOOD = {"segment": [0, 1], "label": "Diving", "score": 0.5}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({**GOOD, "segment": [3, 1]}, "ends .1. before it starts"),
        ({**GOOD, "segment": [3]}, "not two finite numbers"),
        ({**GOOD, "segment": [1, 2, 3]}, "not two finite numbers"),
        ({**GOOD, "segment": "1 2"}, "not two finite numbers"),
        ({**GOOD, "segment": [float("nan"), 2]}, "not two finite numbers"),
        ({**GOOD, "segment": [0, "2"]}, "not two finite numbers"),
        ({**GOOD, "segment": {"start": 0}}, "not two finite numbers"),
        ({**GOOD, "score": None}, "score is not a finite number"),
        ({**GOOD, "score": float("inf")}, "score is not a finite number"),
        ({**GOOD, "score": True}, "score is not a finite number"),
        ({**GOOD, "score": "0.5"}, "score is not a finite number"),
        ({**GOOD, "label": None}, "its label is 'None'"),
        ({**GOOD, "label": ["Diving"]}, "its label is"),
        ({"label": "Diving", "score": 1}, "not two finite numbers"),
        (None, "not two finite numbers"),
        ("text", "not two finite numbers"),
    ],
)
def test_bad_predictions_cost_themselves(tmp_path, truth, bad, said):
    path = saved(tmp_path / "p.json", {"results": {"a": [GOOD, bad]}})
    found = read_predictions(path, truth)
    assert len(found.spans) == 1
    assert found.left_out[0][:2] == ("a", "a, entry 2")
    assert "left out: 1 of 2" in found.notes[0]
    with pytest.raises(BenchError, match=f"none of its 1 predictions can be read.*{said}"):
        read_predictions(saved(path, {"results": {"a": [bad]}}), truth)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"results": {}}, "not a table of videos"),
        ({"results": {"a": {"segment": [0, 1]}}}, "not a table of videos"),
        ({"results": {"zzz": []}}, "has no predictions"),
        ([], "holds a list"),
        (3, "holds a int"),
        ({"database": {"a": {"subset": "test", "annotations": []}}}, "give it with --truth"),
        ({"video-id": ["a"], "t-start": [0]}, "no column t-end, label, score"),
        ({"video-id": ["a"], "t-start": [0], "t-end": [1], "label": [3], "score": [0.5, 0.4]}, "different lengths"),
        ({"video-id": "a", "t-start": [0], "t-end": [1], "label": [3], "score": [0.5]}, "video-id is no list"),
        ({"results": {"a": [{**GOOD, "label": "Running"}]}}, "labels .Running. are no classes"),
        ({"results": {"a": [{**GOOD, "label": 5}]}}, "labels .5. are no classes"),
        ({"results": {"zzz": [GOOD]}}, "none of its videos .zzz. is in subset test"),
        ({"results": {"t": [GOOD]}}, "none of its videos .1 of videos of other subsets. is in"),
    ],
)
def test_wrong_files(tmp_path, truth, value, said):
    with pytest.raises(BenchError, match=said):
        read_predictions(saved(tmp_path / "p.json", value), truth)


def test_files_of_other_kinds(tmp_path, truth):
    for name, data, said in [
        ("p.npy", b"", "files that end in"),
        ("p.json", b"{", "not a json file"),
        ("p.json", b'{"results": {"a": [], "a": []}}', "2 times"),
        ("p.json", b"\xff\xfe\x00", "cannot be read|not a json"),
        ("p.pkl", b"nothing", "not a"),
        ("p.pkl", pickle.dumps(Bomb(tmp_path / "ran")), "refused"),
        ("p.pkl", pickle.dumps(pd.DataFrame(columns())), "to_csv"),
        ("p.csv", b"video-id,t-start,t-end,label,score\na,1,2\n", "line 2: 3 cells"),
        ("p.csv", b"video-id,t-start,t-end,label,label,score\n", "a column twice"),
        ("p.csv", b"", "is empty"),
        ("missing.json", None, "no such"),
    ]:
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(BenchError, match=said):
            read_predictions(path, truth)
    assert not (tmp_path / "ran").exists()


def test_numbers_without_names(tmp_path, truth):
    bare = read_truth(tmp_path / "truth.json")
    object.__setattr__(bare, "numbers", {})
    with pytest.raises(BenchError, match="--classes FILE"):
        read_predictions(columns(label=NUMBER.get), bare)


def test_what_is_said(tmp_path, truth):
    rows = [*ROWS, ("t", 0.0, 1.0, "Diving", 0.5), ("z", 0.0, 1.0, "Diving", 0.5), ("a", 900.0, 990.0, "Diving", 0.5),
            ("a", 0.0, 1.0, "Sleeping", 0.5)]  # fmt: skip
    found = read_predictions(opentad(rows), truth)
    notes = "\n".join(found.notes)
    for said in ("videos of other subsets, left out: 1", "peers' code: 1 of 1 video (first: z)",
                 "end of their video: 1;", "left out: 1 (Sleeping)"):  # fmt: skip
        assert said in notes
    assert len(found.spans) == 5


def test_score(truth):
    perfect, half = read_predictions(opentad(), truth), read_predictions(opentad(ROWS[:1]), truth)
    scores, interval = score_all(truth, [(0, perfect), (1, half)])
    assert scores[0].figures["map"] == 1.0
    assert scores[1].figures["map"] == 0.5  # High Jump 1, Diving 0
    assert scores[1].missing == ["b"]
    assert 0.5 <= interval["map"][0] <= 0.75 <= interval["map"][1] <= 1.0
    rows = class_rows(truth, scores)
    assert [(r["class"], r["annotated"], r["predictions"], r["map"]) for r in rows] == [
        ("Diving", 2, "1", "0.5"), ("High Jump", 1, "1", "1"),
    ]  # fmt: skip
