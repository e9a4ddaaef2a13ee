"""Leakage: a planted share comes out exactly, planted cues are found, and who sees nothing is at chance exactly."""

import csv
import json
import shutil
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import bench
from tiny_videos import write_video

from benchmark_builder.audit.leakage import COLUMNS, Leakage, Settings, measure, plot, write_table
from benchmark_builder.audit.probe import FLAT, SIZE, Histograms, name_class, name_source
from benchmark_builder.builders import Run, build_scuba, build_scufo
from benchmark_builder.masks import mask_source
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.record import Video

QUIET = Run(1, False, lambda line: None)
CLASSES = ("Archery", "Basketball")
FRAMES, HEIGHT, WIDTH = 3, 40, 60


def actor() -> np.ndarray:
    """12 x 10 pixels that move: bool (T, H, W)."""
    masks = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
    for k in range(FRAMES):
        masks[k, 14:26, 20 + k : 30 + k] = True
    return masks


def dataset(root: Path, colour: Callable[[int, int], tuple[int, int, int]], per_class: int = 3) -> Path:
    """As ``_write`` makes it; what is the same is made once."""
    if (colour, per_class) not in _MADE:
        _MADE[colour, per_class] = Path(tempfile.mkdtemp(dir=root.parent.parent)) / "made"
        _write(_MADE[colour, per_class], colour, per_class)
    shutil.copytree(_MADE[colour, per_class], root)
    return root


_MADE: dict[tuple[Callable, int], Path] = {}


def _write(root: Path, colour: Callable[[int, int], tuple[int, int, int]], per_class: int) -> None:
    """Two classes; ``colour`` says a video's background from its class and number; the actor looks the same always.

    ROOT/truth: exact masks. ROOT/wide: for the first class each with twice as many pixels, for the second four times.
    """
    noise = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    for c, name in enumerate(CLASSES):
        for k in range(per_class):
            video, masks, wide = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8), actor(), actor()
            video[:] = colour(c, k)
            for t in range(FRAMES):
                video[t, 14:26, 20 + t : 30 + t] = noise
                if c == 0:
                    wide[t, 14:26, 20 + t : 40 + t] = True
                else:
                    wide[t, 8:32, 20 + t : 40 + t] = True
            stem = f"{name}/v_{name}_g{k + 1:02d}_c01"
            write_video(root / "videos" / f"{stem}.mkv", video)
            write_masks(root / "truth" / f"{stem}.zip", masks)
            write_masks(root / "wide" / f"{stem}.zip", wide)


def build(root: Path, masks: str, out: Path, **more: Any) -> Path:
    more = {"per_video": 2, "layout": "virtual", **more}
    build_scuba("ucf101", root, "all", masks=masks, backgrounds="plain", out=out, run=QUIET, **more)
    return out


def found(root: Path, folder: Path, **settings: Any) -> Leakage:
    settings = {"reference": f"stored:{root / 'truth'}", **settings}
    return measure(folder, Settings(**settings), progress=False)


def grey(c: int, k: int) -> tuple[int, int, int]:
    return (100, 100, 100)


def of_class(c: int, k: int) -> tuple[int, int, int]:
    return ((200, 20, 20), (20, 20, 200))[c]


def of_video(c: int, k: int) -> tuple[int, int, int]:
    """Far apart for every video, and no nearer within a class: six corners of the colour cube."""
    return ((0, 0, 0), (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 0), (0, 255, 255))[3 * c + k]


def test_a_planted_share_comes_out_exactly(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", grey)
    one = found(root, build(root, f"stored:{root / 'wide'}", tmp_path / "wide"))
    # Half of the paste is background for one class, three quarters for the other: exact in binary.
    assert one.leaked is not None and one.leaked.value == (0.5 + 0.75) / 2
    assert 0.5 <= one.leaked.low < one.leaked.value < one.leaked.high <= 0.75
    assert one.actor_shown is not None and one.actor_shown.value == 1
    background = HEIGHT * WIDTH - 120
    assert one.background_shown is not None
    expected = (Fraction(120, background) + Fraction(360, background)) / 2
    assert one.background_shown.value == pytest.approx(float(expected), rel=1e-15)  # two roundings
    assert (one.sources, one.videos, one.missing, one.masks) == (6, 12, [], "stored")


def test_exact_masks_leak_nothing_and_leave_the_probe_at_chance_exactly(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", of_class)
    one = found(root, build(root, f"stored:{root / 'truth'}", tmp_path / "exact"))
    assert one.leaked is not None and (one.leaked.value, one.leaked.low, one.leaked.high) == (0, 0, 0)
    assert one.seen == 0
    # A video's candidates are 5 other sources with 2 videos each; 2 sources are of its class.
    assert one.class_probe is not None and one.class_probe.value == one.class_chance == pytest.approx(2 / 5)
    assert one.source_probe is not None and one.source_probe.value == one.source_chance == pytest.approx(1 / 11)


def test_a_background_of_the_class_is_found(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", of_class)
    one = found(root, build(root, f"stored:{root / 'wide'}", tmp_path / "wide", layout="video"))
    assert one.seen == 1
    assert one.class_probe is not None and one.class_probe.value == 1


def test_a_background_of_the_video_names_the_source_and_not_the_class(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", of_video)
    one = found(root, build(root, f"stored:{root / 'wide'}", tmp_path / "wide"))
    assert one.source_probe is not None and one.source_probe.value == 1
    # All other sources are equally far (no colour bin in common), so the class is a guess among them.
    assert one.class_probe is not None and one.class_probe.value == pytest.approx(2 / 5)


def test_what_is_the_same_in_every_video_names_nothing(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", grey)
    one = found(root, build(root, f"stored:{root / 'wide'}", tmp_path / "wide"))
    assert one.seen == 1, "it is seen, but the same everywhere: the class does not show in how much is seen either"
    assert one.class_probe is not None and one.class_probe.value == pytest.approx(2 / 5)
    assert one.source_probe is not None and one.source_probe.value == pytest.approx(1 / 11)


def test_the_margin_hides_what_lies_near_the_actor(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", of_class)
    folder = build(root, f"stored:{root / 'wide'}", tmp_path / "wide")
    assert found(root, folder, margin=9).seen == 1  # the wide masks go on for 10 pixels to the right
    hidden = found(root, folder, margin=20)
    assert hidden.seen == 0 and hidden.class_probe is not None and hidden.class_probe.value == hidden.class_chance
    assert hidden.leaked is not None and hidden.leaked.value == 0.625, "the share knows no margin"


def test_without_a_reference_the_ring_inside_the_edge_is_seen(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", of_class)
    one = measure(build(root, f"stored:{root / 'wide'}", tmp_path / "w"), Settings(ring=2), progress=False)
    assert one.reference == "" and one.leaked is None and one.actor_shown is None
    assert one.class_probe is not None and one.class_probe.value == 1
    assert "ring of 2 px" in one.around


def test_a_feathered_edge_counts_by_its_weight(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", grey)
    one = found(root, build(root, f"stored:{root / 'truth'}", tmp_path / "soft", feather=1.0))
    # The blur is separable: along a side of n pixels, the weight that stays inside is the kernel summed over all pairs
    # of them. OpenCV's kernel for sigma 1 on float32 has 9 taps; its float32 sums are good to 1e-5.
    taps = np.exp(-(np.arange(-4, 5) ** 2) / 2)
    kept = [sum(taps[4 + i - j] for i in range(n) for j in range(n) if abs(i - j) <= 4) / taps.sum() / n
            for n in (12, 10)]  # fmt: skip
    assert one.leaked is not None and one.leaked.value == pytest.approx(1 - kept[0] * kept[1], rel=1e-4)


@pytest.mark.usefixtures("quick_workers")
def test_the_layout_and_workers_change_nothing(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", of_video)
    masks = f"stored:{root / 'wide'}"
    plain = found(root, build(root, masks, tmp_path / "a" / "b"))
    lossless = build(root, masks, tmp_path / "c" / "b", layout="lossless")
    again = measure(lossless, Settings(reference=f"stored:{root / 'truth'}"), workers=2, progress=False)
    assert {k: v for k, v in vars(again).items() if k != "benchmark"} == {
        k: v for k, v in vars(plain).items() if k != "benchmark"
    }


def test_sources_without_a_reference_are_missing_and_said(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", of_class)
    folder = build(root, f"stored:{root / 'wide'}", tmp_path / "wide")
    (root / "truth/Archery/v_Archery_g01_c01.zip").unlink()
    (root / "truth/Basketball/v_Basketball_g02_c01.zip").write_bytes(b"no zip")
    one = found(root, folder)
    assert (one.sources, one.videos) == (4, 8)
    assert [name for name, _ in one.missing] == ["Archery/v_Archery_g01_c01", "Basketball/v_Basketball_g02_c01"]
    write_table(tmp_path / "t.csv", [one])
    with open(tmp_path / "t.csv", newline="") as handle:
        (row,) = csv.DictReader(handle)
    assert list(row) == COLUMNS and row["missing"] == "2" and float(row["leaked"]) == 0.625
    for path in (root / "truth").rglob("*.zip"):
        path.unlink()
    with pytest.raises(BenchError, match=r"none of its 6 sources could be measured; the first: no masks"):
        found(root, folder)


def test_bad_input_is_named(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", grey, per_class=1)
    folder = build(root, f"stored:{root / 'wide'}", tmp_path / "wide")
    with pytest.raises(BenchError, match="--margin -1"):
        Settings(margin=-1)
    with pytest.raises(BenchError, match="--ring 0"):
        Settings(ring=0)
    with pytest.raises(BenchError, match="--reference nonsense: no such mask source"):
        found(root, folder, reference="nonsense")
    build_scufo(folder, out=tmp_path / "scufo", run=QUIET)
    with pytest.raises(BenchError, match="is a scufo benchmark; give the SCUBA benchmark"):
        measure(tmp_path / "scufo", progress=False)
    with pytest.raises(BenchError, match="no benchmark here"):
        measure(tmp_path, progress=False)
    with pytest.raises(BenchError, match="give its folder with --root, or give --reference none"):
        measure(folder, Settings(reference=f"stored:{root / 'truth'}"), root=tmp_path / "gone", progress=False)
    with pytest.raises(
        BenchError, match=r"--plot .*a\.txt: cannot be written as \.txt; name a file that ends in \.png, \.pdf, \.svg"
    ):
        plot(tmp_path / "a.txt", [])
    rows = (folder / "manifest.csv").read_text()
    (folder / "manifest.csv").write_text(rows.replace("masks/Archery/v_Archery_g01_c01.zip", ""))
    with pytest.raises(BenchError, match="does not contain the masks it was made with"):
        measure(folder, progress=False)


def test_one_variant_leaves_no_source_to_name(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", grey, per_class=2)
    folder = build(root, f"stored:{root / 'wide'}", tmp_path / "one", per_video=1)
    one = found(root, folder)
    assert one.source_probe is None and one.source_chance is None and one.class_probe is not None
    plot(tmp_path / "a.png", [one])
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_boxes_of_another_source(tmp_path: Path) -> None:
    masks = np.zeros((2, 9, 9), bool)
    masks[0, 2, 3] = masks[0, 5, 6] = True
    write_masks(tmp_path / "m" / "a" / "v.zip", masks)
    source = mask_source(f"boxes:stored:{tmp_path / 'm'}", tmp_path)
    track = source.track(Video("a/v", Path("v.avi"), 0, "a", "all", "folder"), 9, 9)
    expected = np.zeros((9, 9), bool)
    expected[2:6, 3:7] = True
    assert (track.mask(0) == expected).all() and not track.mask(1).any()
    assert track.covered.tolist() == [True, True]
    assert source.describe() == {"kind": "boxes", "of": {"kind": "stored"}}
    with pytest.raises(LeftOut):
        source.track(Video("a/w", Path("w.avi"), 0, "a", "all", "folder"), 9, 9)
    for spec in ("boxes", "boxes:boxes:truth", "boxes:none"):
        with pytest.raises(BenchError, match="--masks"):
            mask_source(spec, tmp_path)


def test_features_see_the_region_alone() -> None:
    rng = np.random.default_rng(1)
    frame = rng.integers(0, 256, (20, 20, 3), np.uint8)
    region = np.zeros((20, 20), bool)
    region[5:15, 5:15] = True
    other = np.where(region[..., None], frame, 255 - frame)
    features = []
    for picture in (frame, other):
        histograms = Histograms()
        histograms.add(picture, region)
        assert histograms.colours.sum() == 100 and histograms.gradients.sum() == 64
        features.append(histograms.feature())
    assert features[0] is not None and features[0].shape == (SIZE,)
    assert (features[0] == features[1]).all()
    assert (features[0] ** 2).sum() == pytest.approx(2)
    empty = Histograms()
    empty.add(frame, np.zeros((20, 20), bool))
    assert empty.feature() is None


def test_gradients_are_binned_by_orientation() -> None:
    ramp = np.repeat((np.arange(20, dtype=np.uint8) * 10)[None, :, None], 20, 0).repeat(3, 2)
    for picture, expected in ((ramp, 0), (ramp.transpose(1, 0, 2), 4), (np.full_like(ramp, 9), 8)):
        histograms = Histograms()  # the brightness rises along x: turn 0; along y: a quarter turn, bin 4 of 8
        histograms.add(np.ascontiguousarray(picture), np.ones((20, 20), bool))
        assert histograms.gradients[expected] == histograms.gradients.sum() == 18 * 18
    assert 8 * 10 > FLAT, "a ramp of 10 grey levels a pixel has Sobel magnitude 80"


def test_unrelated_features_probe_at_chance() -> None:
    rng = np.random.default_rng(2)
    sources = np.repeat(np.arange(400), 2)
    labels = rng.integers(0, 4, 400)[sources]
    result = name_class(list(rng.random((800, SIZE))), labels, sources)
    # Binomial with 800 unrelated draws; neighbours are shared, which at most doubles the spread: 4 sigma.
    assert abs(result.right.mean() - result.chance.mean()) < 2 * 4 * np.sqrt(0.25 * 0.75 / 800)
    assert result.chance.mean() == pytest.approx(0.25, abs=0.05)
    assert name_source(list(rng.random((800, SIZE))), sources).right.mean() < 0.02  # chance is 1 in 799


def test_variants_of_the_own_source_never_name_the_class() -> None:
    sources, labels = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 1])
    points = [np.full(SIZE, float(x)) for x in (0, 0.01, 1, 1.01, 5, 5.01)]
    assert name_class(points, labels, sources).right.tolist() == [0, 0, 0, 0, 1, 1]
    assert name_source(points, sources).right.tolist() == [1] * 6
    blind = name_class([None, None, *points[2:]], labels, sources)
    assert blind.right.tolist() == [0, 0, 1, 1, 1, 1], "the blind are nobody's neighbours; alone in a class: chance 0"


def test_command(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", of_class)
    wide = build(root, f"stored:{root / 'wide'}", tmp_path / "wide")
    exact = build(root, f"stored:{root / 'truth'}", tmp_path / "exact")
    words = ["audit", "leakage", wide, exact, "--reference", f"stored:{root / 'truth'}", "--workers", 1]
    done = bench(*words, "--out", tmp_path / "l.csv", "--plot", tmp_path / "l.png")
    assert done.returncode == 0, done.stderr
    assert "62.5" in done.stdout and "in 100 % of 12 videos" in done.stdout and "in 0 % of 12 videos" in done.stdout
    with open(tmp_path / "l.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [float(r["leaked"]) for r in rows] == [0.625, 0] and (tmp_path / "l.png").is_file()
    bad = bench(*words, "--plot", "a.eps")
    assert bad.returncode == 1 and "--plot a.eps" in bad.stderr + bad.stdout


def test_masks_are_named_with_what_they_came_from(tmp_path: Path) -> None:
    root = dataset(tmp_path / "ucf", grey, per_class=1)
    (root / "wide" / "segment.json").write_text(json.dumps({"masks": {"kind": "motion"}}))
    assert found(root, build(root, f"stored:{root / 'wide'}", tmp_path / "a")).masks == "stored of motion"
    assert found(root, build(root, f"boxes:stored:{root / 'truth'}", tmp_path / "b")).masks == "boxes of stored"
