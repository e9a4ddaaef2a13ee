"""Frozen protocols: named sets (name, year, number) that never change, with digests of all that needs no download.

``manifests/protocols/NAME.toml`` has every setting, the kinds, the seed, how models are evaluated, and the figures of a
headline; ``NAME.csv`` the digests of the pixels of `synthactions` and of the benchmarks made of it, so that it can be
checked on any machine that they are the same.
"""

import csv
import functools
import io
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_builder.benchmark.manifest import Benchmark, versions
from benchmark_builder.builders import Run, build_kind, build_scuba
from benchmark_builder.layouts.layout import PixelDigest
from benchmark_builder.protocols import frozen_names
from benchmark_builder.settings import SynthSettings
from benchmark_builder.synthactions.render import clip_facts, render_chosen, render_clip
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import counted
from benchmark_builder.video.decode import read_frames
from manifests import resource

# Columns of NAME.csv: the drawn frames, the frames of the encoded video, and the video of each kind.
DRAWN, VIDEO = "drawn", "video"
Say = Callable[[str], None]


@dataclass(frozen=True)
class FrozenProtocol:
    """A set that can be quoted.

    Attributes:
        name: such as ``albar-bench-2026.1``.
        kinds: its kinds of test videos; the first is ``scuba``.
        seed, split, fold: of the builds and of the ordinary test videos.
        headline: the figures that a headline names, in order.
        evaluation: how a model is evaluated: ``iid``, ``views``, ``crops``, ``seed``, ``cluster``.
        render: the settings of synthactions.
        digests: source id -> column -> digest; ``donor`` is the id of ConflFG's donor.
        software: the versions with which the digests were made.
    """

    name: str
    kinds: tuple[str, ...]
    seed: int
    split: str
    fold: int
    headline: tuple[str, ...]
    evaluation: Mapping[str, Any]
    render: SynthSettings
    digests: Mapping[str, Mapping[str, str]]
    software: str

    def quick(self, count: int = 4) -> list[str]:
        """Ids of ``count`` sources that are fast to check: each mover's donor is among them where that is possible."""
        chosen: list[str] = []
        for name, row in self.digests.items():
            donor = row["donor"].rpartition("__")[0]
            if row["first"] == "1" and len(chosen) + 2 <= count and name not in chosen and donor not in chosen:
                chosen += [name, donor]
        return chosen


@functools.cache
def frozen(name: str) -> FrozenProtocol:
    """A frozen protocol. Raises BenchError if there is none of this name."""
    if name not in frozen_names():
        raise BenchError(f"--protocol {name}: is no frozen protocol; choose from {', '.join(frozen_names())}")
    table = tomllib.loads(resource("protocols", f"{name}.toml").read_text(encoding="utf-8"))
    said, lines = table["set"], resource("protocols", f"{name}.csv").read_text(encoding="utf-8").split("\n", 1)
    rows = csv.DictReader(io.StringIO(lines[1]))
    return FrozenProtocol(
        name, tuple(said["kinds"]), said["seed"], said["split"], said["fold"], tuple(table["figures"]["headline"]),
        table["evaluation"], SynthSettings(train=0, **table["synthactions"]), {row["id"]: row for row in rows},
        lines[0].removeprefix("# "),
    )  # fmt: skip


def differences(benchmark: Benchmark, protocol: FrozenProtocol) -> list[str]:
    """How a benchmark differs from a frozen protocol, one line each; empty if it is that protocol's.

    Settings are compared for every dataset, digests of pixels for synthactions.
    """
    p, where = benchmark.protocol, benchmark.folder
    if p.protocol.name != protocol.name:
        return [f"{where}: was built by protocol {p.protocol.name}, not {protocol.name}"]
    found = [f"{where}: {name} is not that of {protocol.name}" for name in sorted(p.protocol.changes)]
    if benchmark.kind not in protocol.kinds:
        found.append(f"{where}: its kind {benchmark.kind} is not one of {', '.join(protocol.kinds)}")
    if p.seed != protocol.seed:
        found.append(f"{where}: its seed is {p.seed}, not {protocol.seed}")
    if p.subset is not None:
        found.append(f"{where}: contains only a part of {benchmark.dataset}")
    known = benchmark.dataset == "synthactions" and benchmark.background_set == "stripes"
    if known and benchmark.kind in protocol.kinds:
        found += compared(benchmark, protocol, None if p.subset is None else {row.source_id for row in benchmark.rows})
    return found


def compared(benchmark: Benchmark, protocol: FrozenProtocol, ids: set[str] | None = None) -> list[str]:
    """Videos of a benchmark of synthactions whose pixels differ from the digests of a protocol, one line each.

    ``ids``: compare only these sources; None: all, and say which are missing.
    """
    kind = benchmark.kind
    here = {row.source_id: row for row in benchmark.rows}
    found = []
    for name, row in protocol.digests.items():
        if ids is not None and name not in ids:
            continue
        made = here.get(name)
        if made is None:
            found.append(f"{kind} of {name}: is missing")
        elif made.pixels_xxh128 != row[kind]:
            found.append(f"{kind} of {name}: its pixels have the digest {made.pixels_xxh128}, not {row[kind]}")
    return found


def make_all(
    protocol: FrozenProtocol, folder: Path, ids: Sequence[str], workers: int, say: Say, progress: bool = True
) -> dict[str, Benchmark]:
    """Render sources of the test set and build every kind of them into a folder: kind -> its benchmark."""
    root = folder / "synthactions"
    say(f"rendering {counted(len(ids), 'video')}")
    render_chosen(root, protocol.render, set(ids), workers)
    run = Run(workers=workers, progress=progress, say=lambda line: None)
    layout = "virtual"  # the pixels of the lossless layout, without encoding them
    made: dict[str, Benchmark] = {}
    for kind in protocol.kinds:
        say(f"building {kind}")
        out = folder / kind
        if kind == "scuba":
            report = build_scuba("synthactions", root, protocol.split, protocol.fold, protocol=protocol.name,
                                 seed=protocol.seed, out=out, run=run, layout=layout)  # fmt: skip
        else:
            report = build_kind(kind, folder / "scuba", seed=protocol.seed, out=out, run=run, layout=layout)
        if report.benchmark is not None:
            made[kind] = report.benchmark
    return made


def check(
    name: str, quick: bool = False, workers: int = 1, say: Say = print, progress: bool = True
) -> tuple[list[str], int]:
    """Make what a frozen protocol defines without downloads, in a temporary folder, and compare all digests.

    Args:
        name: of the protocol.
        quick: only a few videos, in seconds.
        workers: processes.
        say: called with each line for the user.
        progress: show progress bars.

    Returns:
        One line for each digest that differs, and how many were compared.

    Raises:
        BenchError: no such protocol, or something could not be made.
    """
    protocol = frozen(name)
    ids = protocol.quick() if quick else list(protocol.digests)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = make_all(protocol, Path(folder), ids, workers, say, progress)
        found, count = _sources(protocol, Path(folder) / "synthactions", ids)
        for kind in protocol.kinds:
            of_kind = _comparable(protocol, kind, ids)
            count += len(of_kind)
            if kind in made:
                found += compared(made[kind], protocol, of_kind)
            else:
                found.append(f"{kind}: nothing could be built")
    if found and not _same_software(protocol):
        found.append(f"the digests were made with {protocol.software}; here: {software()}")
    return found, count


def _comparable(protocol: FrozenProtocol, kind: str, ids: Sequence[str]) -> set[str]:
    """The sources whose video of a kind does not depend on sources that were not made."""
    if kind != "conflfg" or len(ids) == len(protocol.digests):
        return set(ids)
    rows = ((name, protocol.digests[name]) for name in ids)
    return {name for name, row in rows if row["first"] == "1" and row["donor"].rpartition("__")[0] in ids}


def _sources(protocol: FrozenProtocol, root: Path, ids: Sequence[str]) -> tuple[list[str], int]:
    found = []
    for name, drawn, video in source_digests(protocol, root, ids):
        row = protocol.digests[name]
        if drawn != row[DRAWN]:
            found.append(f"{name}: is drawn with the digest {drawn}, not {row[DRAWN]}")
        elif video != row[VIDEO]:
            found.append(f"{name}: is drawn equally, but its encoded video has the digest {video}, not {row[VIDEO]}")
    return found, 2 * len(ids)


def source_digests(protocol: FrozenProtocol, root: Path, ids: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield id, the digest of the drawn frames and that of the decoded video, for rendered sources."""
    height, width = protocol.render.shape
    numbers = {clip_facts(protocol.render, "test", k).id: k for k in range(protocol.render.test)}
    for name in ids:
        drawn, video = PixelDigest(height, width), PixelDigest(height, width)
        for frame in render_clip(protocol.render, "test", numbers[name])[0]:
            drawn.update(frame)
        for frame in read_frames(root / "videos" / f"{name}.mp4"):
            video.update(frame)
        yield name, drawn.hexdigest(), video.hexdigest()


def software() -> str:
    """The versions on which pixels depend, on one line."""
    return ", ".join(f"{name} {number}" for name, number in versions().items() if name not in ("albar-bench", "python"))


def _same_software(protocol: FrozenProtocol) -> bool:
    """Whether what the protocol names has the same versions here; a name may be missing in an older protocol."""
    return set(protocol.software.split(", ")) <= set(software().split(", "))
