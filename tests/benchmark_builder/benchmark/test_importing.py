"""`bench import`: labels held against names, what the list leaves out, and tables that are stored apart."""

import csv
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner
from ways_to_save import NFC, NFD, SAVED

from albar_bench.cli.app import app
from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export, import_published
from benchmark_builder.benchmark.manifest import Benchmark, read_benchmark
from benchmark_builder.benchmark.merge import merge
from benchmark_builder.benchmark.preview import contact_sheet
from benchmark_builder.builders import Run, build_scufo
from benchmark_builder.datasets.labels import Labelled, check_labels
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.utils.errors import BenchError
from evaluator.testsets import benchmark_set

QUIET = Run(workers=1, progress=False, say=lambda _: None)
UCF101 = {"Archery/v_Archery_g01_c01__0": 2, "Archery/v_Archery_g01_c01__1": 2, "Biking/v_Biking_g01_c01__0": 10}


def video(folder: Path, name: str, frames: int = 2) -> None:
    (folder / name).mkdir(parents=True)
    for k in range(1, frames + 1):
        cv2.imencode(".jpg", np.full((8, 8, 3), 40 * k, np.uint8))[1].tofile(folder / name / f"frame{k:06d}.jpg")


def published(folder: Path, labels: dict[str, int], base: int = 0) -> Path:
    for name in labels:
        video(folder, name)
    (folder / "list.txt").write_text("".join(f"{name} 2 {label + base}\n" for name, label in labels.items()))
    return folder


def imported(folder: Path, **options: object) -> Benchmark:
    return import_published(folder, "scuba", "ucf101", progress=False, **options)  # type: ignore[arg-type]


def noted(folder: Path) -> set[tuple[str, str]]:
    with open(folder / "failures.csv", newline="") as handle:
        return {(row["id"], row["kind"]) for row in csv.DictReader(handle)}


@pytest.mark.parametrize("base", [0, 1])
def test_labels_that_count_from_the_other_base_are_refused(tmp_path: Path, base: int) -> None:
    folder = published(tmp_path / "p", UCF101, base)
    with pytest.raises(BenchError, match=f"says 'Archery'; the same for 3 of 3 .*give --label-base {base}") as caught:
        imported(folder, label_base=1 - base)
    assert "\n" not in str(caught.value) and not (folder / "manifest.csv").exists()
    assert [r.class_name for r in imported(folder, label_base=base).rows] == ["Archery", "Archery", "Biking"]


CLASSES = {
    "ucf101": [
        "v_Archery_g01_c01__0", "Archery/x__0", "archery/x__0", "Golf Swing/x__0", "v_HandStandPushups_g01_c01__3",
    ],
    "hmdb51": [
        "April_09_brush_hair_u_nm_np1_ba_goo_0__0", "50_FIRST_DATES_kick_ball_f_cm_np1_ba_med_2__1",
        "x_draw_sword_f_nm_np1_ri_med_0__0", "x_sword_f_nm_np1_ri_med_0__0", "smile/x__0",
    ],
    "jhmdb": ["wave/21_wave_u_nm_np1_fr_goo_5__0"],
    "kinetics400": ["massaging_persons_head/abc_000001_000011__0", "abseiling/x__0", "riding_mechanical_bull/y__1"],
}  # fmt: skip
TRUE = {
    "ucf101": ["Archery", "Archery", "Archery", "GolfSwing", "HandstandPushups"],
    "hmdb51": ["brush_hair", "kick_ball", "draw_sword", "sword", "smile"],
    "jhmdb": ["wave"],
    "kinetics400": ["massaging person's head", "abseiling", "riding mechanical bull"],
}


@pytest.mark.parametrize("dataset", CLASSES)
@pytest.mark.parametrize("base", [0, 1])
def test_names_tell_the_class(dataset: str, base: int) -> None:
    from benchmark_builder.datasets import scored_as
    from benchmark_builder.datasets.common import shipped_classes

    classes = shipped_classes(scored_as(dataset))
    lines = [Labelled(n, classes.index(c) + base) for n, c in zip(CLASSES[dataset], TRUE[dataset], strict=True)]
    assert check_labels(Path("l"), lines, classes, base) == []
    with pytest.raises(BenchError, match=f"give --label-base {base}"):
        check_labels(Path("l"), lines, classes, 1 - base)


def test_labels_without_a_name_that_tells_are_held_against_the_number_of_classes() -> None:
    classes = ["a", "b", "c"]
    check_labels(Path("l"), [Labelled("x__0", 1), Labelled("y__0", 2)], classes, 0)
    with pytest.raises(BenchError, match=r"y__0 has label 3, which is none of 3 classes .* give --label-base 1"):
        check_labels(Path("l"), [Labelled("x__0", 1), Labelled("y__0", 3)], classes, 0)
    with pytest.raises(BenchError, match=r"x__0 has label 0, .* give --label-base 0"):
        check_labels(Path("l"), [Labelled("x__0", 0), Labelled("y__0", 2)], classes, 1)
    with pytest.raises(BenchError, match=r"y__0 has label 7, .* check --dataset"):
        check_labels(Path("l"), [Labelled("x__0", 0), Labelled("y__0", 7)], classes, 0)


def test_a_label_of_another_class_is_refused_and_named(tmp_path: Path) -> None:
    folder = published(tmp_path / "p", UCF101 | {"Biking/v_Biking_g01_c01__0": 11})
    with pytest.raises(
        BenchError, match=r"Biking/v_Biking_g01_c01__0 has label 11, .*the same for 1 of 3 .*get the list again"
    ):
        imported(folder)


def test_a_name_of_hmdb51_that_is_not_sure_is_noted_where_the_others_agree() -> None:
    from benchmark_builder.datasets.common import shipped_classes

    classes = shipped_classes("hmdb51")
    lines = [Labelled(f"{k}_wave_u_nm_np1_fr_goo_5__0", classes.index("wave")) for k in range(3)]
    odd = Labelled("kiss_the_golf_u_nm_np1_fr_goo_5__0", classes.index("kiss"))
    ((name, reason),) = check_labels(Path("l"), [*lines, odd], classes, 0)
    assert name == odd.name and "its name says 'golf'" in reason


def test_what_has_no_line_is_named(tmp_path: Path) -> None:
    folder = published(tmp_path / "p", UCF101)
    video(folder, "Archery/v_Archery_g02_c01__0")
    video(folder, "Diving/v_Diving_g01_c01__0")
    (folder / "x__0.zip").write_bytes(b"any")
    for name in ("._x__1.zip", ".DS_Store", "notes.txt", "__MACOSX/y__0/frame000001.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    result = CliRunner().invoke(
        app, ["import", str(folder), "--kind", "scuba", "--dataset", "ucf101", "--workers", "1"]
    )
    assert (
        result.exit_code == 0 and "3 videos without a line in the list (Archery/v_Archery_g02_c01__0" in result.output
    )
    assert noted(folder) == {
        (name, "unlisted") for name in ("Archery/v_Archery_g02_c01__0", "Diving/v_Diving_g01_c01__0", "x__0.zip")
    }
    assert len(read_benchmark(folder).rows) == 3 and verify(folder, progress=False) == []


def test_stills_without_a_line_are_named(tmp_path: Path) -> None:
    for k in range(2):
        path = tmp_path / "p" / f"v_Archery_g01_c01__{k}.jpg"
        path.parent.mkdir(exist_ok=True)
        cv2.imencode(".jpg", np.full((8, 8, 3), 90, np.uint8))[1].tofile(path)
    (tmp_path / "p/list.txt").write_text("v_Archery_g01_c01__0 7 2\n")
    import_published(tmp_path / "p", "scufo", "ucf101", progress=False)
    assert noted(tmp_path / "p") == {("v_Archery_g01_c01__1.jpg", "unlisted")}


@pytest.mark.parametrize("saved", SAVED)
def test_the_list_may_have_been_saved_anyhow(tmp_path: Path, saved: str) -> None:
    names = {f"Archery/v_Archery_{NFC}_g01_c01__0": 2, "Biking/v_Biking_g01_c01__0": 10}
    folder = published(tmp_path / "p", names)
    if len(saved) % 2:
        (folder / f"Archery/v_Archery_{NFC}_g01_c01__0").rename(folder / f"Archery/v_Archery_{NFD}_g01_c01__0")
    (folder / "list.txt").write_bytes(SAVED[saved]((folder / "list.txt").read_text()))
    made = imported(folder)
    assert [r.id for r in made.rows] == sorted(names) and noted(folder) == set()
    assert verify(folder, progress=False) == []


def test_the_tables_may_be_stored_apart_from_the_videos(tmp_path: Path) -> None:
    folder = published(tmp_path / "published", UCF101)
    before = sorted(p.relative_to(folder) for p in folder.rglob("*"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    made = imported(folder, out=tmp_path / "apart")
    assert sorted(p.relative_to(folder) for p in folder.rglob("*")) == before and made.folder == tmp_path / "apart"
    assert [r.file for r in made.rows] == sorted(UCF101)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    uses_of(made, tmp_path)
    digest = made.digest

    # Both moved together, then the videos alone: the same command says where they are.
    (tmp_path / "new").mkdir()
    for name in ("published", "apart"):
        shutil.move(tmp_path / name, tmp_path / "new" / name)
    assert verify(tmp_path / "new/apart", progress=False) == []
    shutil.move(tmp_path / "new/published", tmp_path / "disk2")
    (problem, *_) = verify(tmp_path / "new/apart", progress=False)
    assert "is missing" in problem or "its videos are not in" in problem
    gone = read_benchmark(tmp_path / "new/apart")
    with pytest.raises(BenchError, match=r"its videos are not in .*bench import NEW_FOLDER --out"):
        next(iter(gone.frames(gone.rows[0])))
    assert len(benchmark_set(gone.folder).items) == 3, "predictions are scored without the videos"
    moved = imported(tmp_path / "disk2", out=tmp_path / "new/apart")
    assert moved.rows == made.rows and moved.digest == digest and verify(moved.folder, progress=False) == []
    with pytest.raises(BenchError, match="holds another import"):
        import_published(tmp_path / "disk2", "conflfg", "ucf101", out=moved.folder, progress=False)
    (tmp_path / "other/Archery").mkdir(parents=True)
    with pytest.raises(BenchError, match="is missing, so these are not the videos"):
        imported(tmp_path / "other", out=moved.folder)


def uses_of(made: Benchmark, tmp_path: Path) -> None:
    assert verify(made.folder, progress=False) == []
    assert [len(list(made.frames(r))) for r in made.rows] == [2, 2, 2]
    assert contact_sheet(made.folder, tmp_path / "sheet.png", videos=2, columns=2).is_file()
    exported = export(made.folder, tmp_path / "exported", Layout("zip"), progress=False).benchmark
    assert exported is not None and verify(exported.folder, progress=False) == []
    assert exported.videos == exported.folder, "an export holds its own videos"
    stills = build_scufo(made.folder, out=tmp_path / "stills", run=QUIET).benchmark
    assert stills is not None and verify(stills.folder, progress=False) == [] and stills.videos == stills.folder
    merged = merge([made.folder], tmp_path / "merged", progress=False).benchmark
    assert merged is not None and verify(merged.folder, progress=False) == [] and merged.videos == merged.folder
    items = benchmark_set(made.folder).items
    assert all(item.path.is_dir() for item in items)
    for name in ("exported", "stills", "merged"):
        shutil.rmtree(tmp_path / name)


def test_a_folder_for_the_tables_that_is_something_else_is_refused(tmp_path: Path) -> None:
    folder = published(tmp_path / "p", UCF101)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").touch()
    with pytest.raises(BenchError, match=r"is not empty and no import \(thesis.tex\)"):
        imported(folder, out=tmp_path / "mine")
    assert imported(folder, out=folder).folder == folder
    with pytest.raises(BenchError, match="has a manifest already"):
        imported(folder, out=tmp_path / "other")
    with pytest.raises(BenchError, match="no such folder"):
        imported(tmp_path / "nowhere")
    with pytest.raises(BenchError, match="its classes are not known here"):
        import_published(folder, "scuba", "folder", out=tmp_path / "x", progress=False)


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_names_the_option(tmp_path: Path) -> None:
    folder = published(tmp_path / "p", UCF101)
    folder.chmod(0o555)
    with pytest.raises(BenchError, match="give another folder for the tables with --out"):
        imported(folder)


def test_a_stopped_import_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between any two tables, the same command ends with all of them."""
    from benchmark_builder.benchmark import manifest

    folder = published(tmp_path / "p", UCF101)
    whole = imported(folder, out=tmp_path / "whole")
    wanted = {p.name: p.read_bytes() for p in whole.folder.iterdir() if p.suffix == ".csv"}
    for out in (None, tmp_path / "apart"):
        for stop in range(4):
            calls = {"left": stop}

            def write(path: Path, text: str, calls: dict[str, int] = calls) -> None:
                if calls["left"] == 0:
                    raise KeyboardInterrupt
                calls["left"] -= 1
                path.write_text(text)

            with monkeypatch.context() as patched:
                patched.setattr("benchmark_builder.utils.files.write_text", write)
                patched.setattr(manifest, "write_text", write)
                with pytest.raises(KeyboardInterrupt):
                    imported(folder, out=out)
            made = imported(folder, out=out)
            assert verify(made.folder, progress=False) == []
            found = {
                p.name: p.read_bytes() for p in made.folder.iterdir() if p.name in wanted and p.name != "SHA256SUMS"
            }
            assert found == {k: v for k, v in wanted.items() if k != "SHA256SUMS"}
            for name in ("manifest.csv", "protocol.json", "failures.csv", "SHA256SUMS"):
                (made.folder / name).unlink()
