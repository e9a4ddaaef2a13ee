"""What a plan costs: hours from measured training steps, and disk space from counts of videos."""

import contextlib
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from albar.data.scenes import PLACES
from albar.methods import Batch, Companions, make_method
from albar.models import build_model
from albar.training.accelerator import pick_device
from albar.training.settings import TrainSettings, make_settings, read_configs
from benchmark_builder.protocols import resolve
from evaluator.papers.needs import Found
from evaluator.papers.plan import PaperPlan

# Bytes per frame of 320x240 pixels: SCUBA of three real clips of UCF101 and HMDB51 over stripes, 478 frames.
BYTES = {"frames": 13_000, "zip": 13_000, "video": 2_000, "lossless": 19_000, "virtual": 0}
REPEATS = 3  # of a step, after one that is not counted; the median is taken
ON_CPU = 2  # clips per step on a CPU; the methods that mix clips need two


@dataclass(frozen=True)
class Step:
    """A measured training step.

    Attributes:
        method: its name. batch: clips in the step. seconds: for forward, backward and the method's own work; without
        decoding and the optimiser. clips: in one run of the plan.
    """

    method: str
    batch: int
    seconds: float
    clips: int

    @property
    def hours(self) -> float:
        """Of one run."""
        return self.seconds / self.batch * self.clips / 3600


def settings_of(plan: PaperPlan, tiny: bool = False) -> dict[str, TrainSettings]:
    """The settings of every method's training, without paths; weights are left out, since only sizes matter here."""
    training, by_method = read_configs(Path(plan.recipe))
    training.pop("weights", None)
    found = {}
    for method in plan.methods:
        given = {**training, **by_method.get(method, {}), **(plan.tiny if tiny else {}), "method": method}
        found[method] = make_settings(None, given, Path(plan.recipe))
    return found


def train_videos(plan: PaperPlan, found: Sequence[Found]) -> int:
    """Training videos: those that are here, otherwise the official number."""
    here = next((one.videos.get("train") for one in found if one.need.name == plan.dataset), None)
    return here or plan.counts.train


def measure(plan: PaperPlan, videos: int, device: str = "auto", tiny: bool = False) -> Iterator[Step]:
    """Measure a training step of every method, on random clips and from random weights.

    On a GPU with the recipe's batch and precision; on a CPU with :data:`ON_CPU` clips, so that a figure per clip is
    comparable, but not more.

    Args:
        videos: training videos of one epoch.
    """
    on = pick_device(device)
    for method, settings in settings_of(plan, tiny).items():
        batch = settings.recipe.batch if on.type == "cuda" else ON_CPU
        yield Step(method, batch, _seconds(settings, batch, on), videos * settings.recipe.epochs)


def _seconds(settings: TrainSettings, count: int, device: torch.device) -> float:
    clips, classes = settings.clip_sampling, 51
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(settings.model_name, classes, clips).to(device).train()
        shape = (count, 3, clips.frames, clips.size, clips.size)
        bank = torch.randint(256, (8, 3, clips.size, clips.size), dtype=torch.uint8)
        actors = torch.zeros(count, 1, clips.frames, clips.size, clips.size)
        actors[..., clips.size // 4 : -clips.size // 4, clips.size // 4 : -clips.size // 4] = 1
        method = make_method(settings.method, settings.preset_name, settings.options)
        scenes = torch.full((count, PLACES), 1 / PLACES, device=device)
        data = Batch(
            torch.randn(shape, device=device),
            torch.arange(count, device=device) % classes,
            actors=actors.to(device) if "actors" in method.needs else None,
            scenes=scenes if "scenes" in method.needs else None,
        )
        companions = Companions(classes, clips, PLACES, bank)
        model = method.adapted(model, data.clips[:1], companions)
        method.prepare(model, data.clips[:1], companions)
        if method.extra is not None:
            method.extra.to(device)
        taken = []
        for repeat in range(REPEATS + 1):
            draw = torch.Generator().manual_seed(repeat)
            model.zero_grad(set_to_none=True)
            _wait(device)
            began = time.perf_counter()
            with torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else contextlib.nullcontext():
                loss, _ = method.loss(model, method.augment(data, draw), draw, 0.5)
            loss.backward()
            _wait(device)
            taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def gigabytes(plan: PaperPlan, found: Sequence[Found]) -> Mapping[str, float]:
    """Disk space in 10^9 bytes, by use: benchmarks (from counts of videos and measured bytes per frame), runs."""
    settings, _ = resolve(plan.actors.protocol, plan.actors.dataset, {"masks": plan.actors.masks or None})
    here = next((one.videos.get("test") for one in found if one.need.name == plan.actors.dataset), None)
    videos = (here or plan.counts.actors) * plan.counts.variants * len(plan.backgrounds) * (1 + len(plan.kinds))
    runs = len(plan.methods) * plan.seeds
    return {
        "benchmarks": videos * plan.counts.frames * BYTES[settings.layout] / 1e9,
        "runs": runs * 3 * 4 * 28.3e6 / 1e9,  # weights and two moments of AdamW, float32, of a Swin-T
    }
