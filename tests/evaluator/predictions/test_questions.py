"""Questions for video language models: their options, the files of the harnesses, and what is read in answers."""

import ast
import csv
import importlib.util
import json
import math
import shutil
import sys
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import yaml
from small_builds import QUIET
from small_scores import benchmark, refused
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.benchmark.questions import ask, export_questions, name_likeness, read_confusions
from benchmark_builder.builders import build_conflfg, build_scuba, build_scufo
from benchmark_builder.settings import SynthSettings
from benchmark_builder.synthactions import render_dataset
from evaluator.predictions.questions import option_of, read_questions
from evaluator.reports.leaderboard import read_leaderboard
from evaluator.reports.reference import reference_row
from evaluator.score import score
from evaluator.testsets import TestSet, benchmark_set


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SCUBA, SCUFO and ConflFG of a tiny synthactions, and the questions about them: qa-scuba, …"""
    base = tmp_path_factory.mktemp("qa")
    render_dataset(base / "root", SynthSettings(train=8, test=16, frames=4, size=32), progress=False)
    build_scuba("synthactions", base / "root", "test", out=base / "scuba", run=QUIET, per_video=1)
    build_scufo(base / "scuba", out=base / "scufo", run=QUIET)
    build_conflfg(base / "scuba", out=base / "conflfg", run=QUIET)
    for kind in ("scuba", "scufo", "conflfg"):
        export_questions(base / kind, base / f"qa-{kind}")
    return base


def docs(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]


Choose = Callable[[dict[str, Any]], str]
RIGHT: Choose = lambda doc: doc["answer"]  # noqa: E731
DONOR: Choose = lambda doc: doc["donor"]  # noqa: E731
FIRST: Choose = lambda doc: "A"  # noqa: E731


# Every file of answers: what a model says is given by the letter that `choose` picks.
def lmms(path: Path, folder: Path, choose: Choose) -> Path:
    """As lmms-eval stores samples: the document is left out, `accuracy` is what process_results returned."""
    utils = load(folder / "lmms_eval/utils.py")
    rows = []
    for doc in docs(folder):
        text = f"{choose(doc)}."
        rows.append({
            "doc_id": doc["index"], "target": doc["answer"], "filtered_resps": [text], "doc_hash": "x",
            "input": utils.doc_to_text(doc), "submission": None, **utils.process_results(doc, [text]),
        })  # fmt: skip
    path = path / "20261125_samples_albar.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    return path


def lmms_without_id(path: Path, folder: Path, choose: Choose) -> Path:
    """Only `doc_id` says which question it is."""
    path = lmms(path, folder, choose)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, "accuracy": 1.0}) + "\n" for row in rows))
    return path


def tsv(folder: Path) -> pd.DataFrame:
    (found,) = (folder / "vlmevalkit").glob("*.tsv")
    return pd.read_csv(found, sep="\t")


def vlmevalkit(path: Path, folder: Path, choose: Choose, suffix: str = ".xlsx") -> Path:
    by_id = {doc["id"]: doc for doc in docs(folder)}
    frame = tsv(folder).sample(frac=1, random_state=1)
    frame["prediction"] = [f"({choose(by_id[i])})" for i in frame["id"]]
    path = path / f"Qwen_albar{suffix}"
    if suffix == ".xlsx":
        frame.to_excel(path, index=False)
    elif suffix == ".json":
        path.write_text(frame.to_json(orient="records"))
    else:
        frame.to_csv(path, sep="\t", index=False)
    return path


def texts(path: Path, folder: Path, choose: Choose) -> Path:
    """A table of whole sentences."""
    with (path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["pred", "id"])
        for doc in docs(folder):
            text = doc["options"]["ABCDE".index(choose(doc))]
            writer.writerow([f'In the video, a person is "{text}", I think.', doc["id"]])
    return path / "a.csv"


def by_id(path: Path, folder: Path, choose: Choose) -> Path:
    (path / "a.json").write_text(json.dumps({doc["video"]: choose(doc).lower() for doc in docs(folder)}))
    return path / "a.json"


def class_names(path: Path, folder: Path, choose: Choose) -> Path:
    said = {doc["id"]: doc["classes"]["ABCDE".index(choose(doc))] for doc in docs(folder)}
    (path / "c.json").write_text(json.dumps(said))
    return path / "c.json"


FORMS: dict[str, Callable[[Path, Path, Choose], Path]] = {
    "lmms-eval": lmms,
    "lmms-eval without ids": lmms_without_id,
    "VLMEvalKit xlsx": vlmevalkit,
    "VLMEvalKit tsv": lambda p, f, c: vlmevalkit(p, f, c, ".tsv"),
    "VLMEvalKit json": lambda p, f, c: vlmevalkit(p, f, c, ".json"),
    "sentences": texts,
    "names of classes": class_names,
    "JSON file: letter": by_id,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_model_that_says_the_donor_scores_0_and_100_percent_donor(built: Path, tmp_path: Path, form: str) -> None:
    folder = built / "qa-conflfg"
    for choose, right, donor in ((RIGHT, 100.0, 0.0), (DONOR, 0.0, 100.0)):
        path = FORMS[form](tmp_path, folder, choose)
        record = score([path], [built / "conflfg"], questions=[folder]).record
        assert {k: f.percent for k, f in record.figures.items()} == {"conflfg": right, "conflfg_donor": donor}
        assert record.protocol == "qa-5" and record.figures["conflfg"].n == len(docs(folder))
        assert any("chance 20.00 %" in note and "Dice" in note for note in record.notes)


def test_always_the_first_letter_gives_the_share_of_right_first_options(built: Path, tmp_path: Path) -> None:
    found = docs(built / "qa-scuba")
    path = by_id(tmp_path, built / "qa-scuba", FIRST)
    record = score([path], [built / "scuba"], tmp_path / "out", questions=[built / "qa-scuba"]).record
    wanted = 100 * sum(doc["answer"] == "A" for doc in found) / len(found)
    assert record.figures["avg_scuba"].percent == wanted
    (row,) = read_leaderboard(tmp_path / "out/leaderboard.csv")
    assert row["protocol"] == "qa-5"


def test_contrasted_accuracy_of_answers(built: Path, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    files = [by_id(tmp_path, built / "qa-scuba", RIGHT), by_id(tmp_path / "s", built / "qa-scufo", FIRST)]
    folders = [built / "qa-scuba", built / "qa-scufo"]
    record = score(files, [built / "scuba", built / "scufo"], questions=folders).record
    first = 100 * sum(doc["answer"] == "A" for doc in docs(folders[1])) / len(docs(folders[1]))
    assert record.figures["contra_acc"].percent == pytest.approx(100 - first, abs=1e-9)
    # A SCUFO video has the options of its SCUBA video in the same order.
    assert [(d["id"], d["options"]) for d in docs(folders[0])] == [(d["id"], d["options"]) for d in docs(folders[1])]


def test_unread_answers_count_as_wrong_and_are_listed_with_their_text(built: Path, tmp_path: Path) -> None:
    folder = built / "qa-conflfg"
    found = docs(folder)
    said = {d["id"]: d["answer"] if k % 2 else "I cannot tell." for k, d in enumerate(found)}
    (tmp_path / "a.json").write_text(json.dumps(said))
    lines: list[str] = []
    scored = score([tmp_path / "a.json"], [built / "conflfg"], tmp_path / "out", lines.append, questions=[folder])
    n = len(found)
    (entry,) = scored.record.sets
    assert entry.unread == math.ceil(n / 2) and entry.top1.percent == pytest.approx(100 * (n // 2) / n)
    assert entry.top1_read is not None and entry.top1_read.percent == 100.0
    assert any(f"{entry.unread} of {n} answers are no class and count as wrong" in line for line in lines)
    left = pd.read_csv(scored.slices[-1])
    assert set(left["answer"]) == {"I cannot tell."} and len(left) == entry.unread
    # An answer that is not there is another thing: it is missing.
    said.popitem()
    (tmp_path / "a.json").write_text(json.dumps(said))
    assert "no row for" in refused(lambda: score([tmp_path / "a.json"], [built / "conflfg"], questions=[folder]))
    again = score([tmp_path / "a.json"], [built / "conflfg"], questions=[folder], allow_missing=True).record
    assert again.figures["conflfg"].missing == 1


@pytest.mark.parametrize("text", ["Failed to obtain answer via API.", "failed to obtain answer"])
def test_a_question_that_vlmevalkit_got_no_answer_to_is_missing(built: Path, tmp_path: Path, text: str) -> None:
    folder = built / "qa-conflfg"
    found = docs(folder)
    file = vlmevalkit(tmp_path, folder, lambda d: d["answer"])
    frame = pd.read_excel(file)
    lost = sorted(frame["id"][:2])
    frame.loc[:1, "prediction"] = text
    frame.to_excel(file, index=False)
    said = refused(lambda: score([file], [built / "conflfg"], questions=[folder]))
    assert f"VLMEvalKit got no answer from the model ({text!r}) to 2 of {len(found)} questions: {lost[0]}, " in said
    assert "--allow-missing" in said
    lines: list[str] = []
    options = {"questions": [folder], "allow_missing": True}
    scored = score([file], [built / "conflfg"], tmp_path / "out", lines.append, **options)
    figure = scored.record.figures["conflfg"]
    assert (figure.percent, figure.n, figure.missing) == (100.0, len(found) - 2, 2)
    assert scored.record.sets[0].unread is None
    assert any(f"got no answer to 2 questions, counted as missing: {lost[0]}, {lost[1]}" in line for line in lines)
    left = pd.read_csv(scored.slices[-1])
    assert list(left["id"]) == lost and set(left["reason"]) == {"not predicted"}
    frame["prediction"] = text
    frame.to_excel(file, index=False)
    assert "check its log" in refused(lambda: score([file], [built / "conflfg"], **options))


def test_how_classes_are_written_says_nothing_of_questions(built: Path, tmp_path: Path) -> None:
    file = texts(tmp_path, built / "qa-conflfg", lambda d: d["answer"])
    said = refused(lambda: score([file], [built / "conflfg"], questions=[built / "qa-conflfg"], answers="names"))
    assert said.startswith("--answers names and --questions do not go together")


# What is exported -------------------------------------------------------------------------------------------------


def load(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_task_of_lmms_eval_works_in_a_moved_folder(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(built / "qa-conflfg", folder)
    utils = load(folder / "lmms_eval/utils.py")

    class Loader(yaml.SafeLoader):
        pass

    # As lmms-eval does: `!function utils.name` is a function of the module alongside.
    Loader.add_constructor("!function", lambda _, node: getattr(utils, node.value.split(".")[1]))
    task = yaml.load((folder / "lmms_eval/albar_bench_conflfg.yaml").read_text(), Loader)
    assert task["task"] == "albar_bench_conflfg" and task["dataset_path"] == "json"
    assert task["output_type"] == "generate_until" and task["test_split"] == "test"
    path = folder / "lmms_eval" / task["dataset_kwargs"]["data_files"]["test"]
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert found == docs(built / "qa-conflfg")
    for doc in found:
        (video,) = task["doc_to_visual"](doc)
        assert Path(video).is_file() and Path(video).is_relative_to(folder)
        text = task["doc_to_text"](doc, task["lmms_eval_specific_kwargs"]["default"])
        assert text.startswith("Which action is performed in this video?\nA. ") and "\nE. " in text
        assert text.endswith("\nAnswer with the letter of the right option only.")
        assert task["doc_to_target"](doc) == doc["answer"]
    results = [task["process_results"](doc, [doc["answer"]])["accuracy"] for doc in found]
    (metric,) = task["metric_list"]
    assert metric["metric"] == "accuracy" and metric["aggregation"](results) == 1.0
    (wrong,) = [task["process_results"](found[0], ["A person waves"])["accuracy"]]
    assert (wrong["letter"], wrong["right"]) == ("", 0.0)


def test_the_table_of_vlmevalkit_and_its_dataset_class(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(built / "qa-conflfg", folder)
    frame = tsv(folder)
    assert list(frame) == ["index", "id", "video", "video_path", "question", "candidates", *"ABCDE", "answer"]
    assert frame["index"].tolist() == list(range(len(frame)))
    for _, row in frame.iterrows():
        assert (folder / "videos" / f"{row['video']}.mp4").is_file()
        assert (folder / "vlmevalkit" / row["video_path"]).is_file()
        assert ast.literal_eval(row["candidates"]) == [f"{c}. {row[c]}" for c in "ABCDE"]
    assert frame["answer"].tolist() == [doc["answer"] for doc in docs(folder)]

    class Base:  # what VLMEvalKit's VideoBaseDataset does with a dataset
        def __init__(self, dataset: str, nframe: int = 0, fps: float = -1) -> None:
            if (fps > 0) == (nframe > 0):
                raise ValueError("fps and nframe should not be set at the same time, but one of them")
            self.nframe, self.fps = nframe, fps
            told = self.prepare_dataset(dataset)  # type: ignore[attr-defined]
            self.data_root, self.data_file = told["root"], told["data_file"]
            self.data = pd.read_csv(told["data_file"], sep="\t")

        def save_video_frames(self, video: str) -> list[str]:
            return [f"{video}-1.jpg"]

    modules = {name: types.ModuleType(name) for name in ("vlmeval", "vlmeval.dataset", "vlmeval.dataset.video_base")}
    modules["vlmeval.dataset.video_base"].VideoBaseDataset = Base  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        name = "albar_bench_conflfg_dataset"
        kind = load(folder / f"vlmevalkit/{name}.py").AlbarBench_conflfg
        made = kind(dataset=kind.supported_datasets()[0])  # as `run.py --data NAME` builds it
        assert kind(nframe=16).nframe == 16 and kind(fps=2).fps == 2
    video, text = made.build_prompt(0, True)
    assert Path(video["value"]).is_file() and "\nE. " in text["value"] and "\nF. " not in text["value"]
    assert made.build_prompt(0, False)[0]["type"] == "image"


def test_options_hold_the_right_class_once_the_donor_and_the_nearest(built: Path) -> None:
    b = read_benchmark(built / "conflfg")
    for doc in docs(built / "qa-conflfg"):
        row = b.by_id[doc["id"]]
        assert doc["classes"]["ABCDE".index(doc["answer"])] == row.class_name
        assert row.donor_label is not None
        assert doc["classes"]["ABCDE".index(doc["donor"])] == b.classes[row.donor_label]
        assert len(set(doc["options"])) == 5
    assert all(doc["donor"] == "" for doc in docs(built / "qa-scuba"))
    # No name of a file shows the class.
    assert all(b.by_id[d["id"]].class_name not in d["video"] for d in docs(built / "qa-conflfg"))
    record = json.loads((built / "qa-scuba/qa.json").read_text())
    assert record["wrong_options"].startswith("names: Dice coefficient of letter triples")


def test_the_right_letter_is_spread_evenly_and_the_seed_decides(tmp_path: Path) -> None:
    videos = [(f"v{k}", k % 6) for k in range(600)]
    s = benchmark(tmp_path / "b", "scuba", videos=videos, classes=[f"class {c}" for c in "abcdef"])
    assert s.benchmark is not None
    phrases = s.classes
    rows = {row.id: row for row in s.benchmark.rows}
    found = {
        seed: [ask(0, rows[i], name_likeness(phrases), phrases, 5, seed, False) for i, _ in videos]
        for seed in (0, 0, 1)
    }
    counts = Counter(q.answer for q in found[0])
    # A letter has 600/5 = 120 expected with a standard deviation of sqrt(600 * 0.2 * 0.8) = 9.8; five of them is 49.
    assert set(counts) == set("ABCDE") and all(abs(n - 120) < 49 for n in counts.values())
    assert [q.classes for q in found[0]] != [q.classes for q in found[1]]
    # One video's options do not depend on the others.
    assert ask(7, rows["v5"], name_likeness(phrases), phrases, 5, 0, False).classes == found[0][5].classes


def test_nearest_classes_by_name_and_by_confusions(tmp_path: Path) -> None:
    names = ["playing guitar", "playing flute", "waving", "running"]
    near = name_likeness(names)
    # {" pl", "pla", …, "ar "} has 14 triples, the flute 13; they share " pl" to "ng " (7): 14/27.
    assert near[0, 1] == pytest.approx(14 / 27) and near[0, 0] == 1.0 and (near == near.T).all()
    assert near[0].argsort()[::-1].tolist()[:2] == [0, 1]
    path = tmp_path / "c.csv"
    path.write_text(
        "pred,count,label\nwaving,5,Playing_Guitar\nrunning,7,playing guitar\nplaying guitar,90,playing guitar\n"
    )
    counts = read_confusions(path, names)
    assert counts[0].tolist() == [0, 0, 5, 7]
    for separator in ";\t":
        path.write_text(separator.join(["label", "pred", "count\nwaving", "running", "3\n"]))
        assert read_confusions(path, names)[2].tolist() == [0, 0, 0, 3]
    path.write_text("," + ",".join(names) + "\n" + "".join(f"{n},1,2,3,4\n" for n in names))
    assert read_confusions(path, names)[2].tolist() == [1, 2, 0, 4]
    bad = {
        "label,pred,count\nwaving,swimming,1\n": "line 2: 'swimming' is no class",
        "label,pred,count\nwaving,running,-1\n": "line 2: '-1' is not a whole number",
        "label,pred,count\nwaving,running\n": "line 2: 2 cells under 3 columns",
        ",waving,running\nwaving,1,2\nrunning,1,2\n": "are not the 4 classes",
        "label,pred,count,label\nwaving,running,1,running\n": "has the column 'label' twice",
    }
    for text, message in bad.items():
        path.write_text(text)
        assert message in refused(lambda: read_confusions(path, names))


def test_a_second_export_keeps_what_is_there_and_mends_what_is_not(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "q"
    first = export_questions(built / "conflfg", out, options=3, seed=1)
    before = {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    next(out.rglob("*.mp4")).unlink()
    assert export_questions(built / "conflfg", out, options=3, seed=1).questions == first.questions
    assert {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    said = refused(lambda: export_questions(built / "conflfg", out, options=4, seed=1))
    assert "holds other questions (options differ)" in said
    assert "is not empty" in refused(lambda: export_questions(built / "conflfg", built / "scuba"))
    assert "has 8 classes" in refused(lambda: export_questions(built / "scuba", tmp_path / "x", options=9))
    assert "--question" in refused(lambda: export_questions(built / "scuba", tmp_path / "x", question=" "))
    assert "--options 1" in refused(lambda: export_questions(built / "scuba", tmp_path / "x", options=1))
    # One video that was changed costs only its own question.
    shutil.copytree(built / "scuba", tmp_path / "s")
    row = read_benchmark(tmp_path / "s").rows[0]
    (tmp_path / "s" / row.file).write_bytes(b"changed")
    made = export_questions(tmp_path / "s", tmp_path / "y")
    assert [f["id"] for f in made.failed] == [row.id] and len(made.questions) == 15
    assert row.id in (tmp_path / "y/failures.csv").read_text()


def test_the_commands(built: Path, tmp_path: Path) -> None:
    run = CliRunner(env={"COLUMNS": "200"})
    out = tmp_path / "q"
    done = run.invoke(app, ["export", str(built / "conflfg"), "--layout", "qa", "--out", str(out), "--options", "4"])
    assert done.exit_code == 0 and "questions with 4 options (chance 25.00 %)" in done.output
    path = by_id(tmp_path, out, DONOR)
    words = ["score", str(path), "--benchmark", str(built / "conflfg"), "--questions", str(out)]
    assert "conflfg_donor 100.00" in run.invoke(app, words).output
    assert "--options: is for --layout qa only" in str(
        run.invoke(app, ["export", str(built / "scuba"), "--out", str(tmp_path / "z"), "--options", "4"]).exception
    )
    frames = ["export", str(built / "scuba"), "--layout", "frames", "--out", str(tmp_path / "f")]
    assert run.invoke(app, frames).exit_code == 0
    again = run.invoke(app, ["export", str(tmp_path / "f"), "--layout", "qa", "--out", str(tmp_path / "g")])
    assert "are stored as frames" in str(again.exception) and "--layout video" in str(again.exception)


# What is refused --------------------------------------------------------------------------------------------------


def test_answers_that_do_not_belong_to_the_questions_are_refused(built: Path, tmp_path: Path) -> None:
    folder, home = built / "qa-conflfg", built / "conflfg"
    found = docs(folder)

    def said(value: Any, name: str = "a.json", **options: Any) -> str:
        path = tmp_path / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return refused(lambda: score([path], [home], **{"questions": [folder], **options}))

    good = [{"id": d["id"], "pred": "A"} for d in found]
    assert "is answered twice with different answers" in said([*good, {**good[0], "pred": "B"}])
    assert "'nobody' is none of the 16 questions" in said([*good, {"id": "nobody", "pred": "A"}])
    assert "has no answer, only 'id'" in said([{"id": "x"}])
    assert "names no video" in said([{"pred": "A"}])
    assert "is a dict" in said([{"id": found[0]["id"], "pred": {"a": 1}}])
    assert "is a list" in said([{"id": found[0]["id"], "pred": ["A", "B"]}])
    sample = {"doc_id": 0, "target": "A" if found[0]["answer"] != "A" else "B", "filtered_resps": ["A"]}
    assert "right answer for" in said(json.dumps(sample), "s.jsonl")
    assert "99 is none of the 16" in said(json.dumps({**sample, "doc_id": 99}), "s.jsonl")
    assert "'x' is not the number" in said(json.dumps({**sample, "doc_id": "x"}), "s.jsonl")
    assert "has no columns id and pred" in said("a,b\n1,2\n", "a.csv")
    assert "unknown kind of answers" in said("x", "a.pkl")
    assert "no such" in refused(lambda: score([tmp_path / "gone.xlsx"], [home], questions=[folder]))
    assert "another build than conflfg" in said(good, questions=[built / "qa-scuba"])
    assert "qa.json" in said(good, questions=[tmp_path])
    assert "2 folders of questions for 1 file of answers" in said(good, questions=[folder, folder])
    assert "do not go together" in said(good, lists=[tmp_path / "l"])
    # Without the questions, letters are no classes, and it is said what is lacking.
    assert "need --questions" in said(good, questions=())
    other = tmp_path / "copy"
    shutil.copytree(folder, other)
    text = (other / "questions.jsonl").read_text()
    (other / "questions.jsonl").write_text(text.replace('"index": 3', '"index": 4'))
    assert "line 4: is damaged" in said(good, questions=[other])
    book = openpyxl.Workbook()
    book.active.append(["index", "question", "A", "B", "answer", "prediction"])
    book.active.append([0, "?", "x", "y", found[0]["answer"], "A"])
    book.save(tmp_path / "b.xlsx")
    assert "its options or right answer" in refused(lambda: score([tmp_path / "b.xlsx"], [home], questions=[folder]))


def test_options_that_pandas_reads_as_empty_are_the_same(built: Path, tmp_path: Path) -> None:
    """VLMEvalKit stores an option called "none" as an empty cell."""
    folder = built / "qa-conflfg"
    frame = tsv(folder)
    frame["prediction"] = frame["answer"]
    home = built / "conflfg"

    def write(name: str) -> Path:
        frame.to_csv(tmp_path / name, sep="\t", index=False)
        return tmp_path / name

    other = frame.loc[0, "C"]
    frame.loc[0, "C"] = None
    assert score([write("a.tsv")], [home], questions=[folder]).record.figures["conflfg"].percent == 100.0
    frame.loc[0, "C"] = f"{other} too"
    assert "its options or right answer" in refused(lambda: score([write("b.tsv")], [home], questions=[folder]))
    del frame["E"]
    frame.loc[0, "C"] = other
    assert "its options or right answer" in refused(lambda: score([write("c.tsv")], [home], questions=[folder]))


def test_chance_is_one_among_the_options(built: Path, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    files = [by_id(tmp_path, built / "qa-scuba", RIGHT), by_id(tmp_path / "s", built / "qa-scufo", RIGHT)]
    score(files, [built / "scuba", built / "scufo"], tmp_path / "o", questions=[built / "qa-scuba", built / "qa-scufo"])
    rows = read_leaderboard(tmp_path / "o/leaderboard.csv")
    assert float(rows[0]["chance"]) == 20.0
    guess = reference_row(rows[0])
    assert guess is not None
    assert float(guess["avg_scufo"]) == 20.0 and float(guess["contra_acc"]) == 80.0


def test_questions_with_other_numbers_of_options_are_not_mixed(built: Path, tmp_path: Path) -> None:
    export_questions(built / "scufo", tmp_path / "q", options=4)
    (tmp_path / "s").mkdir()
    files = [by_id(tmp_path, built / "qa-scuba", RIGHT), by_id(tmp_path / "s", tmp_path / "q", RIGHT)]
    said = refused(
        lambda: score(files, [built / "scuba", built / "scufo"], questions=[built / "qa-scuba", tmp_path / "q"])
    )
    assert "have 4 and 5 options" in said


def test_the_questions_are_read_whole(built: Path) -> None:
    s: TestSet = benchmark_set(built / "conflfg")
    found = read_questions(built / "qa-conflfg", s)
    assert found.choices == 5 and [q.id for q in found.asked] == sorted(s.labels)
    assert read_questions(built / "qa-conflfg/questions.jsonl", s).digest == found.digest


# Answer texts -----------------------------------------------------------------------------------------------------

OPTIONS = ["waving", "jumping", "jumping jacks", "drawing a sword", "clapping"]
TEXTS: dict[str, int | None] = {
    "B": 1, "b": 1, "(B)": 1, "B.": 1, " **B** ": 1, "[E]": 4, "B)": 1, "'C'": 2, "F": None, "": None,
    "  ": None, "?": None,
    "jumping": 1, "Jumping Jacks.": 2, "C. jumping jacks": 2, "D drawing a sword": 3, "DRAWING-A-SWORD": 3,
    "B. jumping, since the feet leave the floor": 1, "(D) The person draws a weapon": 3, "E: clapping": 4,
    "The answer is (C).": 2, "The correct answer is: **D**": 3, "Answer: B": 1, "answer: b": 1,
    "Final answer: option E": 4,
    "I would choose option D here.": 3, "It must be (A), I believe": 0,
    "A person is waving.": 0, "A person is dancing.": None, "Answer: A person is clapping.": 4,
    "The person in the video is drawing a sword from its sheath.": 3,
    "He is doing jumping jacks": 2, "jumping and waving": None, "either A or B": None, "(A) or (B)": None,
    "The person is not waving but clapping.": 4, "It isn't jumping; she is clapping": 4, "not waving": None,
    "B. waving": None, "The answer is B because of the jump": 1, "Answer: E, the hands are clapping": 4,
    "<think>waving? A? jumping?</think>\nE": 4, "<think>it could be A or B": None,
    "Some words. <answer>C</answer>": 2, "so $\\boxed{D}$": 3, "B\nThe feet leave the floor.": 1,
    "I cannot see a video.": None, "waving waving": 0, "Failed to obtain answer via API.": None, "None of these": None,
    "It isn't jumping, it's clapping": 4, "neither waving nor jumping": None, "option A is right": 0,
    "Option A: waving": 0, "clap": None, "unwaving": None,
    # Templates that open <think> in the prompt, special tokens, LaTeX, full-width letters.
    "waving? A?</think>\n\nE": 4, "B</s>": 1, "B<|im_end|>": 1,
    r"\boxed{\text{D}}": 3, "Ｂ": 1, "答案：B": 1, "答案是C": 2,
    "I think it's B.": 1, "Sure! B": 1, "The best option is C": 2, "D is correct": 3, "A is the right answer.": 0,
    "I would choose D": 3, "Assistant: E": 4, "the option is a wave": None, "Answer: a": 0,
    "A, B": None, "A/B": None, "A and B": None, "Both A and C": None, "answer: A or B": None, "B\nC": None,
    "B. jumping\nC. jumping jacks": None, "A) waving B) jumping": None, "B is wrong, C is correct": None,
    "A. waving\nB. jumping\nC. jumping jacks\nAnswer: C": 2,
    "It's not option B": None, "I don't think it is option B": None, "not A but B": 1, "B, not A": 1,
    "The answer can't be A, so B": 1, "Neither A nor B": None, "A man walks": None,
}  # fmt: skip


def test_a_letter_that_is_the_text_of_another_option_is_no_choice() -> None:
    alphabet = ["d", "b", "a", "none"]
    found = {text: option_of(text, alphabet) for text in ("B", "b.", "A", "D", "d", "C", "C. a", "none")}
    # Capitals are letters, as was asked; "d" can be the first option or the fourth.
    assert found == {"B": 1, "b.": 1, "A": 0, "D": 3, "d": None, "C": 2, "C. a": 2, "none": 3}
    assert option_of("B", ["x", "y", "B"]) is None


@pytest.mark.parametrize("text", TEXTS)
def test_the_option_in_an_answer(text: str) -> None:
    assert option_of(text, OPTIONS) == TEXTS[text]
