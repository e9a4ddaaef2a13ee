"""Scene top-1: what it is measured on, that it is the share by hand, and what is refused."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import resnet18

from albar.checkpoint import export_weights, save_checkpoint
from albar.clips.clips import ClipSampling, eval_clips, normalise
from albar.data.scenes import PLACE_NAMES, sceneries, scenery_names
from albar.models import build_model
from albar.models.slots import SlotNetwork, seen_slots, slot_settings
from benchmark_builder.settings import SynthSettings
from benchmark_builder.synthactions.motions import CLASSES as MOTIONS
from benchmark_builder.synthactions.render import render_dataset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.decode import read_frames
from evaluator.compare_methods import _Runner, plan
from evaluator.evaluate import evaluate
from evaluator.options import EvalOptions, Sweep
from evaluator.records import Scored
from evaluator.reports.leaderboard import read_leaderboard
from evaluator.reports.screen import scene_notes
from evaluator.runs import compare_runs, load_run, recompute
from evaluator.testsets import iid_set, limited

SAMPLING = ClipSampling(frames=4, stride=1, size=16, resize=16, crop="centre", flip=0.0)
CLASSES = list(MOTIONS)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("render") / "synthactions"
    render_dataset(folder, SynthSettings(train=16, test=10, frames=4, size=24, seed=3), progress=False)
    return folder


def rows_in(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


def network_of(names: list[str], scenes: int, seed: int = 0) -> SlotNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        settings = slot_settings(96, 2, 4, 1, True, scenes, names)
        network = SlotNetwork(build_model("small3d", len(CLASSES), SAMPLING), settings, len(CLASSES)).eval()
        network.head.weight.data *= 50  # so that the answers differ
        return network


def save(path: Path, names: list[str], scenes: int = 0, places: str = "known", seed: int = 0) -> Path:
    """A checkpoint of slots with random weights."""
    save_checkpoint(
        path, network=network_of(names, scenes or len(names), seed), model="small3d", method="devias",
        dataset="synthactions", classes=CLASSES, sampling=SAMPLING,
        settings={"seed": seed, "beside": {"places": places}}, digests={},
    )  # fmt: skip
    return path


@pytest.fixture
def checkpoint(root: Path, tmp_path: Path) -> Path:
    return save(tmp_path / "devias.ckpt", list(scenery_names(root)))


@pytest.fixture
def scored(root: Path, tmp_path: Path) -> Callable[..., Scored]:
    def score(model: Path, say: list[str] | None = None, **options: Any) -> Scored:
        chosen = EvalOptions(root=root, device="cpu", progress=False, **options)
        found = evaluate(model, (), tmp_path / "out", chosen, (lambda line: None) if say is None else say.append)
        assert found is not None
        return found

    return score


def places_weights(path: Path, seed: int = 0) -> Path:
    """A Places365 network with random weights, which differ much in their outputs."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = resnet18(num_classes=len(PLACE_NAMES))
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return places_weights(tmp_path_factory.mktemp("places") / "resnet18_places365.pth.tar")


def test_it_is_the_share_by_hand_and_the_actions_stay(
    root: Path, checkpoint: Path, scored: Callable[..., Scored]
) -> None:
    names, said = list(scenery_names(root)), list[str]()
    network, iid = network_of(names, len(names)), iid_set("synthactions", root)
    told, right, actions = sceneries([], root), {}, {}
    for item in iid.items:
        frames = list(read_frames(item.path))
        clip = normalise(eval_clips(iter(frames), len(frames), SAMPLING), SAMPLING)
        slots = seen_slots(network, clip).slots
        right[item.id] = names[int(network.scene_logits(slots).argmax())] == told[item.id]
        actions[item.id] = network(clip).softmax(1)[0].detach()
    found = scored(checkpoint, said)
    figure = found.record.figures["scene"]
    assert (figure.percent, figure.n, figure.missing) == (pytest.approx(100 * sum(right.values()) / 10), 10, 0)
    assert figure.low is not None and figure.high is not None and figure.low <= figure.percent <= figure.high
    assert 0 < sum(right.values()) < 10 and not [line for line in said if "scene top-1" in line]
    row = read_leaderboard(found.leaderboard or Path())[0]
    assert float(row["scene"]) == figure.percent and row["scene_truth"].startswith("facts.csv ")
    # The same predictions of the action as without scenes, to the digit.
    out = (found.path or Path()).parent.parent
    with_scenes = (out / str(found.record.sets[0].predictions)).read_bytes()
    shutil.rmtree(out)
    plain = scored(checkpoint, scenes=False)
    assert (out / str(plain.record.sets[0].predictions)).read_bytes() == with_scenes
    assert "scene" not in plain.record.figures and plain.record.sets[0].scenes is None
    for line in rows_in(out / str(plain.record.sets[0].predictions)):
        assert float(line[CLASSES[2]]) == pytest.approx(
            float(actions[line["id"]][2]), abs=1e-3
        )  # logits times 50: so is rounding


def test_predictions_are_used_again_and_figures_are_computed_from_them(
    root: Path, checkpoint: Path, scored: Callable[..., Scored]
) -> None:
    plain = scored(checkpoint, scenes=False)
    found = scored(checkpoint)
    assert plain.computed == found.computed == ("synthactions-iid",)  # for its scenes, the second time
    again = scored(checkpoint)
    assert again.computed == () and again.record.figures == found.record.figures
    run = load_run(again.path or Path(), root=root)
    assert recompute(run).plain()["figures"] == again.record.plain()["figures"]
    # Also on a machine without the dataset.
    elsewhere = load_run(again.path or Path())
    text = json.loads((again.path or Path()).read_text())
    assert recompute(elsewhere).plain()["figures"] == text["figures"]
    assert set(text["per_class"]["Kick"]) == {"iid", "scene"}
    file = (again.path or Path()).parent.parent / text["sets"][0]["scenes"]["predictions"]
    file.unlink()
    with pytest.raises(BenchError, match=r"the predictions of scenes of synthactions-iid are not in .*\+scenes"):
        load_run(again.path or Path(), root=root)


def test_scenes_by_groups_count_each_group_alone(root: Path, checkpoint: Path, scored: Callable[..., Scored]) -> None:
    record = scored(checkpoint, slices=[f"synthactions:{root}"]).record
    groups = record.slices[0].figures["scene"].groups
    assert sum(g.n for g in groups.values()) == 10 and all(g.missing == 0 for g in groups.values())
    total = sum(g.percent * g.n for g in groups.values()) / 10
    assert total == pytest.approx(record.figures["scene"].percent)


def test_scenes_of_an_export(tmp_path: Path, checkpoint: Path, scored: Callable[..., Scored]) -> None:
    figure = scored(checkpoint).record.figures["scene"]
    assert scored(export_weights(checkpoint, tmp_path / "w.safetensors")).record.figures["scene"] == figure


def test_another_render_is_never_compared_in_silence(root: Path, tmp_path: Path, scored: Callable[..., Scored]) -> None:
    """Names decide, not numbers: in another order the same figure; a scenery that was not learnt is told."""
    names = list(scenery_names(root))
    network = network_of(names, len(names))
    moved = save(tmp_path / "moved.ckpt", [*names[1:], names[0]])
    content = torch.load(moved, weights_only=True)
    k = len(CLASSES)
    for name in ("head.weight", "head.bias"):
        own = network.state_dict()[name]
        content["weights"][name] = torch.cat([own[:k], own[k + 1 :], own[k : k + 1]])
    torch.save(content, moved)
    plain = scored(save(tmp_path / "plain.ckpt", names)).record.figures["scene"]
    assert scored(moved).record.figures["scene"].percent == plain.percent
    seen = sceneries([], root)[iid_set("synthactions", root).items[0].id]
    learnt = ["a beach", *(name for name in names if name != seen)]
    other, said = save(tmp_path / "other.ckpt", learnt), list[str]()
    assert "scene" not in scored(other, said).record.figures
    [line] = [line for line in said if "scene" in line]
    assert f"show {seen}, which" in line and "was not trained on (it knows a beach, " in line
    with pytest.raises(BenchError, match=r"^--scenes: .*facts\.csv: \d+ of 10 test videos show"):
        scored(other, scenes=True)


def test_what_cannot_be_measured_is_one_line(root: Path, tmp_path: Path, scored: Callable[..., Scored]) -> None:
    old, said = save(tmp_path / "old.ckpt", [], len(scenery_names(root))), list[str]()
    assert "scene" not in scored(old, said).record.figures
    assert [line for line in said if line.startswith("no scene top-1")] == [
        f"no scene top-1: {old} was written by an older version, which did not store the order of its scenes; train "
        "again"
    ]
    known = save(tmp_path / "known.ckpt", list(scenery_names(root)))
    with pytest.raises(BenchError, match=r"^--places: the scenes of .* are those of its render \("):
        scored(known, places=tmp_path / "w.pth")
    with pytest.raises(BenchError, match="--scenes: it is measured on the ordinary test videos"):
        scored(known, scenes=True, iid=False)
    with pytest.raises(BenchError, match="does not go with --no-scenes"):
        EvalOptions(scenes=False, places=tmp_path / "w.pth")
    plain = tmp_path / "plain.ckpt"
    save_checkpoint(
        plain, network=build_model("small3d", len(CLASSES), SAMPLING), model="small3d", method="baseline",
        dataset="synthactions", classes=CLASSES, sampling=SAMPLING, settings={}, digests={},
    )  # fmt: skip
    for asked in ({"scenes": True}, {"places": tmp_path / "w.pth"}):
        with pytest.raises(BenchError, match="says no scenes, only checkpoints of devias do"):
            scored(plain, **asked)
    assert "scene" not in scored(plain, said).record.figures and len(said) < 12
    (root / "facts.csv").rename(tmp_path / "facts.csv")
    try:
        said.clear()
        assert "scene" not in scored(known, said).record.figures
        assert any(line.startswith("no scene top-1: ") and "facts.csv" in line for line in said)
    finally:
        (tmp_path / "facts.csv").rename(root / "facts.csv")


@pytest.mark.parametrize("names", [["a"], ["a", "a"], "ab", [1, 2], ["a", ""]])
def test_names_in_a_damaged_checkpoint(tmp_path: Path, scored: Callable[..., Scored], names: object) -> None:
    path = save(tmp_path / "w.ckpt", ["a", "b"])
    content = torch.load(path, weights_only=True)
    content["token_head"]["scene_names"] = names
    torch.save(content, path)
    with pytest.raises(BenchError, match=r"w\.ckpt: its scene_names are not 2 different names; train again"):
        scored(path)


def test_the_scenes_of_a_places_network(
    root: Path, tmp_path: Path, weights: Path, scored: Callable[..., Scored]
) -> None:
    from albar.data.scenes import guessed_scenes

    said = list[str]()
    older = save(tmp_path / "older.ckpt", [], len(PLACE_NAMES), places="resnet18_places365.pth.tar")
    named = save(tmp_path / "named.ckpt", list(PLACE_NAMES), places="resnet18_places365.pth.tar")
    assert "scene" not in scored(named, said, limit=2).record.figures
    assert [line for line in said if "no scene top-1: its scenes are those of Places365; give --places FILE" in line]
    found = scored(named, places=weights, limit=2)
    assert (
        scored(older, places=weights, limit=2).record.figures["scene"].percent == found.record.figures["scene"].percent
    )
    iid = limited(iid_set("synthactions", root), 2)
    true = guessed_scenes([iid.videos[item.id] for item in iid.items], weights, torch.device("cpu")).argmax(1).tolist()
    told = found.record.sets[0].scenes
    assert told is not None
    table = (found.path or Path()).parent.parent / told.predictions
    rows = {row["id"]: row for row in rows_in(table)}
    assert [int(rows[item.id]["label"]) for item in iid.items] == true
    # Without --places, the figure of the earlier run stays.
    said.clear()
    again = scored(named, said, limit=2)
    assert again.record.figures == found.record.figures and again.computed == ()
    assert not [line for line in said if "scene top-1" in line]
    # Another teacher: another truth, which is not compared.
    other = scored(named, places=places_weights(tmp_path / "other.pth.tar", 1), limit=2)
    rows_of = read_leaderboard(found.leaderboard or Path())
    assert len({row["scene_truth"] for row in rows_of}) == 2
    assert any("true scenes differ" in line for line in scene_notes(rows_of))
    a, b = load_run(other.path or Path(), root=root), load_run(other.path or Path(), root=root)
    assert "scene" in compare_runs(a, b)
    changed = a.record.sets[0].replaced(scenes=told.replaced(digest="0" * 64))
    assert "scene" not in compare_runs(replace(a, record=a.record.replaced(sets=[changed])), b)


def test_a_video_without_a_true_scene_is_counted(
    root: Path, tmp_path: Path, weights: Path, scored: Callable[..., Scored], monkeypatch: pytest.MonkeyPatch
) -> None:
    import albar.data.scenes as module

    guess, first = module.guessed_scene, iid_set("synthactions", root).items[0]

    def broken(video: Path, *rest: Any) -> torch.Tensor:
        if video == first.path:
            raise BenchError(f"{video}: damaged")
        return guess(video, *rest)

    monkeypatch.setattr(module, "guessed_scene", broken)
    named = save(tmp_path / "named.ckpt", list(PLACE_NAMES))
    with pytest.raises(BenchError, match="damaged"):
        scored(named, places=weights, limit=2)
    record = scored(named, places=weights, limit=2, allow_missing=True).record
    assert (record.figures["scene"].n, record.figures["scene"].missing) == (1, 1)
    assert (record.figures["iid"].n, record.figures["iid"].missing) == (2, 0)
    assert record.sets[0].scene is not None and record.sets[0].scene.missing == 1


def test_a_comparison_gives_the_teacher_to_networks_that_say_scenes_alone(
    root: Path, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import albar.training.trainer as trainer

    plain = tmp_path / "plain.ckpt"
    save_checkpoint(
        plain, network=build_model("small3d", len(CLASSES), SAMPLING), model="small3d", method="baseline",
        dataset="synthactions", classes=CLASSES, sampling=SAMPLING, settings={}, digests={},
    )  # fmt: skip
    trained = {"devias": save(tmp_path / "devias.ckpt", list(PLACE_NAMES)), "baseline": plain}
    monkeypatch.setattr(trainer, "train", lambda settings: trained[settings.method])
    training = {"root": root, "places": weights, "device": "cpu"}
    sweep = Sweep(methods=list(trained), seeds=[0], training=training, benchmarks=(), out=tmp_path / "out")
    done = {job.variant: _Runner(sweep, 1).make(job) for job in plan(sweep)[1]}
    assert [one.error for one in done.values()] == [None, None]
    rows = {name: one.row for name, one in done.items() if one.row is not None}
    assert rows["devias"]["n_scene"] == "10" and rows["devias"]["scene_truth"].startswith(weights.name)
    assert rows["baseline"]["scene"] == "" and rows["baseline"]["iid"] != ""
