"""RAFT (Teed & Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020), torchvision's networks.

Only this file needs torch.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torchvision.models.optical_flow import raft_large, raft_small

from benchmark_builder.masks.networks.weights import computing, fitting
from benchmark_builder.utils.device import pick_device
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.weights import read_weights
from benchmark_builder.video.flow import FIX, Flow

STEPS = 12  # updates of the flow, torchvision's default
MULTIPLE = 8  # both sides of a frame must be a multiple


def _large() -> torch.nn.Module:
    return raft_large(weights=None, progress=False)


def _small() -> torch.nn.Module:
    return raft_small(weights=None, progress=False)


NETWORKS = {"raft_large": _large, "raft_small": _small}


class Raft(Flow):
    """RAFT with the weights of a file of either network; on a GPU if there is one."""

    name = "raft"

    def __init__(self, path: Path, sha256: str) -> None:
        """Check the weights; the network is loaded for the first frames.

        Raises:
            BenchError: the file has no weights, or those of another network.
        """
        self.path, self.sha256 = path, sha256
        fits = fitting(read_weights(path, "weights of RAFT", FIX).tensors, NETWORKS)
        if not fits:
            raise BenchError(f"{path}: its weights fit neither raft_large nor raft_small; {FIX}")
        self.network_name = fits[0]
        self._network: torch.nn.Module | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_network": None}  # each worker loads the network itself

    @property
    def network(self) -> torch.nn.Module:
        """The network, loaded once per process."""
        if self._network is None:
            network = NETWORKS[self.network_name]()
            network.load_state_dict(read_weights(self.path, "weights of RAFT", FIX).tensors)
            self._network = network.eval().to(pick_device("auto"))
        return self._network

    def estimate(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        device = next(self.network.parameters()).device
        height, width = first.shape[:2]
        more = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        pair = [torch.from_numpy(f).to(device).permute(2, 0, 1)[None].float() / 127.5 - 1 for f in (first, second)]
        with computing(device):
            padded = [functional.pad(frame, more, mode="replicate") for frame in pair]
            flows: Any = self.network(*padded, num_flow_updates=STEPS)
        found: np.ndarray = flows[-1][0, :, :height, :width].permute(1, 2, 0).float().cpu().numpy()
        return found
