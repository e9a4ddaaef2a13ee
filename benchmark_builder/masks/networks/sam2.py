"""``sam2``: SAM 2 (Ravi et al., ICLR 2025), from transformers, prompted with the boxes of another source.

An actor is prompted with its first box and tracked from there to its last box, also on frames without a box. If the box
around its mask overlaps the annotated box too little, it is prompted again on that frame, and its memory is cleared. If
there is a box, the mask is clipped to the slightly enlarged box; the masks of several actors are united. A frame on
which nothing is found is not covered.

Every actor has a separate session that gets frame after frame, so the masks of an actor do not depend on other actors.
A session stores only what the network can still use, so memory does not grow with the video. The image encoder, which
takes most of the time, runs once per frame for all actors: on a GPU in bfloat16 on chunks of frames; on a CPU in
float32 frame by frame.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Sam2VideoModel, Sam2VideoProcessor

from benchmark_builder.masks.base import ActorBox
from benchmark_builder.masks.networks.prompts import PromptedMasks, enlarged, overlap, prompt_source
from benchmark_builder.masks.networks.weights import computing
from benchmark_builder.pretrained import weights_file
from benchmark_builder.pretrained.store import hub_folder
from benchmark_builder.pretrained.table import SAM2 as DEFAULT
from benchmark_builder.pretrained.table import SAM2_FILES as FILES
from benchmark_builder.settings import NETWORK, NetworkSettings
from benchmark_builder.utils.device import pick_device
from benchmark_builder.utils.digests import known_digest
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json

CONFIG, WEIGHTS = "config.json", "model.safetensors"
MODEL_TYPE = "sam2_video"


@dataclass(frozen=True)
class Network:
    """SAM 2 and the preprocessing of its input, on one device."""

    model: Sam2VideoModel
    processor: Sam2VideoProcessor

    @property
    def device(self) -> torch.device:
        return torch.device(self.model.device)


class Sam2Masks(PromptedMasks):
    """``sam2[:CHECKPOINT]``: masks of SAM 2 that start from the boxes of ``prompts``."""

    title = "SAM 2"

    def __init__(
        self,
        path: Path | None,
        dataset_root: Path,
        prompts: str | None = None,
        actors: str | None = None,
        min_score: float | None = None,
        min_track: int | None = None,
        sam_checkpoint: Path | None = None,
        device: str = "auto",
        chunk: int = NETWORK["chunk"],
        box_margin: float = NETWORK["box_margin"],
        drift: float = NETWORK["drift"],
    ) -> None:
        """Check the settings and the checkpoint.

        Args:
            path, sam_checkpoint: a folder with :data:`FILES`, or a name on the Hugging Face hub. Default:
            :data:`DEFAULT`. A model of the hub is read from the local cache, and downloaded if it is not there.
            prompts: KIND or KIND:PATH of the prompt source. actors, min_score, min_track: settings of the prompt
                source.
            device: ``auto``, ``cpu``, ``cuda`` … chunk: number of frames encoded at a time; on a CPU it does not change
                the result.
            box_margin: before a mask is clipped to its box, each side of the box is moved outwards by this share of its
                width (height), 0..1.
            drift: an actor is prompted again on a frame if the intersection over union of its box and the box around
                its mask is below this value, 0..1; 0 means never.

        Raises:
            BenchError: a setting is invalid, the checkpoint is missing, or it belongs to another model.
        """
        NetworkSettings(device=device, chunk=chunk, box_margin=box_margin, drift=drift)
        shared = {"device": device, "chunk": chunk}
        detector = {"min_score": min_score, "min_track": min_track}
        self.prompts = prompt_source(prompts, dataset_root, "sam2", shared, actors=actors, **detector)
        self.device, self.chunk = str(pick_device(device)), chunk
        self.box_margin, self.drift = box_margin, drift
        self.folder = find_checkpoint(sam_checkpoint or path)
        load(self.folder, "cpu")  # report a wrong checkpoint now, not for every video
        self.sha256 = _digest(self.folder)
        self._network: Network | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_network": None}  # each worker loads the network itself

    @property
    def network(self) -> Network:
        """The network, loaded once per process."""
        if self._network is None:
            self._network = load(self.folder, self.device)
        return self._network

    def follow(
        self, frames: Iterable[np.ndarray], boxes: Sequence[Sequence[ActorBox]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        return follow(self.network, frames, boxes, self.chunk, self.box_margin, self.drift)

    def describe(self) -> dict[str, object]:
        """``sha256`` covers the checkpoint's files; ``chunk`` is not included, since it changes only the memory use."""
        return {
            "kind": "sam2",
            "sha256": self.sha256,
            "prompts": self.prompts.describe(),
            "box_margin": self.box_margin,
            "drift": self.drift,
            "encoder": "bfloat16" if _half(torch.device(self.device)) else "float32",
        }


def find_checkpoint(path: Path | None) -> Path:
    """The folder of a checkpoint: ``path`` itself, or the model of that name on the Hugging Face hub.

    Raises:
        BenchError: the folder is missing and cannot be downloaded (the message says where to get it), or it is a file.
    """
    name = DEFAULT if path is None else path.as_posix()
    where = f"download it (`hf download {DEFAULT}`), or give as --sam-checkpoint a folder with its files"
    if path is not None and path.is_dir():
        return path
    if path is not None and (path.exists() or path.is_absolute() or name.count("/") != 1 or name.startswith(".")):
        what = "is a file, but a checkpoint of SAM 2 is a folder" if path.exists() else "no such folder"
        raise BenchError(f"{path}: {what}; give a folder with {CONFIG} and {WEIGHTS}, such as that of {DEFAULT}")
    if name == DEFAULT:
        return weights_file("sam2-hiera-tiny")
    try:
        return hub_folder(name, FILES)
    except BenchError as error:
        raise BenchError(f"{error}; {where}") from None


def load(folder: Path, device: str) -> Network:
    """Read a checkpoint; nothing in it can run code.

    Raises:
        BenchError: files are missing or damaged, the checkpoint belongs to another model, or some weights are missing.
    """
    fix = f"give a folder of SAM 2 for video, such as that of {DEFAULT}"
    config = read_json(folder / CONFIG, "checkpoint of transformers", fix)
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != MODEL_TYPE:
        raise BenchError(f"{folder}: is a checkpoint of {kind or 'nothing known'}, not of {MODEL_TYPE}; {fix}")
    if not (folder / WEIGHTS).is_file():
        raise BenchError(f"{folder}: contains no {WEIGHTS}; {fix}")
    try:
        loaded: Any = Sam2VideoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        model, report = loaded
        processor = Sam2VideoProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a damaged or malicious file can raise any exception
        reason = str(error).strip().split("\n")[0][:120]
        raise BenchError(f"{folder}: cannot be read as SAM 2 ({type(error).__name__}: {reason}); {fix}") from None
    absent = sorted(report["missing_keys"])
    if absent:  # transformers would initialise them randomly
        raise BenchError(f"{folder / WEIGHTS}: {len(absent)} weights are missing, the first is {absent[0]}; {fix}")
    return Network(model.eval().to(device), processor)


def follow(
    network: Network,
    frames: Iterable[np.ndarray],
    boxes: Sequence[Sequence[ActorBox]],
    chunk: int,
    box_margin: float,
    drift: float,
) -> Iterator[tuple[int, np.ndarray]]:
    """Masks of the frames from each actor's first box to its last, in order.

    Args:
        frames: uint8 (H, W, 3) RGB, from frame 0 on; read ``chunk`` at a time, up to the last frame with a box.
        boxes: per frame, as returned by :func:`~benchmark_builder.masks.networks.prompts.prompt_boxes`.
        chunk, box_margin, drift: as in :class:`Sam2Masks`.

    Yields:
        (index, the union of the actors' masks: bool (H, W)).
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for index, found in enumerate(boxes):
        for box in found:
            first.setdefault(box.actor, index)
            last[box.actor] = index
    there = np.zeros(len(boxes), dtype=bool)  # frames on which any actor is tracked
    for actor, start in first.items():
        there[start : last[actor] + 1] = True
    wanted = ((k, frame) for k, frame in enumerate(islice(frames, max(last.values(), default=-1) + 1)) if there[k])
    sessions: dict[int, Session] = {}
    while piece := list(islice(wanted, chunk)):
        masks = []
        with computing(network.device):
            seen = encode(network, [frame for _, frame in piece])
            for (index, frame), encoded in zip(piece, seen, strict=True):
                size = (frame.shape[0], frame.shape[1])
                masks.append((index, _united(network, sessions, encoded, size, boxes[index], box_margin, drift)))
                for actor in [a for a in sessions if last[a] == index]:
                    del sessions[actor]
        yield from masks


@dataclass(frozen=True)
class Encoded:
    """One frame as input of the network: pixels float32 (1, 3, S, S), and the output of the image encoder."""

    pixels: torch.Tensor
    features: dict[str, list[torch.Tensor]]


def encode(network: Network, frames: list[np.ndarray]) -> Iterator[Encoded]:
    """Encode frames, uint8 (H, W, 3) RGB of one size: all at once on a GPU, one by one elsewhere."""
    pixels = (network.processor(images=f, device=network.device, return_tensors="pt").pixel_values for f in frames)
    half = _half(network.device)
    for batch in [torch.cat(list(pixels))] if half else pixels:
        with torch.autocast(network.device.type, torch.bfloat16, enabled=half):
            output = network.model.get_image_features(batch, return_dict=True)
        maps, places = output.fpn_hidden_states, output.fpn_position_encoding  # (h·w, B, C) each
        for k in range(len(batch)):
            features = {
                "vision_feats": [m[:, k : k + 1].float() for m in maps],
                "vision_pos_embeds": [p[:, min(k, p.shape[1] - 1)][:, None].float() for p in places],
            }
            yield Encoded(batch[k : k + 1], features)


class Session:
    """One actor, tracked by the network from the frame on which it is prompted."""

    def __init__(self, network: Network, size: tuple[int, int], box: ActorBox) -> None:
        """size: (height, width) of the video; box: the box of the actor on the first frame given to :meth:`step`."""
        self.network, self.size, self.at = network, size, 0
        self.session = network.processor.init_video_session(inference_device=network.device)
        network.processor.add_inputs_to_inference_session(
            self.session,
            frame_idx=0,
            obj_ids=1,
            input_boxes=[[[float(v) for v in box[1:]]]],
            original_size=size,
        )
        config = network.model.config
        self.reach = max(config.num_maskmem, config.max_object_pointers_in_encoder)

    def step(self, encoded: Encoded) -> np.ndarray:
        """The actor's mask on the next frame: bool (H, W)."""
        # The encoder's output is stored in the network's cache, so that all actors share it.
        self.session.cache.cache_vision_features(self.at, encoded.features)
        output = self.network.model(self.session, frame_idx=self.at, frame=encoded.pixels)
        masks = self.network.processor.post_process_masks([output.pred_masks], original_sizes=[self.size])[0]
        self._forget()
        self.at += 1
        return np.asarray(masks[0, 0].cpu().numpy(), dtype=bool)

    def _forget(self) -> None:
        """Delete data that the network no longer uses: pixels, and old outputs except that of the prompted frame."""
        self.session.processed_frames.clear()
        old = self.at - self.reach
        kept = self.session.output_dict_per_obj[0]
        kept["non_cond_frame_outputs"].pop(old, None)
        self.session.frames_tracked_per_obj[0].pop(old, None)
        for outputs in kept.values():
            if self.at in outputs:
                outputs[self.at].pop("high_res_masks", None)  # the largest part, not used any more


def _united(
    network: Network,
    sessions: dict[int, Session],
    encoded: Encoded,
    size: tuple[int, int],
    boxes: Sequence[ActorBox],
    box_margin: float,
    drift: float,
) -> np.ndarray:
    """The actors' united mask on one frame, bool (H, W); new sessions are added to ``sessions``."""
    due = {box.actor: box for box in boxes}
    united = np.zeros(size, dtype=bool)
    for actor in sorted(sessions.keys() | due.keys()):
        box = due.get(actor)
        mask = sessions[actor].step(encoded) if actor in sessions else None
        if box is not None and (mask is None or _overlap(mask, box) < drift):
            sessions[actor] = Session(network, size, box)
            mask = sessions[actor].step(encoded)
        assert mask is not None  # an actor without a session is always prompted
        if box is None:
            united |= mask
        else:
            inside = enlarged(box, box_margin)
            united[inside] |= mask[inside]
    return united


def _overlap(mask: np.ndarray, box: ActorBox) -> float:
    """Intersection over union, 0..1, of the box around a mask, bool (H, W), and a box; 0 for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0
    return overlap((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), box[1:])


def _half(device: torch.device) -> bool:
    return device.type == "cuda"


def _digest(folder: Path) -> str:
    """SHA-256 over the names and digests of the checkpoint's files."""
    total = hashlib.sha256()
    for name in FILES:
        if (folder / name).is_file():
            total.update(f"{name} {known_digest(folder / name)}\n".encode())
    return total.hexdigest()
