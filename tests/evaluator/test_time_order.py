"""Clips in another order of time: what is shown, what is recorded, and how the drop is computed."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from small_world import (
    SAMPLING,
    World,
    refused,
    world,  # noqa: F401
)
from typer.testing import CliRunner

import albar_bench as ab
from albar_bench.cli import app as cli
from benchmark_builder.masks import mask_source
from benchmark_builder.masks.base import MaskSource
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, write_json
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.still_background import MARGIN, still_background
from evaluator.inference.clips import read_clips
from evaluator.metrics.drops import drops
from evaluator.predictions.files import Predictions, read_predictions
from evaluator.records import read_record
from evaluator.reports.leaderboard import read_leaderboard
from evaluator.reports.report import report
from evaluator.reports.screen import show
from evaluator.runs import clustered, load_run, recompute
from evaluator.testsets import Item, TestSet, benchmark_set, iid_set, in_time
from evaluator.time_order import FROZEN, TIMES, TimeOrder, drop_name, drop_parts

ORDERS = ("one-frame", "shuffled", "reversed")


def ordinary(world: World) -> TestSet:
    return iid_set("ucf101", world.root)


def masks_of(world: World) -> MaskSource:
    return mask_source(f"stored:{world.root / 'masks'}", world.root)


def test_an_order_moves_the_frames_of_a_clip_and_nothing_else(world: World) -> None:
    s = ordinary(world)
    for sampling in (SAMPLING, SAMPLING.replaced(views=2, crops=3)):
        for item in s.items[:2]:
            plain = read_clips(s, item, sampling)
            assert len({plain[0, :, t].numpy().tobytes() for t in range(4)}) == 4  # else no order could be seen
            for name in ORDERS:
                made = read_clips(in_time(s, TimeOrder(name, 7)), item, sampling)
                for k in range(len(plain)):
                    view = k // sampling.crops
                    places = {
                        "one-frame": [2, 2, 2, 2],
                        "reversed": [3, 2, 1, 0],
                        "shuffled": generator(7, item.id, f"time/shuffled/{view}").permutation(4).tolist(),
                    }[name]
                    assert torch.equal(made[k], plain[k][:, places])


def test_a_shuffle_depends_on_seed_video_and_clip_alone() -> None:
    order = TimeOrder("shuffled", 3)
    first = order.places("a/b", 0, 16)
    assert first is not None and sorted(first) == list(range(16))
    assert order.places("a/b", 0, 16) == first
    others = [order.places("a/b", 1, 16), order.places("a/c", 0, 16), TimeOrder("shuffled", 4).places("a/b", 0, 16)]
    assert first not in others
    drawn = {tuple(order.places(f"v{k}", 0, 3) or ()) for k in range(100)}
    assert len(drawn) == 6  # all orders of three frames; one of them stays out once in 10^7 draws


def test_a_still_background_is_the_median_of_what_is_uncovered() -> None:
    rng = generator(0, "still", "frames")
    frames = rng.integers(0, 256, (5, 12, 16, 3), dtype=np.uint8)
    masks = np.zeros((5, 12, 16), bool)
    masks[:3, 5, 8] = True  # covers a disc around it, of which two frames are left
    masks[:, 5, 1] = True  # never uncovered
    found, never = still_background(enumerate(frames), lambda k: masks[k])
    median = np.sort(frames, 0)[2]
    assert (found[5 + MARGIN + 1 :] == median[5 + MARGIN + 1 :]).all() and (found[:, 14:] == median[:, 14:]).all()
    assert (found[5, 8] == np.sort(frames[3:], 0)[0, 5, 8]).all()
    assert not (found[5, 1] == median[5, 1]).all() and 0 < never < 0.2
    everywhere, share = still_background(enumerate(frames), lambda k: np.ones((12, 16), bool))
    assert share == 1 and (everywhere == median).all()


def test_a_frozen_background_moves_the_actor_alone(world: World) -> None:
    masks = masks_of(world)
    s = in_time(ordinary(world), TimeOrder(FROZEN, 0, masks))
    for item in s.items:
        source = np.stack(list(read_frames(item.path)))
        made = np.stack(list(s.frames(item)))
        track = masks.track(s.videos[item.id], *source.shape[1:3])
        known = np.flatnonzero(track.covered)
        mask = np.stack([track.mask(int(known[np.abs(known - k).argmin()])) for k in range(len(source))])
        assert made.shape == source.shape and (made[mask] == source[mask]).all()
        for y, x in zip(*np.nonzero((~mask).sum(0) > 1), strict=True):
            assert (made[~mask[:, y, x], y, x] == made[~mask[:, y, x], y, x][0]).all()


@pytest.fixture
def scored(world: World) -> tuple[World, dict]:
    masks = f"stored:{world.root / 'masks'}"
    return world, world.run(folders=[world.scuba, world.scufo], time=TIMES, masks=masks)


def test_drops_are_of_the_same_videos_with_an_interval(scored: tuple[World, dict]) -> None:
    world, record = scored
    out = world.base / "out"
    timed = {t["name"]: t for t in record["timed"]}
    assert list(timed) == [
        "ucf101-iid+one-frame", "scuba+one-frame", "ucf101-iid+shuffled", "scuba+shuffled", "ucf101-iid+reversed",
        "scuba+reversed", "ucf101-iid+frozen-background",
    ]  # fmt: skip
    assert timed["ucf101-iid+frozen-background"]["masks"]["kind"] == "stored"
    with open(out / "leaderboard.csv", newline="") as handle:
        (row,) = csv.DictReader(handle)
    plain = {s["name"]: s for s in record["sets"]}
    assert not any("+" in name for name in plain)

    def right(file: str) -> dict[str, bool]:
        with open(out / file, newline="") as handle:
            return {r["id"]: r["label"] == r["pred"] for r in csv.DictReader(handle)}

    for t in timed.values():
        before, after = right(plain[t["of_set"]]["predictions"]), right(t["predictions"])
        assert before.keys() == after.keys()
        drop = 100 * (sum(before.values()) - sum(after.values())) / len(before)
        figure = "iid" if t["of_set"] == "ucf101-iid" else "avg_scuba"
        for found in (t["drop"], record["drops"][drop_name(t["time"], figure)]):
            assert math.isclose(found["points"], drop, abs_tol=1e-9)
            assert found["low"] - 1e-9 <= drop <= found["high"] + 1e-9 and found["n"] == len(before)
        assert float(row[drop_name(t["time"], figure)]) == t["drop"]["points"]
    # The plain figures are those of an evaluation without --time.
    assert world.run("plain", folders=[world.scuba, world.scufo])["figures"] == record["figures"]


def test_predictions_are_kept_apart_and_used_again(scored: tuple[World, dict]) -> None:
    world, record = scored
    masks = f"stored:{world.root / 'masks'}"
    again = world.run(folders=[world.scuba, world.scufo], time=TIMES, masks=masks)
    assert again["computed"] == [] and again["drops"] == record["drops"]
    other = world.run(folders=[world.scuba, world.scufo], time=("shuffled",), seed=1)
    assert other["computed"] == ["ucf101-iid+shuffled", "scuba+shuffled"]  # another seed, another order
    # What was measured before of the same model and videos stays in the record and in the row.
    assert list(other["drops"]) == list(record["drops"])
    kept = next(t for t in other["timed"] if t["time"] == FROZEN)
    assert kept["masks"]["kind"] == "stored" and kept["predictions"]
    (row,) = read_leaderboard(world.base / "out/leaderboard.csv")
    assert row["drop_frozen_background_iid"] and row["drop_reversed_avg_scuba"]
    assert world.run(folders=[world.scuba, world.scufo])["drops"].keys() == record["drops"].keys()


def test_a_record_is_read_back_recomputed_and_shown(scored: tuple[World, dict], tmp_path: Path) -> None:
    _, record = scored
    run = load_run(Path(record["record"]))
    assert {name: d.plain() for name, d in recompute(run).drops.items()} == record["drops"]
    other = clustered(run, "video").record
    assert [t.predictions for t in other.timed] == [t["predictions"] for t in record["timed"]]
    assert other.drops["drop_shuffled_avg_scuba"].points == record["drops"]["drop_shuffled_avg_scuba"]["points"]
    console = Console(record=True, width=200)
    show([Path(record["leaderboard"])], console)
    text = console.export_text()
    assert "Drop in another order of frames" in text and "frozen background ↓" in text and "shuffled ↑" in text
    page = report([Path(record["record"])], tmp_path / "r.html", gallery=0).read_text()
    assert 'id="time"' in page and "frozen background" in page
    assert "ucf101-iid+frozen-background (masks stored, " in page and "ucf101-iid+shuffled (seed 0, " in page


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("time", "backwards", "one of one-frame"),
        ("of_set", "x", "one of sets"),
        ("drop", {"points": 101}, "-100 to 100"),
    ],
)
def test_a_damaged_record_is_refused(scored: tuple[World, dict], field: str, value: object, said: str) -> None:
    path = Path(scored[1]["record"])
    document = read_json(path, "record", "")
    entry = document["timed"][0]
    entry[field] = {**entry[field], **value} if isinstance(value, dict) else value
    write_json(path, document)
    assert said in refused(lambda: read_record(path))


def test_a_column_that_is_no_drop_is_refused(scored: tuple[World, dict]) -> None:
    path = Path(scored[1]["leaderboard"])
    text = path.read_text()
    (row,) = read_leaderboard(path)
    assert float(row["drop_one_frame_iid"]) >= -100
    path.write_text(text.replace("drop_one_frame_iid", "drop_one_frame_other"))
    assert "drop_one_frame_other" in refused(lambda: read_leaderboard(path))
    assert drop_parts("drop_one_frame_iid") == ("one-frame", "iid") and drop_parts("drop_other_iid") is None


def test_only_named_benchmarks_change_and_stills_never(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", str(world.base))
    (world.base / "b").rename(world.base / "benchmarks")
    from evaluator.evaluate import evaluate

    scored = evaluate(world.checkpoint, None, world.base / "out", world.options(time=("reversed",)))
    assert scored is not None
    assert [t.name for t in scored.record.timed] == ["ucf101-iid+reversed"] and len(scored.record.sets) == 5
    only = [world.base / "benchmarks/scufo"]
    error = refused(lambda: world.run(folders=only, time=("reversed",), iid=False))
    assert "--time reversed" in error
    moving = [world.base / "benchmarks/scuba"]
    masked = {"masks": f"stored:{world.root / 'masks'}", "iid": False}
    assert FROZEN in refused(lambda: world.run(folders=moving, time=(FROZEN,), **masked))


def test_frozen_background_needs_masks(world: World) -> None:
    assert "--masks" in refused(lambda: world.options(time=(FROZEN,)))
    assert "leave it out" in refused(lambda: world.options(masks="motion"))
    assert "one or more of" in refused(lambda: world.options(time=("backwards",)))
    # Without the masks of one video: refused, or counted.
    masks = world.root / "masks"
    first = ordinary(world).items[0].id
    gone = next(p for p in masks.rglob("*.zip") if p.relative_to(masks).with_suffix("").as_posix() == first)
    gone.unlink()
    source = {"time": (FROZEN,), "masks": f"stored:{masks}"}
    assert "--allow-missing" in refused(lambda: world.run(folders=[world.scuba], **source))
    found = world.run(folders=[world.scuba], allow_missing=True, **source)["drops"]["drop_frozen_background_iid"]
    assert (found["n"], found["missing"]) == (3, 1)


def test_from_the_command_line_and_from_python(world: World) -> None:
    out, common = world.base / "cli", ["--root", str(world.root), "--device", "cpu"]
    words = ["eval", str(world.checkpoint), "--out", str(out), "--no-benchmarks", "--time", "one-frame", "shuffled"]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, [*words, *common])
    assert result.exit_code == 0, result.output
    assert "one frame" in result.output
    (row,) = read_leaderboard(out / "leaderboard.csv")
    assert row["drop_one_frame_iid"] and row["drop_shuffled_iid"] and not row["avg_scuba"]
    both = CliRunner().invoke(cli.app, [*words, "--benchmarks", str(world.scuba), *common])
    assert isinstance(both.exception, BenchError) and "--no-benchmarks" in str(both.exception)
    result = ab.evaluate(world.checkpoint, out=out, time="reversed", root=world.root, device="cpu")
    assert result.drops["time"].tolist() == ["one-frame", "shuffled", "reversed"]
    assert set(result.drops["figure"]) == {"iid"} and result.figures["figure"].tolist() == ["iid"]


def test_predictions_of_an_order_are_those_of_its_clips(world: World) -> None:
    """A network that reads motion answers otherwise where the clip is turned round."""

    class First(torch.nn.Module):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            moved = clips[:, :, -1].flatten(1).sum(1) - clips[:, :, 0].flatten(1).sum(1)
            return torch.nn.functional.pad(torch.stack([moved, -moved], 1), (0, 99))

    module, out = First(), world.base / "mine"
    sampling = {"clip": {"frames": 4, "size": 16, "resize": 16, "crop": "centre", "flip": 0.0}, "sampling": "8x2-48"}
    found = ab.evaluate(
        module, world.scuba, out=out, time=ORDERS, root=world.root, device="cpu", **sampling
    ).scored.record
    classes, labels = benchmark_set(world.scuba).classes, benchmark_set(world.scuba).labels
    paths = {"plain": found.sets[0].predictions} | {t.time: t.predictions for t in found.timed}
    scores = {name: read_predictions(out / p, classes, labels).scores[:, :2] for name, p in paths.items()}
    assert np.abs(scores["plain"][:, 0] - scores["plain"][:, 1]).max() > 0.1
    assert np.allclose(scores["reversed"], scores["plain"][:, ::-1], atol=1e-6)
    assert np.allclose(scores["one-frame"][:, 0], scores["one-frame"][:, 1], atol=1e-6)


def test_a_drop_of_nothing_still_has_an_interval() -> None:
    """If all of n sources answer alike, the exact limit is that of 0 of n: 3.7/n, about 2.3 points for 160."""
    ids = [f"v{k}" for k in range(160)]
    labels, scores = np.zeros(160, np.int64), np.tile([0.9, 0.1], (160, 1))
    items = [Item(i, 0, i, Path(i)) for i in ids]
    s = TestSet("s", "iid", "d", ["a", "b"], "test", "", False, "x", items)
    t = in_time(s, TimeOrder("reversed"))
    right, wrong = (Predictions("p", ["a", "b"], ids, labels, v) for v in (scores, scores[:, ::-1]))
    width = 100 * (1 - 0.025 ** (1 / 160))
    for after, points, low, high in ((right, 0, -width, width), (wrong, 100, 100 - width, 100)):
        found = drops([s], [t], {s.name: right, t.name: after}, "test")["drops"]
        assert isinstance(found, dict)
        d = found["drop_reversed_iid"]
        assert math.isclose(d["points"], points) and math.isclose(d["low"], low) and math.isclose(d["high"], high)
    assert 2.2 < width < 2.4
