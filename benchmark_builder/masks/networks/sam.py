"""``sam``: Segment Anything (Kirillov et al., ICCV 2023), prompted with the boxes of another source.

On every frame, each actor is prompted with its box. If it was found on the previous frame, it is also prompted with the
low-resolution mask of that frame, so that the mask follows the actor. A mask is clipped to its slightly enlarged box;
the masks of several actors are united. If nothing is found in any box of a frame, the frame is not covered.

On a GPU, the image encoder runs in bfloat16 on chunks of frames; on a CPU, in float32 frame by frame.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from segment_anything import SamPredictor, sam_model_registry
from segment_anything.modeling import Sam

from benchmark_builder.masks.base import ActorBox
from benchmark_builder.masks.networks.prompts import PromptedMasks, enlarged, prompt_source
from benchmark_builder.masks.networks.weights import computing, fitting, hub_file, read_weights
from benchmark_builder.pretrained import NETWORKS, weights_file
from benchmark_builder.pretrained.table import network_of_file
from benchmark_builder.settings import NETWORK, NetworkSettings
from benchmark_builder.utils.device import pick_device
from benchmark_builder.utils.digests import known_digest
from benchmark_builder.utils.errors import BenchError

DEFAULT = "vit_h"


@dataclass(frozen=True)
class Model:
    """One size of SAM: how its network is made, and its checkpoint's file name, in the table of networks or of the
    user's own in torch hub's cache."""

    build: Callable[[], Sam]
    file: str


# Add networks of other sizes here.
MODELS = {
    "vit_h": Model(sam_model_registry["vit_h"], NETWORKS["sam-vit-h"].file),
    "vit_l": Model(sam_model_registry["vit_l"], NETWORKS["sam-vit-l"].file),
    "vit_b": Model(sam_model_registry["vit_b"], NETWORKS["sam-vit-b"].file),
}


class SamMasks(PromptedMasks):
    """``sam[:CHECKPOINT]``: Segment Anything masks inside the boxes of ``prompts``."""

    title = "Segment Anything"

    def __init__(
        self,
        path: Path | None,
        dataset_root: Path,
        prompts: str | None = None,
        actors: str | None = None,
        min_score: float | None = None,
        min_track: int | None = None,
        sam_checkpoint: Path | None = None,
        sam_model: str | None = None,
        device: str = "auto",
        chunk: int = NETWORK["chunk"],
        box_margin: float = NETWORK["box_margin"],
    ) -> None:
        """Check the settings and the checkpoint; the network is loaded for the first video.

        Args:
            path, sam_checkpoint: the checkpoint. Default: the published one in torch hub's cache. prompts: KIND or
            KIND:PATH of the prompt source. actors, min_score, min_track: settings of the prompt source. sam_model: a
            name in :data:`MODELS`; None for the model that fits the checkpoint, or :data:`DEFAULT`. device: ``auto``,
            ``cpu``, ``cuda`` … chunk: number of frames encoded at a time; on a CPU it does not change the result.
            box_margin: before a mask is clipped to its box, each side of the box is moved outwards by this share of its
                width (height), 0..1.

        Raises:
            BenchError: a setting is invalid, the checkpoint is missing, or it belongs to another model.
        """
        if sam_model is not None and sam_model not in MODELS:
            raise BenchError(f"--sam-model {sam_model}: choose from {', '.join(MODELS)}")
        NetworkSettings(device=device, chunk=chunk, box_margin=box_margin)
        shared = {"device": device, "chunk": chunk}
        detector = {"min_score": min_score, "min_track": min_track}
        self.prompts = prompt_source(prompts, dataset_root, "sam", shared, actors=actors, **detector)
        self.device, self.chunk, self.box_margin = str(pick_device(device)), chunk, box_margin
        self.checkpoint, self.model = find_checkpoint(sam_checkpoint or path, sam_model)
        self.sha256 = known_digest(self.checkpoint)
        self._predictor: SamPredictor | None = None

    @property
    def _half(self) -> bool:
        return torch.device(self.device).type == "cuda"

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_predictor": None}  # each worker loads the network itself

    @property
    def predictor(self) -> SamPredictor:
        """The network, loaded once per process."""
        if self._predictor is None:
            network = MODELS[self.model].build()
            network.load_state_dict(read_weights(self.checkpoint, "a checkpoint of Segment Anything"))
            self._predictor = SamPredictor(network.eval().to(self.device))
        return self._predictor

    def follow(
        self, frames: Iterable[np.ndarray], boxes: Sequence[Sequence[ActorBox]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        return follow(self.predictor, frames, boxes, self.chunk, self.box_margin, self._half)

    def describe(self) -> dict[str, object]:
        """``chunk`` is not included, since it changes only the memory use, not the result."""
        return {
            "kind": "sam",
            "model": self.model,
            "sha256": self.sha256,
            "prompts": self.prompts.describe(),
            "box_margin": self.box_margin,
            "encoder": "bfloat16" if self._half else "float32",
        }


def find_checkpoint(path: Path | None, model: str | None) -> tuple[Path, str]:
    """The checkpoint to use and the name of the model it fits.

    Args:
        path: given by the user, or None for the published one in torch hub's cache.
        model: a name in :data:`MODELS`, or None for the one that fits.

    Raises:
        BenchError: the checkpoint is missing (the message says where to get it), or belongs to another model.
    """
    if path is None:
        file = MODELS[model or DEFAULT].file
        network = network_of_file(file)
        path, model = hub_file(file) if network is None else weights_file(network.name), model or DEFAULT
    what = "a checkpoint of Segment Anything with --sam-checkpoint FILE"
    fits = fitting(read_weights(path, what), {name: m.build for name, m in MODELS.items()})
    if not fits:
        raise BenchError(f"{path}: its weights fit none of {', '.join(MODELS)}; give {what}")
    if model is not None and model not in fits:
        raise BenchError(f"{path}: is a checkpoint of {fits[0]}, not of {model}; give --sam-model {fits[0]}")
    return path, model or fits[0]


def follow(
    predictor: SamPredictor,
    frames: Iterable[np.ndarray],
    boxes: Sequence[Sequence[ActorBox]],
    chunk: int,
    box_margin: float,
    half: bool = False,
) -> Iterator[tuple[int, np.ndarray]]:
    """Masks of the frames with boxes, in order.

    Args:
        frames: uint8 (H, W, 3) RGB, from frame 0 on; read ``chunk`` at a time, up to the last frame with a box.
        boxes: per frame, as returned by :func:`~benchmark_builder.masks.networks.prompts.prompt_boxes`.
        chunk, box_margin: as in :class:`SamMasks`. half: as in :func:`encode`.

    Yields:
        (index, the union of the actors' masks: bool (H, W)).
    """
    last = max((k for k, found in enumerate(boxes) if found), default=-1)
    prompted = (
        (k, frame) for k, (frame, found) in enumerate(zip(islice(frames, last + 1), boxes, strict=False)) if found
    )
    low_res: dict[int, np.ndarray] = {}  # actor -> its mask on the previous frame, logits (1, 256, 256)
    before = -1
    while piece := list(islice(prompted, chunk)):
        masks = []
        with computing(predictor.device):
            features = encode(predictor, [frame for _, frame in piece], half)
            for (index, frame), embedding in zip(piece, features, strict=True):
                if index != before + 1:
                    low_res = {}
                before = index
                mask, low_res = _segment(predictor, frame, embedding, boxes[index], low_res, box_margin)
                masks.append((index, mask))
        yield from masks


def encode(predictor: SamPredictor, frames: list[np.ndarray], half: bool) -> list[torch.Tensor]:
    """Embeddings of frames, uint8 (H, W, 3) each: float32 (1, C, h, w) each.

    ``half``: all together, in bfloat16; otherwise one by one in float32, so that the result does not depend on the
    chunk length.
    """
    model = predictor.model
    pictures = []
    for frame in frames:
        resized = torch.as_tensor(predictor.transform.apply_image(frame), device=predictor.device)
        pictures.append(model.preprocess(resized.permute(2, 0, 1).contiguous()[None]))
    if not half:
        return [model.image_encoder(picture) for picture in pictures]
    with torch.autocast(predictor.device.type, torch.bfloat16):
        return list(model.image_encoder(torch.cat(pictures)).float().split(1))


def _segment(
    predictor: SamPredictor,
    frame: np.ndarray,
    embedding: torch.Tensor,
    boxes: Sequence[ActorBox],
    low_res: dict[int, np.ndarray],
    box_margin: float,
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """The united mask of one frame, bool (H, W), and the low-resolution mask of each actor that was found."""
    height, width = frame.shape[:2]
    # The state after SamPredictor.set_image, with an embedding that was computed before.
    predictor.original_size = (height, width)
    predictor.input_size = predictor.transform.get_preprocess_shape(height, width, predictor.transform.target_length)
    predictor.features, predictor.is_image_set = embedding, True
    united = np.zeros((height, width), dtype=bool)
    found = {}
    for box in boxes:
        masks, _, logits = predictor.predict(
            box=np.array(box[1:]), mask_input=low_res.get(box.actor), multimask_output=False
        )
        inside = enlarged(box, box_margin)
        if masks[0][inside].any():  # an empty mask would tell the next frame that there is no actor
            united[inside] |= masks[0][inside]
            found[box.actor] = logits
    return united, found
