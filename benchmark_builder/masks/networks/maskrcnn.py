"""``maskrcnn`` and ``detector``: people found by torchvision's detectors and tracked over time.

Both process every frame separately. People are then tracked by the overlap of their boxes, and people seen only briefly
are removed. ``maskrcnn`` gives masks (with Keypoint R-CNN: the outline of the key points); ``detector`` gives boxes, as
prompts for other sources.
"""

from pathlib import Path

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
    """``maskrcnn[:WEIGHTS]``: a file, or a name: torchvision's (MaskRCNN_ResNet50_FPN_Weights.COCO_V1, …) or that of
    ``bench weights list``."""

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
        """Check the settings and find the weights; the network is loaded for the first video.

        Args:
            path: WEIGHTS.
            min_score: minimum score of a person, 0..1.
            min_track: minimum number of frames on which a person must be seen.
            device: ``auto``, ``cpu``, ``cuda`` …
            chunk: number of frames that a GPU processes together.

        Raises:
            BenchError: a setting is invalid, or the weights cannot be found or downloaded.
        """
        NetworkSettings(min_score=min_score, min_track=min_track, device=device, chunk=chunk)
        self.min_score, self.min_track, self.chunk = min_score, min_track, chunk
        self.device = str(pick_device(device))
        self.path, self.model = find_weights(str(path or DEFAULT))
        self.sha256 = known_digest(self.path)
        self._network: torch.nn.Module | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_network": None}  # each worker loads the network itself

    @property
    def network(self) -> torch.nn.Module:
        """The network, loaded once per process."""
        if self._network is None:
            self._network = load_network(self.path, self.model, self.min_score, torch.device(self.device))
        return self._network

    def track(self, video: Video, height: int, width: int) -> PeopleTrack:
        """Find the people of one video.

        Raises:
            LeftOut: no person is seen on enough frames.
            BenchError: the video cannot be read.
        """
        found = list(detect(self.network, read_frames(video.path), torch.device(self.device), self.chunk, self.masks))
        track = PeopleTrack(found, height, width, self.min_track)
        if not track.covered.any():
            raise LeftOut(
                f"no person found in {video.id} (score {self.min_score} on {self.min_track} frames is needed); choose "
                "other --masks, or a lower --min-score or --min-track"
            )
        return track

    def reads(self, video: Video) -> list[Path]:
        """No files, except the video itself."""
        return []

    def describe(self) -> dict[str, object]:
        """``chunk`` is not included, since it changes only the memory use, not the result."""
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
    """``detector[:WEIGHTS]``: one box for each of these people."""

    kind, masks = "detector", False
