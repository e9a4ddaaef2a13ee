"""`bench audit masks`: its figures are those computed by hand, and what cannot be read is unknown, not guessed."""

import csv
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_builds import QUIET, scuba
from tiny_videos import write_video
from typer.testing import CliRunner

from albar_bench.cli import app as cli
from benchmark_builder.audit.masks import (
    COLUMNS,
    MaskFigures,
    audit_masks,
    chosen_frames,
    draw_sheet,
    find_shots,
    summary,
    write_table,
)
from benchmark_builder.benchmark.preview import animation, contact_sheet
from benchmark_builder.benchmark.sheets import OUTLINE, outlined
from benchmark_builder.builders import build_scuba
from benchmark_builder.masks.base import confidence_of, mean_confidence
from benchmark_builder.masks.stored import MaskWriter, StoredTrack
from benchmark_builder.segment import segment
from benchmark_builder.utils.errors import BenchError

HEIGHT, WIDTH, FRAMES = 40, 60, 8
PICTURE = HEIGHT * WIDTH
SURE = np.linspace(0.5, 0.85, FRAMES, dtype=np.float32)  # 0.50, 0.55 … 0.85: mean 0.675


class SureTrack:
    def __init__(self, start: int) -> None:
        self.covered, self.confidence, self._start = np.ones(FRAMES, bool), SURE, start

    def mask(self, index: int) -> np.ndarray:
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[10:20, self._start + 2 * index : self._start + 10 + 2 * index] = True  # 10x10, moves by 2
        return mask


class SureMasks:
    """A mask source with confidence; leaves out the class ``Basketball``."""

    def __init__(self, path: Path | None, dataset_root: Path) -> None:
        pass

    def track(self, video, height: int, width: int) -> SureTrack:
        return SureTrack(5)

    def describe(self) -> dict[str, object]:
        return {"kind": "sure"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos: a dark one; and one that turns bright at frame 4, a camera cut."""
    root = tmp_path_factory.mktemp("ucf")
    for name, bright in (("Archery", 30), ("Basketball", 220)):
        video = np.full((FRAMES, HEIGHT, WIDTH, 3), 30, np.uint8)
        video[4:] = bright
        write_video(root / "videos" / name / f"v_{name}_g01_c01.mkv", video)
    return root


@pytest.fixture(scope="module")
def segmented(root: Path) -> Path:
    out = root.parent / "segmented"
    segment("ucf101", root, "all", masks=f"{__name__}:SureMasks", out=out, run=QUIET)
    return out


def test_figures_are_those_computed_by_hand(segmented: Path) -> None:
    found = audit_masks(segmented)
    by_name = {video.id.split("/")[0]: video for video in found.videos}
    still, cut = by_name["Archery"], by_name["Basketball"]
    for video in (still, cut):
        assert video.share == pytest.approx(100 / PICTURE)
        # Two 10x10 squares, 2 pixels apart: 80 pixels in both, 120 in any.
        assert video.neighbour_iou == pytest.approx(80 / 120) and video.worst_iou == pytest.approx(80 / 120)
        assert (video.frames, video.coverage, video.reason) == (FRAMES, 1.0, "")
        # four digits are kept of each number
        assert video.confidence == pytest.approx(0.675, abs=5e-5)
        assert video.doubt == pytest.approx(1 - 80 / 120 * video.confidence)
    assert (still.cuts, cut.cuts) == (0, 1)
    assert find_shots(found.masked.videos[1].source) == ([0, 4], FRAMES)


def test_pairs_across_a_cut_do_not_count(segmented: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(segmented, tmp_path / "copy")
    path = next((copy / "Basketball").glob("*.zip"))
    with MaskWriter(path, FRAMES) as writer:
        for index in range(FRAMES):
            mask = np.zeros((HEIGHT, WIDTH), bool)
            mask[:10, :10] = index < 4
            mask[20:, 30:] = index >= 4
            writer.write(index, mask)
    found = next(v for v in audit_masks(copy, tmp_path / "nowhere").videos if "Basketball" in v.id)
    assert found.cuts is None and "--root" in found.reason  # no video: the pair counts
    assert (found.worst_iou, found.worst_frame) == (0.0, 4) and found.neighbour_iou == pytest.approx(6 / 7)
    assert found.confidence is None and found.doubt == pytest.approx(1 - 6 / 7)
    found = next(v for v in audit_masks(copy).videos if "Basketball" in v.id)
    assert (found.cuts, found.neighbour_iou, found.worst_iou) == (1, 1.0, 1.0)


def test_frames_without_a_mask_and_empty_masks_are_not_covered(segmented: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(segmented, tmp_path / "copy")
    path = next((copy / "Archery").glob("*.zip"))
    with MaskWriter(path, FRAMES) as writer:
        for index in (1, 3, 4):  # 4 is empty: no pair of neighbours is left
            writer.write(index, np.full((HEIGHT, WIDTH), index != 4))
    found = next(v for v in audit_masks(copy).videos if "Archery" in v.id)
    assert (found.coverage, found.share, found.neighbour_iou, found.worst_frame) == (2 / 8, 1.0, None, None)
    assert found.size == 0 and found.doubt == 1


def test_doubt_follows_its_formula_and_sorts() -> None:
    good = MaskFigures("a", 10, 0.1, 0.9, 0.8, 3, 1.0, 0, 0.9)
    assert good.doubt == pytest.approx(1 - 0.9 * 0.9)
    for change, doubt in (
        ({"confidence": None}, 1 - 0.9),
        ({"neighbour_iou": None}, 1 - 0.9),
        ({"coverage": 0.5}, 1 - 0.5 * 0.81),
        ({"share": 0.005}, 1 - 0.5 * 0.81),  # half of 1 %
        ({"share": 0.75}, 1 - 0.5 * 0.81),  # half of the background that it may leave
        ({"cuts": 5}, 1 - 0.81),
    ):
        assert replace(good, **change).doubt == pytest.approx(doubt), change


def test_a_benchmark_and_the_masks_it_was_built_from_agree(root: Path, segmented: Path, tmp_path: Path) -> None:
    build_scuba("ucf101", root, "all", out=tmp_path / "direct", run=QUIET, masks=f"{__name__}:SureMasks", per_video=2)
    masks = f"stored:{segmented}"
    build_scuba("ucf101", root, "all", out=tmp_path / "stored", run=QUIET, masks=masks, per_video=1, layout="virtual")
    expected = audit_masks(segmented).videos
    for folder in (tmp_path / "direct", tmp_path / "stored"):
        assert audit_masks(folder).videos == expected
    for zips in ("direct", "stored"):
        for path in (tmp_path / zips / "masks").rglob("*.zip"):
            sure = StoredTrack(path, HEIGHT, WIDTH).confidence
            assert sure is not None and sure.tolist() == pytest.approx(SURE.tolist(), abs=5e-5)


def test_masks_without_confidence_have_none_and_their_bytes_stay(folder_of_actions: Callable, tmp_path: Path) -> None:
    built = scuba(folder_of_actions(), tmp_path / "built")
    for path in (built / "masks").rglob("*.zip"):
        assert zipfile.ZipFile(path).namelist()[-1] == "length.txt"
    found = audit_masks(built)
    assert len(found.videos) == 4 and {v.confidence for v in found.videos} == {None}
    assert "confidence" not in [name for name, *_ in summary(found)]


def test_confidence_is_kept_with_what_is_not_known(tmp_path: Path) -> None:
    path, sure = tmp_path / "a.zip", np.array([0.25, np.nan, 1.0], np.float32)
    with MaskWriter(path, 3, sure) as writer:
        writer.write(0, np.ones((4, 6), bool))
    track = StoredTrack(path)
    assert track.size == (4, 6) and track.confidence is not None
    np.testing.assert_array_equal(track.confidence, sure)
    assert mean_confidence(track.confidence) == 0.625
    assert mean_confidence(np.array([np.nan])) is None and mean_confidence(None) is None


@pytest.mark.parametrize("text", ["0.5\n1.5\n", "0.5\nx\n", "inf\n", "\xff"])
def test_a_damaged_confidence_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.zip"
    with MaskWriter(path) as writer:
        writer.write(0, np.ones((4, 6), bool))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("confidence.txt", text.encode("latin1"))
    with pytest.raises(BenchError, match=r"a\.zip: not a mask file"):
        StoredTrack(path, 4, 6)


@pytest.mark.parametrize("wrong", [0.5, [0.5, 2.0], [[0.5]], "sure", [-0.1]])
def test_a_source_whose_confidence_is_none_is_told(wrong: object) -> None:
    class Track:
        covered, confidence = np.ones(2, bool), wrong

    with pytest.raises(BenchError, match="confidence"):
        confidence_of(Track())


def test_the_table_of_an_earlier_version_is_read(root: Path, segmented: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(segmented, tmp_path / "copy")
    with open(copy / "masks.csv", newline="") as handle:
        rows = list(csv.reader(handle))
    (copy / "masks.csv").write_text("".join(",".join(row[:6]) + "\n" for row in rows))
    old = audit_masks(copy)
    assert {v.cuts for v in old.videos} == {None} and "run the same" in old.videos[0].reason
    report = segment("ucf101", root, "all", masks=f"{__name__}:SureMasks", out=copy, run=QUIET)
    assert (report.made, report.kept) == (0, 2)
    assert [v.cuts for v in audit_masks(copy).videos] == [v.cuts for v in audit_masks(segmented).videos]


def test_what_cannot_be_read_is_listed_and_the_rest_measured(segmented: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(segmented, tmp_path / "copy")
    path = next((copy / "Archery").glob("*.zip"))
    path.write_bytes(b"no zip")
    found = audit_masks(copy)
    assert [v.id.split("/")[0] for v in found.videos] == ["Basketball"]
    assert len(found.failed) == 1 and "not a mask file" in found.failed[0][1]


@pytest.mark.parametrize("text", ["[]", "{}", '{"masks": 3, "dataset": "x"}', '{"masks": {}, "dataset": []}'])
def test_a_folder_that_is_none_is_refused(segmented: Path, tmp_path: Path, text: str) -> None:
    copy = shutil.copytree(segmented, tmp_path / "copy")
    (copy / "segment.json").write_text(text)
    with pytest.raises(BenchError, match=r"segment\.json: not a record"):
        audit_masks(copy)
    with pytest.raises(BenchError, match="neither a SCUBA benchmark nor"):
        audit_masks(tmp_path)


def test_names_in_a_folder_of_others_stay_inside(segmented: Path, tmp_path: Path) -> None:
    for column, name in (("file", "../evil.zip"), ("source_file", "../../evil.mkv")):
        copy = shutil.copytree(segmented, tmp_path / column)
        with open(copy / "masks.csv", newline="") as handle:
            rows = list(csv.DictReader(handle))
        rows[0][column] = name
        with open(copy / "masks.csv", "w", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        with pytest.raises(BenchError, match="points outside"):
            audit_masks(copy)


def test_paths_of_a_record_may_be_anything(segmented: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(segmented, tmp_path / "copy")
    record = json.loads((copy / "segment.json").read_text())
    for paths in (None, [], {"root": 3}, {"root": "x" * 5000}):
        (copy / "segment.json").write_text(json.dumps(record | {"paths": paths}))
        assert {v.cuts for v in audit_masks(copy).videos} == {None}


def test_only_scuba_benchmarks_have_masks(folder_of_actions: Callable, tmp_path: Path) -> None:
    from benchmark_builder.builders import build_scufo

    built = scuba(folder_of_actions(), tmp_path / "built", per_video=1)
    build_scufo(built, out=tmp_path / "scufo", run=QUIET)
    with pytest.raises(BenchError, match="is a scufo benchmark; give the SCUBA benchmark"):
        audit_masks(tmp_path / "scufo")


def test_the_sheet_shows_outlines_with_and_without_the_videos(segmented: Path, tmp_path: Path) -> None:
    found = audit_masks(segmented)
    one, two = draw_sheet(found, tmp_path / "a.png"), draw_sheet(audit_masks(segmented), tmp_path / "b.png")
    assert one.read_bytes() == two.read_bytes()
    without = draw_sheet(audit_masks(segmented, tmp_path), tmp_path / "c.png", videos=1)
    heights = []
    for path in (one, without):
        sheet = cv2.imread(str(path))[..., ::-1].astype(int)
        heights.append(sheet.shape[0])
        assert (sheet == OUTLINE).all(axis=2).sum() > 50
    assert heights[0] == 2 * heights[1]
    with pytest.raises(BenchError, match="--sheet"):
        draw_sheet(found, tmp_path / "a.gif")
    with pytest.raises(BenchError, match="--height"):
        draw_sheet(found, tmp_path / "a.png", columns=1000, height=8000)


def test_frames_of_the_sheet_are_spread_and_include_the_worst() -> None:
    covered = np.zeros(20, bool)
    covered[5:15] = True
    assert chosen_frames(covered, 3) == [5, 9, 14]
    assert chosen_frames(covered, 3, worst=6) == [6, 9, 14]
    assert chosen_frames(covered, 50) == list(range(5, 15))


def test_an_outline_follows_the_mask_and_leaves_the_rest() -> None:
    picture, mask = np.full((60, 90, 3), 100, np.uint8), np.zeros((60, 90), bool)
    mask[20:40, 30:60] = True
    drawn = outlined(picture, mask)
    assert (picture == 100).all()
    assert drawn[20, 45].tolist() == list(OUTLINE) and drawn[30, 30].tolist() == list(OUTLINE)
    assert (drawn[25:35, 36:54] == 100).all() and (drawn[:14] == 100).all()
    assert (outlined(picture, np.zeros((6, 9), bool)) == picture).all()


def test_preview_shows_outlines_of_both(root: Path, segmented: Path, tmp_path: Path) -> None:
    masks = f"{__name__}:SureMasks"
    build_scuba("ucf101", root, "all", out=tmp_path / "built", run=QUIET, masks=masks, per_video=1)
    for folder in (segmented, tmp_path / "built"):
        sheet = cv2.imread(str(contact_sheet(folder, tmp_path / "p.png", videos=2)))[..., ::-1].astype(int)
        assert (sheet == OUTLINE).all(axis=2).sum() > 50
    playing = animation(segmented, tmp_path / "p.gif", videos=2)
    from PIL import Image

    with Image.open(playing) as image:
        assert image.n_frames == 2 * FRAMES
    assert animation(segmented, tmp_path / "p.mp4").stat().st_size > 0


def test_the_command_writes_table_and_sheet(segmented: Path, tmp_path: Path) -> None:
    words = ["audit", "masks", str(segmented), "--out", "a.csv", "--sheet", "s.png", "--workers", "1"]
    done = CliRunner(env={"COLUMNS": "140"}).invoke(cli.app, words, catch_exceptions=False)
    assert done.exit_code == 0 and "2 videos measured" in done.output
    assert (tmp_path / "s.png").is_file()
    with open(tmp_path / "a.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == COLUMNS and [row["cuts"] for row in rows] == ["0", "1"]
    write_table(tmp_path / "b.csv", audit_masks(segmented))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
