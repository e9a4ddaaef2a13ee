"""Video classifiers of Hugging Face (VideoMAE, TimeSformer, ViViT, V-JEPA 2, VideoPrism) as networks of this toolkit:
``hf:FOLDER_OR_NAME``.

No code from a folder is run: its Python files are ignored, safetensors are preferred, pickles are read weights-only.
"""

import contextlib
import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from albar.clips.clips import ClipSampling
from albar.models.huggingface_pictures import HALF, IMAGENET, NONE, Pictures, picture_sampling
from albar.models.weights import fit_weights, warn_fresh_head, weights_for
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, sha256_file
from benchmark_builder.utils.torch_files import check_torch_file

PREFIX = "hf:"
PRETRAINED = "pretrained"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_HEAD = "network.classifier."


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A ``model_type`` of video classifiers.

    Attributes:
        stride: the one that its published weights were trained with (the papers of TimeSformer, VideoMAE and ViViT on
            Kinetics-400: 8x32, 16x4, 32x2; V-JEPA 2's configuration for Something-Something V2: 16x4). No file of such
            a folder states it. None: frames are spread evenly over the whole video (VideoPrism).
        frames, size: where config.json has the clip's frames and size, and their defaults.
        pixels: the argument that takes the clips.
        fresh: parts that self-supervised weights lack, in addition to the head.
        any_length: pretrained weights take clips of any number of frames.
    """

    stride: int | None
    pictures: Pictures
    frames: tuple[str, int]
    size: tuple[str, int] = ("image_size", 224)
    pixels: str = "pixel_values"
    fresh: tuple[str, ...] = ("fc_norm.",)
    any_length: bool = False


KINDS = {
    "timesformer": Kind(stride=32, frames=("num_frames", 8), pictures=Pictures(normal=IMAGENET, square=None)),
    "videomae": Kind(stride=4, frames=("num_frames", 16), pictures=Pictures(normal=HALF, square=None)),
    "videoprism_vision_model": Kind(
        stride=None, frames=("num_frames", 16), size=("image_size", 288), pixels="pixel_values_videos",
        fresh=("head.", "head_layernorm."), pictures=Pictures(normal=NONE, square=True),
    ),
    # Its processor subtracts 1 after its factor (transformers, models/vivit).
    "vivit": Kind(
        stride=2, frames=("num_frames", 32),
        pictures=Pictures(normal=HALF, resize=lambda size: size * 8 // 7, square=None, factor=1 / 127.5, offset=1.0),
    ),
    # Its processor takes no short side, but computes it from the crop (transformers, models/vjepa2).
    "vjepa2": Kind(
        stride=4, frames=("frames_per_clip", 64), size=("crop_size", 256), pixels="pixel_values_videos",
        fresh=("pooler.",), any_length=True,
        pictures=Pictures(normal=IMAGENET, resize=lambda size: int(size * 256 / 224), own_resize=True),
    ),
}  # fmt: skip
# The largest values of a configuration, several times the largest known: an invalid one allocates no memory.
_WIDE, _LONG, _DEEP = 2**14, 2**12, 256
_MOST = {
    "hidden_size": _WIDE, "intermediate_size": 2**16, "num_hidden_layers": _DEEP, "num_attention_heads": _DEEP,
    "image_size": _LONG, "patch_size": _LONG, "num_channels": 64, "num_frames": _LONG, "tubelet_size": _LONG,
    "decoder_hidden_size": _WIDE, "decoder_intermediate_size": 2**16, "decoder_num_hidden_layers": _DEEP,
    "decoder_num_attention_heads": _DEEP, "num_labels": 2**20, "crop_size": _LONG, "frames_per_clip": _LONG,
    "in_chans": 64, "num_pooler_layers": _DEEP, "pred_hidden_size": _WIDE, "pred_num_hidden_layers": _DEEP,
    "pred_num_attention_heads": _DEEP, "pred_num_mask_tokens": _LONG, "num_spatial_layers": _DEEP,
    "num_temporal_layers": _DEEP, "num_auxiliary_layers": _DEEP, "vocab_size": 2**22,
    "max_position_embeddings": 2**16, "projection_dim": _WIDE, "mit_hidden_size": _WIDE,
    "mit_intermediate_size": 2**16, "mit_num_hidden_layers": _DEEP, "mit_num_attention_heads": _DEEP,
    "prompt_layers": _DEEP, "prompt_num_attention_heads": _DEEP, "projection_size": _WIDE, "num_patches": 2**16,
}  # fmt: skip
# Which of them may be null in a configuration.
_NULL = ("projection_size",)
MOST_WEIGHTS = 10**10
_FIX = "give a folder (or hub name) of a video classifier (VideoMAE, TimeSformer, ViViT, V-JEPA 2, VideoPrism) with a "
_FIX += "config.json"


class HuggingFaceVideo(nn.Module):
    """A classifier with this toolkit's axes: float32 (B, 3, T, H, W) in, logits (B, classes) out.

    Attributes:
        network: the transformers model; its attention is written out ("eager"), which differentiates twice.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._kind: str = network.config.model_type  # type: ignore[union-attr,assignment]
        if self._kind == "vjepa2":
            # V-JEPA 2's predictor serves its pre-training alone: no gradient ever reaches it.
            network.vjepa2.predictor.requires_grad_(False)  # type: ignore[union-attr]
        if self._kind == "videoprism_vision_model":
            network.classifier.register_forward_pre_hook(_one_vector)  # type: ignore[union-attr]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._kind == "vjepa2":
            self._check(x.shape)
        clips = x.transpose(1, 2)  # theirs: (B, T, 3, H, W)
        logits: torch.Tensor = self.network(**{KINDS[self._kind].pixels: clips}).logits
        return logits

    def _check(self, shape: torch.Size) -> None:
        """V-JEPA 2 takes any clip without an error, but numbers its patches as those of crops of one size, and drops
        frames that fill no tubelet."""
        config: Any = self.network.config
        frames, size, tubelet = shape[2], config.crop_size, config.tubelet_size
        if shape[-2:] != (size, size) or frames % tubelet:
            raise ValueError(f"it takes {size} pixels, and a multiple of {tubelet} frames")

    @property
    def architecture(self) -> dict[str, object]:
        """The configuration, plain types: what :func:`from_architecture` needs. Kept in a checkpoint."""
        config: dict[str, object] = json.loads(self.network.config.to_json_string(use_diff=False))  # type: ignore[union-attr,operator]
        config.pop("_name_or_path", None)  # a folder of this machine
        return config


def _one_vector(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """VideoPrism's head gets (B, 1, D), the output of one pooling query; as (B, D) its logits are (B, classes)."""
    return (inputs[0].flatten(1),)


def build(name: str, classes: int, sampling: ClipSampling, weights: str | None) -> nn.Module:
    """The builder of ``hf:FOLDER_OR_NAME``; see :func:`albar.models.build_model`.

    With ``weights`` None the folder's architecture is drawn at random, for clips of ``sampling``; ``pretrained`` takes
    the folder's weights (a head of another class count starts fresh); a file must hold all tensors.

    Raises:
        BenchError: no such folder, clips that do not fit the weights, weights that do not fit.
    """
    folder = local_folder(name)
    config = read_config(folder)
    kind = KINDS[config["model_type"]]
    wanted = {kind.frames[0]: sampling.frames, kind.size[0]: sampling.size}
    if weights == PRETRAINED:
        for key, setting in ((kind.frames[0], "frames"), (kind.size[0], "size")):
            if config.get(key) != wanted[key] and not (setting == "frames" and kind.any_length):
                raise BenchError(
                    f"{folder}: its weights take clips with {key} {config.get(key)}, the clip setting {setting} is "
                    f"{wanted[key]}; change {setting}, or train without weights"
                )
        return pretrained(folder, classes)
    model = from_architecture({**config, **wanted}, classes, str(folder))
    if weights is not None:
        if not Path(weights).is_file():
            raise BenchError(
                f"unknown weights {weights!r} for {name}: not a file, and not {PRETRAINED!r}; give one of these"
            )
        # Of the model as transformers saves it, or of this wrapper.
        fit_weights(model, {f"network.{k}": v for k, v in weights_for(model.network, weights).items()}, _HEAD, weights)
    return model


def from_architecture(config: Mapping[str, Any], classes: int, source: str) -> HuggingFaceVideo:
    """A network of random weights from a configuration's dict; ``source`` names it in errors."""
    from transformers import AutoConfig, AutoModelForVideoClassification

    _check_kind(config, source)
    # auto_map names code in the folder; the two others name packages and kernels to fetch.
    ignored = ("auto_map", "quantization_config", "_attn_implementation", "attn_implementation", "model_type",
               "num_labels", "id2label", "label2id", "dtype", "torch_dtype")  # fmt: skip
    kept = {k: v for k, v in config.items() if k not in ignored}
    try:
        with quiet():
            own = AutoConfig.for_model(config["model_type"], **kept, num_labels=classes)
            network = AutoModelForVideoClassification.from_config(
                own, attn_implementation="eager", dtype=torch.float32, trust_remote_code=False
            )
    except Exception as error:  # a malformed configuration makes the library raise anything
        raise BenchError(f"{source}: its configuration gives no network ({one_line(error)}); {_FIX}") from None
    return HuggingFaceVideo(network)


def pretrained(folder: Path, classes: int | None = None) -> HuggingFaceVideo:
    """The folder's network with the folder's weights.

    Args:
        folder: from :func:`local_folder`.
        classes: outputs wanted; a head of another count, or none, starts fresh, with a warning. None: every weight must
            be there.

    Raises:
        BenchError: weights that are missing, unreadable, of another shape, or a pickle of more than tensors.
    """
    from transformers import AutoModelForVideoClassification

    kind = KINDS[read_config(folder)["model_type"]]
    labels = {} if classes is None or classes == outputs(folder) else {"num_labels": classes}
    network, missing, misfits = read_network(folder, AutoModelForVideoClassification, _FIX, **labels)
    fresh = ("classifier.", *kind.fresh) if classes is not None else ()
    check_complete(network, missing, misfits, folder, "of a network trained to classify videos", fresh)
    if classes is not None and (misfits or any(n.startswith(fresh) for n in missing)):
        warn_fresh_head(str(folder), outputs(folder) if misfits else 0, classes)
    return HuggingFaceVideo(network)


def read_network(folder: Path, auto: Any, fix: str, **more: Any) -> tuple[nn.Module, list[str], list[str]]:
    """A folder's network with the folder's weights, float32, with eager attention; see :func:`check_complete`.

    Args:
        folder: with a checked config.json.
        auto: the library's class that makes it, such as ``AutoModelForVideoClassification``.
        fix: how to fix it, for errors.
        more: changes of its configuration.

    Returns:
        The network, and the names of tensors that the weights lack or that have another shape.

    Raises:
        BenchError: weights that are missing, unreadable, or a pickle of more than tensors.
    """
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise BenchError(f"{folder}: has no weights (model.safetensors or pytorch_model.bin); complete the folder")
    try:
        if not (folder / _WEIGHTS[0]).is_file() and not (folder / _WEIGHTS[1]).is_file():
            for path in sorted(folder.glob("*.bin")):
                check_torch_file(path)
        with quiet():
            network, info = auto.from_pretrained(
                folder, attn_implementation="eager", dtype=torch.float32, trust_remote_code=False, weights_only=True,
                local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, **more,
            )  # fmt: skip
    except MemoryError:
        raise
    except Exception as error:  # a damaged or malicious file can raise any exception
        raise BenchError(f"{folder}: its weights cannot be read ({one_line(error)}); {fix}") from None
    misfits = [str(entry[0] if isinstance(entry, tuple) else entry) for entry in info["mismatched_keys"]]
    return network, [str(name) for name in info["missing_keys"]], misfits


def check_complete(
    network: nn.Module, missing: list[str], misfits: list[str], folder: Path, wanted: str, fresh: tuple[str, ...] = ()
) -> None:
    """Raise BenchError if weights lack a tensor, or have one of another shape, outside the parts ``fresh``.

    Args:
        network, missing, misfits: from :func:`read_network`.
        folder: named in the error; ``wanted`` says which folder to give instead.
        fresh: prefixes of names.
    """
    for names, fault in ((missing, "lack"), (misfits, "have another shape for")):
        faulty = sorted(n for n in names if not n.startswith(fresh or ("\0",)))
        if faulty:
            raise BenchError(
                f"{folder}: its weights {fault} {len(faulty)} tensors of {type(network).__name__}, first {faulty[0]!r};"
                f" give the folder {wanted}"
            )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the library's progress bars and its messages on new weights; those that matter are checked here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def local_folder(name: str) -> Path:
    """The folder that ``hf:FOLDER_OR_NAME`` (or a path) means; a hub name's files are fetched into the hub's cache.

    Raises:
        BenchError: neither a folder nor a name that can be fetched.
    """
    text = name.removeprefix(PREFIX)
    folder = Path(text).expanduser()
    if folder.is_dir():
        return folder
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", text) or text.startswith("."):
        raise BenchError(f"{text}: no such folder; {_FIX}")
    return _fetched(text)


# Configurations, and the files of tokenizers.
_TEXTS = ("*.json", "README.md", "merges.txt", "vocab.txt", "*.model")


@functools.cache
def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        # The safetensors first; where there are none, the pickle, which is read weights-only.
        folder = Path(snapshot_download(name, allow_patterns=[*_TEXTS, "model*.safetensors"]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=[*_TEXTS, "pytorch_model*.bin"]))
    except Exception as error:  # no network, no such name, no access: the hub has an exception for each
        raise BenchError(
            f"{PREFIX}{name}: not a folder here, and cannot be downloaded from the hub ({one_line(error)}); "
            "download it elsewhere and give the folder"
        ) from None
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """A classifier's config.json; BenchError if it is missing or describes an unknown network."""
    config = read_any_config(folder, _FIX)
    _check_kind(config, str(folder / "config.json"))
    kind = KINDS[config["model_type"]]
    return {**dict((kind.frames, kind.size)), **config}


def read_any_config(folder: Path, fix: str = _FIX) -> dict[str, Any]:
    """config.json of any model; BenchError if it is missing or not a model's configuration."""
    config = read_json(folder / "config.json", "Hugging Face model", fix)
    if not isinstance(config, dict):
        raise BenchError(f"{folder / 'config.json'}: not a model's configuration; {fix}")
    return config


def _check_kind(config: Mapping[str, Any], source: str) -> None:
    if config.get("model_type") not in list(KINDS):  # it may be anything, a list too
        raise BenchError(f"{source}: model_type {config.get('model_type')!r} is not one of {', '.join(KINDS)}; {_FIX}")
    check_size(config, source, _FIX)


def check_size(config: Mapping[str, Any], source: str, fix: str) -> None:
    """Raise BenchError if a configuration describes a network that would fill the memory."""
    for name, most in _MOST.items():
        values = config.get(name, 1)
        for value in values if isinstance(values, list) and len(values) < 4 else [values]:
            if value is None and name in _NULL:
                continue
            if type(value) is not int or not 1 <= value <= most:
                raise BenchError(f"{source}: {name} is {str(value)[:40]}, not a whole number from 1 to {most}; {fix}")
    wide = config.get("hidden_size", 768)
    ratio = config.get("mlp_ratio", 4)
    if not isinstance(ratio, (int, float)) or not 0 < ratio <= 64:
        raise BenchError(f"{source}: mlp_ratio is {str(ratio)[:40]}, not a number up to 64; {fix}")
    inner = config.get("intermediate_size", wide * ratio if "mlp_ratio" in config else 3072)
    named = [config[n] for n in ("num_hidden_layers", "num_spatial_layers", "num_temporal_layers") if n in config]
    weights = int((sum(named) or 12) * (4 * wide**2 + 2 * wide * inner))
    if weights > MOST_WEIGHTS:
        raise BenchError(f"{source}: describes a network of {weights} weights, more than {MOST_WEIGHTS}; {fix}")


def outputs(folder: Path) -> int:
    """How many classes the folder's network has."""
    config = read_config(folder)
    labels = config.get("id2label")
    return len(labels) if isinstance(labels, dict) else int(config.get("num_labels", 2))


def class_names(folder: Path) -> list[str] | None:
    """Class names in the order of the outputs; None where the folder has none but transformers' LABEL_0, LABEL_1, …"""
    labels = read_config(folder).get("id2label")
    if not isinstance(labels, dict):
        return None
    try:
        names = [str(labels[k]) for k in sorted(labels, key=int)]
        if [int(k) for k in sorted(labels, key=int)] != list(range(len(names))):
            raise ValueError
    except ValueError:
        raise BenchError(f"{folder / 'config.json'}: id2label does not number classes from 0; correct it") from None
    return None if all(re.fullmatch(r"LABEL_\d+", name) for name in names) else names


def clip_sampling(folder: Path) -> tuple[ClipSampling, list[str]]:
    """The clips that a folder's network takes: frames and size from config.json, the rest from its preprocessor's file.

    Returns:
        The sampling, and a line per value that the folder does not state.
    """
    config = read_config(folder)
    name = config["model_type"]
    kind = KINDS[name]
    if kind.stride is None:
        # As in the demonstration of VideoPrism's repository.
        notes = [f"frames are spread evenly over the video, as usual for {name}; no file states it"]
        timing: dict[str, Any] = {"even": True, "test_start": "first"}
    else:
        notes = [f"stride {kind.stride} is {name}'s usual one; no file states it"]
        timing = {"stride": kind.stride}
    clip = {**timing, "frames": config[kind.frames[0]], "size": config[kind.size[0]]}
    return picture_sampling(folder, kind.pictures, clip, notes), notes


def folder_digest(folder: Path) -> str:
    """Hex SHA-256 over the names and contents of the folder's JSON files and weights."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".bin")):
        total.update(f"{path.name}\x1f{sha256_file(path)}\n".encode())
    return total.hexdigest()


def one_line(error: BaseException) -> str:
    """The first line of an error that has text, at most 200 characters; without any, the name of its class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
