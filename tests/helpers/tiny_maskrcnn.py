"""A tiny Mask R-CNN that finds a bright square."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from benchmark_builder.masks.networks.detector import NETWORKS, Network
from benchmark_builder.utils.rng import generator


class Backbone(torch.nn.Module):
    """Two convolutions, stride 4."""

    out_channels = 8

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 4, 4), FrozenBatchNorm2d(8), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3, 1, 1)
        )

    def forward(self, x: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        return OrderedDict([("0", self.body(x))])


def tiny_maskrcnn() -> MaskRCNN:
    """A Mask R-CNN for pictures of 64 pixels whose only class is people."""
    return MaskRCNN(
        Backbone(), min_size=64, max_size=96, rpn_anchor_generator=AnchorGenerator(((16, 32),), ((0.5, 1.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2), mask_roi_pool=MultiScaleRoIAlign(["0"], 4, 2),
        rpn_pre_nms_top_n_test=50, rpn_post_nms_top_n_test=10, box_detections_per_img=4,
        box_head=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(72, 16), torch.nn.ReLU()),
        box_predictor=Heads(), mask_head=torch.nn.Conv2d(8, 8, 3, 1, 1), mask_predictor=torch.nn.Conv2d(8, 2, 1),
    )  # fmt: skip


class Heads(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.score, self.box = torch.nn.Linear(16, 2), torch.nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.score(x), self.box(x)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a tiny Mask R-CNN, which the source knows as ``tiny``."""
    monkeypatch.setitem(NETWORKS, "tiny", Network(tiny_maskrcnn))
    network = tiny_maskrcnn()
    draw = torch.Generator().manual_seed(int(generator(0, "tiny", "weights").integers(2**31)))
    with torch.no_grad():
        for name, value in network.state_dict().items():
            scale = 1.0 if value.ndim == 1 else value[0].numel() ** -0.5
            value.copy_((torch.randn(value.shape, generator=draw) * scale).abs() if "running_var" in name else
                        torch.randn(value.shape, generator=draw) * scale)  # fmt: skip
    path = tmp_path / "tiny.pth"
    torch.save(network.state_dict(), path)
    return path
