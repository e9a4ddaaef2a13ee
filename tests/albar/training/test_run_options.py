"""What people ask of a run: epochs to keep, more epochs, trackers, a score before its end, and lines on screen."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from moving_bars import moving_bars

import albar.training.run
from albar.checkpoint import load_checkpoint
from albar.clips.clips import odd_resize, sampling
from albar.training.logs import epoch_line
from albar.training.run_record import RunRecord
from albar.training.settings import TrainSettings
from albar.training.trainer import train
from benchmark_builder.datasets import Listing
from benchmark_builder.utils.errors import BenchError
from evaluator.models import load_model

CLIP = {"frames": 4, "size": 16, "resize": 16}
CONSTANT = {"schedule": "constant", "warmup": 0.0}
Start = Callable[..., Path]


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Listing:
    return Listing(moving_bars(tmp_path_factory.mktemp("videos"), 12), ["right", "down"], "train1")


@pytest.fixture
def run(listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    monkeypatch.setattr(albar.training.run, "read_dataset", lambda *_: listing)

    def start(out: str = "run", say: Callable[[str], None] = lambda line: None, **changes: object) -> Path:
        base = {"method": "baseline", "clip": CLIP, "epochs": 2, "batch": 4, "validation": 0.3, "progress": False,
                "tensorboard": False}  # fmt: skip
        return train(TrainSettings(out=tmp_path / out, **{**base, **changes}), say)  # type: ignore[arg-type]

    return start


class Killed(Exception):
    pass


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    step, done = albar.training.run.Run.train_step, 0

    def dying(self: albar.training.run.Run, *args: object) -> dict[str, float]:
        nonlocal done
        done += 1
        if done > steps:
            raise Killed
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(albar.training.run.Run, "train_step", dying)


def same(a: Path, b: Path) -> bool:
    left, right = load_checkpoint(a).weights, load_checkpoint(b).weights
    return all(torch.equal(value, right[name]) for name, value in left.items())


# --- which epochs are kept ------------------------------------------------------------------------------------------


def test_epochs_are_kept_as_asked_and_the_checkpoint_is_the_same(run: Start) -> None:
    plain, kept = run("plain", epochs=5), run("kept", epochs=5, keep="last,best,every:2")
    assert plain.read_bytes() == kept.read_bytes()
    names = sorted(p.name for p in kept.parent.glob("*.ckpt"))
    assert names == ["best.ckpt", "epoch-0002.ckpt", "epoch-0004.ckpt", "model.ckpt"]
    best = load_checkpoint(kept.parent / "best.ckpt").settings["kept_epoch"]
    assert same(kept.parent / "best.ckpt", run("best", epochs=5, keep="best"))
    assert isinstance(best, int) and 1 <= best <= 5
    assert load_model(kept.parent / "epoch-0002.ckpt").method == "baseline (epoch 2 of 5)"
    assert load_model(kept).method == load_model(kept.parent / "best.ckpt").method == "baseline"
    both = run("both", epochs=5, keep=["best", "last"])
    assert same(both, kept.parent / "best.ckpt") and same(both.parent / "last.ckpt", plain)


def test_an_epoch_is_kept_where_the_run_was_killed_after_saving_its_state(
    run: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = albar.training.run.save_checkpoint
    monkeypatch.setattr(albar.training.run, "save_checkpoint", lambda *_, **__: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        run(keep="every:1")
    monkeypatch.setattr(albar.training.run, "save_checkpoint", save)
    path = run(keep="every:1")
    assert {p.name for p in path.parent.glob("epoch-*")} == {"epoch-0001.ckpt", "epoch-0002.ckpt"}


@pytest.mark.parametrize("keep", ["every:0", "every:", "foo", "best;last", "", "every:2,every:3", "best,", "every:-1"])
def test_other_words_are_refused_with_the_right_ones(keep: str) -> None:
    with pytest.raises(BenchError, match=r"--keep .*last, best, every:N"):
        TrainSettings(keep=keep)


def test_best_needs_videos_to_judge_by(run: Start) -> None:
    with pytest.raises(BenchError, match="--keep last,best: best needs validation videos"):
        run(keep="last,best", validation=0.0)


def test_the_state_is_removed_if_asked_also_of_a_run_that_has_ended(run: Start) -> None:
    path = run(keep="best")
    assert {p.name for p in path.parent.glob("*.pt")} == {"last.pt", "best.pt"}
    assert run(keep="best", keep_state=False) == path and not list(path.parent.glob("*.pt"))
    with pytest.raises(BenchError, match=r"state to resume from .* was not kept"):
        run(keep="best", epochs=3)
    assert path.is_file()


# --- more epochs ----------------------------------------------------------------------------------------------------


def test_a_raised_run_is_the_run_of_that_many_epochs(run: Start, tmp_path: Path) -> None:
    lines: list[str] = []
    run("raised", **CONSTANT, keep="every:2")
    raised = run("raised", lines.append, **CONSTANT, epochs=4, keep="every:2")
    assert any("2 epochs are now 4; the checkpoint after 2 is now model-2-epochs.ckpt" in line for line in lines)
    assert raised.read_bytes() == run("at once", **CONSTANT, epochs=4).read_bytes()
    assert load_checkpoint(tmp_path / "raised/model-2-epochs.ckpt").settings["recipe"]["epochs"] == 2  # type: ignore[index]
    assert run("raised", lines.append, **CONSTANT, epochs=4, keep="every:2") == raised and "nothing to do" in lines[-1]


def test_a_warm_up_that_is_over_allows_it_and_is_recorded(run: Start) -> None:
    given = {"schedule": "constant", "warmup": 0.5}
    run(**given)
    assert load_checkpoint(run(**given, epochs=4)).settings["raised"] == [2]
    with pytest.raises(BenchError, match=r"warm-up .* would not be over after the 4"):
        run(**given, epochs=9)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"epochs": 3}, "learning rate .cosine. depends on the length"),
        ({"epochs": 1, **CONSTANT}, "of which 2 are trained; give at least 2"),
    ],
)
def test_what_would_be_another_run_is_refused_and_nothing_changes(run: Start, changes: dict, word: str) -> None:
    path = run(**{**changes, "epochs": 2})
    before = path.read_bytes(), (path.parent / "settings.json").read_bytes()
    with pytest.raises(BenchError, match=word):
        run(**changes)
    assert (path.read_bytes(), (path.parent / "settings.json").read_bytes()) == before


def test_more_epochs_without_the_other_options_of_the_run_name_these(run: Start) -> None:
    run(**CONSTANT)
    with pytest.raises(
        BenchError, match=r"recipe\.epochs 2, this one has 3 \(and recipe\.schedule, recipe\.warmup diff"
    ):
        run(epochs=3)


def test_a_run_raised_and_killed_at_once_goes_on(run: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run(**CONSTANT)
    write = albar.training.run_folder.write_json
    monkeypatch.setattr(albar.training.run_folder, "write_json", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        run(**CONSTANT, epochs=3)
    monkeypatch.setattr(albar.training.run_folder, "write_json", write)
    assert run(**CONSTANT, epochs=3).read_bytes() == run("at once", **CONSTANT, epochs=3).read_bytes()


# --- before the end -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "save_steps", "said"), [(2, 0, "1"), (3, 1, "1.5")])
def test_a_run_is_scored_before_its_end(
    run: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, steps: int, save_steps: int, said: str
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(Killed):
            run(epochs=3, save_steps=save_steps)
    model = load_model(tmp_path / "run")
    assert model.method == f"baseline (epoch {said} of 3)" and model.classes == ["right", "down"]
    assert model.network(torch.device("cpu"))(torch.zeros(1, 3, 4, 16, 16)).shape == (1, 2)
    run(epochs=3, save_steps=save_steps)
    assert load_model(tmp_path / "run").method == load_model(tmp_path / "run/last.pt").method == "baseline"


def test_a_run_without_any_epoch_and_a_state_of_an_earlier_version_are_told(run: Start, tmp_path: Path) -> None:
    path = run()
    path.unlink()
    state = torch.load(path.parent / "last.pt", weights_only=True)
    del state["checkpoint"]
    torch.save(state, path.parent / "last.pt")
    with pytest.raises(BenchError, match="of an earlier version or of a probe"):
        load_model(path.parent)
    (path.parent / "last.pt").unlink()
    with pytest.raises(BenchError, match="has finished no epoch yet"):
        load_model(path.parent)


# --- what is said ---------------------------------------------------------------------------------------------------


def test_an_epoch_is_a_line(run: Start) -> None:
    lines: list[str] = []
    run(say=lines.append, epochs=2)
    shown = [line for line in lines if line.startswith("epoch ")]
    assert [line.partition(":")[0] for line in shown] == ["epoch 1/2", "epoch 2/2"]
    assert all(" loss " in line and " validation " in line and " still " in line for line in shown)
    assert shown[0].endswith(" left") and not shown[1].endswith(" left")
    assert any(line.startswith("validation: ") and "drawn with seed 0" in line for line in lines)
    row = {"epoch": 2, "loss": 1.85123, "val_acc": 41.666, "val_still_acc": 8.333, "seconds": 12.2}
    assert epoch_line(row, 10, 96) == "epoch 2/10: loss 1.851, validation 41.7 %, still 8.3 %, took 0:12, 1:36 left"
    assert epoch_line({"epoch": 10, "loss": 1.0, "seconds": 7261}, 10, 0) == "epoch 10/10: loss 1, took 2:01:01"


def test_a_size_that_leaves_its_resize_is_told() -> None:
    usual = sampling("32x2-224")
    said = odd_resize(usual, {"size": 112})
    assert said is not None and "44 %" in said and "88 %" in said and "resize=128" in said
    for changes in ({"size": 112, "resize": 128}, {"size": 224}, {"frames": 8}, {"resize": 300}):
        assert odd_resize(usual, changes) is None


# --- where its data were --------------------------------------------------------------------------------------------


def test_the_run_knows_where_its_data_and_which_its_validation_videos_are(
    run: Start, tmp_path: Path, listing: Listing
) -> None:
    (tmp_path / "my data").mkdir()
    first = run("a", root=tmp_path / "my data")
    said = json.loads((first.parent / "data.json").read_text())
    assert said["paths"] == {"root": str(tmp_path / "my data"), "root_relative": "../my data"}
    ids = (first.parent / "validation.txt").read_text().splitlines()
    assert 0 < len(ids) < 12 and set(ids) < {v.id for v in listing.videos}
    assert first.read_bytes() == run("b").read_bytes(), "where data are is not in a checkpoint"


# --- trackers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("track", "word"), [("foo", "one or more of tensorboard, wandb"), ("none,wandb", "or none"), ("aim", "package aim")]
)
def test_a_tracker_that_is_unknown_or_not_installed_is_a_line(track: str, word: str) -> None:
    with pytest.raises(BenchError, match=f"--track .*{word}"):
        TrainSettings(track=track)


def test_trackers_get_every_step_once_on_one_axis(run: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate import tracking

    seen: list[tuple[int, set[str]]] = []

    class Fake(tracking.GeneralTracker):
        name, requires_logging_directory, tracker = "wandb", False, None

        def __init__(self, project: str, **said: object) -> None:
            super().__init__()
            assert (project, said["name"]) == ("albar-bench", "run") and Path(str(said["dir"])).is_dir()

        def store_init_configuration(self, values: dict) -> None:
            assert values["recipe.epochs"] == 2 and all(isinstance(v, (bool, int, float, str)) for v in values.values())

        def log(self, values: dict, step: int | None = None, **_: object) -> None:
            seen.append((step or 0, {name.partition("/")[0] for name in values}))

        def finish(self) -> None:
            seen.append((-1, set()))

    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "wandb", Fake)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    path = run(track="tensorboard,wandb")
    steps = [step for step, _ in seen[:-1]]
    assert steps == sorted(steps) and steps[-1] == 4 and seen[-1][0] == -1, "a tracker refuses steps that go back"
    assert [kind for _, kind in seen[:-1]].count({"epoch"}) == 2
    assert [p.is_file() for p in (path.parent / "tensorboard").iterdir()] == [True], "one log, as without the other"


def test_a_part_for_validation_is_recorded_and_reproduced(run: Start, tmp_path: Path) -> None:
    from evaluator.reproduce.plan import Places, _train_values

    assert "validation_split" not in load_checkpoint(run("drawn", epochs=1)).settings
    path = run("part", validation=None, validation_split="val", epochs=1)
    record = RunRecord.of(json.loads((path.parent / "settings.json").read_text()), path, "")
    values = _train_values(record, Places(tmp_path))
    assert (values["validation"], values["validation_split"]) == (None, "val")
    # A run of a version that did not record it goes on.
    old = record.plain()
    del old["validation_split"]
    (path.parent / "settings.json").write_text(json.dumps(old))
    assert run("part", validation=None, validation_split="val", epochs=1) == path
    with pytest.raises(BenchError, match="validation"):
        run("part", epochs=1)
