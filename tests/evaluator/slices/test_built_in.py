"""The built-in sources of slices, on small files in the official formats."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_builds import QUIET
from small_scores import refused
from small_slices import made
from tiny_videos import make_actions, write_video

from benchmark_builder.builders import build_scuba
from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.synthactions.looks import CLOTHING
from benchmark_builder.synthactions.render import clip_facts
from benchmark_builder.synthactions.scenery import SCENERY
from benchmark_builder.synthactions.settings import SynthSettings
from benchmark_builder.utils.files import write_csv
from evaluator.parts import SLICES
from evaluator.records import Slices
from evaluator.score import score
from evaluator.slices.classes import read as read_classes
from evaluator.slices.measured import camera_speed, parts_of
from evaluator.slices.table import Request, read_slices
from evaluator.testsets import TestSet, benchmark_set
from manifests import resource

# Videos of one class ("jump" of ucf101, by name) with one variant each.
RIGHT = {
    f"hug/{name}": [outcome] for name, outcome in (("a_hug_1", 1), ("b#(x)_hug_2", 1), ("c_hug_3", 0), ("d_hug_4", 0))
}


def found(
    tmp_path: Path, word: str | Path, right: dict[str, list[int]] = RIGHT, dataset: str = "ucf101", **options: Any
) -> dict[str, Slices]:
    files = made(tmp_path / "bench", right, dataset=dataset)
    return {s.attribute: s for s in score([files[0]], [files[1]], slices=str(word), **options).record.slices}


def percents(s: Slices, figure: str = "avg_scuba") -> dict[str, float]:
    return {name: s.figures[figure].groups[name].percent for name in s.groups}


def people(folder: Path) -> Path:
    """A file like PA-HMDB51's; the videos show frames 0 to 9."""
    blank = {"face": [], "gender": [], "nudity": [], "relationship": [], "skin_color": [], "note": "", "review": True}
    videos = {
        # overlapping ranges of one value count once: 1 holds in 0..5 (6 frames), 2 in 6..9 and beyond
        "a_hug_1.avi": {**blank, "face": [[0, 4, 1], [3, 5, 1], [6, 90, 2]], "gender": [[0, 3, 1], [4, 9, [2, 1]]]},
        "b#(x)_hug_2.avi": {**blank, "face": [[0, 9, 2]], "skin_color": [[0, 9, 3]], "review": False},
        "c_hug_3.avi": {**blank, "face": [[20, 30, 0]], "skin_color": [[0, 9, 1]], "gender": [[5, 2, 1]]},
        "gone_hug_9.avi": {**blank, "face": [[0, 9, 0]]},
    }
    (folder / "PrivacyAttributes").mkdir(parents=True)
    (folder / "PrivacyAttributes" / "hug.json").write_text(json.dumps(videos))
    return folder


def test_pa_hmdb51(tmp_path: Path) -> None:
    got = found(tmp_path, f"pa-hmdb51:{people(tmp_path / 'pa')}", dataset="hmdb51")
    assert list(got) == ["skin tone", "gender", "face", "nudity", "relationship", "reviewed labels"]
    assert percents(got["face"]) == {"partly visible": 100.0, "fully visible": 100.0}
    assert percents(got["gender"]) == {"male and female": 100.0}
    assert percents(got["skin tone"]) == {"white": 0.0, "black": 100.0}  # in the order of the codes
    assert percents(got["reviewed labels"]) == {"no": 100.0, "yes": 50.0}
    # 20..30 is in none of the frames shown; the video d has no entry; gone is no video; 5..2 is no range.
    assert got["face"].unlabelled.first == ["hug/c_hug_3", "hug/d_hug_4"]
    assert got["face"].unknown.first == ["hug/gone_hug_9.avi"]
    assert got["gender"].unknown.first == ["hug/c_hug_3.avi"]
    for name in ("skin tone", "gender", "face", "nudity", "relationship"):
        assert "non-commercial research" in got[name].notice and "what annotators saw" in got[name].notice
    assert got["nudity"].figures == {} and got["nudity"].unlabelled.count == 4


def test_pa_hmdb51_that_is_none(tmp_path: Path) -> None:
    assert "pa-hmdb51:FOLDER" in refused(lambda: found(tmp_path, f"pa-hmdb51:{tmp_path / 'none'}"))
    (tmp_path / "pa").mkdir()
    assert "contains no JSON file" in refused(lambda: found(tmp_path, f"pa-hmdb51:{tmp_path / 'pa'}"))
    (tmp_path / "pa" / "hug.json").write_text("[1]")
    assert "hug.json: not a file of PA-HMDB51" in refused(lambda: found(tmp_path, f"pa-hmdb51:{tmp_path / 'pa'}"))


def test_ranges_of_another_dataset_are_compared_by_length(tmp_path: Path) -> None:
    """JHMDB's clips were cut from HMDB51's videos, so frame numbers differ: the whole video decides."""
    folder = people(tmp_path / "pa")
    got = found(tmp_path, f"pa-hmdb51:{folder}", dataset="jhmdb")
    assert got["face"].unlabelled.first == ["hug/d_hug_4"]
    assert percents(got["face"]) == {"invisible": 0.0, "fully visible": 100.0}


def test_mimetics(tmp_path: Path) -> None:
    right = {"-x_000001_000004": [1], "b_y_000002_000003": [0]}
    (tmp_path / "flags.txt").write_text(
        "#video  \tobject \tscene \tmime \n-x_000001_000004.mp4 \tno \tyes \tno \nb_y_000002_000003.mp4\tno\tno\tyes\n"
    )
    got = found(tmp_path, f"mimetics:{tmp_path / 'flags.txt'}", right)
    assert {name: percents(s) for name, s in got.items()} == {
        "object present": {"no": 50.0}, "scene present": {"no": 0.0, "yes": 100.0}, "mimed": {"no": 100.0, "yes": 0.0},
    }  # fmt: skip
    (tmp_path / "flags.txt").write_text("a.mp4 no maybe yes\n")
    assert "flags.txt, line 1" in refused(lambda: found(tmp_path, f"mimetics:{tmp_path / 'flags.txt'}", right))


def test_the_lists_of_temporal_and_static_classes_are_kinetics_classes(tmp_path: Path) -> None:
    rows = resource("class_groups", "temporal-static.csv").read_text(encoding="utf-8").splitlines()[1:]
    names = [row.rsplit(",", 1)[0] for row in rows]
    assert len(set(names)) == 64 and set(names) <= set(shipped_classes("kinetics400"))
    assert [row.rsplit(",", 1)[1] for row in rows] == ["temporal"] * 32 + ["static"] * 32
    assert "no test video of ucf101 is of one of its classes" in refused(lambda: found(tmp_path, "temporal-static"))


def test_groups_of_classes(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("class,group\nJump,legs\nwave,arms\nno such,legs\n")
    (got,) = found(tmp_path, f"classes:{tmp_path / 'mine.csv'}").values()
    assert (got.attribute, percents(got), got.unknown.first) == ("mine", {"legs": 50.0}, ["no such"])
    (tmp_path / "mine.csv").write_text("class,group\njump,legs\njump,arms\n")
    assert "line 3: class 'jump' is in two groups" in refused(
        lambda: found(tmp_path, f"classes:{tmp_path / 'mine.csv'}")
    )
    assert "needs a csv file" in refused(lambda: read_classes(Request("classes", None, [])))


def numbered(count: int) -> dict[str, list[int]]:
    return {f"jump/v{k:02d}": [int(k >= count // 2)] for k in range(count)}


def test_numbers_are_divided_into_groups_of_equal_size(tmp_path: Path) -> None:
    rows = "".join(f"v{k:02d},speed,{k / 4}\n" for k in range(8))
    (tmp_path / "n.csv").write_text(f"id,attribute,value\n{rows}zz,speed,99\n")
    (got,) = found(tmp_path, f"quantiles:{tmp_path / 'n.csv'}", numbered(8), quantiles=2).values()
    assert percents(got) == {"1 of 2: 0 to 0.75": 0.0, "2 of 2: 1 to 1.75": 100.0}
    assert got.unknown.first == ["zz"]  # and its number does not move the groups
    (tmp_path / "n.csv").write_text("id,attribute,value\nv00,speed,fast\n")
    assert "line 2: 'fast' is no number" in refused(
        lambda: found(tmp_path, f"quantiles:{tmp_path / 'n.csv'}", numbered(8))
    )


def test_scene_distance_by_hand(tmp_path: Path) -> None:
    """Unit vectors at angles: the distance is 1 minus the cosine to the nearest of two training videos."""
    angles = np.radians([0.0, 10.0, 50.0, 80.0])
    features = 3 * np.stack([np.cos(angles), np.sin(angles)], 1)
    ids = np.array([f"v{k:02d}.avi" for k in range(4)])
    train = np.array([[1.0, 0.0], [0.0, -1.0]])
    np.savez(tmp_path / "f.npz", ids=ids, features=features, train=train)
    (got,) = found(tmp_path, f"scene-distance:{tmp_path / 'f.npz'}", numbered(4), quantiles=2).values()
    near, far = ((1 - np.cos(angles[:2])).mean(), (1 - np.cos(angles[2:])).mean())
    assert percents(got) == {f"1 of 2 (nearest): mean {near:.3f}": 0.0, f"2 of 2 (farthest): mean {far:.3f}": 100.0}
    # the same from distances
    rows = "".join(f"{i},{float(1 - np.cos(a))!r}\n" for i, a in zip(ids, angles.tolist(), strict=True))
    (tmp_path / "d.csv").write_text(f"id,distance\n{rows}")
    (again,) = found(tmp_path, f"scene-distance:{tmp_path / 'd.csv'}", numbered(4), quantiles=2).values()
    assert again.groups == got.groups


def test_a_distance_below_0_is_refused_with_its_line(tmp_path: Path) -> None:
    word = f"scene-distance:{tmp_path / 'd.csv'}"
    (tmp_path / "d.csv").write_text("id,distance\nv00,0.5\nv01,-0.25\n")
    said = refused(lambda: found(tmp_path, word, numbered(4)))
    assert "d.csv, line 3: the distance of 'v01' is -0.25, below 0" in said
    # The rounding of float32 features is 0.
    (tmp_path / "d.csv").write_text("id,distance\nv00,-1.2e-07\nv01,0.5\nv02,0.5\nv03,0.5\n")
    (got,) = found(tmp_path, word, numbered(4), quantiles=4).values()
    assert any("(nearest): mean 0.000" in name for name in got.groups)


def test_features_that_are_none(tmp_path: Path) -> None:
    def refuses(**arrays: Any) -> str:
        np.savez(tmp_path / "f.npz", **arrays)
        return refused(lambda: found(tmp_path, f"scene-distance:{tmp_path / 'f.npz'}", numbered(4)))

    good = {"ids": np.array(["v00"]), "features": np.ones((1, 2)), "train": np.ones((3, 2))}
    assert "train" in refuses(**{**good, "train": np.ones((3, 4))})
    assert "not finite" in refuses(**{**good, "features": np.full((1, 2), np.nan)})
    assert "cannot be read" in refuses(**{**good, "ids": np.array([{"a": 1}], object)})  # a pickle
    assert "f.npz" in refuses(ids=good["ids"])
    (tmp_path / "f.npz").write_bytes(b"no zip")
    assert "f.npz" in refused(lambda: found(tmp_path, f"scene-distance:{tmp_path / 'f.npz'}", numbered(4)))


def test_mask_area(tmp_path: Path) -> None:
    coverage = {f"jump/v{k:02d}": k / 10 for k in range(4)}
    files = made(tmp_path / "bench", numbered(4), coverage=coverage)
    (got,) = score([files[0]], [files[1]], slices="mask-area", quantiles=2).record.slices
    assert percents(got) == {"1 of 2: 0 to 10 %": 0.0, "2 of 2: 20 to 30 %": 100.0}
    assert "takes nothing after the colon" in refused(lambda: score([files[0]], [files[1]], slices="mask-area:x"))


def test_the_gap_of_a_network_that_reads_clothing_is_found_on_synthactions(tmp_path: Path) -> None:
    """Right in 90 % where clothing agrees with the class, in 30 % where it does not; scenery does not matter."""
    facts = [clip_facts(SynthSettings(), "test_unbiased", k) for k in range(1200)]
    write_csv(tmp_path / "facts.csv", list(facts[0].row()), [f.row() for f in facts])
    agrees = {f.id: f.clothing == tuple(CLOTHING)[f.label] for f in facts}
    seen = {True: 0, False: 0}
    right = {}
    for i, own in agrees.items():  # exactly these shares, not drawn
        tenths = 9 if own else 3
        right[i] = [int(seen[own] * tenths % 10 < tenths)]
        seen[own] += 1
    got = found(tmp_path, f"synthactions:{tmp_path}", right)
    clothing, scenery = got["clothing agrees"].figures["avg_scuba"], got["scenery agrees"].figures["avg_scuba"]
    assert {g: v.n for g, v in clothing.groups.items()} == {
        "yes": sum(agrees.values()), "no": len(agrees) - sum(agrees.values()),
    }  # fmt: skip
    assert clothing.gap and scenery.gap and (clothing.gap.largest, clothing.worst) == ("yes", "no")
    assert 50 < clothing.gap.low <= 60 <= clothing.gap.high < 70
    assert scenery.gap.low == 0  # no gap
    (tmp_path / "facts.csv").write_text("id,class,split,scenery,clothing\na,jumping jacks of mine,test,x,y\n")
    assert "is none of synthactions" in refused(lambda: found(tmp_path, f"synthactions:{tmp_path}", right))


@pytest.mark.parametrize(("split", "gap"), [("test", 45), ("test_unbiased", 0)])
def test_the_planted_gap_between_skins_is_found_on_synthactions(tmp_path: Path, split: str, gap: int) -> None:
    """A network that answers the class of the scenery is right in 95 % with light skin and in 50 % with dark skin."""
    settings = SynthSettings(bias=0.95, skin_bias=0.5)
    facts = [clip_facts(settings, split, k) for k in range(600)]
    write_csv(tmp_path / "facts.csv", list(facts[0].row()), [f.row() for f in facts])
    right = {f.id: [int(SCENERY.index(f.scenery) == f.label)] for f in facts}
    skin = found(tmp_path, f"synthactions:{tmp_path}", right)["skin"]
    figure = skin.figures["avg_scuba"]
    assert skin.groups == ["light", "dark"] and not skin.notice and figure.gap is not None
    assert figure.gap.low <= gap <= figure.gap.high < gap + 20
    assert (figure.gap.low > 20 and figure.worst == "dark") if gap else figure.gap.low == 0


def test_parts_of_a_mask() -> None:
    mask = np.zeros((20, 30), bool)
    assert parts_of(mask) == 0
    mask[2:12, 2:12] = mask[2:12, 15:25] = True
    mask[15, 0:4] = True  # 4 of 100 pixels: no actor
    assert parts_of(mask) == 2
    mask[15, 0:5] = True
    assert parts_of(mask) == 3


def test_camera_speed_is_that_of_the_background(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scene = np.repeat(np.repeat(rng.integers(0, 256, (40, 70, 3), np.uint8), 4, 0), 4, 1)  # corners to track
    still = np.stack([scene[:120, :160]] * 6)
    pan = np.stack([scene[:120, 4 * k : 4 * k + 160] for k in range(6)])  # 4 of 160 pixels per frame
    write_video(tmp_path / "still.mkv", still)
    write_video(tmp_path / "pan.mkv", pan)
    assert camera_speed(tmp_path / "still.mkv") == 0
    assert camera_speed(tmp_path / "pan.mkv") == pytest.approx(2.5, abs=0.1)  # trackers are right to 0.1 pixel
    # Of a longer video every second pair is kept, and so on; the speed stays per frame.
    assert camera_speed(tmp_path / "pan.mkv", pairs=1) == pytest.approx(2.5, abs=0.1)
    write_video(tmp_path / "one.mkv", still[:1])
    assert "has one frame" in refused(lambda: camera_speed(tmp_path / "one.mkv"))


@pytest.mark.parametrize("name", SLICES.shipped)
def test_every_built_in_source_can_be_imported_and_names_its_option_when_it_has_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "none"))
    s: list[TestSet] = [benchmark_set(made(tmp_path / "bench", RIGHT, coverage=dict.fromkeys(RIGHT))[1])]
    assert "--slices" in refused(lambda: read_slices([name], s))


def test_actors_and_camera_of_a_built_benchmark(tmp_path: Path) -> None:
    root = make_actions(tmp_path / "ucf", per_class=1, frames=3)
    masks = sorted((root / "masks").rglob("*.zip"))
    two = np.zeros((3, 32, 48), bool)
    two[:, 4:14, 4:14] = two[:, 4:14, 30:40] = True
    write_masks(masks[0], two)  # of Archery; Basketball has one actor
    out = tmp_path / "scuba"
    build_scuba("ucf101", root, masks=f"stored:{root / 'masks'}", per_video=2, layout="virtual", out=out, run=QUIET)
    s = benchmark_set(out)
    actors, camera = read_slices(["actors", "camera-motion"], [s])
    assert {i: v[0].value for i, v in actors.segments.items()} == {
        "Archery/v_Archery_g01_c01": "2", "Basketball/v_Basketball_g01_c01": "1",
    }  # fmt: skip
    assert set(camera.segments) == set(actors.segments) and camera.name == "camera motion"
    # A video that is gone costs that video alone.
    next((root / "videos").rglob("*Archery*.mkv")).unlink()
    (camera,) = read_slices(["camera-motion"], [s])
    assert [i for i, _ in camera.unusable] == ["Archery/v_Archery_g01_c01"]
    assert set(camera.segments) == {"Basketball/v_Basketball_g01_c01"}


def mine(request: Request) -> list[int]:
    return [len(request.sets)]


def test_a_source_of_ones_own_must_return_attributes(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_TRUST", "")
        message = refused(lambda: read_slices([f"{__name__}:mine"], []))
    assert "returned no list of attributes" in message
