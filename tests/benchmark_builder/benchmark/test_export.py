"""Layouts, export and import, virtual benchmarks, the shaken SCUFO, previews."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_builds import QUIET, frames_of, scuba
from tiny_videos import make_actions

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark import preview
from benchmark_builder.benchmark.export import export, import_published
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.benchmark.preview import animation, contact_sheet
from benchmark_builder.benchmark.stats import class_balance, plot_stats
from benchmark_builder.builders import Subset, build_conflfg, build_scufo
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.utils.errors import BenchError


def everything(root: Path, folder: Path, layout: str) -> dict[str, Path]:
    """All four kinds in one layout."""
    made = {k: folder / f"{layout}-{k}" for k in ("scuba", "scufo", "conflfg", "shaken")}
    scuba(root, made["scuba"], layout=layout)
    build_scufo(made["scuba"], out=made["scufo"], run=QUIET)
    build_conflfg(made["scuba"], out=made["conflfg"], run=QUIET)
    build_scufo(made["scuba"], out=made["shaken"], run=QUIET, shaken=True)
    return made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_actions(tmp_path_factory.mktemp("export") / "ucf")


@pytest.fixture(scope="module")
def stored(root: Path) -> dict[str, Path]:
    """All four kinds as lossless videos; no test changes them."""
    return everything(root, root.parent, "lossless")


def test_virtual_gives_the_pixels_that_lossless_holds(root: Path, stored: dict[str, Path], tmp_path: Path) -> None:
    virtual = everything(root, tmp_path, "virtual")
    for kind in stored:
        assert verify(virtual[kind], progress=False) == [], kind
        for row in read_benchmark(stored[kind]).rows:
            twin = read_benchmark(virtual[kind]).by_id[row.id]
            assert (frames_of(stored[kind], row.id) == frames_of(virtual[kind], row.id)).all(), kind
            assert twin.pixels_xxh128 == row.pixels_xxh128
            hidden = {"file": "", "file_sha256": ""}
            assert replace(twin, **hidden) == replace(row, **hidden)


def test_virtual_without_its_dataset_says_so(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    out = scuba(root, tmp_path / "virtual", layout="virtual")
    shutil.move(root, tmp_path / "elsewhere")
    benchmark = read_benchmark(out)
    with pytest.raises(BenchError, match="give its folder with --root"):
        next(iter(benchmark.frames(benchmark.rows[0])))


def test_shaken_moves_smoothly_and_knows_no_class(stored: dict[str, Path]) -> None:
    still, shaken = read_benchmark(stored["scufo"]), read_benchmark(stored["shaken"])
    for row in shaken.rows:
        assert row.still_frame == still.by_id[row.id].still_frame and row.partner_id == row.id
        frames = frames_of(stored["shaken"], row.id)
        assert all((a != b).any() for a, b in pairwise(frames)), "every step moves"


@pytest.mark.parametrize("layout", ["frames", "zip", "lossless", "video"])
def test_export_keeps_the_manifest(stored: dict[str, Path], tmp_path: Path, layout: str) -> None:
    for kind, folder in stored.items():
        report = export(folder, tmp_path / f"{layout}-{kind}-exported", Layout(layout, 90), progress=False)
        assert report.benchmark is not None and verify(report.benchmark.folder, progress=False) == []
        moved = {"file": "", "file_sha256": ""}
        before, after = read_benchmark(folder).rows, report.benchmark.rows
        assert [replace(r, **moved) for r in after] == [replace(r, **moved) for r in before]


@pytest.mark.parametrize("layout", ["frames", "zip"])
def test_import_after_export_returns_the_same_manifest(stored: dict[str, Path], tmp_path: Path, layout: str) -> None:
    for kind, folder in stored.items():
        out = tmp_path / f"{layout}-{kind}-exported"
        exported = export(folder, out, Layout(layout, 90), progress=False).benchmark
        assert exported is not None
        assert import_published(out, kind, "ucf101", progress=False).rows == exported.rows
        # As others publish it: no tables, only videos and a list.
        for name in ("manifest.csv", "protocol.json", "failures.csv", "SHA256SUMS"):
            (out / name).unlink()
        if (out / "masks").exists():
            shutil.rmtree(out / "masks")
        imported = import_published(out, kind, "ucf101", progress=False)
        assert verify(out, progress=False) == []
        for old, new in zip(exported.rows, imported.rows, strict=True):
            same = ("id", "label", "class_name", "source_id", "variant", "file", "file_sha256", "width", "height")
            same += ("frames", "partner_id")
            assert [getattr(old, k) for k in same] == [getattr(new, k) for k in same]


def test_a_second_export_does_only_what_is_missing(stored: dict[str, Path], tmp_path: Path) -> None:
    for kind, folder in stored.items():
        out = tmp_path / f"{kind}-exported"
        rows = export(folder, out, Layout("zip"), progress=False).benchmark.rows  # type: ignore[union-attr]
        assert export(folder, out, Layout("zip"), progress=False).made == 0
        (out / rows[0].file).unlink()
        again = export(folder, out, Layout("zip"), progress=False)
        assert again.made == 1 and again.benchmark is not None and again.benchmark.rows == rows


@pytest.mark.parametrize("layout", ["frames", "zip"])
def test_stills_are_made_from_an_imported_benchmark(folder_of_actions: Callable, tmp_path: Path, layout: str) -> None:
    """StillMix publishes SCUBA and no SCUFO: who imports the one can make the other."""
    out = tmp_path / "published"
    export(scuba(folder_of_actions(), tmp_path / "scuba"), out, Layout(layout), progress=False)
    for name in ("manifest.csv", "protocol.json", "failures.csv", "SHA256SUMS"):
        (out / name).unlink()
    shutil.rmtree(out / "masks")
    source = import_published(out, "scuba", "ucf101", progress=False)
    for shaken in (False, True):
        made = build_scufo(out, out=tmp_path / f"stills-{shaken}", run=QUIET, shaken=shaken).benchmark
        assert made is not None and [r.partner_id for r in made.rows] == [r.id for r in source.rows]
        assert verify(made.folder, progress=False) == []
        assert made.protocol.layout == layout and {r.frames for r in made.rows} == {8}
    with pytest.raises(BenchError, match="no masks to cut out"):
        build_conflfg(out, out=tmp_path / "conflfg", run=QUIET)
    sheet = contact_sheet(out, tmp_path / "sheet.png", videos=2, columns=3)
    assert cv2.imread(str(sheet)).shape[0] > 2 * 2 * 120, "SCUBA and SCUFO of two videos"
    assert animation(out, tmp_path / "a.gif").stat().st_size > 1000


def test_an_animation_is_short(folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    out = scuba(folder_of_actions(per_class=1, frames=16), tmp_path / "scuba")
    with Image.open(animation(out, tmp_path / "all.gif")) as image:
        assert getattr(image, "n_frames", 1) == 16
    monkeypatch.setattr(preview, "PLAYED", 1)  # at 10 frames a second
    with Image.open(animation(out, tmp_path / "short.gif")) as image:
        assert getattr(image, "n_frames", 1) == 10


def published(folder: Path, names: list[str], lines: list[str]) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        for k in (1, 2):
            cv2.imwrite(str(folder / name / f"frame{k:06d}.jpg"), np.full((8, 8, 3), 40 * k, np.uint8))
    (folder / "list.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_import_of_a_published_folder(tmp_path: Path) -> None:
    folder = published(tmp_path / "p", ["v_Archery_g01_c01__0", "v_Archery_g01_c01__1"], [
        "v_Archery_g01_c01__0 2 2", "v_Archery_g01_c01__1 2 2",
    ])  # fmt: skip
    made = import_published(folder, "scuba", "ucf101", backgrounds="places365", progress=False)
    assert [(r.id, r.class_name, r.frames, r.variant) for r in made.rows] == [
        ("v_Archery_g01_c01__0", "Archery", 2, 0),
        ("v_Archery_g01_c01__1", "Archery", 2, 1),
    ]
    assert made.background_set == "places365"
    assert (folder / "failures.csv").read_text().splitlines() == ["id,kind,reason"]


def test_import_tells_of_videos_that_are_not_as_long_as_their_list_says(tmp_path: Path) -> None:
    names = ["v_Archery_g01_c01__0", "v_Archery_g01_c01__1"]
    folder = published(tmp_path / "p", names, [f"{names[0]} 2 2", f"{names[1]} 5 2"])
    assert [r.frames for r in import_published(folder, "scuba", "ucf101", progress=False).rows] == [2, 2]
    assert f'{names[1]},length,"holds 2 frames, its list says 5' in (folder / "failures.csv").read_text()


def test_a_published_still_is_as_long_as_its_list_says(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    cv2.imwrite(str(tmp_path / "p" / "v_Archery_g01_c01__0.jpg"), np.full((8, 8, 3), 90, np.uint8))
    (tmp_path / "p" / "list.txt").write_text("v_Archery_g01_c01__0 7 2\n")
    made = import_published(tmp_path / "p", "scufo", "ucf101", progress=False)
    assert len(list(made.frames(made.rows[0]))) == made.rows[0].frames == 7
    assert verify(tmp_path / "p", progress=False) == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("v_Archery_g01_c01__0 2", "not 'name frames label'"),
        ("v_Archery_g01_c01__0 99999999999 2", "no video has 99999999999 frames"),
        ("v_Archery_g01_c01__0 2 2\nv_Archery_g01_c01__0 2 2", "names v_Archery_g01_c01__0 2 times"),
        ("v_Archery_g01_c01__0 2 101", "label 101"),
        ("v_Archery_g01_c01__7 2 2", "the list names it"),
        ("../../etc/x__0 2 2", "outside"),
        ("v_Archery_g01_c01 2 2", "VIDEO__N"),
    ],
)
def test_import_refuses_a_list_that_does_not_fit(tmp_path: Path, line: str, says: str) -> None:
    folder = published(tmp_path / "p", ["v_Archery_g01_c01__0", "v_Archery_g01_c01"], [line])
    with pytest.raises(BenchError, match=says):
        import_published(folder, "scuba", "ucf101", progress=False)
    assert not (folder / "manifest.csv").exists()


def test_pictures_of_a_benchmark(stored: dict[str, Path], tmp_path: Path) -> None:
    sheet = cv2.imread(str(contact_sheet(stored["shaken"], tmp_path / "sheet.png", videos=2, columns=3)))
    assert sheet.shape[0] > 2 * 6 * 120  # two videos, six versions of each
    for name in ("a.gif", "a.mp4"):
        assert animation(stored["scuba"], tmp_path / name).stat().st_size > 1000
    assert (tmp_path / "a.gif").read_bytes()[:4] == b"GIF8" and (tmp_path / "a.mp4").read_bytes()[4:8] == b"ftyp"
    assert contact_sheet(stored["scuba"], tmp_path / "S.JPG", 1).read_bytes()[:3] == b"\xff\xd8\xff"
    for draw, name in ((contact_sheet, "a.gif"), (contact_sheet, "a.pdf"), (animation, "a.png"), (animation, "a.webm")):
        with pytest.raises(BenchError, match=rf"--out .*{name}: cannot be written as \{name[1:]}; name a file that"):
            draw(tmp_path / "nothing here", tmp_path / name)  # said before the benchmark is read
    assert class_balance(read_benchmark(stored["scuba"])) == {"Archery": 4, "Basketball": 4}
    assert plot_stats(read_benchmark(stored["scuba"]), tmp_path / "stats.png").stat().st_size > 1000


def test_videos_that_lack_a_version_play_too(folder_of_actions: Callable, tmp_path: Path) -> None:
    made = scuba(folder_of_actions(), tmp_path / "scuba", layout="lossless")
    build_scufo(made, out=tmp_path / "scufo", run=QUIET, subset=Subset(only=("Archery/",)))
    for name in ("a.gif", "a.mp4"):
        assert animation(made, tmp_path / name, videos=2, height=32).stat().st_size > 1000
