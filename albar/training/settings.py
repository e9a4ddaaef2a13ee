"""What a training run is decided by: options of the command line, or one TOML file, over a preset's recipe."""

import dataclasses
import difflib
import math
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from albar.clips.clips import ClipSampling, sampling
from albar.methods import METHODS, PRESETS, make_method
from albar.models import MODELS, model_spec
from albar.training.optimizer import RECIPES, Recipe
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.text import read_text
from manifests import resource

PRECISIONS = ("auto", "float32", "tf32", "bf16")
RESIZES = ("plain", "antialias")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Settings of a run. None means: what the preset or the model says.

    Attributes:
        method: a name of :data:`albar.methods.METHODS`, or ``package.module:Name``.
        dataset, root, split, fold: what to train on, as in :func:`benchmark_builder.datasets.read_dataset`.
        model: a name of :data:`albar.models.MODELS`, or ``package.module:Name``; None: ``small3d`` for synthactions,
            else ``swin3d_t``.
        weights: None (random), a published set's name (``KINETICS400_V1``), or a file: weights, or a checkpoint of this
            toolkit (or its run's folder), whose head is kept where its classes are the dataset's.
        keep_head: refuse weights whose head is for another number of classes; else the head starts fresh, and that is
            said.
        preset: ``finetune`` or ``scratch``: recipe and method settings; None: ``finetune`` with weights,
            else ``scratch``.
        options: settings of the method to change, e.g. ``{"adv": 0.5}``.
        sampling: name of a clip sampling; None: the model's.
        clip: clip settings to change, e.g. ``{"frames": 16}``.
        epochs, batch, accumulate, optimiser, lr, backbone_lr, momentum, weight_decay, decay, warmup, warmup_from,
            schedule, by_epoch, milestones, gamma, clip_gradient: see :class:`albar.training.optimizer.Recipe`.
        seed: of every draw: initial weights, validation part, order, clips, dropout.
        limit: use only so many videos of the split, drawn from the seed.
        validation: share of the videos kept back to watch the run; they are never trained on and choose nothing. Clips
            of one UCF101 group (one filmed scene) stay together.
        validation_split: watch the dataset's own split of this name instead (``val``).
        masks: mask source of the methods that need actors, ``KIND`` or ``KIND:PATH``; None: the dataset's own default.
        places: file of a Places365 ResNet's weights, for methods that need scenes (synthactions knows its scenes).
        reference: folder of the 2-D reference run, for StillMix; None: runs/DATASET-reference2d-sSEED beside this run,
            trained first if absent.
        tau: StillMix's τ: the share of frames, those from which the reference guesses worst, that are left out of the
            bank; None: 0.1 in ``finetune``, 0.5 in ``scratch`` (published for Swin-T on HMDB51 from Kinetics' and from
            ImageNet's weights).
        bank: frames in StillMix's bank.
        bank_resize: how they are stretched to the clip: ``plain`` (bilinear of the nearest four pixels, as published)
            or ``antialias``; None: ``plain`` in ``finetune``, ``antialias`` in ``scratch``.
        score_every: the 2-D reference scores every so many frames of a video; published: all, on Kinetics each 20th.
        dropout: share of the features that the head does not see in training.
        out: the run's folder; None: runs/DATASET-METHOD-sSEED.
        workers: decoding processes, 0 for none; None: none on a CPU, one a core beside a GPU.
        cache_mb: keep all decoded frames in memory if they need no more than this.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, …
        precision: ``float32``, ``tf32``, ``bf16``, or ``auto``: bf16 on a GPU, else float32.
        compile: run the network through torch.compile; passes that are differentiated twice run as they are.
        save_steps: also write the state to resume from every so many steps; 0: after each epoch only.
        tensorboard: also log the metrics for TensorBoard.
        progress: show bars.
    """

    method: str = "albar"
    dataset: str = "synthactions"
    root: Path | None = None
    split: str = "train"
    fold: int = 1
    model: str | None = None
    weights: str | None = None
    keep_head: bool = False
    preset: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    sampling: str | None = None
    clip: dict[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    batch: int | None = None
    accumulate: int | None = None
    optimiser: str | None = None
    lr: float | None = None
    backbone_lr: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    decay: str | None = None
    warmup: float | None = None
    warmup_from: float | None = None
    schedule: str | None = None
    by_epoch: bool | None = None
    milestones: tuple[float, ...] | None = None
    gamma: float | None = None
    clip_gradient: float | None = None
    seed: int = 0
    limit: int | None = None
    validation: float = 0.1
    validation_split: str | None = None
    masks: str | None = None
    places: Path | None = None
    reference: Path | None = None
    tau: float | None = None
    bank: int = 1024
    bank_resize: str | None = None
    score_every: int = 1
    dropout: float = 0.0
    out: Path | None = None
    workers: int | None = None
    cache_mb: int = 1024
    device: str = "auto"
    precision: str = "auto"
    compile: bool = False
    save_steps: int = 0
    tensorboard: bool = True
    progress: bool = True

    def __post_init__(self) -> None:
        for name in _KINDS:
            try:
                object.__setattr__(self, name, _of_kind(name, getattr(self, name)))
            except ValueError as error:
                raise BenchError(f"--{name.replace('_', '-')} is {getattr(self, name)!r}; it takes {error}") from None
        if self.limit is not None and self.limit < 1:
            raise BenchError(f"--limit is {self.limit}; it must be at least 1")
        for name, most in (("workers", 1024), ("save_steps", 10**9), ("cache_mb", 10**9)):
            if not 0 <= (getattr(self, name) or 0) <= most:
                raise BenchError(
                    f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be a whole number from 0 to {most}"
                )
        if not 0 <= self.validation < 1:
            raise BenchError(
                f"--validation is {self.validation}; it is a share of the training videos, from 0 to below 1"
            )
        if self.tau is not None and not 0 <= self.tau < 1:
            raise BenchError(f"--tau is {self.tau}; it is a share of the frames, from 0 to below 1")
        for name in ("bank", "score_every"):
            if getattr(self, name) < 1:
                raise BenchError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.bank_resize not in (None, *RESIZES):
            raise BenchError(f"bank_resize is {self.bank_resize!r}; choose from {', '.join(RESIZES)}")
        if not 0 <= self.dropout < 1:
            raise BenchError(f"dropout is {self.dropout}; it is a share of the features, from 0 to below 1")
        if self.preset is not None and self.preset not in PRESETS:
            raise BenchError(f"unknown preset {self.preset!r}; choose from {', '.join(PRESETS)}")
        if self.precision not in PRECISIONS:
            raise BenchError(f"unknown --precision {self.precision!r}; choose from {', '.join(PRECISIONS)}")
        METHODS.split(self.method)
        model_spec(self.model_name)
        _ = self.recipe  # its values are checked where it is made

    @property
    def model_name(self) -> str:
        return self.model or ("small3d" if self.dataset == "synthactions" else "swin3d_t")

    @property
    def preset_name(self) -> str:
        return self.preset or ("finetune" if self.weights else "scratch")

    @property
    def recipe(self) -> Recipe:
        """The preset's, with what was set here instead."""
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(Recipe)}
        return dataclasses.replace(RECIPES[self.preset_name], **{k: v for k, v in own.items() if v is not None})

    @property
    def clip_sampling(self) -> ClipSampling:
        chosen = self.sampling or model_spec(self.model_name).sampling
        if chosen is None:
            raise BenchError(f"--model {self.model_name}: does not say how its clips are cut; pass --sampling NAME, or "
                             "give it an attribute sampling")  # fmt: skip
        return sampling(chosen).replaced(self.clip)

    @property
    def folder(self) -> Path:
        return self.out or default_folder(self.dataset, self.method, self.seed)


def default_folder(dataset: str, method: str, seed: int) -> Path:
    """Where a run lies by convention."""
    return Path("runs") / f"{safe_name(dataset)}-{safe_name(method)}-s{seed}"


def recipes() -> list[str]:
    """The training recipes that ship in manifests/training, by name."""
    return sorted(p.name.removesuffix(".toml") for p in resource("training").iterdir() if p.name.endswith(".toml"))


def read_config(path: Path, method: str | None = None) -> dict[str, Any]:
    """Settings of one run from a TOML file whose keys are :class:`TrainSettings`'s, with tables ``[options]``,
    ``[clip]`` and ``[method.NAME]``: what holds for that method alone.

    Args:
        path: the file, or a name of :func:`recipes`. Relative paths in it count from its folder.
        method: whose table to take.

    Raises:
        BenchError: no such file, not TOML, an unknown key (with the nearest known one) or a value of another kind.
    """
    found = _read_toml(path)
    if isinstance(found.get("method"), str):
        return {name: _checked(name, value, path) for name, value in found.items()}
    shared, by_method = read_configs(path)
    return _merged(shared, by_method.get(method or "", {}))


def read_configs(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """As :func:`read_config` for several methods: what they share, and the table of each."""
    found = _read_toml(path)
    tables = found.pop("method", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise BenchError(f"{path}: method is {tables!r}; write tables [method.NAME], NAME being a method's")
    for name in tables:
        if not METHODS.names_one(name):
            raise BenchError(f"{path}: a table for the unknown method {name!r}; choose from {', '.join(METHODS)}")
    shared = {name: _checked(name, value, path) for name, value in found.items()}
    return shared, {m: {k: _checked(k, v, path) for k, v in table.items()} for m, table in tables.items()}


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``changes`` over ``base``; tables are merged by key."""
    merged = dict(base)
    for name, value in changes.items():
        merged[name] = {**merged.get(name, {}), **value} if isinstance(value, Mapping) else value
    return merged


def _read_toml(path: Path) -> dict[str, Any]:
    shipped = str(path) in recipes() and not path.is_file()
    fix = f"give a TOML file of settings, or one of {', '.join(recipes())}"
    if not (shipped or path.exists()):
        raise BenchError(f"{path}: not readable (no such file); {fix}")
    try:
        text = resource("training", f"{path}.toml").read_text("utf-8") if shipped else read_text(path, "settings", fix)
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number without end
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BenchError(f"{path}: not TOML ({reason}); correct it there") from None


def _checked(name: str, value: Any, path: Path) -> Any:
    if name not in _KINDS:
        near = difflib.get_close_matches(name, _KINDS, 1)
        raise BenchError(
            f"{path}: unknown setting {name!r}; {f'did you mean {near[0]!r}?' if near else 'leave it out'}"
        )
    try:
        made = _of_kind(name, value)
    except ValueError as error:
        raise BenchError(f"{path}: {name} is {value!r}; it takes {error}") from None
    return path.parent / made if isinstance(made, Path) else made


def _kinds(kind: Any) -> frozenset[Any]:
    parts = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    return frozenset(typing.get_origin(part) or part for part in parts)


# setting -> the types that it may have
_KINDS = {name: _kinds(kind) for name, kind in typing.get_type_hints(TrainSettings).items()}


def _of_kind(name: str, value: Any) -> Any:
    """A setting's value in its own type: whole numbers become numbers, text a path where one is wanted.

    Raises:
        ValueError: it has another type; the message says what it takes.
    """
    allowed = _KINDS[name]
    if value is None and types.NoneType in allowed:
        return None
    if dict in allowed and isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
        return dict(value)
    if isinstance(value, str | Path) and str(value) and "\0" not in str(value):
        if Path in allowed:
            return Path(value)
        if str in allowed:
            return str(value)
    if tuple in allowed and isinstance(value, list | tuple) and all(type(v) in (int, float) for v in value):
        return tuple(map(_number, value))
    if float in allowed and type(value) in (int, float):
        return _number(value)
    if type(value) in allowed and type(value) in (int, bool):
        return value
    raise ValueError(_words(allowed))


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if value > 0 else -math.inf


def _words(kinds: Iterable[Any]) -> str:
    words = {int: "a whole number", float: "a number", str: "a word", bool: "true or false", dict: "a table"}
    words |= {Path: "a path in quotes", tuple: "a list of numbers"}
    return " or ".join(sorted(words[k] for k in kinds if k in words))


def make_settings(config: Path | None, given: Mapping[str, Any], source: Path | None = None) -> TrainSettings:
    """Settings from a file or a shipped recipe, what is ``given`` (None: not given) taking precedence; tables are
    merged by key. Errors name the file, or ``source``, the file that ``given`` was read from."""
    base = read_config(config, given.get("method")) if config is not None else {}
    merged = _merged(base, {name: value for name, value in given.items() if value is not None})
    try:
        settings = TrainSettings(**_as_the_weights_say(merged))
        make_method(settings.method, settings.preset_name, settings.options)
        _ = settings.clip_sampling
    except BenchError as error:
        named = config or source
        raise (error if named is None else BenchError(f"{named}, with what the command line adds: {error}")) from None
    return settings


def _as_the_weights_say(given: dict[str, Any]) -> dict[str, Any]:
    """Where the weights are a checkpoint of this toolkit: its network and its clips, unless others are named."""
    weights = given.get("weights")
    if not isinstance(weights, str) or {"model", "sampling"} <= given.keys():
        return given
    if not Path(weights).exists() or not isinstance(given.get("clip", {}), dict):
        return given
    from albar.checkpoint import own_checkpoint

    own = own_checkpoint(Path(weights))
    if own is None or own.model not in MODELS.names() or given.get("model", own.model) != own.model:
        return given
    made = {**given, "model": own.model}
    if "sampling" not in given:  # what differs from the network's usual clips
        usual = sampling(model_spec(own.model).sampling or own.sampling).to_dict()
        own_clip = {k: v for k, v in own.sampling.to_dict().items() if k not in usual or v != usual[k]}
        made["clip"] = own_clip | given.get("clip", {})
    return made
