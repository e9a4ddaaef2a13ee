"""The plan: from a results record, a benchmark or a run to the commands that make it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from albar.checkpoint import NAME as MODEL
from albar.checkpoint import Checkpoint, load_checkpoint
from albar.parts import METHODS, MODELS
from albar.training.run_record import RunRecord
from albar.training.settings import TrainSettings
from benchmark_builder import backgrounds, kinds
from benchmark_builder.benchmark.manifest import MANIFEST, Benchmark, places_of, read_benchmark
from benchmark_builder.datasets import data_root
from benchmark_builder.kinds.base import Derived, own_settings
from benchmark_builder.parts import DATASETS, LAYOUTS, MASKS
from benchmark_builder.protocols import LATER, names, resolve
from benchmark_builder.settings import ScubaSettings, SynthSettings
from benchmark_builder.synthactions.render import RECORD as RENDERED
from benchmark_builder.synthactions.render import read_record as read_render
from benchmark_builder.utils.command_line import recorded_commands
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file
from benchmark_builder.utils.text import shown
from evaluator.records import ResultsRecord, ScoredSet, read_record
from evaluator.reproduce.steps import Plan, Step, Underivable, options, part, toml, word
from evaluator.runs import Found, digest_of, find_records
from evaluator.time_order import FROZEN

SETTINGS = "settings.json"  # of a run's folder
# Mask sources and background sets that need no path of the user.
_NO_PATH_MASKS = ("truth", "people", "motion", "maskrcnn", "jhmdb")
_NO_PATH_BACKGROUNDS = ("stripes", "plain", "noise")


@dataclass(frozen=True)
class Places:
    """What is the user's own, where a record says nothing that can be used.

    Attributes:
        out: the folder for everything that is made.
        root: the dataset's folder; None: synthactions is rendered.
        benchmarks: where the recorded benchmarks are now.
        checkpoint: the recorded checkpoint, if it has moved.
        masks, backgrounds, weights: as the options of these names.
    """

    out: Path
    root: Path | None = None
    benchmarks: tuple[Path, ...] = ()
    checkpoint: Path | None = None
    masks: str | None = None
    backgrounds: str | None = None
    weights: str | None = None


def plan_of(source: Path, places: Places) -> tuple[Plan, ResultsRecord | None]:
    """The plan for a results record, an ``--out`` folder with one record, a built benchmark, or a run's folder.

    Returns:
        The plan, and the results record if there is one.

    Raises:
        BenchError: ``source`` is none of these, or is not readable.
    """
    plan = Plan()
    if source.is_dir() and (source / MANIFEST).is_file():
        benchmark = read_benchmark(source)
        folder = _benchmark(plan, benchmark, places, source.resolve().name)
        if folder is not None:
            plan.benchmarks[source.resolve().name] = (folder, benchmark.digest)
        return plan, None
    if (source / SETTINGS).is_file() or source.name == MODEL:
        found = load_checkpoint(source / MODEL if source.is_dir() else source)
        _train(plan, found, found.path, places)
        return plan, None
    # The row of a leaderboard is that of a record in its folder.
    records = find_records([source.parent if source.suffix.lower() == ".csv" else source])
    if len(records) > 1:
        listed = ", ".join(str(path) for path in records[:5])
        raise BenchError(f"{source}: holds {len(records)} records ({listed} …); name one of them")
    record = read_record(records[0])
    _results(plan, record, records[0], places)
    return plan, record


def _results(plan: Plan, record: ResultsRecord, path: Path, places: Places) -> None:
    out = path.absolute().parent.parent
    folders: list[Path] = []
    for s in record.sets:
        if s.kind == "iid":
            continue
        try:
            here = _found(record, s, out, places)
            name = word(s.name, "the name of a benchmark")
        except BenchError as error:
            plan.unknown.append(str(error))
            continue
        made = _benchmark(plan, read_benchmark(here), replace(places, root=places.root), name)
        if made is not None:
            folders.append(made)
            plan.benchmarks[s.name] = (made, s.digest)
    checkpoint, network = _checkpoint(plan, record, out, places)
    if checkpoint is None:
        return
    dataset = record.dataset
    if dataset not in DATASETS.shipped and network is not None:  # a name of the user's for it
        dataset = str(network.settings.get("dataset"))
    root = _root(plan, dataset, places, _recorded_root(record, out))
    if root is None:
        return
    try:
        words = _eval_words(record, checkpoint, network, folders, root, places.out / "results")
    except Underivable as error:
        plan.unknown.append(f"evaluation: {error}")
        return
    plan.results = places.out / "results"
    plan.add(Step(tuple(words), f"score {shown(record.method)}", plan.results, record.command))


def _recorded_root(record: ResultsRecord, out: Path) -> list[Path]:
    return [] if record.iid is None else places_of(out, record.iid.places, "root")


def _found(record: ResultsRecord, s: ScoredSet, out: Path, places: Places) -> Path:
    """The benchmark that was scored, by its digest."""
    given = Found(places.benchmarks).given if places.benchmarks else []
    for folder in (*given, *places_of(out, s.places, "folder")):
        with suppress(OSError, ValueError):
            if (folder / MANIFEST).is_file() and digest_of(folder, record) == s.digest:
                return folder
    raise Underivable(
        f"benchmark {shown(s.name)}: is not where the record says, so its settings are unknown; give it, or its "
        "protocol.json and manifest.csv in a folder, with --benchmarks"
    )


def _root(plan: Plan, dataset: str, places: Places, recorded: list[Path]) -> Path | None:
    """The dataset's folder: the user's, or a render that is the first step."""
    if places.root is not None:
        return places.root
    conventional = data_root().absolute() / dataset if dataset in DATASETS.shipped else None
    note = f"nothing here says where the dataset was; {conventional} is taken ($BENCH_DATA), --root changes that"
    if dataset != "synthactions":
        if conventional is None or not conventional.is_dir():
            there = "" if conventional is None else f", or put it into {conventional}"
            plan.unknown.append(f"dataset {shown(dataset)}: give your own copy with --root{there}")
            return None
        plan.note(note)
        return conventional
    root = places.out / "synthactions"
    found = next((p for p in recorded if (p / RENDERED).is_file()), None)
    if found is None:
        if any(step.out == root for step in plan.steps):  # made for a benchmark; the digests say whether it is equal
            return root
        if conventional is None or not (conventional / RENDERED).is_file():
            plan.unknown.append("dataset synthactions: the recorded render is not there, so its settings are unknown; "
                                f"give a render with --root, or put it into {conventional}")  # fmt: skip
            return None
        plan.note(note)
        found = conventional
    settings = read_render(found).get("settings")
    usual = SynthSettings().model_dump()
    try:
        if not isinstance(settings, dict) or not settings.keys() <= usual.keys():
            raise Underivable("its settings are not readable")
        SynthSettings(**settings)
        changed = {k: v for k, v in settings.items() if v != usual[k]}
        words = ["data", "render", *options(changed), "--out", str(root)]
    except BenchError as error:
        plan.unknown.append(f"{found / RENDERED}: {error}")
        return None
    plan.add(Step(tuple(words), "render synthactions", root, _last(found / RENDERED)))
    return root


def _last(table: Path) -> str:
    known = recorded_commands(table)
    return shown(known[-1].command) if known else ""


def _benchmark(plan: Plan, benchmark: Benchmark, places: Places, name: str) -> Path | None:
    """Add the steps that build a benchmark; its new folder, None if something cannot be derived."""
    out = places.out / "benchmarks" / name
    if any(step.out == out for step in plan.steps):
        return out
    p = benchmark.protocol
    root = _root(plan, p.dataset, places, places_of(benchmark.folder, p.paths, "root"))
    if root is None:
        return None
    try:
        if p.protocol.name not in names():
            raise Underivable(f"protocol {shown(p.protocol.name)}: is a file of the user's, which is not recorded")
        for what, said in (("corrections", p.corrections), ("export", p.exported_for),
                           ("export", p.exported_from.manifest_sha256)):  # fmt: skip
            if said is not None:
                raise Underivable(f"{what}: what it was made from is not recorded")
        if benchmark.kind == "scuba":
            words = _scuba_words(benchmark, places)
        else:
            scuba = benchmark.origin
            base = _benchmark(plan, scuba, places, word(scuba.folder.resolve().name, "the name of a benchmark"))
            if base is None:
                return None
            words = _derived_words(benchmark, base, root)
        words += _part_words(benchmark)
        step = Step(
            ("build", *words, "--root", str(root), "--out", str(out)),
            f"build {name}",
            out,
            _last(benchmark.folder / MANIFEST),
        )
    except BenchError as error:
        plan.unknown.append(f"benchmark {name}: {error}")
        return None
    plan.add(step)
    return out


def _scuba_words(benchmark: Benchmark, places: Places) -> list[str]:
    p = benchmark.protocol
    split = p.split
    fold = split[len(split.rstrip("0123456789")) :]
    values: dict[str, object] = {
        "dataset": part(p.dataset, "dataset", DATASETS.shipped), "protocol": p.protocol.name, "seed": p.seed,
        "split": word(split.removesuffix(fold), "split"), "fold": int(fold or 1),
    }  # fmt: skip
    usual, _ = resolve(str(p.protocol.name), p.dataset, {})
    masks, behind = p.masks.kind, p.backgrounds.kind
    words = ["scuba", *options(values)]
    if places.masks is not None:
        words += ["--masks", places.masks]
    elif masks in _NO_PATH_MASKS:
        words += ["--masks", str(masks)] if masks != usual.masks else []
    else:
        part(masks, "masks", MASKS.shipped)
        raise Underivable(f"masks {masks}: their files are not recorded; give them with --masks {masks}:PATH")
    if places.backgrounds is not None:
        words += ["--backgrounds", places.backgrounds]
    elif behind in _NO_PATH_BACKGROUNDS:
        words += ["--backgrounds", str(behind)] if behind != usual.backgrounds else []
    else:
        part(behind, "backgrounds", backgrounds.KINDS.shipped)
        raise Underivable(
            f"backgrounds {behind}: their folder is not recorded; give it with --backgrounds {behind}:FOLDER"
        )
    here: dict[str, object] = {
        **p.mask_settings.plain(), "per_video": p.per_video, "layout": p.layout, "jpeg_quality": p.jpeg_quality,
        "fit": p.backgrounds.fit, "grey": p.backgrounds.grey,
    }  # fmt: skip
    return words + _changed(here, usual.model_dump(), tuple(ScubaSettings.model_fields))


def _derived_words(benchmark: Benchmark, base: Path, root: Path) -> list[str]:
    p = benchmark.protocol
    kind = kinds.KINDS.find(part(benchmark.kind, "kind", kinds.KINDS.shipped)).part
    if not issubclass(kind, Derived):
        raise Underivable(f"kind {benchmark.kind}: is not made from SCUBA")
    usual, _ = resolve(str(p.protocol.name), p.dataset, {})
    made = kind.read(p)
    own = own_settings(kind)
    here = {name: getattr(made, name) for name in own}
    if any(p.settings.get(name) for name in ("inpainted", "pairs")):
        raise Underivable("it was made from files of the user's (--inpainted or --pairs), which are not recorded")
    there = {k: getattr(usual, k) if k in LATER else field.default for k, field in own.items()}
    here |= {"layout": p.layout, "jpeg_quality": p.jpeg_quality}
    there |= {"layout": usual.layout, "jpeg_quality": usual.jpeg_quality}
    first = ["scufo", "--shaken"] if benchmark.kind == "shaken" else [benchmark.kind]
    return [*first, "--from", str(base), *options({"seed": p.seed}), *_changed(here, there, tuple(here))]


def _changed(here: Mapping[str, object], usual: Mapping[str, object], names: tuple[str, ...]) -> list[str]:
    if here.get("layout") is not None:
        part(here["layout"], "layout", LAYOUTS.shipped)
    changed = {k: here[k] for k in names if here.get(k) is not None and here[k] != usual.get(k)}
    return options(changed)


def _part_words(benchmark: Benchmark) -> list[str]:
    parts = benchmark.protocol.subset
    if parts is None:
        return []
    if len(parts) != 1 or parts[0].listed is not None:
        raise Underivable("it contains several parts of its dataset, or a list of ids, which is not recorded")
    words = options({"limit": parts[0].limit})
    words += ["--shard", parts[0].shard] if parts[0].shard else []
    for text in parts[0].only:
        if text.startswith("-") or not text.isprintable():
            raise Underivable(f"--only {shown(text)[:60]}: is no beginning of an id")
        words += ["--only", text]
    return words


def _checkpoint(plan: Plan, record: ResultsRecord, out: Path, places: Places) -> tuple[Path | None, Checkpoint | None]:
    """The checkpoint to score, and the recorded one; a step that trains it is added."""
    if record.kind != "checkpoint":
        plan.unknown.append(
            f"model {shown(record.method)}: is no checkpoint of `bench train` but {shown(record.kind or 'unknown')}, "
            "and the record does not contain it"
        )
        return None, None
    source = Path(record.checkpoint)
    for path in filter(None, (places.checkpoint, source, out / source, out.parent / source)):
        with suppress(OSError, ValueError):
            file = path / MODEL if path.is_dir() else path
            if file.is_file() and sha256_file(file) == record.checkpoint_sha256:
                found = load_checkpoint(file)
                return _train(plan, found, file, places, _recorded_root(record, out)), found
    plan.unknown.append(
        f"checkpoint {shown(record.checkpoint)}: the file with the recorded digest is not there, so its settings are "
        "unknown; give it with --checkpoint"
    )
    return None, None


def _train(
    plan: Plan, checkpoint: Checkpoint, file: Path, places: Places, recorded: Sequence[Path] = ()
) -> Path | None:
    """Add the step that trains a checkpoint again; the new checkpoint. ``recorded``: where its record says that the
    dataset was when it was scored."""
    try:
        record = RunRecord.of(dict(checkpoint.settings), file, "give a checkpoint of `bench train`")
        method = part(record.method, "method", METHODS.shipped)
        folder = places.out / "runs" / f"{method}-{checkpoint.digest[:8]}"
        config = places.out / f"train-{method}-{checkpoint.digest[:8]}.toml"
        text = toml(_train_values(record, places))
        dataset = part(record.dataset, "dataset", DATASETS.shipped)
    except BenchError as error:
        plan.unknown.append(f"training: {error}")
        return None
    root = _root(plan, dataset, places, [*_beside(file), *recorded])
    if root is None:
        return None
    words = ["train", method, "--config", str(config), "--root", str(root), "--out", str(folder)]
    words += ["--weights", places.weights] if places.weights is not None else []
    words += ["--masks", places.masks] if places.masks is not None and "masks" in (record.beside or {}) else []
    if (record.processes or 1) != 1:
        plan.notes.append(f"it was trained by {record.processes} processes together; the command uses one")
    plan.add(Step(tuple(words), f"train {method}", folder, _last(file.parent / SETTINGS), text, config))
    plan.checkpoint, plan.sha256 = folder / MODEL, checkpoint.digest
    return plan.checkpoint


def _beside(file: Path) -> list[Path]:
    """Where the dataset of a run may be: nothing in the record says it, but the render of the benchmarks is a step."""
    return [file.parent.parent / "synthactions", file.parent.parent.parent / "synthactions"]


def _train_values(record: RunRecord, places: Places) -> dict[str, object]:
    values: dict[str, Any] = {
        "dataset": record.dataset, "name": record.name, "split": record.split, "fold": record.fold,
        "limit": record.limit, "validation": record.validation if record.validation_split is None else None,
        "validation_split": record.validation_split, "seed": record.seed, "preset": record.preset, "keep": record.keep,
        "dropout": record.dropout, "precision": record.precision, "compile": record.compile or None,
        "model": part(record.model, "model", MODELS.shipped), **(record.recipe or {}), "clip": record.clip or {},
        "options": record.method_settings or {},
    }  # fmt: skip
    if record.weights is not None and places.weights is None:
        if record.weights_sha256 is not None:
            raise Underivable(f"weights {shown(record.weights)}: give the file with --weights")
        values["weights"] = record.weights
    if record.subset is not None:
        raise Underivable("--subset: its list of ids is not recorded")
    if record.raised:
        raise Underivable(f"epochs: the run was first for {record.raised[0]} and then continued for more")
    beside = dict(record.beside or {})
    masks = beside.pop("masks", None)
    if masks is not None and places.masks is None:
        values["masks"] = part(masks, "masks", _NO_PATH_MASKS)
    if beside.pop("places", "known") != "known":
        raise Underivable("scenes: the weights of the Places365 network are not recorded")
    if "scores_sha256" in beside:
        raise Underivable("StillMix's reference: its run is not recorded")
    values |= beside
    known = TrainSettings.model_fields.keys()
    for name in values:
        if name not in known:
            raise Underivable(f"setting {shown(name)}: is not known here")
    return values


def _eval_words(
    record: ResultsRecord, checkpoint: Path, network: Checkpoint | None, folders: list[Path], root: Path, out: Path
) -> list[str]:
    words = ["eval", str(checkpoint), "--root", str(root), "--out", str(out)]
    words += ["--benchmarks", *map(str, folders)] if folders else ["--no-benchmarks"]
    if record.iid is None:
        words += ["--no-iid"]
    else:
        words += options({"split": record.iid.split, "fold": record.iid.fold})
    words += options({
        "seed": record.bootstrap_seed, "cluster": record.cluster, "precision": record.precision or None,
        "limit": record.limit, "name": None if record.dataset in DATASETS.shipped else record.dataset,
        "method": record.method if network and record.method != network.method else None,
    })  # fmt: skip
    if record.subset is not None:
        raise Underivable("--subset: its list of ids is not recorded")
    if record.frozen:
        words += ["--protocol", part(record.frozen, "protocol", names())]
    if any(s.top1.missing for s in record.sets):
        words += ["--allow-missing"]
    times = list(dict.fromkeys(t.time for t in record.timed))
    if FROZEN in times:
        raise Underivable(f"--time {FROZEN}: its masks are not recorded")
    words += ["--time", *times] if times else []
    if record.sampling is not None and network is not None:
        own = network.sampling.to_dict()
        for name, value in record.sampling.items():
            if own.get(name) != value:
                words += ["--clip", f"{word(name, '--clip')}={word(value, '--clip')}"]
    return words
