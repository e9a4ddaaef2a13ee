"""Scoring the videos that a list of ids names."""

import json
from pathlib import Path

from small_world import (
    World,
    refused,
    world,  # noqa: F401
)

import albar_bench as ab
from evaluator.records import read_record
from evaluator.reports.report import report
from evaluator.runs import load_run, recompute
from evaluator.score import score

IDS = ["Archery/v_Archery_g01_c01", "Basketball/v_Basketball_g01_c01"]


def listed(world: World, *more: str) -> str:
    path = world.base / "splits.json"
    path.write_text(json.dumps({"debiased": [*IDS, *more]}))
    return f"{path}:debiased"


def test_only_named_videos_are_scored_and_recorded(world: World, tmp_path: Path) -> None:
    whole = world.run("whole")
    record = world.run(subset=listed(world, "gone"))
    assert [(s["name"], s["videos"]) for s in record["sets"]] == [
        ("ucf101-iid", 2), ("scuba", 4), ("scufo", 4), ("shaken", 4), ("conflfg", 4),
    ]  # fmt: skip
    assert record["subset"]["ids"] == IDS and record["subset"]["unknown"] == ["gone"]
    assert record["subset"]["name"] == "debiased" and record["figures"]["contra_acc"]["n"] == 4
    assert {s["digest"] for s in record["sets"]}.isdisjoint(s["digest"] for s in whole["sets"])
    run = load_run(Path(record["record"]))
    page = report([Path(record["record"])], tmp_path / "r.html", gallery=0).read_text()
    assert "splits.json:debiased (2 source videos, 1 unknown id, " in page
    assert {name: f.plain() for name, f in recompute(run).figures.items()} == record["figures"]
    # The same figures from the predictions of all videos.
    names = ("ucf101-iid", "scuba", "scufo")
    files = [world.base / "whole" / next(s["predictions"] for s in whole["sets"] if s["name"] == n) for n in names]
    said: list[str] = []
    benchmarks = ["iid:ucf101", world.scuba, world.scufo]
    options = {"root": world.root, "subset": listed(world, "gone")}
    scored = score(files, benchmarks, tmp_path / "scored", said.append, **options)
    kept = ("iid", "avg_scuba", "avg_scufo", "contra_acc")
    assert {n: scored.record.figures[n].plain() for n in kept} == {n: record["figures"][n] for n in kept}
    assert len(said) == 1 and "1 of its 3 ids are unknown here: gone" in said[0]
    assert scored.path is not None and read_record(scored.path).subset is not None
    assert len(load_run(scored.path).predictions["scuba"].ids) == 4


def test_a_list_without_a_video_of_a_set_is_refused(world: World) -> None:
    path = world.base / "other.txt"
    path.write_text("nothing\n")
    assert "--subset other.txt" in refused(lambda: world.run(subset=str(path)))
    lacking = world.base / "p.csv"
    record = world.run("one", folders=[world.scuba], iid=False)
    text = (world.base / "one" / record["sets"][0]["predictions"]).read_text().splitlines(keepends=True)
    lacking.write_text("".join(line for line in text if not line.startswith(f"{IDS[0]}__0")))
    error = refused(lambda: score([lacking], [world.scuba], subset=listed(world)))
    assert f"{IDS[0]}__0" in error and "--allow-missing" in error
    found = ab.score(lacking, world.scuba, subset=listed(world), allow_missing=True)
    assert found.figures[["n", "missing"]].iloc[0].tolist() == [3, 1]


def test_drops_are_of_the_named_videos(world: World) -> None:
    record = world.run(folders=[world.scuba], subset=listed(world), time=("shuffled",))
    assert record["drops"]["drop_shuffled_iid"]["n"] == 2 and record["drops"]["drop_shuffled_avg_scuba"]["n"] == 4
    assert len(load_run(Path(record["record"])).timed) == 2
