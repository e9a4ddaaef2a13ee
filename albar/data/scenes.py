"""The scene of a training video, as shares over scenes; SDN learns to ignore it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torchvision.models import get_model

from albar.clips.clips import IMAGENET_MEAN, IMAGENET_STD, ClipSampling, cut_frame, eval_box, normalise, pick
from albar.models.weights import read_weights
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.text import read_table
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.record import Video

PLACES = 365
PLACE_NAMES = tuple(f"Places365 {k}" for k in range(PLACES))  # the outputs of their networks, in order
FACTS = "facts.csv"  # of a render
_FRAMES = 8  # of each video, spread evenly; the scene seldom changes within a clip
_LOOK = ClipSampling(frames=1, size=224, resize=256, mean=IMAGENET_MEAN, std=IMAGENET_STD)


def known_scenes(videos: Sequence[Video], root: Path) -> torch.Tensor:
    """The rendered scenery of synthactions videos, one-hot in the order of :func:`scenery_names`: float32 (videos,
    sceneries).

    Raises:
        BenchError: facts.csv is missing, or does not have a video's scenery.
    """
    told = sceneries([v.id for v in videos], root)
    names = scenery_names(root)
    each = torch.tensor([names.index(told[v.id]) for v in videos])
    return functional.one_hot(each, len(names)).float()


def scenery_names(root: Path) -> tuple[str, ...]:
    """The sceneries of all videos of a render, sorted: the order of the scenes that a network learns.

    Raises:
        BenchError: facts.csv is missing, or has no sceneries.
    """
    return tuple(sorted(set(sceneries([], root).values()) - {""}))


def sceneries(ids: Sequence[str], root: Path) -> dict[str, str]:
    """id -> scenery of every video of a render.

    Raises:
        BenchError: facts.csv is missing, or does not have the scenery of one of ``ids``.
    """
    path = root / FACTS
    fix = "render synthactions again with `bench data render`"
    columns, rows = read_table(path, "table of a render's facts", fix)
    if not {"id", "scenery"} <= set(columns):
        raise BenchError(f"{path}: does not have the columns id and scenery; {fix}")
    records = [dict(zip(columns, row, strict=False)) for row in rows]
    told = {record["id"]: record.get("scenery", "") for record in records}
    unknown = [i for i in ids if not told.get(i)]
    if unknown:
        raise BenchError(
            f"{path}: does not have the scenery of {len(unknown)} of the videos, first {unknown[0]}; {fix}"
        )
    return told


def places_network(weights: Path) -> torch.nn.Module:
    """A ResNet of the Places365 project, from its released weights; their tensors say which depth it has.

    Raises:
        BenchError: no such file, or not the weights of a ResNet with 365 outputs.
    """
    state = read_weights(weights).tensors
    layers = sum(name.startswith("layer3.") and name.endswith(".conv1.weight") for name in state)
    name = {2: "resnet18", 6: "resnet50"}.get(layers)
    if name is None or state.get("fc.bias", torch.empty(0)).shape != (PLACES,):
        raise BenchError(
            f"{weights}: not a ResNet-18 or -50 with {PLACES} places; give resnet18_places365.pth.tar, "
            "which `bench weights fetch places365-resnet18` brings"
        )
    network: torch.nn.Module = get_model(name, weights=None, num_classes=PLACES)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise BenchError(f"{weights}: does not fit {name} ({str(error).splitlines()[-1].strip()})") from None
    return network.eval()


def guessed_scenes(
    videos: Sequence[Video], weights: Path, device: torch.device, progress: bool = False
) -> torch.Tensor:
    """The output of a Places365 network, the softmax averaged over frames: float32 (videos, 365), rows sum to 1.

    Raises:
        BenchError: weights that do not fit, or a video that cannot be decoded.
    """
    network = places_network(weights).to(device)
    bar = Bar(videos, desc="scenes", unit="video", disable=not progress)
    return torch.stack([guessed_scene(video.path, network, device) for video in bar])


@torch.no_grad()
def guessed_scene(video: Path, network: torch.nn.Module, device: torch.device) -> torch.Tensor:
    """The same of one video, with a :func:`places_network` on ``device``: float32 (365,).

    Raises:
        BenchError: the video cannot be decoded.
    """
    info = probe(video)
    count = info.frames or sum(1 for _ in read_frames(video))
    wanted = np.unique(np.linspace(0, count - 1, min(_FRAMES, count)).round().astype(int))
    found = pick(read_frames(video), wanted)
    box = eval_box(info.height, info.width, _LOOK)
    frames = torch.stack([cut_frame(f, box, _LOOK.size) for f in found.values()], dim=1)[None]  # (1, 3, n, H, W)
    logits = network(normalise(frames.to(device), _LOOK)[0].transpose(0, 1))
    return logits.softmax(1).mean(0).cpu()
