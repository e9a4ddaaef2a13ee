"""Training methods and networks of the user's own, as package.module:Name."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from albar.checkpoint import load_checkpoint, save_checkpoint
from albar.clips.clips import sampling
from albar.methods import METHODS, make_method, settings_of
from albar.models import build_model, model_spec
from albar.training.settings import TrainSettings, default_folder, make_settings
from albar_bench.cli.app import app
from benchmark_builder.utils.errors import BenchError
from evaluator.models import ModelOptions, load_model

OWN = '''
from dataclasses import dataclass
import torch
from torch import nn
from albar.methods import Method, Settings

@dataclass(frozen=True, slots=True, kw_only=True)
class MineSettings(Settings):
    """Settings of Mine.

    Attributes:
        strength: how much,
            in all.
    """

    strength: float = 1.0

class Mine(Method):
    PRESETS = {"finetune": MineSettings(), "scratch": MineSettings(strength=2.0)}

class Presetless(Method):
    PRESETS = {"finetune": MineSettings()}

class Failing(Method):
    def __init__(self, settings):
        raise ValueError("no")

class Net(nn.Module):
    sampling = "8x2-48"
    def __init__(self, classes):
        super().__init__()
        self.head = nn.Linear(3, classes)
    def forward(self, x):
        return self.head(x.mean((2, 3, 4)))

def with_sampling(classes, sampling):
    net = Net(classes)
    net.frames = sampling.frames
    return net

def positional(n):
    return Net(n)

def fixed():
    return Net(4)

def wrong(classes):
    return 3

def failing(classes):
    raise ValueError("no")

number = 3
'''
CLIPS = sampling("8x2-48")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds ``ownnets.py`` and is the current one."""
    (tmp_path / "ownnets.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "ownnets", raising=False)
    return tmp_path


def test_a_method_of_ones_own(own: Path) -> None:
    assert make_method("ownnets:Mine", "scratch", {}).settings.strength == 2.0  # type: ignore[attr-defined]
    assert make_method("ownnets:Mine", "scratch", {"strength": 3}).settings.strength == 3.0  # type: ignore[attr-defined]
    (setting,) = settings_of("ownnets:Mine")
    assert (setting.name, setting.finetune, setting.scratch, setting.about) == (
        "strength",
        1.0,
        2.0,
        "how much, in all.",
    )
    made = make_settings(None, {"method": "ownnets:Mine", "options": {"strength": 4}})
    assert made.folder == Path("runs/synthactions-ownnets.Mine-s0")
    assert default_folder("my.data:read", "a:B", 1) == Path("runs/my.data.read-a.B-s1")
    with pytest.raises(BenchError, match="method ownnets:Mine: --set x=4: no such setting; choose from strength"):
        make_settings(None, {"method": "ownnets:Mine", "options": {"x": 4}})


@pytest.mark.parametrize("name", [*METHODS])
def test_every_setting_of_a_method_is_explained(name: str) -> None:
    assert all(setting.about for setting in settings_of(name))


def test_help_and_errors_list_what_there_is(own: Path) -> None:
    said = CliRunner().invoke(app, ["train", "--epochs", "3", "ownnets:Mine", "--help"]).output
    assert "Settings of ownnets:Mine" in said and "how much, in all." in said
    assert "ω_adv" in CliRunner().invoke(app, ["train", "albar+stillmix", "--help"]).output
    assert "has no settings" in CliRunner().invoke(app, ["train", "baseline", "--help"]).output


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: make_method("magic", "scratch", {}), "METHOD magic: no such method; choose from baseline, .*albar"),
        (lambda: make_method("ownnets:Net", "scratch", {}), "is not a training method; give a subclass"),
        (lambda: make_method("ownnets:Mine:x", "scratch", {}), "takes no argument after a colon"),
        (lambda: make_method("ownnets:Presetless", "scratch", {}), "PRESETS have no settings under 'scratch'"),
        (lambda: make_method("ownnets:Failing", "scratch", {}), "cannot be made .ValueError: no"),
        (lambda: TrainSettings(model="ownnets:number"), "--model ownnets:number: is a int"),
        (lambda: build_model("ownnets:wrong", 3, CLIPS), "gave a int; return an nn.Module"),
        (lambda: build_model("ownnets:failing", 3, CLIPS), "gave no network .ValueError: no"),
        (lambda: TrainSettings(model="ownnets:positional").clip_sampling, "does not say how its clips are cut; pass"),
        (lambda: TrainSettings(model="os:nothing"), "--model os:nothing: cannot be imported"),
    ],
)  # fmt: skip
def test_wrong_ones_say_what_is_wrong(make: Callable[[], object], says: str, own: Path) -> None:
    with pytest.raises(BenchError, match=says):
        make()


def test_a_network_of_ones_own_is_built_with_what_it_takes(own: Path) -> None:
    assert model_spec("ownnets:Net").sampling == "8x2-48"
    for name, outputs in (("Net", 5), ("with_sampling", 5), ("positional", 5), ("fixed", 4)):
        assert build_model(f"ownnets:{name}", 5, CLIPS)(torch.zeros(1, 3, 2, 4, 4)).shape == (1, outputs)
    assert build_model("ownnets:with_sampling", 5, CLIPS).frames == CLIPS.frames


def test_a_checkpoint_never_chooses_what_is_imported(own: Path) -> None:
    """Its network is named by the user again: a checkpoint may come from anyone."""
    path = own / "model.ckpt"
    save_checkpoint(
        path, network=build_model("ownnets:Net", 2, CLIPS), model="ownnets:Net", method="baseline", dataset="d",
        classes=["a", "b"], sampling=CLIPS, settings={}, digests={},
    )  # fmt: skip
    del sys.modules["ownnets"]
    assert load_checkpoint(path).model == "ownnets:Net"
    model = load_model(path)
    with pytest.raises(BenchError, match="not part of this toolkit; if you know and trust that module, add --model"):
        model.network(torch.device("cpu"))
    assert "ownnets" not in sys.modules
    with pytest.raises(BenchError, match="is a checkpoint of ownnets:Net; leave it out, or name that"):
        load_model(path, ModelOptions(model="ownnets:fixed"))
    model = load_model(path, ModelOptions(model="ownnets:Net"))
    assert model.model == "ownnets.Net", "as tables and file names have it"
    assert model.network(torch.device("cpu"))(torch.zeros(1, 3, 2, 4, 4)).shape == (1, 2)
