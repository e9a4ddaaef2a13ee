"""Appearance free: built, verified and shown as every kind; a frame carries nothing, motion carries the class."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.stats import binomtest
from small_builds import QUIET, frames_of, scuba
from small_scores import refused
from tiny_videos import make_actions

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export
from benchmark_builder.benchmark.manifest import Benchmark, read_benchmark
from benchmark_builder.benchmark.preview import contact_sheet
from benchmark_builder.builders import Subset, build_kind
from benchmark_builder.kinds.flow import Dis, flow_named
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.settings import SynthSettings
from benchmark_builder.synthactions.render import render_clip
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.noise import moving_noise
from evaluator.testsets import benchmark_set

KIND = "appearance-free"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SCUBA of four videos of two classes, two backgrounds each; 48x32, 5 frames."""
    root = make_actions(tmp_path_factory.mktemp("free") / "ucf", frames=5)
    return scuba(root, root.parent / "b/scuba", layout="lossless", backgrounds="plain")


@pytest.fixture(scope="module")
def made(base: Path) -> Benchmark:
    build_kind(KIND, base, out=base.parent / "free", run=QUIET, layout="lossless")
    return read_benchmark(base.parent / "free")


def test_one_video_per_source_of_its_size_and_length(base: Path, made: Benchmark) -> None:
    sources = {row.source_id: row for row in read_benchmark(base).rows}
    assert sorted(row.source_id for row in made.rows) == sorted(sources)
    for row in made.rows:
        frames = frames_of(made.folder, row.id)
        assert frames.shape == (5, 32, 48, 3) and row.source_frames == sources[row.source_id].source_frames
        assert (frames[..., :1] == frames).all()  # grey
        assert (frames[1:] != frames[:-1]).mean() > 0.02
    assert {row.background for row in made.rows} == {"dis"}
    s = benchmark_set(made.folder)
    assert (s.about.figure, s.about.arrow, s.still) == ("appearance_free", "↑", False)


@pytest.mark.parametrize("layout", ["video", "zip", "virtual"])
def test_every_layout_verifies_and_has_the_same_pixels(
    base: Path, made: Benchmark, tmp_path: Path, layout: str
) -> None:
    report = build_kind(KIND, base, out=tmp_path / "b", run=QUIET, layout=layout)
    assert report.benchmark is not None and not report.failures
    assert {r.id: r.pixels_xxh128 for r in report.benchmark.rows} == {r.id: r.pixels_xxh128 for r in made.rows}
    assert verify(tmp_path / "b", progress=False) == []
    row = made.rows[0]
    if layout == "virtual":
        assert (frames_of(tmp_path / "b", row.id) == frames_of(made.folder, row.id)).all()


def test_it_is_previewed_exported_and_built_in_parts(base: Path, made: Benchmark, tmp_path: Path) -> None:
    assert contact_sheet(made.folder, tmp_path / "sheet.png").stat().st_size > 1000
    export(made.folder, tmp_path / "zip", Layout("zip"), progress=False)
    assert verify(tmp_path / "zip", progress=False) == []
    report = build_kind(KIND, base, out=tmp_path / "part", run=QUIET, subset=Subset(only=("Basketball",)),
                        layout="lossless")  # fmt: skip
    assert report.benchmark is not None and len(report.benchmark.rows) == 2
    for row in report.benchmark.rows:
        assert row == made.by_id[row.id]


def test_settings_and_seed_decide_the_noise(base: Path, made: Benchmark, tmp_path: Path) -> None:
    other = build_kind(KIND, base, out=tmp_path / "s", run=QUIET, seed=1, layout="lossless").benchmark
    large = build_kind(KIND, base, out=tmp_path / "l", run=QUIET, cell=5, colour="rgb", layout="lossless").benchmark
    assert other is not None and large is not None
    row = made.rows[0]
    assert other.by_id[row.id].pixels_xxh128 != row.pixels_xxh128
    frame = next(large.frames(large.by_id[row.id]))
    assert frame.shape == (32, 48, 3) and (frame[..., :1] != frame).any()
    cells = frame[:30, :45].reshape(6, 5, 9, 5, 3)
    assert (cells == cells[:, :1, :, :1]).all()
    assert read_benchmark(tmp_path / "l").protocol.settings == {"flow": "dis", "colour": "rgb", "cell": 5}
    assert "lossless" not in refused(lambda: build_kind(KIND, base, out=tmp_path / "x", run=QUIET, flow="farneback"))
    assert "no such file" in refused(lambda: build_kind(KIND, base, out=tmp_path / "x", run=QUIET, flow="raft:none"))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("size", [(7, 9), (40, 64), (150, 140)])
def test_flow_is_in_pixels_of_the_frame_at_any_size(size: tuple[int, int]) -> None:
    large = cv2.GaussianBlur(generator(0, "flow", "test").normal(size=(180, 180)), (0, 0), 2.0)
    picture = np.repeat(cv2.normalize(large, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)[..., None], 3, 2)
    frames = [np.ascontiguousarray(picture[:, 10 - 1 * k : 170 - 1 * k][: size[0], : size[1]]) for k in range(3)]
    found = list(Dis().between(frames))
    assert len(found) == 2 and found[0].shape == (*size, 2) and found[0].dtype == np.float32
    if min(size) > 9:
        # The picture moves by one pixel; DIS is accurate to a few tenths on smooth texture.
        assert np.abs(np.median(found[0], (0, 1)) - [1, 0]).max() < 0.3


def test_raft_with_weights_from_a_file(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from torchvision.models.optical_flow import raft_small

    from benchmark_builder.kinds import raft

    monkeypatch.setattr(raft, "STEPS", 1)
    file = tmp_path / "small.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(raft_small(weights=None).state_dict(), file)
    word = f"raft:{file}"
    options = {"run": QUIET, "flow": word, "subset": Subset(only=("Archery/v_Archery_g01",))}
    report = build_kind(KIND, base, out=tmp_path / "r", layout="lossless", **options)
    assert report.benchmark is not None and not report.failures and verify(tmp_path / "r", progress=False) == []
    said = json.loads((tmp_path / "r/protocol.json").read_text())
    assert said["settings"]["flow"] == "raft:small.pth" and len(said["settings"]["flow_sha256"]) == 64
    assert said["backgrounds"]["name"] == "raft"
    assert "stores frames" in refused(lambda: build_kind(KIND, base, out=tmp_path / "v", layout="virtual", **options))
    torch.save({"weight": torch.zeros(1)}, file)
    assert "neither raft_large nor raft_small" in refused(lambda: flow_named(word))


@pytest.fixture(scope="module")
def of_synthactions() -> tuple[np.ndarray, np.ndarray]:
    """Grey noise videos, uint8 (48, T, H, W), of six videos of each class of synthactions, and their classes."""
    settings = SynthSettings(train=0, test=48, frames=10)
    found, labels = [], []
    for k in range(48):
        frames, _, facts = render_clip(settings, "test_unbiased", k)
        draw = generator(0, facts.id, KIND)
        noise = moving_noise(Dis().between(frames), *frames.shape[1:3], draw)
        found.append(np.stack([frame[..., 0] for frame in noise]))
        labels.append(facts.label)
    return np.stack(found), np.array(labels)


def neighbours_right(features: np.ndarray, labels: np.ndarray) -> int:
    """How many videos have a nearest neighbour, float (N, F), of their own class; by chance 5 of 47."""
    distance = ((features[:, None] - features[None]) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    return int((labels[distance.argmin(1)] == labels).sum())


def blocks(pictures: np.ndarray, how: str) -> np.ndarray:
    """A statistic of 6x6-pixel blocks: float (N, H, W) -> (N, 64)."""
    parts = pictures.reshape(len(pictures), 8, 6, 8, 6)
    return getattr(parts, how)((2, 4)).reshape(len(pictures), -1)


CHANCE = 5 / 47


def test_a_single_frame_carries_nothing(of_synthactions: tuple[np.ndarray, np.ndarray]) -> None:
    videos, labels = of_synthactions
    assert (np.bincount(labels) == 6).all()
    for t in (0, 5, 9):
        still = videos[:, t] / 255
        edges = np.abs(np.diff(still, axis=2, prepend=0))
        for features in (still.reshape(48, -1), blocks(still, "mean"), blocks(still, "std"), blocks(edges, "mean")):
            right = neighbours_right(features, labels)
            low, high = binomtest(right, 48).proportion_ci(0.99)
            assert low <= CHANCE <= high


def test_motion_carries_the_class(of_synthactions: tuple[np.ndarray, np.ndarray]) -> None:
    videos, labels = of_synthactions
    changed = (videos[:, 1:] != videos[:, :-1]).mean(1)  # how often each pixel changes
    right = neighbours_right(blocks(changed, "mean"), labels)
    assert binomtest(right, 48).proportion_ci(0.99)[0] > CHANCE
