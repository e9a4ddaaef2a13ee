"""Reads runs from disk (records, test sets, predictions), recomputes their figures and compares them; no network is
run."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark_builder.benchmark.manifest import MANIFEST, places_of
from benchmark_builder.datasets import data_root, registered_dataset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, sha256_file
from benchmark_builder.utils.folders import files_of, subfolders
from evaluator.metrics.figures import compute, figure_parts, main_split
from evaluator.metrics.names import SCENE_FIGURE
from evaluator.metrics.paired import Comparison, compare
from evaluator.predictions.files import Predictions, read_predictions, with_scenes
from evaluator.records import Computed, Iid, ResultsRecord, ScoredSet, TimedSet, read_record, same_scenes
from evaluator.reports.leaderboard import NAME, as_text, read_leaderboard, row_of, videos_of_figures
from evaluator.testsets import Item, TestSet, benchmark_set, iid_set, limited, limited_digest, listed_digest, listed_set
from evaluator.time_order import TimeOrder


@dataclass(frozen=True, eq=False)
class Run:
    """One results record with the test sets and predictions from which it was computed.

    Attributes:
        path: the record's file.
        record: its content.
        sets: the test sets, in the record's order.
        predictions: set name -> predictions.
        timed: sets with the frames of their clips in another order; what is done to the clips is in the record alone.
    """

    path: Path
    record: ResultsRecord
    sets: list[TestSet]
    predictions: dict[str, Predictions]
    timed: list[TestSet] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name: the method, with model and seed if the record has them."""
        extra = [self.record.model] if self.record.model else []
        extra += [f"seed {self.record.seed}"] if self.record.seed not in ("", None) else []
        return f"{self.record.method} ({', '.join(extra)})" if extra else self.record.method


def find_records(paths: Sequence[Path]) -> list[Path]:
    """The results records at the paths; each path is a record, or a folder with records.

    A folder is an ``--out`` folder of `bench eval` or `bench score`, one of `bench compare` (its ``results`` is such a
    folder), or ``results`` in one of these.

    Raises:
        BenchError: a path has no records.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise BenchError(f"{path}: no such file or folder; {WHERE}")
        here = [path] if path.is_file() else next(filter(None, map(_records_in, _places(path))), [])
        if not here:
            raise BenchError(f"{path}: holds no results; {WHERE}")
        found |= dict.fromkeys(here)
    return list(found)


WHERE = "give an --out folder of `bench eval` or `bench compare`, or a record in results/"


def _places(folder: Path) -> list[Path]:
    """The subfolders of a folder that can contain records."""
    places = [folder / "results", folder / "results" / "results"]
    return [*places, folder] if _is_results(folder) else places


def _is_results(folder: Path) -> bool:
    return folder.absolute().name == "results"


def _out(record: Path) -> Path:
    """The ``--out`` folder that contains a record, also if the record is given by a relative path inside it."""
    return record.absolute().parent.parent


def _records_in(folder: Path) -> list[Path]:
    return files_of(folder, [".json"])[0] if folder.is_dir() else []


def find_rows(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Leaderboard rows of leaderboard files, of the folders that :func:`find_records` takes, and of records."""
    rows: list[dict[str, str]] = []
    for path in paths:
        if path.suffix == ".json":
            rows.append(as_text(row_of(read_record(path))))
        elif path.is_dir():
            boards = [
                p / NAME for p in (path, path / "results", path.absolute().parent)[: 3 if _is_results(path) else 2]
            ]
            rows += read_leaderboard(next((board for board in boards if board.is_file()), boards[0]))
        else:
            rows += read_leaderboard(path)
    return rows


class Found:
    """Finds the test sets of records, also if they were moved, and reads each of them once.

    Args:
        benchmarks: folders of benchmarks that were moved after they were scored, or a folder that contains them.
        root: the dataset's folder, if it was moved.
    """

    def __init__(self, benchmarks: Sequence[Path] = (), root: Path | None = None) -> None:
        self.root = root
        self.given: list[Path] = []
        for folder in benchmarks:
            if not folder.is_dir():
                raise BenchError(f"--benchmarks {folder}: no such folder; give a built benchmark, or a folder of them")
            below = [] if (folder / MANIFEST).is_file() else [p for p in subfolders(folder) if _is_built(p)]
            self.given += below or [folder]
        self._sets: dict[tuple[str, str], TestSet] = {}

    def benchmark(self, record: ResultsRecord, described: ScoredSet, path: Path) -> TestSet:
        """The benchmark that was scored: the folder with the same videos, that is, with the same manifest digest.

        Raises:
            BenchError: it is missing, or it has changed since it was scored.
        """
        name, wanted = described.name, described.digest
        key = (wanted, str(record.limit))
        if key not in self._sets:
            named = [p for p in self.given if p.resolve().name == name]
            others = [p for p in self.given if p not in named]
            out = _out(path)
            recorded = places_of(out, described.places, "folder")
            default = [data_root() / "benchmarks" / name]
            there = [p for p in (*named, *others, *recorded, *default) if _is_built(p)]
            same = next((p for p in there if digest_of(p, record) == wanted), None)
            if same is None:
                where = next((p for p in there if p not in others), None)
                if where is not None:
                    raise BenchError(
                        f"{path}: {name} ({where}) has changed since it was scored; run `bench eval` again"
                    )
                tried = ", ".join(map(str, dict.fromkeys((*recorded, *default))))
                raise BenchError(f"{path}: its benchmark {name} is not in {tried}; name its folder with --benchmarks")
            self._sets[key] = _part(benchmark_set(same, self.root), record)
        # The folder may have a new name; the record and its predictions use the old one.
        return replace(self._sets[key], name=name)

    def iid(self, record: ResultsRecord, described: ScoredSet, path: Path) -> TestSet | None:
        """The ordinary test videos that were scored; None if the dataset is not on this machine.

        Raises:
            BenchError: the dataset has changed since it was scored, or ``root`` is another dataset.
        """
        place, wanted = record.iid or Iid(), described.digest
        dataset = place.dataset or record.dataset
        key = (wanted, str(record.limit))
        if key in self._sets:
            return self._sets[key]
        recorded = places_of(_out(path), place.places, "root", self.root)
        default = [] if self.root else [data_root() / dataset]
        for folder in dict.fromkeys((*recorded, *default)):
            try:
                if not folder.is_dir() and self.root is None:
                    continue
                s = iid_set(registered_dataset(dataset), folder, place.split, place.fold)
            except (BenchError, OSError, ValueError):
                if self.root is not None:
                    raise
                continue  # the folder contains something else, or its name is not valid
            s = _part(s, record)
            if s.digest == wanted:
                return self._sets.setdefault(key, s)
            if folder in recorded:
                where = f"{described.name} ({folder})"
                raise BenchError(f"{path}: {where} has changed since it was scored; run `bench eval` again")
        return None


def _is_built(folder: Path) -> bool:
    try:
        return (folder / MANIFEST).is_file()
    except (OSError, ValueError):  # the name is not valid for a folder
        return False


def digest_of(folder: Path, record: ResultsRecord) -> str:
    """The digest of what a record scored of the benchmark in a folder."""
    digest = sha256_file(folder / MANIFEST)
    digest = digest if record.subset is None else listed_digest(digest, record.subset.sha256)
    return digest if record.limit is None else limited_digest(digest, record.limit)


def _part(s: TestSet, record: ResultsRecord) -> TestSet:
    """What a record scored of a test set."""
    s = s if record.subset is None else listed_set(s, set(record.subset.ids), record.subset.sha256)
    return s if record.limit is None else limited(s, record.limit)


def load_run(path: Path, benchmarks: Sequence[Path] = (), root: Path | None = None, found: Found | None = None) -> Run:
    """Read a record, its predictions, and their test sets.

    The dataset's videos are not needed: if they are not on this machine, the predictions say which were scored.

    Args:
        path: the record's file.
        benchmarks: folders of benchmarks that were moved after they were scored.
        root: the dataset's folder, if it was moved.
        found: test sets that several runs share; ``benchmarks`` and ``root`` are then not used.

    Raises:
        BenchError: a benchmark is missing or not the one that was scored; predictions are missing or damaged.
    """
    found = found or Found(benchmarks, root)
    record = read_record(path)
    sets, predictions = [], {}
    for described in record.sets:
        name, file = described.name, _predictions(path, described)
        lacking = described.top1.missing
        s = found.iid(record, described, path) if described.kind == "iid" else None
        if described.kind != "iid":
            s = found.benchmark(record, described, path)
        if s is None:
            predictions[name] = read_predictions(file, record.classes or None)
            s = _told(record, described, predictions[name])
        else:
            predictions[name] = read_predictions(file, s.classes, s.labels, allow_missing=lacking > 0)
        if described.scenes is not None:
            scenes = read_predictions(_file(path, f"scenes of {name}", described.scenes.predictions))
            predictions[name] = with_scenes(predictions[name], scenes)
        sets.append(s)
    timed = []
    for told in record.timed:
        s = next(s for s in sets if s.name == told.of_set)
        file, lacking = _predictions(path, told), told.top1.missing
        predictions[told.name] = read_predictions(file, s.classes, s.labels, allow_missing=lacking > 0)
        order = TimeOrder(told.time, told.seed)
        timed.append(replace(s, name=told.name, digest=told.digest, time=order, plain=s.name))
    return Run(path, record, sets, predictions, timed)


def _predictions(path: Path, described: ScoredSet | TimedSet) -> Path:
    """The file of the predictions of a set in the record ``path``. Raises BenchError if it is not there."""
    return _file(path, described.name, described.predictions)


def _file(path: Path, name: str, relative: str | None) -> Path:
    if relative is None:
        raise BenchError(f"{path}: does not say where the predictions of {name} are; run `bench eval` again")
    try:
        file = inside(_out(path), relative)
        there = file.is_file()
    except (BenchError, ValueError, OSError) as error:  # OSError and ValueError: the name is not valid for a file
        raise BenchError(f"{path}: predictions of {name}: {str(error)[:200]}; run `bench eval` again") from None
    if not there:
        raise BenchError(f"{path}: the predictions of {name} are not in {file}; run `bench eval` again")
    return file


def _told(record: ResultsRecord, described: ScoredSet, p: Predictions) -> TestSet:
    """The ordinary test videos, from their predictions; of videos without prediction only the number is known."""
    items = [Item(i, label, i, Path(i)) for i, label in zip(p.ids, p.labels.tolist(), strict=True)]
    absent = tuple(f"missing {k}" for k in range(described.top1.missing))
    return TestSet(
        described.name, "iid", record.dataset, p.classes, described.split, "", False, described.digest,
        items, absent,
    )  # fmt: skip


def recompute(run: Run, cluster: str | None = None) -> Computed:
    """Compute the record's figures again from the predictions; all digits are the same unless a file was changed.

    ``cluster``: unit of the bootstrap, see :meth:`~evaluator.testsets.TestSet.clusters`; None: that of the record.
    """
    return compute(run.sets, run.predictions, run.record.bootstrap_seed, cluster or run.record.cluster, run.timed)


def clustered(run: Run, cluster: str | None) -> Run:
    """The run with intervals of a bootstrap over ``cluster``; None: the run unchanged."""
    if cluster in (None, run.record.cluster):
        return run
    again = recompute(run, cluster)
    known = {s.name: s.plain() for s in run.record.sets} | {t.name: t.plain() for t in run.record.timed}
    said = {**run.record.plain(), **again.plain()}
    for name, found in (("sets", again.sets), ("timed", again.timed)):
        if name in said:
            said[name] = [{**known[described.name], **described.plain()} for described in found]
    return replace(run, record=ResultsRecord.of(said, run.path))


def compare_runs(a: Run, b: Run, seed: int = 0, cluster: str = "source") -> dict[str, Comparison]:
    """Compare two runs in every figure that both have; differences are A minus B.

    A figure that was not measured on the same videos is left out; so is scene top-1 if the true scenes differ.

    Args:
        a, b: the runs.
        seed: seed of the bootstrap.
        cluster: unit that it draws, one of :data:`~evaluator.testsets.CLUSTERS`.

    Raises:
        BenchError: no figure of both was measured on the same videos.
    """
    here, there = [s.digest for s in a.sets], [s.digest for s in b.sets]
    # B's sets in the order of A's, so that the parts of a figure are; those of B alone come last.
    in_order = sorted(b.sets, key=lambda s: here.index(s.digest) if s.digest in here else len(here))
    left = figure_parts(a.sets, a.predictions, cluster)[main_split(a.sets)]
    right = figure_parts(in_order, b.predictions, cluster)[main_split(b.sets)]
    names = [name for name in left if name in right]
    if set(here) != set(there):
        ours, theirs = videos_of_figures(a.record), videos_of_figures(b.record)
        names = [name for name in names if name in ours and ours[name] == theirs.get(name)]
    if not names:
        raise BenchError(
            f"{a.path} and {b.path} were not measured on the same videos; score both on the same benchmarks"
        )
    if not same_scenes(a.record.sets, b.record.sets):
        names = [name for name in names if name != SCENE_FIGURE]
    return {name: compare(left[name], right[name], name, seed) for name in names}
