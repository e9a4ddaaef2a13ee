"""What a benchmark is made from changes, moves or is there already: noticed, found, used."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_builds import QUIET, frames_of, scuba
from tiny_videos import moving_square, write_video
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export
from benchmark_builder.benchmark.manifest import read_benchmark, write_benchmark
from benchmark_builder.benchmark.merge import merge
from benchmark_builder.benchmark.preview import contact_sheet
from benchmark_builder.builders import Subset, build_conflfg, build_kind, build_scufo
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.start_from import benchmark_folder
from benchmark_builder.utils import digests
from benchmark_builder.utils.errors import BenchError, ChangedFile
from benchmark_builder.video.digest_cache import known_digest

FIRST = "Archery/v_Archery_g01_c01"


def run(*words: object) -> str:
    """Standard output of a command that must work."""
    done = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def change(root: Path, keep_times: bool = False) -> Path:
    """Replace the pixels of a source by others of the same shape."""
    path = root / "videos" / f"{FIRST}.mkv"
    times = path.stat()
    write_video(path, 255 - moving_square(seed=99)[0])
    if keep_times:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return path


# --- the cache of digests


def test_a_digest_is_computed_once_and_again_after_any_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, counted = tmp_path / "a", []
    monkeypatch.setattr(digests, "SETTLED", -60.0)  # as if the files had been there for a minute
    monkeypatch.setattr(layouts, "digest", lambda p, real=layouts.digest: (counted.append(p), real(p))[1])
    path.write_bytes(b"one")
    first = known_digest(path)
    digests._memory.clear()  # another process
    assert known_digest(path) == first and len(counted) == 1
    facts = path.stat()
    path.write_bytes(b"two")  # the same size, and the same modification time
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert known_digest(path) != first and len(counted) == 2


def test_a_file_that_may_still_change_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    known_digest(tmp_path / "a")
    assert not digests._memory.get(os.fsencode((tmp_path / "a").resolve()))


def test_folders_of_frames_are_remembered_by_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "SETTLED", -60.0)
    folder = tmp_path / "frames"
    with Layout("frames").open(folder, 8, 8, 10.0) as sink:
        for k in range(3):
            sink.write(np.full((8, 8, 3), 60 * k, np.uint8))
    before = known_digest(folder)
    assert before == layouts.digest(folder)
    (folder / "frame000003.jpg").write_bytes((folder / "frame000001.jpg").read_bytes())
    assert known_digest(folder) == layouts.digest(folder) != before


@pytest.mark.parametrize("damage", ["text", "folder"])
def test_a_cache_that_cannot_be_used_costs_only_time(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED", -60.0)
    monkeypatch.setattr(digests, "_database", (-1, None))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "own"))
    file = tmp_path / "own" / "digests.sqlite"
    file.parent.mkdir()
    file.write_text("no database " * 100) if damage == "text" else file.mkdir()
    (tmp_path / "a").write_bytes(b"one")
    assert known_digest(tmp_path / "a") == layouts.digest(tmp_path / "a")
    if damage == "text":  # it was made anew
        assert sqlite3.connect(file).execute("SELECT count(*) FROM digests").fetchone() == (1,)
    monkeypatch.setattr(digests, "_database", (-1, None))


# --- sources, masks and SCUBA benchmarks that changed


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_changed_source_is_never_composed(folder_of_actions: Callable, tmp_path: Path, keep_times: bool) -> None:
    root = folder_of_actions(per_class=1)
    out = scuba(root, tmp_path / "virtual", layout="virtual", per_video=1)
    build_conflfg(out, out=tmp_path / "conflfg", run=QUIET)
    changed = change(root, keep_times)
    benchmark = read_benchmark(out)
    row = benchmark.by_id[f"{FIRST}__0"]
    with pytest.raises(ChangedFile, match=f"{changed.name}: changed since the manifest was written"):
        next(benchmark.frames(row))
    conflict = read_benchmark(tmp_path / "conflfg")
    with pytest.raises(ChangedFile):
        list(conflict.frames(conflict.by_id[row.id]))
    assert export(out, tmp_path / "copy", Layout("lossless"), progress=False).failed[0]["id"] == row.id
    assert [f["id"] for f in build_scufo(out, out=tmp_path / "scufo", run=QUIET).failed] == [row.id]
    assert any(changed.name in problem for problem in verify(out, progress=False))


def test_changed_masks_and_stored_videos_are_never_used(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    out = scuba(root, tmp_path / "virtual", layout="virtual", per_video=1)
    benchmark = read_benchmark(out)
    write_masks(out / benchmark.rows[0].mask_file, ~moving_square()[1])
    with pytest.raises(ChangedFile, match="changed since the manifest was written"):
        next(benchmark.frames(benchmark.rows[0]))
    stored = scuba(root, tmp_path / "stored", per_video=1)
    rows = read_benchmark(stored).rows
    shutil.copyfile(stored / rows[1].file, stored / rows[0].file)
    assert [f["id"] for f in build_scufo(stored, out=tmp_path / "scufo", run=QUIET).failed] == [rows[0].id]


@pytest.mark.parametrize("layout", ["video", "lossless", "frames", "zip", "virtual"])
def test_a_rebuild_makes_again_what_changed(folder_of_actions: Callable, tmp_path: Path, layout: str) -> None:
    root = folder_of_actions(per_class=1)
    folders = [tmp_path / name for name in ("scuba", "scufo", "conflfg", "copy")]

    def build() -> list[int]:
        scuba(root, folders[0], layout=layout, per_video=1)
        reports = [
            build_scufo(folders[0], out=folders[1], run=QUIET),
            build_conflfg(folders[0], out=folders[2], run=QUIET),
        ]
        if layout != "virtual":
            reports.append(export(folders[0], folders[3], Layout("zip"), progress=False))
        assert not any(report.failed for report in reports)
        return [len(report.changed) for report in reports]

    assert set(build()) == {0}
    before = frames_of(folders[0], f"{FIRST}__0")
    change(root)
    # SCUFO and the copy: the one video; ConflFG: both, since the other's donor is that one.
    assert build() == [1, 2, 1][: 2 if layout == "virtual" else 3]
    assert set(build()) == {0}
    after = frames_of(folders[0], f"{FIRST}__0")
    assert before.shape == after.shape and (before != after).any()
    for folder in folders[: 3 if layout == "virtual" else 4]:
        assert verify(folder, progress=False) == []
        assert f"{FIRST}__0" in read_benchmark(folder).by_id


@pytest.mark.parametrize("kind", ["background-only", "swap"])
def test_changed_inpainted_frames_are_noticed(kind: str, folder_of_actions: Callable, tmp_path: Path) -> None:
    """In a swap, too, where the frames are those of another video's background."""
    root = folder_of_actions(per_class=1, height=16, width=24)
    masks = moving_square(8, 16, 24)[1]
    masks[:, 12:] = False  # a smaller actor, that does not cover all of the other's place
    write_masks(root / "masks/Basketball/v_Basketball_g01_c01.zip", masks)
    out, inpainted = tmp_path / "out", tmp_path / "inp"
    base = scuba(root, tmp_path / "scuba", layout="lossless", per_video=1)
    rows = read_benchmark(base).rows
    for k, row in enumerate(rows):
        write_video(
            inpainted / f"{row.source_id}.mkv", np.full((row.frames, row.height, row.width, 3), 50 + k, np.uint8)
        )

    def build(**options: object) -> tuple[int, list[str]]:
        report = build_kind(kind, base, out=out, run=QUIET, inpainted=inpainted, **options)
        assert not report.failed
        return report.made, list(report.changed)

    def pixels() -> dict[str, str]:
        return {row.id: row.pixels_xxh128 for row in read_benchmark(out).rows}

    # In two parts: the digests of the first are kept.
    assert [build(subset=Subset(shard=f"{k}/2"))[0] for k in (1, 2)] == [1, 1]
    assert build() == (0, []) and verify(out, progress=False) == []
    assert set(read_benchmark(out).protocol.inpainted) == {row.source_id for row in rows}
    changed, before = rows[kind == "swap"].id, pixels()
    path = inpainted / f"{rows[0].source_id}.mkv"
    write_video(path, np.full((8, 16, 24, 3), 70, np.uint8))
    problems = verify(out, progress=False)
    assert len(problems) == 1 and changed in problems[0] and f"{path} is not the file" in problems[0]
    assert build() == (1, [changed]) and verify(out, progress=False) == []
    assert {name for name, digest in pixels().items() if digest != before[name]} == {changed}
    path.unlink()  # the videos that were made from it stay
    assert build() == (0, []) and verify(out, progress=False) == []
    shutil.move(out, tmp_path / "elsewhere")
    copy = export(tmp_path / "elsewhere", tmp_path / "copy", Layout("zip"), progress=False)
    assert not copy.failed and verify(tmp_path / "copy", progress=False) == []
    write_video(inpainted / f"{rows[1].source_id}.mkv", np.zeros((8, 16, 24, 3), np.uint8))
    assert len(verify(tmp_path / "copy", progress=False)) == 1


def test_parts_from_other_inpainted_frames_do_not_merge(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=2, height=16, width=24)
    base = scuba(root, tmp_path / "scuba", layout="lossless", per_video=1)
    parts = []
    for k in (1, 2):
        for row in read_benchmark(base).rows:
            name = tmp_path / f"inp/{row.source_id}.mkv"
            write_video(name, np.full((8, 16, 24, 3), 50, np.uint8))
        parts.append(tmp_path / f"part{k}")
        options: dict = {"run": QUIET, "inpainted": tmp_path / "inp", "subset": Subset(shard=f"{k}/2")}
        build_kind("background-only", base, out=parts[-1], **options)
    merge(parts, tmp_path / "whole", progress=False)
    whole = read_benchmark(tmp_path / "whole")
    assert len(whole.rows) == len(whole.protocol.inpainted) == 4 and verify(whole.folder, progress=False) == []
    first, second = (read_benchmark(part) for part in parts)
    name = first.rows[0].source_id
    write_benchmark(
        second.folder, second.protocol.replaced(inpainted=second.protocol.inpainted | {name: "0" * 64}), second.rows, []
    )
    with pytest.raises(BenchError, match=f"other inpainted frames of {name}"):
        merge(parts, tmp_path / "again", progress=False)


def test_what_lost_its_scuba_video_goes_with_it(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=2)
    scuba(root, tmp_path / "scuba", per_video=1)
    build_scufo(tmp_path / "scuba", out=tmp_path / "scufo", run=QUIET)
    path = change(root)
    path.write_bytes(b"no video any more")
    with pytest.raises(BenchError, match="1 failed"):
        CliRunner().invoke(
            app,
            ["build", "scuba", "--dataset", "ucf101", "--root", str(root), "--split", "all", "--out",
             str(tmp_path / "scuba"), "--masks", f"stored:{root / 'masks'}", "--per-video", "1"],
            catch_exceptions=False,
        )  # fmt: skip
    build_scufo(tmp_path / "scuba", out=tmp_path / "scufo", run=QUIET)
    for folder in (tmp_path / "scuba", tmp_path / "scufo"):
        assert len(read_benchmark(folder).rows) == 3 and verify(folder, progress=False) == []


# --- what has moved


def test_everything_moved_together_needs_no_option(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    old = tmp_path / "old"
    old.mkdir()
    shutil.move(root, old / "ucf")
    scuba(old / "ucf", old / "built" / "scuba", layout="virtual", per_video=1)
    build_conflfg(old / "built" / "scuba", out=old / "built" / "conflfg", run=QUIET)
    shutil.move(old, tmp_path / "new")
    for name in ("scuba", "conflfg"):
        assert verify(tmp_path / "new" / "built" / name, progress=False) == []


def test_a_moved_data_set_is_named_with_root(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    out = scuba(root, tmp_path / "virtual", layout="virtual", per_video=1)
    build_conflfg(out, out=tmp_path / "conflfg", run=QUIET)
    shutil.move(root, tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere"
    assert run("verify", tmp_path / "conflfg", "--root", moved, "--workers", 1)
    run("export", out, "--root", moved, "--out", tmp_path / "frames", "--workers", 1)
    run("preview", out, "--root", moved, "--out", tmp_path / "sheet.png")
    run("build", "scufo", "--from", out, "--root", moved, "--out", tmp_path / "scufo", "--workers", 1)
    assert verify(tmp_path / "scufo", progress=False) == []


def test_a_scuba_benchmark_is_found_alongside_or_named(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    scuba(root, tmp_path / "a" / "scuba", per_video=1)
    build_scufo(tmp_path / "a" / "scuba", out=tmp_path / "b" / "scufo", run=QUIET)
    shutil.copytree(tmp_path / "a" / "scuba", tmp_path / "b" / "other name")
    shutil.move(tmp_path / "a", tmp_path / "c")
    assert read_benchmark(tmp_path / "b" / "scufo").origin.folder == tmp_path / "b" / "other name"
    shutil.rmtree(tmp_path / "b" / "other name")
    with pytest.raises(BenchError, match="give its folder with --scuba"):
        contact_sheet(tmp_path / "b" / "scufo", tmp_path / "sheet.png")
    run("verify", tmp_path / "b" / "scufo", "--scuba", tmp_path / "c" / "scuba", "--workers", 1)
    run("preview", tmp_path / "b" / "scufo", "--scuba", tmp_path / "c" / "scuba", "--out", tmp_path / "sheet.png")
    scuba(root, tmp_path / "d", per_video=2)
    with pytest.raises(BenchError, match=r"--scuba .*: is not the SCUBA benchmark that"):
        verify(tmp_path / "b" / "scufo", progress=False, scuba=tmp_path / "d")


# --- the benchmark that is there


def build(kind: str, root: Path, *more: object) -> str:
    return run("build", kind, "--dataset", "ucf101", "--root", root, "--workers", 1, *more)


def test_the_scuba_benchmark_that_is_there_is_used(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    there = benchmark_folder("ucf101", "scuba", "stripes")
    build("scuba", root, "--masks", f"stored:{root / 'masks'}", "--per-video", 1, "--dilate", 1)
    said = build("scufo", root)
    assert f"starting from {there}" in said
    assert len(read_benchmark(benchmark_folder("ucf101", "scufo", "stripes")).rows) == 2
    build("conflfg", root, "--dilate", 1, "--per-video", 1)
    done = CliRunner().invoke(app, ["build", "scufo", "--dataset", "ucf101", "--root", str(root), "--per-video", "3"])
    assert isinstance(done.exception, BenchError) and "another --per-video (1, not 3)" in str(done.exception)


def test_scuba_over_other_backgrounds_is_used_where_it_is_the_only_one(
    folder_of_actions: Callable, tmp_path: Path
) -> None:
    root = folder_of_actions(per_class=1)
    masks = ("--masks", f"stored:{root / 'masks'}", "--per-video", 1)
    build("scuba", root, *masks, "--backgrounds", "plain")
    assert "ucf101-scuba-plain" in build("scufo", root)
    build("scuba", root, *masks, "--backgrounds", "noise")
    done = CliRunner().invoke(app, ["build", "conflfg", "--dataset", "ucf101"])
    assert isinstance(done.exception, BenchError) and "name one of them with --from" in str(done.exception)
    build("conflfg", root, "--backgrounds", "noise")


def test_a_part_is_taken_once(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=2)
    masks = ("--masks", f"stored:{root / 'masks'}", "--per-video", 1)
    for _ in range(2):  # the second time, the SCUBA benchmark that is there is that part already
        build("scufo", root, *masks, "--shard", "1/2")
        assert len(read_benchmark(benchmark_folder("ucf101", "scufo", "stripes")).rows) == 2
