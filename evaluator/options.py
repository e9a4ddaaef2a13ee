"""How a model is scored: one source of types, ranges, choices, defaults and help for `bench eval` and Python."""

from typing import Literal

from pydantic import Field

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import PathSetting, SettingsModel, Table, Word, setting


class ModelOptions(SettingsModel):
    """What a user says of a model; None and empty mean: as the model says.

    Attributes:
        model: ``package.module:Name`` of a checkpoint's network, if that is the user's own.
        weights: of a network that is given by name: a file, or a published set's name.
        classes: a file of class names, one per line, in the order of the model's outputs.
        method: what to call it in the leaderboard.
        sampling: name of a clip sampling.
        clip: clip settings to change, e.g. ``{"stride": 4}``.
        views, crops: test clips per video and crops per clip, see :class:`~albar.clips.clips.ClipSampling`.
        trust: load a file that can run its author's code.
    """

    model: Word | None = setting(
        None, "package.module:Name of a checkpoint's network, where that is your own; its code is run then."
    )
    weights: Word | None = setting(None, "Of a network given by name: a file, or a published set (KINETICS400_V1).")
    classes: PathSetting | None = setting(
        None, "Class names of the model's outputs, one per line.", shown="the model's own, else the benchmark's"
    )
    method: str | None = setting(None, "What to call it in the leaderboard.", shown="its own")
    sampling: Word | None = setting(None, "How clips are cut: albar-32x2-224, stillmix-4x3, …", shown="the model's")
    clip: Table = setting({}, "Settings of the clips.")
    views: int | None = setting(None, "Clips per video, evenly in time; softmax is averaged.")
    crops: int | None = setting(None, "Crops per clip: 1 (centre) or 3.")
    trust: bool = setting(False, "Open a TorchScript or .pt2 file, which can run its author's code.")

    def refuse(self, name: str, why: str) -> None:
        """BenchError if an option that makes no sense here was given."""
        if getattr(self, name) is not None:
            raise BenchError(f"--{name} {getattr(self, name)}: leave it out, {why}")


class ScoringOptions(SettingsModel):
    """How figures are computed from predictions.

    Attributes:
        allow_missing: go on without videos that cannot be read; their number is then told with every figure.
        seed: of the bootstrap intervals.
        cluster: what they draw whole, one of :data:`~evaluator.testsets.CLUSTERS`.
        suffix: of the predictions that are written, one of :data:`~evaluator.predictions.files.FORMATS`.
    """

    allow_missing: bool = setting(False, "Go on without unreadable videos; every figure then says of how many.")
    seed: int = setting(0, "Owns the bootstrap's draws.")
    cluster: Literal["source", "group", "video"] = setting(
        "source", "What the intervals' bootstrap draws whole: source videos, UCF101's groups, or single videos."
    )
    suffix: Literal[".csv", ".parquet"] = setting(
        ".csv", "Of the predictions: csv or parquet.", flag="--format", give="csv or parquet"
    )


class EvalOptions(ScoringOptions):
    """How to evaluate.

    Attributes:
        model: what the user says of the model: its weights, classes, sampling, views.
        dataset: which dataset's classes and IID videos; None: the checkpoint's, else the benchmarks'.
        root: folder of the dataset for IID; None takes ``$BENCH_DATA/NAME``.
        iid: score the ordinary test split too.
        split, fold: which split IID is.
        batch: clips per forward pass and process.
        workers: decoding processes; 0 decodes in the main one.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, …
        precision: ``auto`` (bf16 on a GPU, float32 elsewhere), ``float32`` or ``bf16``.
        limit: score only the first N videos of each set (by id); for a quick look. None scores all.
        check: compare each benchmark file with its manifest's digest.
        progress: show a progress bar.
    """

    model: ModelOptions = Field(default_factory=ModelOptions)
    dataset: Word | None = setting(None, "Whose videos to score.", shown="the checkpoint's, else the benchmarks'")
    root: PathSetting | None = setting(None, "Dataset folder, for IID.", shown="$BENCH_DATA/DATASET")
    iid: bool = setting(True, "Score the ordinary test split too.")
    split: Word = setting("test", "Which split IID is.")
    fold: int = setting(1, "Which official split, from 1.", ge=1)
    batch: int = setting(8, "Clips per forward pass and GPU.", of="clips", ge=1, le=2**16)
    workers: int = setting(0, "Decoding processes; 0 decodes in the main one.", of="processes", ge=0, le=256)
    device: Word = setting("auto", "auto, cpu, cuda, cuda:1 …")
    precision: Literal["auto", "float32", "bf16"] = setting("auto", "auto: bf16 on a GPU, float32 elsewhere.")
    limit: int | None = setting(None, "Only the first N videos of each set: a quick look.", of="videos", ge=1)
    check: bool = setting(True, "Compare each benchmark file with its manifest's digest.")
    progress: bool = setting(True, "Show a progress bar.")
