"""Nothing lost, nothing pretended: what the system refuses is listed, lists are written, any flipped bit is found."""

import csv
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_builds import QUIET, scuba

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export
from benchmark_builder.benchmark.manifest import Benchmark, read_benchmark
from benchmark_builder.builders import build_conflfg, build_kind, build_scuba
from benchmark_builder.layouts.base import Jpegs
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file, write_csv


def failures(folder: Path) -> dict[str, str]:
    with open(folder / "failures.csv", newline="") as handle:
        return {r["id"]: r["kind"] for r in csv.DictReader(handle)}


@pytest.mark.parametrize("layout", ["frames", "zip"])
def test_a_disk_that_is_full_for_one_video_costs_that_video_alone(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    whole = read_benchmark(scuba(root, tmp_path / "whole", layout=layout)).rows
    real, written = Jpegs.encode, list[int]()

    def full(jpegs: Jpegs, frame: np.ndarray) -> memoryview:
        written.append(1)
        if len(written) == 20:  # among the second source's 16 pictures
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(jpegs, frame)

    monkeypatch.setattr(Jpegs, "encode", full)
    report = build_scuba(
        "ucf101", root, "all", masks=f"stored:{root / 'masks'}", per_video=2, out=out, run=QUIET, layout=layout
    )
    assert [f["id"] for f in report.failed] == ["Archery/v_Archery_g02_c01"] == list(failures(out))
    assert "No space left" in report.failed[0]["reason"] and "free space" in report.failed[0]["reason"]
    assert len(read_benchmark(out).rows) == 6 and not list(out.rglob(".tmp-*"))
    # With space again, the same command makes what is missing.
    assert read_benchmark(scuba(root, out, layout=layout)).rows == whole and failures(out) == {}


def test_failures_are_listed_even_if_nothing_was_built(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    for path in (root / "videos").rglob("*.mkv"):
        path.write_text("not a video")
    assert read_failing(root, out) == 4 and set(failures(out).values()) == {"failed"}
    assert read_failing(root, out) == 4, "a second run is not refused"


def read_failing(root: Path, out: Path) -> int:
    report = build_scuba("ucf101", root, "all", masks=f"stored:{root / 'masks'}", out=out, run=QUIET)
    assert report.benchmark is None
    return len(report.failed)


@pytest.mark.parametrize("layout", ["frames", "zip"])
def test_layouts_for_other_loaders_have_their_list_built_or_exported(
    folder_of_actions: Callable, tmp_path: Path, layout: str
) -> None:
    out = scuba(folder_of_actions(per_class=1), tmp_path / "built", layout=layout)
    lines = (out / "list.txt").read_text().splitlines()
    names = [f"{c}/v_{c}_g01_c01__{n}" for c in ("Archery", "Basketball") for n in (0, 1)]
    assert lines == [f"{name} 8 {2 if 'Arch' in name else 7}" for name in names]
    export(out, tmp_path / "copied", Layout(layout), progress=False)
    assert (tmp_path / "copied" / "list.txt").read_text().splitlines() == lines
    assert not (scuba(tmp_path / "ucf", tmp_path / "video") / "list.txt").exists()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """A benchmark in a layout of every kind of file: tables, a list, pictures, masks."""
    from tiny_videos import moving_square, write_video

    from benchmark_builder.masks.stored import write_masks

    root = tmp_path_factory.mktemp("small")
    video, masks = moving_square(2, 24, 24)
    write_video(root / "ucf/videos/Archery/v_Archery_g01_c01.mkv", video)
    write_masks(root / "ucf/masks/Archery/v_Archery_g01_c01.zip", masks)
    out = read_benchmark(scuba(root / "ucf", root / "out", layout="frames"))
    assert verify(out.folder, progress=False) == []
    return out


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_in_any_file_is_found(small: Benchmark, data: st.DataObject) -> None:
    files = sorted(p for p in small.folder.rglob("*") if p.is_file())
    path = data.draw(st.sampled_from(files))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    if not damaged:
        return
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    try:
        assert verify(small.folder, progress=False) != []
    finally:
        path.write_bytes(whole)


def test_every_flipped_bit_of_the_sums_is_found(small: Benchmark) -> None:
    path = small.folder / "SHA256SUMS"
    whole = path.read_bytes()
    try:
        for at in [k for k, byte in enumerate(whole) if byte in b"\n "] + [0]:
            for bit in range(8):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
                assert verify(small.folder, progress=False) != [], (at, bit)
        path.write_bytes(b"")
        assert any("is not listed in SHA256SUMS" in p for p in verify(small.folder, progress=False))
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (",0-1,2,", ",0-99999999999,2,", "no ranges of frames"),
        (",0-1,2,", ",all,2,", "no ranges of frames"),
        (",2,Archery,", ",500,Archery,", "none of the protocol's classes"),
    ],
)
def test_a_row_that_no_reader_could_use_is_refused(small: Benchmark, old: str, new: str, says: str) -> None:
    path = small.folder / "manifest.csv"
    whole = path.read_text()
    try:
        path.write_text(whole.replace(old, new, 1))
        with pytest.raises(BenchError, match=says):
            read_benchmark(small.folder)
        assert any(says in p for p in verify(small.folder, progress=False))
    finally:
        path.write_text(whole)


UNKNOWABLE = {"pixels_xxh128"}  # of a lossy layout: the pixels before they were encoded


@pytest.mark.parametrize("kind", ["scuba", "scufo", "shaken", "conflfg", "human-only", "background-only", "swap"])
def test_a_row_that_lies_in_any_column_is_found_though_the_sums_agree(
    folder_of_actions: Callable, tmp_path: Path, kind: str
) -> None:
    source = scuba(folder_of_actions(per_class=1), tmp_path / "scuba")
    if kind == "conflfg":
        build_conflfg(source, out=tmp_path / kind, run=QUIET, order="front", max_covered=1.0)
    elif kind != "scuba":
        build_kind(kind, source, out=tmp_path / kind, run=QUIET)
    path = tmp_path / kind / "manifest.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert verify(path.parent, progress=False) == []
    for column, value in rows[0].items():
        if value and column not in UNKNOWABLE:
            write_csv(path, list(rows[0]), [rows[0] | {column: lie(column, value, rows[-1])}, *rows[1:]])
            sums = [f"{sha256_file(p)}  {p.name}\n" for p in sorted(path.parent.glob("*.[cj]s*"))]
            (path.parent / "SHA256SUMS").write_text("".join(sums))
            found = verify(path.parent, progress=False)
            assert found and not any("SHA-256 differs" in p and "manifest" in p for p in found), column


def lie(column: str, value: str, other: dict[str, str]) -> str:
    """Another value of a column, of its kind."""
    if column in ("id", "source_id", "partner_id", "donor_id", "class_name"):
        return other[column] if other[column] != value else value.replace("__1", "__0")
    if column == "donor_shift":
        x, y = map(int, value.split())
        return f"{x + 1} {y}"
    try:
        return str(int(value) + 1)
    except ValueError:
        pass
    try:
        return repr(float(value) + 0.01 if float(value) < 1 else float(value) + 5)
    except ValueError:
        return ("b" if value[0] != "b" else "c") + value[1:]


def test_a_source_that_changed_since_is_found(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    out = scuba(root, tmp_path / "out")
    path = root / "videos/Archery/v_Archery_g01_c01.mkv"
    path.write_bytes(path.read_bytes() + b"\0")
    assert [p for p in verify(out, progress=False) if "not the file from which it was built" in p]
    shutil.move(root, tmp_path / "elsewhere")
    assert verify(out, progress=False) == [], "a benchmark stands without its sources"


def test_protocol_tells_pictures_apart_and_how_they_fit(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, pictures = folder_of_actions(per_class=1), tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "a.png"), np.full((8, 8, 3), 50, np.uint8))
    out = scuba(root, tmp_path / "out", backgrounds=f"images:{pictures}", fit="stretch")
    said = read_benchmark(out).protocol.plain()
    assert said["backgrounds"]["fit"] == "stretch" and said["backgrounds"]["pictures"] == 1
    assert {"albar-bench", "encoder", "av"} <= said["versions"].keys() and "libavcodec" in said["versions"]["encoder"]
    # Other pictures of the same names are another benchmark.
    cv2.imwrite(str(pictures / "a.png"), np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    with pytest.raises(BenchError, match=r"other settings \(backgrounds"):
        scuba(root, out, backgrounds=f"images:{pictures}", fit="stretch")


def test_an_exported_mask_is_whole_or_not_there(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The videos of a source share its mask file: a later one's copy must not harm what an earlier one's row says."""
    out = scuba(folder_of_actions(per_class=1), tmp_path / "built", layout="zip")
    real, copied = shutil.copyfile, list[str]()

    def broken(source: str, target: str) -> None:
        copied.append(source)
        if len(copied) == 2:
            Path(target).write_bytes(b"the beginning of a ma")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr(shutil, "copyfile", broken)
    report = export(out, tmp_path / "copied", Layout("frames"), progress=False)
    assert len(report.failed) == 1 and report.benchmark is not None and len(report.benchmark.rows) == 3
    assert not any("masks" in problem for problem in verify(tmp_path / "copied", progress=False))
