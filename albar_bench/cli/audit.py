"""`bench audit …`: what a built benchmark reveals, and how good its masks look."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from benchmark_builder.settings import LeakageFiles, LeakageSettings, MaskAuditSettings, RunSettings
from benchmark_builder.utils.text import counted, shown

if TYPE_CHECKING:
    from rich.table import Table

    from benchmark_builder.audit.leakage import Leakage, Share
    from benchmark_builder.audit.masks import MaskAudit, MaskFigures


@with_options
def leakage(
    benchmarks: Annotated[
        list[Path], typer.Argument(help="SCUBA benchmarks; several make one table.", metavar="BENCHMARK…")
    ],
    settings: LeakageSettings,
    run: RunSettings,
    files: LeakageFiles,
) -> None:
    """Measure how much of the original background is visible, and whether it reveals the class or the source video.

    The probe finds the nearest neighbour by colours and gradients of the pasted pixels around the actor; for the class,
    only among videos of other sources. Without a reference it sees the edge of the pasted area, including the actor.

    Example: `bench audit leakage data/benchmarks/ucf101-scuba-stripes --reference boxes:truth --plot leakage.png`
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from benchmark_builder.audit.leakage import measure, write_table
    from benchmark_builder.audit.leakage import plot as draw
    from benchmark_builder.utils.pictures import check_suffix
    from benchmark_builder.utils.pool import default_workers

    out, plot = files.out, files.plot
    if plot is not None:  # check before the work starts
        check_suffix(plot, flag="--plot")
    found = [measure(folder, settings, files.root, run.workers or default_workers()) for folder in benchmarks]
    screen = Table(title="Leakage, %, with 95 % intervals over sources")
    for heading in ("benchmark\nmasks", "background\nin paste", "actor\nshown", "class predicted\n(chance)",
                    "source predicted\n(chance)"):  # fmt: skip
        screen.add_column(heading, overflow="fold")
    for one in found:
        screen.add_row(*(escape(cell) for cell in _cells(one)))
    console = Console()
    console.print(screen)
    for one in found:
        where = f"pasted pixels {one.around}, in {100 * one.seen:.0f} % of {one.videos} videos"
        say(
            f"{one.benchmark.name}: {counted(one.sources, 'source')}, {len(one.missing)} missing; the probe saw {where}"
        )
        for name, reason in one.missing[:5]:
            say(f"missing: {name}: {reason}")
        if len(one.missing) > 5:
            say(f"… and {len(one.missing) - 5} more")
    if out is not None:
        write_table(out, found)
        say(f"{out}: {counted(len(found), 'row')}")
    if plot is not None:
        draw(plot, found)
        say(f"{plot}")


def _cells(one: "Leakage") -> list[str]:
    def probe(share: "Share | None", chance: float | None) -> str:
        return _percent(share, "" if chance is None else f" ({100 * chance:.1f})")

    return [
        f"{one.benchmark.name}\n{one.masks}",
        _percent(one.leaked),
        _percent(one.actor_shown),
        probe(one.class_probe, one.class_chance),
        probe(one.source_probe, one.source_chance),
    ]


def _percent(share: "Share | None", beside: str = "") -> str:
    """A figure, what follows it, and below them its interval."""
    if share is None:
        return "–"
    return f"{100 * share.value:.1f}{beside}\n{100 * share.low:.1f}–{100 * share.high:.1f}"


@with_options
def masks(
    folder: Annotated[
        Path, typer.Argument(help="A SCUBA benchmark, or a folder of `bench segment`.", metavar="BENCHMARK")
    ],
    settings: MaskAuditSettings,
    run: RunSettings,
) -> None:
    """Judge stored masks without annotations: figures per video, and a sheet of the most doubtful videos.

    share: of the picture inside the mask (median over frames). neighbour_iou: IoU of the masks of neighbouring frames
    (mean; motion is not compensated; pairs across a camera cut do not count). coverage: share of the frames with a
    mask. cuts: camera cuts. confidence: the mask source's own.

    doubt = 1 − coverage · neighbour_iou · size · confidence, where size = min(1, share / 0.01, (1 − share) / 0.5); an
    unknown factor counts as 1.

    Example: `bench audit masks data/masks/hmdb51-people --out masks.csv --sheet masks.png`
    """
    from rich.console import Console

    from benchmark_builder.audit.masks import audit_masks, draw_sheet, write_table
    from benchmark_builder.utils.pictures import SHEETS, check_suffix
    from benchmark_builder.utils.pool import default_workers

    check_suffix(settings.sheet, SHEETS, "--sheet")  # before the work starts
    found = audit_masks(folder, settings.root, run.workers or default_workers(), progress=True)
    console = Console()
    console.print(_summary(found))
    console.print(_worst(found, settings.videos))
    say(
        f"{folder}: {counted(len(found.videos), 'video')} measured, {len(found.left_out)} without masks (see "
        f"failures.csv)"
    )
    unknown = [video for video in found.videos if video.cuts is None]
    if unknown:
        say(f"cuts are unknown for {counted(len(unknown), 'video')}, such as {unknown[0].id}: {unknown[0].reason}")
    for name, reason in found.failed[:5]:
        say(f"failed: {name}: {reason}")
    if len(found.failed) > 5:
        say(f"… and {len(found.failed) - 5} more failed")
    if found.log:
        say(found.log)
    if settings.out is not None:
        write_table(settings.out, found)
        say(f"{settings.out}: {counted(len(found.videos), 'row')}")
    say(
        f"{draw_sheet(found, settings.sheet, videos=settings.videos, columns=settings.columns, height=settings.height)}"
    )


def _summary(found: "MaskAudit") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    from benchmark_builder.audit.masks import summary

    table = Table(title=f"Masks ({escape(found.masked.kind)}), {counted(len(found.videos), 'video')}")
    for heading in ("figure", "lower\nquartile", "median", "upper\nquartile", "worst", "worst video"):
        table.add_column(heading, overflow="fold")
    for figure, low, middle, high, worst in summary(found):
        numbers = (low, middle, high, getattr(worst, figure))
        table.add_row(figure, *(f"{value:.3g}" for value in numbers), escape(shown(worst.id)))
    return table


def _worst(found: "MaskAudit", count: int) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Most doubtful videos")
    for heading in ("doubt", "share", "IoU", "worst\nIoU", "at\nframe", "cover", "cuts", "conf.", "video"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "video")
    names = ("doubt", "share", "neighbour_iou", "worst_iou", "worst_frame", "coverage", "cuts", "confidence")
    for video in found.videos[:count]:
        table.add_row(*(_number(video, name) for name in names), escape(shown(video.id)))
    return table


def _number(video: "MaskFigures", name: str) -> str:
    value = getattr(video, name)
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
