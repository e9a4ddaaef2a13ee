"""Manual corrections: frames replaced, masks not used, videos left out; recorded, and made again when changed."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from small_builds import QUIET
from tiny_videos import make_actions, write_video
from typer.testing import CliRunner

from albar_bench.cli import app as cli
from benchmark_builder.audit.masks import audit_masks
from benchmark_builder.audit.review import COLUMNS, read_review
from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.benchmark.merge import merge
from benchmark_builder.builders import Run, Subset, build_scuba, build_scufo
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.masks.base import PackedTrack
from benchmark_builder.masks.corrections import CorrectedTrack, Correction
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.segment import segment
from benchmark_builder.utils.errors import BenchError

HEIGHT, WIDTH, FRAMES = 32, 48, 8
ARCHERY, BALL = "Archery/v_Archery_g01_c01", "Basketball/v_Basketball_g01_c01"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_actions(tmp_path_factory.mktemp("data") / "ucf", per_class=1)


def painted(folder: Path, video_id: str, number: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Write a corrected mask, 5x7 pixels in a corner."""
    mask = np.zeros(size, bool)
    mask[:5, :7] = True
    path = folder / video_id / f"{number:05d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), mask.astype(np.uint8) * 255)
    return mask


def verdicts(path: Path, *rows: tuple[str, ...], columns: str = "id,verdict,frames,reason") -> Path:
    path.write_text("".join(",".join(row) + "\n" for row in (columns.split(","), *rows)), encoding="utf-8")
    return path


def run(root: Path, out: Path, *corrections: Path, how: Run = QUIET, **more: Any):
    masks = f"stored:{root / 'masks'}"
    return segment("ucf101", root, "all", masks=masks, out=out, run=how, corrections=corrections, **more)


def build(root: Path, out: Path, *corrections: Path, **more: Any):
    options = {"masks": f"stored:{root / 'masks'}", "per_video": 1, "layout": "lossless", "run": QUIET, **more}
    return build_scuba("ucf101", root, "all", out=out, corrections=corrections, **options)


def stored(folder: Path, video_id: str) -> list[np.ndarray | None]:
    track = StoredTrack(folder / f"{video_id}.zip", HEIGHT, WIDTH)
    return [track.mask(k) if covered else None for k, covered in enumerate(track.covered)]


def contents(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def test_single_frames_are_replaced_and_the_others_stay(root: Path, tmp_path: Path) -> None:
    mask = painted(tmp_path / "mine", ARCHERY, 3)
    report = run(root, tmp_path / "out", tmp_path / "mine")
    assert (report.made, report.failures) == (2, [])
    before, after = stored(root / "masks", ARCHERY), stored(tmp_path / "out", ARCHERY)
    for k in range(FRAMES):
        assert (after[k] == (mask if k == 3 else before[k])).all()
    other = (Path(f"{BALL}.zip"), root / "masks", tmp_path / "out")
    assert (other[1] / other[0]).read_bytes() == (other[2] / other[0]).read_bytes()
    record = json.loads((tmp_path / "out" / "segment.json").read_text())["corrections"]
    assert (record["frames"], record["removed"], record["left_out"]) == (1, 0, [])
    assert record["videos"][ARCHERY]["frames"] == "3-3" and list(record["videos"]) == [ARCHERY]
    assert list(record["files"]) == ["mine"] and len(record["files"]["mine"]) == 64


def test_numbers_may_start_at_one_and_folders_be_named_by_the_last_part(root: Path, tmp_path: Path) -> None:
    mask = painted(tmp_path / "mine", ARCHERY.split("/")[1], 1)
    table = verdicts(tmp_path / "v.csv", (ARCHERY, "", "8", ""))
    run(root, tmp_path / "out", tmp_path / "mine", table, correction_numbering="1")
    after = stored(tmp_path / "out", ARCHERY)
    assert (after[0] == mask).all() and after[7] is None and after[6] is not None


def test_masks_that_are_not_used_and_videos_left_out_are_listed(root: Path, tmp_path: Path) -> None:
    table = verdicts(
        tmp_path / "v.csv", (ARCHERY, "Keep", '"1, 3 - 4"', ""), (BALL, "LEAVE OUT", "", "two players; both move")
    )
    report = run(root, tmp_path / "out", table)
    assert [mask is None for mask in stored(tmp_path / "out", ARCHERY)] == [k in (1, 3, 4) for k in range(FRAMES)]
    assert not (tmp_path / "out" / f"{BALL}.zip").exists()
    reason = "left out by hand in v.csv: two players; both move"
    assert report.left_out == [{"id": BALL, "kind": "left out", "reason": reason}]
    record = json.loads((tmp_path / "out" / "segment.json").read_text())["corrections"]
    assert record["left_out"] == [BALL] and (record["frames"], record["removed"]) == (0, 3)
    assert record["videos"][ARCHERY]["removed"] == "1-1 3-4"


def test_a_build_records_them_verifies_and_holds_the_neighbours(root: Path, tmp_path: Path) -> None:
    mask = painted(tmp_path / "mine", ARCHERY, 3)
    table = verdicts(tmp_path / "v.csv", (ARCHERY, "", "4", ""), (BALL, "leave out", "", "no ball"))
    report = build(root, tmp_path / "out", tmp_path / "mine", table)
    assert report.left_out[0]["reason"].endswith("no ball")
    built = read_benchmark(tmp_path / "out")
    assert [row.source_id for row in built.rows] == [ARCHERY]
    masks = stored(tmp_path / "out" / "masks", ARCHERY)
    assert (masks[3] == mask).all() and (masks[4] == mask).all()  # of two equally near ones, the earlier is held
    found = built.protocol.corrections
    assert found is not None and (found.frames, found.removed, found.left_out) == (1, 1, [BALL])
    assert verify(tmp_path / "out", progress=False) == []


def test_without_corrections_nothing_is_recorded(root: Path, tmp_path: Path) -> None:
    build(root, tmp_path / "out")
    assert "corrections" not in json.loads((tmp_path / "out" / "protocol.json").read_text())
    run(root, tmp_path / "masks")
    assert "corrections" not in json.loads((tmp_path / "masks" / "segment.json").read_text())


@pytest.mark.parametrize("make", [run, build])
def test_changed_corrections_make_again_what_they_change(make: Callable, root: Path, tmp_path: Path) -> None:
    """However a folder got its corrections, it is the same as one that was made with them at once."""
    out, table = tmp_path / "out", tmp_path / "v.csv"
    painted(tmp_path / "mine", ARCHERY, 3)
    make(root, out, tmp_path / "mine")
    assert make(root, out, tmp_path / "mine").made == 0
    steps = [
        ([(BALL, "leave out", "", "why")], [BALL]),
        ([(BALL, "leave out", "", "because")], []),  # was left out: its reason alone changes
        ([(BALL, "keep", "0", "")], []),
        ([(BALL, "keep", "0-1", ""), (ARCHERY, "keep", "", "")], [BALL]),
        ([], [BALL]),
    ]
    for k, (rows, changed) in enumerate(steps):
        verdicts(table, *rows)
        report = make(root, out, tmp_path / "mine", table)
        assert list(report.changed) == changed, k
        assert report.failed == []
        make(root, tmp_path / f"fresh{k}", tmp_path / "mine", table)
        mine, fresh = contents(out), contents(tmp_path / f"fresh{k}")
        for name in ("protocol.json", "segment.json", "SHA256SUMS"):
            mine.pop(name, None), fresh.pop(name, None)
        assert mine == fresh, k
    painted(tmp_path / "mine", ARCHERY, 5)
    assert list(make(root, out, tmp_path / "mine", table).changed) == [ARCHERY]


@pytest.mark.parametrize("make", [run, build])
def test_a_run_that_forgets_them_is_refused(make: Callable, root: Path, tmp_path: Path) -> None:
    painted(tmp_path / "mine", ARCHERY, 3)
    make(root, tmp_path / "out", tmp_path / "mine")
    whole = contents(tmp_path / "out")
    with pytest.raises(BenchError, match=r"made with --corrections \(1 mask replaced, 0 videos left out\); give"):
        make(root, tmp_path / "out")
    assert contents(tmp_path / "out") == whole
    assert make(root, tmp_path / "out", verdicts(tmp_path / "none.csv")).changed == [ARCHERY]
    assert make(root, tmp_path / "out").made == 0  # taken back: nothing to forget


@pytest.mark.parametrize("make", [run, build])
def test_a_part_changes_only_its_own_videos(make: Callable, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    painted(tmp_path / "one", ARCHERY, 3), painted(tmp_path / "one", BALL, 3)
    make(root, out, tmp_path / "one")
    painted(tmp_path / "two", ARCHERY, 4), painted(tmp_path / "two", BALL, 4)
    part = make(root, out, tmp_path / "two", subset=Subset(only=("Archery",)))
    assert list(part.changed) == [ARCHERY]
    assert list(make(root, out, tmp_path / "two").changed) == [BALL]


def test_a_zip_that_no_table_names_is_not_taken_for_a_corrected_one(root: Path, tmp_path: Path) -> None:
    """A killed run may leave zips without a table; those that corrections change are written again."""
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    run(root, out)
    (out / "masks.csv").unlink()
    (out / "failures.csv").unlink()
    mask = painted(tmp_path / "mine", ARCHERY, 3)
    run(root, out, tmp_path / "mine")
    run(root, fresh, tmp_path / "mine")
    assert (stored(out, ARCHERY)[3] == mask).all() and contents(out) == contents(fresh)


def test_stored_masks_hand_on_their_corrections(root: Path, tmp_path: Path) -> None:
    mask = painted(tmp_path / "mine", ARCHERY, 3)
    table = verdicts(tmp_path / "v.csv", (BALL, "leave out", "", "why"))
    run(root, tmp_path / "masks", tmp_path / "mine", table)
    spec = f"stored:{tmp_path / 'masks'}"
    report = build(root, tmp_path / "out", masks=spec)
    assert report.left_out[0]["reason"] == "left out by hand in v.csv: why"
    found = read_benchmark(tmp_path / "out").protocol.corrections
    assert found is not None and (found.frames, found.left_out) == (1, [BALL])
    assert (stored(tmp_path / "out" / "masks", ARCHERY)[3] == mask).all()
    painted(tmp_path / "mine", ARCHERY, 4)
    run(root, tmp_path / "masks", tmp_path / "mine", table)
    assert list(build(root, tmp_path / "out", masks=spec).changed) == [ARCHERY]
    painted(tmp_path / "more", ARCHERY, 5)
    assert list(build(root, tmp_path / "out", tmp_path / "more", masks=spec).changed) == [ARCHERY]
    found = read_benchmark(tmp_path / "out").protocol.corrections
    assert found is not None and found.videos[ARCHERY].frames == "3-5" and found.frames == 3


def test_what_is_made_from_a_corrected_benchmark_follows(root: Path, tmp_path: Path) -> None:
    painted(tmp_path / "mine", ARCHERY, 3)
    build(root, tmp_path / "out", tmp_path / "mine")
    build_scufo(tmp_path / "out", out=tmp_path / "scufo", run=QUIET)
    painted(tmp_path / "mine", ARCHERY, 4)
    build(root, tmp_path / "out", tmp_path / "mine")
    report = build_scufo(tmp_path / "out", out=tmp_path / "scufo", run=QUIET)
    assert [name.split("__")[0] for name in report.changed] == [ARCHERY]
    assert verify(tmp_path / "scufo", progress=False) == []


def test_merged_parts_keep_the_corrections_of_all(root: Path, tmp_path: Path) -> None:
    painted(tmp_path / "mine", ARCHERY, 3), painted(tmp_path / "mine", BALL, 4)
    for k in (1, 2):
        build(root, tmp_path / f"part{k}", tmp_path / "mine", subset=Subset(shard=f"{k}/2"))
    merged = merge([tmp_path / "part1", tmp_path / "part2"], tmp_path / "whole", progress=False)
    assert merged.benchmark is not None and merged.benchmark.protocol.corrections is not None
    assert set(merged.benchmark.protocol.corrections.videos) == {ARCHERY, BALL}
    build(root, tmp_path / "direct", tmp_path / "mine")
    assert read_benchmark(tmp_path / "direct").protocol.corrections == merged.benchmark.protocol.corrections


def test_an_export_of_a_corrected_benchmark_verifies_and_follows(root: Path, tmp_path: Path) -> None:
    painted(tmp_path / "mine", ARCHERY, 3)
    table = verdicts(tmp_path / "v.csv", (BALL, "leave out", "", "why"))
    build(root, tmp_path / "out", tmp_path / "mine", table)
    export(tmp_path / "out", tmp_path / "exported", Layout("frames"), progress=False)
    assert verify(tmp_path / "exported", progress=False) == []
    painted(tmp_path / "mine", ARCHERY, 4)
    build(root, tmp_path / "out", tmp_path / "mine", table)
    report = export(tmp_path / "out", tmp_path / "exported", Layout("frames"), progress=False)
    assert list(report.changed) == [f"{ARCHERY}__0"] and verify(tmp_path / "exported", progress=False) == []


def test_verify_finds_a_video_that_should_be_left_out(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(root, out, verdicts(tmp_path / "v.csv", (ARCHERY, "", "1", "")))
    record = json.loads((out / "protocol.json").read_text())
    for name, said in ((ARCHERY, "but in the manifest"), ("Archery/gone", "but not listed in failures.csv")):
        by_hand = {"sha256": "0" * 64, "left_out": "x"}
        changed = record | {"corrections": record["corrections"] | {"videos": {name: by_hand}}}
        (out / "protocol.json").write_text(json.dumps(changed))
        assert any(f"{name}: is left out by hand" in p and said in p for p in verify(out, progress=False))


def test_everything_that_is_wrong_is_listed_at_once(root: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    painted(mine, ARCHERY, 8), painted(mine, ARCHERY, 2, (HEIGHT, WIDTH + 2)), painted(mine, "Archery/nobody", 0)
    (mine / BALL).mkdir(parents=True)
    (mine / BALL / "mask.png").write_bytes((mine / ARCHERY / "00008.png").read_bytes())
    (mine / "00001.png").write_bytes(b"x")
    (mine / BALL / "00002.jpg").write_bytes(b"x")
    table = verdicts(
        tmp_path / "v.csv", ("nobody", "keep", "", ""), (ARCHERY, "perhaps", "", ""), (BALL, "", "7 9-12", ""),
        (BALL, "keep", "", ""),
    )  # fmt: skip
    said: list[str] = []
    with pytest.raises(BenchError, match="--corrections: 10 problems, listed above") as raised:
        run(root, tmp_path / "out", mine, table, how=Run(1, False, said.append))
    text = "\n".join([str(raised.value), *said])
    for part in (
        f"{mine / ARCHERY / '00008.png'}: {ARCHERY} has no frame 8; its frames are 0 to 7 (if your numbers start at 1",
        f"{mine / ARCHERY / '00002.png'}: mask is 50x32, the video {ARCHERY} is 48x32",
        f"{mine / 'Archery/nobody'}: 'Archery/nobody' is no video of the dataset",
        f"{mine / BALL / 'mask.png'}: its name has no frame number",
        f"{mine / '00001.png'}: is in no folder of a video",
        f"{mine / BALL / '00002.jpg'}: is no PNG",
        f"{table}, row 2: 'nobody' is no video of the dataset",
        f"{table}, row 3 ({ARCHERY}): verdict is 'perhaps'; write keep or leave out",
        f"{table}, row 4 ({BALL}): has no frame 9-12; its frames are 0 to 7",
        f"{table}, row 5 ({BALL}): is in row 4, too",
    ):
        assert part in text, (part, text)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([(ARCHERY, "", "x", "")], "frames is 'x'; write numbers such as 3 7-9"),
        ([(ARCHERY, "", "5-3", "")], "frames is '5-3'"),
        ([(ARCHERY, "", "0-999999999", "")], "has no frame 0-999999999"),
        ([(ARCHERY, "keep")], "2 cells instead of 4"),
        ([("../evil", "leave out", "", "")], "'../evil' is no video"),
    ],
)
def test_one_problem_is_one_line(root: Path, tmp_path: Path, rows: list[tuple[str, ...]], says: str) -> None:
    with pytest.raises(BenchError) as raised:
        run(root, tmp_path / "out", verdicts(tmp_path / "v.csv", *rows))
    assert says in str(raised.value) and "v.csv, row 2" in str(raised.value)


def test_what_is_no_table_or_folder_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    for path, says in (
        (tmp_path / "none.csv", "no such"),
        (tmp_path / "a.txt", "neither a folder nor a .csv"),
        (tmp_path / "empty", "contains no corrected masks"),
        (verdicts(tmp_path / "b.csv", columns="id,frames"), "has no column 'verdict'"),
        (verdicts(tmp_path / "c.csv", columns="id,id,verdict"), "has the column 'id' twice"),
    ):
        with pytest.raises(BenchError, match=says):
            run(root, tmp_path / "out", path)
    with pytest.raises(BenchError, match="--correction-numbering 2: choose from 0, 1"):
        run(root, tmp_path / "out", verdicts(tmp_path / "d.csv"), correction_numbering="2")


def test_two_files_that_contradict_each_other_are_refused(root: Path, tmp_path: Path) -> None:
    one = verdicts(tmp_path / "one.csv", (ARCHERY, "keep", "", ""))
    two = verdicts(tmp_path / "two.csv", (ARCHERY, "leave out", "", ""))
    painted(tmp_path / "a", ARCHERY, 3), painted(tmp_path / "b", ARCHERY, 3)
    with pytest.raises(BenchError, match=r"two\.csv, row 2 .*verdict is 'leave out', but 'keep' in .*one\.csv"):
        run(root, tmp_path / "out", one, two)
    with pytest.raises(BenchError, match="is a mask of the same frame"):
        run(root, tmp_path / "out", tmp_path / "a", tmp_path / "b")


def test_a_link_out_of_the_folder_is_refused(root: Path, tmp_path: Path) -> None:
    painted(tmp_path / "other", ARCHERY, 3)
    (tmp_path / "mine" / ARCHERY).mkdir(parents=True)
    (tmp_path / "mine" / ARCHERY / "00003.png").symlink_to(tmp_path / "other" / ARCHERY / "00003.png")
    with pytest.raises(BenchError, match="points outside"):
        run(root, tmp_path / "out", tmp_path / "mine")


def test_a_mask_that_cannot_be_decoded_fails_its_video_alone(root: Path, tmp_path: Path) -> None:
    painted(tmp_path / "mine", ARCHERY, 3)
    path = tmp_path / "mine" / ARCHERY / "00003.png"
    path.write_bytes(path.read_bytes()[:40])
    report = run(root, tmp_path / "out", tmp_path / "mine")
    assert report.made == 1 and [f["id"] for f in report.failed] == [ARCHERY]
    assert "00003.png: not a readable PNG" in report.failed[0]["reason"]


def test_a_video_that_the_source_leaves_out_can_be_painted(root: Path, tmp_path: Path) -> None:
    masks = shutil.copytree(root / "masks", tmp_path / "few")
    (masks / f"{BALL}.zip").unlink()
    mask = painted(tmp_path / "mine", BALL, 2)
    segment("ucf101", root, "all", masks=f"stored:{masks}", out=tmp_path / "out", run=QUIET,
            corrections=[tmp_path / "mine"])  # fmt: skip
    after = stored(tmp_path / "out", BALL)
    assert [m is None for m in after] == [True, True, False] and (after[2] == mask).all()


def test_corrected_frames_have_no_confidence(tmp_path: Path) -> None:
    track: Any = PackedTrack(3, 4, 6)
    for k in range(3):
        track.keep(k, np.ones((4, 6), bool))
    track.confidence = np.array([0.5, 0.6, 0.7], np.float32)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((4, 6), np.uint8))
    found = CorrectedTrack(track, Correction({1: path, 4: path}, frozenset({2}), None, ""), 4, 6)
    assert found.covered.tolist() == [True, True, False, False, True]
    np.testing.assert_array_equal(found.confidence, np.array([0.5, np.nan, np.nan, np.nan, np.nan], np.float32))
    assert found.mask(0).all() and not found.mask(1).any()


def test_damaged_records_of_corrections_are_refused(root: Path, tmp_path: Path) -> None:
    painted(tmp_path / "mine", ARCHERY, 3)
    run(root, tmp_path / "out", tmp_path / "mine")
    record = json.loads((tmp_path / "out" / "segment.json").read_text())
    for wrong in ([], {"frames": -1}, {"videos": {"a": {}}}, {"videos": {"a": {"sha256": "", "frames": "9-1"}}}):
        (tmp_path / "out" / "segment.json").write_text(json.dumps(record | {"corrections": wrong}))
        with pytest.raises(BenchError, match=r"segment\.json: corrections"):
            run(root, tmp_path / "out", tmp_path / "mine")


def test_the_review_lists_videos_and_can_be_given_back(root: Path, tmp_path: Path) -> None:
    table = tmp_path / "review.csv"
    out = tmp_path / "out"
    run(root, out, review=table)
    with open(table, newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == COLUMNS
    expected = audit_masks(out, root).videos
    assert [row["id"] for row in rows] == [video.id for video in expected]
    assert [float(row["doubt"]) for row in rows] == [round(video.doubt, 4) for video in expected]
    assert {row["verdict"] + row["frames"] + row["reason"] for row in rows} == {""}
    rows[0] |= {"verdict": "leave out", "reason": "=1+1"}
    with open(table, "w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    report = run(root, out, table, review=table)
    assert [f["id"] for f in report.left_out] == [rows[0]["id"]]
    with open(table, newline="") as handle:
        again = list(csv.DictReader(handle))
    assert again[0]["id"] == rows[0]["id"] and again[0]["verdict"] == "leave out" and again[0]["doubt"] == "1.0"
    assert again[0]["note"] == "left out: left out by hand in review.csv: =1+1"
    assert again[0]["reason"] == "'=1+1"  # no formula for a spreadsheet; read back as it was
    assert read_review(table)[rows[0]["id"]]["reason"] == "=1+1"
    assert run(root, out, table, review=table).made == 0


def test_the_review_counts_frames_as_the_corrections_do(tmp_path: Path) -> None:
    root = make_actions(tmp_path / "ucf", per_class=1)
    still = np.full((FRAMES, HEIGHT, WIDTH, 3), 99, np.uint8)  # noise would be a camera cut at every frame
    write_video(root / "videos" / f"{ARCHERY}.mkv", still)
    painted(tmp_path / "mine", ARCHERY, 4)  # the fourth frame: the mask jumps there
    run(root, tmp_path / "out", tmp_path / "mine", correction_numbering="1", review=tmp_path / "review.csv")
    with open(tmp_path / "review.csv", newline="") as handle:
        row = next(row for row in csv.DictReader(handle) if row["id"] == ARCHERY)
    assert (row["worst_frame"], row["worst_iou"]) == ("4", "0.0")


def test_corrections_of_other_splits_are_no_mistakes(tmp_path: Path) -> None:
    root = make_actions(tmp_path / "ucf", per_class=1)
    (root / "ucfTrainTestlist").mkdir()
    (root / "ucfTrainTestlist" / "testlist01.txt").write_text(f"{ARCHERY}.avi\n")
    (root / "ucfTrainTestlist" / "trainlist01.txt").write_text(f"{BALL}.avi 1\n")
    table = verdicts(tmp_path / "v.csv", (ARCHERY, "", "1", ""), (BALL, "leave out", "", ""))
    masks = f"stored:{root / 'masks'}"
    for split, changed in (("test", ARCHERY), ("train", BALL)):
        report = segment("ucf101", root, split, masks=masks, out=tmp_path / "out", run=QUIET, corrections=[table])
        record = json.loads((tmp_path / "out" / "segment.json").read_text())["corrections"]
        assert changed in record["videos"] and report.failed == []
    assert list(record["videos"]) == [ARCHERY, BALL] and record["left_out"] == [BALL]


def test_the_review_does_not_replace_another_file(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BenchError, match=r"--review .*mine\.csv: is another table"):
        run(root, tmp_path / "out", review=tmp_path / "mine.csv")
    with pytest.raises(BenchError, match=r"ends in \.csv"):
        run(root, tmp_path / "out", review=tmp_path / "mine.txt")
    assert (tmp_path / "mine.csv").read_text() == "a,b\n1,2\n" and not (tmp_path / "out").exists()


def test_the_commands_take_them(root: Path, tmp_path: Path) -> None:
    painted(tmp_path / "mine", ARCHERY, 4)
    table = verdicts(tmp_path / "v.csv", (BALL, "leave out", "", "why"))
    masks = ["--dataset", "ucf101", "--root", str(root), "--split", "all", "--masks", f"stored:{root / 'masks'}"]
    words = ["--corrections", str(table), "--corrections", str(tmp_path / "mine"), "--correction-numbering", "1"]
    runner = CliRunner()
    done = runner.invoke(cli.app, ["segment", *masks, *words, "--out", "m", "--workers", "1"], catch_exceptions=False)
    assert done.exit_code == 0 and "1 mask replaced, 0 not used, 1 video left out" in " ".join(done.output.split())
    scuba = ["build", "scuba", *masks, *words, "--out", "b", "--workers", "1", "--per-video", "1"]
    done = runner.invoke(cli.app, scuba, catch_exceptions=False)
    assert done.exit_code == 0 and "left out by hand in v.csv: why" in " ".join(done.output.split())
    found = read_benchmark(tmp_path / "b").protocol.corrections
    assert found is not None and found.videos[ARCHERY].frames == "3-3" and found.left_out == [BALL]
