"""`bench eval`: run a checkpoint over the test sets, keep its predictions, compute every figure from those files."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from albar.checkpoint import Checkpoint, load_checkpoint
from albar.clips import ClipSampling, normalise
from albar.device import pick_device
from benchmark_builder.errors import BenchError
from benchmark_builder.files import read_json, sha256_file, write_json
from evaluator import leaderboard
from evaluator.inputs import ChangedFile, batches, order
from evaluator.predictions import Predictions, read_predictions, softmax, write_predictions
from evaluator.results import compute, file_tag, plain, version, write_record
from evaluator.testsets import TestSet, benchmark_set, default_benchmarks, iid_set, limited


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """How to evaluate; the command line's defaults are these.

    Attributes:
        root: folder of the dataset for IID; None takes ``$BENCH_DATA/NAME``.
        iid: score the ordinary test split too.
        split, fold: which split IID is.
        batch: clips a forward pass.
        workers: decoding processes; 0 decodes in the main one.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, …
        precision: ``auto`` (bf16 on a GPU, float32 elsewhere), ``float32`` or ``bf16``.
        limit: score only the first N videos of each set (by id); for a quick look. None scores all.
        allow_missing: go on without videos that cannot be read; their number is then told with every figure.
        check: compare each benchmark file with its manifest's digest.
        seed: of the bootstrap intervals.
        progress: show a progress bar.
    """

    root: Path | None = None
    iid: bool = True
    split: str = "test"
    fold: int = 1
    batch: int = 8
    workers: int = 0
    device: str = "auto"
    precision: str = "auto"
    limit: int | None = None
    allow_missing: bool = False
    check: bool = True
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise BenchError(f"--batch is {self.batch}; it must be at least 1")
        if self.workers < 0:
            raise BenchError(f"--workers is {self.workers}; it must be 0 or more")
        if self.limit is not None and self.limit < 1:
            raise BenchError(f"--limit is {self.limit}; it must be at least 1")
        if self.precision not in ("auto", "float32", "bf16"):
            raise BenchError(f"--precision is {self.precision!r}; choose from auto, float32, bf16")


def evaluate(
    checkpoint: Path, benchmarks: Sequence[Path] | None, out: Path, options: EvalOptions | None = None
) -> dict[str, Any]:
    """Score a checkpoint.

    Args:
        checkpoint: file written by ``bench train``.
        benchmarks: folders of built benchmarks; None takes those of the checkpoint's dataset under
            ``$BENCH_DATA/benchmarks``.
        out: gets ``predictions/<set>--<method>-<digest>.csv`` a set (what is there already, of the same checkpoint,
            videos and sampling, is not computed again), ``results/….json`` and ``leaderboard.csv``.
        options: everything else.

    Returns:
        The results record; ``record`` and ``leaderboard`` in it are the paths written.

    Raises:
        BenchError: no such checkpoint or benchmark, other classes than the checkpoint's, an unreadable or changed
            video, nothing to score.
    """
    options = options or EvalOptions()
    loaded = load_checkpoint(checkpoint)
    sha256 = sha256_file(checkpoint)
    sets = gather(loaded, checkpoint, benchmarks, options)
    device = pick_device(options.device)
    bf16 = options.precision == "bf16" or (options.precision == "auto" and device.type == "cuda")
    protocol = {"sampling": loaded.sampling.to_dict(), "views": 1, "precision": "bf16" if bf16 else "float32"}

    tag = file_tag(loaded.method, sha256)
    stores = {s.name: Store(out, s, tag, {"checkpoint_sha256": sha256, "protocol": protocol}) for s in sets}
    todo = [s for s in sets if not stores[s.name].done()]
    if todo:
        predict(loaded.network(), loaded.sampling, todo, stores, device, bf16, options)
    predictions = {s.name: stores[s.name].read(options.allow_missing) for s in sets}

    record = {
        "dataset": loaded.dataset, "method": loaded.method, "model": loaded.model, "classes": list(loaded.classes),
        "seed": loaded.settings.get("seed", ""), "checkpoint": str(checkpoint), "checkpoint_sha256": sha256,
        "protocol": protocol_name(loaded.sampling, bf16), "sampling": protocol["sampling"],
        "bootstrap_seed": options.seed, "limit": options.limit, "iid": _iid_place(options),
        "versions": {"albar-bench": version(), "torch": torch.__version__},
        **compute(sets, predictions, options.seed),
    }  # fmt: skip
    for described in record["sets"]:
        described["predictions"] = str(stores[described["name"]].csv.relative_to(out))
    videos = leaderboard.videos_digest([s.digest for s in sets])
    path = out / "results" / f"{plain(loaded.dataset)}-{tag}-{videos}.json"
    write_record(path, record)
    board = out / leaderboard.NAME
    leaderboard.update(board, record)
    return {**record, "record": str(path), "leaderboard": str(board), "computed": [s.name for s in todo]}


def gather(
    loaded: Checkpoint, checkpoint: Path, benchmarks: Sequence[Path] | None, options: EvalOptions
) -> list[TestSet]:
    """The test sets to score, every one with the checkpoint's dataset and classes."""
    folders = default_benchmarks(loaded.dataset) if benchmarks is None else list(benchmarks)
    sets = [iid_set(loaded.dataset, options.root, options.split, options.fold)] if options.iid else []
    sets += [benchmark_set(folder) for folder in folders]
    for s in sets:
        if s.dataset != loaded.dataset:
            raise BenchError(
                f"{s.name} is of {s.dataset}, {checkpoint} was trained on {loaded.dataset}; choose another"
            )
        if s.classes != list(loaded.classes):
            raise BenchError(f"{s.name}: {_class_difference(s.classes, list(loaded.classes), checkpoint)}")
        if s.absent and not options.allow_missing:
            more = f" (and {len(s.absent) - 1} more)" if len(s.absent) > 1 else ""
            mend = "get it, pass --allow-missing to score the rest, or --no-iid"
            raise BenchError(f"{s.name}: the dataset's folder lacks {s.absent[0]!r}{more}; {mend}")
    if options.limit is not None:
        sets = [limited(s, options.limit) for s in sets]
    return sets


def protocol_name(sampling: ClipSampling, bf16: bool = False) -> str:
    """How clips were cut, in a word: ``32x2-224-centre``; frames x stride, crop size, where the test clip starts."""
    plain = f"{sampling.frames}x{sampling.stride}-{sampling.size}-{sampling.test_start}"
    return plain + ("-bf16" if bf16 else "")


def predict(
    network: nn.Module,
    sampling: ClipSampling,
    sets: Sequence[TestSet],
    stores: "dict[str, Store]",
    device: torch.device,
    bf16: bool,
    options: EvalOptions,
) -> None:
    """Run the network over the sets; each set's predictions are written as soon as its last video is done."""
    network = network.eval().to(device)
    listed = order(sets)
    left = {s.name: len(s.items) for s in sets}
    rows: dict[str, list[tuple[str, int, np.ndarray]]] = {s.name: [] for s in sets}
    missing: dict[str, dict[str, str]] = {s.name: {} for s in sets}
    cast = torch.autocast(device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()
    with tqdm(total=len(listed), desc="eval", unit="video", disable=not options.progress) as bar:
        for batch in batches(listed, sampling, options.batch, options.workers, options.check):
            for k, error in batch.errors:
                if isinstance(error, ChangedFile) or not options.allow_missing:
                    raise error
                missing[listed[k][0].name][listed[k][1].id] = str(error)
            if batch.clips is not None:
                with torch.inference_mode(), cast:
                    clips = normalise(batch.clips.to(device, non_blocking=True), sampling)
                    logits = network(clips.expand(-1, -1, sampling.frames, -1, -1))
                scores = softmax(logits.double().cpu().numpy()).astype(np.float32)
                for k, row in zip(batch.places, scores, strict=True):
                    s, item = listed[k]
                    if not np.isfinite(row).all():
                        raise BenchError(f"the network's output for {item.id!r} is not finite; train it again")
                    rows[s.name].append((item.id, item.label, row))
            done = [*batch.places, *(k for k, _ in batch.errors)]
            bar.update(len(done))
            for k in done:
                s = listed[k][0]
                left[s.name] -= 1
                if left[s.name] == 0:
                    stores[s.name].write(rows.pop(s.name), missing[s.name])


class Store:
    """Predictions of one test set by one checkpoint, with a note beside them of what they were made from.

    Attributes:
        csv: ``<out>/predictions/<set>--<tag>.csv``.
        note: the same name with ``.json``: digests, sampling, and why each missing video is missing.
    """

    def __init__(self, out: Path, test_set: TestSet, tag: str, made_from: dict[str, Any]) -> None:
        self.set = test_set
        self.csv = out / "predictions" / f"{test_set.name}--{tag}.csv"
        self.note = self.csv.with_suffix(".json")
        self.made_from = {**made_from, "set": test_set.name, "digest": test_set.digest}

    def done(self) -> bool:
        """Whether the file is there, untouched and complete, from the same checkpoint, videos and sampling."""
        if not (self.csv.is_file() and self.note.is_file()):
            return False
        note = read_json(self.note, "note of predictions", "delete it, it will be made again")
        wanted = json.loads(json.dumps(self.made_from))
        if any(note.get(key) != value for key, value in wanted.items()):
            return False
        return note.get("csv_sha256") == sha256_file(self.csv) and not note.get("missing")

    def write(self, rows: list[tuple[str, int, np.ndarray]], missing: dict[str, str]) -> None:
        """Write rows (id, label, scores (C,)), then the note; ``missing`` is id -> why it could not be read."""
        if not rows:
            first = next(iter(missing.values()), "it is empty")
            raise BenchError(f"{self.set.name}: not one of its videos could be read; the first: {first}")
        write_predictions(self.csv, self.set.classes, rows)
        write_json(self.note, {**self.made_from, "csv_sha256": sha256_file(self.csv), "missing": missing})

    def read(self, allow_missing: bool) -> Predictions:
        """The predictions, checked against the test set."""
        return read_predictions(self.csv, self.set.classes, self.set.labels, allow_missing)


def _iid_place(options: EvalOptions) -> dict[str, Any] | None:
    """Where the IID videos lie, so that a report can find them again."""
    if not options.iid:
        return None
    root = str(options.root.resolve()) if options.root else None
    return {"root": root, "split": options.split, "fold": options.fold}


def _class_difference(found: list[str], known: list[str], checkpoint: Path) -> str:
    if len(found) != len(known):
        return f"has {len(found)} classes, {checkpoint} knows {len(known)}; use a checkpoint trained on this dataset"
    k = next(k for k, (a, b) in enumerate(zip(found, known, strict=True)) if a != b)
    return f"class {k} is {found[k]!r}, {checkpoint} has {known[k]!r}; use a checkpoint trained on these classes"
