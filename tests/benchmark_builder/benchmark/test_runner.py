"""Runs that do not end well: crashed items, what was left out, Ctrl-C, full disks, folders that nothing came of."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_builds import QUIET
from tiny_videos import moving_square, write_video
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.audit import inspect, verify
from benchmark_builder.benchmark import export
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.benchmark.merge import merge
from benchmark_builder.builders import Subset, build_conflfg, build_scuba, build_scufo
from benchmark_builder.kinds.conflfg import ConflfgMaker
from benchmark_builder.kinds.scuba import ScubaMaker
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.masks.stored import StoredMasks, write_masks
from benchmark_builder.segment import SegmentMaker, segment
from benchmark_builder.synthactions import SynthSettings, render, render_dataset
from benchmark_builder.utils import files
from benchmark_builder.utils.errors import BenchError, Crashed, LeftOut, system_error
from benchmark_builder.utils.resume import held, read_log, write_log
from benchmark_builder.video.encode import H264, encoder_version
from benchmark_builder.video.ffmpeg import open_animation
from benchmark_builder.video.record import Video

FIRST, SECOND = "Archery/v_Archery_g01_c01", "Basketball/v_Basketball_g01_c01"


def failures(folder: Path) -> dict[str, tuple[str, str]]:
    with open(folder / "failures.csv", newline="") as handle:
        return {r["id"]: (r["kind"], r["reason"]) for r in csv.DictReader(handle)}


def tables(folder: Path) -> dict[str, bytes]:
    """Everything but the videos and masks."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def build(root: Path, out: Path, **options: object) -> object:
    """SCUBA in the layout that writes fastest."""
    return build_scuba(
        "ucf101", root, "all", out=out, run=QUIET,
        **{"masks": f"stored:{root / 'masks'}", "per_video": 1, "layout": "virtual", **options},
    )  # type: ignore[arg-type]  # fmt: skip


def failing(monkeypatch: pytest.MonkeyPatch, maker: type, name: str, error: BaseException) -> None:
    """Let a maker fail at the items whose id begins with ``name``."""
    real = maker.make

    def make(self: object, item: object) -> object:
        if str(getattr(item, "id", item)).startswith(name):
            raise error
        return real(self, item)

    monkeypatch.setattr(maker, "make", make)


def interrupted(made: object) -> None:
    raise KeyboardInterrupt


# One item never ends a run.


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), RecursionError("deep"), MemoryError()])
def test_an_unexpected_exception_costs_its_video_alone(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "out"
    build(root, tmp_path / "whole")
    with monkeypatch.context() as patch:
        failing(patch, ScubaMaker, FIRST, error)
        report = build(root, out)
    assert [f["id"] for f in report.failed] == [FIRST] and len(report.benchmark.rows) == 1
    reason = failures(out)[FIRST][1]
    assert f"unexpected {type(error).__name__}" in reason and reason.endswith("traceback in errors.log")
    assert type(error).__name__ in read_log(out)[FIRST] and "Traceback" in read_log(out)[FIRST]
    assert verify.verify(out, progress=False) == []
    # The log is of the failures that there are: with another one it is another, with none it is gone.
    build(root, out)
    assert tables(out) == tables(tmp_path / "whole") and "errors.log" not in tables(out)


def test_keyboard_interrupt_and_exit_pass_through_and_leave_nothing_half_done(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "out"
    for error in (KeyboardInterrupt(), SystemExit(3)):
        with monkeypatch.context() as patch:
            failing(patch, ScubaMaker, FIRST, error)
            with pytest.raises(type(error)):
                build(root, out)
        assert not out.exists(), "nothing was made, nothing stays"
    real = ScubaMaker.make
    with monkeypatch.context() as patch:  # written, but not in the journal yet
        patch.setattr(ScubaMaker, "make", lambda self, video: interrupted(real(self, video)))
        with pytest.raises(KeyboardInterrupt):
            build(root, out)
        assert not out.exists()
    with monkeypatch.context() as patch:
        failing(patch, ScubaMaker, SECOND, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            build(root, out)
    assert not list(out.rglob(".tmp-*")) and build(root, out).kept == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_video_that_crashes_its_process_is_listed_by_the_command(
    folder_of_actions: Callable, tmp_path: Path, workers: int
) -> None:
    """A decoder's crash, as near as a test comes to it: reading one of the videos ends the process."""
    root, out, patched = folder_of_actions(per_class=1), tmp_path / "out", tmp_path / "patched"
    patched.mkdir()
    (patched / "sitecustomize.py").write_text(
        "import builtins, ctypes, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'benchmark_builder.kinds.scuba':\n"
        "            sys.meta_path.remove(self)\n"
        "            import benchmark_builder.video.decode as frames\n"
        "            real = frames.read_frames\n"
        "            def crash(path, *args, **options):\n"
        "                if 'v_Archery_g01' in str(path): ctypes.string_at(0)\n"
        "                return real(path, *args, **options)\n"
        "            frames.read_frames = crash\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    words = ["build", "scuba", "--dataset", "ucf101", "--root", root, "--split", "all", "--per-video", 1]
    words += ["--masks", f"stored:{root / 'masks'}", "--layout", "virtual", "--out", out, "--workers", workers]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(patched), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "albar_bench", *map(str, words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert f"failed: {FIRST}: its process was ended by SIGSEGV, twice" in done.stdout
    assert len(read_benchmark(out).rows) == 1 and "string_at" in (out / "errors.log").read_text()
    assert verify.verify(out, progress=False) == []


def test_a_crash_in_any_other_command_is_its_items_alone(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, scuba_folder = folder_of_actions(per_class=1), tmp_path / "scuba"
    build(root, scuba_folder, layout="frames")
    crash = ZeroDivisionError("odd")
    with monkeypatch.context() as patch:
        failing(patch, ConflfgMaker, FIRST, crash)
        assert len(build_conflfg(scuba_folder, out=tmp_path / "conflfg", run=QUIET, max_covered=1.0).failed) == 1
    with monkeypatch.context() as patch:
        failing(patch, export.ExportMaker, FIRST, crash)
        report = export.export(scuba_folder, tmp_path / "exported", layouts.Layout("zip"), progress=False)
        assert len(report.failed) == 1 and len(report.benchmark.rows) == 1
    with monkeypatch.context() as patch:
        failing(patch, verify.RowChecker, FIRST, crash)
        found = verify.verify(scuba_folder, progress=False)
        assert any(f"{FIRST}__0: could not be checked: unexpected ZeroDivisionError: odd" in p for p in found)
        log = Path(next(p for p in found if "tracebacks" in p).split()[-1])
        assert "ZeroDivisionError" in log.read_text()
    with monkeypatch.context() as patch:
        failing(patch, inspect.Checker, FIRST, crash)
        checked = inspect.inspect_dataset("ucf101", root, "all", workers=1, progress=False)
        assert [v.id for v in checked.of("unreadable")] == [FIRST] and len(checked.videos) == 2
        assert any("tracebacks" in note for note in checked.notes)
    with monkeypatch.context() as patch:
        failing(patch, SegmentMaker, FIRST, crash)
        report = segment("ucf101", root, "all", masks=f"stored:{root / 'masks'}", out=tmp_path / "seg", run=QUIET)
        assert (report.made, len(report.failed)) == (1, 1) and FIRST in read_log(tmp_path / "seg")
    segment("ucf101", root, "all", masks=f"stored:{root / 'masks'}", out=tmp_path / "seg", run=QUIET)
    assert not (tmp_path / "seg" / "errors.log").exists()
    shutil.copytree(scuba_folder / "videos", tmp_path / "published")
    shutil.copy(scuba_folder / "list.txt", tmp_path / "published")
    with monkeypatch.context() as patch:
        failing(patch, export.ImportMaker, "", crash)
        with pytest.raises(BenchError, match=r"2 of 2 videos cannot be imported.*unexpected ZeroDivisionError"):
            export.import_published(tmp_path / "published", "scuba", "ucf101", progress=False)


def test_a_crash_in_a_render_keeps_the_others_and_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = SynthSettings(size=24, frames=4, train=1, test=1)
    with monkeypatch.context() as patch:
        real = render.render_clip
        patch.setattr(render, "render_clip", lambda s, split, k: 1 / 0 if split == "train" else real(s, split, k))
        with pytest.raises(BenchError, match=r"1 of 3 videos could not be rendered.*traceback in errors\.log"):
            render_dataset(tmp_path / "out", small, progress=False)
    assert len(list((tmp_path / "out").rglob("*.mp4"))) == 2
    render_dataset(tmp_path / "out", small, progress=False)
    assert not (tmp_path / "out" / "errors.log").exists()


def test_a_failure_of_the_scuba_that_is_built_first_ends_the_command_last(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, built = folder_of_actions(per_class=1), tmp_path / "data" / "benchmarks"
    failing(monkeypatch, ScubaMaker, FIRST, ZeroDivisionError())
    words = ["build", "scufo", "--dataset", "ucf101", "--root", root, "--split", "all", "--per-video", 1]
    words += ["--masks", f"stored:{root / 'masks'}", "--layout", "virtual", "--workers", 1]
    done = CliRunner().invoke(app, [*map(str, words)])
    assert isinstance(done.exception, BenchError) and "scuba-stripes/failures.csv: 1 failed" in str(done.exception)
    assert len(read_benchmark(built / "ucf101-scufo-stripes").rows) == 1
    assert CliRunner().invoke(app, [*map(str, words), "--keep-going"]).exit_code == 0


def test_a_log_is_read_back(tmp_path: Path) -> None:
    details = {"b c": "Traceback:\n  one\n\n    two", "a": "three"}
    write_log(tmp_path, details)
    assert read_log(tmp_path) == details
    write_log(tmp_path, {})
    assert read_log(tmp_path) == {} and not (tmp_path / "errors.log").exists()


def test_of_a_video_that_cannot_be_made_again_stays_what_is_there(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "out"
    build(root, out, per_video=3)
    (out / "videos" / f"{FIRST}__1.virtual").unlink()
    (root / "masks" / f"{FIRST}.zip").write_bytes(b"not a zip")
    report = build(root, out, per_video=3)
    assert len(report.failed) == 1 and (report.made, report.kept) == (0, 5)
    assert verify.verify(out, progress=False) == []
    assert build(root, out, per_video=3).kept == 5, "nor does a further run lose it"


def test_what_a_failing_item_wrote_before_it_failed_is_cleared(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "out"
    real = ScubaMaker.make

    def late(self: ScubaMaker, video: object) -> object:
        rows = real(self, video)
        if getattr(video, "id", "") == FIRST:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rows

    for layout in ("virtual", "frames"):
        with monkeypatch.context() as patch:
            patch.setattr(ScubaMaker, "make", late)
            assert len(build(root, out / layout, layout=layout, per_video=2).failed) == 1
        assert verify.verify(out / layout, progress=False) == []


# What was left out.


def note_tracks(monkeypatch: pytest.MonkeyPatch, tried: list[str]) -> None:
    """Append to ``tried`` the id of every video whose masks are asked for."""
    real = StoredMasks.track

    def track(self: StoredMasks, video: Video, height: int, width: int) -> object:
        tried.append(video.id)
        return real(self, video, height, width)

    monkeypatch.setattr(StoredMasks, "track", track)


def test_what_is_supplied_later_is_built(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(per_class=2), tmp_path / "out"
    build(root, tmp_path / "whole")
    mask, aside = root / "masks" / f"{SECOND}.zip", tmp_path / "aside.zip"
    shutil.move(mask, aside)
    assert [f["id"] for f in build(root, out).left_out] == [SECOND]
    assert [f["id"] for f in build(root, out).left_out] == [SECOND], "still left out"
    build_scufo(out, out=tmp_path / "scufo", run=QUIET)
    shutil.move(aside, mask)
    assert build(root, out).made == 1
    assert tables(out) == tables(tmp_path / "whole")
    assert build_scufo(out, out=tmp_path / "scufo", run=QUIET).made == 1


def test_an_empty_mask_that_is_filled_is_built_and_one_that_is_the_same_is_not_tried(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "out"
    mask = root / "masks" / f"{FIRST}.zip"
    good, tried = mask.read_bytes(), list[str]()
    write_masks(mask, np.zeros((8, 32, 48), bool))
    real = StoredMasks.track
    monkeypatch.setattr(
        StoredMasks, "track", lambda self, video, h, w: tried.append(video.id) or real(self, video, h, w)
    )
    build(root, out)
    before, tried[:] = tables(out), []
    build(root, out)
    assert tried == [] and tables(out) == before, "nothing it depended on has changed"
    mask.write_bytes(good)
    assert build(root, out).made == 1 and tried == [FIRST] and failures(out) == {}
    # Of sources that do not say what they read, all is tried again.
    monkeypatch.setattr("benchmark_builder.kinds.scuba.depends_on", lambda video, masks: None)
    write_masks(mask, np.zeros((8, 32, 48), bool))
    (out / "videos" / f"{FIRST}__0.virtual").unlink()
    for _ in range(2):
        tried[:] = []
        build(root, out, layout="virtual")
        assert tried == [FIRST]


def test_a_video_that_the_split_names_and_that_comes_later_is_built(tmp_path: Path) -> None:
    root, out = tmp_path / "ucf", tmp_path / "out"
    (root / "ucfTrainTestlist").mkdir(parents=True)
    (root / "ucfTrainTestlist" / "classInd.txt").write_text("1 Archery\n2 Basketball\n")
    (root / "ucfTrainTestlist" / "testlist01.txt").write_text(f"{FIRST}.avi\n{SECOND}.avi\n")
    video, masks = moving_square(4)
    for name in (FIRST, SECOND):
        write_masks(root / "masks" / f"{name}.zip", masks)
    for k, name in enumerate((FIRST, SECOND)):
        write_video(root / "videos" / f"{name}.avi", video)
        options = {"masks": f"stored:{root / 'masks'}", "per_video": 1, "layout": "virtual"}
        report = build_scuba("ucf101", root, "test", out=out, run=QUIET, **options)
        assert (report.made, len(report.left_out)) == (1, 1 - k)
        done = segment("ucf101", root, "test", masks=options["masks"], out=tmp_path / "seg", run=QUIET)
        assert (done.made, len(done.left_out)) == (1, 1 - k)
    assert failures(out) == failures(tmp_path / "seg") == {}


def test_segment_tries_again_only_what_can_have_changed(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "seg"
    mask, tried = root / "masks" / f"{FIRST}.zip", list[str]()
    good = mask.read_bytes()
    write_masks(mask, np.zeros((8, 32, 48), bool))
    real = StoredMasks.track
    monkeypatch.setattr(
        StoredMasks, "track", lambda self, video, h, w: tried.append(video.id) or real(self, video, h, w)
    )

    def run() -> object:
        tried[:] = []
        return segment("ucf101", root, "all", masks=f"boxes:stored:{root / 'masks'}", out=out, run=QUIET)

    assert len(run().left_out) == 1 and len(tried) == 2
    assert len(run().left_out) == 1 and tried == []
    mask.write_bytes(good)
    assert run().made == 1 and tried == [FIRST] and failures(out) == {}
    assert not (out / ".left-out.json").exists()


def test_a_merge_with_the_missing_part_has_no_stale_line(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    mask, aside = root / "masks" / f"{SECOND}.zip", tmp_path / "aside.zip"
    build(root, tmp_path / "whole")
    shutil.move(mask, aside)
    for k in (1, 2):
        build(root, tmp_path / f"part{k}", subset=Subset(shard=f"{k}/2"))
    parts = [tmp_path / "part1"]
    merge(parts, tmp_path / "merged", progress=False)
    shutil.move(aside, mask)
    build(root, tmp_path / "part2", subset=Subset(shard="2/2"))
    merge([*parts, tmp_path / "part2"], tmp_path / "merged", progress=False)
    assert failures(tmp_path / "merged") == {}
    assert tables(tmp_path / "merged")["manifest.csv"] == tables(tmp_path / "whole")["manifest.csv"]


# Folders that nothing came of.


def test_a_build_that_made_nothing_refuses_no_other_settings(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "out"
    build(root, tmp_path / "whole")
    shutil.move(root / "masks", tmp_path / "aside")
    (root / "masks").mkdir()
    report = build(root, out, seed=5, layout="frames")
    assert report.benchmark is None and [p.name for p in out.iterdir()] == ["failures.csv"]
    shutil.rmtree(root / "masks")
    shutil.move(tmp_path / "aside", root / "masks")
    with monkeypatch.context() as patch:
        failing(patch, ScubaMaker, "", BenchError("no"))
        assert build(root, out, seed=6).benchmark is None
        failing(patch, ScubaMaker, "", ZeroDivisionError())
        assert build(root, out, seed=7).benchmark is None
    assert sorted(p.name for p in out.iterdir()) == ["errors.log", "failures.csv"]
    build(root, out)
    assert tables(out) == tables(tmp_path / "whole")


def test_an_unfinished_build_of_another_encoder_is_not_continued(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "out"
    with monkeypatch.context() as patch:
        failing(patch, ScubaMaker, SECOND, KeyboardInterrupt())
        patch.setattr("benchmark_builder.benchmark.manifest.encoder_version", lambda: "PyAV 1.2.3")
        with pytest.raises(KeyboardInterrupt):
            build(root, out, layout="lossless")
    with pytest.raises(BenchError, match=r"unfinished build by PyAV 1\.2\.3, this is PyAV .* delete the folder"):
        build(root, out, layout="lossless")
    begun = out / ".build" / "protocol.json"
    plain = json.loads(begun.read_text())
    begun.write_text(json.dumps({k: v for k, v in plain.items() if k != "versions"}))
    with pytest.raises(BenchError, match="holds an unfinished build by an earlier version"):
        build(root, out, layout="lossless")
    begun.write_text(json.dumps(plain | {"versions": {"encoder": encoder_version()}}))
    build(root, out, layout="lossless")
    assert verify.verify(out, progress=False) == []


def test_a_build_that_was_killed_before_it_made_anything_refuses_no_other_settings(
    folder_of_actions: Callable, tmp_path: Path
) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "out"
    build(root, tmp_path / "whole")
    (out / ".build").mkdir(parents=True)
    (out / ".build" / "journal.jsonl").write_text(
        json.dumps({"id": FIRST, "state": "left out", "value": "why", "on": ""}) + '\n{"id": "cut'
    )
    protocol = json.loads((tmp_path / "whole" / "protocol.json").read_text())
    (out / ".build" / "protocol.json").write_text(json.dumps(protocol | {"seed": 9}))
    (out / "videos" / "Archery").mkdir(parents=True)
    (out / "videos" / "Archery" / "v_Archery_g01_c01__0.mp4").write_bytes(b"whole, but in no journal")
    build(root, out)
    assert tables(out) == tables(tmp_path / "whole") and verify.verify(out, progress=False) == []


def test_the_same_for_segment_and_render(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "seg"
    with monkeypatch.context() as patch:
        failing(patch, SegmentMaker, "", LeftOut("nothing"))
        segment("ucf101", root, "all", masks=f"stored:{root / 'masks'}", out=out, run=QUIET)
    assert [p.name for p in out.iterdir()] == ["failures.csv"]
    assert segment("ucf101", root, "all", masks=f"boxes:stored:{root / 'masks'}", out=out, run=QUIET).made == 2
    small = SynthSettings(size=24, frames=4, train=1, test=1)
    with monkeypatch.context() as patch:
        patch.setattr(render, "render_clip", lambda *args: 1 / 0)
        with pytest.raises(BenchError, match="3 of 3"):
            render_dataset(tmp_path / "render", SynthSettings(size=32, frames=4, train=1, test=1), progress=False)
    render_dataset(tmp_path / "render", small, progress=False)


def test_hidden_files_of_systems_say_nothing_of_a_folders_owner(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    for name in ("scuba", "seg", "render"):
        for file in (".DS_Store", "Thumbs.db", ".tmp-" + "0" * 32):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file).write_bytes(b"")
    build(root, tmp_path / "scuba")
    segment("ucf101", root, "all", masks=f"stored:{root / 'masks'}", out=tmp_path / "seg", run=QUIET)
    render_dataset(tmp_path / "render", SynthSettings(size=24, frames=4, train=1, test=1), progress=False)
    assert held(tmp_path / "seg", ("Archery", "Basketball")) == ["failures.csv", "masks.csv", "segment.json"]
    # Somebody else's folder is left as it is, to the last file.
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "failures.csv").write_text("my,own\n")
    (mine / ".tmp-of-another-program").write_text("x")
    for refused in (
        lambda: build(root, mine),
        lambda: segment("ucf101", root, "all", masks=f"stored:{root / 'masks'}", out=mine, run=QUIET),
        lambda: render_dataset(mine, SynthSettings(size=24, frames=4, train=1, test=1), progress=False),
    ):
        with pytest.raises(BenchError, match=r"failures\.csv"):
            refused()
        assert sorted(p.name for p in mine.iterdir() if not p.name.endswith(".lock")) == [
            ".tmp-of-another-program",
            "failures.csv",
        ]


# Ctrl-C.


@pytest.mark.parametrize(("number", "status", "workers"), [(signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 1)])
def test_an_interrupt_says_how_to_go_on(
    folder_of_actions: Callable, tmp_path: Path, number: int, status: int, workers: int
) -> None:
    root, out = folder_of_actions(per_class=4), tmp_path / "out"
    words = ["build", "scuba", "--dataset", "ucf101", "--root", root, "--split", "all", "--per-video", 3]
    words += ["--masks", f"stored:{root / 'masks'}", "--out", out, "--workers", workers]
    command = [sys.executable, "-m", "albar_bench", *map(str, words)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a shell's background jobs ignore interrupts
    )
    while process.poll() is None and not list(out.rglob("*.mp4")):
        time.sleep(0.01)
    os.killpg(process.pid, number)  # as a terminal does: everyone gets it
    said = process.communicate(timeout=60)[1]
    assert process.returncode == status, said
    assert said.splitlines()[-1] == "interrupted; run the same command again to continue" and "Traceback" not in said
    assert "build scuba" in said and not list(out.rglob(".tmp-*"))
    assert len(build(root, out, per_video=3, layout="video").benchmark.rows) == 24


# Disks that refuse.


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_disk_that_refuses_is_named_with_its_folder(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    root, out = folder_of_actions(per_class=1), tmp_path / "out"
    refusal = OSError(code, os.strerror(code))

    def refuse(*args: object, **options: object) -> None:
        raise OSError(code, os.strerror(code), *([str(args[0])] if code == errno.EACCES else []))

    said = rf"{out}.*: {os.strerror(code)}; (free space there, or |change its permissions, or )?choose another folder$"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(BenchError, match=said):
            build(root, out)
    with monkeypatch.context() as patch:  # the journal, in the middle of a run
        real = os.fsync
        seen = list[int]()

        def full(handle: int) -> None:
            seen.append(handle)
            if len(seen) == 5:
                raise refusal
            real(handle)

        patch.setattr(os, "fsync", full)
        try:
            report = build(root, out)
            found = [f["reason"] for f in report.failed]
        except BenchError as error:
            found = [str(error)]
    if code != errno.EACCES:
        assert len(found) == 1 and str(out) in found[0] and os.strerror(code) in found[0]
    build(root, out)
    assert verify.verify(out, progress=False) == [] and failures(out) == {}


def test_an_error_of_the_system_names_where_it_writes(tmp_path: Path) -> None:
    assert str(system_error(OSError(errno.ENOSPC, "No space", "/src/a", None, "/full/b"))).startswith(
        "/full/b: No space;"
    )
    assert str(system_error(OSError(errno.ENOENT, "No such file", "/src/a", None, "/full/b"))).startswith("/src/a: ")
    assert str(system_error(OSError(errno.ENOSPC, "No space"), tmp_path)).startswith(f"{tmp_path}: No space;")
    with pytest.raises(OSError) as caught, files.whole_file(tmp_path / "deep" / "a.txt") as temporary:
        temporary.write_text("a")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "deep") and not list((tmp_path / "deep").iterdir())
    with pytest.raises(FileNotFoundError) as other, files.whole_file(tmp_path / "a.txt"):
        open(tmp_path / "missing")
    assert other.value.filename == str(tmp_path / "missing"), "what is no fault of the disk keeps its name"


def test_a_full_disk_under_a_zip_of_masks_and_a_killed_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "writestr", full)
        with pytest.raises(OSError) as caught:
            write_masks(tmp_path / "masks" / "a.zip", [np.ones((4, 4), bool)])
    assert caught.value.filename == str(tmp_path / "masks") and not list((tmp_path / "masks").iterdir())
    with (
        pytest.raises(Crashed, match="the encoder was ended by signal 9") as crashed,
        open_animation(tmp_path / "a.mp4", 16, 16, 10.0, H264) as encoder,
    ):
        encoder.process.kill()
        for _ in range(9999):
            encoder.write(np.zeros((16, 16, 3), np.uint8))
    assert crashed.value.again and not list(tmp_path.glob("*.mp4"))


def test_a_file_where_the_folder_should_be(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(BenchError, match=f"{tmp_path / 'file'}.*choose another|{tmp_path / 'file'}: is a file"):
            build(root, out)
        with pytest.raises(BenchError, match=f"{tmp_path / 'file'}"):
            segment("ucf101", root, "all", masks=f"stored:{root / 'masks'}", out=out, run=QUIET)
    assert (tmp_path / "file").read_text() == "mine"


def test_progress_bars_say_what_the_command_does(
    folder_of_actions: Callable, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = folder_of_actions(per_class=1)
    build(root, tmp_path / "scuba", layout="frames")
    capfd.readouterr()
    export.export(tmp_path / "scuba", tmp_path / "out", layouts.Layout("zip"))
    assert "export scuba: 2 of 2 videos (100 %)" in capfd.readouterr().err
    merge([tmp_path / "scuba"], tmp_path / "merged")
    said = capfd.readouterr().err
    assert "merge: 2 of 2 videos (100 %)" in said and "build" not in said
