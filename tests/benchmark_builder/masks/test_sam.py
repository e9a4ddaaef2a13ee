"""Segment Anything as a mask source, through a tiny randomly initialised SAM: plumbing, no claim about quality."""

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from tiny_sam import (
    checkpoint,  # noqa: F401
    drawn,
    tiny_sam,
)
from tiny_videos import moving_square, write_video
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.datasets import read_dataset
from benchmark_builder.masks import ActorBox, mask_source
from benchmark_builder.masks.annotations.ucf101_24 import BoxTrack
from benchmark_builder.masks.networks import sam as sam_module
from benchmark_builder.masks.networks.sam import SamMasks, encode, follow
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The sums by hand are the source's own, bit for bit: it computes with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def predictor() -> SamPredictor:
    """A tiny SAM whose masks fill about half of a box: the threshold lies at the middle of its logits."""
    predictor = SamPredictor(drawn(tiny_sam(), "tiny"))
    predictor.set_image(moving_square(1)[0][0])
    logits, _, _ = predictor.predict(box=np.array([4, 8, 16, 20]), multimask_output=False, return_logits=True)
    predictor.model.mask_threshold = float(np.median(logits[0, 8:20, 4:16]))
    return predictor


def boxes_of(masks: np.ndarray) -> list[list[ActorBox]]:
    """The square's box and, right of it, a second actor on every frame but the fifth."""
    found = []
    for k in range(len(masks)):
        x = 4 + k % 16
        found.append([ActorBox(0, x, 8, x + 12, 20)] + ([ActorBox(3, 30, 2, 47, 30)] if k != 4 else []))
    return found


def by_hand(model: Sam, video: np.ndarray, boxes: list[list[ActorBox]], margin: float) -> list[np.ndarray]:
    """The definition, straight from SamPredictor: one frame after the other."""
    predictor, before, masks = SamPredictor(model), {}, []
    for frame, actors in zip(video, boxes, strict=True):
        now, union = {}, np.zeros(frame.shape[:2], bool)
        if actors:
            predictor.set_image(frame)
        for box in actors:
            xyxy = np.array(box[1:])
            mask, _, logits = predictor.predict(box=xyxy, mask_input=before.get(box.actor), multimask_output=False)
            clip = np.zeros_like(union)
            dx, dy = round(margin * (box.x2 - box.x1)), round(margin * (box.y2 - box.y1))
            clip[max(0, box.y1 - dy) : box.y2 + dy, max(0, box.x1 - dx) : box.x2 + dx] = True
            mask = mask[0] & clip
            if mask.any():
                now[box.actor] = logits
            union |= mask
        before = now
        masks.append(union)
    return masks


def test_equals_sam_predictor_by_hand_bit_for_bit(predictor: SamPredictor) -> None:
    video, masks = moving_square(1)
    boxes = boxes_of(masks)
    [expected] = by_hand(predictor.model, video, boxes, 0.1)
    [(index, found)] = follow(predictor, video, boxes, chunk=8, box_margin=0.1)
    assert index == 0
    assert expected.any() and not expected[8:20, 4:16].all()  # the network says something, and not everything
    np.testing.assert_array_equal(found, expected)


def test_masks_follow_the_actor_through_the_video(predictor: SamPredictor) -> None:
    video, masks = moving_square(10)
    boxes = boxes_of(masks)
    boxes[7] = []  # a gap: both actors start afresh on frame 8
    expected = by_hand(predictor.model, video, boxes, 0.1)
    found = dict(follow(predictor, video, boxes, chunk=3, box_margin=0.1))
    assert list(found) == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    for k, mask in found.items():
        np.testing.assert_array_equal(mask, expected[k], err_msg=f"frame {k}")
    alone = [by_hand(predictor.model, video[k : k + 1], boxes[k : k + 1], 0.1)[0] for k in range(10)]
    assert any((alone[k] != expected[k]).any() for k in range(1, 7))  # the mask before has a say ...
    np.testing.assert_array_equal(alone[8], expected[8])  # ... and none across a gap


def test_chunks_of_4_and_of_16_agree(predictor: SamPredictor) -> None:
    video, masks = moving_square(18)
    boxes = [found[:1] for found in boxes_of(masks)]
    long = dict(follow(predictor, video, boxes, chunk=16, box_margin=0.1))
    for index, mask in follow(predictor, video, boxes, chunk=4, box_margin=0.1):
        np.testing.assert_array_equal(mask, long.pop(index))
    assert not long


def test_frames_are_read_a_chunk_at_a_time_and_no_further_than_the_last_box(predictor: SamPredictor) -> None:
    video, masks = moving_square(30)
    boxes = boxes_of(masks)
    boxes[20:] = [[]] * 10
    read = 0

    def frames():  # type: ignore[no-untyped-def]
        nonlocal read
        for frame in video:
            read += 1
            yield frame

    found = follow(predictor, frames(), boxes, chunk=8, box_margin=0.1)
    next(found)
    assert read == 8
    assert len(list(found)) == 19 and read == 20


def test_encoding_together_is_encoding_alone(predictor: SamPredictor) -> None:
    """The batched, bfloat16 path of a GPU, run on the CPU."""
    video, _ = moving_square(5)
    with torch.inference_mode():
        alone = torch.cat(encode(predictor, list(video), half=False))
        together = torch.cat(encode(predictor, list(video), half=True))
    assert together.dtype == torch.float32 and together.shape == (5, 16, 4, 4)
    # The neck ends in a normalisation over channels (here with weights about 1), so values are about 1; bfloat16 keeps
    # 8 bits, and roundings of some 20 layers in a row add up as a random walk: sqrt(20) * 2^-8 = 0.017 typical,
    # four times that for the worst of 1280 values.
    assert (together - alone).abs().max() < 0.07 * alone.abs().max()
    assert (together - alone).abs().max() > 0


def test_masks_end_at_the_enlarged_box(predictor: SamPredictor) -> None:
    video, _ = moving_square(1)
    predictor.model.mask_threshold = -1e9  # all is actor
    [(_, mask)] = follow(predictor, video, [[ActorBox(0, 10, 5, 30, 15), ActorBox(1, 44, 28, 48, 32)]], 8, 0.1)
    expected = np.zeros((32, 48), bool)
    expected[4:16, 8:32] = True
    expected[28:32, 44:48] = True
    np.testing.assert_array_equal(mask, expected)


# --- the source -------------------------------------------------------------------------------------------------------


class Boxes:
    """A prompt source with one box a frame."""

    def __init__(self, box: tuple[float, ...] = (5, 8, 25, 24)) -> None:
        self.box = box

    def track(self, video: Video, height: int, width: int) -> BoxTrack:
        if "missing" in video.id:
            raise LeftOut(f"no box for {video.id}")
        return BoxTrack(8, [(2, np.array([self.box] * 4, float))], height, width)

    def describe(self) -> dict[str, str]:
        return {"kind": "boxes"}


@pytest.fixture
def source(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SamMasks:
    monkeypatch.setattr(sam_module, "prompt_source", lambda *args, **options: Boxes())
    return SamMasks(checkpoint, tmp_path, device="cpu")


def clip(tmp_path: Path, name: str = "Archery/v_a") -> Video:
    path = tmp_path / f"{Path(name).name}.mkv"
    write_video(path, moving_square()[0])
    return Video(name, path, 0, "Archery", "test", "ucf101")


def test_a_track_as_every_source_gives_it(source: SamMasks, tmp_path: Path) -> None:
    video = clip(tmp_path)
    track = source.track(video, 32, 48)
    assert track.covered.tolist() == [False] * 2 + [True] * 4 + [False] * 2
    frames = list(read_frames(video.path))
    boxes = [[ActorBox(0, 5, 8, 25, 24)] if 2 <= k < 6 else [] for k in range(8)]
    for index, mask in follow(source.predictor, frames, boxes, 8, 0.1):
        assert track.mask(index).dtype == bool
        np.testing.assert_array_equal(track.mask(index), mask)


def test_a_source_travels_to_a_worker_without_its_network(source: SamMasks, tmp_path: Path) -> None:
    video = clip(tmp_path)
    here = source.track(video, 32, 48)
    data = pickle.dumps(source)
    assert len(data) < 2000 + len(pickle.dumps(source.prompts))  # no weights: the tiny ones are 100 times that
    there = pickle.loads(data).track(video, 32, 48)  # noqa: S301 (written two lines above)
    for k in np.flatnonzero(here.covered):
        np.testing.assert_array_equal(here.mask(k), there.mask(k))


def test_what_it_says_of_itself(source: SamMasks, checkpoint: Path, tmp_path: Path) -> None:
    said = source.describe()
    assert said["model"] == "tiny" and len(said["sha256"]) == 64 and said["prompts"] == {"kind": "boxes"}
    assert SamMasks(checkpoint, tmp_path, device="cpu", box_margin=0.2).describe() != said
    assert SamMasks(checkpoint, tmp_path, device="cpu", chunk=2).describe() == said


def test_videos_that_cannot_be_done_are_listed(source: SamMasks, tmp_path: Path) -> None:
    with pytest.raises(LeftOut, match="no box for Archery/v_missing"):
        source.track(clip(tmp_path, "Archery/v_missing"), 32, 48)
    for box, shown in (((60, 3, 70, 9), "(48, 3, 48, 9)"), ((5, 8, 5, 24), "(5, 8, 5, 24)")):
        source.prompts = Boxes(box)
        with pytest.raises(BenchError, match=r"^Archery/v_a: .*no area") as caught:
            source.track(clip(tmp_path), 32, 48)
        assert f"frame 2 {shown}" in str(caught.value)
    source.prompts = Boxes()
    source.predictor.model.mask_threshold = 1e9
    with pytest.raises(LeftOut, match="found nothing"):
        source.track(clip(tmp_path), 32, 48)


# --- the commands -----------------------------------------------------------------------------------------------------


def ucf101(clips: Path, folder: Path) -> Path:
    """A UCF101 of one real clip, cut to its first 12 frames."""
    name = "SoccerJuggling/v_SoccerJuggling_g23_c01"
    frames = list(islice(read_frames(clips / "ucf101" / "videos" / f"{name}.avi"), 12))
    (folder / "videos" / "SoccerJuggling").mkdir(parents=True)
    write_video(folder / "videos" / f"{name}.avi", np.stack(frames))
    return folder


def test_the_updated_protocol_is_one_command(clips: Path, checkpoint: Path, tmp_path: Path) -> None:
    root, annotation = ucf101(clips, tmp_path / "ucf101"), clips / "annotations" / "ucf101_24_pyannot.pkl"
    arguments = ["build", "scuba", "--dataset", "ucf101", "--root", root, "--protocol", "ucf101-updated"]
    arguments += ["--masks", "sam", "--prompts", f"ucf101-24:{annotation}", "--sam-checkpoint", checkpoint]
    arguments += [
        "--device",
        "cpu",
        "--workers",
        1,
        "--per-video",
        1,
        "--layout",
        "lossless",
        "--out",
        tmp_path / "out",
    ]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    benchmark = read_benchmark(tmp_path / "out")
    masks = benchmark.protocol.masks.plain()
    assert (masks["kind"], masks["model"], masks["prompts"]["kind"]) == ("sam", "tiny", "ucf101-24")
    assert benchmark.protocol.protocol.name == "ucf101-updated"
    # What was composited is what the source says, and lies in the enlarged boxes.
    [row] = benchmark.rows
    kept = StoredTrack(tmp_path / "out" / row.mask_file, 240, 320)
    [video] = read_dataset("ucf101", root, "auto", 1).videos
    source = mask_source(
        "sam", root, prompts=f"ucf101-24:{annotation}", sam_checkpoint=checkpoint, device="cpu", chunk=5
    )
    track = source.track(video, 240, 320)
    assert track.covered[:12].all()
    for k in range(12):
        np.testing.assert_array_equal(kept.mask(k), track.mask(k))


def test_segment_lists_what_the_prompts_do_not_know(checkpoint: Path, folder_of_actions: Callable[..., Path]) -> None:
    root = folder_of_actions(per_class=1)
    (root / "masks" / "Archery" / "v_Archery_g01_c01.zip").unlink()
    arguments = ["segment", "--dataset", "ucf101", "--root", root, "--masks", "sam", "--out", root / "out"]
    arguments += ["--prompts", f"stored:{root / 'masks'}", "--sam-checkpoint", checkpoint, "--device", "cpu"]
    result = CliRunner().invoke(app, [str(a) for a in [*arguments, "--workers", 1]])
    assert result.exit_code == 0, result.output
    assert "left out: Archery/v_Archery_g01_c01" in result.output and "masks of 1 video" in result.output
    assert StoredTrack(root / "out" / "Basketball" / "v_Basketball_g01_c01.zip", 32, 48).covered.all()


# --- checkpoints ------------------------------------------------------------------------------------------------------


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(BenchError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_checkpoint_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    options = {"prompts": "motion", "device": "cpu"}
    message = refused(lambda: mask_source("sam", tmp_path, **options, sam_model="vit_b"))
    assert "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64.pth" in message
    assert str(tmp_path / "hub" / "checkpoints" / "sam_vit_b_01ec64.pth") in message
    assert "run `bench weights fetch sam-vit-b`" in message and "or give --sam-checkpoint FILE" in message
    assert "sam_vit_h_4b8939.pth" in refused(lambda: mask_source("sam", tmp_path, **options))
    damaged = tmp_path / "hub" / "checkpoints" / "sam_vit_b_01ec64.pth"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"half of a checkpoint")
    message = refused(lambda: mask_source("sam", tmp_path, **options, sam_model="vit_b"))
    assert message.startswith(f"{damaged}: damaged, or not sam_vit_b_01ec64.pth as published")
    assert damaged.read_bytes() == b"half of a checkpoint"
    assert "no.pth: no such file" in refused(
        lambda: mask_source("sam", tmp_path, **options, sam_checkpoint=tmp_path / "no.pth")
    )


def test_the_published_checkpoint_in_torch_hubs_cache(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    checkpoint.rename(tmp_path / "hub" / "checkpoints" / "tiny.pth")
    found = mask_source("sam", tmp_path, prompts="motion", device="cpu", sam_model="tiny")
    assert found.describe()["model"] == "tiny"


def test_a_checkpoint_of_another_model(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"prompts": "motion", "device": "cpu", "sam_checkpoint": checkpoint}
    message = refused(lambda: mask_source("sam", tmp_path, **options, sam_model="vit_l"))
    assert "is a checkpoint of tiny, not of vit_l; give --sam-model tiny" in message
    other = tmp_path / "other.pth"
    torch.save(torch.nn.Linear(2, 2).state_dict(), other)
    assert "none of vit_h, vit_l, vit_b" in refused(
        lambda: mask_source("sam", tmp_path, **options | {"sam_checkpoint": other})
    )


class Hostile:
    """Unpickled without care, it would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("open('ran', 'w')",)


@pytest.mark.parametrize("content", ["hostile", "text", "cut", "list", "empty"])
def test_a_file_that_is_no_checkpoint(content: str, checkpoint: Path, tmp_path: Path) -> None:
    if content == "hostile":
        torch.save({"weight": Hostile()}, checkpoint)
    elif content == "list":
        torch.save([torch.zeros(2)], checkpoint)
    else:
        data = checkpoint.read_bytes()
        checkpoint.write_bytes({"text": b"not a checkpoint", "cut": data[: len(data) // 2], "empty": b""}[content])
    message = refused(lambda: mask_source("sam", tmp_path, prompts="motion", sam_checkpoint=checkpoint))
    assert message.startswith(f"{checkpoint}: ")
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "--masks sam: needs boxes"),
        ({"prompts": "motion", "sam_model": "vit_x"}, "--sam-model vit_x: choose from vit_h"),
        ({"prompts": "motion", "chunk": 0}, "--chunk 0"),
        ({"prompts": "motion", "box_margin": -0.1}, "--box-margin -0.1"),
        ({"prompts": "motion", "device": "warp"}, "--device warp"),
        ({"prompts": "motion", "actors": "first"}, "--actors first"),
        ({"prompts": "ucf101-24:none.pkl"}, "none.pkl"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, object], words: str, checkpoint: Path, tmp_path: Path) -> None:
    assert words in refused(lambda: mask_source("sam", tmp_path, sam_checkpoint=checkpoint, **options))


def test_the_published_sizes_are_told_apart_without_memory(tmp_path: Path) -> None:
    """The official ViT-B's names and shapes, on the meta device, fit ViT-B and nothing else."""
    from benchmark_builder.masks.networks.weights import fitting

    with torch.device("meta"):
        state = sam_module.MODELS["vit_b"].build().state_dict()
    assert fitting(state, {name: m.build for name, m in sam_module.MODELS.items()}) == ["vit_b"]


def test_torch_is_loaded_by_who_asks_for_it() -> None:
    code = (
        "import sys, benchmark_builder.masks, benchmark_builder.masks.networks.prompts, benchmark_builder.builders, "
        "benchmark_builder.segment, benchmark_builder.utils.device; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
