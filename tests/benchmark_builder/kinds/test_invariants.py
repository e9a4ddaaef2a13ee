"""The invariants of the kinds of test video, on generated videos and masks, through whole builds."""

import shutil
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_builds import QUIET

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export, import_published
from benchmark_builder.benchmark.manifest import COLUMNS, Benchmark, Row, read_benchmark
from benchmark_builder.builders import build_conflfg, build_kind, build_scuba, build_scufo
from benchmark_builder.kinds.swap import background_frames
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.masks.stored import write_masks

EXACT = st.sampled_from(["lossless", "virtual"])
OWN = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


class Source(NamedTuple):
    """video: uint8 (T, H, W, 3); masks: bool (T, H, W), each with a pixel in it."""

    video: np.ndarray
    masks: np.ndarray


@st.composite
def sources(draw: st.DrawFn) -> dict[str, Source]:
    """Two videos of one size and of two classes, by id; any pixels, any masks, even and odd sides."""
    height, width = draw(st.integers(6, 20)), draw(st.integers(6, 20))
    found = {}
    for name in ("catch/a", "wave/b"):
        frames = draw(st.integers(1, 4))
        seed = draw(st.integers(0, 2**16))
        video = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), np.uint8)
        masks = draw(hnp.arrays(np.bool_, (frames, height, width)))
        masks[:, draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = True
        found[name] = Source(video, masks)
    return found


def lay(root: Path, found: dict[str, Source]) -> Path:
    """The videos as JHMDB lays its frames, which are exact, and their masks."""
    for name, (video, masks) in found.items():
        folder = root / "Rename_Images" / name
        folder.mkdir(parents=True)
        for k, frame in enumerate(video, 1):
            cv2.imwrite(str(folder / f"{k:05d}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        write_masks(root / "masks" / f"{name}.zip", masks)
    return root


def built(folder: Path, found: dict[str, Source], layout: str, **options: object) -> Benchmark:
    root = lay(folder / "data", found)
    masks = f"stored:{root / 'masks'}"
    build_scuba("jhmdb", root, "all", masks=masks, out=folder / "scuba", run=QUIET, layout=layout, **options)  # type: ignore[arg-type]
    return read_benchmark(folder / "scuba")


def stacked(benchmark: Benchmark, row: Row) -> np.ndarray:
    return np.stack(list(benchmark.frames(row)))


@OWN
@given(sources(), EXACT, st.sampled_from(["stripes", "plain", "noise"]))
def test_outside_the_mask_is_the_background_and_inside_the_source(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, Source], layout: str, backgrounds: str
) -> None:
    scuba = built(tmp_path_factory.mktemp("b"), found, layout, per_video=2, backgrounds=backgrounds)
    assert len(scuba.rows) == 4
    for row in scuba.rows:
        video, masks = found[row.source_id]
        made = stacked(scuba, row)
        assert made.shape == video.shape and row.mask_coverage == round(float(masks.mean()), 6)
        assert (made[masks] == video[masks]).all()
        for y, x in np.argwhere(~masks.all(0)):  # one colour at each place, whenever the mask leaves it free
            assert len(np.unique(made[~masks[:, y, x], y, x], axis=0)) == 1


@OWN
@given(sources(), EXACT, st.integers(0, 9))
def test_every_scufo_frame_is_its_scuba_frame(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, Source], layout: str, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("b")
    scuba = built(folder, found, layout, per_video=1)
    build_scufo(scuba.folder, seed=seed, out=folder / "scufo", run=QUIET)
    scufo = read_benchmark(folder / "scufo")
    assert [r.id for r in scufo.rows] == [r.partner_id for r in scufo.rows] == [r.id for r in scuba.rows]
    for row in scufo.rows:
        moving, still = stacked(scuba, scuba.by_id[row.partner_id]), stacked(scufo, row)
        assert row.still_frame is not None and still.shape == moving.shape
        assert (still == moving[row.still_frame]).all()


@OWN
@given(sources(), EXACT, st.sampled_from(["behind", "front"]), st.sampled_from(["random", "keep"]))
def test_conflfg_differs_from_its_scuba_only_inside_the_donors_mask(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, Source], layout: str, order: str, place: str
) -> None:
    folder = tmp_path_factory.mktemp("b")
    scuba = built(folder, found, layout, per_video=1)
    report = build_conflfg(
        scuba.folder, out=folder / "c", run=QUIET, order=order, place=place, max_covered=1.0, min_visible=0.0
    )
    assert report.benchmark is not None and len(report.benchmark.rows) == 2
    for row in report.benchmark.rows:
        before, after = stacked(scuba, scuba.by_id[row.partner_id]), stacked(report.benchmark, row)
        donor, k = scuba.by_id[row.donor_id], row.donor_frame
        assert k is not None and donor.label == row.donor_label != row.label
        dx, dy = map(int, row.donor_shift.split())
        assert place == "random" or (dx, dy) == (0, 0)
        mask, image = (shifted(a, dx, dy) for a in (found[donor.source_id].masks[k], stacked(scuba, donor)[k]))
        assert mask.sum() == found[donor.source_id].masks[k].sum(), "all of the donor is in the picture"
        allowed = np.broadcast_to(mask, after.shape[:3])
        movers = found[row.source_id].masks
        shown = allowed & ~movers if order == "behind" else allowed
        assert (after[~shown] == before[~shown]).all()
        assert (after[shown] == np.broadcast_to(image, after.shape)[shown]).all()
        # The share is taken over up to 16 frames, here all; a donor behind hides nothing.
        hidden = 0.0 if order == "behind" else (movers & allowed).sum() / movers.sum()
        assert row.covered == round(float(hidden), 6)


def shifted(array: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """An array (H, W, …) moved by dx to the right and dy down, zeros coming in."""
    out = np.zeros_like(array)
    height, width = array.shape[:2]
    rows, columns = np.arange(max(0, dy), min(height, height + dy)), np.arange(max(0, dx), min(width, width + dx))
    out[np.ix_(rows, columns)] = array[np.ix_(rows - dy, columns - dx)]
    return out


def of_sources(
    kind: str, folder: Path, found: dict[str, Source], layout: str, per_video: int, **options: object
) -> tuple[Benchmark, dict[str, np.ndarray]]:
    """A benchmark with one video per source, and the frames of each by source id. It has no problems."""
    scuba = built(folder, found, layout, per_video=per_video)
    build_kind(kind, scuba.folder, out=folder / kind, run=QUIET, **options)
    made = read_benchmark(folder / kind)
    assert [(row.source_id, row.variant) for row in made.rows] == [(name, 0) for name in sorted(found)]
    assert verify(made.folder, progress=False) == []
    return made, {row.source_id: stacked(made, row) for row in made.rows}


@OWN
@given(sources(), EXACT, st.integers(1, 3))
def test_human_only_is_the_source_inside_the_mask_and_one_colour_outside(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, Source], layout: str, per_video: int
) -> None:
    _, frames = of_sources("human-only", tmp_path_factory.mktemp("b"), found, layout, per_video)
    for name, made in frames.items():
        video, masks = found[name]
        assert (made[masks] == video[masks]).all() and (made[~masks] == (123, 116, 103)).all()


@OWN
@given(sources(), EXACT, st.integers(1, 2))
def test_background_only_is_the_source_outside_the_mask(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, Source], layout: str, per_video: int
) -> None:
    made, frames = of_sources("background-only", tmp_path_factory.mktemp("b"), found, layout, per_video)
    for row in made.rows:
        video, masks = found[row.source_id]
        assert (frames[row.source_id][~masks] == video[~masks]).all()
        assert row.covered is not None and (row.covered > 0 or video.shape[0] > 1)


@OWN
@given(sources(), EXACT, st.integers(0, 9))
def test_swap_shows_the_actor_over_the_background_of_another_class(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, Source], layout: str, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("b")
    made, frames = of_sources("swap", folder, found, layout, 1, seed=seed)
    build_kind("background-only", folder / "scuba", out=folder / "filled", run=QUIET)
    filled = read_benchmark(folder / "filled")
    for row in made.rows:
        video, masks = found[row.source_id]
        donor = filled.by_id[row.donor_id]
        assert donor.label == row.donor_label != row.label and row.background == donor.source_id
        dx, dy = map(int, row.donor_shift.split())
        assert (row.width, row.height) == (donor.width, donor.height), "videos of one size are not scaled"
        backgrounds = stacked(filled, donor)[background_frames(row.frames, donor.frames)]
        for image, frame, mask, background in zip(frames[row.source_id], video, masks, backgrounds, strict=True):
            actor = shifted(mask, dx, dy)
            assert (image[actor] == shifted(frame, dx, dy)[actor]).all()
            assert (image[~actor] == background[~actor]).all()


# What a folder of videos and a list say by themselves; the rest of a manifest is known to its builder only.
TOLD = ("id", "file", "label", "class_name", "source_id", "frames", "width", "height", "variant", "partner_id",
        "file_sha256")  # fmt: skip


@OWN
@given(sources(), st.sampled_from(["frames", "zip"]), st.sampled_from(["scuba", "scufo", "shaken"]))
def test_import_after_export_returns_the_same_manifest(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, Source], layout: str, kind: str
) -> None:
    folder = tmp_path_factory.mktemp("b")
    scuba = built(folder, found, "virtual", per_video=1)
    if kind != "scuba":
        build_scufo(scuba.folder, out=folder / kind, run=QUIET, shaken=kind == "shaken")
    source, out = read_benchmark(folder / kind), folder / "exported"
    export(source.folder, out, Layout(layout, 90), progress=False)
    returned = import_published(out, kind, "hmdb51", progress=False).rows
    moved = {"file", "file_sha256"}
    kept = [c for c in COLUMNS if c not in moved]
    assert [[getattr(r, c) for c in kept] for r in returned] == [[getattr(r, c) for c in kept] for r in source.rows]

    # As others publish: without tables and masks.
    for name in ("manifest.csv", "protocol.json", "failures.csv", "SHA256SUMS"):
        (out / name).unlink()
    shutil.rmtree(out / "masks", ignore_errors=True)
    imported = import_published(out, kind, "hmdb51", progress=False)
    assert [[getattr(r, c) for c in TOLD] for r in imported.rows] == [[getattr(r, c) for c in TOLD] for r in returned]
    assert verify(out, progress=False) == []
