"""Video classifiers of Hugging Face as networks of the toolkit: axes, heads, clips, gradients, checkpoints."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from bomb import Bomb
from tiny_models import FRAMES, SIZE, huggingface_folder

from albar.checkpoint import export_weights, load_checkpoint, save_checkpoint
from albar.clips.clips import ClipSampling, normalise
from albar.models import build_model, model_spec
from albar.models.heads import find_head, logits_and_features
from albar.models.huggingface import clip_sampling, pretrained
from albar.models.weights import FreshHead
from albar.training.run_record import sources
from albar.training.settings import TrainSettings
from benchmark_builder.utils.errors import BenchError

PRISM = "videoprism_vision_model"
KINDS = ("videomae", "timesformer", "vivit", "vjepa2", PRISM)
# The argument that takes clips.
PIXELS = {"vjepa2": "pixel_values_videos", PRISM: "pixel_values_videos"}
CLASSES = ["run", "wave", "turn"]


def clips(seed: int = 0, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_the_librarys_own(kind: str, tmp_path: Path) -> None:
    from transformers import AutoModelForVideoClassification

    folder = huggingface_folder(tmp_path / kind, kind, CLASSES)
    theirs = AutoModelForVideoClassification.from_pretrained(folder, attn_implementation="eager").eval()
    spec = model_spec(f"hf:{folder}")
    ours = build_model(f"hf:{folder}", 3, spec.sampling, "pretrained").eval()  # type: ignore[arg-type]
    x = clips()
    with torch.no_grad():
        wanted = theirs(**{PIXELS.get(kind, "pixel_values"): x.permute(0, 2, 1, 3, 4)}).logits
        assert torch.equal(ours(x), wanted.flatten(1)) and ours(x).shape == (2, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_another_class_count_gets_a_fresh_head_on_the_same_body(kind: str, tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / kind, kind, CLASSES)
    sampling = model_spec(f"hf:{folder}").sampling
    known = build_model(f"hf:{folder}", 3, sampling, "pretrained").state_dict()  # type: ignore[arg-type]
    with pytest.warns(FreshHead, match="have a head for 3 classes, the dataset has 7"):
        other = build_model(f"hf:{folder}", 7, sampling, "pretrained")  # type: ignore[arg-type]
    assert other.eval()(clips()).shape == (2, 7)
    body = [k for k in known if not k.startswith("network.classifier.")]
    assert all(torch.equal(other.state_dict()[k], known[k]) for k in body)
    random = build_model(f"hf:{folder}", 3, sampling).state_dict()  # type: ignore[arg-type]
    assert any(not torch.equal(random[k], known[k]) for k in body)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_penalty_differentiates_twice(kind: str, tmp_path: Path) -> None:
    """ALBAR's term: the gradient by the clip, and that gradient's norm differentiated by the weights."""
    folder = huggingface_folder(tmp_path / kind, kind, CLASSES)
    model = build_model(f"hf:{folder}", 3, model_spec(f"hf:{folder}").sampling)  # type: ignore[arg-type]
    x = clips().requires_grad_()
    (gradient,) = torch.autograd.grad(model(x).logsumexp(1).sum(), x, create_graph=True)
    gradient.flatten(1).norm(dim=1).mean().backward()
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad and n.endswith("weight")]
    attention = [p.grad for n, p in named if "attention" in n or "_attn." in n]
    assert attention and all(g is not None and g.isfinite().all() and g.abs().max() > 0 for g in attention)


def test_random_networks_are_made_for_the_clips_and_weights_only_take_their_own(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "v", "videomae", CLASSES)
    short = ClipSampling(frames=2, size=48, resize=48)
    assert build_model(f"hf:{folder}", 5, short)(torch.zeros(1, 3, 2, 48, 48)).shape == (1, 5)
    with pytest.raises(BenchError, match="num_frames 4, the clip setting frames is 2"):
        build_model(f"hf:{folder}", 5, short, "pretrained")


@pytest.mark.parametrize("kind", ("videomae", "timesformer", "vivit"))
@pytest.mark.parametrize("changes", [{}, {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}])
def test_normalisation_is_the_preprocessors(kind: str, changes: dict, tmp_path: Path) -> None:
    import importlib

    names = {"videomae": "VideoMAE", "timesformer": "Timesformer", "vivit": "Vivit"}
    module = importlib.import_module(f"transformers.models.{kind}.video_processing_{kind}")
    side = {"size": {"shortest_edge": SIZE}, "crop_size": {"height": SIZE, "width": SIZE}}
    processor = getattr(module, f"{names[kind]}VideoProcessor")(**side, **changes)
    said = {**side, **changes}
    folder = huggingface_folder(tmp_path / kind, kind, CLASSES, said)
    sampling, notes = clip_sampling(folder)
    assert (sampling.frames, sampling.size, sampling.resize) == (FRAMES, SIZE, SIZE) and len(notes) == 1
    video = np.random.default_rng(0).integers(0, 256, (FRAMES, 3, SIZE, SIZE), dtype=np.uint8)
    theirs = processor(torch.from_numpy(video), return_tensors="pt")["pixel_values"][0]
    ours = normalise(torch.from_numpy(video).transpose(0, 1), sampling).transpose(0, 1)
    # Both round a few float32 operations on values below 6: 6 * 2**-24 * 8 operations < 3e-6.
    assert (ours - theirs).abs().max() < 3e-6


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("kind", "processor", "said", "wanted"),
    [
        # The short side of V-JEPA 2 is 8/7 of the crop whatever the file says; stride 4.
        ("vjepa2", "vjepa2.video_processing_vjepa2.VJEPA2VideoProcessor", {"crop_size": SIZE}, (36, False, 4, False)),
        # VideoPrism's pictures are squashed and have no normalisation; frames from the whole video.
        (
            PRISM, "llava_onevision.video_processing_llava_onevision.LlavaOnevisionVideoProcessor",
            {"size": {"height": SIZE, "width": SIZE}, "do_normalize": False}, (SIZE, True, 2, True),
        ),
    ],
)  # fmt: skip
def test_pictures_are_those_of_newer_preprocessors(
    kind: str, processor: str, said: dict, wanted: tuple, nested: bool, tmp_path: Path
) -> None:
    import importlib

    module, name = processor.rsplit(".", 1)
    theirs = getattr(importlib.import_module(f"transformers.models.{module}"), name)(**said)
    folder = huggingface_folder(tmp_path / kind, kind, CLASSES)
    if nested:
        (folder / "processor_config.json").write_text(json.dumps({"video_processor": theirs.to_dict()}))
    else:
        theirs.save_pretrained(folder)
    sampling, notes = clip_sampling(folder)
    assert (sampling.resize, sampling.squash, sampling.stride, sampling.even) == wanted
    assert (sampling.frames, sampling.size) == (FRAMES, SIZE)
    assert len(notes) == (2 if kind == PRISM else 1)  # its pictures are scaled bicubic
    video = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (FRAMES, 3, SIZE, SIZE), dtype=np.uint8))
    plain = theirs(video, return_tensors="pt", do_resize=False, do_center_crop=False)["pixel_values_videos"][0]
    ours = normalise(video.transpose(0, 1), sampling).transpose(0, 1)
    assert (ours - plain).abs().max() < 3e-6  # as above
    # Without the file, its class's settings are the same.
    for path in (folder / "processor_config.json", folder / "video_preprocessor_config.json"):
        path.unlink(missing_ok=True)
    assert clip_sampling(folder)[0] == sampling


def test_v_jepa_2_takes_any_whole_number_of_tubelets_of_its_own_size(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "v", "vjepa2", CLASSES)
    long = ClipSampling(frames=2 * FRAMES, size=SIZE, resize=SIZE)
    model = build_model(f"hf:{folder}", 3, long, "pretrained").eval()
    assert model(torch.zeros(1, 3, 2 * FRAMES, SIZE, SIZE)).shape == (1, 3)
    # transformers would compute something for these, with wrong positions or without the last frame.
    for shape in ((1, 3, FRAMES, 48, 48), (1, 3, FRAMES + 1, SIZE, SIZE)):
        with pytest.raises(ValueError, match="takes 32 pixels, and a multiple of 2 frames"):
            model(torch.zeros(shape))
    with pytest.raises(BenchError, match="crop_size 32, the clip setting size is 48"):
        build_model(f"hf:{folder}", 3, ClipSampling(frames=FRAMES, size=48, resize=48), "pretrained")
    assert not any(p.requires_grad for n, p in model.named_parameters() if ".predictor." in n)


@pytest.mark.parametrize("kind", KINDS)
def test_pretraining_without_a_head_starts_one_in_training_and_is_refused_in_scoring(kind: str, tmp_path: Path) -> None:
    from transformers import AutoModel

    folder = huggingface_folder(tmp_path / kind, kind, CLASSES)
    body = AutoModel.from_pretrained(folder)
    with torch.no_grad():
        next(body.parameters()).fill_(0.25)  # not what a fresh network has
    body.save_pretrained(folder)
    with pytest.warns(FreshHead, match="have no head, the dataset has 3 classes"):
        model = build_model(f"hf:{folder}", 3, model_spec(f"hf:{folder}").sampling, "pretrained")  # type: ignore[arg-type]
    assert any((p == 0.25).all() for p in model.parameters())
    with pytest.raises(BenchError, match="give the folder of a network trained to classify videos"):
        pretrained(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_what_the_last_layer_gets(kind: str, tmp_path: Path) -> None:
    model = build_model(f"hf:{huggingface_folder(tmp_path / kind, kind, CLASSES)}", 3, ClipSampling(
        frames=FRAMES, size=SIZE, resize=SIZE
    )).eval()  # fmt: skip
    logits, features = logits_and_features(model, clips())
    assert features.shape == (2, 32)
    head = find_head(model)
    assert torch.allclose(features @ head.weight.T + head.bias, logits, atol=1e-5)  # type: ignore[operator,union-attr]


@pytest.mark.parametrize("kind", ("timesformer", "vjepa2", PRISM))
def test_a_checkpoint_needs_the_folder_no_more(kind: str, tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "t", kind, CLASSES)
    sampling = model_spec(f"hf:{folder}").sampling
    network = build_model(f"hf:{folder}", 3, sampling, "pretrained").eval()  # type: ignore[arg-type]
    path = tmp_path / "model.ckpt"
    save_checkpoint(
        path, network=network, model=f"hf:{folder}", method="baseline", dataset="ucf101", classes=CLASSES,
        sampling=sampling, settings={}, digests={},  # type: ignore[arg-type]
    )  # fmt: skip
    export_weights(path, tmp_path / "model.safetensors")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    with torch.no_grad():
        for kept in (path, tmp_path / "model.safetensors"):
            loaded = load_checkpoint(kept)
            assert loaded.sampling == sampling and loaded.classes == CLASSES
            assert torch.equal(loaded.network()(clips()), network(clips()))
    assert str(folder) not in json.dumps(load_checkpoint(path).architecture)


def test_a_run_records_what_a_folder_holds_and_not_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huggingface_folder(tmp_path / "net", "videomae", CLASSES)
    monkeypatch.chdir(tmp_path)
    absolute, relative = (
        sources(TrainSettings(model=f"hf:{folder}", weights="pretrained")) for folder in (tmp_path / "net", "net")
    )
    assert absolute == relative and (absolute["model"], absolute["weights"]) == ("hf:net", "pretrained")
    (tmp_path / "net" / "config.json").write_text((tmp_path / "net" / "config.json").read_text() + " ")
    assert sources(TrainSettings(model="hf:net", weights="pretrained")) != relative


@pytest.mark.parametrize("prefix", ["module.", "network.", "_orig_mod.network.", "model.module.network."])
def test_a_file_of_weights_may_have_any_prefix(tmp_path: Path, prefix: str) -> None:
    folder = huggingface_folder(tmp_path / "net", "videomae", CLASSES)
    sampling = model_spec(f"hf:{folder}").sampling
    known = build_model(f"hf:{folder}", 3, sampling, "pretrained")  # type: ignore[arg-type]
    state = {prefix + name: value for name, value in known.network.state_dict().items()}  # type: ignore[union-attr]
    torch.save(state, tmp_path / "w.pth")
    made = build_model(f"hf:{folder}", 3, sampling, str(tmp_path / "w.pth")).eval()  # type: ignore[arg-type]
    assert torch.equal(made(clips()), known.eval()(clips()))


def test_safetensors_exports_say_what_they_are(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(BenchError, match=r"end the name in \.safetensors"):
        export_weights(tmp_path / "a.ckpt", tmp_path / "a.pt")
    save_file({"x": torch.zeros(2)}, tmp_path / "bare.safetensors")
    with pytest.raises(BenchError, match="has weights only"):
        load_checkpoint(tmp_path / "bare.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(BenchError, match="not a safetensors file"):
        load_checkpoint(tmp_path / "text.safetensors")
    with pytest.raises(BenchError, match="no such"):
        load_checkpoint(tmp_path / "absent.safetensors")


def test_strangers_folders_run_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    folder = huggingface_folder(tmp_path / "v", "videomae", CLASSES)
    (folder / "model.safetensors").unlink()
    torch.save({"x": Bomb(marker)}, folder / "pytorch_model.bin")
    with pytest.raises(BenchError, match="cannot be read"):
        pretrained(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(BenchError, match="cannot be read"):
        pretrained(folder)
    # Code in the folder, asked for by its configuration: the library's own class is used.
    folder = huggingface_folder(tmp_path / "w", "videomae", CLASSES)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForVideoClassification": "evil.Model", "AutoConfig": "evil.Config"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"from pathlib import Path\nPath({str(marker)!r}).touch()\n")
    assert type(pretrained(folder).network).__module__.startswith("transformers.")
    assert not marker.exists()


def test_folders_that_will_not_do(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "v", "videomae", CLASSES)
    with pytest.raises(BenchError, match="no such folder"):
        model_spec(f"hf:{tmp_path / 'nowhere'}")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(
        BenchError, match="'bert' is not one of timesformer, videomae, videoprism_vision_model, vivit, vjepa2"
    ):
        model_spec(f"hf:{folder}")
    odd = {"num_frames": "many", "num_hidden_layers": 10**9, "hidden_size": 0, "image_size": [224, 10**6]}
    for name, value in odd.items():
        (folder / "config.json").write_text(json.dumps({**config, name: value}))
        with pytest.raises(BenchError, match=rf"config\.json: {name} is"):
            model_spec(f"hf:{folder}")
    vast = {"hidden_size": 2**14, "intermediate_size": 2**16, "num_hidden_layers": 200}
    (folder / "config.json").write_text(json.dumps({**config, **vast}))
    with pytest.raises(BenchError, match=r"describes a network of \d+ weights"):
        model_spec(f"hf:{folder}")
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(BenchError, match=r"lack .* tensors of VideoMAE"):
        pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").unlink()
    with pytest.raises(BenchError, match="has no weights"):
        pretrained(folder)
