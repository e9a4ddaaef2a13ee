"""People on single frames, by torchvision's Mask R-CNN (He et al., ICCV 2017) or Keypoint R-CNN."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torchvision.models import WeightsEnum, get_weight
from torchvision.models.detection import (
    KeypointRCNN_ResNet50_FPN_Weights,
    MaskRCNN_ResNet50_FPN_V2_Weights,
    MaskRCNN_ResNet50_FPN_Weights,
    keypointrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn_v2,
)
from torchvision.ops import FrozenBatchNorm2d

from benchmark_builder.masks.base import pack
from benchmark_builder.masks.networks.tracking import Sighting
from benchmark_builder.masks.networks.weights import computing, fitting, read_weights
from benchmark_builder.pretrained import NETWORKS as TABLE
from benchmark_builder.pretrained import weights_file
from benchmark_builder.pretrained.table import network_of_file
from benchmark_builder.utils.errors import BenchError

PERSON = 1  # the label in COCO
DEFAULT = "MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1"
POINT_SURE = 0.0  # minimum score of a key point, on the scale of Keypoint R-CNN's heat map


def _frozen(build: Callable[..., torch.nn.Module]) -> torch.nn.Module:
    """A network with frozen batch normalisation in the backbone, as in torchvision's pretrained networks."""
    network = build(weights=None, weights_backbone=None)
    _freeze(network.get_submodule("backbone"))
    return network


def _freeze(module: torch.nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, torch.nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, child.eps))
        else:
            _freeze(child)


def _v1() -> torch.nn.Module:
    return _frozen(maskrcnn_resnet50_fpn)


def _v2() -> torch.nn.Module:
    return maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)


def _keypoint() -> torch.nn.Module:
    return _frozen(keypointrcnn_resnet50_fpn)


@dataclass(frozen=True)
class Network:
    """A network that users can choose: how to create it, and torchvision's weights for it."""

    build: Callable[[], torch.nn.Module]
    weights: type[WeightsEnum] | None = None


# A weight file belongs to the first network that can load it. Add other networks here.
NETWORKS = {
    "maskrcnn_resnet50_fpn_v2": Network(_v2, MaskRCNN_ResNet50_FPN_V2_Weights),
    "maskrcnn_resnet50_fpn": Network(_v1, MaskRCNN_ResNet50_FPN_Weights),
    "keypointrcnn_resnet50_fpn": Network(_keypoint, KeypointRCNN_ResNet50_FPN_Weights),
}
# Trained before torchvision's frozen batch normalisation had an eps (pytorch/vision#2933), so eps is 0 here.
WITHOUT_EPS = {
    Path(weights.value.url).name
    for weights in (MaskRCNN_ResNet50_FPN_Weights.COCO_V1, KeypointRCNN_ResNet50_FPN_Weights.COCO_V1)
}


def find_weights(name: str) -> tuple[Path, str]:
    """The weight file and the name of the network that it fits.

    Args:
        name: a file, or a name of weights, torchvision's such as :data:`DEFAULT` or that of ``bench weights list``;
            these are downloaded to torch hub's cache if they are missing.

    Raises:
        BenchError: the name is unknown, the weights cannot be downloaded (the message has the address), or they fit no
            network.
    """
    path = Path(name)
    if not path.is_file():
        path = _fetched(name)
    what = f"weights of {', '.join(NETWORKS)}"
    fits = fitting(read_weights(path, what), {key: network.build for key, network in NETWORKS.items()})
    if not fits:
        raise BenchError(f"{path}: its weights fit no known network; give {what}")
    return path, fits[0]


def _fetched(name: str) -> Path:
    known = [network.weights for network in NETWORKS.values() if network.weights is not None]
    row = TABLE.get(name)
    if row is not None and row.file in {Path(weights.value.url).name for kind in known for weights in kind}:
        return weights_file(name)
    try:
        weights = get_weight(name)
        if type(weights) not in known:
            raise ValueError
    except (ValueError, KeyError, AttributeError):
        names = ", ".join(str(w) for kind in known for w in kind)
        raise BenchError(f"{name}: neither a file nor a known name of weights; give a file or one of {names}") from None
    network = network_of_file(Path(weights.value.url).name)
    if network is None:  # of a torchvision that is newer than the table
        raise BenchError(
            f"{name}: is not among the networks of `bench weights list`; download {weights.value.url} and give the file"
        )
    return weights_file(network.name)


def load_network(path: Path, name: str, min_score: float, device: torch.device) -> torch.nn.Module:
    """The network of :data:`NETWORKS` with the weights of a file; ``min_score``: lowest score, 0..1."""
    network: Any = NETWORKS[name].build()
    network.load_state_dict(read_weights(path, "weights of a detector"))
    if path.name in WITHOUT_EPS:
        for module in network.modules():
            if isinstance(module, FrozenBatchNorm2d):
                module.eps = 0.0
    network.roi_heads.score_thresh = min_score
    return network.eval().to(device)


def detect(
    network: torch.nn.Module, frames: Iterable[np.ndarray], device: torch.device, chunk: int, masks: bool
) -> Iterator[list[Sighting]]:
    """The people on every frame, highest score first.

    Args:
        network: takes a list of float (3, H, W) in 0..1 and returns a dict per picture, like torchvision's detectors.
        frames: uint8 (H, W, 3) RGB; read ``chunk`` frames at a time; a GPU processes them together.
        masks: whether to return masks too: those of the network, or outlines of its key points.
    """
    stream = iter(frames)
    while piece := list(islice(stream, chunk)):
        size = chunk if device.type == "cuda" else 1  # one by one on a CPU: the same bits for every chunk
        found: list[list[Sighting]] = []
        with computing(device):
            for k in range(0, len(piece), size):
                pictures = [torch.from_numpy(f).to(device).permute(2, 0, 1).float() / 255 for f in piece[k : k + size]]
                found += [_people(result, masks, piece[0].shape[:2]) for result in network(pictures)]
        yield from found


def _people(result: dict[str, torch.Tensor], masks: bool, size: tuple[int, ...]) -> list[Sighting]:
    people = []
    for k in torch.nonzero(result["labels"] == PERSON)[:, 0].tolist():
        x1, y1, x2, y2 = result["boxes"][k].tolist()
        mask = _mask(result, k, (size[0], size[1])) if masks else None
        if mask is None or mask.any():
            people.append(Sighting((x1, y1, x2, y2), None if mask is None else pack(mask)))
    return people


def _mask(result: dict[str, torch.Tensor], k: int, size: tuple[int, int]) -> np.ndarray | None:
    if "masks" in result:
        return (result["masks"][k, 0] > 0.5).cpu().numpy()
    if "keypoints" in result:
        sure = (result["keypoints_scores"][k] > POINT_SURE).cpu().numpy()
        return outline(result["keypoints"][k, :, :2].cpu().numpy(), sure, *size)
    return None


# A person's outline from the 17 key points of COCO: limbs as thick lines, the trunk filled, the head as a disc.

SHOULDERS, HIPS, HEAD = (5, 6), (11, 12), (0, 1, 2, 3, 4)  # head: nose, eyes, ears
LIMBS = (
    (5, 7), (7, 9), (6, 8), (8, 10),  # arms
    (11, 13), (13, 15), (12, 14), (14, 16),  # legs
    (5, 6), (11, 12), (5, 11), (6, 12), (0, 5), (0, 6),  # trunk and neck
)  # fmt: skip
# Shares of a person's standing height: approximate widths of a limb and of a head; the trunk from hips (0.530) to
# shoulders (0.818), Drillis and Contini, Body Segment Parameters, 1966.
LIMB, HEAD_WIDTH, TRUNK = 1 / 14, 1 / 8, 0.288


def outline(points: np.ndarray, sure: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mask of one person: bool (height, width).

    Args:
        points: float (17, 2), x and y in pixels, in COCO's order.
        sure: bool (17,): the points to use.
    """
    mask = np.zeros((height, width), dtype=np.uint8)
    if not sure.any():
        return mask.astype(bool)
    tall = _standing_height(points, sure)
    whole = np.rint(points).astype(int)
    thick = max(1, round(LIMB * tall))
    for a, b in LIMBS:
        if sure[a] and sure[b]:
            cv2.line(mask, tuple(whole[a].tolist()), tuple(whole[b].tolist()), 1, thick)
    trunk = [5, 6, 12, 11]
    if sure[trunk].all():
        cv2.fillConvexPoly(mask, cv2.convexHull(whole[trunk].astype(np.int32)), 1)
    head = [k for k in HEAD if sure[k]]
    if head:
        x, y = np.rint(points[head].mean(0)).astype(int).tolist()
        cv2.circle(mask, (x, y), max(1, round(HEAD_WIDTH * tall / 2)), 1, -1)
    return mask.astype(bool)


def _standing_height(points: np.ndarray, sure: np.ndarray) -> float:
    """The standing height of this person in pixels: from the trunk, otherwise from the visible points."""
    if sure[[*SHOULDERS, *HIPS]].all():
        trunk = float(np.linalg.norm(points[list(SHOULDERS)].mean(0) - points[list(HIPS)].mean(0)))
        return trunk / TRUNK
    seen = points[sure]
    return float(np.ptp(seen, axis=0).max())
