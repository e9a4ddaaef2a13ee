"""`bench segment`: masks written once are the source's own, a run goes on where it stopped, a build reuses them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import bench
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tiny_videos import moving_square

from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import Run, Subset, build_scuba
from benchmark_builder.masks import mask_source
from benchmark_builder.masks.stored import MaskWriter, StoredTrack, write_masks
from benchmark_builder.segment import Report, segment
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file
from benchmark_builder.video.record import Video

QUIET = Run(workers=1, progress=False, say=lambda line: None)


def pngs_of(root: Path) -> Path:
    """The masks of ``folder_of_actions`` once more, as HAT lays them; the last frame of each has none."""
    for c, name in enumerate(("Archery", "Basketball")):
        for k in range(len(list((root / "videos" / name).iterdir()))):
            folder = root / "seg" / name / f"v_{name}_g{k + 1:02d}_c01"
            folder.mkdir(parents=True)
            for t, mask in enumerate(moving_square(seed=10 * c + k)[1][:-1]):
                cv2.imwrite(str(folder / f"{t + 1:06d}.png"), mask.astype(np.uint8) * 255)
    return root / "seg"


def run(root: Path, out: Path, *, how: Run = QUIET, subset: Subset | None = None, masks: str | None = None) -> Report:
    return segment("ucf101", root, "all", masks=masks or f"folder:{root / 'seg'}", out=out, subset=subset, run=how)


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


def contents(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def test_written_masks_are_the_sources_own(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    source = mask_source(f"folder:{pngs_of(root)}", root)
    report = run(root, tmp_path / "out")
    assert (report.made, report.kept, report.failures) == (4, 0, [])
    rows = table(tmp_path / "out" / "masks.csv")
    assert len(rows) == 4
    stored = mask_source(f"stored:{tmp_path / 'out'}", root)
    for row in rows:
        video = Video(row["id"], root, 0, row["id"].split("/")[0], "all", "ucf101")
        before, after = source.track(video, 32, 48), stored.track(video, 32, 48)
        assert before.covered.tolist() == after.covered.tolist() == [True] * 7
        masks = [after.mask(k) for k in range(7)]
        assert all((before.mask(k) == masks[k]).all() for k in range(7))
        assert (int(row["frames"]), int(row["covered"])) == (7, 7)
        # 12x12 pixels of 32x48, exact in floating point to the six digits that are kept
        assert float(row["coverage"]) == round(144 / (32 * 48), 6) == round(float(np.mean(masks)), 6)
        assert row["sha256"] == sha256_file(tmp_path / "out" / row["file"])


@pytest.mark.usefixtures("quick_workers")
def test_workers_change_no_byte(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    pngs_of(root)
    run(root, tmp_path / "one")
    run(root, tmp_path / "two", how=Run(2, False, lambda line: None))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert set(contents(tmp_path / "one")) >= {"masks.csv", "failures.csv", "segment.json"}


def test_a_build_reuses_them_and_says_what_they_are(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    spec = f"folder:{pngs_of(root)}"
    run(root, tmp_path / "masks")
    made = {}
    for name, masks in (("direct", spec), ("reused", f"stored:{tmp_path / 'masks'}")):
        build_scuba("ucf101", root, "all", out=tmp_path / name, run=QUIET, masks=masks, per_video=1)
        made[name] = read_benchmark(tmp_path / name)
    pixels = [{r.id: r.pixels_xxh128 for r in b.rows} for b in made.values()]
    assert len(pixels[0]) == 4 and pixels[0] == pixels[1]
    direct = made["direct"].protocol.masks.plain()
    assert made["reused"].protocol.masks.plain() == {"kind": "stored", "origin": direct}


def test_masks_of_unknown_origin_claim_none(folder_of_actions: Callable) -> None:
    root = folder_of_actions()
    assert mask_source(f"stored:{root / 'masks'}", root).describe() == {"kind": "stored"}
    assert mask_source("truth", root).describe() == {"kind": "truth"}
    for text in ("[]", "{}", '{"masks": 3}', '{"masks": {}}', "{"):
        (root / "masks" / "segment.json").write_text(text)
        with pytest.raises(BenchError, match=r"segment\.json: not a"):
            mask_source("stored", root)


def test_a_second_run_does_only_what_is_missing(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    pngs_of(root)
    run(root, out)
    whole = contents(out)
    lost, kept = [out / r["file"] for r in table(out / "masks.csv")][:2]
    lost.unlink()
    stamp = kept.stat().st_mtime_ns
    report = run(root, out)
    assert (report.made, report.kept) == (1, 3)
    assert kept.stat().st_mtime_ns == stamp and contents(out) == whole


def test_what_a_killed_run_left_is_kept_and_damage_is_not(folder_of_actions: Callable, tmp_path: Path) -> None:
    """A killed run leaves whole zips and no table: the table is the same as if it had not been killed."""
    root, out = folder_of_actions(), tmp_path / "out"
    pngs_of(root)
    run(root, out)
    whole = contents(out)
    zips = [out / r["file"] for r in table(out / "masks.csv")]
    (out / "masks.csv").unlink()
    (out / "failures.csv").unlink()
    zips[0].write_bytes(zips[0].read_bytes()[:-30])
    zips[1].unlink()
    (out / "Archery" / ".tmp-123.zip").write_bytes(b"half")
    stamps = [z.stat().st_mtime_ns for z in zips[2:]]
    report = run(root, out)
    assert (report.made, report.kept) == (2, 2)
    assert contents(out) == whole
    assert [z.stat().st_mtime_ns for z in zips[2:]] == stamps


def test_another_source_dataset_or_owner_of_the_folder_is_refused(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    pngs_of(root)
    run(root, out)
    whole = contents(out)
    with pytest.raises(BenchError, match=r'holds masks of another run \(masks: .*"folder".*now .*"stored"'):
        run(root, out, masks=f"stored:{root / 'masks'}")
    with pytest.raises(BenchError, match="masks of another run"):
        segment("ucf101", root, "all", masks=f"folder:{root / 'seg'}", options={"numbering": "1"}, out=out, run=QUIET)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(BenchError, match=r"not empty and holds no masks .*thesis\.tex"):
        run(root, mine)
    assert contents(mine) == {"thesis.tex": b"years of work"}
    assert contents(out) == whole
    (out / ".segment").mkdir()
    with FileLock(out / ".segment" / "lock"), pytest.raises(BenchError, match="another `bench segment` is running"):
        run(root, out)


def test_a_folder_grows_with_other_subsets_and_failures_are_tried_again(
    folder_of_actions: Callable, tmp_path: Path
) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    seg = pngs_of(root)
    broken, hidden = root / "videos/Archery/v_Archery_g01_c01.mkv", seg / "Basketball/v_Basketball_g02_c01"
    good = broken.read_bytes()
    broken.write_text("not a video")
    hidden.rename(seg / "elsewhere")
    report = run(root, out, subset=Subset(only=("Archery",)))
    assert (report.made, [f["id"] for f in report.failed]) == (1, ["Archery/v_Archery_g01_c01"])
    report = run(root, out, subset=Subset(only=("Basketball",)))
    assert (report.made, [f["id"] for f in report.left_out]) == (1, ["Basketball/v_Basketball_g02_c01"])
    assert [f["id"] for f in table(out / "failures.csv")] == [
        "Archery/v_Archery_g01_c01",
        "Basketball/v_Basketball_g02_c01",
    ]
    assert "v_Archery_g01_c01.mkv" in table(out / "failures.csv")[0]["reason"]
    broken.write_bytes(good)
    (seg / "elsewhere").rename(hidden)
    report = run(root, out)
    assert (report.made, report.kept, report.failures) == (2, 2, [])
    assert table(out / "failures.csv") == [] and len(table(out / "masks.csv")) == 4


def test_a_mask_of_the_wrong_size_fails_its_video_alone(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    seg = pngs_of(root)
    wrong = seg / "Archery/v_Archery_g02_c01/000003.png"
    cv2.imwrite(str(wrong), np.zeros((10, 10), np.uint8))
    for path in (seg / "Archery/v_Archery_g01_c01").iterdir():
        cv2.imwrite(str(path), np.zeros((32, 48), np.uint8))
    report = run(root, out)
    assert report.made == 2
    assert [f["id"] for f in report.left_out] == ["Archery/v_Archery_g01_c01"]
    assert "empty on every frame" in report.left_out[0]["reason"]
    assert str(wrong) in report.failed[0]["reason"] and len(report.failed) == 1
    assert sorted(p.name for p in out.rglob("*.zip")) == ["v_Basketball_g01_c01.zip", "v_Basketball_g02_c01.zip"]


@pytest.mark.parametrize("text", ["", "id,file\n", "id,file,frames,covered,coverage,sha256\na,b\n", "\x00"])
def test_a_table_that_is_none_is_named(text: str, folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    pngs_of(root)
    run(root, out)
    (out / "masks.csv").write_text(text)
    with pytest.raises(BenchError, match=r"masks\.csv(, line 2)?: .*run `bench segment` again"):
        run(root, out)
    (out / "masks.csv").write_text("id,file,frames,covered,coverage,sha256\na,../../x,1,1,1,1\n")
    with pytest.raises(BenchError, match="points outside"):
        run(root, out)


def test_default_folder_and_masks_are_the_datasets(folder_of_actions: Callable, tmp_path: Path) -> None:
    from benchmark_builder.synthactions import SynthSettings, render_dataset

    render_dataset(tmp_path / "data" / "synthactions", SynthSettings(frames=4, train=8, test=8), 1)
    report = segment("synthactions", subset=Subset(limit=2), run=QUIET)
    assert report.folder.resolve() == (tmp_path / "data" / "masks" / "synthactions-truth").resolve()
    assert report.made == 2
    record = json.loads((report.folder / "segment.json").read_text())
    assert record["masks"] == {"kind": "truth"} and record["dataset"] == "synthactions" and record["versions"]


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9))), st.integers(0, 4))
def test_a_stored_track_has_the_length_it_was_given(
    tmp_path_factory: pytest.TempPathFactory, masks: np.ndarray, more: int
) -> None:
    path = tmp_path_factory.mktemp("z") / "a.zip"
    with MaskWriter(path, len(masks) + more) as writer:
        writer.write(len(masks) - 1, masks[-1])
    track = StoredTrack(path, *masks.shape[1:])
    assert track.covered.tolist() == [False] * (len(masks) - 1) + [True] + [False] * more
    write_masks(path, masks)
    assert StoredTrack(path, *masks.shape[1:]).covered.tolist() == [True] * len(masks)


def test_exit_status_of_the_command(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(), tmp_path / "out"
    seg = pngs_of(root)
    for path in (seg / "Basketball/v_Basketball_g02_c01").iterdir():
        path.unlink()
    words = ["segment", "--dataset", "ucf101", "--root", root, "--split", "all", "--masks", f"folder:{seg}"]
    words += ["--workers", 1]
    done = bench(*words, "--out", out)
    assert done.returncode == 0, "what is left out is no failure"
    assert "left out: Basketball/v_Basketball_g02_c01: no PNG mask" in done.stdout
    assert "masks of 3 videos (3 new, 0 kept), 1 left out, 0 failed" in done.stdout
    (root / "videos/Archery/v_Archery_g01_c01.mkv").write_text("not a video")
    (out / "Archery/v_Archery_g01_c01.zip").unlink()
    failed = bench(*words, "--out", out)
    assert failed.returncode == 1 and "1 failed, the rest is written" in failed.stderr
    assert bench(*words, "--out", out, "--keep-going").returncode == 0
    refused = bench(*words, "--out", tmp_path / "b", "--actors", "first")
    assert refused.returncode == 1 and "--masks folder has no such setting" in refused.stderr
    nothing = bench(*words, "--out", tmp_path / "c", "--only", "Basketball/v_Basketball_g02")
    assert nothing.returncode == 1 and "no masks were written: 1 left out" in nothing.stderr


def test_masks_of_the_whole_picture_are_noted_and_stay_noted(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(1), tmp_path / "out"
    for name, side in (("Archery", 32), ("Basketball", 16)):
        folder = tmp_path / f"png/{name}/v_{name}_g01_c01"
        folder.mkdir(parents=True)
        for k in range(8):
            mask = np.zeros((32, 48), np.uint8)
            mask[:side] = 255
            cv2.imwrite(str(folder / f"{k:05d}.png"), mask)
    for _ in range(2):  # the second run keeps the masks, and the note
        report = segment("ucf101", root, "all", masks=f"folder:{tmp_path / 'png'}", out=out, run=QUIET)
        [note] = report.failures
        assert (note["id"], note["kind"]) == ("Archery/v_Archery_g01_c01", "full mask") and not report.failed
        assert "covers the whole picture on 8 of 8 frames" in (out / "failures.csv").read_text()
    (out / "masks.csv").unlink()
    assert [f["kind"] for f in segment("ucf101", root, "all", masks=f"folder:{tmp_path / 'png'}", out=out,
                                       run=QUIET).failures] == ["full mask"]  # fmt: skip
