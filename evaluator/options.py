"""How a model is scored: types, ranges, choices, defaults and help for `bench eval` and Python."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from albar.parts import METHODS
from benchmark_builder.settings import MovedDataset, MovedOrigins, NetworkSettings, PartSettings, PreviewSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import (
    Paths,
    PathSetting,
    SettingsModel,
    Table,
    Word,
    Words,
    as_tuple,
    like,
    setting,
)
from evaluator.parts import SLICES
from evaluator.pretrain import PretrainSettings, read_pretrain
from evaluator.time_order import FROZEN, TIMES, Time
from evaluator.variants import Variant, variant

if TYPE_CHECKING:
    from evaluator.reproduce.plan import Places


def _dotted(value: Any) -> Any:
    return f".{value}" if value in ("csv", "parquet") else value


def _as_words(value: Any) -> Any:
    """One word as a tuple of it, and a list or a range as a tuple."""
    return (value,) if isinstance(value, (str, Path)) else as_tuple(value)


SORTED_BY = "contra_acc"  # what leaderboards are ranked by
Suffix = Annotated[Literal[".csv", ".parquet"], BeforeValidator(_dotted)]
Times = Annotated[
    tuple[Time, ...], BeforeValidator(as_tuple), AfterValidator(lambda given: tuple(dict.fromkeys(given)))
]
Prompts = Annotated[
    tuple[str, ...], BeforeValidator(_as_words), AfterValidator(lambda given: tuple(dict.fromkeys(given)))
]
Sources = Annotated[tuple[Word, ...], BeforeValidator(_as_words)]
Seeds = Annotated[tuple[int, ...], BeforeValidator(as_tuple), Field(min_length=1)]


class ModelOptions(SettingsModel):
    """The user's options for a model; None and empty: as defined by the model.

    Attributes:
        model: ``package.module:Name`` of a checkpoint's network, if it is the user's own.
        weights: weights of a network that is given by name: a file, or a name of published weights.
        classes: a file of class names, one per line, in the order of the model's outputs.
        prompts: texts with ``{}`` for a class, of models that compare videos with texts; features of several are
            averaged.
        method: its name in the leaderboard.
        trained_on: all that it was trained on, in words.
        sampling: name of a clip sampling.
        clip: clip settings to change, e.g. ``{"stride": 4}``.
        views, crops: test clips per video and crops per clip, see :class:`~albar.clips.clips.ClipSampling`.
        trust: load a file that can run its author's code.
    """

    model: Word | None = setting(
        None, "package.module:Name of a checkpoint's network, if it is your own; its code is run."
    )
    weights: Word | None = setting(
        None, "Weights of a network given by name: a file, or published weights (KINETICS400_V1)."
    )
    classes: PathSetting | None = setting(
        None, "Class names of the model's outputs, one per line.", shown="the model's own, else the benchmark's"
    )
    prompts: Prompts = setting(
        (), 'Zero-shot: the text of a class, with {} for its name, e.g. "a video of a person {}"; may be given several '
        "times: features are averaged.", flag="--prompt", give="a text", metavar="TEXT",
        shown='"a video of a person {}"',
    )  # fmt: skip
    method: str | None = setting(None, "Its name in the leaderboard.", shown="its own")
    trained_on: Word | None = setting(
        None, 'What it was trained on, for the leaderboard: "Kinetics-400, then HMDB51".',
        shown="what its files say, else unknown", metavar="TEXT",
    )  # fmt: skip
    sampling: Word | None = setting(None, "How clips are cut: albar-32x2-224, stillmix-4x3, …", shown="the model's")
    clip: Table = setting({}, "A setting of the clips, NAME=VALUE, e.g. stride=4; may be given several times.")
    views: int | None = setting(None, "Clips per video, evenly in time; softmax is averaged.")
    crops: int | None = setting(None, "Crops per clip: 1 (centre) or 3.")
    trust: bool = setting(False, "Open a TorchScript or .pt2 file, which can run its author's code.")

    @model_validator(mode="after")
    def _prompts_have_a_place(self) -> Self:
        for prompt in self.prompts:
            if prompt.count("{}") != 1:
                fix = "has not exactly one {} for the name of a class; give a text such as 'a video of a person {}'"
                raise self.wrong("prompts", prompt, fix)
        return self

    def refuse(self, name: str, why: str) -> None:
        """Raise BenchError if an option was given that does not apply here."""
        if getattr(self, name) is not None:
            raise BenchError(f"--{name} {getattr(self, name)}: leave it out, {why}")


class ScoringOptions(SettingsModel):
    """How figures are computed from predictions.

    Attributes:
        allow_missing: continue without videos that cannot be read; every figure then has their number.
        seed: seed of the bootstrap intervals.
        cluster: the unit that they draw, one of :data:`~evaluator.testsets.CLUSTERS`.
        suffix: file suffix of the written predictions, one of :data:`~evaluator.predictions.files.FORMATS`.
        old_suffix: the same by the option's old name, for one release.
        subset: a list of ids, as :func:`~benchmark_builder.datasets.subset.read_subset` takes it: only the videos
            whose sources it names are scored.
        slices: csv files of columns id,attribute,value, or names of :data:`~evaluator.parts.SLICES`: every
            figure is computed for each group of videos, too.
        quantiles: into how many groups of equal size the numbers of a source of slices are divided.
    """

    allow_missing: bool = setting(
        False, "Continue without unreadable videos; every figure then has the number of missing videos."
    )
    seed: int = setting(0, "Seed of the bootstrap.")
    cluster: Literal["source", "group", "video"] = setting(
        "source",
        "The unit that the bootstrap of the intervals draws: source videos, UCF101's groups, or single videos.",
    )
    suffix: Suffix = setting(
        ".csv", "The form in which predictions are written: csv or parquet.", flag="--predictions",
        give="csv or parquet", metavar="[csv|parquet]", shown="csv",
    )  # fmt: skip
    old_suffix: Suffix | None = setting(
        None, "The old name of --predictions.", flag="--format", give="csv or parquet", metavar="[csv|parquet]",
        hidden=True,
    )  # fmt: skip
    subset: str | None = like(PartSettings, "subset")
    slices: Sources = setting(
        (), f"Figures per group of videos, and the gap between groups: {SLICES.help()}, or a csv file of columns "
        "id,attribute,value[,start,end] (docs/slices.md).", give="csv files, or names of slices", metavar="FILE ...",
    )  # fmt: skip
    quantiles: int = setting(
        4, "Into how many groups of equal size slices divide numbers, such as the area of the mask.", of="groups",
        ge=2, le=20,
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _by_the_old_name(cls, given: Any) -> Any:
        """``--format`` as ``--predictions``."""
        if not isinstance(given, dict) or _dotted(given.get("old_suffix")) not in (".csv", ".parquet"):
            return given
        old, new = _dotted(given["old_suffix"]), _dotted(given.get("suffix", given["old_suffix"]))
        if new not in (old, ".csv"):  # the default is given, too
            raise BenchError(f"--format {old[1:]} and --predictions {new[1:]}: --format is the old name of "
                             "--predictions; leave it out")  # fmt: skip
        return {**given, "suffix": old}

    @property
    def renamed(self) -> str:
        """What to tell a user of an option's old name; empty if none was used."""
        old = self.old_suffix
        if old is None:
            return ""
        return f"warning: --format {old[1:]}: is now --predictions {old[1:]}; the old name ends with the next release"


class ScoreOptions(ScoringOptions):
    """How predictions of any framework are scored, and what they are called.

    Attributes:
        method, model: what to call it in the leaderboard; empty: the first file's name.
        trained_on: all that the model was trained on, in words; empty: unknown.
        root: the dataset's folder, for ``iid:DATASET``.
        lists: the list files that the predictions were made from, one for each file, or none; needed where predictions
            carry no ids.
        answers: how classes are written where predictions have no scores, one of
            :data:`~evaluator.predictions.answers.HOW`.
        questions: folders of `bench export --layout qa`, one for each file, if the files hold answers to questions.
        time: refused, since predictions alone cannot say it.
    """

    method: str = setting("", "Its name in the leaderboard.")
    model: str = setting("", "The network's name.")
    trained_on: str = setting(
        "", 'What it was trained on, for the leaderboard: "Kinetics-400, then HMDB51".', shown="unknown", metavar="TEXT"
    )
    root: PathSetting | None = like(MovedDataset, "root", shown="where it was")
    lists: Paths = setting(
        (), "The list files that the predictions were made from, where they carry no ids.", metavar="FILE ..."
    )
    answers: Literal["auto", "names", "from-0", "from-1"] = setting(
        "auto",
        "How classes are written in predictions without scores: names, or numbers that count from 0 or from 1 in the "
        "order of the benchmark's classes. auto: names, or numbers from 0; refused where that is in doubt.",
    )
    questions: Paths = setting(
        (), "The --out folders of `bench export --layout qa`, one per file, if the files hold a video language model's "
        "answers: results of lmms-eval or VLMEvalKit, or columns id,pred with the answers' texts.", metavar="DIR ...",
    )  # fmt: skip
    time: Sources = setting((), "Of bench eval and bench compare only.", hidden=True)

    @model_validator(mode="after")
    def _no_other_order(self) -> Self:
        if self.time:
            raise self.wrong(
                "time", self.time[0], "needs the network: predictions do not tell its answers to clips in another "
                "order; run `bench eval MODEL --time …`, or score predictions of such clips into an --out of their own "
                "and take the drop from `bench versus`"
            )  # fmt: skip
        return self


class Published(SettingsModel):
    """Which published figures are shown as well."""

    published: str | None = setting(
        None, "Show published figures too: hmdb51, kinetics400, ucf101-updated or ucf101-boxes.", metavar="TABLE"
    )


class Leaderboards(Published):
    """What a leaderboard on screen shows."""

    reference: bool = setting(
        False, "Below each model, show the figures of a stillness detector: as the model on videos that move, at "
        "chance on stills. It shows what contrasted accuracy would be without any use of motion.",
    )  # fmt: skip


class FigureOptions(Published):
    """How a figure is drawn.

    Attributes:
        figures: what is drawn; which names there are depends on the kind of figure.
        width: inches; None for the kind's own.
    """

    out: PathSetting | None = setting(None, "The file: .png, .pdf or .svg.", shown="KIND.png", metavar="FILE")
    figures: Sources = setting(
        (), "bars: figures such as iid contra_acc; scatter: the one at the bottom and the one at the left; classes: "
        "one; curves: columns of metrics.csv.", shown="the usual ones", metavar="NAME ...",
    )  # fmt: skip
    title: str = setting("", "A title above the figure.", shown="none")
    width: float | None = setting(
        None,
        "Width in inches: 3.3 is a column of most papers, 6.9 a page.",
        of="inches",
        shown="the kind's",
        ge=2,
        le=40,
    )
    by_seed: bool = setting(False, "bars, scatter, conflfg: every seed alone, not their mean.")
    full: bool = setting(False, "scatter: axes from 0 to 100, not only the range of the points.")
    pairs: bool = setting(False, "conflfg: a matrix of the actor's class against the still's, not of three answers.")


class BoardOptions(SettingsModel):
    """How a leaderboard is shown.

    Attributes:
        sort: the figure to rank by. by_seed: one row per seed. change: against the baseline. baseline: the method.
        intervals, n: further numbers of each figure. digits: after the point; None: one where seeds are merged, else
        two.
    """

    sort: Word = setting(SORTED_BY, "Rank by this figure: iid, avg_scuba, avg_scufo, conflfg, contra_acc, "
                         "contra_shaken, … (docs/leaderboard.md).", give="a figure", metavar="FIGURE")  # fmt: skip
    by_seed: bool = setting(False, "One row per seed, instead of mean ± standard deviation over the seeds.")
    change: Literal["points", "relative", "both", "none"] = setting(
        "points", "Change against the baseline in brackets: percent points; relative, in percent of the baseline's "
        "figure; both; or none.",
    )  # fmt: skip
    baseline: Word | None = setting(None, "The method that changes are against.", shown="baseline", metavar="METHOD")
    intervals: bool = setting(
        False, "Show 95 % intervals: of one run over test videos, of several seeds over the seeds (Student's t)."
    )
    n: bool = setting(False, "Show how many videos (of contrasted accuracy: pairs) each figure is of.")
    digits: int | None = setting(None, "Digits after the point.", shown="1 where seeds are merged, else 2", ge=0, le=6)


class TableFormat(SettingsModel):
    """The form of tables that commands print."""

    format: Literal["text", "md", "latex", "csv", "html"] = setting(
        "text", "The form of the table: text for a terminal, or Markdown, LaTeX, csv or HTML to paste elsewhere."
    )


class MovedRuns(MovedDataset):
    """Where the benchmarks and the dataset of scored runs are now."""

    benchmarks: Paths = setting(
        (), "Benchmarks (or a folder of them), if not where they were when scored.", metavar="DIR ..."
    )


class VersusOptions(MovedRuns):
    """How two runs are compared."""

    cluster: Literal["source", "group", "video"] = like(ScoringOptions, "cluster", "source")


class ReportOptions(Leaderboards, MovedRuns):
    """What the page of a report shows.

    Attributes:
        gallery: how many videos to show in all their versions; 0 for none, which needs neither videos nor the dataset.
        cluster: None takes what each record has.
    """

    out: PathSetting = setting(Path("report.html"), "The page to write.")
    gallery: int = setting(4, "Videos shown in all their versions; 0 for none.", of="videos", ge=0, le=1000)
    title: str = setting("Bias report", "Title of the page.")
    cluster: Literal["source", "group", "video"] | None = like(ScoringOptions, "cluster", shown="as scored")


class EvalOptions(ScoringOptions):
    """How to evaluate.

    Attributes:
        model: the user's options for the model: weights, classes, sampling, views.
        dataset: the dataset of the classes and IID videos; None: the checkpoint's, otherwise the benchmarks'.
        root: folder of the dataset for IID; None takes where the run of the checkpoint had it, else
            ``$BENCH_DATA/NAME``. name: what the dataset is called in records; None: as in the run, else ``dataset``.
        iid: also score the ordinary test split.
        split, fold: the split for IID. batch: clips per forward pass and process. workers: decoding processes; 0
        decodes in the main one. device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, … precision:
        ``auto`` (bf16 on a GPU, float32 elsewhere), ``float32`` or ``bf16``. limit: score only the first N videos of
        each set (by id); for a quick look. None scores all. check: compare each benchmark file with its manifest's
        digest. progress: show a progress bar. time: also score the ordinary test videos, and benchmarks that are named,
        in these orders of :data:`~evaluator.time_order.TIMES`; drawn orders follow ``seed``. masks, mask_set: source of
        the masks that ``frozen-background`` needs, and its settings. protocol: a frozen protocol, which decides views,
        crops, bootstrap and test set (:mod:`evaluator.frozen`). scenes: whether to measure how often a network that
        says scenes is right; None: where it can be measured. places: weights of the network that finds the true
        scenes, where no render says them.
    """

    model: ModelOptions = Field(default_factory=ModelOptions)
    dataset: Word | None = setting(None, "Dataset of the videos.", shown="the checkpoint's, else the benchmarks'")
    root: PathSetting | None = setting(
        None, "Dataset folder, for IID.", shown="where the run of the checkpoint had it, else $BENCH_DATA/DATASET"
    )
    name: Word | None = setting(
        None, "What your own data are called in the leaderboard.", shown="as for bench train --name, else --dataset"
    )
    iid: bool = setting(True, "Also score the ordinary test split.")
    split: Word = setting("test", "The split for IID.")
    fold: int = setting(1, "Number of the official split, from 1.", ge=1)
    batch: int = setting(8, "Clips per forward pass and GPU.", of="clips", ge=1, le=2**16)
    workers: int = setting(0, "Decoding processes; 0 decodes in the main one.", of="processes", ge=0, le=256)
    device: Word = setting("auto", "auto, cpu, cuda, cuda:1 …")
    precision: Literal["auto", "float32", "bf16"] = setting("auto", "auto: bf16 on a GPU, float32 elsewhere.")
    limit: int | None = setting(None, "Only the first N videos of each set, for a quick test.", of="videos", ge=1)
    check: bool = setting(True, "Compare each benchmark file with the digest in its manifest.")
    progress: bool = setting(True, "Show a progress bar.")
    time: Times = setting(
        (), "Also show the frames of each clip in another order, several after one another: one-frame, shuffled, "
        "reversed; or the actor over a still of its own background: frozen-background (needs --masks). Gives the drop "
        "against the plain figure, on the ordinary test videos and on benchmarks that are named.",
        give=f"one or more of {', '.join(TIMES)}", metavar="ORDER ...",
    )  # fmt: skip
    seed: int = setting(0, "Seed of the bootstrap, and of --time shuffled.")
    masks: Word | None = setting(
        None, "Mask source of --time frozen-background, KIND or KIND:PATH (`bench segment --help` lists them)."
    )
    mask_set: tuple[str, ...] = like(NetworkSettings, "mask_set", ())
    protocol: str | None = setting(
        None, "A frozen protocol, such as albar-bench-2026.1: evaluate by its settings; refuse benchmarks that are not "
        "those of the protocol.", shown="none; as the other options say",
    )  # fmt: skip
    scenes: bool | None = setting(
        None, "Of a network that says scenes (devias): how often the scene of an ordinary test video is right.",
        shown="where the true scenes are known",
    )  # fmt: skip
    places: PathSetting | None = setting(
        None, "The true scenes: what a Places365 ResNet with these weights finds likeliest. For networks that were "
        "trained with --places; the scenes of a render are known.", metavar="FILE",
    )  # fmt: skip

    @model_validator(mode="after")
    def _places_for_scenes(self) -> Self:
        if self.scenes is False and self.places is not None:
            raise self.wrong("places", self.places, "does not go with --no-scenes; leave one of them out")
        return self

    @model_validator(mode="after")
    def _masks_where_needed(self) -> Self:
        if FROZEN in self.time and self.masks is None:
            fix = "needs masks of the actors; give their source with --masks KIND or KIND:PATH"
            raise self.wrong("time", FROZEN, fix)
        if self.masks is not None and FROZEN not in self.time:
            raise self.wrong("masks", self.masks, f"is for --time {FROZEN} only; leave it out")
        return self


class ReproduceOptions(SettingsModel):
    """How a row is made again.

    Attributes:
        root: the user's own copy of the dataset; None: synthactions is rendered as it was.
        benchmarks, checkpoint: where what was recorded is now.
        masks, backgrounds, weights: files of the user's, of which records hold no paths.
    """

    run: bool = setting(False, "Run the commands, then compare; without it they are only printed.")
    out: PathSetting = setting(Path("reproduced"), "Folder for everything that is made.")
    root: PathSetting | None = setting(None, "Your own copy of the dataset.", shown="synthactions is rendered")
    benchmarks: Paths = setting(
        (), "The recorded benchmarks (or a folder of them), if not where they were.", metavar="DIR ..."
    )
    checkpoint: PathSetting | None = setting(None, "The recorded checkpoint, if not where it was.")
    masks: str | None = setting(None, "Mask source with its path, as for `bench build`, if it needs one.")
    backgrounds: str | None = setting(None, "Background set with its folder, as for `bench build`, if it needs one.")
    weights: str | None = setting(None, "Weights that the training started from, if they are a file.")

    @property
    def places(self) -> "Places":
        """Where the user's own files are."""
        from evaluator.reproduce.plan import Places

        root = None if self.root is None else self.root.absolute()
        return Places(
            self.out.absolute(), root, tuple(self.benchmarks), self.checkpoint, self.masks, self.backgrounds,
            self.weights,
        )  # fmt: skip


class ExplainOptions(MovedOrigins):
    """How a network is explained.

    Attributes:
        target: the class whose logit is explained: ``label``, ``predicted`` or a class name; None: ``label`` for a
            benchmark, ``predicted`` for a video.
        baseline: where integration starts: ``black``, or ``mean``, the mean colour of the clip sampling.
        steps: gradients per clip. batch: clips per pass.
        limit: explain only the first N videos (by id). video: explain only the videos of this id or source id.
        videos, columns, height, animation: what the sheet and the animation show.
        masks, mask_set: source of the masks of a single video; benchmarks have their own.
    """

    target: str | None = setting(
        None, "The class to explain: label, predicted, or a class name.", shown="label; for a single video predicted"
    )
    baseline: Literal["black", "mean"] = setting(
        "black", "Where integration starts: a black clip, or the mean colour of the model's normalisation."
    )
    steps: int = setting(32, "Gradients per clip; more are more exact.", of="steps", ge=1, le=1000)
    batch: int = setting(8, "Clips per pass.", of="clips", ge=1, le=2**16)
    limit: int | None = setting(None, "Only the first N videos of a benchmark, by id.", of="videos", ge=1)
    video: str | None = setting(None, "Only the videos of a benchmark with this id or source id.", metavar="ID")
    videos: int = setting(
        4, "How many videos the pictures show, spread over those explained.", of="videos", ge=1, le=1000
    )
    columns: int = like(PreviewSettings, "columns", 6)
    height: int = like(PreviewSettings, "height", 160)
    animation: Literal["gif", "mp4"] = setting("gif", "The format of the animation.")
    masks: Word | None = setting(
        None, "Mask source of a single video, KIND or KIND:PATH (`bench segment --help` lists them)."
    )
    mask_set: tuple[str, ...] = like(NetworkSettings, "mask_set", ())
    device: Word = like(EvalOptions, "device", "auto")
    seed: int = like(ScoringOptions, "seed", 0)
    progress: bool = like(EvalOptions, "progress", True)
    out: PathSetting = setting(Path("explain"), "Tables and pictures go here.")


class UnitsOptions(MovedDataset):
    """How the units of a network are audited.

    Attributes:
        threshold: a unit encodes a factor if its score is above this.
        pairs: maximum number of pairs per factor. permutations: number of shuffles of the baseline.
        limit: use only the first N videos (by id). batch: clips per pass. workers: decoding processes.
    """

    threshold: float = setting(0.5, "Score above which a unit counts as static or dynamic.", gt=0, lt=1)
    pairs: int = setting(2000, "Most pairs per factor; more are more exact.", of="pairs", ge=1, le=10**5)
    permutations: int = setting(200, "Shuffles for the baseline.", of="shuffles", ge=20, le=10**5)
    limit: int | None = setting(None, "Only the first N videos, by id.", of="videos", ge=1)
    batch: int = like(EvalOptions, "batch", 8)
    workers: int = like(EvalOptions, "workers", 0)
    device: Word = like(EvalOptions, "device", "auto")
    seed: int = setting(0, "Seed of the drawn pairs and the shuffles.")
    progress: bool = like(EvalOptions, "progress", True)
    out: PathSetting = setting(Path("units"), "Tables and the picture go here.")


class PredictOptions(SettingsModel):
    """How a model is asked about single videos.

    Attributes:
        masks, mask_set: where the actor is; None leaves out the versions that need it.
        backgrounds: background sets, one version of the video for each.
        dataset: names the classes; with ``root``, the dataset's folder, also the videos, so that their ids fit the mask
            source and their true class is known.
        top: classes per version. seed: of the shuffled order and the backgrounds. batch: clips per pass.
        pictures: draw a picture per video. columns: frames per version in it.
    """

    masks: Word | None = setting(
        None, "Also replace the background and remove the actor; where the actor is: people (needs no annotation), "
        "motion, stored:FOLDER …, KIND or KIND:PATH (`bench segment --help` lists them).",
    )  # fmt: skip
    mask_set: tuple[str, ...] = like(NetworkSettings, "mask_set", ())
    backgrounds: Words = setting(
        ("stripes",), "Background sets as in `bench build scuba`: stripes, plain, images:FOLDER, video:FOLDER …; may "
        "be given several times.", give="one background set or more", shown="stripes",
    )  # fmt: skip
    dataset: Word | None = setting(
        None, "Dataset that names the classes: ucf101, hmdb51, kinetics400, …", shown="the model's own class names"
    )
    root: PathSetting | None = setting(
        None, "The dataset's folder (with --dataset), if the videos are in it: their true classes are then shown, and "
        "masks that follow the dataset's names are found.",
    )  # fmt: skip
    top: int = setting(5, "Classes shown per version.", of="classes", ge=1, le=1000)
    seed: int = setting(0, "Seed of the shuffled order and of the backgrounds.")
    batch: int = like(EvalOptions, "batch", 8)
    device: Word = like(EvalOptions, "device", "auto")
    pictures: bool = setting(True, "Draw a picture per video.")
    columns: int = setting(6, "Frames of each version in the picture.", of="frames", ge=1, le=32)
    out: PathSetting = setting(Path("predict"), "predictions.csv, predictions.json and the pictures go here.")
    progress: bool = like(EvalOptions, "progress", True)

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.root is not None and self.dataset is None:
            raise self.wrong("root", self.root, "goes with --dataset; give the dataset's name too")
        if self.masks is None and self.backgrounds != ("stripes",):
            raise self.wrong("backgrounds", self.backgrounds[0], "needs --masks, which say where the actor is")
        return self


class EvalFiles(SettingsModel):
    """What a model is scored on, and where the results go."""

    benchmarks: Paths = setting(
        (),
        "Built benchmarks, several after one another.",
        shown="those of the checkpoint's dataset in $BENCH_DATA/benchmarks",
        metavar="DIR ...",
    )
    no_benchmarks: bool = setting(False, "Score no benchmark, only the ordinary test videos.")
    out: PathSetting = setting(Path("results"), "Predictions, results and leaderboard.csv go here.")

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.no_benchmarks and self.benchmarks:
            raise self.wrong(
                "benchmarks", self.benchmarks[0], "does not go with --no-benchmarks; leave one of them out"
            )
        return self


class Sweep(SettingsModel):
    """What to compare.

    Attributes:
        methods: names of :data:`albar.methods.METHODS`, or ``package.module:Name``; with settings of their own after a
            colon, see :mod:`evaluator.variants`.
        equal_cost: also train a baseline with as many epochs as the dearest of the methods costs.
        pretrain: ``VIDEOS[:NAME=VALUE,…]``, see :mod:`evaluator.pretrain`; None: every run starts as ``training`` says.
        seeds: each trains every method once.
        training: settings that all runs share, fields of :class:`albar.training.settings.TrainSettings`.
        by_method: settings of one method's runs alone, by method.
        clips: settings of the test clips that differ from those of the training, for every method.
        split: the split of the ordinary test videos.
        benchmarks: folders to score on; None: those of the dataset in ``$BENCH_DATA/benchmarks``.
        named: whether the user chose the benchmarks, so that ``time`` is measured on them, too; None: if they are
            given.
        time, slices, quantiles: as in :class:`EvalOptions`, for every run.
        out: gets ``runs/METHOD-sSEED``, ``results/``, ``compare.csv``, and with slices ``compare-slices.csv``.
        source: the file that settings were read from, for errors to name.
        jobs: runs side by side, each on its share of the cores; None: one per core without a GPU, else one.
    """

    methods: Words = setting(("baseline", "mixup", "videomix", "sdn", "be", "actorcutmix", "fame", "stillmix", "albar"),
                             f"Methods, several after one another: {METHODS.help()}. One may be there with several "
                             "settings, of its own or of its runs: albar albar:gp=0 albar:ent=0,adv=2 "
                             "baseline:epochs=12.",
                             give="one method or more", metavar="METHOD[:NAME=VALUE,...] ...")  # fmt: skip
    pretrain: str | None = setting(
        None, "Train the network on so many other videos first, then fine-tune it with every method "
        "(docs/pretrain.md). After a colon: bias of that render (0.85), its seed (101), epochs (8). On synthactions "
        "only.",
        metavar="VIDEOS[:NAME=VALUE,...]",
    )  # fmt: skip
    equal_cost: bool = setting(False, "Also train a baseline with so many epochs that it costs as much as the dearest "
                                      "of the methods, in clips through the network.")  # fmt: skip
    seeds: Seeds = setting(tuple(range(3)), "Seeds; each trains every method once.", give="one seed or more")
    training: Table = setting({}, "Settings of all runs.")
    by_method: Table = setting({}, "Settings of one method's runs alone, by method.")
    clips: Table = setting({}, "Settings of the test clips.")
    split: Word = setting("test", "The split of the ordinary test videos.")
    benchmarks: Paths | None = setting(None, "Built benchmarks, several after one another.",
                                       shown="those of the dataset in $BENCH_DATA/benchmarks",
                                       metavar="DIR ...")  # fmt: skip
    named: bool | None = setting(None, "Whether the user chose the benchmarks.")
    time: Times = like(EvalOptions, "time", ())
    slices: Sources = like(ScoringOptions, "slices", ())
    quantiles: int = like(ScoringOptions, "quantiles", 4)
    out: PathSetting = setting(Path("compare"), "Runs, results and compare.csv go here.")
    source: PathSetting | None = setting(None, "The file that settings were read from.")
    jobs: int | None = setting(None, "Runs side by side.", shown="one per core; with a GPU one", of="runs", ge=1, le=64)

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.by_method:
            METHODS.split(name)
        if self.before is not None:
            if self.training.get("dataset", "synthactions") != "synthactions":
                fix = "is for synthactions; train from published or your own weights with --weights"
                raise self.wrong("pretrain", self.pretrain, fix)
            if any("weights" in table for table in (self.training, *self.by_method.values())):
                raise self.wrong("pretrain", self.pretrain, "does not go with --weights; leave one of them out")
        names = [v.name for v in self.variants]
        twice = next((name for k, name in enumerate(names) if name in names[:k]), None)
        if twice is not None:
            raise self.wrong("methods", twice, "is given twice; leave one of them out")
        return self

    @property
    def before(self) -> PretrainSettings | None:
        """What ``pretrain`` says."""
        return None if self.pretrain is None else read_pretrain(self.pretrain)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What ``methods`` says, in its order."""
        return tuple(map(variant, self.methods))


class PaperOptions(SettingsModel):
    """How a plan of `bench paper` is shown and run.

    Attributes:
        run: run the plan; otherwise it is only shown. tiny: on small rendered copies of the datasets.
        have: places of what the plan needs, as NAME=PATH. without: parts that are left out.
        masks: another mask source for SCUBA than the plan's. measure: whether training steps are measured for the plan;
            None: on a GPU only.
    """

    plan: bool = setting(False, "Only show the plan: needs, steps, disk space, GPU hours. This is the default.")
    run: bool = setting(False, "Run the plan. The same command continues a stopped run.")
    tiny: bool = setting(False, "Use small rendered copies of the official datasets, and a small network.")
    have: tuple[Word, ...] = setting((), "The place of a need of the plan, e.g. hmdb51=/data/hmdb51; may be given "
                                     "several times.", metavar="NAME=PATH")  # fmt: skip
    without: tuple[Word, ...] = setting((), "Leave out a part: a background set, kind, method, further dataset, or "
                                        "inspect; may be given several times.", metavar="PART")  # fmt: skip
    masks: Word | None = setting(None, "Another mask source for SCUBA, KIND or KIND:PATH.", shown="the plan's")
    seeds: int | None = setting(None, "Runs of every method.", shown="the plan's", of="runs", ge=1, le=10_000)
    out: PathSetting | None = setting(None, "Everything is written here.", shown="papers/PAPER")
    device: Word | None = setting(None, "auto, cpu, cuda, cuda:1 …", shown="auto")
    jobs: int | None = like(Sweep, "jobs", shown="one per core; with a GPU one")
    workers: int | None = setting(None, "Processes for videos.", shown="one per core", of="processes", ge=1, le=1024)
    measure: bool | None = setting(None, "Measure a training step of every method for the plan.", shown="on a GPU")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.plan and self.run:
            raise BenchError("--plan only shows the plan, --run runs it; leave one of them out")
        return self
