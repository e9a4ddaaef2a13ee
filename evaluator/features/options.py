"""The settings of `bench features`: types, ranges, choices, defaults and help, for the command and for Python."""

from typing import Any, Literal, Self

from pydantic import model_validator

from benchmark_builder.settings import EngineSettings
from benchmark_builder.utils.options import PathSetting, SettingsModel, Word, like, setting
from evaluator.features.presets import DEFAULTS, PRESETS, Last
from evaluator.options import EvalOptions

Format = Literal["npy", "rtfm", "urdmu", "actionformer", "opentad"]


class FeaturesOptions(SettingsModel):
    """How features are extracted. None: what the preset says, otherwise the default.

    Attributes:
        preset: a published protocol, which sets the next seven.
        window, stride: in frames. last: which windows there are at the end of a video. fps: frames per second that
            videos are brought to. crops, crop: see :mod:`evaluator.features.cropping`. format: of the files.
        layer: ``head`` (what goes into the head), or a module whose output is taken.
        task: of a dataset that is annotated for several; None: all of them.
        batch, device, precision: of the network. workers: processes, each with a network; 0: this one; None: one per
            core, or a single one with a GPU.
        limit: only the first videos of each split. prefix: what lists for others' code have before
            the names of files; None: the absolute path of the folder.
    """

    preset: Literal["rtfm", "mgfn", "urdmu", "i3d-thumos", "videomaev2", "opentad"] | None = setting(
        None, "A published protocol, for the seven options below that are not given: rtfm and mgfn (16 frames, ten "
        "crops, full windows), urdmu (the same from 340x256, the last window is filled up), i3d-thumos (16 frames, "
        "stride 4, 30 fps), videomaev2 and opentad (16 frames, stride 4, whole picture).",
    )  # fmt: skip
    window: int | None = setting(None, "Frames of a window.", of="frames", ge=1, le=10**6, shown="16")
    stride: int | None = setting(None, "Frames from one window to the next.", of="frames", ge=1, le=10**6, shown="16")
    last: Last | None = setting(
        None, "Windows at the end of a video. floor: full ones only; ceil: also one that repeats the last frame.",
        shown="ceil",
    )  # fmt: skip
    fps: float | None = setting(
        None, "Bring videos to this frame rate, by repeating and leaving out frames.", of="frames per second", gt=0,
        le=1000, shown="each video's own",
    )  # fmt: skip
    crops: int | None = setting(
        None, "Crops of each window: 1 (the centre), 3, or 10 (corners, centre, mirrored).", ge=1, le=10, shown="1"
    )
    crop: Literal["model", "squash", "340x256"] | None = setting(
        None, "What crops are cut from. model: the picture as the model's tests have it; squash: all of it, as a "
        "square; 340x256: stretched to that, crops of 224.", shown="model",
    )  # fmt: skip
    format: Format | None = setting(
        None, "Format of the files. npy: (T, D) or (T, crops, D); rtfm: (T, crops, D), lists, ground truth; urdmu: a "
        "file per crop, lists, ground truth; actionformer, opentad: (T, D), json, yaml.", shown="npy",
    )  # fmt: skip
    layer: Word = setting(
        "head", "head: what goes into the layer that gives the logits; or the name of a module, whose output is "
        "averaged over time and space.",
    )  # fmt: skip
    task: Literal["anomaly", "localization"] | None = setting(
        None, "Of a dataset that is annotated for both: only this one.", shown="all that it has"
    )
    batch: int = like(EvalOptions, "batch", 16)
    workers: int | None = setting(
        None, "Processes, each of which decodes and has a copy of the network; 0: the main one, if called from Python. "
        "With --engine ray: at most so many per machine.", shown="one per core; with a GPU: 1", of="processes", ge=0,
        le=256,
    )  # fmt: skip
    device: Word = like(EvalOptions, "device", "auto")
    precision: Literal["auto", "float32", "bf16"] = setting("auto", "auto: bf16 on a GPU, float32 elsewhere.")
    limit: int | None = setting(None, "Only the first N videos of each split, for a quick test.", of="videos", ge=1)
    prefix: str | None = setting(
        None, "Put before the names of files in lists for others' code.", shown="the absolute path of --out"
    )
    progress: bool = like(EvalOptions, "progress", True)

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        crops, crop = self.value("crops"), self.value("crop")
        if crops not in (1, 3, 10):
            raise self.wrong("crops", crops, "choose from 1, 3, 10")
        if crop == "squash" and crops > 1:
            raise self.wrong("crops", crops, "does not go with --crop squash, which shows the whole picture; give 1")
        return self

    def value(self, name: str) -> Any:
        """The value of a setting that a preset may set."""
        given = getattr(self, name)
        if given is not None:
            return given
        return (DEFAULTS | (PRESETS[self.preset] if self.preset else {}))[name]


class FeaturesRun(EngineSettings):
    """How the extraction runs; these settings never change a feature."""

    workers: int | None = like(FeaturesOptions, "workers", shown="one per core; with a GPU: 1")


class FeaturesFiles(SettingsModel):
    """Which videos, and where the features go."""

    dataset: Word = setting(
        "folder", "Dataset of untrimmed videos: ucf-crime, thumos14, synthlong, folder (your own videos, without "
        "annotations), or package.module:reader.",
    )  # fmt: skip
    root: PathSetting | None = setting(None, "The dataset's folder.", shown="$BENCH_DATA/DATASET")
    split: Literal["train", "validation", "test", "all"] = setting("all", "train, validation, test or all.")
    out: PathSetting | None = setting(None, "Folder for the features.", shown="features/DATASET-MODEL")
