"""Values of odd types in the tables of a benchmark, in annotations and in options: one line names file and field."""

import copy
import json
import math
import os
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import bench
from every_field import (
    QUIET,
    built,  # noqa: F401
    kept,  # noqa: F401
    operations,
    places,
    put,
)
from pydantic.fields import FieldInfo

from albar.training.settings import read_config
from benchmark_builder.benchmark.build import JOURNAL, WORK
from benchmark_builder.benchmark.manifest import COLUMNS, MANIFEST, read_benchmark
from benchmark_builder.benchmark.preview import animation, contact_sheet
from benchmark_builder.benchmark.protocol_record import PROTOCOL, ProtocolRecord, read_protocol
from benchmark_builder.builders import Run, build_conflfg, build_scuba, build_scufo
from benchmark_builder.masks import mask_source
from benchmark_builder.synthactions.render import RECORD, read_record
from benchmark_builder.synthactions.settings import SynthSettings
from benchmark_builder.utils.device import world_size
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.files import write_json
from benchmark_builder.utils.options import plain_types
from benchmark_builder.utils.records import Record, Says
from benchmark_builder.utils.text import csv_text, read_table
from benchmark_builder.video.binary import ffmpeg_binary, ffmpeg_version
from benchmark_builder.video.record import Video

NAN, INF = math.nan, math.inf
ODD: tuple[Any, ...] = (
    None, True, -1, 5, 10**15, 1e308, INF, NAN, -0.5, "x", "", "\0", "\ud800", [], [1], [[]], {}, {"a": 1}, "x" * 5000,
)  # fmt: skip


def one_line(error: BaseException) -> str:
    assert isinstance(error, BenchError), repr(error)
    assert "\n" not in str(error) and len(str(error)) < 1600
    return str(error)


def changed(protocol: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """A copy with the field at ``name`` set."""
    found = copy.deepcopy(protocol)
    *tables, last = name.split(".")
    inner = found
    for table in tables:
        inner = inner[table]
    inner[last] = value
    return found


def fields(model: type[Record], protocol: dict[str, Any], inside: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Each field of a record that a protocol.json has, by its place, with those of the tables in it."""
    for name, field in model.model_fields.items():
        key = field.serialization_alias or name
        if key in protocol:
            yield f"{inside}{key}", field
            (kind,) = plain_types(field.annotation)[:1] or (None,)
            if isinstance(kind, type) and issubclass(kind, Record):
                yield from fields(kind, protocol[key], f"{inside}{key}.")


def words_of(field: FieldInfo) -> str:
    """What the field must be, as errors say it."""
    return next((m.words for m in field.metadata if isinstance(m, Says)), "a table")


# Whatever is said of the fields above, these values are right for them and no others of ODD.
RIGHT: dict[str, list[Any]] = {
    "mask_settings.smooth": [5], "mask_settings.dilate": [-1, 5], "mask_settings.feather": [5], "per_video": [5],
    "mask_settings.min_area": [], "seed": [-1, 5, 10**15], "jpeg_quality": [5], "still_area": [None], "shake": [],
    "classes": [], "subset": [None, []], "format": [], "protocol.version": [5], "conflfg.order": [],
    "conflfg.max_covered": [], "layout": [],
}  # fmt: skip


@pytest.mark.parametrize("kind", ["scuba", "conflfg", "shaken"])
def test_every_field_of_a_protocol_is_of_the_kind_it_must_be(kept: Path, kind: str) -> None:
    path = kept / "b" / kind / PROTOCOL
    protocol = json.loads(path.read_text())
    tried = refused = 0
    for name, field in fields(ProtocolRecord, protocol):
        if name in ("described", "masks.actors"):
            continue
        taken = []
        for value in ODD:
            path.write_text(json.dumps(changed(protocol, name, value)))
            tried += 1
            try:
                read_benchmark(path.parent)
            except BenchError as error:
                said = one_line(error)
                newer = "has format" in said or "it lacks" in said
                right = f"{path}: {name}" in said and (words_of(field) in said or "is no text" in said)
                assert right or (newer and str(path) in said), said
                refused += 1
            else:
                taken.append(value)
        text = words_of(field) == "text"
        assert not text or [v for v in taken if not isinstance(v, str)] == []
        assert not text or [v for v in ODD if isinstance(v, str) and v not in taken] == ["\0", "\ud800"]
        if name in RIGHT:
            assert list(map(repr, taken)) == list(map(repr, RIGHT[name])), name
        if words_of(field) == "a table":
            assert all(isinstance(v, dict) for v in taken), name
    assert tried > 300 and refused > 250
    for value in ODD:
        path.write_text(json.dumps(value))
        with pytest.raises(BenchError, match=re.escape(str(path))):
            read_benchmark(path.parent)
    for name in ("kind", "dataset", "classes", "backgrounds", "backgrounds.name"):
        found = copy.deepcopy(protocol)
        (found[name.split(".")[0]] if "." in name else found).pop(name.split(".")[-1])
        path.write_text(json.dumps(found))
        with pytest.raises(BenchError, match=f"lacks {name}"):
            read_benchmark(path.parent)


def test_a_protocol_is_written_as_it_was_read(kept: Path) -> None:
    """Byte for byte, with numbers as they stand and with what this version does not know."""
    for kind in ("scuba", "scufo", "conflfg", "shaken"):
        path = kept / "b" / kind / PROTOCOL
        document = json.loads(path.read_text())
        document |= {"news": {"a": [1, 1.0, None, 1e-9]}, "still_area": 1, "plain": 3, "model_extra": 4, "__class__": 5}
        document["mask_settings"] |= {"feather": 2, "more": "x"}
        document["protocol"] |= {"changed": ["per_video"], "since": 3}
        write_json(path, document)
        before = path.read_bytes()
        record = read_protocol(path.parent)
        write_json(path, record.plain())
        assert path.read_bytes() == before
        assert record.protocol.changes == {"per_video": {}} and record.mask_settings.feather == 2
        assert record.replaced(seed=7).without("seed").plain() == {k: v for k, v in document.items() if k != "seed"}


def test_names_that_are_no_text_are_refused(kept: Path) -> None:
    path = kept / "b" / "scuba" / PROTOCOL
    document = json.loads(path.read_text())
    for name in ("\udc80", "\ud800"):
        for odd in (
            document | {name: 1},
            document | {"masks": {name: 1}},
            document | {"news": {name: 1}},
            document | {"a\nb": name},
        ):
            path.write_text(json.dumps(odd))
            try:
                read_benchmark(path.parent)
            except BenchError as error:
                assert one_line(error).startswith(f"{path}: ") and str(error).isprintable()
            else:  # a byte of a file's name, in what this version does not know
                assert name == "\udc80" and odd.keys() - document.keys() in ({"news"}, {"a\nb"})


def test_a_protocol_of_a_newer_release_is_named(kept: Path) -> None:
    path = kept / "b" / "scuba" / PROTOCOL
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2, "kind": 5}))
    with pytest.raises(BenchError, match="has format 2, this version reads 1; update albar-bench"):
        read_benchmark(path.parent)


NUMBERS = ("", "x", "-1", "0", "1000000", "99999999999999999999", "9" * 5000, "1e308", "nan", "inf", "-inf", "1.5")
NAMES = ("../x", "/etc/passwd", "a\nb", "x" * 300, ".", "a\0b", "\x1b[31m")
# What the columns take of these, if anything; text columns but names take any.
TAKEN = {
    "label": ["0"], "seed": ["-1", "0", "1000000"], "variant": ["0", "1000000"], "still_frame": ["", "0", "1000000"],
    "donor_label": ["", "0"], "donor_frame": ["", "0", "1000000"], "mask_coverage": ["", "0"], "covered": ["", "0"],
    "fps": ["1.5"], "width": [], "height": [], "frames": [],
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_every_cell_of_a_manifest_is_of_the_kind_it_must_be(kept: Path, column: str) -> None:
    path = kept / "b" / "conflfg" / MANIFEST
    names, rows = read_table(path)
    at = names.index(column)

    def read(value: str) -> str:
        """What is said of the value; empty if it is taken."""
        found = [list(row) for row in rows]
        found[0][at] = value
        path.write_text(csv_text([names, *found]), newline="")
        try:
            read_benchmark(path.parent)
        except BenchError as error:
            return one_line(error)
        return ""

    assert read(rows[0][at]) == ""
    if column in TAKEN:
        for value in NUMBERS:
            said = read(value)
            assert bool(said) != (value in TAKEN[column]), (value, said)
            assert not said or (str(path) in said and (column in said or "larger than any video" in said))
    if column in ("id", "file", "source_file", "mask_file", "source_id", "partner_id", "donor_id"):
        for value in NAMES:
            if not (value == "." and column != "file") and not (value in ("../x", "/etc/passwd") and "_" in column):
                assert read(value), value
    if column == "source_frames":
        for value in ("", "x", "0-1", "2-0", "0-2 0-2", "0-0 0-1", "0-9999999", "0-99999999999", "-1-1", "0-2-3"):
            assert "source_frames" in read(value), value


# Values that pass for what they should be one by one, but not together or not with the videos.
TOGETHER: dict[str, list[tuple[str, Any]]] = {
    "scuba": [
        ("mask_settings", {}), ("masks", {}), ("backgrounds", {"name": "x"}), ("paths", {}), ("protocol", {}),
        ("paths", {"root": "/nowhere"}), ("per_video", 7), ("subset", []), ("split", "x"), ("kind", "x"),
        ("classes", ["a"] * 101), ("protocol", {"name": "x", "version": 3, "changed": {"shake": {}}}),
        ("protocol", {"name": "default", "changed": {"shake": {"here": "x", "protocol": 1}}}),
        ("width", "4096"), ("height", "1"), ("fps", "1000"), ("mask_file", "masks"), ("file", "masks"), ("id", "x"),
        ("source_file", "videos"), ("source_id", "x"), ("mask_sha256", ""), ("label", "3"), ("mask_file", ""),
    ],
    "conflfg": [
        ("conflfg", {}), ("from", {}), ("from", {"manifest_sha256": "x"}), ("paths", {"scuba": "/nowhere"}),
        ("conflfg", {"order": "behind", "x": 1}), ("partner_id", "x"), ("partner_id", ""), ("donor_id", "x"),
        ("donor_label", ""), ("donor_frame", "99"), ("donor_shift", "x"), ("covered", ""), ("width", "49"),
    ],
    "shaken": [("shake", 0), ("still_area", None), ("still_frame", "99"), ("still_frame", ""), ("fps", "0.01")],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "value"), [(k, *case) for k, cases in TOGETHER.items() for case in cases])
def test_whatever_is_done_with_an_odd_benchmark_ends_or_says_why(
    kept: Path, tmp_path: Path, kind: str, name: str, value: Any
) -> None:
    folder = kept / "b" / kind
    if name in COLUMNS:
        names, rows = read_table(folder / MANIFEST)
        rows[0][names.index(name)] = value
        (folder / MANIFEST).write_text(csv_text([names, *rows]), newline="")
    else:
        protocol = json.loads((folder / PROTOCOL).read_text())
        (folder / PROTOCOL).write_text(json.dumps({**protocol, name: value}))
    for act in operations(folder, tmp_path).values():
        try:
            act()
        except BenchError as error:
            one_line(error)


def test_a_virtual_benchmark_without_its_settings_names_them(kept: Path) -> None:
    for kind, field, says in (
        ("shaken", "shake", "lacks shake"),
        ("conflfg", "conflfg", "lacks conflfg;"),
        ("scuba", "mask_settings", "lacks mask_settings.feather"),
    ):
        path = kept / "b" / kind / PROTOCOL
        protocol = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in protocol.items() if k != field}))
        benchmark = read_benchmark(path.parent)
        with pytest.raises(BenchError, match=f"{PROTOCOL}: {says}"):
            list(benchmark.frames(benchmark.rows[0]))
        path.write_text(json.dumps(protocol))


def test_odd_lines_of_a_journal_are_made_again(built: Path, tmp_path: Path) -> None:
    out, work = tmp_path / "scufo", tmp_path / "scufo" / WORK
    build_scufo(built / "b" / "scuba", out=out, run=QUIET)
    before = (out / MANIFEST).read_bytes()
    (out / MANIFEST).unlink()
    work.mkdir()
    (work / PROTOCOL).write_bytes((out / PROTOCOL).read_bytes())
    lines: list[Any] = [
        5, [], {"id": [], "state": "made", "value": []}, {"id": "x", "state": "made", "value": 5},
        {"id": "x", "state": "made", "value": [{"file": "../../x"}]},
        {"id": "x", "state": "failed", "value": "", "rows": 3},
        {"id": "x", "state": "made", "value": [dict.fromkeys(COLUMNS, "x")]}, {"id": "x", "state": {}, "value": ""},
    ]  # fmt: skip
    (work / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines) + "[" * 10_000 + "\nhalf a li")
    build_scufo(built / "b" / "scuba", out=out, run=QUIET)
    assert (out / MANIFEST).read_bytes() == before


# --- annotations whose values are odd

ID = "Fencing/v_Fencing_g01_c01"
V1 = {ID: {"numf": np.int64(6), "label": 3, "annotations": [{"label": 3, "sf": 0, "ef": 2, "boxes": np.ones((2, 4))}]}}
V2 = {
    "labels": ["Fencing"],
    "gttubes": {ID: {0: [np.array([[1, 2, 3, 8, 9], [2, 2, 3, 8, 9]], np.float32)]}},
    "nframes": {ID: 9},
    "resolution": {ID: (24, 32)},
}
RLE = {"size": [24, 32], "counts": [0, 20, 748]}
BY_VIDEO = {ID: [RLE, None, {"size": [24, 32], "counts": "Z27a0000000000Va0"}]}
VIS = {
    "videos": [{"id": 7, "file_names": [f"{ID}/00000.jpg"]}],
    "annotations": [{"video_id": 7, "segmentations": [RLE]}],
}
ARRAYS = (np.zeros(3), np.zeros((0, 4)), np.array(5), np.full((2, 5), 1e30), np.array(["a"]), np.float64(NAN), b"")


@pytest.mark.parametrize(
    ("kind", "good"), [("ucf101-24", V1), ("ucf101-v2", V2), ("rle", BY_VIDEO), ("rle", VIS)],
    ids=["pyannot", "UCF101v2-GT", "rle by video", "YouTube-VIS"],
)  # fmt: skip
def test_annotations_of_odd_values_give_masks_or_say_why(kind: str, good: Any, tmp_path: Path) -> None:
    path = tmp_path / ("a.json" if kind == "rle" else "a.pkl")
    video = Video(ID, Path("x.avi"), 0, "Fencing", "all", "ucf101")

    def read(value: Any) -> bool:
        """Whether there are masks."""
        if kind == "rle":
            path.write_text(json.dumps(value))
        else:
            path.write_bytes(pickle.dumps(value))
        try:
            track = mask_source(f"{kind}:{path}", tmp_path).track(video, 24, 32)
            for k in np.flatnonzero(track.covered)[:3]:
                mask = track.mask(int(k))
                assert mask.shape == (24, 32) and mask.dtype == bool
        except (BenchError, LeftOut) as error:
            one_line(error)
            return False
        return True

    assert read(good)
    odd = [v for v in ODD if v != "\ud800"] if kind != "rle" else list(ODD)
    odd += [] if kind == "rle" else list(ARRAYS)
    assert not all([read(put(good, at, value)) for at in places(good) for value in odd])


# --- options and the environment


@pytest.mark.parametrize(
    "settings",
    [
        {"smooth": 10**20}, {"dilate": -(10**20)}, {"feather": NAN}, {"feather": INF},
        {"min_area": NAN, "min_valid": 0.5},
        {"min_valid": NAN}, {"min_valid": INF}, {"per_video": 0}, {"per_video": 10**20}, {"jpeg_quality": 0},
        {"jpeg_quality": 10**20}, {"feather": "x"}, {"smooth": 1.5},
    ],
)  # fmt: skip
def test_odd_settings_of_scuba(built: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    masks = f"stored:{built / 'ucf' / 'masks'}"
    with pytest.raises(BenchError, match=next(iter(settings)).replace("_", "[-_]")) as caught:
        build_scuba("ucf101", built / "ucf", "test", masks=masks, out=tmp_path / "o", run=QUIET, **settings)
    one_line(caught.value)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("value", [NAN, INF, -INF, -1.0, 1e308])
def test_odd_settings_of_what_is_made_from_scuba(built: Path, tmp_path: Path, value: float) -> None:
    scuba = built / "b" / "scuba"
    for build in (
        lambda: build_scufo(scuba, shaken=True, shake=value, out=tmp_path / "o", run=QUIET),
        lambda: build_scufo(scuba, still_area=value, out=tmp_path / "o", run=QUIET),
        lambda: build_conflfg(scuba, max_covered=value, out=tmp_path / "o", run=QUIET),
        lambda: build_conflfg(scuba, min_visible=value, out=tmp_path / "o", run=QUIET),
        lambda: SynthSettings(fps=value),
        lambda: SynthSettings(bias=value),
    ):
        with pytest.raises(BenchError, match=re.escape(str(value))) as caught:
            build()
        one_line(caught.value)
    assert not (tmp_path / "o").exists()


def test_sizes_and_counts_have_bounds(built: Path, tmp_path: Path) -> None:
    scuba, out = built / "b" / "scuba", tmp_path / "p.png"
    for draw in (
        lambda: contact_sheet(scuba, out, height=10**6),
        lambda: contact_sheet(scuba, out, columns=10**20),
        lambda: animation(scuba, tmp_path / "p.gif", height=10**20),
        lambda: SynthSettings(frames=10**9),
        lambda: SynthSettings(train=10**20),
        lambda: SynthSettings(size=10**9),
        lambda: build_scufo(scuba, out=tmp_path / "o", run=Run(workers=10**6)),
    ):
        with pytest.raises(BenchError, match=r"--(height|columns|frames|train|size|workers)"):
            draw()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["x", "", "-1", "1.5", "9" * 5000])
def test_an_odd_world_size(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", value)
    with pytest.raises(BenchError, match="WORLD_SIZE=") as caught:
        world_size()
    one_line(caught.value)


def test_an_ffmpeg_that_cannot_be_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCH_FFMPEG", str(tmp_path / "ffmpeg"))
    caches = (ffmpeg_binary, ffmpeg_version)
    for cached in caches:
        cached.cache_clear()
    try:
        with pytest.raises(BenchError, match="set BENCH_FFMPEG"):
            ffmpeg_version()
    finally:
        for cached in caches:
            cached.cache_clear()


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 10_000, "epochs = " + "9" * 5000, "x = {a=" * 2000, "epochs = 9" * 2, "\0", "[" * 10_000]
)
def test_toml_that_is_nested_deep_or_counts_without_end(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(BenchError, match=r"a\.toml: not TOML") as caught:
        read_config(tmp_path / "a.toml")
    one_line(caught.value)


@pytest.mark.parametrize("classes", [5, [], "x", [1], None, {}])
def test_an_odd_record_of_a_render(tmp_path: Path, classes: Any) -> None:
    (tmp_path / RECORD).write_text(json.dumps({"dataset": "synthactions", "classes": classes}))
    with pytest.raises(BenchError, match=f"{RECORD}: not the record of a render"):
        read_record(tmp_path)


def test_the_command_line_says_it_in_one_line(built: Path, tmp_path: Path) -> None:
    command = ["build", "scuba", "--dataset", "ucf101", "--root", str(built / "ucf"), "--out", "o"]
    masks = ["--masks", f"stored:{built / 'ucf' / 'masks'}"]
    for more, status, says in (
        (["--feather", "nan"], 1, "error: --feather nan"),
        (["--min-area", "inf"], 1, "error: --min-area inf"),
        (["--workers", "1000000"], 1, "error: --workers 1000000"),
        (["--per-video", "x"], 2, "--per-video"),
    ):
        done = bench(*command, *masks, *more, cwd=tmp_path)
        assert done.returncode == status and says in done.stderr and "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []  # noqa: PTH208
