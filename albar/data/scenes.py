"""The scene of a training video, as shares over scenes; SDN learns to ignore it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torchvision.models import get_model
from tqdm import tqdm

from albar.clips.clips import IMAGENET_MEAN, IMAGENET_STD, ClipSampling, cut_frame, eval_box, normalise, pick
from albar.models.weights import read_weights
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import read_table
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.record import Video

PLACES = 365
_FRAMES = 8  # of each video, spread evenly; the scene seldom changes within a clip
_LOOK = ClipSampling(frames=1, size=224, resize=256, mean=IMAGENET_MEAN, std=IMAGENET_STD)


def known_scenes(videos: Sequence[Video], root: Path) -> torch.Tensor:
    """The rendered scenery of synthactions videos, one-hot: float32 (videos, sceneries).

    Raises:
        BenchError: facts.csv is missing, or does not have a video's scenery.
    """
    path = root / "facts.csv"
    fix = "render synthactions again with `bench data render`"
    columns, rows = read_table(path, "table of a render's facts", fix)
    if not {"id", "scenery"} <= set(columns):
        raise BenchError(f"{path}: does not have the columns id and scenery; {fix}")
    records = [dict(zip(columns, row, strict=False)) for row in rows]
    told = {record["id"]: record.get("scenery", "") for record in records}
    unknown = [v.id for v in videos if not told.get(v.id)]
    if unknown:
        raise BenchError(
            f"{path}: does not have the scenery of {len(unknown)} training videos, first {unknown[0]}; {fix}"
        )
    names = sorted(set(told.values()) - {""})
    each = torch.tensor([names.index(told[v.id]) for v in videos])
    return functional.one_hot(each, len(names)).float()


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


@torch.no_grad()
def guessed_scenes(
    videos: Sequence[Video], weights: Path, device: torch.device, progress: bool = False
) -> torch.Tensor:
    """The output of a Places365 network, the softmax averaged over frames: float32 (videos, 365), rows sum to 1.

    Raises:
        BenchError: weights that do not fit, or a video that cannot be decoded.
    """
    network = places_network(weights).to(device)
    rows = []
    for video in tqdm(videos, desc="scenes", unit="video", disable=not progress):
        info = probe(video.path)
        count = info.frames or sum(1 for _ in read_frames(video.path))
        wanted = np.unique(np.linspace(0, count - 1, min(_FRAMES, count)).round().astype(int))
        found = pick(read_frames(video.path), wanted)
        box = eval_box(info.height, info.width, _LOOK)
        frames = torch.stack([cut_frame(f, box, _LOOK.size) for f in found.values()], dim=1)[None]  # (1, 3, n, H, W)
        logits = network(normalise(frames.to(device), _LOOK)[0].transpose(0, 1))
        rows.append(logits.softmax(1).mean(0).cpu())
    return torch.stack(rows)
