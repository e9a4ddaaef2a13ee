"""SCUBA, SCUFO and ConflFG: the invariants of their pixels, and a build that is the same however it is run."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_builds import QUIET, frames_of, scuba
from tiny_videos import moving_square, write_video

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import Run, Subset, build_conflfg, build_scuba, build_scufo
from benchmark_builder.kinds import scuba as kinds_scuba
from benchmark_builder.layouts.layout import LAYOUTS, Layout
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.compositing import fit, paste
from benchmark_builder.video.selection import indices, ranges


@settings(deadline=None, max_examples=50)
@given(
    st.integers(1, 12).flatmap(
        lambda h: st.integers(1, 12).flatmap(
            lambda w: st.tuples(
                hnp.arrays(np.uint8, (h, w, 3)), hnp.arrays(np.bool_, (h, w)), hnp.arrays(np.uint8, (h, w, 3))
            )
        )
    )
)
def test_paste_takes_each_pixel_from_one_side(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    foreground, mask, background = drawn
    image = paste(foreground, mask, background)
    assert (image[mask] == foreground[mask]).all()
    assert (image[~mask] == background[~mask]).all()


@given(st.sets(st.integers(0, 60)))
def test_ranges_and_back(drawn: set[int]) -> None:
    assert indices(ranges(sorted(drawn))) == sorted(drawn)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_fit_has_the_size_asked_for(h: int, w: int, height: int, width: int) -> None:
    assert fit(np.zeros((h, w, 3), np.uint8), height, width).shape == (height, width, 3)


def test_scuba_is_source_inside_and_one_background_outside(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    out = scuba(root, tmp_path / "scuba", layout="lossless")
    benchmark = read_benchmark(out)
    assert len(benchmark.rows) == 8
    for row in benchmark.rows:
        k = int(row.source_id[-6:-4]) - 1
        video, masks = moving_square(seed=10 * (row.class_name == "Basketball") + k)
        built = frames_of(out, row.id)
        assert (built[masks] == video[masks]).all()
        never = ~masks.any(0)
        assert (built[:, never] == built[:1, never]).all(), "the background stands still"
        outside = built.copy()
        for t in range(len(built)):  # every frame shows the same background wherever the actor is not
            other = np.argmax(~masks, axis=0)
            still = np.take_along_axis(built, other[None, :, :, None], 0)[0]
            assert (outside[t][~masks[t]] == still[~masks[t]]).all()


def test_blocks_of_frames_do_not_show(
    folder_of_actions: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames are decoded some at a time: any number gives the same files, also over backgrounds that move."""
    root = folder_of_actions(per_class=1)
    size, tables = moving_square()[0][0].nbytes, set()
    for count in (1, 3, 100):
        monkeypatch.setattr(kinds_scuba, "BLOCK", count * size)
        out = tmp_path / str(count)
        scuba(root, out, layout="frames", backgrounds=f"video:{root / 'videos'}")
        tables.add((out / "manifest.csv").read_bytes())
    assert len(tables) == 1 and verify(out, progress=False) == []


def test_scufo_repeats_its_scuba_frame_bit_for_bit(folder_of_actions: Callable, tmp_path: Path) -> None:
    for layout in ("video", "lossless", "virtual", "zip", "frames"):
        out = scuba(folder_of_actions(), tmp_path / f"scuba-{layout}", layout=layout)
        build_scufo(out, seed=3, out=tmp_path / f"scufo-{layout}", run=QUIET)
        made = read_benchmark(tmp_path / f"scufo-{layout}")
        for row in made.rows:
            still = frames_of(made.folder, row.id)
            assert len(still) == row.frames == 8 and row.partner_id == row.id and row.still_frame is not None
            assert (still == still[:1]).all(), f"{layout}: something moves"
            if layout in ("video", "lossless", "virtual"):  # JPEG is coded twice
                assert (still[0] == frames_of(out, row.id)[row.still_frame]).all()


@pytest.mark.parametrize("order", ["behind", "front"])
def test_conflfg_changes_only_the_donors_pixels(folder_of_actions: Callable, tmp_path: Path, order: str) -> None:
    from benchmark_builder.kinds.conflfg import ConflfgMaker, ConflfgSettings

    out = scuba(folder_of_actions(), tmp_path / "scuba", layout="lossless")
    choices = ConflfgSettings(order=order)
    build_conflfg(out, out=tmp_path / "conflfg", run=QUIET, order=order)
    source, made = read_benchmark(out), read_benchmark(tmp_path / "conflfg")
    maker = ConflfgMaker(made.folder, source, 0, choices, Layout("lossless"))
    assert len(made.rows) == len(source.rows)
    for row in made.rows:
        base = source.by_id[row.id]
        assert row.donor_label is not None and row.donor_label != row.label == base.label
        before, after = frames_of(out, row.id), frames_of(made.folder, row.id)
        track = StoredTrack(out / base.mask_file, row.height, row.width)
        donor, covered = maker.choose(base, track, indices(base.source_frames))
        assert donor.row.id == row.donor_id and round(covered, 6) == row.covered
        movers = np.stack([track.mask(k) for k in indices(base.source_frames)])
        allowed = donor.mask & ~movers if order == "behind" else np.broadcast_to(donor.mask, movers.shape)
        assert (before[~allowed] == after[~allowed]).all()
        assert (after[allowed] == np.broadcast_to(donor.image, after.shape)[allowed]).all()
        assert allowed.any(axis=(1, 2)).all(), "the donor is seen"


def pixel_digests(folder: Path) -> dict[str, str]:
    return {row.id: row.pixels_xxh128 for row in read_benchmark(folder).rows}


def test_workers_folder_and_subset_change_no_byte(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    one = scuba(root, tmp_path / "one")
    two = tmp_path / "deep" / "two"
    masks = f"stored:{root / 'masks'}"
    build_scuba("ucf101", root, "all", masks=masks, per_video=2, out=two, run=Run(2, False))
    assert (one / "manifest.csv").read_bytes() == (two / "manifest.csv").read_bytes()
    part = scuba(root, tmp_path / "part", subset=Subset(limit=1))
    assert pixel_digests(part).items() < pixel_digests(one).items()
    other = scuba(root, tmp_path / "other", seed=1)
    backgrounds = [{r.id: r.background for r in read_benchmark(f).rows} for f in (one, other)]
    assert all(backgrounds[0][k] != backgrounds[1][k] for k in backgrounds[0])


def test_draws_belong_to_seed_id_and_variant() -> None:
    first = generator(0, "a", "b").integers(1 << 62)
    assert first == generator(0, "a", "b").integers(1 << 62)
    others = {int(generator(*key).integers(1 << 62)) for key in ((1, "a", "b"), (0, "b", "b"), (0, "a", "c"))}
    assert len(others | {int(first)}) == 4


def test_second_run_does_only_what_is_missing(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    out = scuba(root, tmp_path / "scuba")
    before = (out / "manifest.csv").read_bytes()
    lost = read_benchmark(out).rows[0]
    kept = read_benchmark(out).rows[-1]
    (out / lost.file).unlink()
    stamp = (out / kept.file).stat().st_mtime_ns
    report = build_scuba("ucf101", root, "all", masks=f"stored:{root / 'masks'}", per_video=2, out=out, run=QUIET)
    assert (report.made, report.kept) == (2, 6)  # the lost one and its sibling of the same source
    assert (out / "manifest.csv").read_bytes() == before
    assert (out / kept.file).stat().st_mtime_ns == stamp


def test_other_settings_in_one_folder_are_refused(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    out = scuba(root, tmp_path / "scuba")
    with pytest.raises(BenchError, match=r"other settings \(seed: 0, now 1\)"):
        scuba(root, out, seed=1)
    assert verify(out, progress=False) == []


def test_second_build_into_a_running_one_is_refused(folder_of_actions: Callable, tmp_path: Path) -> None:
    from filelock import FileLock

    root, out = folder_of_actions(), tmp_path / "scuba"
    (out / ".build").mkdir(parents=True)
    with FileLock(out / ".build" / "lock"), pytest.raises(BenchError, match="another build is running"):
        scuba(root, out)


def test_a_folder_with_something_else_is_left_alone(folder_of_actions: Callable, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(BenchError, match="not empty and no benchmark"):
        scuba(folder_of_actions(), out)
    assert (out / "thesis.tex").read_text() == "years of work"


def test_broken_and_unannotated_videos_are_listed_and_the_rest_is_built(
    folder_of_actions: Callable, tmp_path: Path
) -> None:
    root = folder_of_actions()
    (root / "videos/Archery/v_Archery_g01_c01.mkv").write_text("not a video")
    (root / "masks/Basketball/v_Basketball_g02_c01.zip").unlink()
    out = tmp_path / "scuba"
    report = build_scuba("ucf101", root, "all", masks=f"stored:{root / 'masks'}", per_video=2, out=out, run=QUIET)
    assert len(read_benchmark(out).rows) == 4
    with open(out / "failures.csv", newline="") as handle:
        listed = {r["id"]: r["kind"] for r in csv.DictReader(handle)}
    assert listed == {"Archery/v_Archery_g01_c01": "failed", "Basketball/v_Basketball_g02_c01": "left out"}
    assert "v_Archery_g01_c01.mkv" in report.failed[0]["reason"]
    assert verify(out, progress=False) == []


def test_verify_finds_damage_of_every_kind(folder_of_actions: Callable, tmp_path: Path) -> None:
    out = scuba(folder_of_actions(), tmp_path / "scuba")
    row = read_benchmark(out).rows[0]

    def damaged(path: Path, change: Callable[[bytes], bytes]) -> list[str]:
        whole = path.read_bytes()
        path.write_bytes(change(whole))
        try:
            return verify(out, progress=False)
        finally:
            path.write_bytes(whole)

    def flip(data: bytes) -> bytes:
        return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]

    for name in (row.file, row.mask_file, "manifest.csv", "protocol.json", "failures.csv"):
        assert damaged(out / name, flip), name
    assert damaged(out / "manifest.csv", lambda d: d.replace(b",2,Archery", b",5,Archery", 1))
    assert verify(out, progress=False) == []
    (out / row.file).unlink()
    assert any("is missing" in p for p in verify(out, progress=False))


def test_a_row_that_lies_is_found_even_when_the_sums_agree(folder_of_actions: Callable, tmp_path: Path) -> None:
    import hashlib

    out = scuba(folder_of_actions(), tmp_path / "scuba")
    text = (out / "manifest.csv").read_text()
    for old, new, says in (
        (",2,Archery,", ",5,Archery,", "is not class"),
        (",0-7,8,", ",0-6,7,", "has 8 frames, but its row says 7"),
        (",48,32,", ",32,48,", "is 48x32"),
        (",8,10.0,48", ",8,25.0,48", "has 10.000 frames per second"),
        (",0.09375,", ",0.09475,", "masks fill 0.09375"),
    ):
        (out / "manifest.csv").write_text(text.replace(old, new, 1))
        sums = [
            f"{hashlib.sha256((out / n).read_bytes()).hexdigest()}  {n}\n"
            for n in ("failures.csv", "manifest.csv", "protocol.json")
        ]
        (out / "SHA256SUMS").write_text("".join(sums))
        assert any(says in p for p in verify(out, progress=False)), says


def test_manifest_that_points_outside_is_refused(folder_of_actions: Callable, tmp_path: Path) -> None:
    out = scuba(folder_of_actions(), tmp_path / "scuba")
    row = read_benchmark(out).rows[0]
    text = (out / "manifest.csv").read_text()
    (out / "manifest.csv").write_text(text.replace(row.file, "../../secret.mp4", 1))
    with pytest.raises(BenchError, match="outside"):
        read_benchmark(out)
    (out / "manifest.csv").write_text(text.replace(row.id, "../../evil", 1))
    with pytest.raises(BenchError, match=r"manifest\.csv, line \d+: id '\.\./\.\./evil' leaves its folder"):
        read_benchmark(out)


def test_a_killed_build_of_several_workers_goes_on_to_the_same_end(folder_of_actions: Callable, tmp_path: Path) -> None:
    """That workers end with their run, and do not write into its successor; ``test_kills.py`` kills at every step."""
    root = folder_of_actions(per_class=4)
    whole = scuba(root, tmp_path / "whole", layout="frames")
    out = tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "albar_bench",
        "build",
        "scuba",
        "--dataset",
        "ucf101",
        "--root",
        root,
        "--split",
        "all",
    ]
    command += ["--masks", f"stored:{root / 'masks'}", "--per-video", "2", "--out", out, "--workers", "2"]
    process = subprocess.Popen([*map(str, command), "--layout", "frames"], stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(out.rglob("*.jpg")):
        time.sleep(0.005)
    process.kill()
    process.wait()
    scuba(root, out, layout="frames")
    assert (out / "manifest.csv").read_bytes() == (whole / "manifest.csv").read_bytes()
    assert verify(out, progress=False) == []
    assert not list(out.rglob(".tmp-*"))


@pytest.mark.parametrize("layout", [*LAYOUTS])
def test_what_a_kill_leaves_half_written_is_swept_away(
    folder_of_actions: Callable, tmp_path: Path, layout: str
) -> None:
    """Files, and in the layout of frames folders, under the temporary names that a writer gives them."""
    root, out = folder_of_actions(per_class=1), tmp_path / "out"
    whole = read_benchmark(scuba(root, tmp_path / "whole", layout=layout)).rows
    for path in (out / "videos/Archery/.tmp-1/frame000001.jpg", out / "masks/Archery/.tmp-2.zip"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"the beginning of a")
    (out / ".build").mkdir()
    (out / ".build" / "protocol.json").write_bytes((tmp_path / "whole" / "protocol.json").read_bytes())
    assert read_benchmark(scuba(root, out, layout=layout)).rows == whole
    assert not list(out.rglob(".tmp-*")) and verify(out, progress=False) == []


def test_one_class_has_no_donor(tmp_path: Path) -> None:
    from benchmark_builder.masks.stored import write_masks

    video, masks = moving_square()
    root = tmp_path / "ucf"
    write_video(root / "videos/Archery/v_Archery_g01_c01.mkv", video)
    write_masks(root / "masks/Archery/v_Archery_g01_c01.zip", masks)
    out = scuba(root, tmp_path / "scuba")
    with pytest.raises(BenchError, match=r"only one class \(Archery\)"):
        build_conflfg(out, out=tmp_path / "conflfg", run=QUIET)
    assert not (tmp_path / "conflfg").exists()


def test_protocol_holds_what_decides_the_result(folder_of_actions: Callable, tmp_path: Path) -> None:
    out = scuba(folder_of_actions(), tmp_path / "scuba")
    protocol = json.loads((out / "protocol.json").read_text())
    assert protocol["seed"] == 0 and protocol["per_video"] == 2 and protocol["masks"]["kind"] == "stored"
    assert protocol["backgrounds"]["name"] == "stripes" and len(protocol["classes"]) == 101
    assert set(protocol["versions"]) >= {"av", "numpy", "imageio-ffmpeg"}


def test_building_and_reading_back_loads_no_torch(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    code = f"""
import sys
from pathlib import Path
from benchmark_builder.builders import Run, build_conflfg, build_scuba, build_scufo
from benchmark_builder.benchmark.export import export
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.benchmark.preview import contact_sheet
from benchmark_builder.audit.verify import verify
root, out, run = Path({str(root)!r}), Path({str(tmp_path)!r}), Run(1, False)
build_scuba("ucf101", root, "all", masks=f"stored:{{root / 'masks'}}", per_video=1, out=out / "scuba", run=run)
build_scufo(out / "scuba", out=out / "scufo", run=run)
build_conflfg(out / "scuba", out=out / "conflfg", run=run)
export(out / "scuba", out / "zip", Layout("zip"), progress=False)
contact_sheet(out / "scuba", out / "sheet.png", videos=1)
assert verify(out / "conflfg", progress=False) == []
print([m for m in ("torch", "torchvision", "transformers", "pandas") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr
