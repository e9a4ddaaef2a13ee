"""What the reader of synthlong yields is what was rendered; damaged files are named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.synthlong import ANOMALIES, LongFacts, SynthLongSettings, long_facts, render_synthlong
from benchmark_builder.synthlong.annotations import TEMPORAL
from benchmark_builder.untrimmed import read
from benchmark_builder.utils.errors import BenchError

SETTINGS = SynthLongSettings(size=24, shortest=6, longest=8, fps=3, train=3, test=4)


def facts(split: str) -> dict[str, LongFacts]:
    return {v.id: v for v in (long_facts(SETTINGS, split, k) for k in range(SETTINGS.count(split)))}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthlong") / "data"
    render_synthlong(root, SETTINGS, progress=False)
    return root


def test_anomalies(rendered: Path) -> None:
    listing = read("synthlong", rendered, "test")
    assert (listing.task, listing.also) == ("anomaly", ("localization",))
    assert listing.classes == sorted([*ANOMALIES, "Normal"])
    assert [v.label for v in listing.videos] == ["Kick", "Squat", "Normal", "Normal"]
    for video in listing.videos:
        known = facts("test")[video.id]
        assert (video.unit, video.split, video.label) == ("frames", "test", known.label)
        assert [(s.label, s.start, s.end) for s in video.segments] == [
            (s.label, s.start, s.end) for s in known.anomalies
        ]
    train = read("synthlong", rendered, "train")
    assert len(train.videos) == 3 and not any(v.segments for v in train.videos), "training videos have labels alone"
    assert [v.id for v in read("synthlong", rendered).videos] == [v.id for v in (*train.videos, *listing.videos)]


def test_actions(rendered: Path) -> None:
    listing = read("synthlong", rendered, "all", "localization")
    assert (listing.task, listing.classes, len(listing.videos)) == ("localization", list(CLASSES), 7)
    known = facts("train") | facts("test")
    for video in listing.videos:
        assert video.unit == "seconds" and video.path is not None and video.path.is_file()
        assert [(s.label, s.start, s.end) for s in video.segments] == [
            (s.label, s.start / 3, s.end / 3) for s in known[video.id].actions
        ]


def test_a_video_without_its_file(rendered: Path, tmp_path: Path) -> None:
    shutil.copytree(rendered, tmp_path / "data")
    (tmp_path / "data/videos/Kick/Kick_test0000_x264.mp4").unlink()
    video = read("synthlong", tmp_path / "data", "test").videos[0]
    assert video.path is None and video.missing == "there is no file" and video.segments


def lines(name: str, *made: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text("".join(f"{line}\n" for line in made))


def actions(**entry: object) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        found = json.loads((root / "annotations.json").read_text())
        found["database"]["Kick_test0000_x264"] |= entry
        (root / "annotations.json").write_text(json.dumps(found))

    return change


DAMAGE: list[tuple[str, Callable[[Path], object]]] = [
    ("synthlong.json", lambda root: (root / "synthlong.json").unlink()),
    ("classes is", lambda root: (root / "synthlong.json").write_text('{"dataset": "synthlong", "classes": 3}')),
    ("dataset is", lambda root: (root / "synthlong.json").write_text('{"dataset": "synthactions"}')),
    ("Anomaly_Test.txt, line 1", lines("Anomaly_Test.txt", "Kick_test0000_x264.mp4")),
    ("Anomaly_Test.txt, line 1", lines("Anomaly_Test.txt", "Robbery/Kick_test0000_x264.mp4")),
    ("../", lines("Anomaly_Test.txt", "Kick/../../../x.mp4")),
    ("listed twice", lines("Anomaly_Test.txt", *["Kick/Kick_test0000_x264.mp4"] * 2)),
    ("Testing_Videos.txt, line 1", lines(TEMPORAL, "a.mp4  Kick  9  3  -1  -1")),
    ("Testing_Videos.txt, line 2", lines(TEMPORAL, "a.mp4 Kick 1 3 -1 -1", "b")),
    ("Testing_Videos.txt, line 1", lines(TEMPORAL, "a.mp4 Kick 1 3 x -1")),
    ("lacks Kick_test0000_x264", lines(TEMPORAL, "a.mp4 Kick 1 3 -1 -1")),
    ("annotations.json", lambda root: (root / "annotations.json").write_text("{")),
    ("annotations.json: lacks", lambda root: (root / "annotations.json").write_text('{"database": {}}')),
    ("which is no action", actions(annotations=[{"label": "Kick", "segment": [3, 2]}])),
    ("which is no action", actions(annotations=[{"label": "Jump", "segment": [1, 2]}])),
    ("two times in seconds", actions(annotations=[{"label": "Kick", "segment": [1]}])),
    ("subset is", actions(subset="training")),
]  # fmt: skip


@pytest.mark.parametrize(("said", "damage"), DAMAGE)
def test_damaged_files_are_named(said: str, damage: Callable[[Path], object], rendered: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(rendered, root)
    damage(root)
    with pytest.raises(BenchError) as caught:
        for task in ("anomaly", "localization"):
            read("synthlong", root, "test", task)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_splits_and_tasks(rendered: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--split validation: synthlong has train, test and all"):
        read("synthlong", rendered, "validation")
    with pytest.raises(BenchError, match="--task x"):
        read("synthlong", rendered, "test", "x")
    with pytest.raises(BenchError, match="Render it with"):
        read("synthlong", tmp_path / "none")
