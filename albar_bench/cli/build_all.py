"""`bench build all`: several kinds of test videos of a dataset with one command."""

import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from albar_bench.cli.build import FROM, BuildOptions, Network, Scuba, _end, _finish, _run, _scuba, _start
from albar_bench.cli.options import given_of, with_options
from albar_bench.cli.say import say
from benchmark_builder.settings import CorrectionSettings, LayoutSettings
from benchmark_builder.utils import blas
from benchmark_builder.utils.options import PathSetting, setting
from benchmark_builder.utils.text import counted

if TYPE_CHECKING:
    from benchmark_builder.builders import Subset
    from benchmark_builder.kinds.base import Derived

blas.one_thread()

SCUBA = "scuba"
USUAL = (SCUBA, "scufo", "shaken", "conflfg")


class BuildAllOptions(BuildOptions):
    """Options of the command in addition to the settings of SCUBA."""

    kinds: tuple[str, ...] = setting(
        (),
        "Kinds to build, several after one another: scuba, scufo, shaken, conflfg, human-only, …, or "
        "package.module:Kind. SCUBA is built first if it is missing, since the others are made from it.",
        shown=" ".join(USUAL),
        metavar="KIND …",
    )
    out: PathSetting | None = setting(
        None, "Folder, in which each kind gets a folder of its name.", shown="as of each kind's own command"
    )


@with_options
def build_all(
    build: BuildAllOptions,
    settings: Scuba,
    network: Network,
    by_hand: CorrectionSettings,
    source: Annotated[Path | None, typer.Option("--from", help=FROM)] = None,
    virtual: Annotated[bool, typer.Option("--virtual", help="Short for --layout virtual.")] = False,
) -> None:
    """Build SCUBA, SCUFO, shaken SCUFO and ConflFG, or other kinds, with one command. Can be resumed.

    Every kind is built as by its own command (`bench build scufo` …), with the same bytes, so each can also be
    continued or repeated alone. Settings of one kind, such as --shake, are options of its own command. If a kind
    cannot be built, the others still are.

    Example: `bench build all --dataset hmdb51`

    Example: `bench build all --dataset ucf101 --masks ucf101-24:pyannot.pkl --limit 20 --out trial`

    Example: `bench build all --dataset hmdb51 --kinds scuba scufo human-only swap`
    """
    from benchmark_builder.builders import build_kind
    from benchmark_builder.utils.errors import BenchError

    if virtual:
        settings["layout"] = "virtual"
    named, kinds = _kinds(build.kinds or USUAL)
    if source is None and SCUBA in named:
        out = build.out / SCUBA if build.out else None
        scuba, said = _scuba(build.model_copy(update={"out": out}), settings | by_hand.model_dump(), network)
        part: Subset | None = build.part
    else:
        if build.kinds and SCUBA in named:
            raise BenchError("--kinds scuba: --from names the SCUBA benchmark, so none is built; leave one of them out")
        if by_hand.corrections:
            raise BenchError("--corrections: are for SCUBA, which is not built here; add scuba to --kinds")
        scuba, part, said = _start(source, build, settings, network)
    say_masks(scuba, build.root)
    built, failed, missing = {SCUBA: scuba}, [said], []
    for name, kind in kinds.items():
        out = build.out / name if build.out else None
        try:
            report = build_kind(kind, scuba, root=build.root, seed=build.seed, out=out, subset=part,
                                run=_run(build.workers), **given_of(LayoutSettings, settings))  # fmt: skip
            built[name], said = _finish(report)
            failed.append(said)
        except BenchError as error:
            say(f"{name} was not built: {error}")
            missing.append(f"{name}: {error}")
    _say_next(built, build.shard)
    if missing:
        others = "; ".join(filter(None, failed))
        raise BenchError(
            f"{counted(len(missing), 'kind was', 'kinds were')} not built; the first: {missing[0]}"
            + (f"; besides, {others}" if others else "")
        )
    _end(build.keep_going, *failed)


def _kinds(words: Sequence[str]) -> "tuple[set[str], dict[str, type[Derived]]]":
    """The names of the kinds, and those that are made from SCUBA, in their order. Raises BenchError if there is no such
    kind; before any work."""
    from benchmark_builder.kinds.base import kind_named

    found = {}
    for word in dict.fromkeys(words):
        if word != SCUBA:
            kind = kind_named(word)
            found[kind.about.name] = kind
    return {SCUBA, *found} if SCUBA in words else set(found), found


def say_masks(scuba: Path, root: Path | None) -> None:
    """Print which masks a SCUBA benchmark has, and how sure their source is of them."""
    from benchmark_builder.benchmark.manifest import read_benchmark
    from benchmark_builder.masks.base import mean_confidence
    from benchmark_builder.masks.stored import StoredTrack
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.files import inside

    benchmark = read_benchmark(scuba, root)
    rows = {row.source_id: row for row in benchmark.rows if row.mask_file}
    known: dict[str, float] = {}
    unreadable = 0
    for name, row in rows.items():
        try:
            mean = mean_confidence(StoredTrack(inside(scuba, row.mask_file), row.height, row.width).confidence)
        except BenchError:
            unreadable += 1
            continue
        if mean is not None:
            known[name] = mean
    source = benchmark.protocol.masks.kind or next((row.mask_source for row in rows.values()), "unknown")
    parts = [f"masks: {source}, of {counted(len(rows), 'video')}"]
    if known:
        least = min(known, key=lambda name: known[name])
        middle = statistics.median(known.values())
        parts.append(f"confidence from 0 to 1: median {middle:.2f}, lowest {known[least]:.2f} ({least})")
    else:
        parts.append("this source gives no confidence")
    if unreadable:
        parts.append(f"{unreadable} not readable: `bench verify` says more")
    say(f"{'; '.join(parts)}; look at them: bench audit masks {shlex.quote(str(scuba))}")


def _say_next(built: dict[str, Path], shard: str | None) -> None:
    """Print the command that usually follows."""
    folders = shlex.join(map(str, built.values()))
    if shard is not None:
        say(f"next: build the other shards, then join each kind with `bench merge PART… --out DIR`; built: {folders}")
    else:
        say(f"next: bench eval MODEL --benchmarks {folders}")
