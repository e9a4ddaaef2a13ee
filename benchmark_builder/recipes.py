"""From a user's options to a built benchmark: what `bench build scuba|scufo|conflfg` calls."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark_builder import layouts, pool
from benchmark_builder.backgrounds import background_source
from benchmark_builder.build import Report, run_build
from benchmark_builder.conflfg import ORDERS, PLACES, ConflfgMaker, ConflfgSettings
from benchmark_builder.datasets import data_root, read_dataset
from benchmark_builder.errors import BenchError
from benchmark_builder.manifest import Benchmark, read_benchmark
from benchmark_builder.masks import mask_source
from benchmark_builder.scuba import ScubaMaker
from benchmark_builder.scufo import ScufoMaker

# Mask source and backgrounds a video where the user names none. UCF101's boxes are what was published; HMDB51 and
# Kinetics have no annotation that covers them whole, so they get the source that needs no files.
DEFAULT_MASKS = {"synthactions": "truth", "ucf101": "ucf101-24", "hmdb51": "motion", "kinetics400": "motion"}
DEFAULT_PER_VIDEO = {"kinetics400": 1}
PER_VIDEO = 5


@dataclass(frozen=True)
class Run:
    """How a build runs; none of it changes a pixel.

    Attributes:
        workers: processes; None for one a core.
        progress: show a progress bar.
        say: prints a line for the user.
    """

    workers: int | None = None
    progress: bool = True
    say: Callable[[str], None] = print


def benchmark_folder(dataset: str, kind: str, background: str) -> Path:
    """Where a benchmark lies by convention: ``$BENCH_DATA/benchmarks/DATASET-KIND-BACKGROUND``."""
    return data_root() / "benchmarks" / f"{dataset}-{kind}-{background}"


def build_scuba(
    dataset: str,
    root: Path | None = None,
    split: str = "auto",
    fold: int = 1,
    masks: str | None = None,
    backgrounds: str = "stripes",
    per_video: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    layout: str = "video",
    limit: int | None = None,
    run: Run | None = None,
) -> Report:
    """Build SCUBA videos of a dataset. Defaults are those of the command line; see `bench build scuba --help`.

    Raises:
        BenchError: anything the user can mend; nothing is left half-written.
    """
    run = run or Run()
    _check_layout(layout)
    per_video = DEFAULT_PER_VIDEO.get(dataset, PER_VIDEO) if per_video is None else per_video
    if per_video < 1:
        raise BenchError(f"--per-video {per_video}: a video needs at least 1 background")
    listing = read_dataset(dataset, root, split, fold)
    root = root or data_root() / dataset
    for note in listing.notes:
        run.say(note)
    mask = mask_source(masks or DEFAULT_MASKS[dataset], root)
    background = background_source(backgrounds)
    out = out or benchmark_folder(dataset, "scuba", background.name)
    protocol: dict[str, Any] = {
        "kind": "scuba",
        "dataset": dataset,
        "classes": listing.classes,
        "split": listing.split,
        "masks": mask.describe(),
        "unannotated": "hold",
        "backgrounds": background.describe(),
        "per_video": per_video,
        "seed": seed,
        "layout": layout,
        "paths": {"root": str(root.resolve())},
        "subset": {"limit": limit},
    }
    missing = [(i, "named by the split, but not in the dataset's folder") for i in listing.missing]
    maker = ScubaMaker(out, root, mask, background, per_video, seed, layout)
    return run_build(out, protocol, maker, listing.videos[:limit], lambda v: v.id, _workers(run), run.progress, missing)


def build_scufo(scuba: Path, seed: int = 0, out: Path | None = None, layout: str = "video",
                run: Run | None = None) -> Report:  # fmt: skip
    """Build the SCUFO videos of a SCUBA benchmark, one each. Raises BenchError if ``scuba`` is none."""
    run = run or Run()
    _check_layout(layout)
    source = _scuba(scuba)
    out = out or benchmark_folder(source.dataset, "scufo", source.background_set)
    protocol = _derived(source, "scufo", seed, layout)
    maker = ScufoMaker(out, source, seed, layout)
    return run_build(out, protocol, maker, source.rows, lambda r: r.id, _workers(run), run.progress)


def build_conflfg(scuba: Path, seed: int = 0, out: Path | None = None, layout: str = "video",
                  settings: ConflfgSettings | None = None, run: Run | None = None) -> Report:  # fmt: skip
    """Build the ConflFG videos of a SCUBA benchmark, one each.

    Raises:
        BenchError: ``scuba`` is no SCUBA benchmark, or holds a single class, so that there is no donor.
    """
    run, settings = run or Run(), settings or ConflfgSettings()
    _check_layout(layout)
    for flag, value, choices in (("--order", settings.order, ORDERS), ("--place", settings.place, PLACES)):
        if value not in choices:
            raise BenchError(f"{flag} {value}: choose from {', '.join(choices)}")
    source = _scuba(scuba)
    labels = {row.label for row in source.rows}
    if len(labels) < 2:
        raise BenchError(
            f"{scuba}: holds one class only ({source.rows[0].class_name}), and ConflFG takes its still foreground from "
            "another class; build SCUBA from two classes or more"
        )
    out = out or benchmark_folder(source.dataset, "conflfg", source.background_set)
    protocol = _derived(source, "conflfg", seed, layout) | {"conflfg": asdict(settings)}
    maker = ConflfgMaker(out, source, seed, settings, layout)
    return run_build(out, protocol, maker, source.rows, lambda r: r.id, _workers(run), run.progress)


def _scuba(folder: Path) -> Benchmark:
    source = read_benchmark(folder)
    if source.kind != "scuba":
        raise BenchError(f"{folder}: is a {source.kind} benchmark; give --from a SCUBA benchmark")
    return source


def _derived(source: Benchmark, kind: str, seed: int, layout: str) -> dict[str, Any]:
    """The protocol of a benchmark made from a SCUBA benchmark: its own settings, and the SCUBA's under ``from``."""
    inherited = {k: source.protocol[k] for k in ("dataset", "classes", "split", "backgrounds", "masks", "paths")}
    origin = {k: v for k, v in source.protocol.items() if k not in ("classes", "paths", "versions", "subset", "format")}
    origin["manifest_sha256"] = source.digest
    paths = inherited.pop("paths") | {"scuba": str(source.folder.resolve())}
    return {"kind": kind, **inherited, "seed": seed, "layout": layout, "from": origin, "paths": paths}


def _check_layout(layout: str) -> None:
    if layout not in layouts.LAYOUTS:
        raise BenchError(f"--layout {layout}: unknown; choose from {', '.join(layouts.LAYOUTS)}")


def _workers(run: Run) -> int:
    if run.workers is not None and run.workers < 1:
        raise BenchError(f"--workers {run.workers}: needs at least 1")
    return run.workers or pool.default_workers()
