"""`bench eval`: runs a model on the test sets, stores its predictions, and computes every figure from these files."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from albar.clips.clips import ClipSampling, Normaliser
from albar.training.accelerator import pick_device
from benchmark_builder.datasets import classes_of, dataset_root, registered_dataset
from benchmark_builder.datasets.folder import NAME as OWN
from benchmark_builder.datasets.folder import has_part
from benchmark_builder.datasets.subset import ChosenIds, read_subset
from benchmark_builder.masks import mask_source
from benchmark_builder.utils import argv
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, sha256_file, write_json
from benchmark_builder.utils.malloc import NETWORKS, keep_freed
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.text import shown
from evaluator.earlier import earlier_scenes, earlier_times
from evaluator.frozen import by_protocol, headline, require_protocol
from evaluator.inference.clips import Batch, ChangedFile, arranged, batches, order
from evaluator.inference.processes import Processes
from evaluator.metrics.figures import compute, file_tag, plain, version
from evaluator.models import ScoredModel, load_model
from evaluator.models.base import Network, apply_options
from evaluator.options import EvalOptions as EvalOptions
from evaluator.predictions.files import Predictions, read_predictions, softmax, write_predictions
from evaluator.records import (
    LONGEST,
    ResultsRecord,
    Scored,
    check_names,
    subset_said,
    write_record,
)
from evaluator.reports import leaderboard
from evaluator.reports.slices import write_slices
from evaluator.results_folder import results_folder
from evaluator.scenes import SceneTest, attach, scene_test
from evaluator.slices.figures import slice_figures
from evaluator.slices.table import read_slices
from evaluator.testsets import TestSet, benchmark_set, default_benchmarks, iid_set, in_time, limited, listed_sets
from evaluator.time_order import FROZEN, TimeOrder

Row = tuple[str, int, np.ndarray]
Say = Callable[[str], None]


def evaluate(
    spec: Path | str | ScoredModel,
    benchmarks: Sequence[Path] | None,
    out: Path,
    options: EvalOptions | None = None,
    say: Say = lambda line: None,
    named: bool | None = None,
) -> Scored | None:
    """Score a model.

    Under ``accelerate launch`` each process predicts its share of the videos and the main one writes; only the main one
    gets a record, the others None.

    Args:
        spec: a model, or a text for :func:`~evaluator.models.load_model`: a checkpoint, ``hf:FOLDER``, a network's
            name, …
        benchmarks: folders of built benchmarks; None uses those of the model's dataset in ``$BENCH_DATA/benchmarks``.
        out: gets ``predictions/<set>--<method>-<digest>.csv`` per set (existing ones of the same model, videos and
            sampling are not computed again), ``results/….json`` and ``leaderboard.csv``.
        options: all other options.
        say: function that shows lines to the user.
        named: whether the user chose the benchmarks, so that ``options.time`` is measured on them, too; None: if they
            are given.

    Returns:
        The results record, the paths written, which sets were predicted, and what :func:`predict` returns.

    Raises:
        BenchError: a model or benchmark is missing, the classes differ from the model's, a video cannot be read or was
            changed, there is nothing to score, or outputs are not finite.
    """
    options = options or EvalOptions()
    if options.protocol is not None:
        options = by_protocol(options)
    model = apply_options(spec, options.model) if isinstance(spec, ScoredModel) else load_model(spec, options.model)
    options = where_it_was(model, options)
    options, note = without_test_part(model, options)
    sampling = model.clips
    sets, chosen = gather(model, benchmarks, options)
    if options.protocol is not None:
        require_protocol(options.protocol, sets)
    if sets:
        model = model.with_classes(sets[0].classes, sets[0].dataset)
    columns = {s.name: model.columns(s.classes, s.name) for s in sets}
    processes = Processes(pick_device(options.device))
    if processes.device.type == "cpu":
        keep_freed(NETWORKS)
    scenes = scene_test(model, sets, options, processes.device)
    named = benchmarks is not None if named is None else named
    timed = in_other_orders(sets, named, options, say if processes.main else lambda line: None)
    columns |= {t.name: columns[t.plain] for t in timed}
    bf16 = options.precision == "bf16" or (options.precision == "auto" and processes.device.type == "cuda")
    precision = "bf16" if bf16 else "float32"
    protocol: dict[str, object] = {
        "sampling": sampling.to_dict(),
        "precision": precision,
        "columns": next(iter(columns.values()), []),
    }
    changed: dict[str, object] = {} if sampling == model.own_sampling else {"sampling": sampling.to_dict()}
    texts: dict[str, object] = {}
    if model.zero_shot is not None:
        texts = {"zero_shot": {"prompts": list(model.zero_shot.prompts), "phrases": list(model.zero_shot.phrases)}}
        changed |= {} if model.zero_shot.usual else {"prompts": list(model.zero_shot.prompts)}
    protocol |= texts
    variant = _short(changed) if changed else ""
    dataset = _dataset(model, options, sets)
    label = options.name or (model.called if dataset == model.dataset else "") or dataset
    check_names(name=label, method=model.method, model=model.model, trained_on=model.trained_on)
    attributes = read_slices(options.slices, sets, options.quantiles) if processes.main else []
    if processes.main:
        leaderboard.check(out / leaderboard.NAME)
        if options.root is not None and options.root in model.places:
            say(f"dataset: {options.root}, where the run found it")
        if note:
            say(note)
        for line in (*describe_model(model, precision), *([chosen.message] if chosen else [])):
            say(line)

    tag = "-".join(filter(None, (file_tag(model.method, model.digest), variant)))
    stores = {
        s.name: Store(out, s, tag, options.suffix, {"checkpoint_sha256": model.digest, "protocol": protocol})
        for s in (*sets, *timed, *([scenes.set] if isinstance(scenes, SceneTest) else []))
    }
    with results_folder(out) if processes.main else contextlib.nullcontext():
        todo = [s for s in (*sets, *timed) if not (model.lasting and stores[s.name].done())]
        speed: dict[str, float] = {}
        asked = None
        if isinstance(scenes, SceneTest):
            iid = next(s for s in sets if s.name == scenes.of)
            if iid not in todo and not stores[scenes.set.name].done():
                todo.insert(0, iid)
            asked = scenes if iid in todo else None
        if todo:
            network = (model.scenes.network if asked and model.scenes else model.network)(processes.device)
            speed = predict(network, sampling, todo, columns, stores, processes, bf16, options, asked)
            if processes.main:
                say(
                    f"{speed['videos']:.0f} videos in {speed['seconds']:.1f} s; the network waited for the input "
                    f"{speed['idle_percent']:.0f} % of the time"
                )
        if not processes.main:
            return None
        predictions = {s.name: stores[s.name].read(options.allow_missing) for s in (*sets, *timed)}
        videos = leaderboard.videos_digest([s.digest for s in sets])
        path = out / "results" / f"{plain(label)}-{tag}-{videos}.json"
        of_run = {"checkpoint_sha256": model.digest, "precision": precision, "sampling": protocol["sampling"], **texts}
        earlier = earlier_times(path, out, sets, timed, of_run) if model.lasting else []
        predictions |= {t.name: p for t, p, _ in earlier}
        timed += [t for t, _, _ in earlier]
        true_scenes = None
        if isinstance(scenes, SceneTest):
            file = stores[scenes.set.name].csv
            predictions = attach(predictions, scenes.of, read_predictions(file, scenes.set.classes))
            true_scenes = scenes.told(file.relative_to(out).as_posix())
        elif scenes and model.lasting and (kept_scenes := earlier_scenes(path, out, sets, of_run)) is not None:
            name, true_scenes, answers = kept_scenes
            predictions = attach(predictions, name, answers)
        elif scenes:
            say(scenes)

        computed = compute(sets, predictions, options.seed, options.cluster, timed)
        sliced = slice_figures(
            sets, predictions, attributes, options.seed, options.cluster, computed.own_arrows, sampling
        )
        said = {
            "format": ResultsRecord.FORMAT,
            "dataset": label, "method": model.method, "model": model.model,
            "classes": list(sets[0].classes) if sets else [], "seed": _seed(model.seed), "checkpoint": model.source,
            "checkpoint_sha256": model.digest, "protocol": protocol_name(sampling, bf16, variant, bool(texts)),
            "sampling": protocol["sampling"], "kind": model.kind, "precision": precision,
            "notes": list(model.notes), "trained_on": model.trained_on,
            **({"recipe": model.recipe} if model.recipe else {}),
            "bootstrap_seed": options.seed, "limit": options.limit,
            "iid": {"split": options.split, "fold": options.fold, **({"dataset": dataset} if label != dataset else {})}
            if options.iid else None,
            "versions": {"albar-bench": version(), "torch": torch.__version__},
            **texts, **({"frozen": options.protocol} if options.protocol else {}), **subset_said(chosen),
            **computed.plain(),
            **({"slices": [s.record.plain() for s in sliced]} if sliced else {}),
        }  # fmt: skip
        record = ResultsRecord.made(said, "the results", "give it a shorter name, or report this")
        described = [
            s.replaced(predictions=stores[s.name].csv.relative_to(out).as_posix(),
                       **({"scenes": true_scenes} if s.scene is not None else {}))
            for s in record.sets
        ]  # fmt: skip
        record = record.replaced(sets=described).placed(sets, out, dataset_root(dataset, options.root))
        if timed:
            kept = {told.name: told for _, _, told in earlier}
            record = record.replaced(timed=[
                t.replaced(predictions=kept[t.name].predictions, masks=kept[t.name].masks) if t.name in kept
                else t.replaced(predictions=stores[t.name].csv.relative_to(out).as_posix()) for t in record.timed
            ])  # fmt: skip
        command = argv.current(without=("--out", "--workers"))
        write_record(path, record.replaced(command=command) if 0 < len(command) <= LONGEST else record)
        if options.protocol is not None:
            say(headline(options.protocol, record))
        tables = write_slices(path, sliced) if sliced else []
        board = out / leaderboard.NAME
        leaderboard.update(board, record)
        return Scored(record, path, board, tuple(s.name for s in todo), speed, tuple(tables))


def _with_scuba(s: TestSet, sets: Sequence[TestSet]) -> TestSet:
    """A set that uses the SCUBA benchmark in ``sets`` from which it was made, if there is one."""
    if s.benchmark is None or s.kind in ("iid", "scuba"):
        return s
    digest = s.benchmark.protocol.origin.manifest_sha256
    found = next((o.benchmark.folder for o in sets if o.benchmark and o.kind == "scuba" and o.digest == digest), None)
    return s if found is None else replace(s, benchmark=replace(s.benchmark, scuba=found))


def where_it_was(model: ScoredModel, options: EvalOptions) -> EvalOptions:
    """The options with the folder in which the model's run found its dataset, if the user gives none.

    The usual folder, ``$BENCH_DATA/NAME``, is first where the run used it too.

    Raises:
        BenchError: the ordinary test videos are wanted, and none of these folders is there.
    """
    other = options.dataset is not None and options.dataset != model.dataset
    if options.root is not None or not options.iid or not model.places or other:
        return options
    usual = dataset_root(model.dataset)
    tried = [*model.places, usual] if model.given_place else [usual, *model.places]
    found = next((place for place in tried if place.is_dir()), None)
    if found is None:
        looked = ", ".join(map(str, dict.fromkeys(tried)))
        raise BenchError(f"{model.source}: its dataset is in none of {looked}; give its folder with --root")
    return options if found == usual else options.replaced(root=found)


def without_test_part(model: ScoredModel, options: EvalOptions) -> tuple[EvalOptions, str]:
    """For the user's own data without a test part: the options that score the videos which the run drew for validation,
    and what to say of it. Otherwise the same options, and nothing."""
    own = model.dataset == OWN and options.dataset in (None, OWN)
    if not own or not options.iid or options.split != "test" or options.subset is not None:
        return options, ""
    root = dataset_root(OWN, options.root)
    if not root.is_dir() or has_part(root, "test"):
        return options, ""
    if model.validation is None:
        raise BenchError(
            f"{root}: has no test part, and {model.source} has no list of validation videos; make {root / 'test.txt'} "
            f"with a line 'CLASS/NAME.mp4' for each video, or give --split all, which has the training videos too"
        )
    said = f"{root} has no test part: scored are the videos that the run drew for validation ({model.validation})"
    if model.chosen:
        said += "; its epoch was chosen by them (--keep best), so its score is too good"
    return options.replaced(split="all", subset=str(model.validation)), said


def gather(
    model: ScoredModel, benchmarks: Sequence[Path] | None, options: EvalOptions
) -> tuple[list[TestSet], ChosenIds | None]:
    """The test sets to score, all of the same dataset (the model's, if it is known), and what ``--subset`` chose."""
    folders = list(benchmarks or [])
    sets = [benchmark_set(folder, options.root) for folder in folders]
    dataset = _dataset(model, options, sets)
    if benchmarks is None:
        sets = [benchmark_set(folder, options.root) for folder in default_benchmarks(dataset)]
    if options.iid:
        name = options.dataset or registered_dataset(dataset)
        sets.insert(0, iid_set(name, options.root, options.split, options.fold))
    sets = [_with_scuba(s, sets) for s in sets]
    for s in sets:
        if s.dataset != dataset:
            whose = f"{model.source} was trained on" if dataset == model.dataset else "the others are of"
            raise BenchError(f"{s.name} is of {s.dataset}, {whose} {dataset}; choose another")
    chosen = None
    if options.subset is not None and sets:
        sets, chosen = listed_sets(sets, read_subset(options.subset))
    for s in sets:
        if s.absent and not options.allow_missing:
            more = f" (and {len(s.absent) - 1} more)" if len(s.absent) > 1 else ""
            fix = "get it, pass --allow-missing to score the rest, or --no-iid"
            raise BenchError(f"{s.name}: {s.absent[0]!r}{more} is missing in the dataset's folder; {fix}")
    if options.limit is not None:
        sets = [limited(s, options.limit) for s in sets]
    return sets, chosen


def in_other_orders(sets: Sequence[TestSet], named: bool, options: EvalOptions, say: Say) -> list[TestSet]:
    """The sets of ``--time``: the ordinary test videos, and benchmarks if the user named them, in each order.

    Raises:
        BenchError: there is no set whose clips can be shown so, or the mask source is wrong.
    """
    found: list[TestSet] = []
    for name in options.time:
        order = TimeOrder(name, options.seed)
        if name == FROZEN and options.masks is not None and sets:
            dataset = options.dataset or registered_dataset(sets[0].dataset)
            root = dataset_root(dataset, options.root)
            order = replace(order, masks=mask_source(options.masks, root, mask_set=options.mask_set))
        before = len(found)
        for s in sets:
            if s.still and named:
                say(f"--time {name}: not of {s.name}, where nothing moves")
            elif name == FROZEN and s.kind != "iid" and named:
                say(f"--time {name}: not of {s.name}; it is for the ordinary test videos")
            elif s.kind == "iid" or (named and not s.still):
                found.append(in_time(s, order))
        if len(found) == before:
            fix = "score the ordinary test videos" if name == FROZEN else "score them, or name a benchmark that moves"
            raise BenchError(f"--time {name}: there are no ordinary test videos to show so; {fix} (without --no-iid)")
    return found


def _dataset(model: ScoredModel, options: EvalOptions, sets: Sequence[TestSet]) -> str:
    chosen = safe_name(options.dataset or "")
    if chosen and model.dataset and classes_of(chosen) != classes_of(model.dataset):
        raise BenchError(f"--dataset {options.dataset}: {model.source} was trained on {model.dataset}; leave it out")
    dataset = chosen or model.dataset or (sets[0].dataset if sets else "")
    if not dataset:
        raise BenchError(f"{model.source} does not record its dataset; give --benchmarks DIR, or --dataset NAME")
    return dataset


def describe_model(model: ScoredModel, precision: str) -> Iterator[str]:
    """The model record as lines: type, clip sampling, and assumptions."""
    s = model.clips
    changed = "" if s == model.own_sampling else " (changed from the model's own)"
    placed = f"stride {s.stride}, from the {s.test_start}, {s.short} when short"
    if s.even:
        placed = f"evenly over the whole video, the {'middle' if s.test_start == 'centre' else 'first'} of each share"
    yield f"{model.source}: {model.kind}, {model.model}, {precision}, {model.digest[:12]}"
    yield (
        f"clips{changed}: {s.frames} frames, {placed}; "
        f"{'both sides' if s.squash else 'short side'} {s.resize}, crop {s.size}; {s.views} x {s.crops} views; "
        f"mean {_numbers(s.mean)}, std {_numbers(s.std)}"
    )
    yield f"trained on: {shown(model.trained_on)}"
    if model.zero_shot is not None:
        prompts = " and ".join(repr(prompt) for prompt in model.zero_shot.prompts)
        yield f"zero-shot: classes are texts, {prompts}"
        if model.zero_shot.phrases:
            yield f"such as {model.zero_shot.texts(model.zero_shot.prompts[0])[0]!r}"
    for note in model.notes:
        yield f"assumed: {note}"


def protocol_name(sampling: ClipSampling, bf16: bool = False, variant: str = "", zero_shot: bool = False) -> str:
    """How clips were cut, as one word: ``32x2-224-centre``; frames x stride, crop size, start of the test clip. Frames
    that are spread over the whole video have ``even`` instead of a stride.

    Then ``4x3`` if there are several views (clips x crops), ``zero-shot`` for a model that was not trained on the
    classes, and eight digits of a digest if the sampling or the prompts are not the model's own, so that they give
    different rows in a leaderboard.
    """
    several = f"{sampling.views}x{sampling.crops}" if sampling.views * sampling.crops > 1 else ""
    word = f"{sampling.frames}x{'even' if sampling.even else sampling.stride}-{sampling.size}-{sampling.test_start}"
    marks = ("bf16" if bf16 else "", "zero-shot" if zero_shot else "", variant)
    return "-".join(filter(None, (word, several, *marks)))


def predict(
    network: Network,
    sampling: ClipSampling,
    sets: Sequence[TestSet],
    columns: dict[str, list[int]],
    stores: "dict[str, Store]",
    processes: Processes,
    bf16: bool,
    options: EvalOptions,
    scenes: SceneTest | None = None,
) -> dict[str, float]:
    """Run the network on the sets; softmax is averaged over the views of a video.

    With ``scenes``, the network's outputs are those of the classes and then those of the scenes
    (:class:`~evaluator.models.base.SceneOutputs`), and the answers for the scenes are written, too.

    The predictions of a set are written as soon as its last video is done. Each of several processes computes its
    share; if one fails, all stop at the end of the current set.

    Returns:
        ``videos`` and ``seconds`` of this process, and ``idle_percent``: the share of them spent waiting for clips.
    """
    listed = processes.share(order(sets))
    left = {s.name: sum(1 for known, _ in listed if known is s) for s in sets}
    rows: dict[str, list[Row]] = {s.name: [] for s in sets}
    missing: dict[str, dict[str, str]] = {s.name: {} for s in sets}
    if scenes is not None:
        rows[scenes.set.name], missing[scenes.set.name] = [], {}
    apart = len(scenes.set.classes) if scenes is not None else 0
    unwritten = [s.name for s in arranged(sets)]
    began, waited = time.perf_counter(), 0.0
    prepare = Normaliser(sampling)
    try:
        stream = batches(listed, sampling, options.batch, options.workers, options.check)
        with Bar(
            total=len(listed), desc="eval", unit="video", disable=not (options.progress and processes.main)
        ) as bar:
            while True:
                while unwritten and not left[unwritten[0]]:
                    name = unwritten.pop(0)
                    _write(stores[name], rows.pop(name), missing[name], processes)
                    if scenes is not None and scenes.of == name:
                        name = scenes.set.name
                        _write(stores[name], rows.pop(name), missing[name], processes)
                asked = time.perf_counter()
                batch = next(stream, None)
                waited += time.perf_counter() - asked
                if batch is None:
                    break
                for k, error in batch.errors:
                    if isinstance(error, ChangedFile) or not options.allow_missing:
                        raise error
                    missing[listed[k][0].name][listed[k][1].id] = str(error)
                    if scenes is not None and listed[k][0].name == scenes.of:
                        missing[scenes.set.name][listed[k][1].id] = str(error)
                scores = video_scores(network, batch, prepare, processes.device, bf16, options.batch, apart)
                for k, row in zip(batch.places, scores, strict=True):
                    s, item = listed[k]
                    row, of_scenes = row[: len(row) - apart], row[len(row) - apart :]
                    if len(row) != len(s.classes):
                        raise BenchError(
                            f"the network has {len(row)} outputs, {s.name} has {len(s.classes)} classes; choose a "
                            "model trained on this dataset"
                        )
                    if not (np.isfinite(row).all() and np.isfinite(of_scenes).all()):
                        raise BenchError(f"the network's output for {item.id!r} is not finite; train the network again")
                    rows[s.name].append((item.id, item.label, row[columns[s.name]]))
                    if scenes is not None and s.name == scenes.of:
                        try:
                            rows[scenes.set.name].append((item.id, scenes.find(item.id), of_scenes))
                        except BenchError as error:
                            if not options.allow_missing:
                                raise
                            missing[scenes.set.name][item.id] = str(error)
                done = [*batch.places, *(k for k, _ in batch.errors)]
                bar.update(len(done))
                for k in done:
                    left[listed[k][0].name] -= 1
    except BenchError as error:
        if processes.count > 1 and not isinstance(error, _Stopped):
            _share([], {}, processes, error)  # the other processes wait there, and would wait for ever
        raise
    seconds = time.perf_counter() - began
    # no process ends before the files are written, since the others would assume that it died
    _share([], {}, processes)
    return {"videos": len(listed), "seconds": seconds, "idle_percent": 100 * waited / max(seconds, 1e-9)}


def video_scores(
    network: Network, batch: Batch, prepare: Normaliser, device: torch.device, bf16: bool, most: int, apart: int = 0
) -> np.ndarray:
    """Probabilities of a batch's videos, float32 (B, outputs): the mean over views of the softmax.

    The last ``apart`` outputs have a softmax of their own.
    """
    if batch.clips is None:
        return np.zeros((0, 0), np.float32)
    cast = torch.autocast(device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()
    found, sampling = [], prepare.sampling
    with torch.inference_mode(), cast:
        for part in batch.clips.split(most):
            clips = prepare(part.to(device, non_blocking=True))
            try:
                logits = network(clips.expand(-1, -1, sampling.frames, -1, -1))
            except torch.OutOfMemoryError:
                raise BenchError(
                    f"--batch {most}: clips of this size do not fit into the GPU memory; give a smaller number"
                ) from None
            except (RuntimeError, ValueError, AssertionError, TypeError) as error:
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise BenchError(
                    f"the network takes no clips of {sampling.frames} frames at {sampling.size} pixels ({reason[:200]})"
                    "; change --sampling, or --clip frames=… and size=…"
                ) from error
            if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != len(part):
                shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
                raise BenchError(
                    f"the network returned {shape} for {len(part)} clips, not ({len(part)}, classes); fix the network"
                )
            found.append(logits.double().cpu().numpy())
    outputs = np.concatenate(found)
    groups = np.split(outputs, [outputs.shape[1] - apart], axis=1) if apart else [outputs]
    probabilities = np.concatenate([softmax(group) for group in groups], axis=1)
    mean: np.ndarray = probabilities.reshape(len(batch.places), -1, probabilities.shape[1]).mean(1).astype(np.float32)
    return mean


def _write(store: "Store", rows: list[Row], missing: dict[str, str], processes: Processes) -> None:
    """Collect the predictions of all processes for a set; the main process writes them."""
    rows, missing = _share(rows, missing, processes)
    if processes.main:
        store.check_complete([row[0] for row in rows] + list(missing))
        store.write(rows, missing)


class _Stopped(BenchError):
    """An error in one of several processes, raised in all of them."""


def _share(
    rows: list[Row], missing: dict[str, str], processes: Processes, failure: BenchError | None = None
) -> tuple[list[Row], dict[str, str]]:
    """The rows and missing videos of all processes for a set. The first failure is raised in all of them."""
    parts = processes.gather((rows, missing, None if failure is None else str(failure)))
    for _, _, message in parts:
        if message is not None:
            raise _Stopped(message)
    every = [row for part, _, _ in parts for row in part]
    return every, {video_id: why for _, part, _ in parts for video_id, why in part.items()}


class Store:
    """Predictions of one test set by one checkpoint, with a note file that records from what they were made.

    Attributes:
        csv: ``<out>/predictions/<set>--<tag>.csv``, or ``.parquet``.
        note: the same name with ``.json``: digests, sampling, and why each missing video is missing.
    """

    def __init__(self, out: Path, test_set: TestSet, tag: str, suffix: str, made_from: dict[str, object]) -> None:
        self.set = test_set
        self.csv = out / "predictions" / f"{test_set.name}--{tag}{suffix}"
        self.note = self.csv.with_suffix(".json")
        self.made_from = {**made_from, "set": test_set.name, "digest": test_set.digest}

    def done(self) -> bool:
        """Whether the file exists, is unchanged and complete, and is from the same checkpoint, videos and sampling."""
        if not (self.csv.is_file() and self.note.is_file()):
            return False
        note = read_json(self.note, "note of predictions", "delete it, it will be written again")
        if not isinstance(note, dict):
            return False
        wanted = json.loads(json.dumps(self.made_from))
        if any(note.get(key) != value for key, value in wanted.items()):
            return False
        return note.get("csv_sha256") == sha256_file(self.csv) and not note.get("missing")

    def check_complete(self, ids: Sequence[str]) -> None:
        """Raise BenchError unless every video of the set occurs exactly once."""
        if sorted(ids) != sorted(self.set.labels):
            raise BenchError(
                f"{self.set.name}: the shares of the processes do not contain every video of the set exactly once; "
                "run the command again"
            )

    def write(self, rows: list[Row], missing: dict[str, str]) -> None:
        """Write rows (id, label, scores (C,)), then the note; ``missing`` is id -> why it could not be read."""
        if not rows:
            first = next(iter(missing.values()), "it is empty")
            raise BenchError(f"{self.set.name}: none of its videos could be read; the first: {first}")
        write_predictions(self.csv, self.set.classes, rows)
        write_json(self.note, {**self.made_from, "csv_sha256": sha256_file(self.csv), "missing": missing})

    def read(self, allow_missing: bool) -> Predictions:
        """The predictions, checked against the test set."""
        return read_predictions(self.csv, self.set.classes, self.set.labels, allow_missing)


def _seed(value: Any) -> int | str:
    """The seed in the checkpoint's settings, if it is valid."""
    usable = isinstance(value, int) or (isinstance(value, str) and len(value) <= 64)
    return value if usable and not isinstance(value, bool) else ""


def _short(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{v:.4g}" for v in values)
