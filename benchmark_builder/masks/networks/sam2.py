"""``sam2``: SAM 2 (Ravi et al., ICLR 2025), as transformers has it, prompted with the boxes of another source.

An actor is prompted with its first box and followed from there through the frames that come after, to its last box,
also where it has none in between. Where the box around its mask overlaps the annotated box too little, it is prompted
anew on that frame, and what was remembered of it is forgotten. A mask ends at its slightly enlarged box where there is
one; several actors are united. A frame on which nothing is found is not covered.

Every actor has a session of its own, fed frame by frame: an actor's masks do not depend on who else is there, and what
a session keeps is cut to what the network can still look back at, so memory does not grow with the video. The image
encoder, most of the work, runs once a frame for all actors: on a GPU in bfloat16, a chunk of frames at a time; on a
CPU in float32, frame by frame.
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

from benchmark_builder.masks.base import ActorBox, reads_of
from benchmark_builder.masks.networks.prompts import overlap, prompt_boxes, prompt_source
from benchmark_builder.masks.networks.weights import computing
from benchmark_builder.masks.packed import PackedTrack
from benchmark_builder.pretrained import weights_file
from benchmark_builder.pretrained.store import hub_folder
from benchmark_builder.pretrained.table import SAM2 as DEFAULT
from benchmark_builder.pretrained.table import SAM2_FILES as FILES
from benchmark_builder.settings import NETWORK, NetworkSettings
from benchmark_builder.utils.device import pick_device
from benchmark_builder.utils.digests import known_digest
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.files import read_json
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

CONFIG, WEIGHTS = "config.json", "model.safetensors"
MODEL_TYPE = "sam2_video"


@dataclass(frozen=True)
class Network:
    """SAM 2 and what prepares its input, on one device."""

    model: Sam2VideoModel
    processor: Sam2VideoProcessor

    @property
    def device(self) -> torch.device:
        return torch.device(self.model.device)


class Sam2Masks:
    """``sam2[:CHECKPOINT]``: masks of SAM 2 that start from the boxes of ``prompts``."""

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
            path, sam_checkpoint: a folder of :data:`FILES`, or a name on the Hugging Face hub; without one,
                :data:`DEFAULT`. A hub's model is taken from the local cache, and downloaded where it is not there.
            prompts: KIND or KIND:PATH of the source of boxes.
            actors, min_score, min_track: settings of that source.
            device: ``auto``, ``cpu``, ``cuda`` …
            chunk: frames encoded at a time; on a CPU it changes no pixel.
            box_margin: by what share of its own width (height) a box is enlarged on each side before the mask is
                clipped to it, 0..1.
            drift: an actor is prompted anew on a frame where the intersection over union of its box and the box
                around its mask is below this, 0..1; 0 for never.

        Raises:
            BenchError: a setting that makes no sense, no checkpoint, or one of another model.
        """
        NetworkSettings(device=device, chunk=chunk, box_margin=box_margin, drift=drift)
        shared = {"device": device, "chunk": chunk}
        detector = {"min_score": min_score, "min_track": min_track}
        self.prompts = prompt_source(prompts, dataset_root, "sam2", shared, actors=actors, **detector)
        self.device, self.chunk = str(pick_device(device)), chunk
        self.box_margin, self.drift = box_margin, drift
        self.folder = find_checkpoint(sam_checkpoint or path)
        load(self.folder, "cpu")  # a checkpoint that is none is said now, not once a video
        self.sha256 = _digest(self.folder)
        self._network: Network | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_network": None}  # a worker loads its own

    @property
    def network(self) -> Network:
        """Loaded once a process."""
        if self._network is None:
            self._network = load(self.folder, self.device)
        return self._network

    def track(self, video: Video, height: int, width: int) -> PackedTrack:
        """Follow the actors of one video.

        Raises:
            LeftOut: the prompts have nothing on it, or nothing is found from them.
            BenchError: the video cannot be read, or its boxes cannot be used.
        """
        boxes = prompt_boxes(self.prompts.track(video, height, width), height, width, video.id)
        if not any(boxes):
            raise LeftOut(f"{video.id}: its prompts hold no box")
        track = PackedTrack(len(boxes), height, width)
        found = follow(self.network, read_frames(video.path), boxes, self.chunk, self.box_margin, self.drift)
        for index, mask in found:
            if mask.any():
                track.keep(index, mask)
        if not track.covered.any():
            raise LeftOut(f"{video.id}: SAM 2 finds nothing in its boxes; give other --prompts")
        return track

    def reads(self, video: Video) -> list[Path] | None:
        """What the boxes are made from, besides the video itself."""
        return reads_of(self.prompts, video)

    def describe(self) -> dict[str, Any]:
        """``sha256`` is of the checkpoint's files; ``chunk`` is not in it, as it decides only how much memory is
        taken."""
        return {
            "kind": "sam2",
            "sha256": self.sha256,
            "prompts": self.prompts.describe(),
            "box_margin": self.box_margin,
            "drift": self.drift,
            "encoder": "bfloat16" if _half(torch.device(self.device)) else "float32",
        }


def find_checkpoint(path: Path | None) -> Path:
    """The folder of a checkpoint: ``path`` itself, or what the Hugging Face hub has under that name.

    Raises:
        BenchError: it is not there and cannot be downloaded (the message says where to get it), or it is a file.
    """
    name = DEFAULT if path is None else path.as_posix()
    where = f"download it (`hf download {DEFAULT}`), or give as --sam-checkpoint a folder with its files"
    if path is not None and path.is_dir():
        return path
    if path is not None and (path.exists() or path.is_absolute() or name.count("/") != 1 or name.startswith(".")):
        what = "is a file, and SAM 2's checkpoint is a folder" if path.exists() else "no such folder"
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
        BenchError: files are missing or damaged, it is another model's, or some of the weights are missing.
    """
    fix = f"give a folder of SAM 2 for video, such as that of {DEFAULT}"
    config = read_json(folder / CONFIG, "checkpoint of transformers", fix)
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != MODEL_TYPE:
        raise BenchError(f"{folder}: is a checkpoint of {kind or 'nothing known'}, not of {MODEL_TYPE}; {fix}")
    if not (folder / WEIGHTS).is_file():
        raise BenchError(f"{folder}: holds no {WEIGHTS}; {fix}")
    try:
        loaded: Any = Sam2VideoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        model, report = loaded
        processor = Sam2VideoProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a damaged or hostile file can raise anything
        reason = str(error).strip().split("\n")[0][:120]
        raise BenchError(f"{folder}: cannot be read as SAM 2 ({type(error).__name__}: {reason}); {fix}") from None
    absent = sorted(report["missing_keys"])
    if absent:  # transformers would make them up
        raise BenchError(f"{folder / WEIGHTS}: lacks {len(absent)} weights, the first {absent[0]}; {fix}")
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
        frames: uint8 (H, W, 3) RGB, from frame 0 on; read ``chunk`` at a time, and no further than the last box.
        boxes: of each frame, as :func:`~benchmark_builder.masks.networks.prompts.prompt_boxes` gives them.
        chunk, box_margin, drift: as :class:`Sam2Masks` takes them.

    Yields:
        (index, the union of the actors' masks: bool (H, W)).
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for index, found in enumerate(boxes):
        for box in found:
            first.setdefault(box.actor, index)
            last[box.actor] = index
    there = np.zeros(len(boxes), dtype=bool)  # frames on which any actor is followed
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
    """One frame as the network takes it: pixels float32 (1, 3, S, S), and what its image encoder makes of them."""

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
    """One actor followed by the network, from the frame it is prompted on."""

    def __init__(self, network: Network, size: tuple[int, int], box: ActorBox) -> None:
        """size: (height, width) of the video; box: the actor's on the first frame that :meth:`step` gets."""
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
        # The encoder's output is put where the network looks for it, so that actors share it.
        self.session.cache.cache_vision_features(self.at, encoded.features)
        output = self.network.model(self.session, frame_idx=self.at, frame=encoded.pixels)
        masks = self.network.processor.post_process_masks([output.pred_masks], original_sizes=[self.size])[0]
        self._forget()
        self.at += 1
        return np.asarray(masks[0, 0].cpu().numpy(), dtype=bool)

    def _forget(self) -> None:
        """Drop what the network does not look back at: pixels, and outputs beyond its reach but the prompted one."""
        self.session.processed_frames.clear()
        old = self.at - self.reach
        kept = self.session.output_dict_per_obj[0]
        kept["non_cond_frame_outputs"].pop(old, None)
        self.session.frames_tracked_per_obj[0].pop(old, None)
        for outputs in kept.values():
            if self.at in outputs:
                outputs[self.at].pop("high_res_masks", None)  # the largest, used only while it was made


def _united(
    network: Network,
    sessions: dict[int, Session],
    encoded: Encoded,
    size: tuple[int, int],
    boxes: Sequence[ActorBox],
    box_margin: float,
    drift: float,
) -> np.ndarray:
    """The actors' united mask on one frame, bool (H, W); ``sessions`` gets those that start here."""
    due = {box.actor: box for box in boxes}
    united = np.zeros(size, dtype=bool)
    for actor in sorted(sessions.keys() | due.keys()):
        box = due.get(actor)
        mask = sessions[actor].step(encoded) if actor in sessions else None
        if box is not None and (mask is None or _overlap(mask, box) < drift):
            sessions[actor] = Session(network, size, box)
            mask = sessions[actor].step(encoded)
        assert mask is not None  # an actor without a session is due
        if box is None:
            united |= mask
        else:
            wide, tall = round(box_margin * (box.x2 - box.x1)), round(box_margin * (box.y2 - box.y1))
            inside = (slice(max(0, box.y1 - tall), box.y2 + tall), slice(max(0, box.x1 - wide), box.x2 + wide))
            united[inside] |= mask[inside]
    return united


def _overlap(mask: np.ndarray, box: ActorBox) -> float:
    """Intersection over union, 0..1, of the box around a mask, bool (H, W), and a box; 0 of an empty mask."""
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
