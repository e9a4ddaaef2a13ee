"""`bench data backgrounds` with a tiny pipeline of random weights."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers")

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from small_builds import scuba
from tiny_diffusion import write_pipeline
from tiny_videos import make_actions
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.audit.verify import verify
from benchmark_builder.backgrounds.generate import PictureMaker, generate, scenes, wanted
from benchmark_builder.backgrounds.pipeline import Painter, checked_folder
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.settings import GenerateSettings
from benchmark_builder.utils.errors import BenchError

TEXT, UNET = "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(tmp_path_factory.mktemp("diffusion") / "tiny")


@pytest.fixture
def own(pipeline: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(pipeline, tmp_path / "own"))


def settings(pipeline: Path, out: Path, **more: Any) -> GenerateSettings:
    return GenerateSettings(**{"model": f"hf:{pipeline}", "out": out, "size": 16, "steps": 2, "limit": 2, **more})


def run(pipeline: Path, out: Path, **more: Any) -> Any:
    return generate(settings(pipeline, out, **more), progress=False)


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_pictures_depend_on_scene_number_and_seed_alone(pipeline: Path, tmp_path: Path) -> None:
    report = run(pipeline, tmp_path / "a", per_prompt=2)
    assert (report.made, report.kept, report.failures) == (4, 0, [])
    first = pictures(tmp_path / "a")
    assert len(set(first.values())) == 4
    with open(tmp_path / "a/pictures.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == first.keys() and {row["prompt"] for row in rows} == set(scenes(None)[:2])
    # Later and in another order: more scenes, then fewer; the same seed gives the same bytes.
    (tmp_path / "list.txt").write_text("\n".join([*reversed(scenes(None)[:2]), "a hall of mirrors"]))
    more = run(pipeline, tmp_path / "a", prompts=tmp_path / "list.txt", limit=3, per_prompt=1)
    assert (more.made, more.kept) == (1, 2)
    assert run(pipeline, tmp_path / "a", per_prompt=2).kept == 4 and len(pictures(tmp_path / "a")) == 5
    run(pipeline, tmp_path / "b", prompts=tmp_path / "list.txt", limit=3, per_prompt=2)
    assert first.items() <= pictures(tmp_path / "b").items()
    run(pipeline, tmp_path / "c", per_prompt=2, seed=1)
    assert pictures(tmp_path / "c").keys() == first.keys()
    assert not set(pictures(tmp_path / "c").values()) & set(first.values())


def test_the_picture_is_what_diffusers_makes(pipeline: Path, tmp_path: Path) -> None:
    from diffusers import StableDiffusionPipeline

    run(pipeline, tmp_path / "out", limit=1, guidance=3.0, width=24, style="wide", negative="people")
    [item] = wanted(scenes(None)[:1], 1, 0)
    loaded = StableDiffusionPipeline.from_pretrained(pipeline, safety_checker=None, requires_safety_checker=False)
    loaded.set_progress_bar_config(disable=True)
    made = loaded(
        f"{item.prompt}, wide", negative_prompt="people", height=16, width=24, num_inference_steps=2,
        guidance_scale=3.0, generator=torch.Generator().manual_seed(item.seed),
    ).images[0]  # fmt: skip
    assert made.size == (24, 16)
    with Image.open(tmp_path / "out" / item.file) as picture:
        assert (np.array(picture) == np.array(made)).all()


def test_the_record_and_other_settings(pipeline: Path, own: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(pipeline, out)
    record = json.loads((out / "generated.json").read_text())
    assert (
        record["model_sha256"] == checked_folder(str(pipeline)).sha256
        and record["pipeline"] == "StableDiffusionPipeline"
    )
    assert record["call"]["num_inference_steps"] == 2 and record["versions"]["diffusers"]
    for changed, said in (
        ({"steps": 3}, "num_inference_steps: 2, now 3"),
        ({"negative": ""}, "call: .*, now"),
        ({"style": ""}, "style"),
        ({"seed": 5}, "seed"),
    ):
        with pytest.raises(BenchError, match=rf"holds pictures of other settings \({said}"):
            run(pipeline, out, **changed)
    assert run(own, out).kept == 2  # the same network in another folder
    weights = load_file(own / UNET)
    save_file({name: value + 1e-3 for name, value in weights.items()}, own / UNET, metadata={"format": "pt"})
    with pytest.raises(BenchError, match=r"other settings \(model_sha256"):
        run(own, out)


def test_changed_and_deleted_pictures_are_made_again(pipeline: Path, tmp_path: Path) -> None:
    run(pipeline, tmp_path / "out")
    before = pictures(tmp_path / "out")
    one, two = sorted(before)
    (tmp_path / "out" / one).write_bytes(before[two])
    (tmp_path / "out" / two).unlink()
    report = run(pipeline, tmp_path / "out")
    assert report.made == 2 and pictures(tmp_path / "out") == before


def test_a_build_with_these_backgrounds(pipeline: Path, tmp_path: Path) -> None:
    words = ["data", "backgrounds", "--model", str(pipeline), "--out", str(tmp_path / "scenes"), "--size", "16",
             "--steps", "1", "--limit", "2"]  # fmt: skip
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and "2 pictures (2 new, 0 kept, 0 failed)" in done.output
    root = make_actions(tmp_path / "ucf", per_class=1, frames=2)
    folder = scuba(root, tmp_path / "scuba", backgrounds=f"images:{tmp_path / 'scenes'}")
    assert {row.background for row in read_benchmark(folder).rows} <= pictures(tmp_path / "scenes").keys()
    assert verify(folder, progress=False) == []


BOMB = "import os\nos.environ['BOMB'] = '1'\n"


def change(folder: Path, file: str, **values: object) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def as_pickles(folder: Path) -> None:
    torch.save(load_file(folder / TEXT), folder / "text_encoder/pytorch_model.bin")
    (folder / TEXT).unlink()


def one_tensor_less(folder: Path, file: str) -> None:
    weights = load_file(folder / file)
    weights.pop(sorted(weights)[-1])
    save_file(weights, folder / file, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: change(f, "model_index.json", unet=["bomb", "Unet"]), "only classes of diffusers and transformers"),
        (lambda f: change(f, "model_index.json", unet=["subprocess", "Popen"]), "only classes of diffusers"),
        (lambda f: change(f, "model_index.json", unet=["diffusers", "UNet2DConditionModel", 1]), "only classes"),
        (lambda f: change(f, "model_index.json", _class_name="Bomb"), "no text-to-image pipeline"),
        (lambda f: change(f, "model_index.json", _class_name=["bomb", "Pipe"]), "no text-to-image pipeline"),
        (lambda f: change(f, "model_index.json", _class_name="DDPMPipeline"), "no text-to-image pipeline"),
        (lambda f: change(f, "text_encoder/config.json", auto_map={"AutoModel": "bomb.Text"}), "names code .auto_map"),
        (lambda f: change(f, "unet/config.json", _attn_implementation="a/kernel"), "names code ._attn_impl"),
        (lambda f: change(f, "model_index.json", **{"../x": ["diffusers", "A"]}), "has no folder"),
        (lambda f: (f / "model_index.json").write_text("[]"), "no text-to-image pipeline"),
        (lambda f: (f / "model_index.json").write_text("{"), "model_index.json"),
        (lambda f: shutil.rmtree(f / "vae"), "has no folder 'vae'"),
        (as_pickles, "pickles are not read"),
        (lambda f: (f / UNET).unlink(), "cannot be loaded"),
        (lambda f: (f / UNET).write_bytes(b"damaged"), "cannot be loaded"),
        (lambda f: one_tensor_less(f, UNET), "not complete"),
        (lambda f: one_tensor_less(f, TEXT), "not complete"),
    ],
)
def test_folders_of_strangers(spoil: Any, said: str, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them runs the Python files in the folder, and each is one line for the user."""
    monkeypatch.delenv("BOMB", raising=False)
    monkeypatch.syspath_prepend(str(own))
    for name in ("bomb.py", "pipeline.py", "unet/bomb.py", "text_encoder/bomb.py"):
        (own / name).write_text(BOMB)
    spoil(own)
    import os

    with pytest.raises(BenchError, match=said) as raised:
        Painter(checked_folder(f"hf:{own}"), "cpu", "float32")
    assert "\n" not in str(raised.value) and "BOMB" not in os.environ


def test_a_network_that_cannot_be_loaded_leaves_nothing(own: Path, tmp_path: Path) -> None:
    (own / UNET).write_bytes(b"damaged")
    report = run(own, tmp_path / "out")
    assert report.made == 0 and len(report.failed) == 2 and "cannot be loaded" in report.failed[0]["reason"]
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == ["failures.csv"]


def test_values_that_are_no_picture_fail_alone(pipeline: Path, own: Path, tmp_path: Path) -> None:
    weights = load_file(own / "vae/diffusion_pytorch_model.safetensors")
    broken = {name: value * float("nan") for name, value in weights.items()}
    save_file(broken, own / "vae/diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    assert "not finite" in run(own, tmp_path / "out").failed[0]["reason"]
    maker = PictureMaker(tmp_path, checked_folder(str(pipeline)), "cpu", "float32", "", {"height": 16, "width": 16})
    item = wanted(["x"], 1, 0)[0]
    with pytest.raises(BenchError, match="cannot make this picture"):
        PictureMaker(**{**maker.__dict__, "given": {"height": 17, "width": 16}}).make(item)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 20}, "--size 20: give a multiple of 8"),
        ({"width": 8}, "--width 8: give a multiple of 8"),
        ({"prompts": Path("none.txt")}, "none.txt"),
        ({"model": "hf:nowhere"}, "no such folder"),
        ({"model": ""}, "no such folder|text-to-image"),
    ],
)
def test_wrong_options(options: dict, said: str, pipeline: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=said):
        run(pipeline, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_lists_of_scenes(tmp_path: Path) -> None:
    assert len(scenes(None)) == len(set(scenes(None))) == 120
    path = tmp_path / "scenes.txt"
    for text, said in (("a\n\nb\na\n", "line 4: is line 1 again"), ("\n", "has no prompts"), ("x" * 1001, "1001 char")):
        path.write_text(text)
        with pytest.raises(BenchError, match=said):
            scenes(path)
    path.write_text("Ein Wald, ü\n../../x\n# \u202e\n")
    names = [item.file for item in wanted(scenes(path), 2, 0)]
    assert len(set(names)) == 6 and all("/" not in name and name.isascii() for name in names)
