"""Records, leaderboards and notes of strangers; results and benchmarks that have moved; runs that were killed."""

import copy
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_scores import CLASSES, SCORES, STILLS, VIDEOS, benchmark, dump, refused

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv, write_json
from evaluator.compare_methods import COLUMNS
from evaluator.records import LONGEST, read_record, version, write_record
from evaluator.reports import leaderboard
from evaluator.reports.board import board
from evaluator.reports.comparison import read_compared
from evaluator.reports.leaderboard import read_leaderboard
from evaluator.reports.report import report
from evaluator.results_folder import results_folder
from evaluator.runs import Found, compare_runs, find_records, find_rows, load_run, recompute
from evaluator.score import score
from evaluator.testsets import benchmark_set

ODD: list[Any] = [
    None,
    [],
    {},
    "",
    -1,
    True,
    1e400,
    float("nan"),
    "inf",
    "x" * 300,
    "x" * (LONGEST + 1),
    "\0",
    [[[]]],
    {"a": {"b": []}},
]


def world(base: Path) -> Path:
    """A results folder of two methods on SCUBA and SCUFO, alongside its benchmarks; there are no videos."""
    for kind in ("scuba", "scufo"):
        benchmark(base / "benchmarks" / kind, kind)
    for method, stills in (("baseline", SCORES), ("albar", STILLS)):
        files = [dump(base / f"{k}.json", t) for k, t in enumerate((SCORES, stills))]
        folders: list[Path | str] = [base / "benchmarks" / kind for kind in ("scuba", "scufo")]
        score(files, folders, base / "results", method=method, model="net")
    return base / "results"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world(tmp_path_factory.mktemp("world"))


def every_field(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value in nested tables and lists is."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inside:
        yield from every_field(entry, (*path, key))


def changed(record: dict[str, Any], path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    result = copy.deepcopy(record)
    place: Any = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return result


def uses(file: Path, found: Found) -> None:
    """Everything that reads a record."""
    rows = find_rows([file])
    board(rows)
    run = load_run(file, found=found)
    compare_runs(run, run, cluster=run.record.plain()["cluster"])
    assert rows


def test_every_odd_value_in_a_record_is_one_line_that_names_file_and_field(made: Path, tmp_path: Path) -> None:
    base = tmp_path / "copy"
    shutil.copytree(made.parent, base)
    file = next((base / "results" / "results").glob("*albar*.json"))
    record = json.loads(file.read_text())
    paths = [p for p in every_field(record) if not {"sampling", "versions"} & set(p[:1])]
    refusals, found = 0, Found()
    for path in paths:
        for value in ODD:
            file.write_text(json.dumps(changed(record, path, value)))
            try:
                uses(file, found)
            except BenchError as error:
                refusals += 1
                assert "\n" not in str(error) and file.name in str(error), (path, value, error)
                assert len(str(error)) < 1000
    assert refusals > len(paths) * 7  # most values fit no field
    for text in ("", "null", "[]", "{", '{"format": 1}', "[" * 100_000, '{"format": 1e400}', "\xff", "1" * 5000):
        file.write_text(text, encoding="latin-1")
        assert file.name in refused(lambda: read_record(file))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("figures", "avg_scuba", "percent"), None, "figures.avg_scuba.percent is None, not a number from 0 to 100"),
        (("figures", "avg_scuba", "percent"), 1e400, "figures.avg_scuba.percent is inf"),
        (("figures", "x"), {}, "a name in figures is 'x', not one of iid"),
        (("sets",), [], "sets is [], not a list that is not empty"),
        (("sets", 0, "digest"), 5, "sets[0].digest is 5, not text"),
        (("sets", 0, "name"), "scufo", "sets is 'scufo', not sets of different names"),
        (("sets", 1, "top1", "missing"), -1, "sets[1].top1.missing is -1, not a whole number from 0"),
        (("cluster",), "house", "cluster is 'house', not one of source"),
        (("per_class", "jump", "iid"), 3, "per_class.jump.iid is 3, not a table"),
        (("method",), ["a"], "method is ['a'], not text"),
        (("limit",), 0, "limit is 0, not a whole number from 1"),
        (("format",), 2, "has format 2, this version reads 1"),
    ],
)
def test_what_is_said_of_a_wrong_field(
    made: Path, tmp_path: Path, path: tuple[Any, ...], value: Any, said: str
) -> None:
    record = json.loads(next((made / "results").glob("*albar*.json")).read_text())
    (tmp_path / "r.json").write_text(json.dumps(changed(record, path, value)))
    assert f"r.json: {said}" in refused(lambda: read_record(tmp_path / "r.json"))


def test_a_record_is_written_as_it_was_read(made: Path, tmp_path: Path) -> None:
    """Byte for byte but for the version, with numbers as they stand and with what this version does not know."""
    document = json.loads(next((made / "results").glob("*albar*.json")).read_text())
    document |= {"news": {"a": [1, 1.0, None]}, "version": version()}
    document["sets"][0] |= {"since": "2", "folder": None}
    document["figures"]["avg_scuba"]["percent"] = 50
    write_json(tmp_path / "a.json", document)
    write_record(tmp_path / "b.json", read_record(tmp_path / "a.json"))
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "a.json").read_bytes()


def test_nothing_is_taken_for_another_type(made: Path, tmp_path: Path) -> None:
    record = json.loads(next((made / "results").glob("*albar*.json")).read_text())
    for path, values in (
        (("figures", "avg_scuba", "n"), ("4", True, 4.0, 4.5)),
        (("figures", "avg_scuba", "percent"), ("50", True, 101, -1)),
        (("limit",), ("4", True, 4.0)),
        (("sets", 0, "videos"), ("4", True, 4.0, -1)),
        (("method",), (5, False, None)),
        (("sets",), ({"0": record["sets"][0]}, "x")),
    ):
        for value in values:
            (tmp_path / "r.json").write_text(json.dumps(changed(record, path, value)))
            assert f"r.json: {path[0]}" in refused(lambda: read_record(tmp_path / "r.json")), (path, value)


def test_records_are_read_like_dictionaries_for_one_release_more(made: Path) -> None:
    file = next((made / "results").glob("*albar*.json"))
    with pytest.warns(DeprecationWarning, match="use its attributes"):
        assert read_record(file)["method"] == "albar"


@pytest.mark.parametrize("place", ["../../secret.csv", "/etc/passwd", "predictions/../../x.csv"])
def test_predictions_are_read_inside_the_results_folder_alone(made: Path, tmp_path: Path, place: str) -> None:
    base = tmp_path / "copy"
    shutil.copytree(made.parent, base)
    file = next((base / "results" / "results").glob("*albar*.json"))
    record = json.loads(file.read_text())
    file.write_text(json.dumps(changed(record, ("sets", 0, "predictions"), place)))
    assert "points outside" in refused(lambda: load_run(file))


def test_results_and_benchmarks_that_moved_together_are_found(made: Path, tmp_path: Path) -> None:
    base = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(made.parent, base)
    # The old place holds other benchmarks now: what counts is the digest.
    for kind in ("scuba", "scufo"):
        shutil.rmtree(made.parent / "benchmarks" / kind)
    try:
        page = report([base / "results"], tmp_path / "r.html", gallery=0).read_text()
        assert "albar" in page
        runs = [load_run(p) for p in find_records([base / "results"])]
        assert compare_runs(*runs)["contra_acc"].n == len(VIDEOS)
        assert len(find_rows([base / "results"])) == 2
    finally:
        for kind in ("scuba", "scufo"):
            shutil.copytree(base / "benchmarks" / kind, made.parent / "benchmarks" / kind)


def test_a_benchmark_that_moved_alone_is_named_or_found_by_its_digest(made: Path, tmp_path: Path) -> None:
    base = tmp_path / "w"
    shutil.copytree(made.parent, base)
    shutil.move(base / "benchmarks", tmp_path / "store")
    shutil.move(tmp_path / "store" / "scuba", tmp_path / "store" / "renamed")
    shutil.rmtree(made.parent / "benchmarks")
    records = find_records([base / "results"])
    try:
        message = refused(lambda: load_run(records[0]))
        assert "its benchmark scuba is not in" in message and "--benchmarks" in message
        for given in ([tmp_path / "store"], [tmp_path / "store/renamed", tmp_path / "store/scufo"]):
            run = load_run(records[0], given)
            assert [s.name for s in run.sets] == ["scuba", "scufo"]  # as the record calls them
            assert recompute(run).plain()["figures"] == run.record.plain()["figures"]
        assert report([base / "results"], tmp_path / "r.html", gallery=0, benchmarks=[tmp_path / "store"]).is_file()
        # In $BENCH_DATA/benchmarks they are found without a word.
        (tmp_path / "data").mkdir()
        shutil.move(tmp_path / "store", tmp_path / "data" / "benchmarks")
        shutil.move(tmp_path / "data/benchmarks/renamed", tmp_path / "data/benchmarks/scuba")
        assert load_run(records[0]).sets[0].labels
        assert "no such folder" in refused(lambda: Found([tmp_path / "nowhere"]))
    finally:
        shutil.copytree(tmp_path / "data" / "benchmarks", made.parent / "benchmarks")


def test_a_benchmark_that_changed_is_told(made: Path, tmp_path: Path) -> None:
    base = tmp_path / "w"
    shutil.copytree(made.parent, base)
    manifest = base / "benchmarks" / "scuba" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",test1,", ",test2,"))
    record = find_records([base / "results"])[0]
    data = json.loads(record.read_text())
    for described in data["sets"]:
        described["folder"] = str(base / "benchmarks" / described["name"])  # not the old place, which is unchanged
    record.write_text(json.dumps(data))
    assert "scuba" in refused(lambda: load_run(record)) and "has changed since" in refused(lambda: load_run(record))


def test_a_folder_of_bench_compare_and_its_results_are_read(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = tmp_path / "compare"
    shutil.copytree(made, compare / "results")
    (compare / "compare.csv").write_text("method,seeds\n")
    wanted = [p.name for p in find_records([made])]
    for place in (compare, compare / "results", compare / "results" / "results"):
        assert [p.name for p in find_records([place])] == wanted
        assert len(find_rows([place])) == 2
    monkeypatch.chdir(compare / "results" / "results")  # named from inside
    (here,) = find_records([Path(wanted[0])])
    assert load_run(here, [made.parent / "benchmarks"]).sets
    assert [p.name for p in find_records([Path()])] == wanted and len(find_rows([Path()])) == 2
    (compare / "results" / "results" / "._x.json").write_text("macOS leaves this")
    assert [p.name for p in find_records([compare, compare / "results"])] == wanted  # each once
    assert "no such file or folder" in refused(lambda: find_records([tmp_path / "nowhere"]))
    assert "holds no results" in refused(lambda: find_records([tmp_path]))


def test_nothing_absolute_is_needed(made: Path, tmp_path: Path) -> None:
    base = tmp_path / "w"
    shutil.copytree(made.parent, base)
    for record in find_records([base / "results"]):
        data = json.loads(record.read_text())
        for described in data["sets"]:
            assert described.pop("folder").startswith("/") and described["folder_relative"].startswith("../benchmarks/")
            assert not described["predictions"].startswith("/")
        record.write_text(json.dumps(data))
        assert load_run(record).sets


def test_a_killed_run_leaves_nothing_that_the_next_does_not_delete(made: Path, tmp_path: Path) -> None:
    base = tmp_path / "w"
    shutil.copytree(made.parent, base)
    out = base / "results"
    left = [out / ".tmp-a.csv", out / "predictions" / ".tmp-b.parquet", out / "results" / ".tmp-c.json"]
    others = [out / "deep" / ".tmp-d.csv", out / ".tmp-video.mp4"]  # not this program's places
    (out / "deep").mkdir()
    for path in (*left, *others):
        path.write_text("half")
    files = [base / "0.json", base / "1.json"]
    folders: list[Path | str] = [base / "benchmarks" / kind for kind in ("scuba", "scufo")]
    with results_folder(out):  # another run is at work
        left[0].write_text("being written")
        score(files, folders, out, method="a")
        assert left[0].exists()
    score(files, folders, out, method="a")
    assert not any(path.exists() for path in left) and all(path.exists() for path in others)


def test_names_that_no_reader_would_take_are_refused_before_they_are_written(made: Path, tmp_path: Path) -> None:
    base = tmp_path / "w"
    shutil.copytree(made.parent, base)
    folders: list[Path | str] = [base / "benchmarks" / kind for kind in ("scuba", "scufo")]
    files = [base / "0.json", base / "1.json"]
    assert "--method is 'xxx" in refused(lambda: score(files, folders, base / "new", method="x" * 5000))
    assert not (base / "new").exists()
    (base / "other").mkdir()
    (base / "other" / leaderboard.NAME).write_text("dear diary\n")
    assert "not a leaderboard" in refused(lambda: score(files, folders, base / "other"))
    assert [p.name for p in (base / "other").iterdir()] == [leaderboard.NAME]


def test_names_of_benchmarks_may_hold_any_sign() -> None:
    row = {"manifests": "x; y=0123456789ab; a=b=cdef01234567"}
    assert leaderboard.digests(row) == {"0123456789ab", "cdef01234567"}
    assert leaderboard.digests({"manifests": "published=published-hmdb51"}) == {"published-hmdb51"}


def _killed(base: Path, steps: int) -> None:
    """Score, and end at once before the file number ``steps`` gets its name."""
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        nonlocal steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, target)

    Path.replace = replace  # type: ignore[assignment,method-assign]
    benchmarks = [base / "benchmarks/scuba", base / "benchmarks/scufo"]
    score([base / "0.json", base / "1.json"], benchmarks, base / "out", method="killed")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_score_that_was_killed_anywhere_goes_on(made: Path, tmp_path: Path) -> None:
    base = tmp_path / "w"
    shutil.copytree(made.parent, base)
    for steps in range(5):
        process = multiprocessing.get_context("fork").Process(target=_killed, args=(base, steps))
        process.start()
        process.join()
        assert process.exitcode == (-signal.SIGKILL if steps < 4 else 0)
    assert not list((base / "out").rglob(".tmp-*"))
    assert len(read_leaderboard(base / "out" / leaderboard.NAME)) == 1
    assert recompute(load_run(find_records([base / "out"])[0])).plain()["figures"]


def test_a_note_of_odd_values_only_costs_the_predictions_it_is_of(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from evaluator.evaluate import Store

    s = benchmark(tmp_path / "scuba", "scuba")
    store = Store(tmp_path, s, "t", ".csv", {"checkpoint_sha256": "a", "protocol": {"x": [1, 2]}})
    store.write([(i, label, np.array(SCORES[i], np.float32)) for i, label in VIDEOS], {})
    assert store.done()
    note = json.loads(store.note.read_text())
    for path in every_field(note):
        for value in ODD:
            store.note.write_text(json.dumps(changed(note, path, value)))
            assert store.done() in (True, False)
            if path in ((), ("checkpoint_sha256",), ("protocol",), ("digest",), ("csv_sha256",)):
                assert not store.done()
    store.note.write_text("{")
    assert "note of predictions" in refused(store.done)
    assert benchmark_set(tmp_path / "scuba").classes == CLASSES


@pytest.mark.parametrize("value", ["nan", "inf", "-3", "x", "1e400", "[]", "250"])
def test_odd_cells_of_a_comparison_are_named(tmp_path: Path, value: str) -> None:
    path = tmp_path / "compare.csv"
    for column in ("seeds", "iid_mean", "iid_sd") if value != "250" else ("iid_mean", "iid_sd"):
        write_csv(path, COLUMNS, [{"method": "a", "seeds": "3", column: value}])
        assert f"compare.csv, line 2: {column} is '{value}'" in refused(lambda: read_compared(path))
    write_csv(path, COLUMNS, [{"method": "a", "seeds": "3", "iid_mean": "50.0"}])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_compared(path)[0]["iid_mean"] == "50.0"


def test_class_names_are_read_with_a_mark_and_in_any_letters(tmp_path: Path) -> None:
    from evaluator.models.base import ModelOptions, ScoredModel, apply_options

    (tmp_path / "c.txt").write_bytes("caf\u00e9\r\n\r\nrun fast  \r\n".encode("utf-8-sig"))
    model = ScoredModel(
        source="m", kind="weights", method="m", model="m", digest="d", sampling=None, network=lambda device: None,  # type: ignore[arg-type,return-value]
    )  # fmt: skip
    named = apply_options(model, ModelOptions(classes=tmp_path / "c.txt"))
    assert named.classes == ["caf\u00e9", "run fast"]
    assert named.columns(["cafe\u0301", "run fast"], "b") == [0, 1]
    assert named.columns(["Run_Fast", "Caf\u00e9"], "b") == [1, 0]
    assert "no such list of class names" in refused(
        lambda: apply_options(model, ModelOptions(classes=tmp_path / "gone.txt"))
    )


def test_the_page_escapes_names_everywhere(made: Path, tmp_path: Path) -> None:
    base = tmp_path / "w"
    shutil.copytree(made.parent, base)
    hostile = """"><script>alert('x')</script><img src=x onerror="alert(1)">{{ 7 * 191 }}</style>"""
    record = find_records([base / "results"])[0]
    data = json.loads(record.read_text())
    data |= {"method": hostile, "model": hostile, "checkpoint": hostile, "protocol": hostile}
    data["versions"], data["sampling"] = {hostile: hostile}, {hostile: hostile}
    data["per_class"] = {hostile: {"avg_scuba": {"percent": 1.0, "n": 1}}}
    for described in data["sets"]:
        described |= {"built_by": hostile, "backgrounds": hostile, "split": hostile}
        described["confusion"] = [
            {"mover": hostile, "donor": hostile, "said_mover": 1, "said_donor": 1, "said_other": 0}
        ]
    record.write_text(json.dumps(data))
    page = report([base / "results"], tmp_path / "r.html", gallery=0, title=hostile).read_text()
    assert "<script>alert" not in page and "<img" not in page and "1337" not in page
    assert page.count("</style>") == 1 and page.count("</script>") == 1
    assert "&lt;script&gt;alert" in page
