"""ConflFG's donors: another class, drawn again where they hide the mover or cannot be seen, and scaled to its size."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_builds import QUIET, frames_of, scuba
from tiny_videos import write_video

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.manifest import Benchmark, Row, read_benchmark
from benchmark_builder.builders import build_conflfg
from benchmark_builder.kinds.conflfg import ConflfgMaker, ConflfgSettings, Fit
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.masks.stored import StoredTrack, write_masks
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.selection import indices

COLOURS = {"Archery": 40, "Basketball": 120, "Biking": 200}


def actors(folder: Path, sizes: dict[str, tuple[int, int]], shares: dict[str, float]) -> Benchmark:
    """SCUBA of three videos a class: an actor of one grey that fills the left ``share`` of a frame of ``size``."""
    for name, share in shares.items():
        height, width = sizes.get(name, (24, 32))
        mask = np.zeros((2, height, width), bool)
        mask[:, :, : max(1, round(share * width))] = True
        for k in (1, 2, 3):
            video = np.full((2, height, width, 3), COLOURS[name], np.uint8)
            write_video(folder / f"ucf/videos/{name}/v_{name}_g{k:02d}_c01.mkv", video)
            write_masks(folder / f"ucf/masks/{name}/v_{name}_g{k:02d}_c01.zip", mask)
    return read_benchmark(scuba(folder / "ucf", folder / "scuba", layout="virtual"))


def choose(source: Benchmark, row: Row, seed: int = 0, **settings: object) -> tuple[str, str, float]:
    """The donor's id and class, and the share it hides."""
    maker = ConflfgMaker(source.folder, source, seed, ConflfgSettings(**settings), Layout())  # type: ignore[arg-type]
    track = StoredTrack(source.folder / row.mask_file, row.height, row.width)
    donor, covered = maker.choose(row, track, indices(row.source_frames))
    return donor.row.id, donor.row.class_name, covered


def test_a_donor_that_hides_too_much_is_drawn_again(tmp_path: Path) -> None:
    # In front and where they stood, a Basketball donor (all of the frame) hides all of an archer, a biker a third.
    source = actors(tmp_path, {}, {"Archery": 0.75, "Basketball": 1.0, "Biking": 0.25})
    found: dict[float, set[str]] = {1.0: set(), 0.5: set()}
    for row in (r for r in source.rows if r.class_name == "Archery"):
        for most, names in found.items():
            _, name, covered = choose(source, row, order="front", place="keep", max_covered=most)
            assert covered == pytest.approx({"Basketball": 1.0, "Biking": 1 / 3}[name]) and covered <= most
            names.add(name)
    assert found == {1.0: {"Basketball", "Biking"}, 0.5: {"Biking"}}
    made = build_conflfg(
        source.folder, out=tmp_path / "c", run=QUIET, order="front", place="keep", max_covered=0.5
    ).benchmark
    assert made is not None and all(r.covered is not None and r.covered <= 0.5 for r in made.rows)


def test_a_donor_behind_must_be_seen(tmp_path: Path) -> None:
    source = actors(tmp_path, {}, {"Archery": 0.5, "Basketball": 1.0, "Biking": 0.25})
    for row in (r for r in source.rows if r.class_name == "Archery"):  # a biker stands behind the archer altogether
        assert choose(source, row, order="behind", place="keep", min_visible=0.5)[1:] == ("Basketball", 0.0)


def test_where_no_donor_fits_the_video_is_left_out_and_says_why(tmp_path: Path) -> None:
    source = actors(tmp_path, {}, {"Archery": 1.0, "Basketball": 1.0})
    with pytest.raises(LeftOut, match=r"^6 donors were drawn for .*hides too much"):
        choose(source, source.rows[0], order="front", max_covered=0.9)
    report = build_conflfg(source.folder, out=tmp_path / "c", run=QUIET, order="front", max_covered=0.9)
    assert report.benchmark is None and len(report.left_out) == len(source.rows) and not report.failed


def test_a_donor_of_another_size_is_scaled_to_the_movers_height(tmp_path: Path) -> None:
    source = actors(tmp_path, {"Basketball": (48, 40)}, {"Archery": 0.25, "Basketball": 0.5})
    made = build_conflfg(source.folder, out=tmp_path / "c", run=QUIET, order="behind").benchmark
    assert made is not None and len(made.rows) == len(source.rows)
    for row in made.rows:
        before, after = frames_of(source.folder, row.id), frames_of(made.folder, row.id)
        assert after.shape == before.shape
        changed = (after != before).any(axis=(0, 3))
        donor = COLOURS["Basketball" if row.class_name == "Archery" else "Archery"]
        assert (after[:, changed] == donor).all(), "only the donor's own pixels are added"
        if row.class_name == "Archery":  # 20 of 40 columns at half the scale: 10, over the whole height
            assert changed.any(axis=1).all() and 10 >= changed.any(axis=0).sum() > 0


SIZES = {"Archery": (40, 22), "Basketball": (22, 40), "Biking": (31, 111)}  # portrait, landscape, panorama


@pytest.mark.parametrize("place", ["random", "keep"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_donors_of_other_shapes_stay_on_the_canvas(tmp_path: Path, place: str, side: str) -> None:
    """An actor at the edge of a landscape left a portrait's canvas, and the whole build ended."""
    for c, (name, (height, width)) in enumerate(SIZES.items()):
        mask = np.zeros((2, height, width), bool)
        mask[:, height // 4 :, : width // 8] = True
        mask = mask if side == "left" else mask[:, :, ::-1]
        for k in (1, 2):
            write_video(tmp_path / f"ucf/videos/{name}/v_{name}_g{k:02d}_c01.mkv",
                        np.full((2, height, width, 3), 40 + 80 * c, np.uint8))  # fmt: skip
            write_masks(tmp_path / f"ucf/masks/{name}/v_{name}_g{k:02d}_c01.zip", mask)
    source = read_benchmark(scuba(tmp_path / "ucf", tmp_path / "scuba", layout="virtual"))
    report = build_conflfg(
        source.folder, out=tmp_path / "c", run=QUIET, place=place, order="front", max_covered=1.0, layout="virtual"
    )
    assert report.failures == [] and report.benchmark is not None and len(report.benchmark.rows) == 12
    for row in report.benchmark.rows:
        after = frames_of(report.benchmark.folder, row.id)
        added = (after == list(SIZES).index(source.by_id[row.donor_id].class_name) * 80 + 40).all((0, 3))
        height, width = SIZES[source.by_id[row.donor_id].class_name]
        scale = row.height / height
        # All of the actor, within the rounding of two sides to whole pixels.
        wide, tall = scale * (width // 8), scale * (height - height // 4)
        assert abs(int(added.sum()) - wide * tall) <= wide + tall + 1
        if place == "keep":
            assert added[:, 0 if side == "left" else -1].any(), "it stands at the edge that it stood at"
    assert verify(tmp_path / "c", progress=False) == []


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_all_of_a_donor_is_inside_whatever_the_sizes(data: st.DataObject) -> None:
    side = st.integers(1, 60)
    height, width, h, w = (data.draw(side) for _ in range(4))
    x1, y1 = data.draw(st.integers(0, w - 1)), data.draw(st.integers(0, h - 1))
    x2, y2 = data.draw(st.integers(x1 + 1, w)), data.draw(st.integers(y1 + 1, h))
    mask = np.zeros((h, w), bool)
    mask[y1:y2, x1:x2] = True
    rng = np.random.default_rng(data.draw(st.integers(0, 99))) if data.draw(st.booleans()) else None
    fit = Fit.of(mask, height, width, rng)
    u1, v1, u2, v2 = fit.at
    assert 0 <= u1 < u2 <= width and 0 <= v1 < v2 <= height and fit.box == (x1, y1, x2, y2)
    placed = fit.mask(mask)
    assert placed.shape == (height, width) and placed[v1:v2, u1:u2].all() and placed.sum() == (u2 - u1) * (v2 - v1)
    image = fit(np.full((h, w, 3), 99, np.uint8))
    assert image.dtype == np.uint8 and (image[placed] == 99).all()
    if (h, w) == (height, width):
        assert (u2 - u1, v2 - v1) == (x2 - x1, y2 - y1) and (rng is not None or fit.shift == (0, 0))


def test_a_speck_that_vanishes_is_passed_over(tmp_path: Path) -> None:
    """A donor of scattered single pixels leaves nothing at a quarter of its size: the next one is drawn."""
    mask = np.zeros((2, 96, 128), bool)
    mask[:, ::4, ::4] = True
    source = actors(tmp_path, {"Basketball": (96, 128)}, {"Archery": 0.5, "Basketball": 0.5, "Biking": 0.25})
    for k in (1, 2, 3):
        write_masks(tmp_path / f"ucf/masks/Basketball/v_Basketball_g{k:02d}_c01.zip", mask)
    shutil.rmtree(source.folder)
    source = read_benchmark(scuba(tmp_path / "ucf", tmp_path / "scuba", layout="virtual"))
    rows = [r for r in source.rows if r.class_name == "Archery"]
    assert {choose(source, row, order="front", max_covered=1.0)[1] for row in rows} == {"Biking"}
    assert build_conflfg(source.folder, out=tmp_path / "c", run=QUIET).failed == []


def test_donors_are_drawn_evenly_from_classes_and_videos(tmp_path: Path) -> None:
    """Class first: of a class with three videos and one with nine, each is the donor's every second time."""
    rows = [replace(row, label=label, id=f"{name}__{k}", source_id=name)
            for row in actors(tmp_path, {}, {"Archery": 0.25}).rows[:1]
            for name, label, count in (("a", 0, 1), ("b", 1, 3), ("c", 2, 9)) for k in range(count)]  # fmt: skip
    source = Benchmark(tmp_path / "scuba", {"kind": "scuba"}, rows)
    first: Counter[str] = Counter()
    for seed in range(1800):
        maker = ConflfgMaker(source.folder, source, seed, ConflfgSettings(), Layout())
        drawn = [r.id for r in maker._candidates(rows[0])]
        assert sorted(drawn) == sorted(r.id for r in rows[1:]), "each once"
        assert len({i[0] for i in drawn[:2]}) == 2, "classes take turns"
        first[drawn[0]] += 1
    # Binomial, 6 standard deviations: of 1800, a video of b is expected 300 times, one of c 100 times.
    for name, count in first.items():
        p = 1 / 6 if name[0] == "b" else 1 / 18
        assert abs(count - 1800 * p) < 6 * (1800 * p * (1 - p)) ** 0.5
    assert len(first) == 12


def test_a_donor_changes_only_if_it_is_taken_away(tmp_path: Path) -> None:
    source = actors(tmp_path, {}, {"Archery": 0.25, "Basketball": 0.25, "Biking": 0.25})
    for row in source.rows[:4]:
        first, _, _ = choose(source, row)
        for gone in source.rows:
            rest = Benchmark(source.folder, source.protocol, [r for r in source.rows if r.id != gone.id])
            assert (choose(rest, row)[0] == first) == (gone.id != first)
        assert len({choose(source, row, seed)[0] for seed in range(12)}) > 3, "the seed draws"


@pytest.mark.parametrize(
    ("change", "flag"), [({"order": "beside"}, "--order"), ({"place": "left"}, "--place"),
                         ({"max_covered": 2.0}, "--max-covered"), ({"min_visible": -1.0}, "--min-visible")],
)  # fmt: skip
def test_senseless_settings_are_refused_with_their_flag(change: dict, flag: str) -> None:
    with pytest.raises(BenchError, match=flag):
        ConflfgSettings(**change)
