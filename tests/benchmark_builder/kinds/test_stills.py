"""Stills show enough of the actor to be recognised: SCUFO's, the shaken one's, and ConflFG's donors."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_builds import QUIET
from tiny_videos import write_video
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import import_published
from benchmark_builder.benchmark.manifest import Benchmark, read_benchmark
from benchmark_builder.benchmark.stats import mask_areas_of
from benchmark_builder.builders import build_conflfg, build_scuba, build_scufo
from benchmark_builder.kinds.conflfg import ConflfgMaker, ConflfgSettings
from benchmark_builder.kinds.stills import draw_still, few_stills, mask_areas, may_be_still
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file

# Sides of the square mask on each frame. The median area of those above 0 is 64: a still needs 32, a side of 6.
STEADY = [8] * 20
SPECKS = [8] * 10 + [2] * 9 + [0]
FEW = [8] * 5 + [2] * 2 + [0] * 13
SHORT = [8, 8, 2, 8]


def videos(root: Path, sides: dict[str, list[int]]) -> Path:
    """A dataset of videos 32x24 by name, CLASS/NAME; each frame's mask is a square of the given side."""
    for number, (name, lengths) in enumerate(sides.items()):
        video = np.random.default_rng(number).integers(0, 256, (len(lengths), 24, 32, 3), np.uint8)
        masks = np.zeros((len(lengths), 24, 32), bool)
        for k, side in enumerate(lengths):
            masks[k, 4 : 4 + side, 5 : 5 + side] = True
        write_video(root / f"videos/{name}.mkv", video)
        write_masks(root / f"masks/{name}.zip", masks)
    return root


def built(folder: Path, sides: dict[str, list[int]], **options: object) -> Benchmark:
    root = videos(folder / "ucf", sides)
    made = build_scuba(
        "ucf101", root, "all", masks=f"stored:{root / 'masks'}", out=folder / "scuba", run=QUIET,
        **{"per_video": 2, "layout": "virtual", **options},
    ).benchmark  # fmt: skip
    assert made is not None
    return made


@pytest.fixture(scope="module")
def unsteady(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """SCUBA of videos whose masks come and go."""
    names = ("Archery/v_Archery_g01_c01", "Archery/v_Archery_g02_c01", "Biking/v_Biking_g01_c01",
             "Biking/v_Biking_g02_c01")  # fmt: skip
    return built(tmp_path_factory.mktemp("u"), dict(zip(names, (STEADY, SPECKS, FEW, SHORT), strict=True)))


def failures(folder: Path) -> list[tuple[str, str, str]]:
    with open(folder / "failures.csv", newline="") as handle:
        return [(r["id"], r["kind"], r["reason"]) for r in csv.DictReader(handle)]


def test_the_median_is_over_frames_with_a_mask() -> None:
    areas = np.array([0, 0, 0, 0, 100, 100, 49, 50, 1])  # median of the five above 0: 50; of all: 1
    assert np.flatnonzero(may_be_still(areas, 0.5)).tolist() == [4, 5, 6, 7]
    assert np.flatnonzero(may_be_still(areas, 0)).tolist() == [4, 5, 6, 7, 8], "any mask, as published"
    assert np.flatnonzero(may_be_still(areas, 1)).tolist() == [4, 5, 7]
    assert not may_be_still(np.zeros(4, int), 0.5).any()
    assert may_be_still(np.array([100, 55]), 0.55 / 0.775).all(), "the least area itself is enough"


def test_no_still_is_of_a_frame_with_almost_no_mask(unsteady: Benchmark) -> None:
    for row in unsteady.rows:
        areas, allowed = mask_areas(unsteady, row), may_be_still(mask_areas(unsteady, row), 0.5)
        drawn = {draw_still(unsteady, row, seed, 0.5) for seed in range(200)}
        assert drawn == set(np.flatnonzero(allowed).tolist()) and all(areas[k] >= 32 for k in drawn)
        published = {draw_still(unsteady, row, seed, 0.0) for seed in range(200)}
        assert published == set(np.flatnonzero(areas).tolist())


@pytest.mark.parametrize(("protocol", "least"), [("default", 0.5), ("stillmix", 0.0)])
def test_builds_draw_by_their_protocol_and_verify(
    unsteady: Benchmark, tmp_path: Path, protocol: str, least: float
) -> None:
    scuba = tmp_path / "scuba"
    shutil.copytree(unsteady.folder, scuba)
    record = json.loads((scuba / "protocol.json").read_text())
    record["protocol"]["name"] = protocol
    (scuba / "protocol.json").write_text(json.dumps(record))
    build_scufo(scuba, out=tmp_path / "scufo", run=QUIET)
    build_scufo(scuba, out=tmp_path / "shaken", run=QUIET, shaken=True)
    build_conflfg(scuba, out=tmp_path / "conflfg", run=QUIET)
    kinds = {kind: read_benchmark(tmp_path / kind) for kind in ("scufo", "shaken", "conflfg")}
    for kind, made in kinds.items():
        assert verify(made.folder, progress=False) == [], kind
        table = made.protocol.conflfg if kind == "conflfg" else made.protocol
        assert table is not None and table.still_area == least
    stills, shaken = ({r.id: r.still_frame for r in kinds[kind].rows} for kind in ("scufo", "shaken"))
    assert stills == shaken
    for kind, what in (("scufo", "stills"), ("conflfg", "donors")):
        areas = mask_areas_of(kinds[kind])
        assert areas is not None and areas.what == what and len(areas.relative) == 8
        assert (areas.relative >= least).all() and (areas.share > 0).all()


def test_older_builds_verify_by_their_own_rule(unsteady: Benchmark, tmp_path: Path) -> None:
    """Version 1 drew from any frame with a mask, and did not say so."""
    build_scufo(unsteady.folder, out=tmp_path / "scufo", run=QUIET, still_area=0.0)
    build_conflfg(unsteady.folder, out=tmp_path / "conflfg", run=QUIET, still_area=0.0)
    for kind in ("scufo", "conflfg"):
        assert verify(tmp_path / kind, progress=False) == []

    def rewrite(folder: Path, change: Callable[[dict], object]) -> list[str]:
        protocol = json.loads((folder / "protocol.json").read_text())
        change(protocol)
        (folder / "protocol.json").write_text(json.dumps(protocol))
        names = ("failures.csv", "manifest.csv", "protocol.json")
        (folder / "SHA256SUMS").write_text("".join(f"{sha256_file(folder / n)}  {n}\n" for n in names))
        return verify(folder, progress=False)

    assert rewrite(tmp_path / "scufo", lambda p: p.pop("still_area")) == []
    wrong = rewrite(tmp_path / "scufo", lambda p: p.update(still_area=0.5))
    assert wrong and all("is not the one that its seed gives" in w for w in wrong)
    wrong = rewrite(tmp_path / "conflfg", lambda p: p["conflfg"].update(still_area=0.5))
    assert wrong and all("its seed gives" in w for w in wrong)


# What version 1 drew from the videos below, seed 1: read from a benchmark that it built.
STILLS_1 = [4, 8, 9, 0, 8, 2, 9, 9]
DONORS_1 = [
    ("Biking/v_Biking_g01_c01__1", 2, (8, 8)), ("Basketball/v_Basketball_g02_c01__1", 2, (-15, 7)),
    ("Biking/v_Biking_g02_c01__0", 0, (-11, 0)), ("Biking/v_Biking_g02_c01__1", 6, (2, -2)),
    ("Archery/v_Archery_g01_c01__0", 10, (-2, -5)), ("Archery/v_Archery_g02_c01__1", 8, (6, 7)),
    ("Archery/v_Archery_g02_c01__1", 2, (-4, 11)), ("Biking/v_Biking_g01_c01__1", 2, (4, 10)),
]  # fmt: skip


def test_version_1_is_drawn_as_it_was(tmp_path: Path) -> None:
    root, rng = tmp_path / "ucf", np.random.default_rng(5)
    for name, (height, width) in {"Archery": (24, 32), "Basketball": (32, 24), "Biking": (24, 34)}.items():
        for k in range(2):
            masks = np.zeros((12, height, width), bool)
            for t in range(12):
                if t % 4 != 3:
                    masks[t, 6 : 12 + (t % 3), 13 + k : 17 + k + t // 3] = True
            stem = f"{name}/v_{name}_g{k + 1:02d}_c01"
            write_video(root / f"videos/{stem}.mkv", rng.integers(0, 256, (12, height, width, 3), np.uint8))
            write_masks(root / f"masks/{stem}.zip", masks)
    scuba = build_scuba(
        "ucf101", root, "all", masks=f"stored:{root / 'masks'}", per_video=2, out=tmp_path / "s", run=QUIET
    ).benchmark
    assert scuba is not None
    assert [draw_still(scuba, row, 1, 0.0) for row in scuba.rows[:8]] == STILLS_1
    maker = ConflfgMaker(scuba.folder, scuba, 0, ConflfgSettings.recorded({}), Layout())
    drawn = [maker.choose(row, scuba.masks(row), list(range(12)))[0] for row in scuba.rows[:8]]
    assert [(d.row.id, d.frame, d.shift) for d in drawn] == DONORS_1


@pytest.mark.usefixtures("quick_workers")
def test_videos_with_few_frames_for_a_still_are_listed_once(unsteady: Benchmark, tmp_path: Path) -> None:
    build_scufo(unsteady.folder, out=tmp_path / "scufo", run=QUIET)
    few = ("Biking/v_Biking_g01_c01", "few stills")
    [note] = failures(tmp_path / "scufo")  # SHORT is not listed: it cannot have ten
    assert note[:2] == few and note[2].startswith("only 5 of 20 frames have at least 50 % of the median mask")
    build_conflfg(unsteady.folder, out=tmp_path / "conflfg", run=QUIET, seed=3)
    donors = {r.donor_id.rpartition("__")[0] for r in read_benchmark(tmp_path / "conflfg").rows}
    assert "Biking/v_Biking_g01_c01" in donors, "the seed draws it"
    assert [note[:2] for note in failures(tmp_path / "conflfg")] == [few]
    row = next(r for r in unsteady.rows if r.source_id == "Biking/v_Biking_g02_c01")
    assert few_stills(unsteady, row, 1.0) == [] and few_stills(unsteady, row, 0.0) == []
    screen = CliRunner().invoke(app, ["build", "scufo", "--from", str(unsteady.folder), "--out", str(tmp_path / "s")])
    assert screen.exit_code == 0 and "few stills: Biking/v_Biking_g01_c01: only 5 of 20" in screen.output


def test_imported_benchmarks_have_no_masks_and_any_frame_is_drawn(tmp_path: Path) -> None:
    for k in range(2):
        folder = tmp_path / "p" / f"v_Archery_g0{k + 1}_c01__0"
        folder.mkdir(parents=True)
        for t in range(12):
            Image.new("RGB", (16, 16), (20 * t, 9, k)).save(folder / f"frame{t + 1:06d}.jpg")
    (tmp_path / "p/list.txt").write_text("".join(f"v_Archery_g0{k}_c01__0 12 2\n" for k in (1, 2)))
    imported = import_published(tmp_path / "p", "scuba", "ucf101", progress=False)
    said: list[str] = []
    build_scufo(imported.folder, out=tmp_path / "s", run=type(QUIET)(1, False, said.append))
    made = read_benchmark(tmp_path / "s")
    assert (
        len(made.rows) == 2
        and made.protocol.has("still_area")
        and made.protocol.still_area is None
        and failures(made.folder) == []
    )
    assert verify(made.folder, progress=False) == []
    assert {draw_still(imported, imported.rows[0], seed, 0.5) for seed in range(100)} == set(range(12))


def test_senseless_shares_are_refused(unsteady: Benchmark, tmp_path: Path) -> None:
    for build in (build_scufo, build_conflfg):
        for share in (-0.1, 1.5, float("nan")):
            with pytest.raises(BenchError, match=r"--still-area .*: give a share from 0 to 1"):
                build(unsteady.folder, out=tmp_path / "x", run=QUIET, still_area=share)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("full", "listed"), [(0, False), (1, True), (20, True)])
def test_a_mask_of_the_whole_picture_is_noted(tmp_path: Path, full: int, listed: bool) -> None:
    root = videos(tmp_path / "ucf", {"Archery/v_Archery_g01_c01": [8] * 20})
    pictures = tmp_path / "png/Archery/v_Archery_g01_c01"
    pictures.mkdir(parents=True)
    for k in range(20):  # the mask is in the alpha, which is not read; the colours are white throughout
        picture = np.full((24, 32, 4), 255, np.uint8)
        picture[:, :, 3] = 0
        if k >= full:
            picture[8:, :, :3] = 0
        picture[0, 0, :3] = 0
        Image.fromarray(picture).save(pictures / f"{k:05d}.png")
    out = tmp_path / "out"
    build_scuba("ucf101", root, "all", masks=f"folder:{tmp_path / 'png'}", per_video=2, out=out, run=QUIET)
    said = f"the mask covers the whole picture on {full} of 20 frames"
    assert [(k, r.startswith(said)) for _, k, r in failures(out)] == [("full mask", True)] * listed


def test_stats_show_what_stills_show(unsteady: Benchmark, tmp_path: Path) -> None:
    build_scufo(unsteady.folder, out=tmp_path / "scufo", run=QUIET, still_area=0.0, seed=1)
    run = CliRunner()
    for folder, says in ((tmp_path / "scufo", "stills"), (unsteady.folder, "frames")):
        found = mask_areas_of(read_benchmark(folder))
        assert found is not None
        done = run.invoke(app, ["stats", str(folder), "--out", str(tmp_path / "s.svg")])
        assert done.exit_code == 0, done.output
        below = int((found.relative < 0.5).sum())
        assert below and f"{below} of {len(found.relative)} {says} have less than half of their video's" in done.output
        assert f"mask area as a share of the picture: least {100 * found.share.min():.1f} %" in done.output
    assert "1 source has fewer than 10 frames" in done.output
    shutil.move(tmp_path / "scufo", tmp_path / "far" / "scufo")
    record = json.loads((tmp_path / "far/scufo/protocol.json").read_text())
    record["paths"] = {}
    (tmp_path / "far/scufo/protocol.json").write_text(json.dumps(record))
    done = run.invoke(app, ["stats", str(tmp_path / "far/scufo"), "--out", str(tmp_path / "t.pdf")])
    assert done.exit_code == 0 and "it is unknown how much" in done.output
    assert (tmp_path / "t.pdf").read_bytes()[:4] == b"%PDF"
    done = run.invoke(app, ["stats", str(tmp_path / "nothing"), "--out", str(tmp_path / "t.bmp")])
    assert done.exit_code != 0 and "cannot be written as .bmp" in str(done.exception)
