"""`bench predict` with networks whose answers are known by hand."""

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from small_builds import frames_of, scuba
from tiny_models import zero_shot_folder
from tiny_videos import make_actions, moving_square, write_video
from torch import nn
from typer.testing import CliRunner

import albar_bench as ab
from albar.clips.clips import ClipSampling, eval_clips, normalise
from albar_bench.cli.app import app
from benchmark_builder.backgrounds import background_source
from benchmark_builder.datasets import read_dataset
from benchmark_builder.layouts.layout import read_any
from benchmark_builder.masks import mask_source
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.synthactions import CLASSES as SYNTHACTIONS
from benchmark_builder.utils.errors import BenchError
from evaluator.models.factory import from_object
from evaluator.options import ModelOptions, PredictOptions
from evaluator.predict.answers import Answer, OfVersion, Prediction
from evaluator.predict.predict import predict
from evaluator.predict.variants import versions_of
from evaluator.predict.verdict import END, verdict
from evaluator.time_order import TimeOrder

SIDE, FRAMES = 32, 8
WHOLE = ClipSampling(frames=4, stride=2, size=SIDE, resize=SIDE, views=2)
CLASSES = ["still", "moving", "bright"]


class Motion(nn.Module):
    """``moving`` if neighbouring frames differ, else ``still``; nothing else is read."""

    sampling = WHOLE

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        change = (clips[:, :, 1:] - clips[:, :, :-1]).abs().mean((1, 2, 3, 4))
        return torch.stack([torch.zeros_like(change), 50 * change - 1, torch.full_like(change, -2.0)], 1)


class Scene(nn.Module):
    """``bright`` if the corner at the top right is bright, else ``still``: reads the background of one place only."""

    sampling = WHOLE

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        light = clips[..., :6, -6:].mean((1, 2, 3, 4))
        return torch.stack([torch.zeros_like(light), torch.full_like(light, -1.0), 5 * light], 1)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dark square that moves in front of a white wall, with its masks."""
    folder = tmp_path_factory.mktemp("predicted")
    _, masks = moving_square(FRAMES, SIDE, SIDE)
    frames = np.where(masks[..., None], np.uint8(20), np.uint8(250)).repeat(3, 3)
    write_video(folder / "wall.mkv", frames)
    write_masks(folder / "masks/wall.zip", masks)
    (folder / "dark").mkdir()
    cv2.imwrite(str(folder / "dark/dark.png"), np.full((SIDE, SIDE, 3), 90, np.uint8))
    return folder / "wall.mkv"


def asked(model: nn.Module, videos: Any, out: Path, **options: Any) -> list[Prediction]:
    return ab.predict(model, videos, out=out, classes=CLASSES, **{"progress": False, "pictures": False, **options})


def same(one: Prediction) -> dict[str, bool]:
    return {v.name: v.same for v in one.versions}


def test_one_that_reads_motion_and_one_that_reads_the_scene(video: Path, tmp_path: Path) -> None:
    masks = f"stored:{video.parent / 'masks'}"
    dark = [f"images:{video.parent / 'dark'}"]
    (moving,) = asked(Motion(), video, tmp_path, masks=masks, backgrounds=dark)
    assert same(moving) == {
        "plain": True, "one-frame": False, "shuffled": True, "reversed": True, "background": True,
        "background-one-frame": False, "actor-removed": False,
    }  # fmt: skip
    assert moving.versions[0].answer.class_name == "moving" and moving.versions[1].answer.class_name == "still"
    assert "One frame is not enough" in moving.verdict and "The actor over another background still" in moving.verdict
    (scene,) = asked(Scene(), video, tmp_path, masks=masks, backgrounds=dark)
    found = same(scene)
    # Before a dark background the answer is another; the order of frames and the actor change nothing.
    assert [name for name, kept in found.items() if not kept] == ["background", "background-one-frame"]
    assert scene.versions[2].difference == 0 and "the order of frames is not used" in scene.verdict
    assert "the background helps it here" in scene.verdict and "the rest of the picture is enough" in scene.verdict


def test_masks_that_are_not_there_are_one_error_before_the_model(video: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"nowhere: no such folder of masks; give --masks stored:FOLDER") as caught:
        ab.predict("nowhere.ckpt", [video, video], out=tmp_path / "out", masks=f"stored:{tmp_path / 'nowhere'}")
    assert "ckpt" not in str(caught.value) and not (tmp_path / "out").exists()
    with pytest.raises(BenchError, match="--masks sorted"):
        ab.predict("nowhere.ckpt", [video], out=tmp_path / "out", masks="sorted:x")
    # Without PATH, masks are next to the videos: of several folders, only the videos without them have an error.
    other = tmp_path / "other" / video.name
    other.parent.mkdir()
    shutil.copy(video, other)
    good, bad = asked(Motion(), [video, other], tmp_path / "out", masks="stored")
    assert good.versions and "no such folder of masks" in bad.reason


def test_clips_are_those_of_eval_and_of_a_built_benchmark(tmp_path: Path) -> None:
    root = make_actions(tmp_path / "ucf", frames=FRAMES, height=SIDE, width=SIDE)
    scuba(root, tmp_path / "scuba", layout="lossless", backgrounds="noise", per_video=1)
    one = read_dataset("ucf101", root, "all").videos[0]
    masks = mask_source(f"stored:{root / 'masks'}", root)
    made = {v.name: v.clips for v in versions_of(one, WHOLE, 0, masks, [background_source("noise")]).made}
    built = frames_of(tmp_path / "scuba", f"{one.id}__0")
    assert torch.equal(made["background"], eval_clips(iter(built), len(built), WHOLE))
    for view in range(2):
        order = TimeOrder("shuffled", 0).places(one.id, view, 4)
        assert order is not None and torch.equal(made["shuffled"][view], made["plain"][view][:, order])
        assert torch.equal(made["reversed"][view], made["plain"][view].flip(1))
        assert torch.equal(made["one-frame"][view], made["plain"][view][:, [2] * 4])
        assert torch.equal(made["background-one-frame"][view], made["background"][view][:, [2] * 4])
    outside = made["actor-removed"] == made["plain"]  # all but the actor's place is as it was
    track = masks.track(one, SIDE, SIDE)
    mask = np.stack([track.mask(k) for k in range(FRAMES)])[..., None].repeat(3, 3)
    actor = eval_clips(iter(mask.astype(np.uint8)), FRAMES, WHOLE).bool()
    assert outside[~actor].all() and not outside[actor].all()


def test_probabilities_are_the_mean_softmax_over_the_clips(video: Path, tmp_path: Path) -> None:
    (one,) = asked(Motion(), video, tmp_path, batch=1)
    frames = np.stack(list(read_any(video)))
    clips = eval_clips(iter(frames), FRAMES, WHOLE)
    expected = 100 * Motion()(normalise(clips, WHOLE)).double().softmax(1).mean(0).numpy()
    found = {a.class_name: a.percent for a in one.versions[0].top}
    assert [found[name] for name in CLASSES] == pytest.approx(expected, abs=1e-4)  # float32 probabilities
    assert [a.percent for a in one.versions[0].top] == sorted(found.values(), reverse=True)


def test_a_bad_video_costs_itself_alone(video: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "Wall.mkv").write_bytes(video.read_bytes())
    (tmp_path / "empty").mkdir()
    given = [tmp_path / "bad.mp4", video, tmp_path / "none.mp4", tmp_path / "other", tmp_path / "empty"]
    found = asked(Motion(), given, tmp_path / "out", pictures=True)
    assert [bool(one.reason) for one in found] == [True, False, True, False, True]
    assert [one.path.name for one in found] == ["bad.mp4", "wall.mkv", "none.mp4", "Wall.mkv", "empty"]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["Wall-2.png", "predictions.csv", "predictions.json", "wall.png"]  # one name on every system
    with open(tmp_path / "out" / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    (bad,) = [row["reason"] for row in rows if row["video"].endswith("bad.mp4")]
    assert bad.startswith(f"{tmp_path / 'bad.mp4'}: not a readable video")
    # Four versions of two videos with three classes, and three reasons.
    assert len(rows) == 4 * 2 * 3 + 3
    assert json.loads((tmp_path / "out" / "predictions.json").read_text())[1]["versions"][0]["clips"] == "plain"
    picture = cv2.imread(str(tmp_path / "out" / "wall.png"))
    assert picture is not None and picture.shape[0] > 600 and (picture < 100).any()


def test_no_mask_leaves_out_some_versions_and_says_so(video: Path, tmp_path: Path) -> None:
    write_masks(tmp_path / "masks" / "wall.zip", np.zeros((FRAMES, SIDE, SIDE), bool))
    (one,) = asked(Motion(), video, tmp_path / "out", masks=f"stored:{tmp_path / 'masks'}")
    assert len(one.versions) == 4 and one.notes == ["the mask is empty on every frame of the clip"] and not one.reason


def test_the_dataset_names_classes_and_says_the_true_one(tmp_path: Path) -> None:
    root = make_actions(tmp_path / "ucf", per_class=1, frames=FRAMES, height=SIDE, width=SIDE)
    path = next((root / "videos" / "Basketball").iterdir())
    network = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 101))
    network.sampling = WHOLE
    model = from_object(network, "m")
    options = PredictOptions(dataset="ucf101", root=root, out=tmp_path / "out", pictures=False, progress=False,
                             masks=f"stored:{root / 'masks'}")  # fmt: skip
    (one,) = predict(model, [path], options).videos
    assert one.label == "Basketball" and one.classes == 101 and len(one.versions) == 7 and not one.notes


def test_a_model_of_texts_gets_its_classes_from_the_dataset_or_a_file(video: Path, tmp_path: Path) -> None:
    folder = zero_shot_folder(tmp_path / "clip", "clip")
    options = PredictOptions(out=tmp_path / "out", pictures=False, progress=False)
    with pytest.raises(BenchError, match=r"compares videos with texts .* give --classes FILE"):
        predict(f"hf:{folder}", [video], options)
    (one,) = predict(f"hf:{folder}", [video], options.replaced(dataset="synthactions")).videos
    assert one.classes == 8 and {a.class_name for a in one.versions[0].top} <= set(SYNTHACTIONS)
    (tmp_path / "names.txt").write_text("a dog\na cat\n")
    (one,) = predict(f"hf:{folder}", [video], options, ModelOptions(classes=tmp_path / "names.txt")).videos
    assert {a.class_name for a in one.versions[0].top} == {"a dog", "a cat"}
    assert sum(a.percent for a in one.versions[0].top) == pytest.approx(100, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dataset": "ucf101"}, "--dataset ucf101: has 101 classes, "),
        ({"dataset": "nothing"}, "nothing"),
        ({"root": Path()}, "--root"),
        ({"masks": "nobody"}, "--masks"),
        ({"backgrounds": ["plain"]}, "--backgrounds plain: needs --masks"),
        ({"masks": "motion", "backgrounds": ["images:/nowhere"]}, "/nowhere"),
        ({"backgrounds": []}, "--backgrounds"),
        ({"top": 0}, "--top 0"),
        ({"columns": 1000}, "--columns 1000"),
    ],
)
def test_wrong_options_are_named_before_any_video_is_read(
    video: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(BenchError) as caught:
        asked(Motion(), video, tmp_path, **options)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_command_prints_tables_or_json_and_ends_with_1_after_errors(video: Path, tmp_path: Path) -> None:
    (tmp_path / "own_motion.py").write_text(
        "import torch\nfrom albar.clips.clips import ClipSampling\n\n"
        f"def model():\n    def run(x):\n        return x.mean((2, 3, 4))\n"
        f"    run.sampling = ClipSampling(frames=4, stride=2, size={SIDE}, resize={SIDE})\n"
        "    run.classes = ['[red]a$b', 'c' * 60, 'd']\n    return run\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        common = ["predict", "own_motion:model", str(video), "--out", str(tmp_path / "out")]
        run = CliRunner(env={"COLUMNS": "120"})
        shown = run.invoke(app, common)
        assert shown.exit_code == 0, shown.output
        assert "[red]a$b" in shown.output and END in shown.output.replace("\n", " ")
        found = run.invoke(app, [*common[:3], str(tmp_path / "none.mp4"), *common[3:], "--json", "--device", "cpu"])
    finally:
        sys.path.remove(str(tmp_path))
    assert found.exit_code == 1 and isinstance(found.exception, BenchError)
    assert "1 of 2 videos" in str(found.exception)
    told = json.loads(found.stdout)
    assert told[0]["versions"][0]["top"][0]["class_name"] in ("[red]a$b", "c" * 60, "d")
    assert told[1]["reason"].endswith("give a video file or a folder of frames")
    assert len(list((tmp_path / "out").glob("*.png"))) == 1


def version(name: str, **percents: float) -> OfVersion:
    """A version whose classes have these probabilities; ``a`` is the answer for the plain video."""
    ranked = sorted((Answer(k, v) for k, v in percents.items()), key=lambda a: -a.percent)
    return OfVersion(name, name, ranked, Answer("a", percents["a"]), 5.0)


def test_the_verdict_says_what_changed_and_no_more() -> None:
    plain = version("plain", a=90.0, b=10.0)
    moved = [version(name, a=20.0, b=80.0) for name in ("one-frame", "shuffled", "reversed")]
    said = verdict([plain, *moved], 8)
    assert said == (
        "The answer is 'a' (90 %). One frame is not enough for it: 'b' 80 %, 'a' 20 %. It changes after shuffling the "
        "frames ('b' 80 %, 'a' 20 %) and playing the clip backwards ('b' 80 %, 'a' 20 %), so here it depends on the "
        f"order of frames. {END}"
    )
    assert "not 'b'" in verdict([plain, *moved], 8, "b") and "which is right" in verdict([plain, *moved], 8, "a")
    close = verdict([version("plain", a=52.0, b=48.0), *moved], 2)
    assert "It is close: 'b' has 48 %, and a guess among 2 classes 50 %" in close
    stays = [version(name, a=70.0, b=30.0) for name in ("one-frame", "shuffled", "reversed")]
    backgrounds = [version("background", a=60.0, b=40.0), version("background-2", a=30.0, b=70.0)]
    said = verdict([plain, *stays, *backgrounds, version("actor-removed", a=10.0, b=90.0)], 8)
    for words in ("One frame is enough for it (70 %)", "over 1 of 2 other backgrounds still gives it (60 %)",
                  "With another background it changes ('b' 70 %, 'a' 30 %)"):  # fmt: skip
        assert words in said
    always = [version(name, a=70.0, b=30.0) for name in ("background", "background-one-frame", "actor-removed")]
    said = verdict([plain, *stays, *always], 8)
    assert "the model gives this answer for almost any video" in said and "the look of the actor" not in said
