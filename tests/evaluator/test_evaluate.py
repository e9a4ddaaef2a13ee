"""A checkpoint over real (tiny) benchmarks: files written, resumed, and every way of going wrong."""

import csv
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from small_world import (
    QUIET,
    SAMPLING,
    World,
    refused,
    save,
    world,  # noqa: F401
)
from tiny_videos import moving_square, write_video

from albar.checkpoint import load_checkpoint
from albar.clips import clips as albar_clips
from albar.clips.clips import normalise, still_clip
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import build_conflfg, build_scuba, build_scufo
from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.layouts.layout import read_any
from benchmark_builder.utils.files import read_json
from benchmark_builder.video.decode import probe
from evaluator.evaluate import EvalOptions, evaluate, pick_device
from evaluator.inference.clips import batches, order, read_clips
from evaluator.inference.processes import Processes
from evaluator.metrics.figures import FIGURES
from evaluator.predictions.files import read_predictions
from evaluator.records import read_record
from evaluator.reports import leaderboard
from evaluator.reports import screen as show
from evaluator.reports.board import BoardOptions
from evaluator.reports.picture import plot_leaderboard
from evaluator.runs import compare_runs, load_run, recompute
from evaluator.testsets import Item, TestSet, benchmark_set, default_benchmarks, pair_sets


def test_the_whole_road(world: World) -> None:
    record = world.run()
    out = world.base / "out"
    assert {s["name"] for s in record["sets"]} == {"ucf101-iid", "scuba", "scufo", "shaken", "conflfg"}
    assert list(record["figures"]) == [*FIGURES, "avg_shaken", "contra_shaken", "conflfg_donor"]
    assert [figure["n"] for figure in record["figures"].values()] == [4, 8, 8, 8, 8, 8, 8, 8]
    # The figures again, from the files alone and by other code.
    rows = {}
    for s in record["sets"]:
        with open(out / s["predictions"], newline="") as handle:
            rows[s["name"]] = {r["id"]: r for r in csv.DictReader(handle)}
            assert next(iter(rows[s["name"]].values())).keys() == {"id", "label", "pred", *record["classes"]}

    def share(outcomes: list[bool]) -> float:
        return 100 * sum(outcomes) / len(outcomes)

    def right(name: str, video_id: str) -> bool:
        return rows[name][video_id]["label"] == rows[name][video_id]["pred"]

    for name, figure in (("ucf101-iid", "iid"), ("scuba", "avg_scuba"), ("scufo", "avg_scufo"), ("conflfg", "conflfg")):
        assert record["figures"][figure]["percent"] == share([right(name, i) for i in rows[name]])
    for name, figure in (("scufo", "contra_acc"), ("shaken", "contra_shaken")):
        pairs = [(row.partner_id, row.id) for row in read_benchmark(world.base / "b" / name).rows]
        both = share([right("scuba", a) and not right(name, b) for a, b in pairs])
        assert record["figures"][figure]["percent"] == both
    with open(out / "leaderboard.csv", newline="") as handle:
        (row,) = csv.DictReader(handle)
    for figure in FIGURES:
        assert float(row[figure]) == record["figures"][figure]["percent"]
        assert float(row[f"{figure}_low"]) <= float(row[figure]) <= float(row[f"{figure}_high"])
    assert (row["dataset"], row["method"], row["model"], row["seed"]) == ("ucf101", "baseline", "small3d", "0")
    assert read_record(Path(record["record"])).plain()["figures"] == record["figures"]


def test_predictions_are_the_networks_softmax_of_the_test_clip(world: World) -> None:
    record = world.run(batch=3)
    network, classes = load_checkpoint(world.checkpoint).network(), shipped_classes("ucf101")
    for name, folder in (("scuba", world.scuba), ("scufo", world.scufo)):
        stored = next(s["predictions"] for s in record["sets"] if s["name"] == name)
        found = read_predictions(world.base / "out" / stored, classes)
        for row in read_benchmark(folder).rows:
            frames = read_any(folder / row.file)
            # SCUFO is decoded from one frame; its own frames must give the same clip.
            clip = albar_clips.eval_clip(frames, row.frames, SAMPLING)
            with torch.inference_mode():
                wanted = network(clip[None]).softmax(1)[0].numpy()
            # Batches of another size sum in another order: float32 noise far below 1e-5 of probabilities near 0.01.
            assert np.allclose(found.scores[found.ids.index(row.id)], wanted, rtol=0, atol=1e-5)


def test_batch_size_and_workers_change_no_figure(world: World) -> None:
    first = world.run("a", batch=1)["figures"]
    assert world.run("b", batch=7)["figures"] == first
    assert world.run("c", batch=3, workers=2)["figures"] == first


def test_batches_run_full_across_sets_and_a_still_stays_one_frame(world: World) -> None:
    sets = [benchmark_set(f) for f in (world.scufo, world.scuba, world.conflfg)]
    listed = order(sets)
    found = list(batches(listed, SAMPLING, batch=6))
    assert [(len(b.places), b.clips.shape[2]) for b in found if b.clips is not None] == [
        (6, 4), (6, 4), (4, 4), (6, 1), (2, 1),
    ]  # fmt: skip
    assert [k for b in found for k in b.places] == list(range(24))
    item = sets[0].items[0]
    still = normalise(read_clips(sets[0], item, SAMPLING)[0], SAMPLING)
    assert torch.equal(still.expand(-1, 4, -1, -1), still_clip(next(iter(read_any(item.path))), SAMPLING))


def test_stored_and_virtual_benchmarks_give_equal_predictions(world: World) -> None:
    found = []
    for layout in ("lossless", "virtual"):
        home, masks = world.base / layout, f"stored:{world.root / 'masks'}"
        own = {"layout": layout, "run": QUIET}
        build_scuba("ucf101", world.root, "test", masks=masks, per_video=2, out=home / "scuba", **own)
        build_scufo(home / "scuba", out=home / "scufo", **own)
        build_scufo(home / "scuba", shaken=True, out=home / "shaken", **own)
        build_conflfg(home / "scuba", out=home / "conflfg", **own)
        world.run(layout, [home / name for name in ("scuba", "scufo", "shaken", "conflfg")], iid=False)
        tables = sorted((world.base / layout / "predictions").glob("*.csv"))
        found.append({path.name: path.read_bytes() for path in tables})
    assert len(found[0]) == 4 and found[0] == found[1]


def test_a_second_run_computes_only_what_is_missing(world: World) -> None:
    assert len(world.run()["computed"]) == 5
    before = (world.base / "out/leaderboard.csv").read_bytes()
    assert world.run()["computed"] == []
    assert (world.base / "out/leaderboard.csv").read_bytes() == before
    (path,) = (world.base / "out/predictions").glob("scufo--*.csv")
    path.write_text(path.read_text() + "\n")  # touched: no longer what the note vouches for
    assert world.run()["computed"] == ["scufo"]


def test_several_processes_keep_the_sets_that_are_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Threads in the place of processes; a process that does not come to a meeting breaks the barrier.
    own, met, brought = threading.local(), threading.Barrier(2, timeout=60), [None, None]

    class Threads(Processes):
        def __init__(self, device: torch.device) -> None:
            self.index, self.count, self.device = own.index, 2, device

        def gather(self, value: Any) -> list[Any]:
            brought[self.index] = value
            met.wait()
            parts: list[Any] = list(brought)
            met.wait()
            return parts

    def one(index: int) -> dict:
        own.index = index
        return world.run(folders=[world.scuba, world.scufo], iid=False)

    monkeypatch.setattr("evaluator.evaluate.Processes", Threads)
    scufo = benchmark_set(world.scufo)
    lost = scufo.items[-1].path
    kept = lost.read_bytes()
    lost.unlink()
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(one, k) for k in range(2)]:
            assert lost.name in refused(future.result)
        assert [p.name.partition("--")[0] for p in (world.base / "out/predictions").glob("*.csv")] == ["scuba"]
        lost.write_bytes(kept)
        main, other = pool.map(one, range(2))
    monkeypatch.undo()
    assert (main["computed"], other) == (["scufo"], {})
    assert main["figures"] == world.run("alone", [world.scuba, world.scufo], iid=False)["figures"]


def test_another_checkpoint_gets_its_own_files_and_row(world: World) -> None:
    world.run()
    world.checkpoint = save(world.base / "other.ckpt", seed=1, method="albar")
    assert len(world.run()["computed"]) == 5
    rows = leaderboard.read_leaderboard(world.base / "out/leaderboard.csv")
    assert [r["method"] for r in rows] == ["baseline", "albar"]
    assert len(list((world.base / "out/predictions").glob("*.csv"))) == 10
    assert set(leaderboard.groups(rows)) == {"A"}


def test_fewer_benchmarks_make_another_row_marked_as_not_comparable(world: World) -> None:
    world.run()
    world.run(folders=[world.scuba])
    rows = leaderboard.read_leaderboard(world.base / "out/leaderboard.csv")
    assert leaderboard.groups(rows) == ["A", "B"] and rows[1]["contra_acc"] == ""
    console = Console(width=200, record=True, file=open("/dev/null", "w"))
    show.show([world.base / "out/leaderboard.csv"], console)
    text = console.export_text()
    assert "Avg SCUFO ↓" in text and "–" in text  # what is missing in a row
    assert "not measured on the same videos" not in text  # what both have is of the same videos


def test_default_benchmarks_are_those_of_the_dataset(world: World, tmp_path: Path) -> None:
    home = tmp_path / "data" / "benchmarks"
    home.mkdir(parents=True)
    shutil.copytree(world.scuba, home / "ucf101-scuba-stripes")
    shutil.copytree(world.scufo, home / "x-other")
    protocol = read_json(home / "x-other/protocol.json", "protocol", "")
    (home / "x-other/protocol.json").write_text(json.dumps({**protocol, "dataset": "hmdb51"}))
    (home / "unfinished").mkdir()
    assert default_benchmarks("ucf101") == [home / "ucf101-scuba-stripes"]
    scored = evaluate(world.checkpoint, None, tmp_path / "out", world.options())
    assert scored is not None
    record: Any = scored.plain()
    assert [s["name"] for s in record["sets"]] == ["ucf101-iid", "ucf101-scuba-stripes"]


def test_a_missing_video_fails_unless_allowed_and_is_then_counted(world: World) -> None:
    row = read_benchmark(world.scuba).rows[0]
    (world.scuba / row.file).unlink()
    for workers in (0, 1):
        assert str(world.scuba / row.file) in refused(lambda w=workers: world.run(workers=w))
    assert not (world.base / "out/leaderboard.csv").exists()
    record = world.run(allow_missing=True)
    scuba, contra = record["figures"]["avg_scuba"], record["figures"]["contra_acc"]
    assert (scuba["n"], scuba["missing"], contra["n"], contra["missing"]) == (7, 1, 7, 1)
    (shown,) = leaderboard.read_leaderboard(world.base / "out/leaderboard.csv")
    assert shown["missing_avg_scuba"] == "1" and shown["n_avg_scuba"] == "7"
    console = Console(width=200, record=True, file=open("/dev/null", "w"))
    show.show([world.base / "out/leaderboard.csv"], console, options=BoardOptions(n=True))
    assert "7 of 8" in console.export_text()


def test_a_changed_video_is_never_merely_missing(world: World) -> None:
    rows = read_benchmark(world.scuba).rows
    shutil.copy(world.scuba / rows[0].file, world.scuba / rows[1].file)
    assert "changed since" in refused(lambda: world.run(allow_missing=True))
    assert world.run(check=False)["figures"]["avg_scuba"]["n"] == 8


def test_an_iid_video_that_the_split_names_but_the_folder_lacks(world: World) -> None:
    path = next((world.root / "videos").rglob("*.mkv"))
    path.unlink()
    assert path.stem in refused(lambda: world.run())
    iid = world.run(allow_missing=True)["figures"]["iid"]
    assert (iid["n"], iid["missing"]) == (3, 1)


def test_other_classes_than_the_checkpoints(world: World) -> None:
    classes = shipped_classes("ucf101")
    world.checkpoint = save(world.base / "few.ckpt", classes=classes[:5])
    assert "has 101 classes" in refused(lambda: world.run())
    world.checkpoint = save(world.base / "turned.ckpt", classes=classes[::-1])
    assert f"class 0 is '{classes[0]}'" in refused(lambda: world.run())


def test_scufo_of_another_scuba_build_is_not_paired(world: World) -> None:
    masks = f"stored:{world.root / 'masks'}"
    build_scuba("ucf101", world.root, "test", masks=masks, per_video=2, seed=1, out=world.base / "c/scuba", run=QUIET)
    sets = [benchmark_set(world.base / "c/scuba"), benchmark_set(world.scufo)]
    assert "another build" in refused(lambda: pair_sets(sets, "scufo"))
    both = [benchmark_set(world.scuba), *sets]
    assert pair_sets(both, "scufo") == [(both[0], both[2])]


def test_two_sets_of_one_kind_and_background_are_refused(world: World) -> None:
    shutil.copytree(world.scuba, world.base / "copy")
    message = refused(lambda: world.run(folders=[world.scuba, world.base / "copy"]))
    assert "scuba and copy are both scuba on backgrounds" in message


@pytest.mark.parametrize(
    ("flag", "value"),
    [("batch", 0), ("workers", -1), ("limit", 0), ("precision", "int3"), ("device", "cuda:77"), ("device", "toaster")],
)
def test_settings_that_make_no_sense_name_their_flag(flag: str, value: object) -> None:
    assert f"--{flag}" in refused(lambda: pick_device(EvalOptions(**{flag: value}).device))  # type: ignore[arg-type]


def test_no_text_file_passes_for_a_checkpoint(world: World) -> None:
    (world.base / "model.ckpt").write_text("hello")
    assert "model.ckpt" in refused(lambda: world.run())


def test_a_hostile_method_name_writes_nothing_outside(world: World) -> None:
    world.checkpoint = save(world.base / "evil.ckpt", method="../../../evil/x")
    before = {p for p in world.base.rglob("*") if "out" not in p.relative_to(world.base).parts}
    record = world.run()
    assert {p for p in world.base.rglob("*") if "out" not in p.relative_to(world.base).parts} == before
    assert Path(record["record"]).parent == world.base / "out/results"


def test_nothing_to_score(world: World, tmp_path: Path) -> None:
    message = refused(lambda: evaluate(world.checkpoint, None, tmp_path / "o", world.options(iid=False)))
    assert "nothing to score" in message


def test_limit_names_other_videos(world: World) -> None:
    record = world.run(limit=3)
    assert [record["figures"][f]["n"] for f in FIGURES] == [3] * 5
    world.run()
    rows = leaderboard.read_leaderboard(world.base / "out/leaderboard.csv")
    assert leaderboard.groups(rows) == ["A", "B"]


def one_video(path: Path, frames: int = 0) -> tuple[TestSet, Item]:
    item = Item("v", 0, "v", path, frames)
    return TestSet("x", "iid", "ucf101", ["a"], "test1", "", False, "", [item]), item


def test_a_container_without_a_frame_count_is_counted(tmp_path: Path) -> None:
    video, _ = moving_square(frames=9)
    write_video(tmp_path / "v.mkv", video)
    assert probe(tmp_path / "v.mkv").frames == 0
    clip = read_clips(*one_video(tmp_path / "v.mkv"), SAMPLING)[0]
    wanted = albar_clips.eval_clip(iter(video), 9, SAMPLING)
    assert torch.equal(normalise(clip, SAMPLING), wanted)


def test_a_wrong_frame_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that promises too much is corrected; a manifest that does is an error that names the file."""
    video, _ = moving_square(frames=9)
    path = tmp_path / "v.mkv"
    write_video(path, video)
    message = refused(lambda: read_clips(*one_video(path, frames=90), SAMPLING))
    assert "has 9 frames, its manifest says 90" in message
    monkeypatch.setattr("evaluator.inference.clips.shape", lambda p: (90, *video.shape[1:3]))
    clip = normalise(read_clips(*one_video(path), SAMPLING)[0], SAMPLING)
    assert torch.equal(clip, albar_clips.eval_clip(iter(video), 9, SAMPLING))


def test_runs_are_read_back_and_compared(world: World) -> None:
    record = world.run()
    first = load_run(Path(record["record"]))
    assert recompute(first).plain()["figures"] == record["figures"]
    world.checkpoint = save(world.base / "other.ckpt", seed=1, method="albar")
    second = load_run(Path(world.run()["record"]))
    found = compare_runs(second, first)
    for name, c in found.items():
        wanted = second.record.plain()["figures"][name]["percent"] - first.record.plain()["figures"][name]["percent"]
        assert c.difference == pytest.approx(wanted, abs=1e-9)
    assert set(found) == set(record["figures"]) and found["avg_scuba"].sources == 4
    with open("/dev/null", "w") as sink:
        console = Console(width=200, record=True, file=sink)
        show.show_comparison(second, first, console)
    assert "albar (small3d, seed 1) minus baseline" in console.export_text()
    fewer = load_run(Path(world.run(folders=[world.scuba])["record"]))
    shared = compare_runs(second, fewer)  # SCUBA and the ordinary videos, figure by figure as on all sets
    assert set(shared) == {"iid", "avg_scuba"} and all(shared[name] == found[name] for name in shared)
    other = fewer.record.replaced(sets=[s.replaced(digest="0" * 64) for s in fewer.record.sets])
    none = replace(fewer, record=other, sets=[replace(s, digest="0" * 64) for s in fewer.sets])
    assert "not measured on the same videos" in refused(lambda: compare_runs(first, none))
    shutil.copytree(world.base / "b", world.base / "moved")
    shutil.rmtree(world.base / "b")
    assert "name its folder with --benchmarks" in refused(lambda: load_run(first.path))
    moved = [world.base / "moved" / f.name for f in world.folders]
    assert recompute(load_run(first.path, moved)).plain()["figures"] == record["figures"]
    manifest = world.base / "moved/scuba/manifest.csv"
    manifest.write_text(manifest.read_text().replace(",test1,", ",test2,"))
    assert "has changed since it was scored" in refused(lambda: load_run(first.path, moved))


def test_a_picture_is_drawn(world: World) -> None:
    world.run()
    world.run(folders=[world.scuba])
    path = world.base / "out/leaderboard.png"
    plot_leaderboard(leaderboard.read_leaderboard(world.base / "out/leaderboard.csv"), path)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 10_000


def test_figures_need_no_torch(world: World) -> None:
    """The same digits from the files in a process that cannot import torch."""
    import subprocess
    import sys

    record = world.run()
    folders = [str(f) for f in world.folders]
    code = f"""
import sys; sys.modules["torch"] = None
from pathlib import Path
from evaluator.runs import compare_runs, load_run, recompute
from evaluator.testsets import Item, TestSet, benchmark_set, iid_set
from evaluator.predictions.files import read_predictions
from evaluator.records import read_record
from evaluator.metrics.figures import compute
import json
r = read_record(Path({record["record"]!r}))
sets = [iid_set("ucf101", Path({str(world.root)!r}))] + [benchmark_set(Path(p)) for p in {folders!r}]
p = {{s["name"]: read_predictions(Path({str(world.base / "out")!r}) / s["predictions"]) for s in r["sets"]}}
print(json.dumps(compute(sets, p).plain()["figures"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == record["figures"]


def test_slices_of_an_evaluation(world: World) -> None:
    """IID and benchmarks alike; the figures of a group are those of its predictions alone."""
    table = world.base / "s.csv"
    # Of the whole video far holds longer, but the clip shows every second frame.
    ranges = "".join(
        f"v_Archery_g01_c01.avi,size,{'far' if k % 2 else 'near'},{k},{k}\n" for k in (0, 1, 2, 3, 4, 5, 7)
    )
    table.write_text(f"id,attribute,value,start,end\n{ranges}Basketball/v_Basketball_g01_c01,size,far,,\n")
    record = world.run("sliced", [world.scuba, world.scufo], slices=(str(table), "mask-area", "camera-motion"))
    size, area, camera = record["slices"]
    assert [s["frames"] for s in record["slices"]] == ["clip", "", ""]
    assert (size["groups"], area["attribute"], camera["attribute"]) == (["far", "near"], "mask area", "camera motion")
    assert sorted(size["unlabelled"]["first"]) == ["Archery/v_Archery_g02_c01", "Basketball/v_Basketball_g02_c01"]
    of = {"far": "Basketball/v_Basketball_g01_c01", "near": "Archery/v_Archery_g01_c01"}
    for name, kind in (("iid", "iid"), ("avg_scuba", "scuba"), ("avg_scufo", "scufo")):
        (s,) = [s for s in record["sets"] if s["kind"] == kind]
        with open(world.base / "sliced" / s["predictions"], newline="") as handle:
            rows = list(csv.DictReader(handle))
        for group, source in of.items():
            own = [r["label"] == r["pred"] for r in rows if r["id"].split("__")[0] == source]
            figure = size["figures"][name]["groups"][group]
            assert (figure["percent"], figure["n"]) == (100 * sum(own) / len(own), 1 if kind == "iid" else 2)
    assert len(list((world.base / "sliced/results").glob("*-slices*.csv"))) == 2
    assert refused(lambda: world.run("x", slices=("none.csv",))) and not (world.base / "x").exists()
