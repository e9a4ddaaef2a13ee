"""Every kind of model that `bench eval` takes, scored on small benchmarks; every way of not fitting them."""

import csv
import functools
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from bomb import Bomb
from commands import bench_in_two_processes
from small_world import SAMPLING, World, refused, save
from tiny_models import huggingface_folder
from tiny_videos import make_actions
from torch import nn

from albar.checkpoint import export_weights, load_checkpoint
from albar.clips.clips import ClipSampling, eval_boxes, eval_clips, eval_indices, normalise, still_clips
from albar.models import build_model
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.layouts.layout import read_any
from evaluator.evaluate import EvalOptions, evaluate
from evaluator.models import ModelOptions, load_model
from evaluator.models.base import class_list, match_classes
from evaluator.models.exported import kind_of
from evaluator.predictions.files import read_predictions, softmax

CLASSES = shipped_classes("ucf101")
CLIP = {"frames": 4, "stride": 2, "size": 16, "resize": 16, "test_start": "centre"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Made once: four videos of two UCF101 classes, and the benchmarks built from them."""
    base = tmp_path_factory.mktemp("world")
    return World(make_actions(base / "ucf", frames=12), base)


def score(world: World, spec: object, out: Path, **model: object) -> dict:
    options = EvalOptions(
        model=ModelOptions(**model),
        iid=False,
        progress=False,
        device="cpu",
        batch=3,  # type: ignore[arg-type]
    )
    scored = evaluate(spec, [world.scuba, world.scufo], out, options)  # type: ignore[arg-type]
    assert scored is not None
    return scored.plain()


def check(world: World, out: Path, record: dict, network: Callable, sampling: ClipSampling, order: list[int]) -> None:
    """Stored predictions are the mean over views of the network's softmax, computed here from the decoded videos."""
    for described, folder in zip(record["sets"], (world.scuba, world.scufo), strict=True):
        found = read_predictions(out / described["predictions"], CLASSES)
        for row in read_benchmark(folder).rows:
            # A SCUFO video is decoded whole here, from one frame there.
            clips = normalise(eval_clips(read_any(folder / row.file), row.frames, sampling), sampling)
            with torch.no_grad():
                wanted = softmax(network(clips).double().numpy()).mean(0)[order]
            # Other batch sizes sum in another order: float32 noise far below 1e-5 of a probability.
            assert np.allclose(found.scores[found.ids.index(row.id)], wanted, rtol=0, atol=1e-5)
            assert abs(found.scores[found.ids.index(row.id)].sum() - 1) < 1e-5


@pytest.mark.parametrize("kind", ["videomae", "timesformer", "vivit", "vjepa2", "videoprism_vision_model"])
def test_a_hugging_face_folder(world: World, kind: str, tmp_path: Path) -> None:
    from transformers import AutoModelForVideoClassification

    # Its classes are spelled and ordered otherwise than the benchmark's.
    turned = [name.upper() + " " for name in reversed(CLASSES)]
    said = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}, "image_mean": [0.1, 0.2, 0.3]}
    folder = huggingface_folder(tmp_path / kind, kind, turned, said)
    lines: list[str] = []
    options = EvalOptions(model=ModelOptions(clip={"stride": 2}), iid=False, progress=False, device="cpu")
    scored = evaluate(str(folder), [world.scuba, world.scufo], tmp_path / "out", options, lines.append)
    assert scored is not None
    record = scored.plain()
    theirs = AutoModelForVideoClassification.from_pretrained(folder).eval()
    vivit = kind == "vivit"
    prism = kind == "videoprism_vision_model"
    stds = {"videomae": (0.5,) * 3, "vivit": (0.25,) * 3, "videoprism_vision_model": (1.0,) * 3}
    std = stds.get(kind, (0.229, 0.224, 0.225))
    mean = (0.55, 0.6, 0.65) if vivit else (0.1, 0.2, 0.3)  # ViViT: (v / 127.5 - 1 - m) / s in v / 255
    sampling = ClipSampling(frames=4, stride=2, size=32, resize=36, mean=mean, std=std)
    pixels = "pixel_values"
    if prism:  # its pictures are squashed, and it has no normalisation unless the folder says so
        sampling = sampling.replaced(
            {"even": True, "test_start": "first", "mean": (0.0,) * 3, "squash": True, "crop": "random", "resize": 32}
        )
    if prism or kind == "vjepa2":
        pixels = "pixel_values_videos"
    order = [turned.index(name.upper() + " ") for name in CLASSES]
    check(
        world,
        tmp_path / "out",
        record,
        lambda c: theirs(**{pixels: c.transpose(1, 2)}).logits.flatten(1),
        sampling,
        order,
    )
    assert (record["kind"], record["model"], record["method"]) == ("huggingface", kind, kind)
    assert record["classes"] == CLASSES and record["sampling"]["resize"] == (32 if prism else 36)
    assert ("evenly over" if prism else "stride 2") in "\n".join(lines) and any(
        "no file states it" in note for note in record["notes"]
    )
    assert score(world, f"hf:{folder}", tmp_path / "out2", clip={"stride": 2})["figures"] == record["figures"]


def test_hugging_face_classes_that_do_not_fit(world: World, tmp_path: Path) -> None:
    other = huggingface_folder(tmp_path / "a", "videomae", ["no such action", *CLASSES[1:]])
    assert f"no class '{CLASSES[0]}'" in refused(lambda: score(world, other, tmp_path / "o"))
    few = huggingface_folder(tmp_path / "b", "videomae", ["jump", "run"])
    assert "has 101 classes" in refused(lambda: score(world, few, tmp_path / "o"))
    nameless = huggingface_folder(tmp_path / "c", "videomae", 101)
    record = score(world, nameless, tmp_path / "o")
    assert any("label order" in note for note in record["notes"])
    names = tmp_path / "names.txt"
    names.write_text("\n".join(["no such action", *CLASSES[1:]]))
    assert "no class" in refused(lambda: score(world, nameless, tmp_path / "o", classes=names))
    names.write_text("a\nb\n")
    assert "names 2 classes" in refused(lambda: score(world, nameless, tmp_path / "o", classes=names))
    assert "takes no clips of 6 frames" in refused(lambda: score(world, nameless, tmp_path / "o", clip={"frames": 6}))


def test_classes_are_matched_by_name() -> None:
    assert match_classes(["b c", "A"], ["a", "B_C"], "m", "w") == [1, 0]
    assert "is listed twice" in refused(lambda: match_classes(["a b", "AB"], ["ab", "a-b"], "m", "w"))
    assert "no class 'z' (and 1 more)" in refused(lambda: match_classes(["a", "b"], ["z", "y"], "m", "w"))


@functools.cache
def swin() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_model("swin3d_t", 101, SAMPLING).eval()


def test_albars_release(world: World, tmp_path: Path) -> None:
    path = tmp_path / "albar_ucf.pth"
    torch.save({"epoch": 3, "model_state_dict": swin().state_dict()}, path)
    model = load_model(path)
    assert (model.method, model.model, model.outputs) == ("albar", "swin3d_t", 101)
    assert (model.clips.frames, model.clips.stride, model.clips.test_start) == (32, 2, "first")
    small = {**CLIP, "size": 32, "resize": 32}
    record = score(world, path, tmp_path / "out", clip=small)
    sampling = ClipSampling(frames=4, stride=2, size=32, resize=32, shrink_stride=True)
    check(world, tmp_path / "out", record, swin(), sampling, list(range(101)))
    named = score(world, "swin3d_t", tmp_path / "named", clip=small, weights=str(path), method="mine")
    assert named["figures"] == record["figures"] and named["method"] == "mine"
    state = swin().state_dict()
    torch.save({"model_state_dict": {k: v[:5] if k.startswith("head.") else v for k, v in state.items()}}, path)
    message = refused(lambda: score(world, path, tmp_path / "o", clip=small))
    assert "has 101 classes" in message and "knows 5" in message
    del state["head.bias"], state["head.weight"]
    torch.save({"model_state_dict": state}, path)
    assert "another network than ALBAR's" in refused(lambda: load_model(path))
    assert "have no head" in refused(lambda: load_model("swin3d_t", ModelOptions(weights=str(path))))
    assert "give its --weights" in refused(lambda: load_model("swin3d_t"))


def test_an_export_of_a_checkpoint_predicts_the_same(world: World, tmp_path: Path) -> None:
    export = export_weights(world.checkpoint, tmp_path / "small.safetensors")
    found = []
    for spec in (world.checkpoint, export):
        record = score(world, spec, tmp_path / spec.suffix)
        tables = [tmp_path / spec.suffix / s["predictions"] for s in record["sets"]]
        found.append([t.read_bytes() for t in tables])
    assert found[0] == found[1]
    named = score(world, "small3d", tmp_path / "n", weights=str(export), clip={**CLIP, "crop": "centre"})
    assert [(tmp_path / "n" / s["predictions"]).read_bytes() for s in named["sets"]] == found[0]


def test_programs_are_run_on_trust_alone(world: World, tmp_path: Path) -> None:
    network = load_checkpoint(world.checkpoint).network()
    clip = torch.zeros(2, 3, 4, 16, 16)
    torch.jit.save(torch.jit.trace(network, clip), tmp_path / "script.pt")
    torch.export.save(torch.export.export(network, (clip,)), tmp_path / "fixed.pt2")
    free = {0: torch.export.Dim("batch")}
    torch.export.save(torch.export.export(network, (clip,), dynamic_shapes=(free,)), tmp_path / "free.pt2")
    for name in ("script.pt", "fixed.pt2", "free.pt2"):
        path = tmp_path / name
        assert "give --trust" in refused(lambda p=path: load_model(p))
        assert "give --sampling" in refused(lambda p=path: score(world, p, tmp_path / "o", trust=True))
        record = score(world, path, tmp_path / name[:3], trust=True, sampling="8x2-48", clip=CLIP)
        check(world, tmp_path / name[:3], record, network, SAMPLING, list(range(101)))
    (tmp_path / "fixed.pt2").rename(tmp_path / "fixed.bin")  # told by what is in it, whatever it is called
    assert kind_of(tmp_path / "fixed.bin") == "torch.export"
    (tmp_path / "broken.pt2").write_text("hello")
    message = refused(lambda: score(world, tmp_path / "broken.pt2", tmp_path / "o", trust=True, sampling="8x2-48"))
    assert "not a readable torch.export file" in message


FACTORY = """
import torch
from torch import nn
class Bright(nn.Module):
    sampling, classes = "8x2-48", {classes!r}
    def forward(self, x):
        calls.append(len(x))
        return x.mean((1, 2, 3, 4))[:, None] * torch.linspace({low}, 1, {outputs})
calls = []
def make(): return Bright()
def plain(): return lambda x: x.mean((1, 2, 3, 4))[:, None] * torch.linspace(0, 1, 101)
def bad(): raise RuntimeError("no weights here")
def number(): return 3
"""


def test_a_factory_of_the_users_own(world: World, tmp_path: Path) -> None:
    text = FACTORY.format(classes=CLASSES[::-1], low=0.0, outputs=101)
    (tmp_path / "users_models.py").write_text(text)  # the current directory is tmp_path
    record = score(world, "users_models:make", tmp_path / "out", clip=CLIP)
    line = torch.linspace(0, 1, 101)
    order = list(range(101))[::-1]
    check(world, tmp_path / "out", record, lambda c: c.mean((1, 2, 3, 4))[:, None] * line, SAMPLING, order)
    # What the code does is in no digest, so its predictions are made anew.
    assert score(world, "users_models:make", tmp_path / "out", clip=CLIP)["computed"] == ["scuba", "scufo"]
    assert "--sampling" in refused(lambda: score(world, "users_models:plain", tmp_path / "o"))
    assert score(world, "users_models:plain", tmp_path / "o", sampling="8x2-48", clip=CLIP)["model"] == "function"
    for name, word in (("bad", "no weights here"), ("number", "cannot be called"), ("absent", "cannot be imported")):
        assert word in refused(lambda n=name: load_model(f"users_models:{n}"))
    assert "cannot be imported" in refused(lambda: load_model("no_such_module_here:make"))


@pytest.mark.parametrize(
    ("low", "outputs", "word"), [(0.0, 7, "7 outputs, scuba has 101"), ('float("nan")', 101, "is not finite")]
)
def test_output_that_will_not_do(world: World, tmp_path: Path, low: object, outputs: int, word: str) -> None:
    name = f"odd_models_{outputs}"
    (tmp_path / f"{name}.py").write_text(FACTORY.format(classes=None, low=low, outputs=outputs))
    assert word in refused(lambda: score(world, f"{name}:make", tmp_path / "out", clip=CLIP))
    assert not (tmp_path / "out").exists()


def test_hostile_pickles_run_nothing(world: World, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    torch.save({"model_state_dict": {"head.bias": Bomb(marker)}}, tmp_path / "a.pth")
    (tmp_path / "b.ckpt").write_bytes(pickle.dumps(Bomb(marker)))
    (tmp_path / "c.pt2").write_bytes(pickle.dumps(Bomb(marker)))
    for name in ("a.pth", "b.ckpt", "c.pt2"):
        refused(lambda n=name: load_model(tmp_path / n))
        refused(lambda n=name: load_model("swin3d_t", ModelOptions(weights=str(tmp_path / n))))
    assert not marker.exists()


def test_what_is_no_model(world: World, tmp_path: Path) -> None:
    assert "no such model" in refused(lambda: load_model("nowhere.ckpt"))
    (tmp_path / "empty").mkdir()
    assert "neither a config.json nor a model.ckpt" in refused(lambda: load_model(tmp_path / "empty"))
    assert "leave it out" in refused(lambda: load_model(world.checkpoint, ModelOptions(weights="x")))
    run = tmp_path / "run"
    run.mkdir()
    save(run / "model.ckpt")
    assert load_model(run).source.endswith("model.ckpt")
    message = refused(lambda: evaluate("hf:" + str(tmp_path / "empty"), [world.scuba], tmp_path / "o", EvalOptions()))
    assert "config.json" in message


def test_views_by_hand() -> None:
    s = ClipSampling(frames=3, stride=2, size=8, resize=8, views=4, crops=3)
    # 25 frames; a clip spans 5, so it may start at 0..20: in the middles of four shares of that.
    starts = [int(eval_indices(25, s, k, 4)[0]) for k in range(4)]
    assert starts == [2, 7, 12, 17]
    first = s.replaced({"test_start": "first"})
    assert [int(eval_indices(25, first, k, 4)[0]) for k in range(4)] == [0, 5, 10, 15]
    assert eval_boxes(8, 20, s) == [(0, 0, 8, 8), (0, 6, 8, 8), (0, 12, 8, 8)]
    assert eval_boxes(20, 8, s) == [(0, 0, 8, 8), (6, 0, 8, 8), (12, 0, 8, 8)]
    video = np.random.default_rng(0).integers(0, 256, (25, 8, 20, 3), dtype=np.uint8)
    clips = eval_clips(iter(video), 25, s)
    assert clips.shape == (12, 3, 3, 8, 8) and clips.dtype == torch.uint8
    for k, start in enumerate(starts):
        for c, left in enumerate((0, 6, 12)):
            wanted = video[start : start + 5 : 2, :, left : left + 8].transpose(3, 0, 1, 2)
            assert np.array_equal(clips[3 * k + c].numpy(), wanted)
    assert still_clips(video[0], s).shape == (3, 3, 1, 8, 8)
    assert "crops=2: choose from 1, 3" in refused(lambda: s.replaced({"crops": 2}))
    assert "views=0: give" in refused(lambda: s.replaced({"views": 0}))


def test_views_are_averaged_as_softmax(world: World, tmp_path: Path) -> None:
    record = score(world, world.checkpoint, tmp_path / "out", views=2, crops=3)
    several = SAMPLING.replaced({"views": 2, "crops": 3})
    network = load_checkpoint(world.checkpoint).network()
    check(world, tmp_path / "out", record, network, several, list(range(101)))
    one = score(world, world.checkpoint, tmp_path / "out")
    assert record["protocol"].startswith("4x2-16-centre-2x3-") and one["protocol"] == "4x2-16-centre"
    # Neither overwrites the other's files.
    assert len(list((tmp_path / "out/predictions").glob("*.csv"))) == 4
    check(world, tmp_path / "out", record, network, several, list(range(101)))


def command(world: World, out: Path) -> list[str]:
    folders = map(str, (world.scuba, world.scufo))
    return ["eval", str(world.checkpoint), "--no-iid", "--device", "cpu", "--batch", "3",
            "--out", str(out), "--benchmarks", *folders]  # fmt: skip


def test_two_processes_predict_each_video_once(world: World, tmp_path: Path) -> None:
    done = bench_in_two_processes(*command(world, tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    score(world, world.checkpoint, tmp_path / "one")
    for path in sorted((tmp_path / "one/predictions").glob("*.csv")):
        with open(path, newline="") as a, open(tmp_path / "two/predictions" / path.name, newline="") as b:
            one, two = list(csv.reader(a)), list(csv.reader(b))
        assert [r[:3] for r in one] == [r[:3] for r in two]
        # Batches hold other videos, so float32 sums differ in their last digits.
        assert np.allclose(np.array(one[1:])[:, 3:].astype(float), np.array(two[1:])[:, 3:].astype(float), atol=1e-6)
    assert len(list((tmp_path / "two/results").glob("*.json"))) == 1


@pytest.mark.slow  # two whole processes for one error
def test_a_video_that_one_of_two_processes_misses_stops_both(world: World, tmp_path: Path) -> None:
    row = read_benchmark(world.scuba).rows[1]
    path = world.scuba / row.file
    kept = path.read_bytes()
    path.unlink()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    argv = [sys.executable, "-m", "albar_bench", *command(world, tmp_path / "out")]
    running = [
        subprocess.Popen(argv, env={**env, "RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in ("0", "1")
    ]
    try:
        said = [process.communicate(timeout=120)[1] for process in running]
    finally:
        path.write_bytes(kept)
        for process in running:
            process.kill()
    # Only the second one reads that video; both say what is wrong and write nothing of that set, nor a result.
    assert all(process.returncode == 1 and path.name in text for process, text in zip(running, said, strict=True))
    assert not (tmp_path / "out/results").exists() and not (tmp_path / "out/predictions").exists()


def test_lists_of_classes_with_numbers(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"

    def names(text: str) -> list[str]:
        path.write_text(text)
        return class_list(path)

    assert names("1 Archery\n2 Biking\n") == ["Archery", "Biking"]  # UCF101's classInd.txt
    assert names('number,class\n0,"run, fast"\n1,wave\n') == ["run, fast", "wave"]  # bench score --template
    assert names("0,run\n1,wave\n") == ["run", "wave"]
    assert names("run\n2 wave\n") == ["run", "2 wave"] and names("7\n3\n") == ["7", "3"] and names("1 a\n") == ["1 a"]
    for text in ("2 b\n1 a\n", "2 b\n3 a\n", "number,class\n1,b\n0,a\n"):
        assert "do not count up by one from 0 or 1" in refused(lambda text=text: names(text))
