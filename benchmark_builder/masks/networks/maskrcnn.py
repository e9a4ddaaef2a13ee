"""``maskrcnn`` and ``detector``: people found by torchvision's detectors and followed over time.

Both run on every frame alone; people are then followed by the overlap of their boxes, and who is seen only briefly is
dropped. ``maskrcnn`` gives masks (of Keypoint R-CNN: the outline of its key points), ``detector`` boxes, to prompt
other sources with.
"""

from pathlib import Path
from typing import Any

import torch

from benchmark_builder.masks.networks.detector import DEFAULT, detect, find_weights, load_network
from benchmark_builder.masks.networks.tracking import PATIENCE, SAME, PeopleTrack
from benchmark_builder.settings import NETWORK, NetworkSettings
from benchmark_builder.utils.device import pick_device
from benchmark_builder.utils.digests import known_digest
from benchmark_builder.utils.errors import LeftOut
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video


class MaskRCNNMasks:
    """``maskrcnn[:WEIGHTS]``: a file, or torchvision's name such as MaskRCNN_ResNet50_FPN_Weights.COCO_V1."""

    kind, masks = "maskrcnn", True

    def __init__(
        self,
        path: Path | None,
        dataset_root: Path,
        min_score: float = NETWORK["min_score"],
        min_track: int = NETWORK["min_track"],
        device: str = "auto",
        chunk: int = NETWORK["chunk"],
    ) -> None:
        """Check the settings and find the weights; the network is loaded with the first video.

        Args:
            path: WEIGHTS.
            min_score: least score of a person, 0..1.
            min_track: on how many frames a person must be seen.
            device: ``auto``, ``cpu``, ``cuda`` …
            chunk: frames that a GPU looks at together.

        Raises:
            BenchError: a setting that makes no sense, or weights that cannot be had.
        """
        NetworkSettings(min_score=min_score, min_track=min_track, device=device, chunk=chunk)
        self.min_score, self.min_track, self.chunk = min_score, min_track, chunk
        self.device = str(pick_device(device))
        self.path, self.model = find_weights(str(path or DEFAULT))
        self.sha256 = known_digest(self.path)
        self._network: torch.nn.Module | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_network": None}  # a worker loads its own

    @property
    def network(self) -> torch.nn.Module:
        """The network, loaded once a process."""
        if self._network is None:
            self._network = load_network(self.path, self.model, self.min_score, torch.device(self.device))
        return self._network

    def track(self, video: Video, height: int, width: int) -> PeopleTrack:
        """Find the people of one video.

        Raises:
            LeftOut: nobody is seen long enough.
            BenchError: the video cannot be read.
        """
        found = list(detect(self.network, read_frames(video.path), torch.device(self.device), self.chunk, self.masks))
        track = PeopleTrack(found, height, width, self.min_track)
        if not track.covered.any():
            raise LeftOut(
                f"no person found in {video.id} (score {self.min_score} on {self.min_track} frames is needed); give "
                "other --masks, or a lower --min-score or --min-track"
            )
        return track

    def reads(self, video: Video) -> list[Path]:
        """Nothing besides the video itself."""
        return []

    def describe(self) -> dict[str, Any]:
        """``chunk`` is not in it, as it decides how much memory is taken and not what is computed."""
        return {
            "kind": self.kind,
            "model": self.model,
            "sha256": self.sha256,
            "min_score": self.min_score,
            "min_track": self.min_track,
            "same": SAME,
            "patience": PATIENCE,
        }


class DetectorBoxes(MaskRCNNMasks):
    """``detector[:WEIGHTS]``: the boxes of the same people, one each."""

    kind, masks = "detector", False
