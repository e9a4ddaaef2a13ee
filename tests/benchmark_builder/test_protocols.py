"""What a protocol decides: frames without a mask, the treatment of masks, backgrounds, and named protocols."""

import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from small_builds import QUIET, frames_of, scuba
from tiny_videos import moving_square, write_video
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.backgrounds import KINDS, background_source
from benchmark_builder.backgrounds.stripes import published
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import Run, Subset, build_conflfg, build_scuba, build_scufo
from benchmark_builder.kinds.shaken import camera_path, shake
from benchmark_builder.masks.stored import MaskWriter
from benchmark_builder.masks.treatment import MaskSettings, TreatedTrack, require_valid
from benchmark_builder.protocols import Settings, differing, frozen_names, names, protocol_masks, resolve
from benchmark_builder.segment import segment
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.compositing import blend
from benchmark_builder.video.record import Video
from benchmark_builder.video.selection import choose_frames


class Track:
    """Masks held in memory; frames without one are not covered."""

    def __init__(self, masks: list[np.ndarray | None]) -> None:
        self.masks = masks
        self.covered = np.array([m is not None for m in masks])

    def mask(self, index: int) -> np.ndarray:
        found = self.masks[index]
        assert found is not None
        return found


def dot(at: int) -> np.ndarray:
    mask = np.zeros((1, 9), bool)
    mask[0, at] = True
    return mask


def test_unannotated_frames() -> None:
    covered = np.array([0, 1, 0, 0, 0, 1, 1, 0], bool)
    assert choose_frames(covered, "hold", "v") == {1: 1, 2: 1, 3: 1, 4: 5, 5: 5, 6: 6}
    assert choose_frames(covered, "drop", "v") == {1: 1, 5: 5, 6: 6}
    assert choose_frames(covered, "background", "v") == {1: 1, 2: None, 3: None, 4: None, 5: 5, 6: 6}
    with pytest.raises(LeftOut):
        choose_frames(np.zeros(3, bool), "hold", "v")


def test_unannotated_frames_in_a_build(tmp_path: Path) -> None:
    video, masks = moving_square()
    root = tmp_path / "ucf"
    write_video(root / "videos/Archery/v_Archery_g01_c01.mkv", video)
    with MaskWriter(root / "masks/Archery/v_Archery_g01_c01.zip") as writer:
        for k in (1, 2, 5):
            writer.write(k, masks[k])
    expected = {"hold": ("1-5", 5), "drop": ("1-2 5-5", 3), "background": ("1-5", 5)}
    for choice, (ranges, count) in expected.items():
        out = scuba(root, tmp_path / choice, layout="lossless", unannotated=choice)
        row = read_benchmark(out).rows[0]
        assert (row.source_frames, row.frames) == (ranges, count)
        built = frames_of(out, row.id)
        if choice == "background":
            assert (built[2] == built[3]).all(), "two frames without a mask show the same background"
        if choice == "hold":  # frame 4 is nearest to frame 5
            assert (built[3][masks[5]] == video[4][masks[5]]).all()
        if choice == "drop":
            assert (built[2][masks[5]] == video[5][masks[5]]).all()


def test_smoothing_over_time() -> None:
    track = Track([dot(0), dot(1), None, dot(1), dot(2)])
    union = TreatedTrack(track, MaskSettings(smooth=1, smooth_how="union"))
    assert [np.flatnonzero(union.mask(k)).tolist() for k in (0, 1, 3, 4)] == [[0, 1], [0, 1], [1, 2], [1, 2]]
    vote = TreatedTrack(track, MaskSettings(smooth=1))
    assert [np.flatnonzero(vote.mask(k)).tolist() for k in (1, 3)] == [[1], [1]]
    assert union.covered.tolist() == [True, True, False, True, True]


def test_smoothing_does_not_depend_on_the_order_of_asking() -> None:
    track = Track([dot(k % 9) for k in range(20)])
    settings_ = MaskSettings(smooth=2, smooth_how="union")
    forward, backward = TreatedTrack(track, settings_), TreatedTrack(track, settings_)
    ahead = [forward.mask(k) for k in range(20)]
    back = [backward.mask(k) for k in reversed(range(20))][::-1]
    assert all((a == b).all() for a, b in zip(ahead, back, strict=True))


@settings(deadline=None, max_examples=30)
@given(hnp.arrays(np.bool_, (12, 15)), st.integers(1, 4))
def test_dilation_only_grows_and_erosion_only_shrinks(mask: np.ndarray, pixels: int) -> None:
    grown = TreatedTrack(Track([mask]), MaskSettings(dilate=pixels)).mask(0)
    shrunk = TreatedTrack(Track([mask]), MaskSettings(dilate=-pixels)).mask(0)
    assert (grown | mask == grown).all() and (shrunk & mask == shrunk).all()


def test_feather_is_soft_at_the_edge_and_hard_far_from_it() -> None:
    mask = np.zeros((60, 60), bool)
    mask[:, 30:] = True
    image = blend(np.full((60, 60, 3), 200, np.uint8), mask, np.full((60, 60, 3), 100, np.uint8), 2.0)
    assert (image[:, :20] == 100).all() and (image[:, 40:] == 200).all()
    steps = np.diff(image[30, :, 0].astype(int))
    assert (steps >= 0).all() and 0 < steps.max() < 50


def test_validity() -> None:
    track = Track([np.ones((2, 2), bool), dot(0)[:, :4].reshape(2, 2), np.zeros((2, 2), bool)])
    require_valid(track, MaskSettings(min_area=0.25, min_valid=0.6), "v")
    with pytest.raises(LeftOut, match="67% of its masks fill at least 25% of the picture; the protocol requires 70%"):
        require_valid(track, MaskSettings(min_area=0.25, min_valid=0.7), "v")


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"unannotated": "guess"}, "--unannotated"),
        ({"smooth": -1}, "--smooth"),
        ({"smooth_how": "mean"}, "--smooth-how"),
        ({"dilate": 1000}, "--dilate"),
        ({"feather": -1.0}, "--feather"),
        ({"min_area": 2.0}, "--min-area"),
        ({"min_area": 0.1}, "--min-area 0.1: has no effect"),
        ({"min_valid": -0.1}, "--min-valid"),
    ],
)
def test_senseless_settings_are_refused_with_their_flag(change: dict, flag: str) -> None:
    with pytest.raises(BenchError, match=flag):
        MaskSettings(**change)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(("height", "width"), [(24, 32), (33, 17)])
def test_backgrounds_keep_their_contract(tmp_path: Path, kind: str, height: int, width: int) -> None:
    (tmp_path / "grey.png").write_bytes(cv2.imencode(".png", np.full((9, 20), 77, np.uint8))[1].tobytes())
    (tmp_path / "alpha.png").write_bytes(cv2.imencode(".png", np.full((30, 8, 4), 99, np.uint8))[1].tobytes())
    write_video(tmp_path / "picture.mkv", np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8))
    spec = f"{kind}:{tmp_path}" if kind in ("images", "video") else kind
    for fit in ("cover", "stretch"):
        source = background_source(spec, fit)
        image, name, unreadable = source.image(generator(0, "v", "background/0"), height, width)
        again, _, _ = background_source(spec, fit).image(generator(0, "v", "background/0"), height, width)
        assert image.shape == (height, width, 3) and image.dtype == np.uint8 and image.flags["C_CONTIGUOUS"]
        assert (image == again).all() and name and unreadable == ()
        json.dumps(source.describe())


def test_unreadable_pictures_are_told_and_passed_over(folder_of_actions: Callable, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "good.png"), np.full((8, 8, 3), 50, np.uint8))
    for k in range(4):
        (pictures / f"bad{k}.jpg").write_text("not a picture")
    out = scuba(folder_of_actions(), tmp_path / "out", backgrounds=f"images:{pictures}")
    assert {row.background for row in read_benchmark(out).rows} == {"good.png"}
    assert read_benchmark(out).background_set == "pictures"
    listed = (out / "failures.csv").read_text()
    assert "bad" in listed and "unreadable background" in listed


def test_stripes_leave_no_part_empty() -> None:
    source = background_source("stripes")
    for k in range(6):
        image, _, _ = source.image(generator(k, "v", "background/0"), 128, 128)
        for part in (image[:64], image[64:]):
            assert len(np.unique(part.reshape(-1, 3), axis=0)) == 2
        colours = np.unique(image.reshape(-1, 3), axis=0).astype(int)
        assert (np.abs(colours.sum(0) - 255) <= 1).all(), "two complementary colours"


def test_stripes_are_painted_as_published() -> None:
    """Against the published procedure, column by column: the stripe, then its copies upwards and downwards."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        colour, half = rng.uniform(0, 1, 3), rng.uniform(5, 20)
        spacing, amplitude = rng.uniform(3, 5) * half, rng.uniform(10, 110)
        omega = 2 * np.pi / rng.uniform(4, 1004)
        phase, degrees = omega * rng.uniform(-100, 100), rng.uniform(0, 360)
        canvas = np.tile(colour, (384, 384, 1))
        for x in range(384):
            y = amplitude * np.sin(omega * x + phase) + 128
            first, last = int(max(0, y - half)), int(min(255, y + half))
            spans, up, down = [(first, last)], 1, 1
            while int(last - up * spacing) > 0:
                spans.append((max(0, int(first - up * spacing)), int(last - up * spacing)))
                up += 1
            while int(first + down * spacing) < 384:
                spans.append((int(first + down * spacing), min(384, int(last + down * spacing))))
                down += 1
            for above, below in spans:
                canvas[above:below, x] = 1 - colour
        turned = Image.fromarray(np.uint8(canvas * 255)).rotate(degrees, Image.Resampling.NEAREST, expand=True)
        width, height = turned.size
        cut = turned.crop(((width - 256) // 2, (height - 256) // 2, (width + 256) // 2, (height + 256) // 2))
        assert (published(colour, half, spacing, amplitude, omega, phase, degrees) == np.asarray(cut)).all()


@pytest.mark.parametrize("size", [(24, 32), (32, 24), (41, 17), (30, 40)])
def test_stretched_backgrounds_are_pillows_bicubic(tmp_path: Path, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    expected = np.asarray(Image.fromarray(picture).resize(size[::-1]))  # the library's default, as the scripts use it
    for grey in ("keep", "redraw"):
        image, _, _ = background_source(f"images:{tmp_path}", "stretch", grey).image(np.random.default_rng(0), *size)
        assert image.shape == (*size, 3) and (image == expected).all()
    wide = background_source("stripes", "stretch").image(generator(0, "v", "background/0"), *size)[0]
    square = background_source("stripes", "stretch").image(generator(0, "v", "background/0"), 256, 256)[0]
    assert (wide == np.asarray(Image.fromarray(square).resize(size[::-1]))).all()
    names = {background_source("stripes", fit).image(generator(0, "v", "b"), 8, 8)[1] for fit in ("cover", "stretch")}
    assert len(names) == 1, "the same draws, whatever is painted of them"


def test_grey_pictures_are_drawn_again_or_kept(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    grey = Image.fromarray(colours[..., 0])
    flat = Image.fromarray(np.repeat(colours[..., :1], 3, 2))
    taken, passed = tmp_path / "taken", tmp_path / "passed"
    taken.mkdir()
    passed.mkdir()
    opaque = Image.fromarray(colours)
    opaque.save(taken / "rgb.png")
    opaque.save(taken / "rgb.jpg")
    flat.save(taken / "equal channels.png")  # three channels: published as it is
    half = opaque.convert("RGBA")
    half.putalpha(Image.fromarray(colours[..., 1]))
    half.save(taken / "alpha.png")
    opaque.quantize(16).save(taken / "palette.png")
    opaque.convert("CMYK").save(taken / "cmyk.jpg")
    for name in ("l.png", "l.jpg", "l.bmp", "l.tif"):
        grey.save(passed / name)
    grey.convert("LA").save(passed / "la.png")
    grey.convert("1").save(passed / "one bit.png")
    grey.convert("P").save(passed / "grey palette.png")
    Image.fromarray(colours[..., 0].astype(np.uint16) * 200).save(passed / "sixteen bits.png")

    def drawn(folder: Path, how: str) -> set[str]:
        source, rng = background_source(f"images:{folder}", "stretch", how), np.random.default_rng(0)
        found = [source.image(rng, 6, 6) for _ in range(150)]
        assert all(image.shape == (6, 6, 3) and unreadable == () for image, _, unreadable in found)
        return {name for _, name, _ in found}

    assert drawn(taken, "redraw") == {p.name for p in taken.iterdir()}
    assert drawn(passed, "keep") == {p.name for p in passed.iterdir()}
    with pytest.raises(BenchError, match="all grey or unreadable; use other pictures, or --grey keep"):
        drawn(passed, "redraw")
    for path in passed.iterdir():
        path.rename(tmp_path / path.name)
    assert drawn(tmp_path, "redraw") == {f"taken/{p.name}" for p in taken.iterdir()}
    alpha, _, _ = background_source(f"images:{_only(taken, 'alpha.png')}", "cover", "redraw").image(
        np.random.default_rng(0), 9, 7
    )
    assert (alpha == colours).all(), "transparency is dropped, not blended"
    with pytest.raises(BenchError, match="--grey maybe: choose from keep, redraw"):
        background_source("stripes", "cover", "maybe")


def _only(folder: Path, name: str) -> Path:
    """A folder with one of the files alone."""
    alone = folder / "alone"
    alone.mkdir()
    shutil.copyfile(folder / name, alone / name)
    return alone


def test_camera_path_is_smooth_and_within_its_amplitude() -> None:
    path = camera_path(generator(0, "v", "shake"), 120, 30.0)
    assert path.shape == (120, 4) and np.abs(path).max() <= 1
    # 1.2 Hz at most: a step of 1/30 s changes a unit sinusoid by no more than 2·pi·1.2/30.
    assert np.abs(np.diff(path, axis=0)).max() <= 2 * np.pi * 1.2 / 30
    still = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    views = list(shake(still, 0.1, generator(0, "v", "shake"), 5, 30.0))
    assert len(views) == 5 and all(v.shape == still.shape and v.dtype == np.uint8 for v in views)


def test_named_protocols_are_whole_and_say_what_was_changed() -> None:
    assert names() == ["albar-bench-2026.1", "default", "stillmix", "ucf101-updated"]
    assert frozen_names() == ["albar-bench-2026.1"]
    for name in names()[1:]:
        for dataset in ("synthactions", "ucf101", "hmdb51", "kinetics400", "jhmdb", "folder"):
            found, said = resolve(name, dataset, {"per_video": None})
            assert isinstance(found, Settings) and said == {"name": name, "version": 3, "changed": {}}
            assert found.mask_settings.smooth == found.smooth
    published, _ = resolve("stillmix", "ucf101", {})
    assert (published.actors, published.unannotated, published.fit, published.jpeg_quality) == (
        "first", "background", "stretch", 75,
    )  # fmt: skip
    found, said = resolve("default", "ucf101", {"per_video": 2, "fit": "cover"})
    assert found.per_video == 2 and said["changed"] == {"per_video": {"protocol": 5, "here": 2}}
    assert differing(said) == "differs from protocol default: per_video=2 (protocol: 5)"
    with pytest.raises(BenchError, match=r"2026\.1, default, stillmix"):
        resolve("mine", "ucf101", {})
    assert set(MaskSettings.setting_names()) <= set(Settings.setting_names())


def test_a_protocol_stands_in_protocol_json(folder_of_actions: Callable, tmp_path: Path) -> None:
    out = scuba(folder_of_actions(), tmp_path / "out", protocol="stillmix")
    protocol = json.loads((out / "protocol.json").read_text())
    changed = protocol["protocol"].pop("changed")
    assert protocol["protocol"] == {"name": "stillmix", "version": 3}
    assert changed == {
        "masks": {"protocol": "ucf101-v2", "here": "stored"},  # kinds: a path differs between machines
        "per_video": {"protocol": 5, "here": 2},
        "actors": {"protocol": "first", "here": None},  # stored masks that do not say what they were made from
    }
    assert protocol["layout"] == "frames" and protocol["mask_settings"]["unannotated"] == "background"


BOXES = {f"{c}/v_{c}_g{k:02d}_c01": c for c in ("Archery", "Basketball") for k in (1, 2)}


def two_tubes(path: Path) -> str:
    """UCF101-24's file with two overlapping tubes in each video; the spec of it as --masks."""
    tubes = [
        {"label": 0, "sf": 0, "ef": 8, "boxes": np.full((8, 4), box)} for box in ([40, 40, 80, 80], [160, 40, 80, 80])
    ]
    path.write_bytes(pickle.dumps({i: {"numf": 8, "label": 0, "annotations": tubes} for i in BOXES}, protocol=2))
    return f"ucf101-24:{path}"


ONE, BOTH = 80 * 80 / (320 * 240), 2 * 80 * 80 / (320 * 240)  # of the picture, as BOXES are on 320x240


@pytest.mark.parametrize(
    ("masks", "own", "covered", "actors"),
    [
        ("{}", {}, ONE, "as the protocol"),
        ("{}", {"actors": "all"}, BOTH, "all"),
        ("boxes:{}", {}, ONE, "as the protocol"),
        ("stored:first", {}, ONE, "as the protocol"),
        ("stored:all", {}, BOTH, "all"),
        ("truth", {}, None, None),
    ],
)
def test_a_protocol_sets_what_the_user_does_not_name(
    folder_of_actions: Callable, tmp_path: Path, masks: str, own: dict, covered: float | None, actors: str | None
) -> None:
    """`--protocol stillmix --masks …`: its actors=first holds for every source that can tell actors apart."""
    root, file = folder_of_actions(1, 8, 24, 32), two_tubes(tmp_path / "boxes.pkl")
    if masks.startswith("stored:"):
        segmented = tmp_path / masks[7:]
        segment("ucf101", root, "all", masks=file, options={"actors": masks[7:]}, out=segmented, run=QUIET)
        file, masks = f"stored:{segmented}", "{}"
    said: list[str] = []
    made = build_scuba(
        "ucf101", root, "all", protocol="stillmix", masks=masks.format(file), per_video=1, out=tmp_path / "out",
        run=Run(1, False, said.append), **own,
    ).benchmark  # fmt: skip
    assert made is not None
    if covered is not None:
        assert {row.mask_coverage for row in made.rows} == {round(covered, 6)}
    changed = made.protocol.protocol.changes
    if actors == "as the protocol":
        assert "actors" not in changed and not any("actors" in line for line in said)
    else:
        assert changed["actors"] == {"protocol": "first", "here": actors}
        assert any(f"actors={actors or 'not applied'} (protocol: first)" in line for line in said)
    assert any(line.startswith("differs from protocol stillmix: ") and "masks=" in line for line in said)
    # What is made from it keeps the SCUBA's account, and adds its own.
    build_conflfg(made.folder, out=tmp_path / "c", run=QUIET, order="front")
    derived = read_benchmark(tmp_path / "c").protocol
    assert derived.protocol.changes == changed | {"order": {"protocol": "behind", "here": "front"}}
    assert derived.layout == "frames" and derived.jpeg_quality == 75


def test_a_mask_source_without_a_setting(tmp_path: Path) -> None:
    found, named = resolve("stillmix", "ucf101", {"masks": "motion"})
    protocol_masks(found, named, tmp_path, {"masks"})
    assert named["changed"]["actors"] == {"protocol": "first", "here": None}
    with pytest.raises(BenchError, match="--actors first: --masks motion has no such setting"):
        found, named = resolve("default", "ucf101", {"masks": "motion", "actors": "first"})
        protocol_masks(found, named, tmp_path, {"masks", "actors"})
    found, named = resolve("ucf101-updated", "ucf101", {"masks": "motion"})  # its prompts prompt nothing
    protocol_masks(found, named, tmp_path, {"masks"})
    assert named["changed"]["prompts"] == {"protocol": "ucf101-24", "here": None}


def test_prompts_of_a_protocol_reach_another_prompted_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict = {}

    class Prompted:
        def __init__(self, path: Path, root: Path, prompts: str | None = None, actors: str | None = None) -> None:
            given.update(prompts=prompts, actors=actors)

        def describe(self) -> dict:
            return {"kind": "sam2", "prompts": {"kind": "x"}}

    monkeypatch.setattr("benchmark_builder.masks.networks.sam2", SimpleNamespace(Sam2Masks=Prompted), raising=False)
    monkeypatch.setitem(sys.modules, "benchmark_builder.masks.networks.sam2", SimpleNamespace(Sam2Masks=Prompted))
    for protocol, own, expected in (
        ("ucf101-updated", {}, {"prompts": "ucf101-24", "actors": None}),
        ("stillmix", {"prompts": "ucf101-24"}, {"prompts": "ucf101-24", "actors": "first"}),
        ("stillmix", {"prompts": "motion"}, {"prompts": "motion", "actors": None}),
    ):
        chosen = {"masks": "sam2:weights", **own}
        found, named = resolve(protocol, "ucf101", chosen)
        protocol_masks(found, named, tmp_path, chosen)
        assert given == expected
        assert ("actors" in named["changed"]) == (own.get("prompts") == "motion")


def test_settings_given_with_scuba_hold_for_what_is_made_from_it(folder_of_actions: Callable, tmp_path: Path) -> None:
    made = scuba(folder_of_actions(1), tmp_path / "scuba", order="front", shake=0.2, jpeg_quality=60)
    build_conflfg(made, out=tmp_path / "c", run=QUIET)
    build_scufo(made, out=tmp_path / "s", run=QUIET, shaken=True, shake=0.08)
    first, second = (read_benchmark(tmp_path / name).protocol for name in "cs")
    assert first.conflfg is not None and first.conflfg.order == first.protocol.changes["order"]["here"] == "front"
    assert second.shake == 0.08 and "shake" not in second.protocol.changes, "as the protocol has it again"
    assert second.jpeg_quality == 60
    with pytest.raises(BenchError, match="--per-video: was settled when"):
        build_scufo(made, out=tmp_path / "t", run=QUIET, per_video=3)


def test_what_scuba_was_not_built_with_is_refused_of_what_is_made_from_it(
    folder_of_actions: Callable, tmp_path: Path
) -> None:
    made, run = scuba(folder_of_actions(1), tmp_path / "scuba"), CliRunner()
    command = ["build", "scufo", "--from", str(made), "--out", str(tmp_path / "s"), "--workers", "1"]
    for option in (["--protocol", "stillmix"], ["--masks", "motion"], ["--per-video", "3"], ["--dilate", "2"]):
        done = run.invoke(app, [*command, *option])
        assert done.exit_code != 0 and option[0] in str(done.exception) and not (tmp_path / "s").exists()
    done = run.invoke(app, [*command, "--protocol", "default", "--masks", "stored:anywhere", "--per-video", "2"])
    assert done.exit_code == 0, done.output


def test_another_protocol_or_version_is_another_build(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(1)
    out = scuba(root, tmp_path / "out")
    with pytest.raises(BenchError, match=r"other settings \(mask_settings\.dilate: 0, now 2\)"):
        scuba(root, out, dilate=2)
    protocol = json.loads((out / "protocol.json").read_text())
    protocol["protocol"] = {"name": "default", "changed": ["masks", "per_video"]}  # as version 1 wrote it
    (out / "protocol.json").write_text(json.dumps(protocol))
    with pytest.raises(BenchError, match=r"other settings \(version of the protocol: 1, now 3\)"):
        scuba(root, out)
    build_scufo(out, out=tmp_path / "s", run=QUIET)
    derived = read_benchmark(tmp_path / "s").protocol
    assert derived.protocol.plain() == {"name": "default", "version": 3, "changed": {"masks": {}, "per_video": {}}}


def test_published_backgrounds_of_every_kind_are_the_published_protocol() -> None:
    for backgrounds, differs in (("stripes", False), ("images:places365/test_256", False), ("noise", True)):
        assert ("backgrounds" in resolve("stillmix", "ucf101", {"backgrounds": backgrounds})[1]["changed"]) == differs


def test_shards_and_parts_make_the_whole(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=3)
    whole = {r.id: r for r in read_benchmark(scuba(root, tmp_path / "whole")).rows}
    parts: dict = {}
    for k in (1, 2):
        out = scuba(root, tmp_path / f"shard{k}", subset=Subset(shard=f"{k}/2"))
        rows = {r.id: r for r in read_benchmark(out).rows}
        assert not rows.keys() & parts.keys()
        parts |= rows
    assert parts == whole
    only = read_benchmark(scuba(root, tmp_path / "only", subset=Subset(only=("Archery/",)))).rows
    assert {r.id: r for r in only} == {i: r for i, r in whole.items() if r.class_name == "Archery"}
    # A part can be completed in its own folder.
    grown = scuba(root, tmp_path / "only")
    assert {r.id: r for r in read_benchmark(grown).rows} == whole


def test_parts_of_what_is_made_from_a_whole_are_the_wholes(folder_of_actions: Callable, tmp_path: Path) -> None:
    """Also ConflFG's, whose donors are drawn among all of SCUBA, not among the part."""
    source = scuba(folder_of_actions(per_class=3), tmp_path / "scuba")
    for name, build in (("conflfg", build_conflfg), ("scufo", build_scufo)):
        build(source, out=tmp_path / name, run=QUIET)
        whole = {r.id: r for r in read_benchmark(tmp_path / name).rows}
        parts: dict = {}
        for k in (1, 2):
            out = tmp_path / f"{name}{k}"
            build(source, out=out, run=QUIET, subset=Subset(shard=f"{k}/2"))
            assert len(read_benchmark(out).rows) == 6, "both variants of three of the six sources"
            parts |= {r.id: r for r in read_benchmark(out).rows}
        assert parts == whole
        build(source, out=tmp_path / f"{name}-one", run=QUIET, subset=Subset(only=("Archery/",), limit=1))
        assert {r.source_id for r in read_benchmark(tmp_path / f"{name}-one").rows} == {"Archery/v_Archery_g01_c01"}


def test_conflfg_from_a_part_says_that_its_donors_are_of_it(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, said = folder_of_actions(), list[str]()
    part = scuba(root, tmp_path / "part", subset=Subset(shard="1/2"))
    build_conflfg(part, out=tmp_path / "conflfg", run=Run(1, False, said.append))
    assert any("a part of ucf101" in line and "--from" in line for line in said)
    said.clear()
    build_conflfg(scuba(root, part), out=tmp_path / "whole", run=Run(1, False, said.append))
    assert not any("a part of" in line for line in said)


def test_protocol_says_which_parts_a_folder_holds(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, out = folder_of_actions(), tmp_path / "out"

    def held(**part: object) -> object:
        return read_benchmark(scuba(root, out, subset=Subset(**part))).protocol.plain()["subset"]  # type: ignore[arg-type]

    first, second = ({"limit": None, "only": [], "shard": f"{k}/2"} for k in (1, 2))
    assert held(shard="1/2") == held(shard="1/2") == [first]
    one = {"limit": None, "only": ["Archery/v_Archery_g01"], "shard": None}
    assert held(only=("Archery/v_Archery_g01",)) == [first, one]
    assert held(shard="2/2") is None, "all shards are the whole"
    assert held(limit=1) is None, "a part of what is there whole takes nothing away"
    assert read_benchmark(scuba(root, tmp_path / "other", subset=Subset(shard="2/2"))).protocol.plain()["subset"] == [
        second
    ]
    assert read_benchmark(scuba(root, tmp_path / "other")).protocol.plain()["subset"] is None


def test_missing_videos_are_those_of_the_part(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions(per_class=1)
    (root / "ucfTrainTestlist").mkdir()
    names = [f"{c}/v_{c}_g{k:02d}_c01.avi" for c in ("Archery", "Basketball") for k in (1, 9)]
    (root / "ucfTrainTestlist" / "testlist01.txt").write_text("\n".join(names) + "\n")
    masks = f"stored:{root / 'masks'}"
    report = build_scuba(
        "ucf101", root, "test", masks=masks, out=tmp_path / "out", run=QUIET, subset=Subset(only=("Archery/",))
    )
    assert [f["id"] for f in report.left_out] == ["Archery/v_Archery_g09_c01"]


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_shards_that_are_none(shard: str) -> None:
    videos = [Video(f"a/{k}", Path("x"), 0, "a", "all", "folder") for k in range(3)]
    with pytest.raises(BenchError, match="--shard"):
        Subset(shard=shard).of(videos)
    with pytest.raises(BenchError, match="--only b"):
        Subset(only=("b",)).of(videos)


def test_per_video_must_be_one_or_more(folder_of_actions: Callable, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--per-video 0"):
        build_scuba("ucf101", folder_of_actions(), "all", per_video=0, out=tmp_path / "out", run=QUIET)
