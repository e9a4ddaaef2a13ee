"""Files of weights as other codes write them, and as this one does: read whatever their prefixes, never run."""

import argparse
import collections
import datetime
import enum
import gzip
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from albar.checkpoint import export_weights, load_checkpoint, own_checkpoint, save_checkpoint
from albar.clips.clips import sampling
from albar.models import build_model
from albar.models.weights import FreshHead, Note, fit_weights
from albar_bench.cli.app import app
from benchmark_builder.masks.networks.weights import read_weights as read_mask_weights
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.weights import prefix_of, read_weights, without_prefix, write_safetensors, write_torch_file
from evaluator.models import ModelOptions, load_model

SAMPLING = sampling("8x2-48").replaced({"frames": 4, "size": 16, "resize": 16})
CLASSES = ["left", "right", "up"]
OLD = Path(__file__).parents[2] / "data" / "model-format1.ckpt.gz"  # of the first version: a temporary name is inside


class Tiny(nn.Module):
    """A network of two parts, as small as can be."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.stem = nn.Linear(2, 2)
        self.head = nn.Linear(2, classes)


STATE = {name: torch.arange(float(v.numel())).view(v.shape) + 1 for name, v in Tiny().state_dict().items()}


def under(*prefixes: str) -> dict[str, torch.Tensor]:
    return {"".join(prefixes) + name: value for name, value in STATE.items()}


def taken(path: Path, known: bool = True) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    found = read_weights(path, "file of weights", "fix it", STATE if known else ())
    return found.tensors, found.notes


def right(tensors: dict[str, torch.Tensor]) -> bool:
    return tensors.keys() == STATE.keys() and all(torch.equal(tensors[k], STATE[k]) for k in STATE)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(BenchError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- prefixes -------------------------------------------------------------------------------------------------------

PREFIXES = [
    (), ("module.",), ("_orig_mod.",), ("module.", "_orig_mod."), ("_orig_mod.", "module."), ("model.",), ("net.",),
    ("model.", "_orig_mod.", "module."), ("module.", "model.", "net.", "_orig_mod."), ("_forward_module.", "model."),
    ("network.", "module."), ("backbone.",),
]  # fmt: skip


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("prefixes", PREFIXES, ids="".join)
def test_prefixes_of_every_name_are_taken_off(tmp_path: Path, prefixes: tuple[str, ...], known: bool) -> None:
    state = under(*prefixes)
    torch.save(state, tmp_path / "a.pth")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "a.ckpt")
    save_file(state, tmp_path / "a.safetensors")
    assert all(right(taken(tmp_path / name, known)[0]) for name in ("a.pth", "a.ckpt", "a.safetensors"))
    assert right(read_mask_weights(tmp_path / "a.pth", "a checkpoint"))  # type: ignore[arg-type]


def test_any_shared_prefix_is_taken_off_where_the_names_then_fit() -> None:
    assert right(without_prefix(under("student.", "encoder."), STATE))
    assert without_prefix(under("student."), ()).keys() == under("student.").keys()
    # Names that the network has itself stay, though all start alike.
    own = {f"model.{name}": value for name, value in STATE.items()}
    assert without_prefix(own, own.keys()).keys() == own.keys()
    assert without_prefix(under("module.", "model."), own.keys()).keys() == own.keys()


def test_a_compiled_part_has_its_prefix_inside() -> None:
    state = {name.replace("stem.", "stem._orig_mod."): value for name, value in STATE.items()}
    assert right(without_prefix(state, STATE)) and right(without_prefix(state))
    assert right(without_prefix({f"module.{k}": v for k, v in state.items()}, STATE))


def test_a_prefix_of_some_names_alone_is_named() -> None:
    mixed = {**STATE, "module.stem.weight": STATE["stem.weight"]}
    del mixed["stem.weight"]
    assert without_prefix(mixed, STATE).keys() == mixed.keys()
    message = refused(lambda: fit_weights(Tiny(), mixed, "head.", "w.pth"))
    assert "1 of its 4 names start with 'module.', the others do not" in message
    odd = {f"student.{k}.x": v for k, v in STATE.items()}
    assert "all its names start with 'student.'" in refused(lambda: fit_weights(Tiny(), odd, "head.", "w.pth"))
    assert prefix_of(STATE, STATE) == ""


@pytest.mark.parametrize("prefixes", [("module.",), ("_orig_mod.", "module."), ("model.",)], ids="".join)
def test_networks_are_scored_and_trained_from_such_files(tmp_path: Path, prefixes: tuple[str, ...]) -> None:
    source = build_model("small3d", 3, SAMPLING).eval()
    state = {"".join(prefixes) + k: v for k, v in source.state_dict().items()}
    torch.save({"state_dict": state, "args": argparse.Namespace(lr=1)}, tmp_path / "w.ckpt")
    save_file(state, tmp_path / "w.safetensors")
    clip = torch.randn(1, 3, 4, 16, 16)
    for name in ("w.ckpt", "w.safetensors"):
        path = str(tmp_path / name)
        scored = load_model("small3d", ModelOptions(weights=path)).network(torch.device("cpu"))
        assert torch.equal(scored(clip), source(clip))
        assert torch.equal(build_model("small3d", 3, SAMPLING, path).eval()(clip), source(clip))


def test_weights_without_their_head_start_with_a_fresh_one_and_are_not_scored(tmp_path: Path) -> None:
    state = {f"backbone.{k}": v for k, v in build_model("small3d", 3, SAMPLING).state_dict().items() if "head" not in k}
    torch.save(state, tmp_path / "w.pth")
    with pytest.warns(FreshHead, match="have no head, the dataset has 3 classes"):
        build_model("small3d", 3, SAMPLING, str(tmp_path / "w.pth"))
    assert "the weights have no head" in refused(
        lambda: load_model("small3d", ModelOptions(weights=str(tmp_path / "w.pth")))
    )


# --- what else is in such files -------------------------------------------------------------------------------------


class Mode(enum.Enum):
    FAST = 1


class Config(dict):  # type: ignore[type-arg]
    pass


class History(list):  # type: ignore[type-arg]
    pass


class Meter:
    def __init__(self) -> None:
        self.value, self.mode = 3, Mode.FAST


BESIDE: dict[str, Any] = {
    "namespace": argparse.Namespace(lr=1, path=Path("x"), mode=Mode.FAST),
    "object": Meter(),
    "dict": Config(a=1),
    "list": History([1]),
    "defaultdict": collections.defaultdict(list, {"a": [1]}),
    "deque": collections.deque([1]),
    "numpy": {"best": np.float64(3), "each": np.zeros(2)},
    "time": datetime.datetime(2025, 1, 1),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("beside", BESIDE)
def test_objects_beside_the_weights_are_passed_over(tmp_path: Path, beside: str, zipped: bool) -> None:
    path = tmp_path / "w.pth"
    torch.save({"model": STATE, "args": BESIDE[beside]}, path, _use_new_zipfile_serialization=zipped)
    assert right(taken(path)[0]) and taken(path)[1] == ()


class Call:
    """Pickles to a call."""

    def __init__(self, what: Callable[..., object], *args: object) -> None:
        self.call = what, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("what", "args", "named"),
    [
        (os.system, ("touch ran",), "system"),
        (eval, ("open('ran', 'w')",), "builtins.eval"),
        (subprocess.call, (["touch", "ran"],), "call"),
        (Path.touch, (Path("ran"),), "builtins.getattr"),
        (exec, ("open('ran', 'w')",), "builtins.exec"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_calls_beside_the_weights_are_refused_by_name(
    tmp_path: Path, what: Callable[..., object], args: tuple[object, ...], named: str, zipped: bool
) -> None:
    path = tmp_path / "w.pth"
    torch.save({"model": STATE, "x": Call(what, *args)}, path, _use_new_zipfile_serialization=zipped)
    message = refused(lambda: taken(path))
    assert message.startswith(f"{path}: not a file of weights") and named in message
    assert not Path("ran").exists()


def test_averaged_weights_beside_others_are_named(tmp_path: Path) -> None:
    other = {name: 0 * value for name, value in STATE.items()}
    for plain, averaged in (("state_dict", "state_dict_ema"), ("model", "model_ema"), ("model", "ema")):
        torch.save({plain: STATE, averaged: other}, tmp_path / "w.pth")
        tensors, (note,) = taken(tmp_path / "w.pth")
        assert right(tensors) and f"under {plain!r} are used" in note and f"under {averaged!r} are not" in note
    torch.save({"model_ema": STATE, "epoch": 3}, tmp_path / "w.pth")
    tensors, (note,) = taken(tmp_path / "w.pth")
    assert right(tensors) and "averaged (EMA) weights under 'model_ema' are used" in note
    torch.save(torch.optim.swa_utils.AveragedModel(Tiny()).state_dict(), tmp_path / "w.pth")
    tensors, (note,) = taken(tmp_path / "w.pth")
    assert tensors.keys() == STATE.keys() and "averaged" in note
    # The commands say so.
    state = build_model("small3d", 3, SAMPLING).state_dict()
    torch.save({"state_dict": state, "state_dict_ema": state}, tmp_path / "w.pth")
    with pytest.warns(Note, match="state_dict_ema"):
        build_model("small3d", 3, SAMPLING, str(tmp_path / "w.pth"))
    assert "state_dict_ema" in load_model("small3d", ModelOptions(weights=str(tmp_path / "w.pth"))).notes[0]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"a": STATE, "b": STATE}, r"several tables of tensors (a, b)"),
        ({"model": Meter()}, f"it contains {Meter.__module__}.Meter"),
        (Tiny(), "it asks for torch.nn.modules.linear.Linear"),
        ([1, 2], "no table of tensors"),
        ({"epoch": 3}, "no table of tensors"),
        ({"model": {}}, "no table of tensors"),
    ],
)
def test_what_holds_no_weights_is_told(tmp_path: Path, content: object, word: str) -> None:
    torch.save(content, tmp_path / "w.pth")
    assert word in refused(lambda: taken(tmp_path / "w.pth"))


def test_the_weights_among_other_tables_are_found(tmp_path: Path) -> None:
    momentum = {
        "optimizer": {"state": {0: STATE}, "param_groups": [{"lr": 1.0}]},
        "rng_state": {"torch": torch.zeros(2)},
    }
    for content in (
        {"model": {"state_dict": STATE}, **momentum},
        {"generator": STATE, **momentum},
        {"module": STATE, "mean": torch.zeros(3)},
        {"epoch": 3, **STATE},
        {"state_dict": {**STATE, "stem._extra_state": Meter(), "head._extra_state": None}},
    ):
        torch.save(content, tmp_path / "w.pth")
        assert right(taken(tmp_path / "w.pth")[0])


# --- the toolkit's own ----------------------------------------------------------------------------------------------


def save(path: Path, changes: dict[str, Any] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    save_checkpoint(
        path, network=build_model("small3d", 3, SAMPLING), model="small3d", method="baseline",
        dataset="synthactions", classes=CLASSES, sampling=SAMPLING, settings={"seed": 3}, digests={"settings": "ab"},
    )  # fmt: skip
    if changes:
        torch.save({**torch.load(path, weights_only=True), **changes}, path)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_checkpoints_of_the_first_version_are_read(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    found = load_checkpoint(path)
    assert (found.model, found.classes, found.sampling, found.settings["seed"]) == ("small3d", CLASSES, SAMPLING, 3)
    weight = found.network().head.weight  # type: ignore[union-attr]
    assert torch.equal(weight.flatten(), ((torch.arange(3 * 96) % 7).float() - 3) / 8)  # type: ignore[operator]
    again = tmp_path / "again.ckpt"
    save_checkpoint(
        again, network=found.network(), model=found.model, method=found.method, dataset=found.dataset,
        classes=found.classes, sampling=found.sampling, settings=found.settings, digests=found.digests,
    )  # fmt: skip
    assert load_checkpoint(again).settings == found.settings and again.read_bytes() != path.read_bytes()


def test_equal_checkpoints_and_exports_are_equal_bytes(tmp_path: Path) -> None:
    one, two = save(tmp_path / "a" / "model.ckpt"), save(tmp_path / "b" / "other.ckpt")
    assert digest(one) == digest(two)
    for suffix in (".safetensors", ".pth"):
        made = [export_weights(path, tmp_path / f"{k}{suffix}") for k, path in enumerate((one, two, tmp_path / "a"))]
        assert len({digest(path) for path in made}) == 1
        assert digest(export_weights(made[0], tmp_path / f"of-an-export{suffix}")) == digest(made[0])
    for k in range(5):  # the library orders the metadata anew at each call
        write_safetensors(tmp_path / f"{k}.st", STATE, {name: name for name in "abcdefgh"})
    assert len({digest(tmp_path / f"{k}.st") for k in range(5)}) == 1


def test_content_that_is_equal_gives_equal_bytes_whatever_objects_hold_it(tmp_path: Path) -> None:
    word = "".join(["base", "line"])  # not the object that the next line has
    base = torch.arange(12.0)
    write_torch_file(
        tmp_path / "a", {"x": "baseline", "y": "baseline", "t": (0.9, 0.99), "u": (0.9, 0.99), "w": base[2:4]}
    )
    pair = (0.9, 0.99)
    write_torch_file(tmp_path / "b", {"x": word, "y": "baseline", "t": pair, "u": pair, "w": torch.tensor([2.0, 3.0])})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_export_says_what_it_is_and_is_read_as_the_checkpoint(tmp_path: Path) -> None:
    path = save(tmp_path / "model.ckpt")
    for suffix in (".safetensors", ".pth"):
        out = tmp_path / f"w{suffix}"
        done = CliRunner().invoke(app, ["export-weights", str(path), "--out", str(out)])
        assert done.exit_code == 0 and str(out) in done.output
        found, wanted = load_checkpoint(out), load_checkpoint(path)
        assert (found.classes, found.sampling, found.settings) == (wanted.classes, wanted.sampling, wanted.settings)
        assert all(torch.equal(found.weights[k], wanted.weights[k]) for k in wanted.weights)
        assert load_model(out).classes == CLASSES
        named = load_model("small3d", ModelOptions(weights=str(out)))
        assert named.classes == CLASSES and named.clips == SAMPLING
    from safetensors import safe_open

    with safe_open(tmp_path / "w.safetensors", framework="pt") as handle:
        said = json.loads(handle.metadata()["albar-bench"])
        assert handle.metadata()["format"] == "pt"
    assert (said["model"], said["classes"], said["sampling"]["frames"]) == ("small3d", CLASSES, 4)
    plain = torch.load(tmp_path / "w.pth", weights_only=True)
    assert plain["albar-bench"]["model"] == "small3d" and "head.weight" in plain["state_dict"]


def test_an_export_that_cannot_be_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth")
    assert "end the name in .safetensors or .pth" in refused(lambda: export_weights(path, tmp_path / "w.pt"))
    before = digest(path)
    assert "is the checkpoint itself" in refused(lambda: export_weights(path, tmp_path / "." / "a.pth"))
    assert digest(path) == before
    torch.save(STATE, tmp_path / "bare.pth")
    assert "not a checkpoint" in refused(lambda: export_weights(tmp_path / "bare.pth", tmp_path / "w.pth"))
    assert "no such checkpoint" in refused(lambda: export_weights(tmp_path, tmp_path / "w.pth"))
    assert not (tmp_path / "w.pth").exists()


def test_a_checkpoint_of_another_network_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "model.ckpt")
    message = refused(lambda: load_model("swin3d_t", ModelOptions(weights=str(path))))
    assert "is a checkpoint of small3d, not of swin3d_t" in message
    torch.save(STATE, tmp_path / "bare.pth")
    (tmp_path / "text.pth").write_text("hello")
    assert own_checkpoint(tmp_path / "bare.pth") is None and own_checkpoint(tmp_path / "nowhere") is None
    assert own_checkpoint(tmp_path) is not None
    assert "text.pth" in refused(lambda: own_checkpoint(tmp_path / "text.pth"))


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("classes", [], "classes"),
        ("classes", ["a"], "classes"),
        ("classes", ["a", "a", "b"], "classes"),
        ("classes", None, "classes is "),
        ("classes", [["a"], "b", "c"], "class names"),
        ("settings", {"seed": [1, 2]}, r"seed"),
        ("settings", {"seed": 1.5}, r"seed"),
        ("settings", None, "settings is "),
        ("digests", {"settings": None}, "digests"),
        ("format", True, "format is "),
        ("method", None, "method is "),
        ("model", ["small3d"], "model is "),
        ("weights", {1: torch.zeros(2)}, "table of tensors"),
        ("architecture", [1], "architecture is "),
        ("architecture", {"model_type": ["videomae"]}, "model_type"),
        ("sampling", {"frames": None}, "clip setting frames is None"),
        ("sampling", {"frames": [8]}, r"clip setting frames is \[8\]"),
        ("sampling", {"frames": float("inf")}, "clip setting frames is inf"),
        ("sampling", {"frames": 10**9}, "clip setting frames is 1000000000"),
        ("sampling", {"frames": 2**62}, "clip setting frames is 4611"),
        ("sampling", {"frames": 10**400}, "more than 64 bits"),
        ("sampling", {"frames": 60000, "size": 8000, "resize": 8000}, "at most"),
        ("sampling", {"mean": [None] * 3}, "clip setting mean"),
        ("sampling", {"mean": "123"}, "clip setting mean"),
        ("sampling", {"std": [float("nan")] * 3}, "std"),
        ("sampling", {"crop": None}, "clip setting crop is None"),
        ("sampling", {3: 1}, "a name in sampling is 3, not text"),
    ],
)
def test_odd_values_in_a_checkpoints_record_are_one_line(tmp_path: Path, key: str, value: object, word: str) -> None:
    path = save(tmp_path / "model.ckpt", {key: value})
    with pytest.raises(BenchError, match=word) as caught:
        load_checkpoint(path).network()
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
