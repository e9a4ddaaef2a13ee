"""Benchmarks for tests that change protocol and manifest field by field."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_videos import make_actions

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.benchmark.merge import merge
from benchmark_builder.benchmark.preview import contact_sheet
from benchmark_builder.benchmark.stats import class_balance, mask_areas_of
from benchmark_builder.builders import Run, build_conflfg, build_scuba, build_scufo
from benchmark_builder.layouts.layout import Layout
from evaluator.testsets import benchmark_set, default_benchmarks, pair_sets

QUIET = Run(workers=1, progress=False, say=lambda line: None)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of benchmark in the virtual layout, with two videos of three frames."""
    base = tmp_path_factory.mktemp("odd")
    root = make_actions(base / "ucf", per_class=1, frames=3)
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    names = sorted(p.relative_to(root / "videos").with_suffix(".avi") for p in (root / "videos").rglob("*.mkv"))
    (lists / "testlist01.txt").write_text("".join(f"{n}\n" for n in names))
    (lists / "trainlist01.txt").write_text("")
    masks, scuba = f"stored:{root / 'masks'}", base / "b" / "scuba"
    build_scuba("ucf101", root, "test", masks=masks, per_video=1, layout="virtual", out=scuba, run=QUIET)
    build_scufo(scuba, out=base / "b" / "scufo", run=QUIET)
    build_scufo(scuba, shaken=True, out=base / "b" / "shaken", run=QUIET)
    build_conflfg(scuba, out=base / "b" / "conflfg", run=QUIET)
    return base


@pytest.fixture
def kept(built: Path) -> Iterator[Path]:
    """The same benchmarks; their tables are restored after each test."""
    tables = {p: p.read_bytes() for p in (built / "b").glob("*/*") if p.is_file()}
    yield built
    for path, data in tables.items():
        path.write_bytes(data)


def operations(folder: Path, out: Path) -> dict[str, Callable[[], object]]:
    """Use a benchmark in all ways."""

    def frames() -> None:
        benchmark = read_benchmark(folder)
        for row in benchmark.rows:
            assert len(list(benchmark.frames(row))) <= 3

    def pairs() -> None:
        sets = [benchmark_set(p) for p in {folder.parent / "scuba", folder}]
        for kind in ("scufo", "conflfg", "shaken"):
            pair_sets(sets, kind)

    found: dict[str, Callable[[], object]] = {
        "frames": frames,
        "pairs": pairs,
        "verify": lambda: verify(folder, 1, False),
        "sheet": lambda: contact_sheet(folder, out / "s.png", 1, columns=1, height=16),
        "stats": lambda: (class_balance(read_benchmark(folder)), mask_areas_of(read_benchmark(folder))),
        "export": lambda: export(folder, out / "export", Layout("zip"), 1, False),
        "merge": lambda: merge([folder], out / "merge", 1, False),
        "default": lambda: default_benchmarks("ucf101", folder.parent),
    }
    if folder.name == "scuba":
        found["scufo"] = lambda: build_scufo(folder, out=out / "scufo", run=QUIET)
        found["conflfg"] = lambda: build_conflfg(folder, out=out / "conflfg", run=QUIET)
    return found


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*at, key))
    elif isinstance(value, (list, tuple)):
        for k in range(len(value)):
            yield from places(value[k], (*at, k))


def put(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    found = list(value) if isinstance(value, tuple) else copy.copy(value)
    found[at[0]] = put(value[at[0]], at[1:], new)
    return found
