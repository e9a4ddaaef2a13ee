"""Results records: the files that evaluation writes in ``results/``, one model class per table, checked on reading.

They may come from strangers. Fields that older versions did not write have defaults here.
"""

import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field

from benchmark_builder.benchmark.manifest import paths_from
from benchmark_builder.datasets.subset import ChosenIds
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, write_json
from benchmark_builder.utils.records import FileRecord, Missing, Record, Says, shown
from benchmark_builder.version import __version__
from evaluator.metrics.names import HEADINGS, KINDS, is_own, own_arrows
from evaluator.testsets import CLUSTERS, TestSet
from evaluator.time_order import TIMES, drop_parts

LONGEST = 4096  # largest number of characters of a name or a path
_FIX = "give a file that `bench eval` has written under results/, or score the model again"


def _short(value: object) -> bool:
    return not isinstance(value, str) or len(value) <= LONGEST


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 2**63


def _is_seed(value: object) -> bool:
    return len(str(value)[:99]) <= 64


def _is_percent(value: object) -> bool:  # with a tolerance for the rounding error of a mean
    return isinstance(value, (int, float)) and math.isfinite(value) and -1e-9 <= value <= 100 + 1e-9


def _is_figure(value: object) -> bool:
    return isinstance(value, str) and (value in HEADINGS or is_own(value))


def _is_points(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and -100 - 1e-9 <= value <= 100 + 1e-9


def _is_drop(value: object) -> bool:
    parts = drop_parts(value) if isinstance(value, str) else None
    return parts is not None and _is_figure(parts[1])


def _one_of(*known: str) -> Callable[[object], bool]:
    return lambda value: value in known


_TEXT, _PERCENT = f"text of at most {LONGEST} characters", "a number from 0 to 100"
Text = Annotated[str, Says(_TEXT, _short)]
TextOrMissing = Annotated[str | None, Says(_TEXT, _short)]
TextOrNull = Annotated[str | None, Says(_TEXT, _short, null=True)]
Name = Annotated[str, Says(f"text of 1 to {LONGEST} characters", _is_name)]
Count = Annotated[int, Says("a whole number from 0", _is_count)]
Percent = Annotated[int | float, Says(_PERCENT, _is_percent)]
PercentOrNull = Annotated[int | float | None, Says(_PERCENT, _is_percent, null=True)]
Points = Annotated[int | float, Says("a number from -100 to 100", _is_points)]
DropName = Annotated[str, Says("drop_ORDER_FIGURE, such as drop_shuffled_iid", _is_drop)]
FigureName = Annotated[str, Says(f"one of {', '.join(HEADINGS)}", _is_figure)]
Shown = Annotated[  # only shown as text
    object, Says(f"something of at most {LONGEST} characters", lambda value: len(repr(value)) <= LONGEST, null=True)
]


class Share(Record):
    """A share in percent of ``n`` videos (or pairs)."""

    percent: Percent
    n: Count


class Figure(Share):
    """A share with the ends of its 95 % interval, and the number of videos of the set that were not scored."""

    missing: Count
    low: PercentOrNull
    high: PercentOrNull


class Confusion(Record):
    """The answers for ConflFG videos with a mover of one class and a still donor of another."""

    mover: Text
    donor: Text
    said_mover: Count
    said_donor: Count
    said_other: Count


class TrueScenes(Record):
    """What a network's answers for scenes were compared with (:mod:`evaluator.scenes`).

    Attributes:
        truth: the file that the true scenes are from, or the weights of the network that found them.
        digest: names videos, true scenes, and the scenes that the network knows. count: how many it knows.
        predictions: relative to the ``--out`` folder.
    """

    truth: Text
    digest: Name
    count: Count
    predictions: Name


class ScoredSet(Record):
    """A test set, its place, and its figures; ConflFG sets have ``donor``, ``prefers_mover`` and ``confusion``.

    ``unread``: number of answers that are no class and count as wrong; ``top1_read``: accuracy without them. ``scene``:
    of a network that says scenes, on the ordinary test videos; ``scenes``: what is true there.
    """

    name: Name
    kind: Name
    split: Text
    backgrounds: Text
    built_by: Text
    digest: Name
    top1: Figure
    top5: Figure | None = None
    mean_class: Figure | None = None
    donor: Annotated[Figure | None, Missing()] = None
    prefers_mover: Annotated[Figure | None, Missing()] = None
    confusion: list[Confusion] = Field(default_factory=list[Confusion])
    unread: Annotated[int | None, Says("a whole number from 0", _is_count)] = None
    top1_read: Annotated[Figure | None, Missing()] = None
    scene: Annotated[Figure | None, Missing()] = None
    scenes: Annotated[TrueScenes | None, Missing()] = None
    videos: Annotated[int | None, Says("a whole number from 0", _is_count)] = None
    predictions: Annotated[str | None, Says(f"text of 1 to {LONGEST} characters", _is_name)] = None
    folder: TextOrNull = None
    folder_relative: TextOrMissing = None

    @property
    def places(self) -> dict[str, str]:
        """The places of the benchmark, as :func:`~benchmark_builder.benchmark.manifest.places_of` takes them."""
        return _given(folder=self.folder, folder_relative=self.folder_relative)


class Drop(Record):
    """What is lost by another order of the frames, in percent points, with its 95 % interval.

    ``n``: videos scored both ways; ``missing``: those that belong to the set and were not.
    """

    points: Points
    low: Points
    high: Points
    n: Count
    missing: Count


class TimedSet(Record):
    """A test set with the frames of its clips in another order: see :mod:`evaluator.time_order`.

    Attributes:
        name: names its predictions. of_set: the set that shows the clips as they are.
        time: the order. seed: of a drawn one. masks: what the source of the masks says of itself.
        digest: names the exact clips.
        top1: accuracy on these clips. drop: what was lost against the plain ones.
        predictions: relative to the ``--out`` folder.
    """

    name: Name
    of_set: Name
    time: Annotated[str, Says(f"one of {', '.join(TIMES)}", _one_of(*TIMES))]
    digest: Name
    top1: Figure
    drop: Drop
    seed: Annotated[int, Says("a seed", _is_seed)] = 0
    masks: dict[Text, Shown] = Field(default_factory=dict[str, object])
    predictions: Annotated[str | None, Says(f"text of 1 to {LONGEST} characters", _is_name)] = None


class Pair(Record):
    """A SCUBA set and its SCUFO or shaken set; null if no video could be paired."""

    scuba: Text
    scufo: Text
    contra_acc: Figure | None


class ListedSources(Record):
    """Which sources were scored by ``--subset``: the file, the name of the list in it, and a digest of its ids.

    ``ids``: the sources of the test sets that it names; ``unknown``: ids of the list that name none.
    """

    file: Text
    name: Text
    sha256: Name
    ids: list[Name]
    unknown: list[Text] = Field(default_factory=list[str])


class ZeroShotTexts(Record):
    """The texts that a zero-shot model compared videos with: prompts with ``{}``, and the phrase of each class in label
    order."""

    prompts: Annotated[list[Text], Field(min_length=1)]
    phrases: list[Text]


class Iid(Record):
    """The ordinary test videos that were scored, and the place of the dataset."""

    split: Name = "test"
    fold: Annotated[int, Field(ge=1, lt=2**63), Says("a whole number from 1")] = 1
    root: TextOrNull = None
    root_relative: TextOrMissing = None
    dataset: TextOrMissing = None  # the registered name, where the record has the user's own

    @property
    def places(self) -> dict[str, str]:
        """The places of the dataset, as :func:`~benchmark_builder.benchmark.manifest.places_of` takes them."""
        return _given(root=self.root, root_relative=self.root_relative)


class GroupFigure(Figure):
    """A figure of one group of videos; ``sources``: how many source videos they were made from."""

    sources: Count


class SliceGap(Record):
    """The largest minus the smallest figure of groups, percent points, with its interval."""

    percent: Percent
    low: Percent
    high: Percent
    largest: Text
    smallest: Text


class SlicedFigure(Record):
    """A figure per group; ``worst``: the group where it is worst; ``gap``: None where there is one group."""

    groups: dict[Text, GroupFigure]
    worst: Text
    gap: SliceGap | None = None


class NotUsed(Record):
    """Ids that are not used: how many, and the first of them."""

    count: Count
    first: list[Text]


class Slices(Record):
    """Every figure of the main split per value of one attribute.

    Attributes:
        attribute, source, digest: its name, where its values are from, and the SHA-256 of that.
        notice: licence and sensitivity of the data.
        frames: where a value holds for a range of frames, which frames decided: those of the test clips (``clip``) or
            all of the video (``video``); empty if there are no such values, and in records of earlier versions.
        cluster: what the intervals' bootstrap drew whole.
        groups: the values that a video has, in the order of tables.
        figures: name -> its groups.
        unlabelled: source videos without a value; ``unknown``: names in the source that are no video.
    """

    attribute: Name
    source: Text
    digest: Text = ""
    notice: Text = ""
    frames: Annotated[str, Says("clip, video or empty", _one_of("", "clip", "video"))] = ""
    cluster: Annotated[str, Says(f"one of {', '.join(CLUSTERS)}", _one_of(*CLUSTERS))] = "source"
    groups: list[Text]
    figures: dict[FigureName, SlicedFigure]
    unlabelled: NotUsed
    unknown: NotUsed


class Computed(FileRecord):
    """The figures that are computed from predictions alone, by :func:`evaluator.metrics.figures.compute`.

    Attributes:
        figures: name -> figure of the main split, for the names of :mod:`~evaluator.metrics.names` that were measured.
        other: split -> such figures, for benchmarks of other splits.
        split: the main split.
        cluster: the unit of the intervals' bootstrap, such as the source video.
        sets, pairs: the test sets; the SCUBA sets with the sets paired with them.
        per_class: class name -> figure name -> share, for the classes that occur in the main split.
        kinds: user's kind -> its description.
        timed, drops: test sets in other orders of time; ``drop_ORDER_FIGURE`` -> the drop, for the main split.
        slices: the figures per group of videos, one entry per attribute.
    """

    WHAT: ClassVar[str] = "a results record"

    figures: dict[FigureName, Figure]
    sets: Annotated[list[ScoredSet], Field(min_length=1)]
    other: dict[Text, dict[FigureName, Figure]] = Field(default_factory=dict[str, dict[str, Figure]])
    split: Text = ""
    cluster: Annotated[str, Says(f"one of {', '.join(CLUSTERS)}", _one_of(*CLUSTERS))] = "source"
    pairs: list[Pair] = Field(default_factory=list[Pair])
    per_class: dict[Text, dict[FigureName, Share]] = Field(default_factory=dict[str, dict[str, Share]])
    kinds: dict[Text, Shown] = Field(default_factory=dict[str, object])
    timed: list[TimedSet] = Field(default_factory=list[TimedSet])
    drops: dict[DropName, Drop] = Field(default_factory=dict[str, Drop])
    slices: list[Slices] = Field(default_factory=list[Slices])

    @property
    def own_arrows(self) -> dict[str, str]:
        """Figure of a user's kind -> whether high is good, ``↑``, or low, ``↓``."""
        return own_arrows(self.kinds, [name for named in (self.figures, *self.other.values()) for name in named])

    @classmethod
    def of(cls, document: object, path: Path | str, fix: str = _FIX) -> Self:
        """As for every record; names of test sets must also be unique, and figures and kinds known or described."""
        record = super().of(document, path, fix)
        names = [s.name for s in record.sets] + [t.name for t in record.timed]
        own = record.own_arrows
        figures: list[tuple[str, Collection[str]]] = [("figures", record.figures)]
        figures += [(f"other.{k}", v) for k, v in record.other.items()]
        figures += [(f"per_class.{k}", v) for k, v in record.per_class.items()]
        figures += [(f"slices[{k}].figures", v.figures) for k, v in enumerate(record.slices)]
        wrong = [("sets", name, "sets of different names") for name in names if names.count(name) > 1]
        wrong += [
            (f"a name in {field}", name, f"one of {', '.join((*HEADINGS, *own))}")
            for field, table in figures for name in table if name not in HEADINGS and name not in own
        ]  # fmt: skip
        wrong += [
            (f"sets[{k}].kind", s.kind, f"one of {', '.join((*KINDS, *record.kinds))}")
            for k, s in enumerate(record.sets) if s.kind not in KINDS and s.kind not in record.kinds
        ]  # fmt: skip
        plain = [s.name for s in record.sets]
        wrong += [
            (f"timed[{k}].of_set", t.of_set, "the name of one of sets")
            for k, t in enumerate(record.timed) if t.of_set not in plain
        ]  # fmt: skip
        if wrong:
            field, value, what = wrong[0]
            raise BenchError(f"{path}: {field} is {shown(value)}, not {what}; {fix}")
        return record


class ResultsRecord(Computed):
    """The results of one model on its test sets.

    Attributes:
        method, model, seed: its names in the leaderboard.
        protocol: short name of the clip sampling; ``sampling``: all its settings; ``precision``: the network's.
        checkpoint, checkpoint_sha256: the file and its digest; for predictions of other programs only
            ``checkpoint_sha256``.
        trained_on: all that the model was trained on, in words; ``unknown`` if no file says it, empty in records of
            older versions.
        recipe: how it was trained, without the seed (:func:`evaluator.training_data.recipe_of`); empty if that is
            not known.
        command: the command line that wrote it; empty if it was written from Python.
        frozen: the frozen protocol that it was evaluated by; empty without one.
        kind, notes: the kind of model, and what had to be assumed about it.
        zero_shot: the texts of a model that was not trained on classes; None for others.
        classes: names in label order; empty if an older version wrote the record.
        limit: largest number of videos scored per set; None for all.
        subset: only the videos that a list names were scored.
        iid: the ordinary test videos; None if they were not scored.
        version, versions: version of this toolkit; versions of it and of libraries.
    """

    format: Annotated[int, Field(ge=1), Says("a whole number from 1")]
    dataset: Name
    method: Text
    model: Text
    seed: Annotated[int | str | None, Says("a seed", _is_seed, null=True)] = ""
    protocol: Text = ""
    checkpoint: Text = ""
    checkpoint_sha256: Text = ""
    classes: list[Text] = Field(default_factory=list[str])
    command: Text = ""
    frozen: Text = ""
    kind: Text = ""
    trained_on: Text = ""
    recipe: Text = ""
    zero_shot: Annotated[ZeroShotTexts | None, Missing()] = None
    precision: Text = ""
    notes: list[Text] = Field(default_factory=list[str])
    bootstrap_seed: Annotated[int, Says("a seed", _is_seed)] = 0
    limit: Annotated[int | None, Field(ge=1, lt=2**63), Says("a whole number from 1", null=True)] = None
    subset: Annotated[ListedSources | None, Missing()] = None
    iid: Iid | None = None
    version: Text = ""
    versions: dict[Text, Text] | None = None
    sampling: dict[Text, Shown] | None = None

    def placed(self, sets: Sequence[TestSet], out: Path, root: Path) -> Self:
        """A copy with the paths of its benchmarks and of its dataset (``root``): absolute, and relative to ``out``,
        so that they are found again if all are moved together."""
        described = [
            kept if s.benchmark is None else kept.replaced(**paths_from(out, folder=s.benchmark.folder))
            for kept, s in zip(self.sets, sets, strict=True)
        ]
        iid = {} if self.iid is None else {"iid": self.iid.replaced(**paths_from(out, root=root))}
        return self.replaced(sets=described, **iid)


@dataclass(frozen=True)
class Scored:
    """The result of scoring.

    Attributes:
        record: the results.
        path: the record's file; ``leaderboard``: the table to which its row was added; None if nothing was written.
        computed: names of the sets that were predicted in this run; predictions of the others existed.
        speed: ``videos``, ``seconds`` and ``idle_percent`` of these predictions.
        slices: csv files of the figures per group, and of the ids that are in no group.
    """

    record: ResultsRecord
    path: Path | None = None
    leaderboard: Path | None = None
    computed: tuple[str, ...] = ()
    speed: Mapping[str, float] = field(default_factory=dict)
    slices: tuple[Path, ...] = ()

    def plain(self) -> dict[str, object]:
        """The record as plain JSON values, with its path as ``record``, ``leaderboard``, ``computed``, ``speed``."""
        paths = {"record": self.path, "leaderboard": self.leaderboard}
        told = {name: str(path) for name, path in paths.items() if path is not None}
        return {**self.record.plain(), **told, "computed": list(self.computed), "speed": dict(self.speed)}

    def __getitem__(self, name: str) -> object:
        """A field of :meth:`plain`, for code written for the last release, in which this was a dictionary."""
        warnings.warn(f"Scored[{name!r}]: use its attributes, or plain()", DeprecationWarning, 2)
        return self.plain()[name]


def same_scenes(sets: Sequence[ScoredSet], others: Sequence[ScoredSet]) -> bool:
    """Whether two records do not have different true scenes, so that their scene top-1 can be compared."""
    digests = {s.scenes.digest for s in (*sets, *others) if s.scenes is not None}
    return len(digests) <= 1


def subset_said(chosen: ChosenIds | None) -> dict[str, object]:
    """The entry of a record for what ``--subset`` chose; empty without it."""
    if chosen is None:
        return {}
    said = {**chosen.listed.described(), "ids": sorted(chosen.ids), "unknown": [i[:LONGEST] for i in chosen.unknown]}
    return {"subset": said}


def _given(**places: str | None) -> dict[str, str]:
    return {name: place for name, place in places.items() if place is not None}


def write_record(path: Path, record: ResultsRecord) -> None:
    """Write a results record; after an error there is no partial file.

    Raises:
        BenchError: a field is not valid for :func:`read_record`, such as a name of thousands of characters.
    """
    said: Mapping[str, object] = {**record.plain(), "format": ResultsRecord.FORMAT, "version": version()}
    write_json(path, ResultsRecord.of(said, path, "give it a shorter name, or report this").plain())


def read_record(path: Path) -> ResultsRecord:
    """Read a results record; fields that older versions did not write get their defaults.

    Raises:
        BenchError: it is not a results record, its format is newer, or a field is not valid; the error names file
            and field.
    """
    return ResultsRecord.of(read_json(path, "results record", _FIX), path)


def check_names(**names: str) -> None:
    """Raise BenchError before any work if a name is not valid in a record; the error names the option."""
    for option, name in names.items():
        if len(name) > LONGEST:
            flag = f"--{option.replace('_', '-')}"
            raise BenchError(f"{flag} is {shown(name)}: longer than {LONGEST} characters; give a shorter one")


def version() -> str:
    """Version of this toolkit."""
    return __version__
