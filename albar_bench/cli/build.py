"""The commands of `bench build`."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from albar_bench.cli.options import Chosen, given_of, with_options
from albar_bench.cli.say import say
from albar_bench.cli.tree import made
from benchmark_builder.settings import (
    CorrectionSettings,
    DonorSettings,
    LayoutSettings,
    NetworkSettings,
    PartSettings,
    RunSettings,
    ScubaSettings,
    ShakeSettings,
    SynthSettings,
    VideoSettings,
)
from benchmark_builder.utils import blas
from benchmark_builder.utils.lazy import many_imports
from benchmark_builder.utils.options import PathSetting, like, setting
from benchmark_builder.utils.text import counted

if TYPE_CHECKING:
    from benchmark_builder.benchmark.build import Report
    from benchmark_builder.builders import Run, Subset

blas.one_thread()

FROM = "The SCUBA benchmark to start from.  [default: the dataset's, built first if missing]"


class BuildOptions(RunSettings, PartSettings, VideoSettings):
    """Options of every command that builds."""

    seed: int = like(SynthSettings, "seed", 0)
    out: PathSetting | None = setting(None, "Folder.", shown="$BENCH_DATA/benchmarks/DATASET-KIND-BACKGROUND")
    keep_going: bool = setting(False, "Exit with 0 even if some videos failed.")
    protocol: str = setting(
        "default",
        "default, stillmix (as published), ucf101-updated, albar-bench-2026.1 (frozen), or a FILE.toml; sets "
        "all options below.",
    )

    @property
    def part(self) -> "Subset":
        from benchmark_builder.builders import Subset

        return Subset(self.limit, self.only, self.shard, self.subset)


PANEL = "Protocol's settings"  # an option has priority over the protocol
Scuba = Annotated[dict[str, Any], Chosen(ScubaSettings, PANEL)]
Network = Annotated[dict[str, Any], Chosen(NetworkSettings, "Masks by a network")]


@with_options
def scuba(
    build: BuildOptions,
    settings: Scuba,
    network: Network,
    by_hand: CorrectionSettings,
    virtual: Annotated[bool, typer.Option("--virtual", help="Short for --layout virtual.")] = False,
) -> None:
    """Composite the actor of every video over backgrounds that are unrelated to the action.

    Example: `bench build scuba --dataset hmdb51 --backgrounds images:places365/test_256`

    Example: `bench build scuba --dataset ucf101 --masks ucf101-24:pyannot.pkl --limit 20 --out trial`
    """
    if virtual:
        settings["layout"] = "virtual"
    _end(build.keep_going, _scuba(build, settings | by_hand.model_dump(), network)[1])


@with_options
def scufo(
    build: BuildOptions,
    settings: Scuba,
    network: Network,
    own: Annotated[dict[str, Any], Chosen(ShakeSettings, PANEL)],
    source: Annotated[Path | None, typer.Option("--from", help=FROM)] = None,
    shaken: Annotated[
        bool, typer.Option("--shaken", help="With a smooth camera path, so that it is not still.")
    ] = False,
) -> None:
    """Repeat one frame of every SCUBA video, so that nothing moves; low accuracy is good.

    Example: `bench build scufo --dataset hmdb51`

    Example: `bench build scufo --from trial --shaken --out trial-shaken`
    """
    with many_imports():
        from benchmark_builder.builders import build_scufo

    _derived(functools.partial(build_scufo, shaken=shaken), source, build, settings, network, own)


@with_options
def conflfg(
    build: BuildOptions,
    settings: Scuba,
    network: Network,
    own: Annotated[dict[str, Any], Chosen(DonorSettings, PANEL)],
    source: Annotated[Path | None, typer.Option("--from", help=FROM)] = None,
) -> None:
    """Add the still actor of another class to every SCUBA video; the label is the class of the moving actor.

    Example: `bench build conflfg --dataset hmdb51`

    Example: `bench build conflfg --from trial --order front --out trial-conflfg`
    """
    with many_imports():
        from benchmark_builder.builders import build_conflfg

    _derived(build_conflfg, source, build, settings, network, own)


def command_of(word: str) -> Any:
    """The command that builds a kind; its settings are options."""
    with many_imports():
        from benchmark_builder.builders import build_kind
        from benchmark_builder.kinds.base import kind_named, own_settings

    kind = kind_named(word)
    Own = Annotated[
        dict[str, Any], Chosen(kind, "Settings of the kind", tuple(kind.model_fields.keys() - own_settings(kind)))
    ]

    @with_options
    def command(
        build: BuildOptions,
        settings: Scuba,
        network: Network,
        own: Own,
        source: Annotated[Path | None, typer.Option("--from", help=FROM)] = None,
    ) -> None:
        _derived(functools.partial(build_kind, kind), source, build, settings, network, own)

    about = (kind.__doc__ or kind.about.title).partition("\n")[0]
    command.__doc__ = f"{about}\n\nExample: `bench build {word} --dataset hmdb51`"
    return made(word, command)


def _scuba(build: BuildOptions, settings: dict[str, Any], network: dict[str, Any]) -> tuple[Path, str]:
    """Build SCUBA with a command's options; returns its folder, and the text for :func:`_end`."""
    with many_imports():
        from benchmark_builder.builders import build_scuba

    report = build_scuba(
        **build.model_dump(include={"dataset", "root", "split", "fold", "protocol", "seed", "out"}),
        subset=build.part,
        run=_run(build.workers),
        mask_options=network,
        **settings,
    )
    return _finish(report)


def _derived(
    make: "Callable[..., Report]",
    source: Path | None,
    build: BuildOptions,
    settings: dict[str, Any],
    network: dict[str, Any],
    own: dict[str, Any],
) -> None:
    """Build with ``make`` from a SCUBA benchmark: the named one, an existing one, or one that is built first."""
    folder, subset, failed = _start(source, build, settings, network)
    chosen = own | given_of(LayoutSettings, settings)
    report = make(
        folder, root=build.root, seed=build.seed, out=build.out, subset=subset, run=_run(build.workers), **chosen
    )
    _end(build.keep_going, failed, _finish(report)[1])


def _start(
    source: Path | None, build: BuildOptions, settings: dict[str, Any], network: dict[str, Any]
) -> tuple[Path, "Subset | None", str]:
    """The SCUBA benchmark to start from, the part of it to use, and the text on its failures for :func:`_end`."""
    from benchmark_builder.start_from import require_wishes, scuba_there

    wishes = build.model_dump(include={"split", "fold", "protocol"}) | settings
    if source:
        require_wishes(source, None, **wishes)  # --root is the current place of the dataset
        return source, build.part, ""
    found = scuba_there(build.dataset, build.root, **wishes)
    if found is None:
        folder, failed = _scuba(build.model_copy(update={"out": None}), settings, network)
        return folder, None, failed  # it contains only this part
    say(f"starting from {found} (name another SCUBA benchmark with --from)")
    return found, build.part, ""


def _run(workers: int | None) -> "Run":
    from benchmark_builder.builders import Run

    return Run(workers=workers, say=say)


def say_failures(failures: list[dict[str, str]], folder: Path, most: int = 10) -> None:
    """Print a line for each item that was not made and for each note; failures come first."""
    for failure in sorted(failures, key=lambda f: f["kind"] != "failed")[:most]:
        say(f"{failure['kind']}: {failure['id']}: {failure['reason']}")
    if len(failures) > most:
        say(f"… and {len(failures) - most} more in {folder / 'failures.csv'}")


def _finish(report: "Report") -> tuple[Path, str]:
    """Print what was built and what was not; returns the benchmark's folder, and the text for :func:`_end`.

    Raises BenchError if nothing was built.
    """
    from benchmark_builder.utils.errors import BenchError

    say_failures(report.failures, report.folder)
    if report.changed:
        why = "since their sources or corrections have changed"
        say(f"made again, {why}: {len(report.changed)} items, such as {report.changed[0]}")
    if report.benchmark is None:
        if not report.failures:
            raise BenchError(f"{report.folder}: nothing was built: this part of the dataset has no videos")
        raise BenchError(
            f"nothing was built: {len(report.left_out)} left out, {len(report.failed)} failed; "
            f"{report.folder / 'failures.csv'} lists them"
        )
    folder = report.benchmark.folder
    say(
        f"{folder}: {counted(len(report.benchmark.rows), 'video')} ({report.made} new, {report.kept} kept), "
        f"{len(report.left_out)} left out, {len(report.failed)} failed"
        + (
            f", {noted} notes in failures.csv"
            if (noted := len(report.failures) - len(report.left_out + report.failed))
            else ""
        )
    )
    failed = (
        f"{folder / 'failures.csv'}: {len(report.failed)} failed, the rest is built; fix what it lists and run "
        "the same command again, or pass --keep-going"
    )
    return folder, failed if report.failed else ""


def _end(keep_going: bool, *failed: str) -> None:
    """End the command with an error if something failed; called last, so that everything else is done."""
    from benchmark_builder.utils.errors import BenchError

    said = "; ".join(filter(None, failed))
    if said and not keep_going:
        raise BenchError(said)
