"""The loop: it learns, resumes to the bit, and stops with a line that says the fix."""

import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from commands import bench_in_two_processes
from moving_bars import moving_bars
from typer.testing import CliRunner

import albar.training.run
from albar.checkpoint import load_checkpoint
from albar.clips.clips import cut_frame, eval_box, sampling, train_box
from albar.data.dataset import ClipDataset, FrameCache, Order, Sample, batches, in_turn
from albar.methods.base import Method
from albar.training.optimizer import Recipe
from albar.training.run_folder import RunFolder
from albar.training.settings import TrainSettings
from albar.training.split import chosen_by_list, divide
from albar.training.state import State
from albar.training.trainer import train
from albar_bench.cli.app import app
from benchmark_builder.datasets import Listing
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.encode import open_video
from benchmark_builder.video.record import Video

SAMPLING = sampling("8x2-48").replaced({"frames": 4, "size": 16, "resize": 16})
CLIP = {"frames": 4, "size": 16, "resize": 16}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    return moving_bars(tmp_path_factory.mktemp("videos"))


@pytest.fixture
def run(videos: list[Video], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Train on the generated videos; returns the path of model.ckpt."""

    def read(name: str, root: Path | None, split: str, fold: int) -> Listing:
        return Listing(list(videos), ["right", "down"], "train1")

    monkeypatch.setattr(albar.training.run, "read_dataset", read)

    def start(out: str = "run", say: Callable[[str], None] = lambda line: None, **changes: object) -> Path:
        base = {"method": "baseline", "clip": CLIP, "epochs": 2, "batch": 8, "validation": 0.2, "progress": False}
        return train(TrainSettings(out=tmp_path / out, **{**base, **changes}), say)  # type: ignore[arg-type]

    start.listing = read("", None, "", 1)  # type: ignore[attr-defined]
    return start


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).weights


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


def without_clock(table: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if "second" not in k} for row in table]


# --- data -----------------------------------------------------------------------------------------------------------


def collect(dataset: ClipDataset, order: Order, workers: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    samples = list(batches(dataset, order, workers))
    return torch.cat([s.clip for s in samples]), torch.cat([s.label for s in samples])


@pytest.mark.parametrize("changes", [{}, {"crop": "random_resized"}])
def test_clips_are_the_same_cached_decoded_or_by_workers(videos: list[Video], changes: dict) -> None:
    s, order = SAMPLING.replaced(changes), Order(24, 8, 2, seed=5)
    cache = FrameCache(videos, 64)
    assert cache.frames is not None
    cached = collect(ClipDataset(videos, s, 5, True, cache), order)
    decoded = collect(ClipDataset(videos, s, 5, True), order)
    forked = collect(ClipDataset(videos, s, 5, True), order, workers=2)
    for other in (decoded, forked):
        assert torch.equal(cached[0], other[0]) and torch.equal(cached[1], other[1])
    assert cached[0].dtype == torch.uint8 and cached[0].shape == (48, 3, 4, 16, 16)


def test_the_cache_keeps_all_or_nothing(videos: list[Video]) -> None:
    assert FrameCache(videos, 1).frames is not None  # 24 · 10 · 768 bytes = 180 KiB
    assert FrameCache(videos, 0).frames is None


def test_labels_follow_their_clips_and_an_epoch_sees_every_video_once(videos: list[Video]) -> None:
    order = list(Order(24, 8, 2, seed=0))
    for epoch in (0, 1):
        seen = [index for keys in order for e, index in keys if e == epoch]
        assert sorted(seen) == list(range(24))
    assert order[:3] != [[(0, i) for _, i in keys] for keys in order[3:]]  # another order in the second epoch
    dataset = ClipDataset(videos, SAMPLING, 0, True)
    for sample, keys in zip(batches(dataset, order, 0), order, strict=True):
        assert sample.label.tolist() == [videos[i].label for _, i in keys]


def test_an_order_resumed_anywhere_is_the_rest_of_the_whole() -> None:
    whole = list(Order(25, 4, 3, seed=1))
    assert len(whole) == 18  # 6 full batches of 4 in 25, thrice
    for step in range(19):
        rest = Order(25, 4, 3, seed=1, first_step=step)
        assert list(rest) == whole[step:] and len(rest) == 18 - step


def test_in_turn_covers_every_video_once() -> None:
    assert [i for keys in in_turn(10, 4) for _, i in keys] == list(range(10))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cut", [0, 400])
def test_a_broken_video_stops_with_its_name(videos: list[Video], tmp_path: Path, workers: int, cut: int) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(videos[0].path.read_bytes()[:cut])
    bad = [*videos[:3], Video("broken", broken, 0, "right", "train", "synthactions")]
    with pytest.raises(BenchError, match=r"broken\.mp4") as caught:
        list(batches(ClipDataset(bad, SAMPLING, 0, True), in_turn(4, 2), workers))
    assert "\n" not in str(caught.value)
    with pytest.raises(BenchError, match=r"broken\.mp4"):
        FrameCache(bad, 64)


def test_a_header_that_promises_too_many_frames_is_corrected(
    videos: list[Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    import albar.data.dataset

    true = albar.data.dataset.probe
    wanted = ClipDataset(videos, SAMPLING, 0, True)[0, 0]
    monkeypatch.setattr(albar.data.dataset, "probe", lambda path: dataclasses.replace(true(path), frames=99))
    lying = ClipDataset(videos, SAMPLING, 0, True)
    for _ in range(2):  # at first and once the length is known
        found = lying[0, 0]
        assert isinstance(found, Sample) and isinstance(wanted, Sample)
        assert torch.equal(found.clip, wanted.clip)


# --- the loop -------------------------------------------------------------------------------------------------------


def test_the_rate_rises_in_a_line_and_falls_as_scheduled() -> None:
    cosine = Recipe(epochs=1, batch=1, lr=1.0, warmup=0.2)
    assert [cosine.rate(p) for p in (0.0, 0.1, 0.2)] == pytest.approx([0.0, 0.5, 1.0])
    assert cosine.rate(0.6) == pytest.approx(0.5)
    assert cosine.rate(1.0) == pytest.approx(0.0)
    assert Recipe(epochs=1, batch=1, lr=1.0).rate(0.0) == 1.0
    step = Recipe(epochs=1, batch=1, lr=1.0, schedule="step", milestones=(0.5, 0.8), gamma=0.1)
    assert [step.rate(p) for p in (0.0, 0.49, 0.5, 0.8, 1.0)] == pytest.approx([1, 1, 0.1, 0.01, 0.01])
    assert Recipe(epochs=1, batch=1, lr=1.0, schedule="constant", warmup=0.1).rate(0.99) == 1.0


def test_a_run_learns_and_leaves_all_that_is_needed(run: Callable[..., Path], videos: list[Video]) -> None:
    path = run(epochs=12, lr=5e-3, validation=0.0)
    assert sorted(p.name for p in path.parent.iterdir()) == [
        ".lock",
        "data.json",
        "last.pt",
        "metrics.csv",
        "model.ckpt",
        "settings.json",
        "tensorboard",
    ]
    assert [p.is_file() for p in (path.parent / "tensorboard").iterdir()] == [True], "one run's events, in no subfolder"
    table = rows(path.parent / "metrics.csv")
    assert [int(r["epoch"]) for r in table] == list(range(1, 13))
    assert float(table[-1]["ce"]) < 0.2 < float(table[0]["ce"])  # ln 2 = 0.69 is chance
    checkpoint = load_checkpoint(path)
    network, dataset = checkpoint.network(), ClipDataset(videos, checkpoint.sampling, 0, False)
    from albar.clips.clips import normalise

    clips, labels = collect(dataset, in_turn(24, 24))  # type: ignore[arg-type]
    with torch.no_grad():
        right = (network(normalise(clips, checkpoint.sampling)).argmax(1) == labels).sum()
    assert right >= 23
    assert checkpoint.classes == ["right", "down"] and checkpoint.method == "baseline"
    assert checkpoint.cost == {"forward_clips": 1.0, "backward_clips": 1.0}  # validation is not counted


@pytest.mark.parametrize("method", ["baseline", "albar"])
def test_the_same_seed_gives_the_same_weights_and_another_does_not(run: Callable[..., Path], method: str) -> None:
    options = {"gp": 0.01, "still": "random"} if method == "albar" else {}
    first = run("a", method=method, options=options)
    again = run("b", method=method, options=options, workers=1, cache_mb=0)
    other = run("c", method=method, options=options, seed=1)
    assert first.read_bytes() == again.read_bytes()
    assert (first.parent / "last.pt").read_bytes() == (again.parent / "last.pt").read_bytes()
    assert not same(weights(first), weights(other))
    assert without_clock(rows(first.parent / "metrics.csv")) == without_clock(rows(again.parent / "metrics.csv"))


def test_where_files_are_is_not_in_a_run(run: Callable[..., Path], tmp_path: Path) -> None:
    """Two folders, the weights reached by two paths: one record, one checkpoint."""
    from albar.models.small3d import Small3D

    (tmp_path / "deep").mkdir()
    torch.save(Small3D(2).state_dict(), tmp_path / "w.pth")
    (tmp_path / "deep" / "w.pth").write_bytes((tmp_path / "w.pth").read_bytes())
    first = run("a", weights=str(tmp_path / "w.pth"), preset="scratch", epochs=1)
    again = run("deep/b", weights="deep/w.pth", preset="scratch", epochs=1)  # the current directory is tmp_path
    for name in ("model.ckpt", "last.pt", "settings.json"):
        assert (first.parent / name).read_bytes() == (again.parent / name).read_bytes()
    assert str(tmp_path) not in (first.parent / "settings.json").read_text()
    torch.save(Small3D(2).state_dict(), tmp_path / "w.pth")  # other weights under the same name
    with pytest.raises(BenchError, match=r"holds a run with weights_sha256 .*, this one has"):
        run("a", weights=str(tmp_path / "w.pth"), preset="scratch", epochs=1)


def test_values_given_in_another_spelling_are_the_same_run(run: Callable[..., Path]) -> None:
    base = {"method": "albar", "epochs": 1}
    first = run("a", lr=0.01, options={"adv": 1.0, "ent": 2.0}, milestones=(0.5,), **base)
    again = run("b", lr=0.01, options={"ent": 2, "adv": 1}, milestones=[0.5], **base)
    assert first.read_bytes() == again.read_bytes()
    assert (first.parent / "settings.json").read_bytes() == (again.parent / "settings.json").read_bytes()


def test_training_leaves_the_callers_random_numbers_alone(run: Callable[..., Path]) -> None:
    before = torch.random.get_rng_state()
    run(epochs=1)
    assert torch.equal(torch.random.get_rng_state(), before)


class Stopped(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize(("at", "save_steps"), [(3, 0), (5, 0), (5, 1), (4, 3)])
def test_a_stopped_run_goes_on_to_the_same_bits(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at: int, save_steps: int
) -> None:
    changes = {"method": "albar", "epochs": 3, "options": {"gp": 0.01, "still": "random"}, "save_steps": save_steps}
    changes["dropout"] = 0.5  # it draws from torch's own generator
    whole = run("whole", **changes)
    step = albar.training.run.Run.train_step
    calls = 0

    def dying(self: albar.training.run.Run, *args: object) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls > at:
            raise Stopped
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(albar.training.run.Run, "train_step", dying)
    with pytest.raises(Stopped):
        run("stopped", **changes)
    monkeypatch.setattr(albar.training.run.Run, "train_step", step)
    assert not (tmp_path / "stopped" / "model.ckpt").exists()
    resumed = run("stopped", **changes)
    assert same(weights(whole), weights(resumed))
    table = rows(resumed.parent / "metrics.csv")
    assert without_clock(rows(whole.parent / "metrics.csv")) == without_clock(table)
    assert all(float(row["seconds"]) > 0 for row in table)  # those of the epochs before the stop, too
    for name in ("model.ckpt", "last.pt"):
        assert (whole.parent / name).read_bytes() == (resumed.parent / name).read_bytes()


@pytest.mark.parametrize("at", [2, 3])  # the second epoch's state, and the checkpoint after it
def test_a_kill_while_a_file_is_written_leaves_the_last_whole_one(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at: int
) -> None:
    whole, save, calls = run("whole"), torch.save, 0

    def dying(content: object, handle: BinaryIO) -> None:
        nonlocal calls
        calls += 1
        save(content, handle)
        if calls == at:
            handle.truncate(500)
            raise Stopped

    monkeypatch.setattr(torch, "save", dying)
    with pytest.raises(Stopped):
        run("stopped")
    monkeypatch.setattr(torch, "save", save)
    state = torch.load(tmp_path / "stopped" / "last.pt", weights_only=True)
    assert len(state["state"]["rows"]) == at - 1
    assert not (tmp_path / "stopped" / "model.ckpt").exists()
    assert same(weights(whole), weights(run("stopped")))


def test_a_finished_run_is_not_trained_again(run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = run()
    before = path.stat().st_mtime_ns
    monkeypatch.setattr(albar.training.run.Run, "fit", lambda self: pytest.fail("trained again"))
    assert run().stat().st_mtime_ns == before


def test_a_folder_of_another_run_is_refused_naming_what_differs(run: Callable[..., Path], tmp_path: Path) -> None:
    run()
    with pytest.raises(BenchError, match=r"recipe\.lr 0\.003, this one has 0\.5"):
        run(lr=0.5)
    with pytest.raises(BenchError, match="method 'baseline', this one has 'albar'"):
        run(method="albar")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(BenchError, match="not empty"):
        run("mine")


def test_a_run_that_failed_before_it_learnt_anything_holds_no_folder(run: Callable[..., Path]) -> None:
    with pytest.raises(BenchError, match=r"nowhere\.pth"):
        run(weights="nowhere.pth", preset="scratch")
    assert run(weights=None).is_file()


def leftovers(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob(".tmp-*")]


@pytest.mark.parametrize("left", [[], [".lock"], [".lock", f".tmp-{'0a' * 16}.json"], [f".tmp-{'f' * 32}"]])
def test_a_folder_of_a_run_that_was_killed_at_once_is_taken(
    run: Callable[..., Path], tmp_path: Path, left: list[str]
) -> None:
    (tmp_path / "run").mkdir()
    for name in (*left, ".DS_Store", "Thumbs.db"):
        (tmp_path / "run" / name).write_text("{")
    assert run(epochs=1).is_file() and leftovers(tmp_path) == []


ACCURACIES = [40.0, 60.0, 60.0, 20.0]  # on the validation videos, after each epoch


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """Gives the epochs of a run :data:`ACCURACIES`; the list gets the weights at the end of each epoch."""
    seen: list[dict[str, torch.Tensor]] = []

    def watch(network: torch.nn.Module, *_: object) -> dict[str, float]:
        seen.append({name: value.clone() for name, value in network.state_dict().items()})
        return {"val_acc": ACCURACIES[(len(seen) - 1) % 4], "val_still_acc": 0.0}

    monkeypatch.setattr(albar.training.run, "watch", watch)
    return seen


def test_the_best_epoch_is_kept_if_asked(run: Callable[..., Path], judged: list[dict[str, torch.Tensor]]) -> None:
    lines: list[str] = []
    best = run("best", lines.append, epochs=4, keep="best")
    assert same(weights(best), judged[1]) and not same(judged[1], judged[2])  # of equal ones, the first
    assert load_checkpoint(best).settings["kept_epoch"] == 2 and load_checkpoint(best).settings["keep"] == "best"
    assert "kept: epoch 2 of 4, 60.0 % of the validation videos right" in lines
    last = run("last", epochs=4)
    assert same(weights(last), judged[7])
    assert not {"keep", "kept_epoch"} & load_checkpoint(last).settings.keys()  # as before there was a choice
    assert "lr_clips" not in load_checkpoint(last).settings["recipe"]  # type: ignore[operator]


@pytest.mark.parametrize("at", ["best", "epoch 3"])
def test_a_run_killed_around_its_best_epoch_keeps_the_same(
    run: Callable[..., Path], judged: list[dict[str, torch.Tensor]], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    whole = run("whole", epochs=4, keep="best").read_bytes()
    judged.clear()
    save, save_best = RunFolder.save, RunFolder.save_best

    def stopping(folder: RunFolder, state: State, *rest: object) -> None:
        save(folder, state, *rest)  # type: ignore[arg-type]
        if at == "epoch 3" and len(state.rows) == 3:
            raise Stopped

    def stopping_best(folder: RunFolder, network: torch.nn.Module, epoch: int) -> None:
        if at == "best" and epoch == 2:
            raise Stopped  # the state of epoch 2 is saved, its weights are not
        save_best(folder, network, epoch)

    monkeypatch.setattr(RunFolder, "save", stopping)
    monkeypatch.setattr(RunFolder, "save_best", stopping_best)
    with pytest.raises(Stopped):
        run("killed", epochs=4, keep="best")
    monkeypatch.setattr(RunFolder, "save", save)
    monkeypatch.setattr(RunFolder, "save_best", save_best)
    assert run("killed", epochs=4, keep="best").read_bytes() == whole


def test_lost_weights_of_the_best_epoch_are_told(
    run: Callable[..., Path], judged: list[dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    (run("r", epochs=4, keep="best")).unlink()
    (tmp_path / "r" / "best.pt").unlink()
    with pytest.raises(BenchError, match=r"best\.pt: .*delete .*last\.pt to train from the start"):
        run("r", epochs=4, keep="best")


def test_the_rate_follows_the_clips_of_a_step(run: Callable[..., Path]) -> None:
    plain = run("plain", lr=1e-3)
    scaled = run("scaled", lr=8e-3, lr_clips=64)  # a step has 8 clips
    assert same(weights(plain), weights(scaled))
    assert load_checkpoint(scaled).settings["recipe"]["lr_clips"] == 64  # type: ignore[index]
    twice = run("twice", lr=8e-3, lr_clips=64, batch=4, accumulate=2)  # 8 clips in two passes
    one, two = (rows(checkpoint.parent / "metrics.csv") for checkpoint in (plain, twice))
    assert [row["lr"] for row in one] == [row["lr"] for row in two]


@pytest.mark.parametrize("name", ["notes.txt", "last.pt", "model.ckpt"])
def test_what_is_anothers_is_not_taken_nor_deleted(run: Callable[..., Path], tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine")
    with pytest.raises(BenchError, match="not empty"):
        run()
    assert (tmp_path / "run" / name).read_text() == "mine"


@pytest.mark.parametrize("writes", [1, 2, 3, 4])  # the record, the table, the state, the checkpoint
def test_after_a_kill_at_any_write_the_same_command_goes_on(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, writes: int
) -> None:
    """A kill leaves the temporary file, which an exception would delete."""
    few = {"epochs": 1, "limit": 8, "batch": 4, "validation": 0.0}
    whole, replace, done = run("whole", **few), Path.replace, 0

    def dying(self: Path, target: Path) -> Path:
        nonlocal done
        done += 1
        if done == writes:
            monkeypatch.setattr(Path, "unlink", lambda *a, **k: None)
            raise Stopped
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dying)
        with pytest.raises(Stopped):
            run("stopped", **few)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(albar.training.run, "read_dataset", lambda *a: run.listing)  # type: ignore[attr-defined]
    assert leftovers(tmp_path / "stopped")
    again = run("stopped", **few)
    assert whole.read_bytes() == again.read_bytes() and leftovers(tmp_path) == []


class Exploding(Method):
    """Cross-entropy that is not finite from its fifth step on."""

    steps = 0

    def loss(self, model, batch, draw, progress):  # type: ignore[no-untyped-def]
        loss, terms = super().loss(model, batch, draw, progress)
        self.steps += 1
        return (loss * float("nan"), {"ce": terms["ce"]}) if self.steps > 4 else (loss, terms)


def test_a_loss_that_is_not_finite_stops_with_step_terms_and_last_state(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(albar.training.run, "make_method", lambda *a: Exploding(Method.PRESETS["scratch"]))
    with pytest.raises(BenchError, match=r"at step 4: not finite \(loss nan, ce .*last\.pt.*lower --lr") as caught:
        run(batch=8, validation=0.0)
    assert "\n" not in str(caught.value)
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert all(torch.isfinite(v).all() for v in state["model"].values())
    assert not (tmp_path / "run" / "model.ckpt").exists()


def test_weights_that_are_not_finite_are_not_kept(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The last step's loss is finite; what it makes of the weights is not."""
    step = torch.optim.AdamW.step

    def spoiling(self: torch.optim.AdamW, *args: object) -> None:
        step(self)
        next(iter(self.param_groups[0]["params"])).data.fill_(float("inf"))

    monkeypatch.setattr(torch.optim.AdamW, "step", spoiling)
    with pytest.raises(BenchError, match="after step 1: weights are not finite; no state was saved yet; lower --lr"):
        run(batch=16, validation=0.0, epochs=1)
    assert not (tmp_path / "run" / "model.ckpt").exists() and not (tmp_path / "run" / "last.pt").exists()


@pytest.mark.parametrize(("entropy", "hint"), [("reference", "--set entropy=stable"), ("stable", "lower --lr and")])
def test_an_entropy_that_underflows_names_its_setting(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, entropy: str, hint: str
) -> None:
    monkeypatch.setattr("albar.methods.albar.sum_p_log_p", lambda logits, form: logits.sum(1) * float("nan"))
    with pytest.raises(BenchError, match=hint):
        run(method="albar", preset="finetune", options={"gp": 0.0, "entropy": entropy}, epochs=1)


def test_validation_videos_are_not_trained_on_and_limit_takes_so_many(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Sequence[Video]] = []
    cache = FrameCache.__init__

    def watching(self: FrameCache, videos: Sequence[Video], *args: object) -> None:
        seen.append(videos)
        cache(self, videos, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(FrameCache, "__init__", watching)
    run(limit=20, validation=0.3, batch=4)
    trained, kept = ({v.id for v in part} for part in seen)
    assert not trained & kept
    assert len(trained | kept) == 20 and kept


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"batch": 100}, "lower --batch"),
        ({"method": "magic"}, "choose from baseline"),
        ({"model": "magic"}, "choose from small3d"),
        ({"preset": "magic"}, "finetune, scratch"),
        ({"epochs": 0}, "--epochs"),
        ({"lr": -1.0}, "--lr"),
        ({"validation": 1.0}, "--validation"),
        ({"clip": {"colour": 3}}, "--clip colour=3: no such setting; choose from frames, stride"),
        ({"device": "abacus"}, "--device abacus"),
        ({"weights": "nowhere.pth"}, "nowhere.pth"),
        ({"model": "mvit_v2_s"}, "16 frames of 224"),
        ({"model": "s3d"}, "s3d takes no clips of 4 frames at 16 pixels"),
    ],
)
def test_bad_settings_are_one_line_with_the_mend(run: Callable[..., Path], changes: dict, word: str) -> None:
    with pytest.raises(BenchError, match=word) as caught:
        run(**changes)
    assert "\n" not in str(caught.value)


def test_a_damaged_state_is_told(run: Callable[..., Path], tmp_path: Path) -> None:
    path = run()
    path.unlink()
    (path.parent / "last.pt").write_text("not a state")
    with pytest.raises(BenchError, match=r"last\.pt: not a state to resume from"):
        run()


@pytest.mark.parametrize(
    "state",
    [None, [], {"step": None, "rows": [], "sums": {}, "clips": 0}, {"step": -1, "rows": [], "sums": {}, "clips": 0},
     {"step": 1, "rows": [[1]], "sums": {}, "clips": 0}, {"step": 1, "rows": [], "sums": {"ce": "x"}, "clips": 0}],
)  # fmt: skip
def test_a_state_with_odd_values_is_told(run: Callable[..., Path], state: object) -> None:
    path = run(epochs=1)
    path.unlink()
    saved = torch.load(path.parent / "last.pt", weights_only=True)
    torch.save({**saved, "state": state}, path.parent / "last.pt")
    with pytest.raises(BenchError, match=r"last\.pt: not this run's state") as caught:
        run(epochs=1)
    assert "\n" not in str(caught.value)


def test_runs_of_earlier_versions_go_on(run: Callable[..., Path], tmp_path: Path) -> None:
    """Their record lacks the settings that are new, and their state holds the times."""
    import json

    whole = run("whole", epochs=2)
    old = run("old", epochs=2).parent
    record = json.loads((old / "settings.json").read_text())
    for name in ("warmup_from", "by_epoch"):
        del record["recipe"][name]
    (old / "settings.json").write_text(json.dumps(record))
    state = torch.load(old / "last.pt", weights_only=True)
    state["state"] |= {"seconds": 1.0, "cpu_seconds": 1.0}
    state["state"]["rows"] = [row | {"seconds": 9.0} for row in state["state"]["rows"]]
    torch.save(state, old / "last.pt")
    (old / "model.ckpt").unlink()
    (old / "metrics.csv").unlink()
    assert run("old", epochs=2).is_file() and same(weights(whole), weights(old / "model.ckpt"))


def test_a_missing_data_set_is_the_readers_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such folder"):
        train(TrainSettings(root=tmp_path / "nowhere", out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


# --- recipes, configuration, several passes a step ------------------------------------------------------------------


def test_two_passes_a_step_learn_what_one_of_twice_the_clips_does(run: Callable[..., Path]) -> None:
    # Not clipped, which would hide a gradient of another length.
    changes = {"epochs": 1, "optimiser": "sgd", "lr": 0.01, "clip_gradient": 0.0, "validation": 0.0}
    one = weights(run("one", batch=8, **changes))
    two = weights(run("two", batch=4, accumulate=2, **changes))
    # Three SGD steps; float32 sums of two means of 4 against one of 8 differ by rounding alone: some 1e-7 of a
    # gradient of norm 10 at most, a hundredth of which is added.
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-6)


def test_shares_of_several_processes_are_the_whole_batch() -> None:
    whole = list(Order(25, 8, 2, seed=1))
    shares = [list(Order(25, 8, 2, seed=1, share=(i, 4))) for i in range(4)]
    assert [[key for part in parts for key in part] for parts in zip(*shares, strict=True)] == whole


def test_two_processes_learn_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # ALBAR with its penalty: two forward passes a step, one of them differentiated twice. No clipping, which would hide
    # a gradient of another length.
    flags = (
        "--epochs 1 --optimiser sgd --lr 0.001 --validation 0 --device cpu --clip frames=4 --no-tensorboard "
        "--preset finetune --set gp=0.01 --clip-gradient 0"
    )

    def start(*words: str) -> None:
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    start("data", "render", "--train", "32", "--test", "0", "--frames", "8", "--workers", "1")
    start("train", "albar", *flags.split(), "--batch", "8", "--out", "one")
    done = bench_in_two_processes("train", "albar", *flags.split(), "--batch", "4", "--out", "two")
    assert done.returncode == 0, done.stderr
    one, two = weights(tmp_path / "one" / "model.ckpt"), weights(tmp_path / "two" / "model.ckpt")
    # Four SGD steps of a gradient of norm 25, a thousandth of which is added: float32 sums in another order differ by
    # some 1e-7 of that, and the loss's curvature may grow it from step to step.
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-6)
    assert float(rows(tmp_path / "one" / "metrics.csv")[0]["step"]) == 4
    assert float(rows(tmp_path / "two" / "metrics.csv")[0]["step"]) == 4


def test_groups_learn_at_their_own_rates(run: Callable[..., Path]) -> None:
    frozen = run("frozen", backbone_lr=0.0, weight_decay=0.0, epochs=1)
    again = run("again", backbone_lr=0.0, weight_decay=0.0, epochs=2)
    a, b = weights(frozen), weights(again)
    assert all(torch.equal(a[k], b[k]) for k in a if not k.startswith("head."))
    assert not torch.equal(a["head.weight"], b["head.weight"])


def test_weights_for_other_classes_are_said_or_refused(run: Callable[..., Path], tmp_path: Path) -> None:
    from albar.models.small3d import Small3D

    torch.save(Small3D(5).state_dict(), tmp_path / "five.pth")
    said: list[str] = []
    run("fresh", weights=str(tmp_path / "five.pth"), preset="scratch", say=said.append)
    assert any("five.pth have a head for 5 classes" in line and "starts with random weights" in line for line in said)
    with pytest.raises(BenchError, match=r"--keep-head: .*five\.pth have a head for 5 classes, the dataset has \d"):
        run("kept", weights=str(tmp_path / "five.pth"), preset="scratch", keep_head=True)


def test_training_goes_on_from_ones_own_checkpoint(run: Callable[..., Path], tmp_path: Path) -> None:
    from albar.checkpoint import export_weights
    from albar.training.settings import make_settings

    first = run("first", epochs=1)
    started = weights(first)
    frozen = {"lr": 0.0, "weight_decay": 0.0, "epochs": 1, "preset": "scratch"}
    exports = [export_weights(first, tmp_path / f"w{suffix}") for suffix in (".safetensors", ".pth")]
    for k, source in enumerate((first, first.parent, *exports)):
        said: list[str] = []
        again = run(f"again{k}", weights=str(source), say=said.append, keep_head=True, **frozen)
        assert same(started, weights(again))
        assert any("are taken, its head too" in line for line in said)
    # Without --model and --clip, the checkpoint's.
    given = {"weights": str(first), "method": "baseline", "dataset": "hmdb51", "clip": {"stride": 1}}
    settings = make_settings(None, given)
    assert settings.model_name == "small3d" and settings.preset_name == "finetune"
    assert settings.clip_sampling == load_checkpoint(first).sampling.replaced({"stride": 1})
    assert make_settings(None, {**given, "model": "r3d_18", "clip": {}}).clip_sampling.frames == 16
    assert make_settings(None, {**given, "sampling": "8x2-48", "clip": {}}).clip_sampling.size == 48
    with pytest.raises(BenchError, match="is a checkpoint of small3d, not of resnet18_2d; give --model small3d"):
        run("other", weights=str(first), model="resnet18_2d", **frozen)


def test_a_head_for_other_classes_of_the_same_number_starts_fresh(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, videos: list[Video]
) -> None:
    first = run("first", epochs=1)
    listing = Listing(list(videos), ["right", "up"], "train1")
    monkeypatch.setattr(albar.training.run, "read_dataset", lambda *a: listing)
    frozen = {"lr": 0.0, "weight_decay": 0.0, "epochs": 1, "preset": "scratch", "weights": str(first)}
    said: list[str] = []
    made = weights(run("again", say=said.append, seed=1, **frozen))
    started = weights(first)
    assert all(torch.equal(made[k], started[k]) for k in made if not k.startswith("head."))
    assert not torch.equal(made["head.weight"], started["head.weight"])
    assert any(
        "class 1 is 'down', the dataset has 'up'" in line and "starts with random weights" in line for line in said
    )
    with pytest.raises(BenchError, match=r"--keep-head: .*class 1 is 'down'"):
        run("kept", keep_head=True, **frozen)


def test_decay_spares_norms_and_biases_where_asked() -> None:
    from albar.models.heads import find_head
    from albar.models.small3d import Small3D
    from albar.training.optimizer import make_optimiser

    model = Small3D(3)
    recipe = Recipe(epochs=1, batch=1, lr=1.0, decay="weights", backbone_lr=0.1)
    optimiser = make_optimiser(recipe, model, find_head(model), None, 1.0)
    spared = {id(p) for g in optimiser.param_groups if g["weight_decay"] == 0 for p in g["params"]}
    assert spared == {id(p) for p in model.parameters() if p.ndim == 1}
    rates = {id(p): g["factor"] for g in optimiser.param_groups for p in g["params"]}
    assert len(rates) == len(list(model.parameters()))
    assert rates[id(model.head.weight)] == 1.0 and rates[id(next(iter(model.stem.parameters())))] == 0.1


def test_a_toml_file_sets_what_options_do_not(tmp_path: Path) -> None:
    from albar.training.settings import make_settings

    path = tmp_path / "run.toml"
    path.write_text('method = "albar"\nroot = "data"\nlr = 1\nmilestones = [0.5]\n[options]\nadv = 0.5\nent = 2.0\n')
    settings = make_settings(path, {"options": {"ent": 3.0}, "lr": None, "seed": 4})
    assert settings.options == {"adv": 0.5, "ent": 3.0}
    assert (settings.root, settings.lr, settings.seed) == (tmp_path / "data", 1.0, 4)
    assert settings.recipe.milestones == (0.5,)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("epoch = 3", "did you mean 'epochs'"),
        ('epochs = "three"', "epochs is 'three'; give a whole number"),
        ("lr = true", "lr is True"),
        ("epochs", "not TOML"),
        ("clip = 3", "a table"),
        ("[options]\nadvv = 1", "--set advv=1: no such setting; did you mean 'adv'"),
        ("[clip]\nframe = 8", "frame"),
        ("batch = 0", "batch is 0; give a whole number from 1"),
    ],
)
def test_a_bad_toml_file_is_named_with_the_mend(tmp_path: Path, text: str, word: str) -> None:
    from albar.training.settings import make_settings

    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(BenchError, match=word) as caught:
        make_settings(path, {})
    assert "run.toml" in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(BenchError, match="not readable"):
        make_settings(tmp_path / "none.toml", {})


@pytest.mark.parametrize("options", [{"gp": 0.0}, {"gp": 0.1}])
def test_a_compiled_network_learns_what_it_does_as_it_is(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, options: dict
) -> None:
    # The backend that traces both directions, as the default does, and leaves out its slow compiler. Each shape by
    # itself: to trace any number of clips and frames takes twice the time.
    compiler, traced = torch.compile, []

    def quick(network: torch.nn.Module) -> object:
        traced.append(network)
        return compiler(network, backend="aot_eager", dynamic=False)

    monkeypatch.setattr(torch, "compile", quick)
    changes = {"method": "albar", "epochs": 1, "optimiser": "sgd", "lr": 0.1, "validation": 0.0, "options": options}
    plain, made = weights(run("plain", **changes)), weights(run("made", compile=True, **changes))
    assert len(traced) == 1
    # Three SGD steps of a gradient clipped to norm 1, a tenth of which is added, in float32.
    for name in plain:
        torch.testing.assert_close(plain[name], made[name], rtol=0, atol=1e-6)


def test_clips_of_one_ucf101_group_stay_on_one_side() -> None:
    names = [f"Archery/v_Archery_g{g:02d}_c{c:02d}" for g in range(1, 26) for c in range(1, 5)]
    listing = Listing([Video(n, Path(n), 0, "Archery", "train1", "ucf101") for n in names], ["Archery"], "train1")
    kept = divide(listing, TrainSettings(dataset="ucf101", validation=0.3))[1]
    groups = {v.id[:-4] for v in kept}
    assert len(kept) == 4 * len(groups) and 0 < len(groups) < 25


def test_a_list_of_ids_chooses_the_training_videos(run: Callable[..., Path], tmp_path: Path) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("".join(f"v{k:02d}\n" for k in range(10)) + "gone\n")
    said: list[str] = []
    whole = load_checkpoint(run("whole", epochs=1)).settings
    made = load_checkpoint(run("part", said.append, epochs=1, subset=str(listed))).settings
    assert "subset" not in whole and whole["training_videos"] != made["training_videos"]
    found = made["subset"]
    assert isinstance(found, dict) and (found["file"], found["ids"], found["unknown"]) == ("ids.txt", 11, ["gone"])
    assert any("10 videos; 1 of its 11 ids are unknown here: gone" in line for line in said)
    listing, chosen = chosen_by_list(run.listing, TrainSettings(subset=str(listed)))  # type: ignore[attr-defined]
    assert chosen is not None and [v.id for v in listing.videos] == [f"v{k:02d}" for k in range(10)]
    listed.write_text("another\n")
    with pytest.raises(BenchError, match=r"--subset ids\.txt"):
        run("none", epochs=1, subset=str(listed))


# --- what a method needs alongside the clips --------------------------------------------------------------------------


def test_masks_are_cut_like_their_clips(tmp_path: Path) -> None:
    """Each picture is white where its mask is, so the clip and the cut mask must be the same."""
    from albar.data.actors import ActorMasks
    from benchmark_builder.masks.stored import write_masks

    still = np.zeros((10, 32, 40), bool)
    for t in range(10):
        still[t, 6 + t : 22 + t, 8 : 30 - t] = True
    path = tmp_path / "videos" / "a.mp4"
    path.parent.mkdir()
    with open_video(path, 40, 32, 12.0) as encoder:
        for mask in still:
            encoder.write(np.repeat(mask[..., None] * np.uint8(255), 3, axis=2))
    write_masks(tmp_path / "masks" / "a.zip", list(still))
    video = Video("a", path, 0, "x", "train", "synthactions")
    s = SAMPLING.replaced({"frames": 6, "stride": 1, "crop": "random_resized", "flip": 0.5, "area": [0.3, 0.8]})
    for limit in (64, 0):  # kept in memory, and read again each time
        masks = ActorMasks([video], "truth", tmp_path, limit)
        dataset = ClipDataset([video], s, 0, True, actors=masks)
        for epoch in range(8):
            sample = dataset[epoch, 0]
            assert isinstance(sample, Sample) and sample.actors.shape == (1, 6, 16, 16)
            # The codec is near-lossless: edges may be a few levels off, nothing is by half.
            assert (sample.clip.float() - sample.actors.float()).abs().max() < 40


def test_a_source_without_any_mask_is_told(tmp_path: Path, videos: list[Video]) -> None:
    from albar.data.actors import ActorMasks

    with pytest.raises(BenchError, match="--masks"):
        ActorMasks(videos, "truth", tmp_path, 64)


def test_the_bank_holds_the_frames_that_give_the_class_away(tmp_path: Path, videos: list[Video]) -> None:
    from albar.data.still_bank import COLUMNS, make_bank, whole
    from benchmark_builder.utils.files import write_csv
    from benchmark_builder.video.decode import read_frames

    scores = [
        {"id": v.id, "frame": f, "p_true": 0, "p_top1": f"{(k * 10 + f) / 240:.6f}"}
        for k, v in enumerate(videos)
        for f in range(10)
    ]
    write_csv(tmp_path / "scores.csv", COLUMNS, scores)
    bank = make_bank(tmp_path, videos, SAMPLING, 0.5, 16, seed=0)
    assert bank.shape == (16, 3, 16, 16) and bank.dtype == torch.uint8
    surest = torch.stack([whole(f, 16) for v in videos[12:] for f in read_frames(v.path)])
    same_as = (bank[:, None] == surest[None]).flatten(2).all(2)
    assert same_as.any(1).all()  # every one is among the surer half
    assert torch.equal(bank, make_bank(tmp_path, videos, SAMPLING, 0.5, 16, seed=0))
    assert not torch.equal(bank, make_bank(tmp_path, videos, SAMPLING, 0.5, 16, seed=1))
    assert len(make_bank(tmp_path, videos, SAMPLING, 0.9, 1000, seed=0)) == 24  # all that qualify
    assert len(make_bank(tmp_path, videos, SAMPLING, 0.003, 1000, seed=0)) == 240  # int(0.72) are left out
    assert len(make_bank(tmp_path, videos, SAMPLING, 0.9999, 1000, seed=0)) == 1  # int(239.976)
    with pytest.raises(BenchError, match="bench train reference2d"):
        make_bank(tmp_path / "nowhere", videos, SAMPLING, 0.5, 16, seed=0)


def test_the_published_bank_is_resized_without_antialiasing(tmp_path: Path, videos: list[Video]) -> None:
    import cv2

    from albar.data.still_bank import COLUMNS, make_bank
    from benchmark_builder.utils.files import write_csv
    from benchmark_builder.video.decode import read_frames

    write_csv(tmp_path / "scores.csv", COLUMNS, [{"id": videos[0].id, "frame": 3, "p_true": 0, "p_top1": 0.5}])
    small = SAMPLING.replaced({"size": 5, "resize": 5})
    (found,) = make_bank(tmp_path, videos, small, 0.0, 1, seed=0, resize="plain")
    frame = list(read_frames(videos[0].path))[3]
    # cv2.resize(frame.astype(float), (224, 224)) of the published code; here rounded, as pictures are kept in bytes.
    wanted = torch.from_numpy(cv2.resize(frame.astype(float), (5, 5))).permute(2, 0, 1)
    assert (found.double() - wanted).abs().max() <= 0.5
    (smooth,) = make_bank(tmp_path, videos, small, 0.0, 1, seed=0)
    assert not torch.equal(found, smooth)
    from albar.training.extras import bank_resize

    assert [bank_resize(TrainSettings(preset=p)) for p in ("finetune", "scratch")] == ["plain", "antialias"]
    assert bank_resize(TrainSettings(preset="scratch", bank_resize="plain")) == "plain"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("id,frame,p_true,p_top1\nv00,1,0.5,nan\n", "line 2: frame '1' with p_top1 'nan'"),
        ("id,frame,p_true,p_top1\nv00,-3,0.5,0.5\n", "line 2"),
        ("id,frame,p_true,p_top1\nv00,1.5,0.5,0.5\n", "line 2"),
        ("id,frame,p_true,p_top1\nv00,1,0.5\n", "line 2: 3 cells"),
        ("id,frame\nv00,1\n", "columns"),
        ("", "empty"),
        ("id,frame,p_true,p_top1\nv00,99,0.5,0.5\n", "a frame that v00 does not have"),
        ("id,frame,p_true,p_top1\nother,1,0.5,0.5\n", "none of the training videos"),
    ],
)
def test_a_table_of_scores_that_will_not_do_is_told(tmp_path: Path, videos: list[Video], text: str, word: str) -> None:
    from albar.data.still_bank import make_bank

    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(BenchError, match=word) as caught:
        make_bank(tmp_path, videos, SAMPLING, 0.0, 4, seed=0)
    assert "scores.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_tables_that_other_programs_saved_are_read(tmp_path: Path, videos: list[Video]) -> None:
    from albar.data.scenes import known_scenes
    from albar.data.still_bank import make_bank, read_scores

    rows = "".join(f"{v.id},0,0.5,0.25\r\n" for v in videos)
    (tmp_path / "scores.csv").write_text(f"\ufeffid,frame,p_true,p_top1\r\n{rows}\r\n", newline="")
    assert read_scores(tmp_path)[0] == (0.25, "v00", 0) and len(make_bank(tmp_path, videos, SAMPLING, 0.0, 4, 0)) == 4
    facts = "".join(f"{v.id},s{k % 3}\r\n" for k, v in enumerate(videos))
    (tmp_path / "facts.csv").write_text(f"\ufeffid, scenery\r\n{facts}", newline="")
    assert known_scenes(videos, tmp_path).argmax(1).tolist() == [k % 3 for k in range(24)]
    (tmp_path / "facts.csv").write_text("id,scenery\nv00,s1\n")
    with pytest.raises(BenchError, match="of 23 of the videos, first v01"):
        known_scenes(videos, tmp_path)


def test_squashed_crops_show_the_share_of_both_sides() -> None:
    s = sampling("32x2-224").replaced({"crop": "random", "squash": True, "resize": 232})
    draw = generator(0, "crops", "squash")
    boxes = [train_box(240, 320, s, draw) for _ in range(200)]
    assert {(h, w) for _, _, h, w in boxes} == {(232, 309)}  # 224 of 232 of each side
    assert {top for top, *_ in boxes} == set(range(9)) and {left for _, left, *_ in boxes} == set(range(12))
    assert (232 * 309) / (240 * 320) == pytest.approx(0.932, abs=2e-3)  # 93 % of the picture
    # The squashed picture, cropped, is the crop, squashed.
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    smooth = np.repeat(np.repeat(frame[::40, ::40], 40, 0), 40, 1)
    whole = cut_frame(smooth, (0, 0, 240, 320), 232)[:, 4:228, 4:228].float()
    assert (whole - cut_frame(smooth, eval_box(240, 320, s), 224).float()).abs().mean() < 1.5
    with pytest.raises(BenchError, match="squash"):
        s.replaced({"crop": "random_resized"})
    assert "squash" not in sampling("8x2-48").to_dict() and s.from_dict(s.to_dict()) == s


def test_stillmix_trains_its_reference_first_and_scores_every_frame(
    run: Callable[..., Path], videos: list[Video], tmp_path: Path
) -> None:
    from albar.data.still_bank import read_scores
    from albar.training.reference2d import with_reference

    base = {"method": "stillmix", "clip": CLIP, "epochs": 1, "batch": 8, "validation": 0.0, "progress": False}
    asked = TrainSettings(out=tmp_path / "still", bank=8, **base)  # type: ignore[arg-type]
    with pytest.raises(BenchError, match="--reference"):
        train(asked)
    said: list[str] = []
    settings = with_reference(asked, said.append)
    assert settings.reference == tmp_path / "synthactions-reference2d-s0"
    scores = read_scores(settings.reference)
    assert len(scores) == 24 * 10
    assert any(round(p, 6) != p for p, *_ in scores)  # as the network gives them, not rounded
    assert load_checkpoint(settings.reference / "model.ckpt").sampling.frames == 1
    mixed = train(settings.replaced(out=tmp_path / "still2"))
    # All of it again in other folders, to the byte.
    other = with_reference(asked.replaced(out=tmp_path / "elsewhere" / "still"))
    assert other.reference == tmp_path / "elsewhere" / "synthactions-reference2d-s0"
    for name in ("model.ckpt", "last.pt", "scores.csv"):
        assert (other.reference / name).read_bytes() == (settings.reference / name).read_bytes()
    assert train(other).read_bytes() == mixed.read_bytes()
    assert with_reference(asked, said.append) == settings and len([line for line in said if "training it" in line]) == 1


def test_sdn_resumes_its_scene_head_too(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, videos: list[Video]
) -> None:
    from albar.training import extras as companions

    class Masks:
        without: tuple[str, ...] = ()

        def of(self, index: int, frames: Sequence[int], height: int, width: int) -> dict[int, np.ndarray]:
            return {
                f: np.full((height, width, 1), 255 * (np.arange(width) < 5)[None, :, None], np.uint8) for f in frames
            }

    scenes = torch.eye(3)[torch.arange(24) % 3]
    monkeypatch.setattr(albar.training.run, "gather", lambda *a: companions.Extras(Masks(), scenes, None, ()))  # type: ignore[arg-type]
    changes = {"method": "sdn", "epochs": 4, "validation": 0.0, "save_steps": 1}
    whole = run("whole", **changes)
    step, calls = albar.training.run.Run.train_step, 0

    def dying(self: albar.training.run.Run, *args: object) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls > 7:
            raise Stopped
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(albar.training.run.Run, "train_step", dying)
    with pytest.raises(Stopped):
        run("stopped", **changes)
    monkeypatch.setattr(albar.training.run.Run, "train_step", step)
    assert same(weights(whole), weights(run("stopped", **changes)))


def test_scenes_of_a_render_are_read_and_a_places_network_is_recognised(tmp_path: Path, videos: list[Video]) -> None:
    from torchvision.models import resnet18

    from albar.data.scenes import guessed_scenes, known_scenes

    (tmp_path / "facts.csv").write_text("id,scenery\n" + "".join(f"{v.id},s{k % 3}\n" for k, v in enumerate(videos)))
    assert known_scenes(videos, tmp_path).argmax(1).tolist() == [k % 3 for k in range(24)]
    with pytest.raises(BenchError, match=r"facts\.csv"):
        known_scenes(videos, tmp_path / "nowhere")
    file = tmp_path / "places.pth.tar"
    state = resnet18(num_classes=365).state_dict()
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, file)
    shares = guessed_scenes(videos[:2], file, torch.device("cpu"))
    assert shares.shape == (2, 365)
    torch.testing.assert_close(shares.sum(1), torch.ones(2))
    torch.save(resnet18(num_classes=10).state_dict(), file)
    with pytest.raises(BenchError, match="365 places"):
        guessed_scenes(videos[:2], file, torch.device("cpu"))
