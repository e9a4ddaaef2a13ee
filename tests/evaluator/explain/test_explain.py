"""`bench explain` with networks whose attributions are known by hand."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_builds import QUIET, frames_of, scuba
from tiny_videos import make_actions, moving_square, write_video
from torch import nn
from typer.testing import CliRunner

import albar_bench as ab
from albar.clips.clips import ClipSampling, eval_clips
from albar_bench.cli.app import app
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import build_kind, build_scufo
from benchmark_builder.kinds.scufo import Scufo
from benchmark_builder.kinds.shaken import Shaken, shake
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.selection import indices
from evaluator.explain.attribution import NotExplainable, attribute
from evaluator.explain.explain import Explanation, explain, means_of
from evaluator.models.factory import from_object
from evaluator.options import ExplainOptions

SIDE, FRAMES = 32, 8
WHOLE = ClipSampling(frames=FRAMES, stride=1, size=SIDE, resize=SIDE)  # a clip is the video, pixel by pixel
REGION = (slice(4, 16), slice(10, 30))  # rows, columns
SIGNS = torch.tensor([1.0, -1.0] * 50 + [1.0])  # of UCF101's classes
EPS = float(np.finfo(np.float32).eps)


class Reads(nn.Module):
    """The logit of each class is the sum of the values in a region, or its negative. Other pixels are not read."""

    def __init__(self, region: tuple[slice, slice] = REGION, sampling: ClipSampling = WHOLE) -> None:
        super().__init__()
        self.region, self.sampling = region, sampling

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        total = clips[..., self.region[0], self.region[1]].sum((1, 2, 3, 4))
        return total[:, None] * SIGNS


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SCUBA, and SCUFO from it, of four square videos."""
    folder = tmp_path_factory.mktemp("explained")
    root = make_actions(folder / "ucf", per_class=2, frames=FRAMES, height=SIDE, width=SIDE)
    scuba(root, folder / "scuba", layout="lossless", backgrounds="noise")
    build_scufo(folder / "scuba", out=folder / "scufo", run=QUIET, layout="lossless")
    return folder


def explained(what: Path, out: Path, model: nn.Module | None = None, **options: Any) -> Any:
    # Small pictures: to choose the colours of an animation takes longer than all the rest.
    return ab.explain(
        model or Reads(), what, out=out, **{"progress": False, "batch": 4, "steps": 3, "height": SIDE, **options}
    )


def share(frames: np.ndarray, masks: np.ndarray) -> float:
    """The share inside the masks of w·(x − black) over the region, from the pixels: uint8 (T, H, W, 3)."""
    change = frames.astype(float) / np.array(WHOLE.std)
    weights = np.zeros(frames.shape[1:3])
    weights[REGION] = 1
    read = change.sum(-1) * weights
    return float((read * masks).sum() / read.sum())


def masks_of(scuba_folder: Path, video_id: str) -> np.ndarray:
    benchmark = read_benchmark(scuba_folder)
    row = benchmark.by_id[video_id]
    return np.stack([benchmark.masks(row).mask(k) for k in indices(row.source_frames)])


# A sum of n float32 values is wrong by n·eps relative to the sum of their sizes at most; n: the steps, whose weights
# are float32 too. In the share both sums are float64.
SHARE_TOLERANCE = 4 * 3 * EPS


def test_a_linear_network_is_explained_exactly(built: Path, tmp_path: Path) -> None:
    found = explained(built / "scuba", tmp_path / "out")
    videos = found.videos.set_index("id")
    assert len(videos) == 8 and (videos.reason == "").all()
    for name, row in videos.iterrows():
        masks = masks_of(built / "scuba", str(name))
        assert row.inside == pytest.approx(share(frames_of(built / "scuba", str(name)), masks), rel=SHARE_TOLERANCE)
        assert row.area == pytest.approx(masks.mean(), rel=EPS)
        assert row.explained == row.class_name
        assert row.absolute == pytest.approx(abs(row.score - row.baseline_score), rel=5760 * EPS)  # all of one sign
        # Completeness: the sums are those of 20·12·8·3 float32 values.
        assert abs(row.gap) <= 5760 * EPS * (abs(row.score) + abs(row.baseline_score))
    assert 0 < videos.inside.min() and videos.inside.max() < 1
    means = found.means.set_index("figure")
    assert means.percent.inside == pytest.approx(100 * videos.inside.mean())
    assert means.percent.difference == pytest.approx(means.percent.inside - means.percent.area)
    assert (
        (means.sources == 4).all()
        and (means.videos == 8).all()
        and means.low.inside < means.percent.inside < means.high.inside
    )


def test_a_network_that_reads_inside_or_outside_only(built: Path, tmp_path: Path) -> None:
    actor = (slice(8, 20), slice(4 + FRAMES - 1, 16))  # inside the moving square on every frame
    for region, expected in ((actor, 1.0), ((slice(24, 32), slice(0, 32)), 0.0)):
        videos = explained(built / "scuba", tmp_path / "out", Reads(region), limit=2, baseline="mean").videos
        assert videos.inside.tolist() == pytest.approx([expected] * 2)


def test_a_still_has_the_mask_of_its_frame(built: Path, tmp_path: Path) -> None:
    scufo = read_benchmark(built / "scufo")
    videos = explained(built / "scufo", tmp_path / "out").videos.set_index("id")
    for row in scufo.rows:
        mask = masks_of(built / "scuba", row.id)[row.still_frame]
        frame = frames_of(built / "scufo", row.id)[:1]
        assert videos.inside[row.id] == pytest.approx(share(frame, mask[None]), rel=SHARE_TOLERANCE)
        assert videos.area[row.id] == pytest.approx(mask.mean(), rel=EPS)


def test_in_swap_the_mask_is_moved_with_the_actor(tmp_path: Path) -> None:
    root = make_actions(tmp_path / "ucf", per_class=1, frames=FRAMES, height=SIDE, width=SIDE)
    elsewhere = [np.roll(a, (11, 9), (1, 2)) for a in moving_square(FRAMES, SIDE, SIDE, seed=10)]
    write_video(root / "videos/Basketball/v_Basketball_g01_c01.mkv", elsewhere[0])
    write_masks(root / "masks/Basketball/v_Basketball_g01_c01.zip", elsewhere[1])
    scuba(root, tmp_path / "scuba", layout="lossless", backgrounds="noise")
    build_kind("swap", tmp_path / "scuba", out=tmp_path / "swap", run=QUIET, layout="lossless")
    swap = read_benchmark(tmp_path / "swap")
    videos = explained(tmp_path / "swap", tmp_path / "out").videos.set_index("id")
    assert {row.donor_shift for row in swap.rows} == {"9 11", "-9 -11"}
    for row in swap.rows:
        right, down = map(int, row.donor_shift.split())
        masks = np.pad(masks_of(tmp_path / "scuba", row.partner_id), ((0, 0), (SIDE, SIDE), (SIDE, SIDE)))
        moved = masks[:, SIDE - down : 2 * SIDE - down, SIDE - right : 2 * SIDE - right]
        frames = frames_of(tmp_path / "swap", row.id)
        assert videos.inside[row.id] == pytest.approx(share(frames, moved), rel=SHARE_TOLERANCE)
        assert videos.area[row.id] == pytest.approx(moved.mean(), rel=EPS)


def test_in_shaken_the_mask_of_the_still_moves_with_the_camera(built: Path, tmp_path: Path) -> None:
    build_kind("shaken", built / "scuba", out=tmp_path / "shaken", run=QUIET, layout="lossless")
    shaken = read_benchmark(tmp_path / "shaken")
    videos = explained(tmp_path / "shaken", tmp_path / "out").videos.set_index("id")
    for row in shaken.rows:
        still = np.repeat(masks_of(built / "scuba", row.partner_id)[row.still_frame][..., None], 3, 2)
        picture = still.astype(np.uint8) * 255  # a white actor on black, shaken as the video was
        made = Shaken.read(shaken.protocol)
        moved = np.stack([*shake(picture, made.shake, generator(row.seed, row.id, "shake"), FRAMES, row.fps)])[..., 0]
        assert (moved[0] != moved[-1]).any()
        frames = frames_of(tmp_path / "shaken", row.id)
        assert videos.inside[row.id] == pytest.approx(share(frames, moved / 255), rel=SHARE_TOLERANCE)
        assert videos.area[row.id] == pytest.approx((moved / 255).mean(), rel=4 * EPS)


def test_kinds_that_do_not_tell_where_the_actor_is_are_refused(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scufo, "actor_stays", False)
    with pytest.raises(BenchError, match="kind scufo have no masks that fit them; choose a benchmark of another kind"):
        explained(built / "scufo", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_masks_are_cut_like_the_clips(tmp_path: Path) -> None:
    """A white actor on black: the attribution of a uniform network is the (resized) mask itself, in every view."""
    masks = np.zeros((12, 30, 44), bool)
    for k in range(12):
        masks[k, 5 : 5 + k, 2 * k : 2 * k + 15] = True
    write_video(tmp_path / "actor.mkv", np.repeat(masks[..., None].astype(np.uint8) * 255, 3, 3))
    write_masks(tmp_path / "masks/actor.zip", masks)
    sampling = ClipSampling(frames=4, stride=2, size=16, resize=20, views=3, crops=3)
    model = Reads((slice(None), slice(None)), sampling)
    found = explained(tmp_path / "actor.mkv", tmp_path / "out", model, masks=f"stored:{tmp_path / 'masks'}")
    clips = (
        eval_clips(iter(np.repeat(masks[..., None].astype(np.uint8) * 255, 3, 3)), 12, sampling)[:, 0].double() / 255
    )
    assert len(clips) == 9 and ((clips > 0) & (clips < 1)).any()
    row = found.videos.iloc[0]
    assert row.inside == pytest.approx(float((clips**2).sum() / clips.sum()), rel=SHARE_TOLERANCE)
    assert row.area == pytest.approx(float(clips.mean()), rel=1e-6) and row.clips == 9
    assert row.explained == row.predicted and found.means.empty


class Cube(nn.Module):
    """The logit of each class is s³, for the sum s of all values."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.flatten(1).sum(1, keepdim=True).pow(3).expand(-1, 101)


@pytest.mark.parametrize(("steps", "share"), [(1, 0.75), (2, 1.0), (5, 1.0)])
def test_completeness(steps: int, share: float) -> None:
    """Along the path f = s³α³, whose derivative 3s³α² one step, at α = ½, integrates to ¾ s³, and two exactly."""
    clip = torch.from_numpy(np.random.default_rng(0).uniform(0, 1, (3, 2, 4, 4)).astype(np.float32))
    found = attribute(Cube(), clip, torch.zeros_like(clip), 0, steps, 3, "cube")
    score = float(clip.double().sum()) ** 3
    # s is a sum of 96 positive float32 values, and its cube triples the relative error.
    tolerance = 3 * 96 * EPS
    assert found.score == pytest.approx(score, rel=tolerance) and found.baseline_score == 0
    assert float(found.values.double().sum()) == pytest.approx(share * score, rel=tolerance)
    assert found.gap == pytest.approx((share - 1) * score, abs=2 * tolerance * score)
    # Each value's part is that of its size: all have the same derivative.
    assert torch.allclose(found.values / clip, found.values[0, 0, 0, 0] / clip[0, 0, 0, 0], rtol=8 * EPS)


def test_too_few_steps_are_said(built: Path, tmp_path: Path) -> None:
    """One step gives ¾ of each value, so the sum lacks ¼ of the change, which is the score s³."""
    model: Any = Cube()
    model.sampling = WHOLE
    options: Any = {"limit": 1, "progress": False, "baseline": "mean", "out": tmp_path / "out", "height": SIDE}
    said: list[str] = []
    one, three = (
        explain(
            from_object(model, "a:Cube"), built / "scuba", ExplainOptions(steps=steps, **options), say=said.append
        ).videos[0]
        for steps in (1, 3)
    )
    size = SIDE * SIDE * FRAMES * 3
    assert one.gap is not None and one.absolute and one.score and three.gap is not None
    clip = frames_of(built / "scuba", one.id)
    values = (clip / 255 - np.array(WHOLE.mean)) / np.array(WHOLE.std)
    # s is a sum of values of both signs, so its error is relative to their sizes.
    error = 3 * size * EPS * np.abs(values).sum() / abs(values.sum())
    assert one.gap == pytest.approx(abs(values.sum()) ** 3 / 4, rel=error)
    assert one.absolute == pytest.approx(0.75 * values.sum() ** 2 * np.abs(values).sum(), rel=error)
    assert three.gap <= error * abs(one.score)
    warned = [line for line in said if "--steps" in line]
    assert len(warned) == 1 and f"an error of {100 * one.gap / one.absolute:.0f} %" in warned[0]


def test_results_are_files_that_repeat(built: Path, tmp_path: Path) -> None:
    runs = [explained(built / "scuba", tmp_path / name, limit=3, videos=2) for name in ("a", "b")]
    names = [path.name for path in runs[0].written]
    assert names == ["attribution.csv", "summary.csv", "sheet.png", "animation.gif"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with open(tmp_path / "a/attribution.csv", newline="") as file:
        assert [float(row["inside"]) for row in csv.DictReader(file)] == pytest.approx(list(runs[0].videos.inside))
    from PIL import Image

    with Image.open(tmp_path / "a/animation.gif") as playing:
        assert playing.n_frames == 2 * FRAMES
    assert explained(built / "scuba", tmp_path / "c", limit=1, animation="mp4").written[-1].stat().st_size > 0


def test_one_bad_video_costs_itself_alone(tmp_path: Path) -> None:
    root = make_actions(tmp_path / "ucf", per_class=1, frames=FRAMES, height=SIDE, width=SIDE)
    folder = scuba(root, tmp_path / "scuba", layout="lossless")
    rows = read_benchmark(folder).rows
    (folder / rows[0].file).write_bytes(b"not a video")
    found = explained(folder, tmp_path / "out")
    bad = found.videos.set_index("id").loc[rows[0].id]
    assert "changed since" in bad.reason and np.isnan(bad.inside)
    assert (found.means.videos == 3).all() and (found.means.missing == 1).all()
    with pytest.raises(BenchError, match="changed since"):
        explained(folder, tmp_path / "out", video=rows[0].id)


def test_a_network_without_gradients_is_refused(built: Path, tmp_path: Path) -> None:
    class Frozen(Reads):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return super().forward(clips)

    class Elsewhere(Reads):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(clips.detach().numpy().sum((2, 3, 4))[:, :2])

    for model in (Frozen(), Elsewhere()):
        with pytest.raises(NotExplainable, match="gradients"):
            explained(built / "scuba", tmp_path / "out", model)
    with pytest.raises(NotExplainable, match="no outputs of this name"):
        explained(built / "scuba", tmp_path / "out", target="Juggling")
    assert not (tmp_path / "out").exists()


def test_the_command(built: Path, tmp_path: Path) -> None:
    model = Reads()
    torch.jit.script(_Scripted()).save(str(tmp_path / "model.pt"))
    words = ["explain", str(tmp_path / "model.pt"), str(built / "scuba"), "--trust", "--sampling", "8x2-48",
             "--limit", "2", "--steps", "2", "--height", "32", "--out", str(tmp_path / "out")]  # fmt: skip
    for change in ("size=32", "resize=32", "stride=1"):
        words += ["--clip", change]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "2 videos of 1 source video explained, 0 missing" in done.output and "│ inside " in done.output
    expected = explained(built / "scuba", tmp_path / "other", model, limit=2).videos.inside
    with open(tmp_path / "out/attribution.csv", newline="") as file:
        assert [float(row["inside"]) for row in csv.DictReader(file)] == pytest.approx(list(expected), rel=1e-5)
    for wrong, said in (
        ((str(tmp_path / "none.mp4"),), "no such video or benchmark"),
        ((str(built / "scuba"), "--video", "none"), "--video none"),
        ((str(built / "scuba"), "--masks", "motion"), "has its own masks"),
    ):
        done = CliRunner().invoke(app, [*words[:2], *wrong, "--trust", "--sampling", "8x2-48"])
        assert done.exit_code != 0 and said in str(done.exception) + done.output


class _Scripted(nn.Module):
    """:class:`Reads` as TorchScript can compile it."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        total = clips[:, :, :, 4:16, 10:30].flatten(1).sum(1)
        return total[:, None].expand(-1, 101)


def test_means_draw_source_videos() -> None:
    """Two sources whose own videos are alike: a replicate has the one, the other or both, so the interval is whole."""
    values = {"a": (0.8, 4), "b": (0.2, 4)}
    videos = [
        Explanation(f"{source}{k}", source, "x", explained="x", inside=inside, area=0.1)
        for source, (inside, count) in values.items() for k in range(count)
    ]  # fmt: skip
    videos.append(Explanation("c", "c", "x", reason="gone"))
    inside, area, difference = means_of(videos)
    assert (inside.percent, inside.low, inside.high) == pytest.approx((50, 20, 80))
    assert (area.percent, area.low, area.high) == pytest.approx((10, 10, 10))
    assert (difference.percent, difference.low, difference.high) == pytest.approx((40, 10, 70))
    assert (inside.videos, inside.sources, inside.missing) == (8, 2, 1)
    assert means_of(videos[:4])[0].low is None and means_of(videos[8:]) == []
