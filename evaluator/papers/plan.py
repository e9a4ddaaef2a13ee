"""A paper's table as data: which benchmarks, methods, seeds and test clips, and what they need."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import model_validator

from albar.clips.clips import ClipSampling
from albar.parts import METHODS
from albar.training.settings import make_settings, recipes
from benchmark_builder.kinds import KINDS
from benchmark_builder.parts import BACKGROUNDS, DATASETS, MASKS
from benchmark_builder.pretrained.table import network_of
from benchmark_builder.protocols import resolve
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import SettingError, SettingsModel, Table, Word, as_tuple, setting
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.text import read_text
from evaluator.reports.published import RESULTS, published_rows, records
from manifests import resource

NeedKind = Literal["dataset", "folder", "pictures", "file", "torchvision", "weights"]
SET_BY_TINY = ("root", "out", "dataset", "method", "weights", "masks", "places")
INSPECT = "inspect"  # the step that decodes every video; it can be left out like any other part


class Need(SettingsModel):
    """What a plan needs from this machine.

    Attributes:
        name: its name on the command line (``--have NAME=PATH``).
        kind: ``dataset`` (a registered one), ``folder``, ``pictures`` (a folder of pictures), ``file``, ``weights``
            (a name of `bench weights list`), ``torchvision`` (a file that torchvision downloads on first use).
        place: its place in ``$BENCH_DATA``; of weights their name. Empty: the need's name.
        what: what it is. where: where to get it; empty for datasets, whose readers say so.
        gigabytes: its size; 0: not known.
        only_for: the parts of the plan that need it; empty: all.
        masks: only the plan's own mask source needs it.
    """

    name: Word = setting(..., "Its name.")
    kind: NeedKind = setting(..., "What it is.")
    place: str = setting("", "Its place.")
    what: str = setting("", "What it is, in words.")
    where: str = setting("", "Where to get it.")
    gigabytes: float = setting(0.0, "Its size.", ge=0)
    only_for: tuple[str, ...] = setting((), "The parts that need it.")
    masks: bool = setting(False, "Only the plan's own mask source needs it.")

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, values: Any) -> Any:
        return {k: as_tuple(v) for k, v in values.items()} if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _inside(self) -> Self:
        for name in (self.name, self.place):  # --tiny writes there
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise self.wrong("place", name, "it must be inside $BENCH_DATA; give other places with --have")
        if self.kind == "weights":
            network_of(self.place)
        if self.kind == "dataset":
            DATASETS.split(self.name)
        return self


class Actors(SettingsModel):
    """The videos whose actors SCUBA shows.

    Attributes:
        dataset, split: where they are. protocol: how they are built.
        masks: a mask source that replaces the protocol's; empty: the protocol's.
        segment: write all masks to disk first, once for all background sets (for slow mask sources).
        tiny_masks: the mask source with ``--tiny``, where the plan's needs a large network; empty: the plan's.

    A need with the name ``masks`` is the file or folder of the mask source.
    """

    dataset: Word = setting(..., "Their dataset.")
    split: Word = setting("test", "Its split.")
    protocol: Word = setting("default", "The named protocol.")
    masks: str = setting("", "A mask source.")
    segment: bool = setting(False, "Write the masks to disk first.")
    tiny_masks: str = setting("", "The mask source with --tiny.")


class Counts(SettingsModel):
    """Official numbers, for the estimates where the data are missing.

    Attributes:
        train, test: videos of the dataset. actors: source videos of SCUBA. variants: SCUBA videos per source video and
        background set. frames: per written video, on average.
    """

    train: int = setting(..., "Training videos.", ge=1)
    test: int = setting(..., "Test videos.", ge=1)
    actors: int = setting(..., "Source videos of SCUBA.", ge=1)
    variants: int = setting(..., "SCUBA videos per source video.", ge=1)
    frames: int = setting(..., "Frames per written video.", ge=1)


class PaperPlan(SettingsModel):
    """A plan; see the attributes of its parts.

    Attributes:
        name: of the plan. title: what it reproduces. version: increases when it changes.
        dataset, test, fold: networks are trained on the dataset's split ``train`` and tested (IID) on ``test``.
        published: table of :mod:`evaluator.reports.published`.
        recipe: a name of ``manifests/training``. seeds: runs of every method.
        kinds: what is made from every SCUBA set. differences: known differences from the paper.
        methods: method -> its name in the published table; empty: it is not in it.
        clips: settings of the test clips, for every method. backgrounds: name of a set -> kind of background set.
        also: dataset -> column of the published table: networks are also tested on its ordinary videos.
        tiny: training settings that ``--tiny`` replaces.
    """

    name: Word = setting(..., "The plan's name.")
    title: Word = setting(..., "What it reproduces.")
    version: int = setting(..., "Its version.", ge=1)
    dataset: Word = setting(..., "The dataset.")
    test: Word = setting("test", "The test split.")
    fold: int = setting(1, "The official split.", ge=1)
    published: Word = setting(..., "The published table.")
    recipe: Word = setting(..., "The training recipe.")
    seeds: int = setting(3, "Runs of every method.", of="seeds", ge=1, le=10_000)
    kinds: tuple[str, ...] = setting((), "Kinds that are made from SCUBA.")
    differences: tuple[str, ...] = setting((), "Known differences from the paper.")
    methods: Table = setting(..., "Methods, and their published names.")
    clips: Table = setting({}, "Settings of the test clips.")
    backgrounds: Table = setting(..., "Background sets, and their kinds.")
    also: Table = setting({}, "Further datasets to test on, and their published columns.")
    actors: Actors = setting(..., "The videos of SCUBA.")
    counts: Counts = setting(..., "Official numbers.")
    needs: tuple[Need, ...] = setting((), "What must be there.")
    tiny: Table = setting({}, "Training settings of --tiny.")

    @model_validator(mode="after")
    def _known(self) -> Self:
        for table in ("methods", "backgrounds", "also"):
            for name, value in getattr(self, table).items():
                if not isinstance(value, str):
                    raise BenchError(f"{table}.{name} is {value!r}; give a word")
        for table, what in (("methods", "method"), ("backgrounds", "background set")):
            if not getattr(self, table):
                raise BenchError(f"{table} has no {what}; name at least one in [{table}]")
        for method in self.methods:
            if METHODS.split(method)[1] is not None:
                raise BenchError(f"methods.{method}: a plan has one row per method; put settings into the recipe")
        for background in self.backgrounds:
            if safe_name(background) != background or not background:
                raise BenchError(
                    f"backgrounds: {background!r} is part of the names of folders; use letters, digits and . _ + -"
                )
        for kind in self.kinds:
            if KINDS.split(kind)[0] == "scuba":
                raise self.wrong("kinds", self.kinds, "leave out scuba; it is always made, from every background set")
        for kind in self.backgrounds.values():
            BACKGROUNDS.split(kind)
        for masks in filter(None, (self.actors.masks, self.actors.tiny_masks)):
            MASKS.split(masks)
        for what, names in (
            ("kinds", self.kinds),
            ("needs", tuple(need.name for need in self.needs)),
            ("parts", self.parts),
        ):
            if (twice := next((n for i, n in enumerate(names) if n in names[:i]), None)) is not None:
                raise BenchError(f"{what}: {twice!r} is there twice; every name must be used once")
        folders = [f"{b}-{safe_name(kind)}" for b in self.backgrounds for kind in ("scuba", *self.kinds)]
        if len(set(folders)) < len(folders):
            raise self.wrong(
                "backgrounds", tuple(self.backgrounds), "two benchmarks would have the same folder; rename a set"
            )
        for name, spec in self.backgrounds.items():
            if ":" in spec and any(need.name == name for need in self.needs):
                raise BenchError(f"backgrounds.{name} is {spec!r}; its folder is the need {name}; leave the rest out")
        for dataset in self.datasets:
            DATASETS.split(dataset)
        resolve(self.actors.protocol, self.actors.dataset, {})
        self._published()
        ClipSampling().replaced(self.clips)
        given = [name for name in SET_BY_TINY if name in self.tiny]
        if given:
            raise BenchError(f"tiny.{given[0]}: --tiny sets it by itself; leave it out")
        try:
            make_settings(None, {**self.tiny, "method": "baseline"})
        except BenchError as error:
            raise BenchError(f"[tiny]: {error}") from None
        if self.recipe not in recipes():
            raise self.wrong("recipe", self.recipe, f"give one of {', '.join(recipes())}")
        unknown = next((n for need in self.needs for n in need.only_for if n not in self.parts), None)
        if unknown is not None:
            raise self.wrong("needs", unknown, f"only_for names none of the parts {', '.join(self.parts)}")
        return self

    def _published(self) -> None:
        """Check that the published table has every method and column that the plan names."""
        known = [row["method"] for row in published_rows(self.published)]
        for method, name in self.methods.items():
            if name and name not in known:
                raise BenchError(
                    f"methods.{method}: {self.published} has no row {name!r}; choose from {', '.join(known)}, or give "
                    'an empty text, "", for a method that the paper does not have'
                )
        columns = [name for name in records(RESULTS)[0] if name not in ("table", "method", "venue", "source", "note")]
        for dataset, column in self.also.items():
            if column not in columns:
                raise BenchError(f"also.{dataset}: no published column {column!r}; choose from {', '.join(columns)}")

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets that are read."""
        return tuple(dict.fromkeys((self.dataset, self.actors.dataset, *self.also)))

    @property
    def parts(self) -> tuple[str, ...]:
        """What can be left out: background sets, kinds, methods, further datasets, and the inspection."""
        return (*self.backgrounds, *self.kinds, *self.methods, *self.also, INSPECT)

    def with_masks(self, masks: str) -> "PaperPlan":
        """The plan with another mask source for SCUBA; the needs of its own mask source are left out."""
        needs = tuple(need for need in self.needs if not need.masks)
        return self.replaced(actors=self.actors.replaced(masks=masks, tiny_masks=""), needs=needs)

    def without(self, names: Iterable[str]) -> "PaperPlan":
        """The plan without some of its :attr:`parts`.

        Raises:
            BenchError: a name is no part, or no background set or no method is left.
        """
        gone = set(names)
        for name in gone:
            if name not in self.parts:
                raise BenchError(f"--without {name}: no part of {self.name}; its parts are {', '.join(self.parts)}")
        left: dict[str, Any] = {
            name: {k: v for k, v in getattr(self, name).items() if k not in gone}
            for name in ("methods", "backgrounds", "also")
        }
        for name, what in (("methods", "method"), ("backgrounds", "background set")):
            if not left[name]:
                raise BenchError(f"--without {' '.join(sorted(gone))}: no {what} is left; leave out fewer")
        kinds = tuple(kind for kind in self.kinds if kind not in gone)
        known = {*left["methods"], *left["backgrounds"], *left["also"], *kinds, *({INSPECT} - gone)}
        needs = tuple(
            need if not need.only_for else need.replaced(only_for=kept)
            for need in self.needs
            if not need.only_for or (kept := tuple(n for n in need.only_for if n in known))
        )
        return self.replaced(**left, kinds=kinds, needs=needs)


def plans() -> list[str]:
    """The plans that ship in ``manifests/papers``, by name."""
    return sorted(p.name.removesuffix(".toml") for p in resource("papers").iterdir() if p.name.endswith(".toml"))


def read_plan(name: str) -> PaperPlan:
    """The plan of this name, or of a TOML file.

    Raises:
        BenchError: there is no such plan, or the file is no plan; the message names the file and the key.
    """
    path = Path(name)
    fix = f"give one of {', '.join(plans())}, or a TOML file of a plan (docs/papers.md)"
    if name in plans():
        text = resource("papers", f"{name}.toml").read_text("utf-8")
    elif path.suffix == ".toml" and path.is_file():
        text = read_text(path, "plan", fix)
    else:
        raise BenchError(f"PAPER {name}: no such plan; {fix}")
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{name}: not TOML ({error}); correct it there") from None
    try:
        return _made(path.stem if path.suffix else name, found)
    except SettingError as error:
        raise BenchError(f"{name}: {error.inside}") from None
    except BenchError as error:
        raise BenchError(f"{name}: {error}") from None


def _made(name: str, found: Mapping[str, Any]) -> PaperPlan:
    if "name" in found:
        raise BenchError("name is a setting of no plan, its file has the name; leave it out")
    if safe_name(name) != name or not name:
        raise BenchError(f"{name!r} becomes the name of a folder; rename the file, with letters, digits and . _ + -")
    values = {k: as_tuple(v) for k, v in found.items()}
    for key, model in (("actors", Actors), ("counts", Counts)):
        values[key] = model(**_table(values.get(key), key))
    needs = values.get("needs", ())
    if not isinstance(needs, tuple) or not all(isinstance(need, Mapping) for need in needs):
        raise BenchError(f"needs is {needs!r:.60}; write every need as a table [[needs]]")
    values["needs"] = tuple(Need(**dict(need)) for need in needs)
    made = PaperPlan(name=name, **values)
    # Datasets that are read are needs, whether or not the file says so.
    known = {need.name for need in made.needs}
    more = tuple(
        Need(name=d, kind="dataset", only_for=(d,) if d in made.also else ()) for d in made.datasets if d not in known
    )
    return made.replaced(needs=(*made.needs, *more)) if more else made


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BenchError(f"{name} is missing, or is not a table; write [{name}] with its keys")
    return dict(value)
