"""HAT's three sets: human-only, background-only and swap, through whole builds, verification, export and figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_builds import QUIET, frames_of, scuba
from tiny_videos import make_actions, moving_square, write_video

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export
from benchmark_builder.benchmark.manifest import Benchmark, read_benchmark
from benchmark_builder.benchmark.preview import contact_sheet
from benchmark_builder.builders import Subset, build_kind, build_scuba
from benchmark_builder.kinds.class_distances import class_distances, far_and_close
from benchmark_builder.kinds.swap import background_frames
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.synthactions import SynthSettings, render_dataset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.decode import read_frames
from evaluator.metrics.figures import compute
from evaluator.predictions.files import read_predictions, write_predictions
from evaluator.testsets import benchmark_set

KINDS = ("human-only", "background-only", "swap")
WIDE = "Basketball/v_Basketball_g01_c01"  # of another size and length than the others


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos of two classes, 48x32, 8 frames; one of them 96x48 with 12 frames."""
    folder = make_actions(tmp_path_factory.mktemp("hat") / "ucf")
    video, masks = moving_square(12, 48, 96, seed=7)
    write_video(folder / f"videos/{WIDE}.mkv", video)
    write_masks(folder / f"masks/{WIDE}.zip", masks)
    return folder


@pytest.fixture(scope="module")
def base(root: Path) -> Path:
    return scuba(root, root.parent / "b/scuba", layout="lossless", backgrounds="plain")


@pytest.fixture(scope="module")
def made(base: Path) -> dict[str, Benchmark]:
    for kind in KINDS:
        build_kind(kind, base, out=base.parent / kind, run=QUIET)
    return {kind: read_benchmark(base.parent / kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["video", "frames", "zip", "virtual"])
def test_every_layout_verifies_and_has_the_same_pixels(
    base: Path, made: dict[str, Benchmark], tmp_path: Path, kind: str, layout: str
) -> None:
    report = build_kind(kind, base, out=tmp_path / "b", run=QUIET, layout=layout)
    assert report.benchmark is not None and not report.failures
    composed = {row.id: row.pixels_xxh128 for row in report.benchmark.rows}
    assert composed == {row.id: row.pixels_xxh128 for row in made[kind].rows}
    assert verify(tmp_path / "b", progress=False) == []
    again = build_kind(kind, base, out=tmp_path / "b", run=QUIET, layout=layout)
    assert (again.made, again.kept, again.changed) == (0, len(composed), [])


def test_they_are_previewed_and_exported(made: dict[str, Benchmark], tmp_path: Path) -> None:
    assert contact_sheet(made["swap"].folder, tmp_path / "sheet.png").stat().st_size > 1000
    for kind in KINDS:
        export(made[kind].folder, tmp_path / kind, Layout("zip"), progress=False)
        assert verify(tmp_path / kind, progress=False) == []
        assert read_benchmark(tmp_path / kind).about.title == made[kind].about.title


def test_parts_are_those_of_the_whole(base: Path, made: dict[str, Benchmark], tmp_path: Path) -> None:
    for kind in KINDS:
        report = build_kind(kind, base, out=tmp_path / kind, run=QUIET, subset=Subset(only=(WIDE,)))
        assert report.benchmark is not None
        (row,) = report.benchmark.rows
        assert row == made[kind].by_id[row.id]


def test_changed_sources_are_made_again(tmp_path: Path) -> None:
    folder = make_actions(tmp_path / "ucf")
    start = scuba(folder, tmp_path / "b/scuba", layout="lossless", backgrounds="plain")
    for kind in KINDS:
        build_kind(kind, start, out=tmp_path / "b" / kind, run=QUIET)
    changed = "Archery/v_Archery_g01_c01"
    write_video(folder / f"videos/{changed}.mkv", moving_square(seed=99)[0])
    scuba(folder, start, layout="lossless", backgrounds="plain")
    for kind in KINDS:
        report = build_kind(kind, start, out=tmp_path / "b" / kind, run=QUIET)
        # The backgrounds of swap are drawn from all videos, so all of them are made again.
        assert len(report.changed) == (4 if kind == "swap" else 1)
        assert verify(tmp_path / "b" / kind, progress=False) == []
    scuba(folder, tmp_path / "other/scuba", layout="lossless", backgrounds="noise")
    for kind in KINDS:  # the backgrounds of SCUBA decide nothing here
        build_kind(kind, tmp_path / "other/scuba", out=tmp_path / "other" / kind, run=QUIET)
        pixels = [
            {r.id: r.pixels_xxh128 for r in read_benchmark(p / kind).rows}
            for p in (tmp_path / "b", start.parents[1] / "other")
        ]
        assert pixels[0] == pixels[1]


def test_verify_finds_wrong_donors_and_settings(made: dict[str, Benchmark], base: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(made["swap"].folder, tmp_path / "swap")
    manifest = tmp_path / "swap/manifest.csv"
    row = made["swap"].by_id[f"{WIDE}__0"]
    manifest.write_text(manifest.read_text().replace(f",{row.donor_shift},", ",1 1,"))
    problems = verify(tmp_path / "swap", progress=False, scuba=base)
    assert any("donor_shift is '1 1'" in problem for problem in problems)


def test_size_frames_and_shift_of_a_swap_are_hats(made: dict[str, Benchmark], base: Path) -> None:
    # HAT: round(i / n · m) with halves to the even number, cut to the last frame.
    assert background_frames(8, 12) == [0, 2, 3, 4, 6, 8, 9, 10] and background_frames(4, 2) == [0, 0, 1, 2 - 1]
    assert background_frames(3, 300)[-1] == 200 and background_frames(2, 1) == [0, 0]
    swap, origin = made["swap"], read_benchmark(base)
    row = swap.by_id[f"{WIDE}__0"]
    # 96x48 over a video of 48x32: scaled by 48 / 32, so 72x48. Both squares are 12 pixels wide, at (4, 8) in the first
    # frame: centres (9.5, 13.5); the background's is scaled to 1.5 · (9.5 + 0.5) - 0.5 = 14.5 and 20.5.
    assert (row.width, row.height, row.frames, row.fps) == (72, 48, 12, 10.0)
    assert row.donor_shift == "5 7" and origin.by_id[row.donor_id].label != row.label
    assert frames_of(swap.folder, row.id).shape == (12, 48, 72, 3)
    other = next(r for r in swap.rows if r.donor_id == row.id)
    # 48x32 over 96x48: scaled by 32 / 48 to 64x32; centres 2/3 · 10 - 0.5 = 6.17 and 2/3 · 14 - 0.5 = 8.83.
    assert (other.width, other.height) == (64, 32) and other.donor_shift == "-3 -4"


def test_a_swapped_background_moves_as_filmed_and_shows_more_of_itself(tmp_path: Path) -> None:
    """synthactions with a camera that moves: outside of both actors, a swap shows the frames of the other video."""
    settings = SynthSettings(size=64, frames=8, train=0, test=8)
    never: dict[float, float] = {}
    for pan in (0.0, 0.75):  # 0.75 of 64 pixels per second: 4 pixels per frame
        root = tmp_path / f"pan{pan}"
        render_dataset(root / "data", settings.replaced(pan=pan), progress=False)
        build_scuba("synthactions", root / "data", "test_unbiased", per_video=1, out=root / "scuba", run=QUIET)
        swap = build_kind("swap", root / "scuba", out=root / "swap", run=QUIET, layout="lossless").benchmark
        assert swap is not None
        never[pan] = float(np.mean([row.covered for row in swap.rows if row.covered is not None]))
        if not pan:
            continue
        base = read_benchmark(root / "scuba")
        for row in swap.rows[:3]:
            donor = base.by_id[row.donor_id]
            filmed = np.stack(list(read_frames(base.source(donor))))
            removed = np.stack([base.masks(donor).mask(k) for k in range(8)])
            right, down = map(int, row.donor_shift.split())
            own = np.stack([base.masks(base.by_id[row.partner_id]).mask(k) for k in range(8)])
            size = settings.size
            padded = np.pad(own, ((0, 0), (size, size), (size, size)))
            actor = padded[:, size - down : 2 * size - down, size - right : 2 * size - right]
            seen = ~actor & ~removed
            np.testing.assert_array_equal(frames_of(swap.folder, row.id)[seen], filmed[seen])
            still = seen[0] & seen[-1]
            assert (filmed[0][still] != filmed[-1][still]).any(axis=1).mean() > 0.3  # it is not one picture
    assert never[0.75] < never[0.0] - 0.1  # places that the actor covers are uncovered as the camera moves


def test_pairings(base: Path, made: dict[str, Benchmark], tmp_path: Path) -> None:
    for pairing in ("same", "far", "close"):
        report = build_kind("swap", base, out=tmp_path / pairing, run=QUIET, pairing=pairing)
        assert report.benchmark is not None and verify(tmp_path / pairing, progress=False) == []
        for row in report.benchmark.rows:
            assert (row.donor_label == row.label) == (pairing == "same") and row.donor_id != row.id
        written = report.benchmark.protocol.settings["distances"]
        assert set(written) == ({"Archery", "Basketball"} if pairing != "same" else set())  # type: ignore[call-overload]
    lonely = scuba(make_actions(tmp_path / "few", per_class=1), tmp_path / "lonely", backgrounds="plain")
    report = build_kind("swap", lonely, out=tmp_path / "none", run=QUIET, pairing="same")
    assert len(report.left_out) == 2 and "only video of its class" in report.left_out[0]["reason"]


def test_distances_of_classes() -> None:
    table = {"a": "0 .1 .2 .3 .4 .5 .6", "b": "0"}
    classes = list("abcdefg")
    far, close = far_and_close(table, classes, 0, range(1, 7))
    assert (far, close) == ([5, 6], [1, 2])
    with pytest.raises(BenchError, match="distances of class 'b'"):
        far_and_close(table, classes, 1, [0, 2])


def test_scenes_of_one_colour_are_close_and_of_others_far(tmp_path: Path) -> None:
    colours = {"Archery": (200, 30, 30), "Basketball": (200, 40, 40), "Biking": (20, 30, 200)}
    for name, colour in colours.items():
        _, masks = moving_square()
        video = np.full((8, 32, 48, 3), colour, np.uint8)
        video[masks] = (0, 255, 0)  # the actor does not count
        stem = f"{name}/v_{name}_g01_c01"
        write_video(tmp_path / f"ucf/videos/{stem}.mkv", video)
        write_masks(tmp_path / f"ucf/masks/{stem}.zip", masks)
    made = read_benchmark(scuba(tmp_path / "ucf", tmp_path / "scuba", backgrounds="plain"))
    found = {name: list(map(float, row.split())) for name, row in class_distances(made).items()}
    assert found["Archery"][0] == 0 and found["Archery"][1] < 0.1 and found["Archery"][2] == 1.0
    build_kind("swap", tmp_path / "scuba", out=tmp_path / "far", run=QUIET, pairing="far")
    donors = {row.class_name: row.donor_id for row in read_benchmark(tmp_path / "far").rows}
    assert donors["Archery"].startswith("Biking/") and donors["Basketball"].startswith("Biking/")


def test_human_only_with_the_measured_mean(base: Path, root: Path, tmp_path: Path) -> None:
    build_kind("human-only", base, out=tmp_path / "h", run=QUIET, colour="measured")
    benchmark = read_benchmark(tmp_path / "h")
    rgb = np.array(list(map(int, str(benchmark.protocol.settings["rgb"]).split())))
    means = []
    for row in (r for r in read_benchmark(base).rows if r.variant == 0):
        video = np.stack(list(Layout.read(root / row.source_file)))
        means.append(video[np.linspace(0, len(video) - 1, 8).astype(int)].mean((0, 1, 2)))
    assert (rgb == np.mean(means, 0).astype(int)).all()
    assert (
        frames_of(tmp_path / "h", f"{WIDE}__0")[:, 0, 0] == rgb
    ).all() and benchmark.background_set == "measured-mean"


def test_ones_own_inpainted_frames(base: Path, root: Path, made: dict[str, Benchmark], tmp_path: Path) -> None:
    inpainted = tmp_path / "inp"
    rows = [row for row in read_benchmark(base).rows if row.variant == 0]
    for k, row in enumerate(rows):
        name = row.source_id if k else row.source_id.rpartition("/")[2]
        write_video(inpainted / f"{name}.mkv", np.full((row.frames, row.height, row.width, 3), 50 + k, np.uint8))
    build_kind("background-only", base, out=tmp_path / "b", run=QUIET, inpainted=inpainted)
    for k, row in enumerate(rows):
        masks = np.stack([read_benchmark(base).masks(row).mask(t) for t in range(row.frames)])
        frames, source = frames_of(tmp_path / "b", row.id), np.stack(list(Layout.read(root / row.source_file)))
        assert (frames[masks] == 50 + k).all() and (frames[~masks] == source[~masks]).all()
    benchmark = read_benchmark(tmp_path / "b")
    assert benchmark.background_set == "inpainted" and verify(tmp_path / "b", progress=False) == []
    assert {row.covered for row in benchmark.rows} == {None}
    build_kind("swap", base, out=tmp_path / "s", run=QUIET, inpainted=inpainted)
    assert verify(tmp_path / "s", progress=False) == []
    with pytest.raises(BenchError, match="--inpainted frames may be gone"):
        build_kind("background-only", base, out=tmp_path / "v", run=QUIET, inpainted=inpainted, layout="virtual")
    write_video(inpainted / f"{WIDE}.mkv", np.zeros((5, 48, 96, 3), np.uint8))
    report = build_kind("background-only", base, out=tmp_path / "short", run=QUIET, inpainted=inpainted)
    assert [f["id"] for f in report.failed] == [f"{WIDE}__0"] and "frame 5 is missing" in report.failed[0]["reason"]


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("swap", {"pairing": "nearest"}, "pairing"),
        ("human-only", {"colour": "red"}, "colour"),
        ("background-only", {"inpainted": Path("nowhere")}, "no such folder"),
    ],
)
def test_wrong_settings(base: Path, tmp_path: Path, kind: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchError, match=said):
        build_kind(kind, base, out=tmp_path / "x", run=QUIET, **options)
    assert not (tmp_path / "x").exists()


def test_figures_of_swap(base: Path, made: dict[str, Benchmark], tmp_path: Path) -> None:
    build_kind("swap", base, out=tmp_path / "swap-same", run=QUIET, pairing="same")
    sets = [benchmark_set(made[kind].folder) for kind in KINDS] + [benchmark_set(tmp_path / "swap-same")]
    given = {}
    for s in sets:
        rows = []
        for k, item in enumerate(s.items):
            # Of four swapped videos, two are taken for the actor's class, one for the background's, one for a third.
            said = [item.label, item.label, item.donor_label, 50][k] if s.name == "swap" else item.label
            scores = np.full(len(s.classes), 0.001)
            scores[item.label] = 0.5
            scores[said if said is not None else item.label] = 0.9
            rows.append((item.id, item.label, scores))
        write_predictions(tmp_path / f"{s.name}.csv", s.classes, rows)
        given[s.name] = read_predictions(tmp_path / f"{s.name}.csv", s.classes)
    record = compute(sets, given)
    percent = {name: figure.percent for name, figure in record.figures.items()}
    assert percent == {
        "human_only": 100, "background_only": 100, "swap": 50, "swap_background": 25, "swap_wins": 75, "swap_same": 100
    }  # fmt: skip
    assert record.figures["swap_wins"].low is not None and record.figures["swap_background"].n == 4
    by_name = {s.name: s for s in record.sets}
    assert by_name["swap"].donor is not None and by_name["swap-same"].donor is None
    assert sum(c.said_donor for c in by_name["swap"].confusion) == 1


@pytest.mark.parametrize(
    ("kind", "file", "old", "new", "said"),
    [
        ("human-only", "protocol.json", "123 116 103", "1 2 999", "rgb is '1 2 999'"),
        ("human-only", "protocol.json", "123 116 103", "red", "rgb is 'red'"),
        ("swap", "manifest.csv", "5 7", "5 x", "donor_shift is '5 x'"),
    ],
)
def test_virtual_videos_with_odd_values_say_what_is_wrong(
    base: Path, tmp_path: Path, kind: str, file: str, old: str, new: str, said: str
) -> None:
    build_kind(kind, base, out=tmp_path / "b", run=QUIET, layout="virtual")
    path = tmp_path / "b" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BenchError, match=said):
        frames_of(tmp_path / "b", f"{WIDE}__0")
