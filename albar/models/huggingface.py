"""Video classifiers of Hugging Face (VideoMAE, TimeSformer, ViViT) as networks of this toolkit: ``hf:FOLDER_OR_NAME``.

No code from a folder is run: its Python files are ignored, safetensors are preferred, pickles are read weights-only.
"""

import contextlib
import functools
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from albar.clips.clips import ClipSampling
from albar.models.weights import fit_weights, warn_fresh_head, weights_for
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, sha256_file
from benchmark_builder.utils.options import SettingError
from benchmark_builder.utils.torch_files import check_torch_file

PREFIX = "hf:"
PRETRAINED = "pretrained"
# model_type -> the stride that its published Kinetics-400 weights were trained with (their papers; 8x32, 16x4, 32x2):
# no file of such a folder states it.
STRIDES = {"timesformer": 32, "videomae": 4, "vivit": 2}
_PREPROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_HEAD = "network.classifier."
# Parts that self-supervised weights (VideoMAE's pre-training) lack, apart from the head.
_FRESH = ("classifier.", "fc_norm.")
# The largest values of a configuration, several times the largest known: an invalid one allocates no memory.
_MOST = {
    "hidden_size": 2**14, "intermediate_size": 2**16, "num_hidden_layers": 256, "num_attention_heads": 256,
    "image_size": 2**12, "patch_size": 2**12, "num_channels": 64, "num_frames": 2**12, "tubelet_size": 2**12,
    "decoder_hidden_size": 2**14, "decoder_intermediate_size": 2**16, "decoder_num_hidden_layers": 256,
    "decoder_num_attention_heads": 256, "num_labels": 2**20,
}  # fmt: skip
MOST_WEIGHTS = 10**10
_FIX = "give a folder (or hub name) of VideoMAE, TimeSformer or ViViT with a config.json"


class HuggingFaceVideo(nn.Module):
    """A classifier with this toolkit's axes: float32 (B, 3, T, H, W) in, logits (B, classes) out.

    Attributes:
        network: the transformers model; its attention is written out ("eager"), which differentiates twice.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(pixel_values=x.transpose(1, 2)).logits  # theirs: (B, T, 3, H, W)
        return logits

    @property
    def architecture(self) -> dict[str, object]:
        """The configuration, plain types: what :func:`from_architecture` needs. Kept in a checkpoint."""
        config: dict[str, object] = json.loads(self.network.config.to_json_string(use_diff=False))  # type: ignore[union-attr,operator]
        config.pop("_name_or_path", None)  # a folder of this machine
        return config


def build(name: str, classes: int, sampling: ClipSampling, weights: str | None) -> nn.Module:
    """The builder of ``hf:FOLDER_OR_NAME``; see :func:`albar.models.build_model`.

    With ``weights`` None the folder's architecture is drawn at random, for clips of ``sampling``; ``pretrained`` takes
    the folder's weights (a head of another class count starts fresh); a file must hold all tensors.

    Raises:
        BenchError: no such folder, clips that do not fit the weights, weights that do not fit.
    """
    folder = local_folder(name)
    config = read_config(folder)
    wanted = {"num_frames": sampling.frames, "image_size": sampling.size}
    if weights == PRETRAINED:
        for key, setting in (("num_frames", "frames"), ("image_size", "size")):
            if config.get(key) != wanted[key]:
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
        with _quiet():
            own = AutoConfig.for_model(config["model_type"], **kept, num_labels=classes)
            network = AutoModelForVideoClassification.from_config(
                own, attn_implementation="eager", dtype=torch.float32, trust_remote_code=False
            )
    except Exception as error:  # a malformed configuration makes the library raise anything
        raise BenchError(f"{source}: its configuration gives no network ({_one_line(error)}); {_FIX}") from None
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

    read_config(folder)
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise BenchError(f"{folder}: has no weights (model.safetensors or pytorch_model.bin); complete the folder")
    labels = {} if classes is None or classes == outputs(folder) else {"num_labels": classes}
    try:
        if not (folder / _WEIGHTS[0]).is_file() and not (folder / _WEIGHTS[1]).is_file():
            for path in sorted(folder.glob("*.bin")):
                check_torch_file(path)
        with _quiet():
            network, info = AutoModelForVideoClassification.from_pretrained(
                folder, attn_implementation="eager", dtype=torch.float32, trust_remote_code=False, weights_only=True,
                local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, **labels,
            )  # fmt: skip
    except MemoryError:
        raise
    except Exception as error:  # a damaged or malicious file can raise any exception
        raise BenchError(f"{folder}: its weights cannot be read ({_one_line(error)}); {_FIX}") from None
    fresh = _FRESH if classes is not None else ()
    misfits = [str(entry[0] if isinstance(entry, tuple) else entry) for entry in info["mismatched_keys"]]
    for names, fault in ((list(info["missing_keys"]), "lack"), (misfits, "have another shape for")):
        faulty = sorted(n for n in names if not n.startswith(fresh or ("\0",)))
        if faulty:
            raise BenchError(
                f"{folder}: its weights {fault} {len(faulty)} tensors of {type(network).__name__}, first {faulty[0]!r};"
                " give the folder of a network trained to classify videos"
            )
    if classes is not None and (misfits or any(n.startswith(_FRESH) for n in info["missing_keys"])):
        warn_fresh_head(str(folder), outputs(folder) if misfits else 0, classes)
    return HuggingFaceVideo(network)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
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


@functools.cache
def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        # The safetensors first; where there are none, the pickle, which is read weights-only.
        folder = Path(snapshot_download(name, allow_patterns=["*.json", "model*.safetensors"]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=["*.json", "pytorch_model*.bin"]))
    except Exception as error:  # no network, no such name, no access: the hub has an exception for each
        raise BenchError(
            f"{PREFIX}{name}: not a folder here, and cannot be downloaded from the hub ({_one_line(error)}); "
            "download it elsewhere and give the folder"
        ) from None
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """config.json; BenchError if it is missing or describes an unknown network."""
    config = read_json(folder / "config.json", "Hugging Face model", _FIX)
    if not isinstance(config, dict):
        raise BenchError(f"{folder / 'config.json'}: not a model's configuration; {_FIX}")
    _check_kind(config, str(folder / "config.json"))
    return {"num_frames": {"timesformer": 8, "videomae": 16, "vivit": 32}[config["model_type"]], "image_size": 224,
            **config}  # fmt: skip


def _check_kind(config: Mapping[str, Any], source: str) -> None:
    if config.get("model_type") not in list(STRIDES):  # it may be anything, a list too
        raise BenchError(
            f"{source}: model_type {config.get('model_type')!r} is not one of {', '.join(STRIDES)}; {_FIX}"
        )
    for name, most in _MOST.items():
        values = config.get(name, 1)
        for value in values if isinstance(values, list) and len(values) < 4 else [values]:
            if type(value) is not int or not 1 <= value <= most:
                raise BenchError(f"{source}: {name} is {str(value)[:40]}, not a whole number from 1 to {most}; {_FIX}")
    wide, inner = config.get("hidden_size", 768), config.get("intermediate_size", 3072)
    weights = config.get("num_hidden_layers", 12) * (4 * wide**2 + 2 * wide * inner)
    if weights > MOST_WEIGHTS:
        raise BenchError(f"{source}: describes a network of {weights} weights, more than {MOST_WEIGHTS}; {_FIX}")


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
    notes = [f"stride {STRIDES[config['model_type']]} is {config['model_type']}'s usual one; no file states it"]
    found = [folder / name for name in _PREPROCESSORS if (folder / name).is_file()]
    said = read_json(found[0], "preprocessor", _FIX) if found else {}
    if not isinstance(said, dict):
        raise BenchError(f"{found[0]}: not a preprocessor's settings; {_FIX}")
    if not found:
        notes.append(f"no {_PREPROCESSORS[1]}; the normalisation is the class's default")
    try:
        size = _side(config["image_size"])
        resize = _side(said.get("size", {"shortest_edge": size * 8 // 7 if config["model_type"] == "vivit" else size}))
        if said.get("do_resize", True) is False:
            notes.append("the folder resizes nothing; here the short side is scaled to the network's size")
            resize = size
        elif said.get("do_center_crop", True) is False:
            notes.append("the folder squashes pictures to a square; here their centre square is taken")
            resize = size
        mean, std = _normalisation(config["model_type"], said)
        return ClipSampling(
            frames=int(config["num_frames"]), stride=STRIDES[config["model_type"]], size=size, resize=max(size, resize),
            short="clamp", mean=mean, std=std,
        ), notes  # fmt: skip
    except SettingError as error:
        raise BenchError(f"{folder}: clip setting {error.inside}; or name one with --sampling") from None
    except (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError):
        raise BenchError(f"{folder}: its preprocessing settings are malformed; name one with --sampling") from None


def _normalisation(kind: str, said: Mapping[str, Any]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """mean and std of values in 0..1 that do what the preprocessor does: (v · factor - offset - mean) / std, v in
    0..255."""
    default = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if kind == "timesformer" else ((0.5,) * 3, (0.5,) * 3)
    shift, scale = said.get("image_mean", default[0]), said.get("image_std", default[1])
    if said.get("do_normalize", True) is False:
        shift, scale = (0.0,) * 3, (1.0,) * 3
    # ViViT's processor subtracts 1 after its factor, by default 1 / 127.5 (transformers, models/vivit).
    vivit = kind == "vivit"
    factor = float(said.get("rescale_factor", 1 / 127.5 if vivit else 1 / 255)) * 255
    offset = 1.0 if vivit and said.get("offset", True) else 0.0
    if said.get("do_rescale", True) is False:
        factor, offset = 255.0, 0.0
    if not (len(shift) == len(scale) == 3 and math.isfinite(factor)):
        raise ValueError
    a, b, c = ((offset + float(m)) / factor for m in shift)
    d, e, f = (float(s) / factor for s in scale)
    return (a, b, c), (d, e, f)


def _side(value: Any) -> int:
    """The (short) side of a size as transformers writes it: 224, [224, 224], {"height": …} or {"shortest_edge": …}."""
    if isinstance(value, Mapping):
        value = value["shortest_edge"] if "shortest_edge" in value else value["height"]
    return int(value[0] if isinstance(value, (list, tuple)) else value)


def folder_digest(folder: Path) -> str:
    """Hex SHA-256 over the names and contents of the folder's JSON files and weights."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".bin")):
        total.update(f"{path.name}\x1f{sha256_file(path)}\n".encode())
    return total.hexdigest()


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
