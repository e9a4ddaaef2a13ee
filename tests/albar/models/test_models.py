"""Networks by name, weights from files, and checkpoints that are read without running what they hold."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from albar.checkpoint import load_checkpoint, save_checkpoint
from albar.clips.clips import sampling
from albar.models import MODELS, build_model, model_spec
from albar.models.small3d import TimeConv, with_change
from albar.models.weights import FreshHead
from benchmark_builder.utils.errors import BenchError

SAMPLING = sampling("8x2-48")
CLASSES = ["left", "right", "up"]


def small(classes: int = 3) -> nn.Module:
    return build_model("small3d", classes, SAMPLING)


def save(path: Path, network: nn.Module, classes: list[str] | None = None) -> Path:
    save_checkpoint(
        path,
        network=network,
        model="small3d",
        method="baseline",
        dataset="synthactions",
        classes=classes or CLASSES,
        sampling=SAMPLING,
        settings={"seed": 3, "recipe": {"lr": 0.1}},
        digests={"settings": "ab"},
    )
    return path


@pytest.mark.parametrize("name", ["small3d", "r3d_18", "s3d", "swin3d_t"])
def test_networks_have_a_head_for_any_class_count(name: str) -> None:
    clip = sampling(model_spec(name).sampling)
    # The full clip of each takes seconds on a CPU; these networks take any length from 16 frames and any size from 32.
    size = 224 if name == "s3d" else 64
    with torch.no_grad():
        logits = build_model(name, 7, clip).eval()(torch.zeros(1, 3, 16, size, size))
    assert logits.shape == (1, 7)


@pytest.mark.parametrize("name", [*MODELS])
def test_every_network_names_a_clip_sampling(name: str) -> None:
    assert sampling(model_spec(name).sampling).frames >= 8


@pytest.mark.parametrize("frames", [1, 2, 8])
def test_small3d_takes_any_length(frames: int) -> None:
    assert small()(torch.zeros(2, 3, frames, 48, 48)).shape == (2, 3)


def test_small3d_sees_each_frame_beside_its_change() -> None:
    x = torch.arange(3.0).view(1, 1, 3, 1, 1).expand(1, 3, 3, 2, 2) ** 2  # frames of 0, 1 and 4
    seen = with_change(x)
    assert seen.shape == (1, 6, 3, 2, 2)
    assert seen[0, 0, :, 0, 0].tolist() == [0, 1, 4] and seen[0, 3, :, 0, 0].tolist() == [1, 3, 3]
    assert (with_change(x[:, :, :1])[:, 3:] == 0).all()


def test_small3d_sees_the_order_of_frames() -> None:
    torch.manual_seed(0)
    model, clip = small().eval(), torch.randn(1, 3, 8, 48, 48)
    with torch.no_grad():
        assert (model(clip) - model(clip.flip(2))).abs().max() > 1e-3


def test_unknown_names_list_the_choices() -> None:
    with pytest.raises(BenchError, match="small3d, swin3d_t"):
        build_model("resnet", 3, SAMPLING)
    with pytest.raises(BenchError, match="KINETICS400_V1"):
        build_model("r3d_18", 3, SAMPLING, weights="IMAGENET")
    with pytest.raises(BenchError, match="at least 2 classes"):
        build_model("small3d", 1, SAMPLING)
    with pytest.raises(BenchError, match="16 frames of 224"):
        build_model("mvit_v2_s", 3, SAMPLING)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict"])
def test_weights_from_a_file(tmp_path: Path, wrapper: str | None) -> None:
    torch.manual_seed(0)
    source = small()
    state = {f"module.{k}": v for k, v in source.state_dict().items()}  # as DataParallel names them
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "w.pth")
    made = build_model("small3d", 3, SAMPLING, str(tmp_path / "w.pth"))
    assert all(torch.equal(a, b) for a, b in zip(source.state_dict().values(), made.state_dict().values(), strict=True))


def test_a_head_for_other_classes_starts_fresh_and_the_rest_is_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = small(5)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    with pytest.warns(FreshHead, match=r"w\.pth have a head for 5 classes, the dataset has 3"):
        made = build_model("small3d", 3, SAMPLING, str(tmp_path / "w.pth")).state_dict()
    assert made["head.weight"].shape == (3, 96)
    for name, value in source.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(made[name], value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "w.pth")
    with pytest.raises(BenchError, match="do not fit"):
        build_model("small3d", 3, SAMPLING, str(tmp_path / "w.pth"))
    state = small().state_dict()
    del state["stem.0.weight"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(BenchError, match=r"lacks 1 tensors, first .stem\.0\.weight"):
        build_model("small3d", 3, SAMPLING, str(tmp_path / "w.pth"))


def test_a_checkpoint_gives_the_same_network_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source, clip = small().eval(), torch.randn(2, 3, 8, 48, 48)
    before = torch.random.get_rng_state()
    found = load_checkpoint(save(tmp_path / "model.ckpt", source))
    network = found.network()
    assert torch.equal(torch.random.get_rng_state(), before)  # nothing drawn from the caller's generator
    assert not network.training
    with torch.no_grad():
        assert torch.equal(network(clip), source(clip))
    assert (found.model, found.method, found.dataset, found.classes) == ("small3d", "baseline", "synthactions", CLASSES)
    assert found.sampling == SAMPLING and found.settings == {"seed": 3, "recipe": {"lr": 0.1}}
    assert len(found.digest) == 64 and found.digests == {"settings": "ab"}
    assert [p.name for p in tmp_path.iterdir()] == ["model.ckpt"]


class Bomb:
    """Pickles to a call that leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_malicious_checkpoint_is_refused_and_does_not_run(tmp_path: Path, how: str) -> None:
    path, mark = tmp_path / "model.ckpt", tmp_path / "ran"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Bomb(mark)))
    else:
        torch.save({"format": 1, "weights": Bomb(mark)}, path)
    with pytest.raises(BenchError, match=r"model\.ckpt: not a checkpoint") as caught:
        load_checkpoint(path)
    assert not mark.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello, I am a text file\n", b"PK\x03\x04 half a zip", b"\x80\x02}q\x00."])
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=r"model\.ckpt: not a checkpoint") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_a_cut_off_checkpoint_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "model.ckpt", small())
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BenchError, match="not a checkpoint"):
        load_checkpoint(path)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(BenchError, match="no such checkpoint"):
        load_checkpoint(Path("nowhere/model.ckpt"))


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("classes", None, "it lacks classes"),
        ("sampling", None, "it lacks sampling"),
        ("weights", 3, "weights is "),
        ("weights", {"a": 1}, "not a table of tensors"),
        ("classes", [1, 2, 3], "class names"),
        ("format", 99, "format 99"),
        ("model", "resnet", "no such model"),
        ("sampling", {"frames": -1}, "frames"),
    ],
)
def test_a_checkpoint_with_a_wrong_entry_is_refused(tmp_path: Path, key: str, value: object, word: str) -> None:
    path = save(tmp_path / "model.ckpt", small())
    content = torch.load(path, weights_only=True)
    if value is None:
        del content[key]
    else:
        content[key] = value
    torch.save(content, path)
    with pytest.raises(BenchError, match=word) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_weights_of_another_class_count_are_refused(tmp_path: Path) -> None:
    found = load_checkpoint(save(tmp_path / "model.ckpt", small(3), classes=["a", "b", "c", "d"]))
    with pytest.raises(BenchError, match="with 4 classes") as caught:
        found.network()
    assert "\n" not in str(caught.value)


def test_a_missing_tensor_is_refused_not_replaced(tmp_path: Path) -> None:
    path = save(tmp_path / "model.ckpt", small())
    content = torch.load(path, weights_only=True)
    del content["weights"]["stem.0.weight"]
    torch.save(content, path)
    with pytest.raises(BenchError, match=r"stem\.0\.weight"):
        load_checkpoint(path).network()


def test_reading_small_checkpoints_needs_no_torchvision() -> None:
    modules = "albar.training.trainer, albar.checkpoint, albar.models.small3d"
    code = f"import sys, {modules}; print('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("stride", [1, 2])
def test_small3d_convolves_one_frame_as_a_picture_with_equal_numbers_and_gradients(stride: int) -> None:
    conv = TimeConv(4, 5, stride).double()
    frame = torch.randn(2, 4, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = []
    for frames in (1, 3):
        clip = frame.clone().requires_grad_()
        made = conv(clip.expand(-1, -1, frames, -1, -1))
        (gradient,) = torch.autograd.grad(made.square().mean(), clip, create_graph=True)
        (twice,) = torch.autograd.grad(gradient.norm(), conv.weight)  # what a gradient penalty needs
        found.append((made[:, :, :1], gradient, twice))
    for one, three in zip(*found, strict=True):
        torch.testing.assert_close(one, three, rtol=1e-12, atol=1e-14)
