"""ConflFG's donors: another class, drawn again where they hide the mover or cannot be seen, and scaled to its size."""

from pathlib import Path

import numpy as np
import pytest
from conftest import write_video
from test_build import QUIET, frames_of, scuba

from benchmark_builder.conflfg import ConflfgMaker, ConflfgSettings
from benchmark_builder.errors import BenchError, LeftOut
from benchmark_builder.layouts import Layout
from benchmark_builder.manifest import Benchmark, Row, read_benchmark
from benchmark_builder.masks.stored import StoredTrack, write_masks
from benchmark_builder.recipes import build_conflfg
from benchmark_builder.selection import indices

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
    return read_benchmark(scuba(folder / "ucf", folder / "scuba", layout="lossless"))


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
    with pytest.raises(LeftOut, match=r"^6 donors drawn for .*hid too much"):
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
