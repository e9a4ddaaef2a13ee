"""Models that compare videos with texts, scored zero-shot: CLIP, SigLIP, SigLIP 2, MetaCLIP 2, X-CLIP, VideoPrism.

Each class is the texts that its phrase gives in the prompts, such as "a video of a person drawing a sword", and a video
belongs to the class whose texts it is most similar to (Radford et al., ICML 2021). As everywhere, no code from a folder
is run.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from albar.clips.clips import ClipSampling
from albar.models import huggingface
from albar.models.huggingface_pictures import HALF, IMAGENET, NONE, MeanStd, Pictures, picture_sampling
from benchmark_builder.datasets.readable import readable
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file
from evaluator import training_data
from evaluator.models.base import Network, ScoredModel

KIND = "zero-shot"
PROMPTS = ("a video of a person {}",)
FRAMES = 8  # of models of single pictures, whose folders do not say how many
_CLIP: MeanStd = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
# The files of tokenizers; any one of these groups is enough.
_TOKENIZERS = (
    ("tokenizer.json",), ("vocab.json", "merges.txt"), ("spiece.model",), ("tokenizer.model",),
    ("sentencepiece.bpe.model",), ("vocab.txt",),
)  # fmt: skip
_FIX = "give a folder (or hub name) of CLIP, SigLIP, SigLIP 2, MetaCLIP, MetaCLIP 2, X-CLIP or VideoPrism"
_AT_ONCE = 64  # texts per pass


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A ``model_type`` of models that compare videos with texts.

    Attributes:
        pictures: how it prepares pictures where its folder does not say.
        video: it takes whole clips; otherwise single pictures.
        padded: it was trained with texts that are filled up to its longest, and needs them so.
        ends: its text feature is the one at the token that ends the text.
        first: frames are the first of each share of the video, not the middle.
    """

    pictures: Pictures
    video: bool = False
    padded: bool = False
    ends: bool = False
    first: bool = False


_CROPPED, _SQUASHED = Pictures(normal=_CLIP), Pictures(normal=HALF, square=True)
KINDS = {
    "clip": Kind(pictures=_CROPPED, ends=True),
    "metaclip_2": Kind(pictures=_CROPPED, ends=True),
    "siglip": Kind(pictures=_SQUASHED, padded=True),
    # Its pictures keep their shape, up to a number of patches: a square crop with that many is taken.
    "siglip2": Kind(pictures=Pictures(normal=HALF, own_resize=True), padded=True),
    "videoprism": Kind(pictures=Pictures(normal=NONE, square=True), video=True, padded=True, first=True),
    "xclip": Kind(pictures=Pictures(normal=IMAGENET), video=True, ends=True),
}
# VideoPrism has no scale of its own; the demonstration in its repository divides similarities by this.
_VIDEOPRISM_TEMPERATURE = 0.01


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """What makes classes of texts: belongs to a model that has no classes of its own.

    Attributes:
        folder: of the model. config: its configuration. prompts: each with ``{}`` for the phrase of a class.
        phrases: in the order of the model's classes; empty: it has none yet.
    """

    folder: Path
    config: Any
    prompts: tuple[str, ...] = PROMPTS
    phrases: tuple[str, ...] = ()

    @property
    def usual(self) -> bool:
        """Whether the prompts are the default."""
        return self.prompts == PROMPTS

    def texts(self, prompt: str) -> list[str]:
        """The text of each class in one prompt."""
        return [prompt.replace("{}", phrase) for phrase in self.phrases]

    def with_prompts(self, prompts: tuple[str, ...]) -> "ZeroShot":
        """The same with other prompts."""
        return replace(self, prompts=prompts)

    def with_classes(self, model: ScoredModel, classes: Sequence[str], dataset: str) -> ScoredModel:
        """The model with these classes, named by :func:`~benchmark_builder.datasets.readable.readable`.

        Args:
            model: whose ``zero_shot`` this is.
            classes: names, in the order of its outputs.
            dataset: theirs, or empty.

        Raises:
            BenchError: two classes have the same phrase, or the tokenizer is missing or does not fit the model.
        """
        phrases = [readable(name, dataset) for name in classes]
        _check_distinct(phrases, classes, model.source, "the same text", "rename one of them")
        made = replace(self, phrases=tuple(phrases))
        tokens = [_tokens(made, prompt, classes, model.source) for prompt in self.prompts]

        def network(device: torch.device) -> Network:
            return _Compared(_pretrained(self.folder), tokens).eval().to(device).described()

        return replace(model, classes=list(classes), outputs=len(classes), zero_shot=made, network=network)


def load(spec: str, folder: Path) -> ScoredModel:
    """The model of a folder whose ``model_type`` is one of :data:`KINDS`; it gets its classes later.

    Raises:
        BenchError: a configuration or preprocessor that is malformed.
    """
    plain = huggingface.read_any_config(folder, _FIX)
    kind = KINDS[plain["model_type"]]
    for part in ("", "text_config", "vision_config"):
        values = plain.get(part) if part else plain
        if part and values is not None and not isinstance(values, dict):
            raise BenchError(f"{folder / 'config.json'}: {part} is not a table of settings; {_FIX}")
        huggingface.check_size(values or {}, f"{folder / 'config.json'}{f', {part}' if part else ''}", _FIX)
    config = _read_config(folder)
    sampling, notes = _clips(folder, config, kind)
    text = spec.removeprefix(huggingface.PREFIX).rstrip("/")
    return ScoredModel(
        source=spec, kind=KIND, method=text.split("/")[-1] or folder.resolve().name, model=plain["model_type"],
        digest=_digest(folder), sampling=sampling, network=_no_classes(spec),
        notes=tuple(notes), trained_on=training_data.of_folder(folder, None),
        zero_shot=ZeroShot(folder=folder, config=config),
    )  # fmt: skip


def _digest(folder: Path) -> str:
    """Hex SHA-256 of the folder's weights and JSON files, and of the other files of its tokenizer."""
    names = sorted({name for group in _TOKENIZERS for name in group if not name.endswith(".json")})
    there = [folder / name for name in names if (folder / name).is_file()]
    told = "".join(f"{path.name}\x1f{sha256_file(path)}\n" for path in there)
    return hashlib.sha256(f"{huggingface.folder_digest(folder)}\n{told}".encode()).hexdigest()


def _no_classes(spec: str) -> Any:
    def network(device: torch.device) -> Network:
        raise BenchError(f"{spec}: compares videos with texts and has no classes of its own; give --classes FILE, or a "
                         "dataset or benchmark that has classes")  # fmt: skip

    return network


def _read_config(folder: Path) -> Any:
    from transformers import AutoConfig

    try:
        with huggingface.quiet():
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        return config if config.text_config and config.vision_config else None
    except Exception as error:  # a malformed configuration makes the library raise anything
        raise BenchError(
            f"{folder}: its configuration cannot be read ({huggingface.one_line(error)}); {_FIX}"
        ) from None


def _clips(folder: Path, config: Any, kind: Kind) -> tuple[ClipSampling, list[str]]:
    """The clips that the model takes, and a line per value that the folder does not state."""
    vision, notes = config.vision_config, []
    if kind.video:
        frames = vision.num_frames
    else:
        frames = FRAMES
        notes.append(f"it compares single pictures: the features of {FRAMES} frames of a clip are averaged")
    notes.append("frames are spread evenly over the whole video; no file states it")
    size = vision.image_size if config.model_type != "siglip2" else vision.patch_size * int(vision.num_patches**0.5)
    clip = {"frames": frames, "size": size, "even": True, "test_start": "first" if kind.first else "centre"}
    return picture_sampling(folder, kind.pictures, clip, notes), notes


def _pretrained(folder: Path) -> nn.Module:
    from transformers import AutoModel, AutoModelForZeroShotImageClassification

    kind = _read_config(folder).model_type
    auto = AutoModel if kind == "xclip" else AutoModelForZeroShotImageClassification
    network, missing, misfits = huggingface.read_network(folder, auto, _FIX)
    wanted = "of a model trained to compare pictures or videos with texts"
    huggingface.check_complete(network, missing, misfits, folder, wanted)
    return network


def _tokens(zero_shot: ZeroShot, prompt: str, classes: Sequence[str], source: str) -> dict[str, torch.Tensor]:
    """The tokens of every class in one prompt: int64 (classes, length) each.

    Raises:
        BenchError: there is no tokenizer, its tokens are not the model's, or a text is too long.
    """
    folder, text, kind = zero_shot.folder, zero_shot.config.text_config, KINDS[zero_shot.config.model_type]
    tokenizer, most = _tokenizer(folder), int(text.max_position_embeddings)
    texts = zero_shot.texts(prompt)
    try:
        with huggingface.quiet():
            rows: list[list[int]] = tokenizer(texts)["input_ids"]
            longest = max(range(len(rows)), key=lambda k: len(rows[k]))
            if len(rows[longest]) > most:
                raise BenchError(
                    f"--prompt {prompt!r}: the text of class {classes[longest]!r} has {len(rows[longest])} tokens, "
                    f"{source} takes at most {most}; give a shorter prompt"
                )
            filled = {"padding": "max_length", "max_length": most} if kind.padded else {"padding": True}
            made = tokenizer(texts, return_tensors="pt", **filled)
    except BenchError:
        raise
    except Exception as error:  # such as no token for padding
        reason = huggingface.one_line(error)
        raise BenchError(f"{folder}: its tokenizer does not work ({reason}); get the folder again") from None
    ids = made["input_ids"]
    fix = "the tokenizer is another model's; get the folder again"
    if int(ids.min()) < 0 or int(ids.max()) >= text.vocab_size:
        raise BenchError(f"{folder}: its tokenizer gives token {int(ids.max())}, it knows {text.vocab_size}; {fix}")
    if kind.ends:
        # X-CLIP and CLIP's older configurations (end 2) look for the largest number, the others for this token.
        legacy = zero_shot.config.model_type == "xclip" or text.eos_token_id == 2
        end = tokenizer.eos_token_id if legacy else text.eos_token_id
        if any(row.count(end) != 1 or (legacy and max(row) != end) for row in rows):
            raise BenchError(f"{folder}: its tokenizer does not end texts with the model's token {end}; {fix}")
    _check_distinct(list(map(tuple, rows)), classes, str(folder), "the same tokens", fix)
    return {name: made[name] for name in ("input_ids", "attention_mask") if name in made}


def _tokenizer(folder: Path) -> Any:
    """The folder's tokenizer. Without this check, the library makes an empty one where files are missing."""
    from transformers import AutoTokenizer

    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZERS):
        raise BenchError(
            f"{folder}: has no tokenizer (tokenizer.json, or vocab.json and merges.txt), which texts need; "
            "complete the folder"
        )
    try:
        with huggingface.quiet():
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # a damaged or malicious file can raise any exception
        raise BenchError(
            f"{folder}: its tokenizer cannot be read ({huggingface.one_line(error)}); get the folder again"
        ) from None


def _check_distinct(values: Sequence[Any], classes: Sequence[str], source: str, what: str, fix: str) -> None:
    seen: dict[Any, str] = {}
    for value, name in zip(values, classes, strict=True):
        if value in seen:
            raise BenchError(f"{source}: classes {seen[value]!r} and {name!r} have {what}; {fix}")
        seen[value] = name


class _Cosines(nn.Module):
    """Logits (B, classes) from normalised features of videos (B, D) and classes (classes, D) or (B, classes, D).

    A module of its own, so that a video's feature is found as the input of the head, as in any network.
    """

    def forward(self, videos: torch.Tensor, classes: torch.Tensor, scale: torch.Tensor | float) -> torch.Tensor:
        # In bf16, cosines times a scale of 100 would be wrong by several tenths.
        with torch.autocast(videos.device.type, enabled=False):
            cosines = torch.einsum("bd,cd->bc" if classes.ndim == 2 else "bd,bcd->bc", videos.float(), classes)
            return cosines * scale


class _Compared(nn.Module):
    """Clips to logits: float32 (B, 3, T, S, S) to (B, classes), scaled cosines of videos and texts.

    The feature of a class is the mean over prompts of the normalised features of its texts, normalised again. A model
    of single pictures does the same over frames: every frame counts the same, whatever the length of its feature, and
    the scale that the model has learnt for cosines still holds. (SigLIP was trained with a sigmoid per text; the
    softmax over classes has the same order.)
    """

    def __init__(self, network: nn.Module, tokens: Sequence[dict[str, torch.Tensor]]) -> None:
        super().__init__()
        self.network: Any = network
        self.kind: str = network.config.model_type  # type: ignore[union-attr,assignment]
        self.tokens = tokens
        self.head = _Cosines()
        self.texts: list[torch.Tensor] = []  # per prompt: (classes, D), as the network gives them
        self.classes = torch.empty(0)  # (classes, D), normalised

    @torch.no_grad()
    def described(self) -> "_Compared":
        """Itself, with the features of all texts, which are computed once."""
        device = next(self.network.parameters()).device
        self.texts = [torch.cat([self._described(part) for part in _parts(tokens, device)]) for tokens in self.tokens]
        self.classes = unit(torch.stack([unit(text) for text in self.texts]).mean(0))
        return self

    def _described(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        return _pooled(self.network.get_text_features(**tokens)).float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        clips = x.transpose(1, 2)  # theirs: (B, T, 3, S, S)
        classes = self.classes
        if self.kind == "xclip":
            videos, classes = self._xclip(clips)
        else:
            if self.kind == "videoprism":
                videos = unit(_pooled(self.network.get_video_features(pixel_values_videos=clips)).float().flatten(1))
            else:
                frames = self.network.get_image_features(**self._pictures(clips.flatten(0, 1)))
                videos = unit(unit(_pooled(frames).float()).unflatten(0, clips.shape[:2]).mean(1))
        scale = 1 / _VIDEOPRISM_TEMPERATURE if self.kind == "videoprism" else self.network.logit_scale.exp()
        logits: torch.Tensor = self.head(videos, classes, scale)
        return logits

    def _pictures(self, frames: torch.Tensor) -> dict[str, torch.Tensor]:
        """Pictures (n, 3, S, S) as the network takes them; SigLIP 2 takes patches (n, patches, pixels · 3)."""
        if self.kind != "siglip2":
            return {"pixel_values": frames}
        side: int = self.network.config.vision_config.patch_size
        across = frames.shape[-1] // side
        if across * side != frames.shape[-1]:
            raise ValueError(f"its patches have {side} pixels")
        cut = frames.unflatten(3, (across, side)).unflatten(2, (across, side))  # (n, 3, rows, side, columns, side)
        patches = cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
        return {
            "pixel_values": patches,
            "pixel_attention_mask": torch.ones(patches.shape[:2], dtype=torch.int32, device=frames.device),
            "spatial_shapes": torch.tensor([[across, across]] * len(frames), device=frames.device),
        }

    def _xclip(self, clips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of videos (B, D) and of classes for each video (B, classes, D).

        X-CLIP changes the features of texts for every video (its "video-specific prompting", Ni et al., ECCV 2022): as
        in the library's ``XCLIPModel.forward``, with texts computed once. ``clips``: (B, T, 3, S, S).
        """
        network, (batch, frames) = self.network, clips.shape[:2]
        seen = network.vision_model(pixel_values=clips.flatten(0, 1))
        each = network.visual_projection(seen.pooler_output).unflatten(0, (batch, frames))
        patches = network.prompts_visual_layernorm(seen.last_hidden_state[:, 1:]) @ network.prompts_visual_projection
        shown = patches.unflatten(0, (batch, frames)).mean(1)
        plain = [text.expand(batch, -1, -1) for text in self.texts]
        classes = [unit((text + network.prompts_generator(text, shown)).float()) for text in plain]
        return unit(_pooled(network.mit(each)).float()), unit(torch.stack(classes).mean(0))


def _parts(tokens: dict[str, torch.Tensor], device: torch.device) -> Iterator[dict[str, torch.Tensor]]:
    """The tokens of a few texts after those of others, on the device."""
    for start in range(0, len(tokens["input_ids"]), _AT_ONCE):
        yield {name: rows[start : start + _AT_ONCE].to(device) for name, rows in tokens.items()}


def unit(features: torch.Tensor) -> torch.Tensor:
    """Features (…, D) scaled to length 1."""
    return functional.normalize(features, dim=-1)


def _pooled(output: Any) -> torch.Tensor:
    """The feature in what the library returns, which depends on its version."""
    pooled: torch.Tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    return pooled
