"""synthlong: timelines, pixels and annotations agree; training looks mislead; files are equal and resumable."""

import hashlib
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from commands import bench, error_of

from benchmark_builder.synthactions.looks import CLOTHING
from benchmark_builder.synthactions.motions import CLASSES, PHASES, displacement
from benchmark_builder.synthactions.scenery import SCENERY
from benchmark_builder.synthlong import ANOMALIES, NORMALS, SynthLongSettings, long_facts, render_long, render_synthlong
from benchmark_builder.synthlong import render as renderer
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames

SMALL = SynthLongSettings(size=24, shortest=6, longest=9, fps=4, train=4, test=5)
USUAL = SynthLongSettings()


def digests(root: Path) -> dict[str, str]:
    files = (p for p in root.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthlong") / "data"
    render_synthlong(root, SMALL, progress=False)
    return root


@pytest.mark.parametrize(
    "settings",
    [USUAL, SMALL, SynthLongSettings(shortest=4, longest=4), SynthLongSettings(shortest=4, longest=5, fps=1),
     SynthLongSettings(shortest=4.9, longest=30, fps=29.97)],
)  # fmt: skip
def test_timelines(settings: SynthLongSettings) -> None:
    for split in ("train", "test"):
        for index in range(60):
            facts = long_facts(settings, split, index)
            assert (facts.stretches[0].start, facts.stretches[-1].end) == (0, facts.frames)
            assert round(settings.shortest * settings.fps) <= facts.frames <= round(settings.longest * settings.fps)
            assert all(a.end == b.start and a.start < a.end for a, b in pairwise([*facts.stretches, facts.stretches[0]])
                       if b is not facts.stretches[0])  # fmt: skip
            assert all(not (a.label and b.label) for a, b in pairwise(facts.stretches)), "idle between actions"
            assert not facts.stretches[0].label and not facts.stretches[-1].label
            assert all(s.end - s.start >= 2 * settings.fps for s in facts.actions)
            if index % 2 == 0:
                assert {s.label for s in facts.anomalies} == {facts.label} and 1 <= len(facts.anomalies) <= 2
            else:
                assert (
                    not facts.anomalies and facts.label == "Normal" and facts.main in {a.label for a in facts.actions}
                )
            for a, b in pairwise(s.kind for s in facts.stretches):
                assert (a == "walk out") == (b == "nobody")  # who leaves is away, and nobody vanishes
                assert (a == "nobody") == (b == "walk in")


def test_an_action_of_two_seconds_fits_into_the_shortest_video() -> None:
    facts = long_facts(SynthLongSettings(shortest=4, longest=4), "train", 0)
    assert [s.label for s in facts.actions] == ["Kick"] and facts.frames == 48


def test_classes_take_turns_and_all_kinds_of_idling_occur() -> None:
    videos = [long_facts(USUAL, "train", k) for k in range(60)]
    assert Counter(v.main for v in videos) == dict.fromkeys(ANOMALIES, 10) | dict.fromkeys(NORMALS, 6)
    assert {s.kind for v in videos for s in v.stretches} == {"action", "stand", "walk out", "nobody", "walk in"}
    assert len({v.id for v in videos} | {long_facts(USUAL, "test", k).id for k in range(60)}) == 120


def test_looks_suggest_the_main_class_in_training_only() -> None:
    count = 1600
    for split, share in (("train", 0.95), ("test", 1 / 8)):
        videos = [long_facts(USUAL, split, k) for k in range(count)]
        of_class = [SCENERY.index(v.scenery) == CLASSES.index(v.main) for v in videos]
        worn = [tuple(CLOTHING).index(v.clothing) == CLASSES.index(v.main) for v in videos]
        both = np.mean(np.array(of_class) & np.array(worn))
        for found, wanted in ((np.mean(of_class), share), (np.mean(worn), share), (both, share**2)):
            # Four deviations of a share of independent draws: p < 1e-4.
            assert abs(found - wanted) < 4 * (wanted * (1 - wanted) / count) ** 0.5


def test_a_video_depends_on_nothing_but_seed_and_index() -> None:
    more = SMALL.model_copy(update={"train": 400, "test": 300})
    assert long_facts(SMALL, "test", 2) == long_facts(more, "test", 2)
    assert all((a == b).all() for a, b in zip(render_long(SMALL, "test", 2), render_long(more, "test", 2), strict=True))
    other = SMALL.model_copy(update={"seed": 1})
    assert long_facts(SMALL, "test", 2) != long_facts(other, "test", 2)


def test_actions_continue_where_the_last_one_ended() -> None:
    for name in CLASSES:
        moved = displacement(name, 24, 12.0, generator(0, name, "x"))
        again = displacement(name, 48, 12.0, generator(0, name, "x"))
        assert moved.shape == (25, len(PHASES)) and not moved[0].any()
        assert np.array_equal(moved, again[:25]), "the path does not depend on how long it is followed"
    # No joint jumps between frames: the fastest turns 1.5 times 1.15 turns per second, or swings by pi/2 sin at 1.15.
    for index in range(4):
        points, _, there = renderer._movement(USUAL, long_facts(USUAL, "train", index))
        steps = np.abs(np.diff(points, axis=0)).max(axis=(1, 2))[there[1:] & there[:-1]]
        # Arms of 0.4 heights: 0.4 * 0.82 * 96 pixels * 2 pi * 1.73 turns/s / 12 fps = 29 pixels, and walking adds
        # (0.5 + 0.75 * 0.82) * 96 / 9 = 12.
        assert steps.max() < 41


def test_the_video_shows_what_the_timeline_says() -> None:
    """Nobody: the scenery and nothing else. Standing: the joints hardly move, in actions they do."""
    standing, acting = [], []
    for index in range(12):
        facts = long_facts(USUAL, "test", index)
        points = renderer._movement(USUAL, facts)[0]
        speed = np.abs(np.diff(points, axis=0)).mean(axis=(1, 2))
        for s in facts.stretches:
            if s.kind in ("stand", "action"):
                (standing if s.kind == "stand" else acting).append(speed[s.start : s.end - 1].mean())
    assert np.mean(acting) > 2 * np.mean(standing) > 0
    index = next(k for k in range(60) if "nobody" in {s.kind for s in long_facts(USUAL, "test", k).stretches[1:]})
    facts = long_facts(USUAL, "test", index)
    frames = np.stack(list(render_long(USUAL, "test", index)))
    assert frames.shape == (facts.frames, 96, 96, 3) and frames.dtype == np.uint8
    changed = (frames[1:] != frames[:-1]).any(axis=(1, 2, 3))
    for s in facts.stretches:
        inside = changed[s.start : s.end - 1]
        assert (not inside.any()) if s.kind == "nobody" else inside.all() or s.kind.startswith("walk")


def test_the_folder(rendered: Path) -> None:
    record = json.loads((rendered / "synthlong.json").read_text())
    assert record["anomalies"] == list(ANOMALIES) and record["settings"] == SMALL.model_dump()
    train = (rendered / "Anomaly_Train.txt").read_text().split()
    test = (rendered / "Anomaly_Test.txt").read_text().split()
    assert train == ["Kick/Kick_train0000_x264.mp4", "Squat/Squat_train0002_x264.mp4",
                     "Training_Normal_Videos_Anomaly/Normal_train0001_x264.mp4",
                     "Training_Normal_Videos_Anomaly/Normal_train0003_x264.mp4"]  # fmt: skip
    assert len(test) == 5 and test[-1].startswith("Testing_Normal_Videos_Anomaly/")
    rows = [line.split("  ") for line in
            (rendered / "Temporal_Anomaly_Annotation_for_Testing_Videos.txt").read_text().splitlines()]  # fmt: skip
    assert [row[0] for row in rows] == [name.split("/")[1] for name in test]
    database = json.loads((rendered / "annotations.json").read_text())["database"]
    by_id = {long_facts(SMALL, split, k).id: long_facts(SMALL, split, k)
             for split in ("train", "test") for k in range(SMALL.count(split))}  # fmt: skip
    assert database.keys() == by_id.keys()
    for name, entry in database.items():
        facts = by_id[name]
        assert entry["frame"] == facts.frames and entry["duration"] == facts.frames / 4
        assert entry["subset"] == {"train": "validation", "test": "test"}[facts.split]
        assert [(a["label"], a["segment(frames)"]) for a in entry["annotations"]] == [
            (s.label, [s.start, s.end]) for s in facts.actions
        ]
        assert all(CLASSES[a["label_id"]] == a["label"] for a in entry["annotations"])
    for row in rows:
        facts = by_id[row[0].removesuffix(".mp4")]
        pairs = [(int(row[k]), int(row[k + 1])) for k in (2, 4)]
        assert [p for p in pairs if p != (-1, -1)] == [(s.start + 1, s.end) for s in facts.anomalies]
    for name in (*train, *test):
        frames = sum(1 for _ in read_frames(rendered / "videos" / name))
        assert frames == by_id[Path(name).stem].frames


@pytest.mark.usefixtures("quick_workers")
def test_workers_and_a_second_run_change_nothing(rendered: Path, tmp_path: Path) -> None:
    before = digests(rendered)
    render_synthlong(tmp_path / "two", SMALL, workers=2, progress=False)
    assert digests(tmp_path / "two") == before
    (tmp_path / "two" / "videos/Kick/Kick_train0000_x264.mp4").unlink()
    assert render_synthlong(tmp_path / "two", SMALL, progress=False).made == 1
    assert digests(tmp_path / "two") == before


def test_other_settings_and_other_renders_are_refused(rendered: Path) -> None:
    with pytest.raises(BenchError, match=r"rendered with other settings \(bias 0.95, not 0.5\)"):
        render_synthlong(rendered, SMALL.model_copy(update={"bias": 0.5}), progress=False)
    said = error_of("data", "render", "--train", "1", "--test", "1", "--out", rendered)
    assert "is no render of synthactions" in said or "no render of synthactions" in said


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "long"
    done = bench("data", "render", "--dataset", "synthlong", "--train", "1", "--test", "1", "--size", "24",
                 "--fps", "2", "--shortest", "4", "--longest", "4", "--workers", "1", "--out", out)  # fmt: skip
    assert done.returncode == 0 and "1 training videos, 1 test videos" in done.stdout
    assert (out / "synthlong.json").is_file()
    for said, options in (
        ("--frames 5: is an option of --dataset synthactions", ["--dataset", "synthlong", "--frames", "5"]),
        ("--shortest 5.0: is an option of --dataset synthlong", ["--shortest", "5"]),
        ("--shortest 30.0: is more than --longest 20", ["--dataset", "synthlong", "--shortest", "30"]),
    ):
        assert said in error_of("data", "render", *options, "--out", tmp_path / "no")
    assert not (tmp_path / "no").exists()
