"""The user's own data: trained at the first try, scored where the run found them, under the name that the user gave."""

import shutil
from pathlib import Path

import pytest
from moving_bars import moving_bars

from albar.checkpoint import load_checkpoint
from albar.training.settings import TrainSettings
from albar.training.trainer import train
from benchmark_builder.utils.errors import BenchError
from evaluator.evaluate import evaluate
from evaluator.options import EvalOptions
from evaluator.records import Scored
from evaluator.reports.leaderboard import read_leaderboard
from evaluator.runs import load_run

CLIP = {"frames": 4, "size": 16, "resize": 16}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain folder of two classes, ``plain``; the same with parts, ``parts``."""
    here = tmp_path_factory.mktemp("own")
    for k, video in enumerate(moving_bars(here, 12)):
        for name in (f"plain/{video.class_name}", f"parts/{'test' if k > 7 else 'train'}/{video.class_name}"):
            (here / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(video.path, here / name)
    return here


def start(world: Path, out: Path, lines: list[str] | None = None, **changes: object) -> Path:
    base = {"method": "baseline", "dataset": "folder", "root": world / "plain", "model": "small3d", "clip": CLIP,
            "epochs": 1, "progress": False, "tensorboard": False}  # fmt: skip
    return train(TrainSettings(out=out, **{**base, **changes}), (lines if lines is not None else []).append)  # type: ignore[arg-type]


def score(run: Path, out: Path, lines: list[str] | None = None, **options: object) -> Scored:
    say = (lines if lines is not None else []).append
    done = evaluate(run, (), out, EvalOptions(progress=False, **options), say)  # type: ignore[arg-type]
    assert done is not None
    return done


def test_a_plain_folder_is_trained_and_scored_on_its_validation_videos(world: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    run = start(world, tmp_path / "run", lines, name="bars").parent
    assert any(line.startswith("batch 10 instead of the preset's 16: there are only 10 training") for line in lines)
    assert any(line.startswith("validation: 2 videos of 12, drawn with seed 0") for line in lines)
    kept = (run / "validation.txt").read_text().split()
    assert sorted(name.partition("/")[0] for name in kept) == ["down", "right"], "one of each class"
    done = score(run, tmp_path / "results", lines)
    assert any("has no test part: scored are the videos that the run drew for validation" in line for line in lines)
    assert done.record.dataset == "bars" and done.record.trained_on == "bars (train)"
    assert done.record.sets[0].top1.n == 2 and done.record.iid is not None and done.record.iid.dataset == "folder"
    assert [row["dataset"] for row in read_leaderboard(tmp_path / "results/leaderboard.csv")] == ["bars"]
    assert done.path is not None
    again = load_run(done.path)
    assert [item.path.exists() for item in again.sets[0].items] == [True, True], "found as the dataset folder"


def test_parts_are_trained_and_tested_as_they_are(world: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    run = start(world, tmp_path / "run", lines, root=world / "parts", batch=2).parent
    assert any(line.startswith("validation: 2 videos of 8, drawn") for line in lines)
    done = score(run, tmp_path / "results")
    assert done.record.dataset == "folder" and done.record.sets[0].top1.n == 4
    (world / "parts/val").symlink_to(world / "parts/test")
    start(world, tmp_path / "with val", lines, root=world / "parts", batch=2)
    (world / "parts/val").unlink()
    assert "validation: 4 videos of split val" in lines and not (tmp_path / "with val/validation.txt").exists()


def test_data_that_moved_are_looked_for_and_the_places_are_named(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "parts", tmp_path / "work/data")
    run = start(world, tmp_path / "work/runs/a", root=tmp_path / "work/data", batch=2).parent
    (tmp_path / "work").rename(tmp_path / "elsewhere")  # together: found by the relative place
    run = tmp_path / "elsewhere/runs/a"
    assert score(run, tmp_path / "one").record.sets[0].top1.n == 4
    (tmp_path / "elsewhere/data").rename(tmp_path / "gone")
    with pytest.raises(
        BenchError, match=r"its dataset is in none of .*elsewhere/data, .*work/data, .*; give .* --root"
    ):
        score(run, tmp_path / "two")
    assert score(run, tmp_path / "two", root=tmp_path / "gone").record.sets[0].top1.n == 4
    (run / "data.json").write_text('{"paths": {"root": 7}}')  # a help, no more
    assert load_checkpoint(run / "model.ckpt").dataset == "folder"
    assert score(run, tmp_path / "three", root=tmp_path / "gone").record.sets[0].top1.n == 4


def test_a_score_on_the_videos_that_chose_the_epoch_is_said_to_be_too_good(world: Path, tmp_path: Path) -> None:
    for keep, said in (("last,best", False), ("best", True)):
        lines: list[str] = []
        score(start(world, tmp_path / keep, keep=keep).parent, tmp_path / "results", lines)
        assert any("so its score is too good" in line for line in lines) == said


def test_a_run_without_validation_videos_says_what_could_be_scored(world: Path, tmp_path: Path) -> None:
    run = start(world, tmp_path / "run", validation=0.0).parent
    with pytest.raises(
        BenchError, match=r"has no test part, and .* has no list of validation videos; make .*test\.txt"
    ):
        score(run, tmp_path / "results")
    assert score(run, tmp_path / "results", split="all").record.sets[0].top1.n == 12


def test_one_class_and_a_name_of_another_dataset_are_refused(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "plain/down", tmp_path / "one/down")
    with pytest.raises(BenchError, match=r"has one class \(down\); training needs two"):
        start(world, tmp_path / "run", root=tmp_path / "one")
    with pytest.raises(BenchError, match="--name ucf101: is a dataset of this toolkit"):
        start(world, tmp_path / "run", name="ucf101")
