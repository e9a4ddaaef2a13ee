"""`bench compare --pretrain`: pre-trains the network once, so that every method fine-tunes the same weights.

The papers fine-tune networks that already read motion and are somewhat biased. On synthactions such a network is
trained here: plain cross-entropy on another render, with another seed and a weaker bias. Its folder in ``--out``::

    pretrain/synthactions/     the render
    pretrain/run/              the run, which is resumed like any other; settings.json is its record
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_builder.datasets import data_root
from benchmark_builder.settings import SynthSettings
from benchmark_builder.synthactions.render import RECORD, render_dataset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.options import SettingsModel, like, pairs, setting

if TYPE_CHECKING:
    from albar.training.settings import TrainSettings

FOLDER, PRESET = "pretrain", "pretrained"
DATASET, METHOD = "synthactions", "baseline"
SEED = 0  # of the run; that of the render can be chosen


class PretrainSettings(SettingsModel):
    """What the network is pre-trained on, and how long."""

    PAIR = "--pretrain"

    videos: int = setting(..., "Training videos.", of="videos", ge=1, le=10**7)
    bias: float = like(SynthSettings, "bias", 0.85)
    seed: int = like(SynthSettings, "seed", 101)
    epochs: int = setting(8, "Passes over the videos.", ge=1, le=10**6)


def read_pretrain(word: str) -> PretrainSettings:
    """The settings in ``VIDEOS[:NAME=VALUE,…]``.

    Raises:
        BenchError: a part is not valid.
    """
    videos, colon, rest = word.partition(":")
    if not (videos.isascii() and videos.isdigit()):
        raise BenchError(f"--pretrain {word}: give a number of videos, and settings after a colon if need be, such as "
                         "2048:bias=0.85,seed=101,epochs=8")  # fmt: skip
    parts = rest.split(",") if colon else []
    given = pairs(f"--pretrain {word}:", parts)
    if len(given) < len(parts) or "videos" in given:
        raise BenchError(f"--pretrain {word}: a setting is given twice; leave one of them out")
    return PretrainSettings(videos=int(videos), **given)


def checkpoint_of(out: Path) -> Path:
    """Where the pre-trained weights of a comparison are."""
    return out / FOLDER / "run" / "model.ckpt"


def render(settings: PretrainSettings, root: Path | None, out: Path, workers: int) -> Path:
    """Render the videos to pre-train on, like those in ``root`` except for number, bias and seed; resumable.

    Args:
        root: the render that is fine-tuned on; None for ``$BENCH_DATA/synthactions``.
        out: the comparison's folder.

    Returns:
        The folder of the render.

    Raises:
        BenchError: the seed is that of ``root``, or as :func:`render_dataset`.
    """
    path = (root or data_root() / DATASET) / RECORD
    known = read_json(path, "render of synthactions", "render it again").get("settings")
    if not isinstance(known, dict):
        raise BenchError(f"{path}: has no settings; render it again")
    usual = SynthSettings.from_file(known, path)
    if usual.seed == settings.seed:
        raise BenchError(f"--pretrain seed={settings.seed}: {path.parent} was rendered with this seed, so the network "
                         "would know its training videos; choose another")  # fmt: skip
    folder = out / FOLDER / DATASET
    changed = usual.replaced(train=settings.videos, test=0, bias=settings.bias, seed=settings.seed)
    render_dataset(folder, changed, workers)
    return folder


def run_of(settings: PretrainSettings, training: dict[str, Any], out: Path) -> "TrainSettings":
    """The settings of the run, with the network and device of ``training``, the settings of all runs."""
    from albar.training.settings import make_settings

    kept = ("model", "clip", "sampling", "device")
    given: dict[str, Any] = {name: value for name, value in training.items() if name in kept}
    given |= {"method": METHOD, "dataset": DATASET, "root": out / FOLDER / DATASET, "preset": "scratch"}
    given |= {"epochs": settings.epochs, "seed": SEED, "progress": False}
    return make_settings(None, {**given, "out": checkpoint_of(out).parent})
