"""The settings of a training run: command line options or a TOML file, which change the recipe of a preset."""

import importlib.util
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from albar.parts import MODELS
from albar.stillmix_settings import BankSettings
from albar.training.recipe import PROBE, Milestones, Recipe, preset_values, presets_of
from benchmark_builder.parts import DATASETS
from benchmark_builder.settings import PartSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import PathSetting, SettingsModel, Table, Word, like, setting
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.text import read_text, shown
from manifests import resource

if TYPE_CHECKING:
    from albar.clips.clips import ClipSampling

LAST, BEST, EVERY = "last", "best", "every"  # epochs whose weights can be kept
VALIDATION = 0.1  # share of the training videos that is kept for validation, unless the user says otherwise
# The trackers of accelerate; each has the name of the package that it needs.
TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio", "swanlab", "comet_ml", "clearml", "aim", "dvclive")
NO_TRACKER = "none"
LONGEST_NAME = 100  # characters of a dataset's name
EXACT, TORCHCODEC = "exact", "torchcodec"  # of ``decode``
METHOD, CLIPS, RUNNING = "Method", "Clips", "Running"  # headings in --help


def own(name: str) -> Any:
    """A field of the recipe; None: the preset's value, which `--help` shows."""
    return like(Recipe, name, shown=preset_values(name))


def _listed(value: Any) -> Any:
    """A list of words, as in TOML, as one text with commas."""
    return ",".join(value) if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value) else value


def _words(value: str) -> list[str]:
    """The words of a text with commas, each once."""
    words = list(dict.fromkeys(word.strip() for word in value.split(",")))
    if not all(words):
        raise ValueError
    return words


def _keep(value: str) -> str:
    words = _words(value)
    steps = [word for word in words if word not in (LAST, BEST)]
    if len(steps) > 1 or not all(re.fullmatch(rf"{EVERY}:[1-9][0-9]{{0,5}}", word) for word in steps):
        raise ValueError
    return ",".join(words)


def _trackers(value: str) -> str:
    words = _words(value)
    if not set(words) <= {*TRACKERS, NO_TRACKER} or (NO_TRACKER in words and len(words) > 1):
        raise ValueError
    return ",".join(words)


Keep = Annotated[str, BeforeValidator(_listed), AfterValidator(_keep)]
Track = Annotated[str, BeforeValidator(_listed), AfterValidator(_trackers)]


class TrainSettings(BankSettings):
    """Settings of a run. None means the value of the preset or the model.

    Attributes:
        method: a name of :data:`albar.methods.METHODS`, or ``package.module:Name``.
        dataset, root, split, fold: the training data, as in :func:`benchmark_builder.datasets.read_dataset`.
        name: what the user's own data are called in folders and leaderboards; None: as ``dataset``.
        model: a name of :data:`albar.models.MODELS`, or ``package.module:Name``; None: ``small3d`` for synthactions,
            otherwise ``swin3d_t``.
        weights: None (random), the name of published weights (``KINETICS400_V1``), or a file: weights, or a
            checkpoint of this toolkit (or its run's folder). The head of a checkpoint is kept if its classes are the
            dataset's.
        keep_head: refuse weights whose head has another number of classes; if False, such a head is replaced by a
            new one, with a message.
        preset: ``finetune``, ``scratch`` or ``pretrained``: recipe and method settings; None: ``finetune`` with
            weights, otherwise ``scratch``.
        options: changed settings of the method, e.g. ``{"adv": 0.5}``.
        sampling: name of a clip sampling; None: the model's.
        clip: changed clip settings, e.g. ``{"frames": 16}``.
        epochs, batch, accumulate, optimiser, lr, lr_clips, backbone_lr, momentum, weight_decay, decay, warmup,
            warmup_from, schedule, by_epoch, milestones, gamma, clip_gradient: see
            :class:`~albar.training.recipe.Recipe`.
        seed: seed of all random draws: initial weights, validation part, order, clips, dropout.
        subset: use only the videos that a list of ids names, as
            :func:`~benchmark_builder.datasets.subset.read_subset` takes it.
        limit: number of videos of the split (and subset) to use, drawn with the seed; None: all.
        validation: share of the videos kept for validation. They are not used for training, and nothing is selected by
            the validation results, except with ``keep``. Clips of one UCF101 group (one filmed scene) stay together.
            None: 0.1, or where the dataset's folder has a part for validation of its own, that part.
        validation_split: use this split of the dataset for validation instead (``val``).
        keep: the epochs whose weights are kept, with commas: ``last``; ``best``, the one with the highest accuracy on
            the validation videos (of equal ones, the first); ``every:N``, each N-th. The checkpoint model.ckpt is the
            first of ``last`` and ``best`` in this list (``last`` if there is neither), the other is last.ckpt or
            best.ckpt, and those of ``every:N`` are epoch-0005.ckpt and so on.
        keep_state: keep the state to resume from after the end, which ``epochs`` can then be raised with.
        masks: mask source for methods that need actors, ``KIND`` or ``KIND:PATH``; None: the dataset's default.
        places: file of a Places365 ResNet's weights, for methods that need scenes (the scenes of synthactions are
            known).
        reference, tau, bank, bank_resize, score_every: for StillMix, see
            :class:`albar.stillmix_settings.BankSettings`.
        features: folder for the features that a probe computes, which several runs can share; None: the folder
            ``features`` next to the run's folder.
        dropout: share of the features that are dropped before the head in training.
        out: the run's folder; None: runs/DATASET-METHOD-sSEED.
        workers: decoding processes, 0 for none; None: none on a CPU, one per core with a GPU.
        cache_mb: keep all decoded frames in memory if they need at most so many megabytes.
        decode: ``exact``, or ``torchcodec`` for training clips (:mod:`albar.data.torchcodec_clips`).
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, …
        precision: ``float32``, ``tf32``, ``bf16``, or ``auto``: bf16 on a GPU, else float32.
        compile: use torch.compile for the network; passes that are differentiated twice are not compiled.
        save_steps: number of steps after which the state to resume from is also saved; 0: after each epoch only.
        tensorboard: also log the metrics for TensorBoard, in the run's folder; no if ``track`` names others.
        track: trackers that get the metrics, with commas, see :data:`TRACKERS`; None: only as ``tensorboard`` says.
        progress: show bars.
    """

    method: Word = setting("albar", "The training method.")
    dataset: Word = setting("synthactions", "What to train on; synthactions is rendered first if missing.")
    root: PathSetting | None = setting(None, "Its folder.", shown="$BENCH_DATA/DATASET")
    name: Word | None = setting(
        None, "What your own data are called in leaderboards and in the name of the run's folder.", shown="as --dataset"
    )
    split: Word = setting("train", "Which split.")
    fold: int = setting(1, "Number of the official split, from 1.", ge=1)
    model: Word | None = setting(
        None,
        f"{MODELS.help()}, or hf:FOLDER_OR_NAME.",
        shown="small3d for synthactions, else swin3d_t",
        panel=CLIPS,
    )
    weights: Word | None = setting(
        None,
        "Name of published weights (KINETICS400_V1), or a file: weights, or a model.ckpt of an earlier run, which also "
        "sets --model and --clip.",
        panel=CLIPS,
    )
    keep_head: bool = setting(
        False,
        "Refuse weights whose head has another number of classes.",
        shown="such a head is replaced",
        flag="--keep-head/--fresh-head",
        panel=CLIPS,
    )
    preset: Literal["finetune", "scratch", "pretrained"] | None = setting(
        None,
        "finetune (as published), scratch, or pretrained (small networks from weights such as those of `bench compare "
        "--pretrain`: docs/pretrain.md).",
        shown="by --weights",
        panel=METHOD,
    )
    options: Table = setting(
        {},
        "A setting of the method, NAME=VALUE, e.g. adv=0.5; may be given several times. `bench train METHOD --help` "
        "lists them.",
        flag="--set",
        panel=METHOD,
    )
    sampling: Word | None = setting(None, "How clips are cut.", shown="the model's", panel=CLIPS)
    clip: Table = setting(
        {}, "A setting of the clips, NAME=VALUE, e.g. frames=16 or flip=0.5; may be given several times.", panel=CLIPS
    )
    epochs: int | None = own("epochs")
    batch: int | None = own("batch")
    accumulate: int | None = own("accumulate")
    optimiser: Literal["adamw", "sgd"] | None = own("optimiser")
    lr: float | None = own("lr")
    lr_clips: int | None = own("lr_clips")
    backbone_lr: float | None = own("backbone_lr")
    momentum: float | None = own("momentum")
    weight_decay: float | None = own("weight_decay")
    decay: Literal["all", "weights", "mmcv"] | None = own("decay")
    warmup: float | None = own("warmup")
    warmup_from: float | None = own("warmup_from")
    schedule: Literal["cosine", "step", "constant"] | None = own("schedule")
    by_epoch: bool | None = own("by_epoch")
    milestones: Milestones | None = own("milestones")
    gamma: float | None = own("gamma")
    clip_gradient: float | None = own("clip_gradient")
    seed: int = setting(0, "Seed of every random draw.")
    subset: str | None = like(PartSettings, "subset")
    limit: int | None = setting(None, "Train on so many videos only, drawn from the seed.", of="videos", ge=1)
    validation: float | None = setting(
        None, "Share of the training videos used for validation only.", of="share", ge=0, lt=1,
        shown=f"{VALIDATION}, or the folder val of your own data",
    )  # fmt: skip
    validation_split: Word | None = setting(None, "Validate on this split of the dataset instead, e.g. val.")
    keep: Keep = setting(
        LAST, "Weights of which epochs are kept: last, best (on the validation videos), every:N, or several: "
        "best,last,every:10. model.ckpt is the first of best and last.",
        give="last, best, every:N with N from 1, or several of them with commas", metavar="last|best|every:N,...",
    )  # fmt: skip
    keep_state: bool = setting(
        True, "Keep the state to resume from (last.pt, about three times the network) after the end; --epochs can "
        "then be raised.",
    )  # fmt: skip
    masks: Word | None = setting(
        None,
        "Actors for actorcutmix and sdn, KIND or KIND:PATH as in `bench build`.",
        shown="the dataset's",
        panel=METHOD,
    )
    places: PathSetting | None = setting(
        None, "Weights of a Places365 ResNet: scenes for sdn and devias.", panel=METHOD
    )
    features: PathSetting | None = setting(
        None,
        "Folder for the features that probe computes once; several runs can share it.",
        shown="features, next to the run's folder",
        panel=METHOD,
    )
    dropout: float = setting(0.0, "Share of the features dropped before the head.", of="share", ge=0, lt=1)
    out: PathSetting | None = setting(None, "The run's folder.", shown="runs/DATASET-METHOD-sSEED")
    workers: int | None = setting(
        None, "Decoding processes.", shown="none on a CPU", of="processes", ge=0, le=1024, panel=RUNNING
    )
    cache_mb: int = setting(1024, "Keep all decoded frames in memory up to so many megabytes.", ge=0, le=10**9)
    decode: Literal["exact", "torchcodec"] = setting(
        EXACT,
        "What decodes the training videos. exact: this toolkit, every frame as it is. torchcodec: that library "
        "(pip install 'albar-bench[torchcodec]'), on the GPU if the run has one; its pixels differ a little, and "
        "validation stays exact.",
        panel=RUNNING,
    )
    device: Word = setting("auto", "auto, cpu, cuda, cuda:1 …", panel=RUNNING)
    precision: Literal["auto", "float32", "tf32", "bf16"] = setting("auto", "auto: bf16 on a GPU.", panel=RUNNING)
    compile: bool = setting(False, "Through torch.compile.", panel=RUNNING)
    save_steps: int = setting(
        0, "Also save the state after so many steps; 0: each epoch only.", of="steps", ge=0, le=10**9, panel=RUNNING
    )
    tensorboard: bool = setting(True, "Log for TensorBoard, in the run's folder.", panel=RUNNING)
    track: Track | None = setting(
        None, f"Trackers of the metrics, with commas: {', '.join(TRACKERS)}; none. Some send the metrics to their "
        "service, as wandb does unless WANDB_MODE=offline.",
        give=f"one or more of {', '.join(TRACKERS)} with commas, or {NO_TRACKER}", metavar="NAME,...",
        shown="tensorboard, unless --no-tensorboard; nothing is sent anywhere", panel=RUNNING,
    )  # fmt: skip
    progress: bool = setting(True, "Show progress bars.")

    @model_validator(mode="after")
    def _known(self) -> Self:
        from albar.methods import METHODS
        from albar.models import model_spec

        METHODS.split(self.method)
        model_spec(self.model_name)
        if self.keep != LAST and self.method == PROBE:
            raise self.wrong(
                "keep", self.keep, f"is not for {PROBE}: its heads are chosen by the validation videos anyway"
            )
        if BEST in self.kept and self.validation == 0 and self.validation_split is None:
            raise self.wrong(
                "keep", self.keep, "best needs validation videos; give --validation above 0 or --validation-split"
            )
        for name in self.trackers if self.track else ():
            if importlib.util.find_spec(name) is None:
                package = name.replace("_", "-")
                raise self.wrong(
                    "track", name, f"needs the package {package}; `pip install {package}`, or leave it out"
                )
        if self.decode == TORCHCODEC:
            if self.method == PROBE:
                raise self.wrong("decode", self.decode, f"is not for {PROBE}, whose features are computed exactly")
            from albar.data.torchcodec_clips import problem

            if (said := problem()) is not None:
                raise self.wrong("decode", self.decode, said)
        if self.name is not None and not (self.name.isprintable() and len(self.name) <= LONGEST_NAME):
            raise self.wrong("name", shown(self.name), f"give at most {LONGEST_NAME} printable characters")
        if self.name is not None and self.name != self.dataset and self.name in DATASETS.names():
            raise self.wrong("name", self.name, "is a dataset of this toolkit, whose rows it would join; take another")
        return self

    @property
    def kept(self) -> list[str]:
        """The words of ``keep``."""
        return self.keep.split(",")

    @property
    def kept_in_model(self) -> str:
        """Which epoch's weights model.ckpt has: ``last`` or ``best``."""
        return next((word for word in self.kept if word in (LAST, BEST)), LAST)

    @property
    def kept_every(self) -> int | None:
        """After how many epochs each a checkpoint is kept; None: they are not."""
        return next((int(word.partition(":")[2]) for word in self.kept if word.startswith(EVERY)), None)

    @property
    def trackers(self) -> list[str]:
        """The names of the trackers; see :data:`TRACKERS`."""
        if self.track is None:
            return ["tensorboard"] if self.tensorboard else []
        return [] if self.track == NO_TRACKER else self.track.split(",")

    @property
    def validation_share(self) -> float:
        """The share of the training videos that is kept for validation."""
        return VALIDATION if self.validation is None else self.validation

    @property
    def model_name(self) -> str:
        return self.model or ("small3d" if self.dataset == "synthactions" else "swin3d_t")

    @property
    def preset_name(self) -> str:
        return self.preset or ("finetune" if self.weights else "scratch")

    @property
    def recipe(self) -> Recipe:
        """The preset's recipe with the values that are set here."""
        own = {name: getattr(self, name) for name in Recipe.setting_names()}
        base = presets_of(self.method)[self.preset_name]
        return base.replaced(**{k: v for k, v in own.items() if v is not None})

    @property
    def named_sampling(self) -> "ClipSampling":
        """The clip sampling before ``clip`` changes it."""
        from albar.clips.clips import sampling
        from albar.models import model_spec

        chosen = self.sampling or model_spec(self.model_name).sampling
        if chosen is None:
            raise BenchError(f"--model {self.model_name}: does not say how its clips are cut; pass --sampling NAME, or "
                             "give it an attribute sampling")  # fmt: skip
        return sampling(chosen)

    @property
    def clip_sampling(self) -> "ClipSampling":
        return self.named_sampling.replaced(self.clip)

    @property
    def folder(self) -> Path:
        return self.out or default_folder(self.name or self.dataset, self.method, self.seed)


class ConfigFile(SettingsModel):
    """Option for a file of settings."""

    config: PathSetting | None = setting(
        None,
        "TOML file of these options (underscores for hyphens, tables [options], [clip] and [method.NAME]), or a "
        "published recipe by name: swin-t-kinetics-hmdb51, albar-paper-hmdb51, … (manifests/training). The command "
        "line's own take precedence.",
    )


def default_folder(dataset: str, method: str, seed: int) -> Path:
    """The default folder of a run."""
    return Path("runs") / f"{safe_name(dataset)}-{safe_name(method)}-s{seed}"


def recipes() -> list[str]:
    """The training recipes that ship in manifests/training, by name."""
    return sorted(p.name.removesuffix(".toml") for p in resource("training").iterdir() if p.name.endswith(".toml"))


def read_config(path: Path, method: str | None = None) -> dict[str, Any]:
    """Settings of one run from a TOML file. Its keys are those of :class:`TrainSettings`, with tables ``[options]``,
    ``[clip]`` and ``[method.NAME]``; the last is used for that method only.

    Args:
        path: the file, or a name of :func:`recipes`. Relative paths in it are relative to its folder.
        method: the method whose table is used.

    Raises:
        BenchError: the file is missing or not TOML, has an unknown key (the error names the nearest known one), or a
            value of another type.
    """
    found = _read_toml(path)
    if isinstance(found.get("method"), str):
        return {name: _checked(name, value, path) for name, value in found.items()}
    shared, by_method = read_configs(path)
    return _merged(shared, by_method.get(method or "", {}))


def read_configs(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """As :func:`read_config`, for several methods: their shared settings, and the table of each method."""
    from albar.methods import METHODS

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
    except (ValueError, RecursionError) as error:  # ValueError: also for a number with too many digits
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BenchError(f"{path}: not TOML ({reason}); correct it there") from None


def _checked(name: str, value: object, path: Path) -> object:
    made = TrainSettings.value_in_file(name, value, path)
    return path.parent / made if isinstance(made, Path) else made


def make_settings(config: Path | None, given: Mapping[str, Any], source: Path | None = None) -> TrainSettings:
    """Settings from a file or a shipped recipe; values in ``given`` (None: not given) take precedence, and tables are
    merged by key. Errors name the file, or ``source``, the file from which ``given`` was read."""
    from albar.methods import make_method

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
    """If the weights are a checkpoint of this toolkit: its network and clip settings, unless others are given."""
    weights = given.get("weights")
    if not isinstance(weights, str) or {"model", "sampling"} <= given.keys():
        return given
    if not Path(weights).exists() or not isinstance(given.get("clip", {}), dict):
        return given
    from albar.checkpoint import own_checkpoint
    from albar.clips.clips import sampling
    from albar.models import MODELS, model_spec

    own = own_checkpoint(Path(weights))
    if own is None or own.model not in MODELS.names() or given.get("model", own.model) != own.model:
        return given
    made = {**given, "model": own.model}
    if "sampling" not in given:  # take the clip settings that differ from the network's usual ones
        usual = sampling(model_spec(own.model).sampling or own.sampling).to_dict()
        own_clip = {k: v for k, v in own.sampling.to_dict().items() if k not in usual or v != usual[k]}
        made["clip"] = own_clip | given.get("clip", {})
    return made
