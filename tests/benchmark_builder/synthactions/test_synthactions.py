"""synthactions: a still says nothing about the class, its motion says all; files are whole, equal and resumable."""

import hashlib
import json
import math
from functools import cache
from pathlib import Path

import filelock
import numpy as np
import pytest

from benchmark_builder.datasets import read_dataset
from benchmark_builder.datasets.synthactions import WHERE
from benchmark_builder.masks import mask_source
from benchmark_builder.synthactions import (
    CLASSES,
    SPLITS,
    SynthSettings,
    motions,
    render,
    render_clip,
    render_dataset,
    rendering,
)
from benchmark_builder.synthactions.actor import draw_actor
from benchmark_builder.synthactions.looks import CLOTHING, SKIN_GROUPS, draw_look
from benchmark_builder.synthactions.scenery import SCENERY, draw_scenery, pan
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames

SMALL = SynthSettings(size=32, frames=6, train=10, test=9)
PROBED = SynthSettings()  # the default: 48 pixels, 16 frames at 12 fps
FITTED, SCORED = 1600, 800  # videos a probe learns from, and is scored on
LABELS = np.arange(FITTED + SCORED) % len(CLASSES)


def share_bound(share: float, count: int, deviations: float = 4.0) -> float:
    """How far a share of ``count`` independent draws may lie from its expectation: 4 binomial deviations, p < 1e-4."""
    return deviations * math.sqrt(share * (1 - share) / count)


def digests(root: Path) -> dict[str, str]:
    files = (p for p in root.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthactions") / "data"
    render_dataset(root, SMALL, progress=False)
    return root


# --- a still frame does not give the class away ----------------------------------------------------------------------


@pytest.mark.parametrize("frame", [0, 7, 15])
def test_still_poses_have_one_distribution_in_every_class(frame: int) -> None:
    """Every phase, and every sum and difference of two, is uniform on the circle (Rayleigh's test)."""
    draws, names = 400, len(motions.PHASES)
    first, second = np.triu_indices(names, 1)
    worst = 0.0
    for name in CLASSES:
        rng = generator(0, name, "phases")
        phase = np.array([motions.phases(name, 16, 12.0, rng)[frame] for _ in range(draws)])
        angles = np.hstack([phase, phase[:, first] - phase[:, second], phase[:, first] + phase[:, second]])
        worst = max(worst, float((draws * np.abs(np.exp(1j * angles).mean(axis=0)) ** 2).max()))
    # n R^2 is exponential with mean 1 under uniformity; at most 1e-4 for all the tests of this frame together.
    tests = len(CLASSES) * (names + 2 * len(first))
    assert worst < math.log(tests / 1e-4)


@cache
def _poses() -> tuple[np.ndarray, np.ndarray]:
    """Joints of all videos, (N, 8, 30), 8 frames at stride 2; a silhouette of a random frame of each, (N, 48 * 48)."""
    poses, stills = [], []
    for index in range(FITTED + SCORED):
        facts = render.clip_facts(PROBED, "test_unbiased", index)
        points, units = render.clip_points(PROBED, facts)
        poses.append(points[::2].reshape(8, -1) / PROBED.size)
        still = int(generator(1, facts.id, "still").integers(PROBED.frames))
        look = draw_look("plain", generator(1, facts.id, "look"))
        stills.append(draw_actor(points[still], PROBED.size, PROBED.size, float(units[still]), look)[1].ravel())
    return np.array(poses), np.array(stills)


def nearest(features: np.ndarray) -> float:
    """Share right of a 5-nearest-neighbour probe."""
    known, asked = features[:FITTED].astype(float), features[FITTED:].astype(float)
    distance = (known**2).sum(1) - 2 * asked @ known.T
    votes = LABELS[np.argsort(distance, axis=1)[:, :5]]
    counts = (votes[:, :, None] == np.arange(len(CLASSES))).sum(1)
    return float((counts.argmax(1) == LABELS[FITTED:]).mean())


def ridge(features: np.ndarray, labels: np.ndarray = LABELS) -> float:
    """Share right of a ridge-regression probe; the first two thirds of the rows are fitted, the others scored."""
    fitted = len(features) * FITTED // (FITTED + SCORED)
    known = features[:fitted]
    scaled = (features - known.mean(0)) / (known.std(0) + 1e-9)
    scaled = np.hstack([scaled, np.ones((len(scaled), 1))])
    known, targets = scaled[:fitted], np.eye(labels.max() + 1)[labels[:fitted]]
    weights = np.linalg.solve(known.T @ known + 10 * np.eye(known.shape[1]), known.T @ targets)
    return float(((scaled[fitted:] @ weights).argmax(1) == labels[fitted:]).mean())


def with_products(features: np.ndarray) -> np.ndarray:
    i, j = np.triu_indices(features.shape[1])
    return np.hstack([features, features[:, i] * features[:, j]])


@pytest.mark.parametrize("probe", ["silhouette, neighbours", "pose, neighbours", "pose, linear", "pose, quadratic"])
def test_a_probe_on_single_stills_is_at_chance(probe: str) -> None:
    poses, stills = _poses()
    one = poses[:, 3]
    share = {
        "silhouette, neighbours": lambda: nearest(stills),
        "pose, neighbours": lambda: nearest(one),
        "pose, linear": lambda: ridge(one),
        "pose, quadratic": lambda: ridge(with_products(one)),
    }[probe]()
    chance = 1 / len(CLASSES)
    assert share < chance + share_bound(chance, SCORED)


def movement(poses: np.ndarray) -> np.ndarray:
    """Of poses (N, T, 30): how far every joint moves in x and y between frames, and the signed area it sweeps."""
    steps = np.diff(poses, axis=1)
    centred = (poses - poses.mean(axis=1, keepdims=True)).reshape(*poses.shape[:2], -1, 2)
    before, after = centred[:, :-1], centred[:, 1:]
    area = (before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]).mean(axis=1)
    return np.hstack([np.abs(steps).mean(axis=1), area])


def test_a_probe_on_the_sequence_of_poses_names_the_class() -> None:
    share = ridge(movement(_poses()[0]))
    # What a still leaves at 1/8; measured: 1.0.
    assert share > 0.95


def test_mirrored_phases_are_mirrored_poses() -> None:
    phase = generator(0, "mirror", "phases").uniform(0, 2 * np.pi, (20, len(motions.PHASES)))
    other_side = {"l": "r", "r": "l"}

    def swapped(names: tuple[str, ...]) -> list[int]:
        partner = (n[:-1] + other_side[n[-1]] if n[-2:] in ("_l", "_r") else n for n in names)
        return [names.index(n) for n in partner]

    mirrored = phase[:, swapped(motions.PHASES)]
    mirrored[:, [motions.PHASES.index("trunk"), motions.PHASES.index("side")]] *= -1
    points, size = motions.skeleton(phase)
    mirrored_points, mirrored_size = motions.skeleton(mirrored)
    np.testing.assert_allclose(mirrored_points, points[:, swapped(motions.POINTS)] * np.array([-1.0, 1.0]), atol=1e-12)
    np.testing.assert_array_equal(mirrored_size, size)


def test_bones_keep_their_length() -> None:
    phase = generator(0, "bones", "phases").uniform(0, 2 * np.pi, (50, len(motions.PHASES)))
    stacked, size = motions.skeleton(phase)
    points = dict(zip(motions.POINTS, stacked.transpose(1, 0, 2), strict=True))
    for side in "lr":
        for start, end, length in (
            ("shoulder", "elbow", motions.UPPER_ARM), ("elbow", "hand", motions.FOREARM),
            ("hip", "knee", motions.THIGH), ("knee", "foot", motions.SHIN),
        ):  # fmt: skip
            bone = points[f"{end}_{side}"] - points[f"{start}_{side}"]
            np.testing.assert_allclose(np.linalg.norm(bone, axis=1), length * size, atol=1e-12)


# --- scenery and clothing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "own"), [("train", 0.8), ("test", 0.8), ("test_unbiased", 1 / 8)])
def test_scenery_and_clothing_follow_the_class_as_often_as_asked(split: str, own: float) -> None:
    count = 4000
    facts = [render.clip_facts(SynthSettings(bias=0.8), split, k) for k in range(count)]
    scenery = np.array([SCENERY.index(f.scenery) - f.label for f in facts]) % len(SCENERY)
    clothing = np.array([tuple(CLOTHING).index(f.clothing) - f.label for f in facts]) % len(CLOTHING)
    for drawn in (scenery, clothing):
        assert abs((drawn == 0).mean() - own) < share_bound(own, count)
        for other in range(1, 8):
            expected = (1 - own) / 7
            assert abs((drawn == other).mean() - expected) < share_bound(expected, count)
    # Independently: both are the class's own as often as the product says.
    assert abs(((scenery == 0) & (clothing == 0)).mean() - own**2) < share_bound(own**2, count)


def test_there_is_a_scenery_and_a_clothing_for_every_class() -> None:
    assert len(SCENERY) == len(CLOTHING) == len(CLASSES) >= 8


@pytest.mark.parametrize("kind", SCENERY)
def test_scenery_varies_within_its_kind_and_is_reproducible(kind: str) -> None:
    one, again, other = (draw_scenery(kind, 40, 56, generator(0, name, "scenery")) for name in ("a", "a", "b"))
    assert one.shape == (40, 56, 3) and one.dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert one.std() > 1  # it is a texture, not a blank wall


# --- one video -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "width"), [(48, 0), (31, 45), (60, 32), (240, 0)])
@pytest.mark.parametrize("index", range(len(CLASSES)))
def test_outside_of_the_mask_is_still_scenery_and_inside_is_the_actor(size: int, width: int, index: int) -> None:
    settings = SynthSettings(size=size, width=width, frames=4)
    frames, masks, facts = render_clip(settings, "test_unbiased", index)
    assert frames.shape == (4, size, width or size, 3) and frames.dtype == np.uint8
    assert masks.shape == frames.shape[:3] and masks.dtype == bool
    scenery = draw_scenery(facts.scenery, size, width or size, generator(settings.seed, facts.id, "scenery"))
    for frame, mask in zip(frames, masks, strict=True):
        np.testing.assert_array_equal(frame[~mask], scenery[~mask])
        # An actor's pixel may by chance have the colour behind it, but not many do.
        assert (frame[mask] != scenery[mask]).any(axis=1).mean() > 0.95
        # A figure, not a speck and not the whole picture.
        assert 0.04 < mask.sum() / min(size, width or size) ** 2 < 0.4
    assert (masks[0] != masks[-1]).any()


@pytest.mark.parametrize("index", range(4))
def test_a_camera_that_moves_shows_one_scenery_and_the_same_actor(index: int) -> None:
    settings = SynthSettings(size=40, width=52, frames=8, pan=0.45, fps=12)  # 1.5 pixels per frame
    frames, masks, facts = render_clip(settings, "test", index)
    still, same, _ = render_clip(settings.replaced(pan=0), "test", index)
    np.testing.assert_array_equal(masks, same)
    np.testing.assert_array_equal(frames[masks], still[masks])
    step = settings.pan * 40 / settings.fps
    places = pan(40, 52, 8, step, generator(0, facts.id, "scenery/pan"))
    moved = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert (moved <= step + math.sqrt(2)).all() and moved.sum() > 0  # rounding moves each of two corners by up to half
    reach = places.max(axis=0) - places.min(axis=0)
    whole = draw_scenery(facts.scenery, 40, 52, generator(0, facts.id, "scenery"), tuple(reach.tolist()))
    for frame, mask, (top, left) in zip(frames, masks, places - places.min(axis=0), strict=True):
        np.testing.assert_array_equal(frame[~mask], whole[top : top + 40, left : left + 52][~mask])


def test_the_path_of_the_camera_is_straight_returns_and_is_in_every_direction() -> None:
    ends = []
    for k in range(200):
        places = pan(48, 64, 300, 2.0, generator(0, str(k), "pan"))
        assert places.min() >= 0 and np.linalg.norm(places.max(axis=0) - places.min(axis=0)) <= 48 + 2
        ends.append(places[10] - places[0])
    signs = np.sign(np.array(ends)) > 0
    for share in (signs.mean(axis=0)[0], signs.mean(axis=0)[1], (signs[:, 0] == signs[:, 1]).mean()):
        assert abs(share - 0.5) < share_bound(0.5, 200) + 0.05  # a few are along an axis, and move in one way only


def test_actors_with_dark_skin_have_a_bias_of_their_own() -> None:
    count, settings = 4000, SynthSettings(bias=0.9, skin_bias=0.4)
    facts = [render.clip_facts(settings, "test", k) for k in range(count)]
    dark = np.array([f.skin == "dark" for f in facts])
    labels = np.array([f.label for f in facts])
    assert abs(dark.mean() - 0.5) < share_bound(0.5, count)
    for label in range(8):  # independent of the class
        assert abs(dark[labels == label].mean() - 0.5) < share_bound(0.5, count // 8)
    for kinds, drawn in ((SCENERY, "scenery"), (tuple(CLOTHING), "clothing")):
        agrees = np.array([kinds.index(getattr(f, drawn)) == f.label for f in facts])
        for group, share in ((~dark, 0.9), (dark, 0.4)):
            assert abs(agrees[group].mean() - share) < share_bound(share, int(group.sum()))
    # Light skin has what the same seed gives without groups.
    alone = [render.clip_facts(settings.replaced(skin_bias=None), "test", k) for k in range(40)]
    assert all(a.scenery == f.scenery and not a.skin for a, f in zip(alone, facts, strict=False) if f.skin == "light")


def test_skin_is_drawn_as_recorded_and_nothing_else_changes() -> None:
    settings = SynthSettings(size=240, frames=2, skin_bias=0.95)
    for index in range(6):
        frames, masks, facts = render_clip(settings, "test", index)
        plain, same, _ = render_clip(settings.replaced(skin_bias=None), "test", index)
        np.testing.assert_array_equal(masks, same)
        np.testing.assert_array_equal(frames[~masks], plain[~masks])
        colours = {tuple(c) for c in frames[0][masks[0]].tolist()}
        shown = {group for group, tones in SKIN_GROUPS.items() if colours & set(tones)}
        assert shown == {facts.skin}


def test_a_video_depends_on_its_own_settings_only() -> None:
    frames, masks, facts = render_clip(SMALL, "train", 5)
    again, masks_again, facts_again = render_clip(SMALL.replaced(train=2000, test=3), "train", 5)
    np.testing.assert_array_equal(frames, again)
    np.testing.assert_array_equal(masks, masks_again)
    assert facts == facts_again and facts.label == 5 and facts.class_name == CLASSES[5]
    other, _, _ = render_clip(SMALL.replaced(seed=1), "train", 5)
    assert (frames != other).any()


@pytest.mark.parametrize(
    ("wrong", "flag"),
    [
        ({"size": 8}, "--size"), ({"width": 5}, "--width"), ({"frames": 1}, "--frames"), ({"fps": 0.0}, "--fps"),
        ({"fps": math.nan}, "--fps"), ({"train": -1}, "--train"), ({"test": -1}, "--test"), ({"bias": 0.1}, "--bias"),
        ({"bias": 1.1}, "--bias"), ({"bias": math.nan}, "--bias"), ({"train": 0, "test": 0}, "--train"),
        ({"pan": -1}, "--pan"), ({"pan": math.inf}, "--pan"), ({"skin_bias": 0.1}, "--skin-bias"),
    ],
)  # fmt: skip
def test_senseless_settings_are_refused_by_name(wrong: dict, flag: str) -> None:
    with pytest.raises(BenchError, match=flag) as error:
        SynthSettings(**wrong)
    assert "\n" not in str(error.value)


# --- the dataset on disk ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "count"), [("train", 10), ("test", 9), ("test_unbiased", 9), ("all", 28), ("auto", 9)]
)
def test_the_reader_lists_every_split(rendered: Path, split: str, count: int) -> None:
    listing = read_dataset("synthactions", rendered, split)
    assert len(listing.videos) == count and not listing.missing
    assert listing.classes == list(CLASSES)
    assert listing.split == {"all": "all", "auto": "test1"}.get(split, f"{split}1")
    for video in listing.videos:
        assert video.path.is_file() and video.dataset == "synthactions"
        assert CLASSES[video.label] == video.class_name == video.id.split("/")[0]
        assert video.split in SPLITS and (split not in SPLITS or video.split == split)
    assert [v.id for v in listing.videos] == sorted(v.id for v in listing.videos)


def test_files_hold_what_was_drawn(rendered: Path) -> None:
    listing = read_dataset("synthactions", rendered, "test")
    source = mask_source("truth", rendered)
    luma = np.array([0.299, 0.587, 0.114])
    for video in listing.videos[:4]:
        index = int(video.id.rsplit("_", 1)[1])
        drawn, masks, _ = render_clip(SMALL, "test", index)
        stored = np.array(list(read_frames(video.path)))
        assert stored.shape == drawn.shape
        error = ((stored @ luma - drawn @ luma) ** 2).mean()
        # H.264 at CRF 10 keeps luma near 50 dB on real clips; saturated colours in 4:2:0 cost a part of it.
        assert 10 * math.log10(255**2 / error) > 30
        track = source.track(video, SMALL.size, SMALL.size)
        assert track.covered.all() and len(track.covered) == SMALL.frames
        for k in range(SMALL.frames):
            np.testing.assert_array_equal(track.mask(k), masks[k])


def test_lists_and_facts_have_the_official_form(rendered: Path) -> None:
    splits = rendered / "splits"
    assert (splits / "classInd.txt").read_text().splitlines()[1] == f"2 {CLASSES[1]}"
    assert (splits / "trainlist01.txt").read_text().splitlines()[8] == f"{CLASSES[0]}/train_000008.mp4 1"
    assert (splits / "testlist01.txt").read_text().splitlines()[1] == f"{CLASSES[1]}/test_000001.mp4"
    lines = (rendered / "facts.csv").read_text().splitlines()
    assert lines[0] == "id,label,class,split,scenery,clothing" and len(lines) == 1 + 28
    facts = render.clip_facts(SMALL, "train", 9)
    assert f"{facts.id},1,{CLASSES[1]},train,{facts.scenery},{facts.clothing}" in lines


def test_the_default_record_is_that_of_earlier_versions_and_later_settings_are_told_apart(tmp_path: Path) -> None:
    tiny = SMALL.replaced(train=1, test=1, frames=2)
    render_dataset(tmp_path / "d", tiny, progress=False)
    assert set(render.read_record(tmp_path / "d")["settings"]) == {
        "size", "width", "frames", "fps", "train", "test", "bias", "seed",
    }  # fmt: skip
    with pytest.raises(BenchError, match=r"skin_bias None, not 0\.5; pan 0\.0, not 0\.2"):
        render_dataset(tmp_path / "d", tiny.replaced(pan=0.2, skin_bias=0.5), progress=False)
    render_dataset(tmp_path / "e", tiny.replaced(pan=0.2, skin_bias=0.5), progress=False)
    assert render.read_record(tmp_path / "e")["settings"]["pan"] == 0.2
    assert (tmp_path / "e" / "facts.csv").read_text().splitlines()[0].endswith(",clothing,skin")
    with pytest.raises(BenchError, match=r"skin_bias 0\.5, not None; pan 0\.2, not 0\.0"):
        render_dataset(tmp_path / "e", tiny, progress=False)


@pytest.mark.usefixtures("quick_workers")
def test_workers_and_counts_do_not_change_a_byte(rendered: Path, tmp_path: Path) -> None:
    render_dataset(tmp_path / "two", SMALL, workers=2, progress=False)
    assert digests(tmp_path / "two") == digests(rendered)
    render_dataset(tmp_path / "fewer", SMALL.replaced(train=3, test=2), progress=False)
    whole = digests(rendered)
    fewer = {k: v for k, v in digests(tmp_path / "fewer").items() if k.split("/")[0] in ("videos", "masks")}
    assert len(fewer) == 2 * (3 + 2 + 2)
    assert all(whole[name] == digest for name, digest in fewer.items())


def test_an_interrupted_render_is_refused_and_then_resumed(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    draw, drawn = render.render_clip, []

    def dies_at_the_fifth(settings: SynthSettings, split: str, index: int):
        if len(drawn) == 4:
            raise KeyboardInterrupt
        drawn.append((split, index))
        return draw(settings, split, index)

    monkeypatch.setattr(render, "render_clip", dies_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        render_dataset(root, SMALL, progress=False)
    with pytest.raises(BenchError, match="bench data render"):
        read_dataset("synthactions", root)
    with pytest.raises(BenchError, match="frames 6, not 7"):
        render_dataset(root, SMALL.replaced(frames=7), progress=False)
    begun = root / rendering.BEGUN
    mine = json.loads(begun.read_text())
    for encoder, said in (({}, "an earlier version of this toolkit"), ({"encoder": "PyAV 1.2.3"}, r"PyAV 1\.2\.3")):
        begun.write_text(json.dumps({k: v for k, v in mine.items() if k != "encoder"} | encoder))
        with pytest.raises(BenchError, match=f"an unfinished render by {said}, this is PyAV .*, whose files differ"):
            render_dataset(root, SMALL, progress=False)
    begun.write_text(json.dumps(mine))

    (root / "videos" / CLASSES[0] / ".tmp-left.mp4").write_bytes(b"half")
    kept = {p: p.stat().st_mtime_ns for p in (root / "videos").rglob("train_*.mp4")}
    assert len(kept) == 4
    monkeypatch.setattr(render, "render_clip", draw)
    render_dataset(root, SMALL, progress=False)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert not list(root.rglob(".tmp-*"))
    assert digests(root) == digests(rendered)


def test_a_second_run_does_only_what_is_missing(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    render_dataset(root, SMALL, progress=False)
    (root / "masks" / CLASSES[2] / "train_000002.zip").unlink()
    draw, drawn = render.render_clip, []

    def noted(settings: SynthSettings, split: str, index: int):
        drawn.append((split, index))
        return draw(settings, split, index)

    monkeypatch.setattr(render, "render_clip", noted)
    render_dataset(root, SMALL, progress=False)
    assert drawn == [("train", 2)]
    assert digests(root) == digests(rendered)


def test_other_settings_and_other_folders_are_refused(rendered: Path, tmp_path: Path) -> None:
    before = digests(rendered)
    with pytest.raises(BenchError, match=r"bias 0.95, not 0.5.*--out"):
        render_dataset(rendered, SMALL.replaced(bias=0.5), progress=False)
    assert digests(rendered) == before
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(BenchError, match="no render of synthactions"):
        render_dataset(tmp_path, SMALL, progress=False)
    # A training of one's own data without --dataset: nothing is made there, and the error says what to add.
    with pytest.raises(BenchError, match=r"it holds thesis.tex.*--dataset folder for your own videos"):
        render.render_if_missing(tmp_path, pytest.fail)
    with pytest.raises(BenchError, match="--workers"):
        render_dataset(tmp_path / "new", SMALL, workers=0, progress=False)


def test_two_renders_into_one_folder_are_refused(tmp_path: Path) -> None:
    with (
        filelock.FileLock(tmp_path / ".rendering.lock"),
        pytest.raises(BenchError, match="another render is at work"),
    ):
        render_dataset(tmp_path, SMALL, progress=False)


def test_a_file_in_the_way_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="--out") as error:
        render_dataset(tmp_path / "file", SMALL, progress=False)
    assert "\n" not in str(error.value)


def test_the_reader_refuses_what_it_cannot_list(rendered: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="bench data render"):
        read_dataset("synthactions", tmp_path / "absent")
    assert "bench data render" in WHERE
    with pytest.raises(BenchError, match="--split val"):
        read_dataset("synthactions", rendered, "val")
    with pytest.raises(BenchError, match="--fold 2"):
        read_dataset("synthactions", rendered, "test", 2)

    root = tmp_path / "data"
    render_dataset(root, SMALL.replaced(train=2, test=2), progress=False)
    (root / "videos" / CLASSES[1] / "test_000001.mp4").unlink()
    listing = read_dataset("synthactions", root, "test")
    assert listing.missing == (f"{CLASSES[1]}/test_000001",) and len(listing.videos) == 1
    for damage in ("Juggle/test_000000.mp4\n", f"{CLASSES[0]}/../../../etc/passwd.mp4\n", "\x00\n"):
        (root / "splits" / "testlist01.txt").write_text(damage)
        with pytest.raises(BenchError):
            read_dataset("synthactions", root, "test")
