"""SAM 2 as a mask source, through a tiny randomly initialised network: plumbing, no claim about quality."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_sam2 import (
    folder,  # noqa: F401
)
from tiny_videos import moving_square, write_video
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.masks import ActorBox, mask_source
from benchmark_builder.masks.networks.sam2 import Network, Sam2Masks, Session, encode, find_checkpoint, follow, load
from benchmark_builder.masks.stored import StoredTrack, write_masks
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.record import Video


@pytest.fixture(scope="session")
def network(folder: Path) -> Network:
    return load(folder, "cpu")


@pytest.fixture(autouse=True)
def _one_thread_and_no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The sums by hand are the source's own, bit for bit: it computes with one thread."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def by_hand(network: Network, video: np.ndarray, box: tuple[int, ...]) -> list[np.ndarray]:
    """One actor, prompted on the first frame, straight from transformers' own streaming example."""
    session = network.processor.init_video_session(inference_device="cpu")
    masks = []
    for index, frame in enumerate(video):
        inputs = network.processor(images=frame, device="cpu", return_tensors="pt")
        if index == 0:
            network.processor.add_inputs_to_inference_session(
                session, frame_idx=0, obj_ids=7, input_boxes=[[list(box)]], original_size=inputs.original_sizes[0]
            )
        output = network.model(inference_session=session, frame=inputs.pixel_values[0])
        found = network.processor.post_process_masks([output.pred_masks], original_sizes=inputs.original_sizes)[0]
        masks.append(found[0, 0].numpy())
    return masks


def wide_box(frames: int) -> list[list[ActorBox]]:
    """One actor, whose box is the picture on the first and the last frame; none between."""
    return [[ActorBox(0, 0, 0, 48, 32)] if k in (0, frames - 1) else [] for k in range(frames)]


def test_equals_transformers_by_hand_bit_for_bit(network: Network) -> None:
    video, _ = moving_square(12)  # three times as many frames as the network remembers
    expected = by_hand(network, video, (0, 0, 48, 32))
    found = dict(follow(network, video, wide_box(12), chunk=8, box_margin=0.1, drift=0))
    assert list(found) == list(range(12))
    assert any(0 < m.mean() < 1 for m in expected), "the network says something, and not everything"
    assert any((a != expected[0]).any() for a in expected[1:]), "and not the same on every frame"
    for k in range(12):
        np.testing.assert_array_equal(found[k], expected[k], err_msg=f"frame {k}")


def test_chunks_of_4_and_of_16_agree(network: Network) -> None:
    video, _ = moving_square(18)
    many = dict(follow(network, video, wide_box(18), chunk=16, box_margin=0.1, drift=0))
    few = dict(follow(network, video, wide_box(18), chunk=4, box_margin=0.1, drift=0))
    assert list(many) == list(few) == list(range(18))
    for k in range(18):
        np.testing.assert_array_equal(many[k], few[k])


def test_a_session_keeps_no_more_than_the_network_looks_back_at(network: Network) -> None:
    video, _ = moving_square(15)
    session = Session(network, (32, 48), ActorBox(0, 4, 8, 16, 20))
    with torch.inference_mode():
        for encoded in encode(network, list(video)):
            session.step(encoded)
    kept = session.session
    assert len(kept.processed_frames) == 0
    assert list(kept.output_dict_per_obj[0]["cond_frame_outputs"]) == [0]
    assert len(kept.output_dict_per_obj[0]["non_cond_frame_outputs"]) <= 4  # max_object_pointers_in_encoder
    assert len(kept.cache._vision_features) == 1
    assert not any("high_res_masks" in o for outputs in kept.output_dict_per_obj[0].values() for o in outputs.values())


def test_actors_are_followed_each_on_its_own_and_united(network: Network) -> None:
    video, _ = moving_square(8)
    boxes: list[list[ActorBox]] = [[] for _ in range(8)]
    boxes[1], boxes[5] = [ActorBox(0, 0, 0, 48, 32)], [ActorBox(0, 0, 0, 48, 32)]
    boxes[3], boxes[6] = [ActorBox(4, 8, 4, 40, 30)], [ActorBox(4, 0, 0, 48, 32)]
    found = dict(follow(network, video, boxes, chunk=3, box_margin=1.0, drift=0))
    assert list(found) == [1, 2, 3, 4, 5, 6]  # from the first box to the last; frame 7 has nobody left
    one, two = by_hand(network, video[1:6], (0, 0, 48, 32)), by_hand(network, video[3:7], (8, 4, 40, 30))
    for k in range(1, 7):
        expected = np.zeros((32, 48), bool)
        if k <= 5:
            expected |= one[k - 1]
        if k >= 3:
            expected |= two[k - 3]
        np.testing.assert_array_equal(found[k], expected, err_msg=f"frame {k}")


def test_who_drifts_is_prompted_anew_and_masks_end_at_the_box(network: Network) -> None:
    video, _ = moving_square(5)
    boxes = [[ActorBox(0, 4, 8, 24, 28)] for _ in range(5)]
    margin = 0.1  # 2 pixels on each side
    clip = np.zeros((32, 48), bool)
    clip[6:30, 2:26] = True
    always = dict(follow(network, video, boxes, chunk=8, box_margin=margin, drift=1))
    for k in range(5):  # the mask's box is never exactly the prompt's: each frame is a first frame
        np.testing.assert_array_equal(always[k], by_hand(network, video[k : k + 1], (4, 8, 24, 28))[0] & clip)
    never = dict(follow(network, video, boxes, chunk=8, box_margin=margin, drift=0))
    for k, mask in enumerate(by_hand(network, video, (4, 8, 24, 28))):
        np.testing.assert_array_equal(never[k], mask & clip)
    assert any((always[k] != never[k]).any() for k in range(1, 5))


def source_of(folder: Path, tmp_path: Path, **settings: object) -> Sam2Masks:
    """Prompted with stored masks that cover the whole picture."""
    write_masks(tmp_path / "prompts" / "a" / "v.zip", [np.ones((32, 48), bool)] * 8)
    settings = {"prompts": f"stored:{tmp_path / 'prompts'}", "device": "cpu", **settings}
    source = mask_source(f"sam2:{folder}", tmp_path, **settings)
    assert isinstance(source, Sam2Masks)
    return source


def video_of(tmp_path: Path, name: str = "a/v") -> Video:
    path = tmp_path / f"{Path(name).name}.mkv"
    write_video(path, moving_square(8)[0])
    return Video(name, path, 0, "a", "all", "folder")


def test_the_source_gives_what_following_gives_also_after_pickling(
    folder: Path, network: Network, tmp_path: Path
) -> None:
    source = source_of(folder, tmp_path, drift=0)
    video = video_of(tmp_path)
    track = source.track(video, 32, 48)
    expected = dict(follow(network, moving_square(8)[0], [[ActorBox(0, 0, 0, 48, 32)]] * 8, 8, 0.1, 0))
    assert track.covered.tolist() == [bool(expected[k].any()) for k in range(8)]
    assert track.covered.any()
    again = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert again._network is None
    other = again.track(video, 32, 48)
    for k in np.flatnonzero(track.covered).tolist():
        np.testing.assert_array_equal(track.mask(k), expected[k])
        np.testing.assert_array_equal(other.mask(k), expected[k])
    said = source.describe()
    assert said["kind"] == "sam2" and said["prompts"] == {"kind": "stored"} and said["drift"] == 0
    assert len(said["sha256"]) == 64 and json.dumps(said)


def test_bench_segment_takes_it(folder: Path, network: Network, tmp_path: Path) -> None:
    write_masks(tmp_path / "prompts" / "a" / "v.zip", [np.ones((32, 48), bool)] * 8)
    write_video(tmp_path / "videos" / "a" / "v.mkv", moving_square(8)[0])
    words = ["segment", "--dataset", "folder", "--root", tmp_path / "videos", "--masks", "sam2", "--sam-checkpoint",
             folder, "--prompts", f"stored:{tmp_path / 'prompts'}", "--drift", "0", "--device", "cpu", "--workers", "1",
             "--out", tmp_path / "out"]  # fmt: skip
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert done.exit_code == 0, done.output
    track = StoredTrack(tmp_path / "out" / "a" / "v.zip", 32, 48)
    for k, mask in follow(network, moving_square(8)[0], [[ActorBox(0, 0, 0, 48, 32)]] * 8, 8, 0.1, 0):
        assert track.covered[k] == mask.any()
        if mask.any():
            np.testing.assert_array_equal(track.mask(k), mask)


def test_a_video_without_prompts_is_left_out(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LeftOut, match="no masks"):
        source_of(folder, tmp_path).track(video_of(tmp_path, "a/w"), 32, 48)
    write_masks(tmp_path / "prompts" / "a" / "e.zip", [np.zeros((32, 48), bool)] * 8)
    with pytest.raises(LeftOut, match="a/e: the prompt source has no box"):
        source_of(folder, tmp_path).track(video_of(tmp_path, "a/e"), 32, 48)


def test_bad_settings_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--masks sam2: needs boxes as prompts; give --prompts"):
        mask_source(f"sam2:{folder}", tmp_path)
    for setting, value in (("drift", 1.5), ("box_margin", -1), ("chunk", 0)):
        with pytest.raises(BenchError, match=f"--{setting.replace('_', '-')} {value}"):
            source_of(folder, tmp_path, **{setting: value})


def test_what_is_no_checkpoint_is_named_with_the_mend(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"nowhere: no such folder.*facebook/sam2"):
        find_checkpoint(tmp_path / "nowhere")
    (tmp_path / "sam2.pt").write_bytes(b"weights")
    with pytest.raises(BenchError, match="is a file, but a checkpoint of SAM 2 is a folder"):
        find_checkpoint(tmp_path / "sam2.pt")
    with pytest.raises(BenchError, match=r"someone/nothing: .*hf download facebook/sam2"):
        find_checkpoint(Path("someone/nothing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match=r"config\.json: no checkpoint of transformers here"):
        load(tmp_path / "empty", "cpu")

    def copy(name: str) -> Path:
        return Path(shutil.copytree(folder, tmp_path / name))

    other = copy("other")
    (other / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(BenchError, match="is a checkpoint of vit, not of sam2_video"):
        source_of(other, tmp_path)
    bare = copy("bare")
    (bare / "model.safetensors").unlink()
    (bare / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(BenchError, match=r"contains no model\.safetensors"):
        load(bare, "cpu")
    cut = copy("cut")
    (cut / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(BenchError, match="cannot be read as SAM 2"):
        load(cut, "cpu")
    from safetensors.torch import load_file, save_file

    lacking = copy("lacking")
    weights = load_file(lacking / "model.safetensors")
    name = next(n for n in weights if n.startswith("memory_attention"))
    save_file({k: v for k, v in weights.items() if k != name}, lacking / "model.safetensors", {"format": "pt"})
    with pytest.raises(BenchError, match=f"1 weights are missing, the first is {name}"):
        load(lacking, "cpu")


def test_who_does_not_ask_for_it_loads_no_torch() -> None:
    code = (
        "import sys, benchmark_builder.masks, benchmark_builder.masks.networks.prompts\n"
        "import benchmark_builder.audit.leakage, albar_bench.cli.app\n"
        "print(sorted({'torch', 'transformers'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
