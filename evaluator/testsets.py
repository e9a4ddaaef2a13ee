"""A test set: what is scored at once. The ordinary test split (IID) and every benchmark look alike from here on."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmark_builder import kinds
from benchmark_builder.benchmark.manifest import MANIFEST, PROTOCOL, Benchmark, read_benchmark
from benchmark_builder.benchmark.protocol_record import read_protocol
from benchmark_builder.datasets import data_root, read_dataset, scored_as
from benchmark_builder.datasets.subset import ChosenIds, IdList
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import subfolders
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.video.record import Video
from evaluator.metrics.names import IID
from evaluator.metrics.names import KINDS as KINDS
from evaluator.time_order import FROZEN, TimeOrder

# What an interval's bootstrap draws whole, and what to call it.
CLUSTERS = {"source": "source videos", "group": "UCF101's groups", "video": "single videos"}
_GROUP = re.compile(r"(.*_g\d+)_c\d+")  # UCF101: v_Class_gNN_cMM, groups share actor and scene


@dataclass(frozen=True, slots=True)
class Item:
    """One video of a test set.

    Attributes:
        id: unique in its set.
        label: 0-based true class; ConflFG: the moving actor's.
        source_id: the dataset's video it was made from; variants of one source are not independent samples.
        path: file or folder of frames.
        frames: how many; 0 where nobody has counted (IID).
        partner_id: id of the SCUBA video it pairs with; empty for IID and SCUBA.
        donor_label: ConflFG: class of the still foreground; swap: of the background's video.
        sha256: of the file when its manifest was written; empty for IID.
    """

    id: str
    label: int
    source_id: str
    path: Path
    frames: int = 0
    partner_id: str = ""
    donor_label: int | None = None
    sha256: str = ""


@dataclass(frozen=True)
class TestSet:
    """The ordinary test split or one benchmark.

    Attributes:
        name: the benchmark's folder name, or ``<dataset>-iid``; names the predictions file.
        kind: one of :data:`~evaluator.metrics.names.KINDS`, or a kind of one's own.
        dataset, classes: as the dataset names them, in label order.
        split: the dataset's split that the videos come from.
        backgrounds: name of the background set; sets of one kind are averaged over. Empty for IID.
        still: each video is one frame repeated, so one frame is decoded.
        digest: SHA-256 that names the exact videos: of manifest.csv, or of the listing (ids, labels, file sizes).
        items: sorted by id.
        absent: what belongs to the split and cannot be scored: ids whose files are not in the dataset's folder, and
            files whose names cannot be used.
        built_by: name of the protocol that built the benchmark; empty for IID.
        same_donors: of a part of a set, whether all donors of the whole set have the class of their video; None: as
            the items are.
        videos: id -> the dataset's video; empty for benchmarks.
        time: what is done to its clips, if they are not shown as they are; then ``plain`` is the name of the set that
            shows them so.
    """

    name: str
    kind: str
    dataset: str
    classes: list[str]
    split: str
    backgrounds: str
    still: bool
    digest: str
    items: list[Item]
    absent: tuple[str, ...] = ()
    built_by: str = ""
    benchmark: Benchmark | None = field(default=None, repr=False, compare=False)
    same_donors: bool | None = field(default=None, compare=False)
    videos: Mapping[str, Video] = field(default_factory=dict, repr=False, compare=False)
    time: TimeOrder | None = field(default=None, compare=False)
    plain: str = ""

    __test__ = False  # not a test, whatever pytest makes of the name

    @property
    def about(self) -> kinds.About:
        """What is said of its kind: titles, which figure it gives, which way is good."""
        if self.kind == IID.name:
            return IID
        return kinds.about(self.kind, self.benchmark.protocol.described if self.benchmark else None, self.name)

    @property
    def labels(self) -> dict[str, int]:
        """id -> label of every video."""
        return {item.id: item.label for item in self.items}

    @property
    def sources(self) -> dict[str, str]:
        """id -> source video."""
        return {item.id: item.source_id for item in self.items}

    def clusters(self, cluster: str = "source") -> dict[str, str]:
        """id -> what it is drawn with, for intervals.

        Args:
            cluster: ``source``: the videos made from one video; ``group``: those of one group of UCF101 (clips cut from
                one long video: Soomro et al., 2012); ``video``: each alone, as if variants were independent.

        Raises:
            BenchError: an unknown ``cluster``, or a source that carries no group in its name.
        """
        if cluster == "source":
            return self.sources
        if cluster == "video":  # by set, since ids of SCUBA and SCUFO are alike
            return {item.id: f"{self.name}\x1f{item.id}" for item in self.items}
        if cluster != "group":
            raise BenchError(f"--cluster is {cluster!r}; choose from {', '.join(CLUSTERS)}")
        found = {item.id: _GROUP.fullmatch(item.source_id) for item in self.items}
        for item in self.items:
            if found[item.id] is None:
                named = f"{item.source_id!r} of {self.name} is not named v_Class_gNN_cMM"
                raise BenchError(f"--cluster group: {named}; groups are UCF101's, so take --cluster source")
        return {video_id: match.group(1) for video_id, match in found.items() if match}

    @property
    def partners(self) -> dict[str, str]:
        """id -> id of the SCUBA video to pair with."""
        return {item.id: item.partner_id for item in self.items if item.partner_id}

    @property
    def donors(self) -> dict[str, int]:
        """id -> class of the donor: of the still actor (ConflFG), or of the background's video (swap)."""
        return {item.id: item.donor_label for item in self.items if item.donor_label is not None}

    @property
    def has_same_donors(self) -> bool:
        """Whether every video has a donor of its own class, so that the donor does not mislead."""
        if self.same_donors is not None:
            return self.same_donors
        return bool(self.items) and all(item.donor_label == item.label for item in self.items)

    def frames(self, item: Item) -> Iterator[np.ndarray]:
        """Decode (or, for a virtual benchmark, compose) a video: uint8 (H, W, 3) RGB, as far as it is read.

        The file itself is not compared with its digest here: :func:`evaluator.inference.clips.read_clips` does that.
        """
        if self.time is not None and self.time.name == FROZEN:
            return self.time.frames(item.id)
        if self.benchmark is not None:
            return self.benchmark.frames(self.benchmark.by_id[item.id], check=False)
        from benchmark_builder.layouts.layout import read_any

        return read_any(item.path)


def iid_set(dataset: str, root: Path | None = None, split: str = "test", fold: int = 1) -> TestSet:
    """The dataset's ordinary test split (``$BENCH_DATA/NAME`` unless ``root`` says otherwise).

    Raises:
        BenchError: the dataset or its split is not there.
    """
    listing = read_dataset(dataset, root, split, fold)
    total = hashlib.sha256()
    items, videos = [], {}
    for video in sorted(listing.videos, key=lambda v: v.id):
        size = video.path.stat().st_size if video.path.is_file() else -1
        total.update(f"{video.id}\x1f{video.label}\x1f{size}\n".encode())
        items.append(Item(video.id, video.label, video.id, video.path))
        videos[video.id] = video
    dataset = safe_name(dataset)
    name = f"{dataset}-iid" if split == "test" else f"{dataset}-{split}"
    splits = "+".join(sorted({video.split for video in listing.videos}))
    absent = tuple(name for _, name, _ in listing.left_out)
    digest = total.hexdigest()
    return TestSet(name, "iid", dataset, listing.classes, splits, "", False, digest, items, absent, videos=videos)


def benchmark_set(folder: Path, root: Path | None = None) -> TestSet:
    """A built benchmark as a test set.

    ``root``: where the dataset may be, if a virtual benchmark does not find it where it was.

    Raises:
        BenchError: no finished benchmark in ``folder``, of an unknown kind, or without videos.
    """
    benchmark = read_benchmark(folder)
    if root is not None and benchmark.rows and (root / benchmark.rows[0].source_file).exists():
        benchmark = replace(benchmark, root=root)
    about = benchmark.about
    if not benchmark.rows:
        raise BenchError(f"{folder / MANIFEST}: holds no videos; build the benchmark again")
    items = []
    for row in sorted(benchmark.rows, key=lambda r: r.id):
        partner = row.partner_id if benchmark.kind != "scuba" else ""
        path, digest = benchmark.path(row), row.file_sha256
        items.append(Item(row.id, row.label, row.source_id, path, row.frames, partner, row.donor_label, digest))
    splits = sorted({row.split for row in benchmark.rows})
    return TestSet(
        folder.resolve().name,
        benchmark.kind,
        scored_as(benchmark.dataset),
        benchmark.classes,
        "+".join(splits),
        benchmark.background_set,
        about.still,
        benchmark.digest,
        items,
        built_by=benchmark.protocol.protocol.name or "",
        benchmark=benchmark,
    )


def default_benchmarks(dataset: str, folder: Path | None = None) -> list[Path]:
    """The finished benchmarks of a dataset under ``folder`` (default ``$BENCH_DATA/benchmarks``), sorted by name."""
    folder = folder or data_root() / "benchmarks"
    found = []
    for candidate in subfolders(folder) if folder.is_dir() else []:
        if (candidate / MANIFEST).is_file() and (candidate / PROTOCOL).is_file():
            protocol = read_protocol(candidate, "delete the folder or build it again")
            if scored_as(protocol.dataset) == dataset:
                found.append(candidate)
    return found


def pair_sets(sets: list[TestSet], kind: str) -> list[tuple[TestSet, TestSet]]:
    """Join each set of ``kind`` with the SCUBA set that its videos were made from.

    A benchmark says which SCUBA manifest it was made from; one that does not (an import) is joined with the SCUBA set
    that has its backgrounds and all its partner ids.

    Returns:
        (scuba, set of ``kind``) pairs; a set whose SCUBA set is not among ``sets`` is left out.

    Raises:
        BenchError: the SCUBA set was built anew since, or two would fit.
    """
    pairs = []
    for other in (s for s in sets if s.kind == kind):
        wanted = set(other.partners.values())
        alike = [
            s
            for s in sets
            if s.kind == "scuba"
            and (s.backgrounds, s.split) == (other.backgrounds, other.split)
            and wanted
            and wanted <= s.labels.keys()
        ]
        made_from = other.benchmark.protocol.origin.manifest_sha256 if other.benchmark else None
        fitting = [s for s in alike if not made_from or (s.benchmark and s.benchmark.digest == made_from)]
        if alike and not fitting:
            raise BenchError(f"{other.name} was made from another build than {alike[0].name}; build it again from that")
        if len(fitting) > 1:
            names = " and ".join(s.name for s in fitting)
            raise BenchError(f"{other.name} pairs with both {names}; score them in two runs")
        pairs += [(fitting[0], other)] if fitting else []
    return pairs


def limited(s: TestSet, limit: int) -> TestSet:
    """The first ``limit`` videos of a set, by id; its digest differs from the whole set's."""
    digest = limited_digest(s.digest, limit)
    return replace(s, items=s.items[:limit], digest=digest, same_donors=s.has_same_donors)


def limited_digest(digest: str, limit: int) -> str:
    """The digest of the first ``limit`` videos of a set with this digest."""
    return hashlib.sha256(f"{digest} first {limit}".encode()).hexdigest()


def in_time(s: TestSet, time: TimeOrder) -> TestSet:
    """A test set with its clips in another order; another name and digest, so that predictions never mix."""
    time = replace(time, videos=s.videos) if time.name == FROZEN else time
    return replace(s, name=f"{s.name}+{time.name}", digest=time.digest(s.digest), time=time, plain=s.name)


def listed_sets(sets: list[TestSet], listed: IdList) -> tuple[list[TestSet], ChosenIds]:
    """Of each set the videos whose source a list names (``--subset``), and what the list means for all of them.

    Raises:
        BenchError: the list names no video of one of the sets.
    """
    chosen = listed.chosen({i for s in sets for i in (*s.sources.values(), *s.absent)})
    made = [listed_set(s, chosen.ids, listed.sha256) for s in sets]
    for s in made:
        if not s.items:
            raise BenchError(f"--subset {listed.label}: names no video of {s.name}; leave one of them out")
    return made, chosen


def listed_set(s: TestSet, ids: Collection[str], sha256: str) -> TestSet:
    """The videos of a set that were made from the sources ``ids``, chosen by a list with this digest."""
    items = [item for item in s.items if item.source_id in ids]
    absent = tuple(name for name in s.absent if name in ids)
    return replace(s, items=items, absent=absent, digest=listed_digest(s.digest, sha256))


def listed_digest(digest: str, sha256: str) -> str:
    """The digest of the videos that a list of this digest names, of a set with this ``digest``."""
    return hashlib.sha256(f"{digest} listed {sha256}".encode()).hexdigest()
