"""People by a detector: the tracking on hand-made boxes, the rest through a tiny randomly initialised network."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_maskrcnn import (
    weights,  # noqa: F401
)
from tiny_videos import moving_square, write_video
from torchvision.ops import FrozenBatchNorm2d

from benchmark_builder.masks import ActorBox, mask_source
from benchmark_builder.masks.base import pack, unpack
from benchmark_builder.masks.networks import detector
from benchmark_builder.masks.networks.detector import NETWORKS, detect, load_network, outline
from benchmark_builder.masks.networks.maskrcnn import DetectorBoxes, MaskRCNNMasks
from benchmark_builder.masks.networks.prompts import prompt_boxes
from benchmark_builder.masks.networks.tracking import PATIENCE, PeopleTrack, Sighting, link
from benchmark_builder.pretrained.table import Address, network_of_file
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.record import Video


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The sums by hand are the source's own, bit for bit: it computes with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(BenchError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- following people -------------------------------------------------------------------------------------------------


def at(x: float) -> tuple[float, float, float, float]:
    return (x, 0.0, x + 10, 20.0)


def test_people_keep_their_number_whatever_the_order_of_the_boxes() -> None:
    frames = [[at(0), at(50)], [at(52), at(2)], [at(4)], [at(54), at(6), at(100)]]
    assert link(frames) == [[0, 1], [1, 0], [0], [1, 0, 2]]


def test_the_pair_that_overlaps_most_is_joined_first() -> None:
    # The second box overlaps the known person by 8/12, the first by 6/14: the first is somebody new.
    assert link([[at(0)], [at(4), at(2)]]) == [[0], [1, 0]]
    assert link([[at(0)], [at(6)]]) == [[0], [1]]  # 4/16 is less than SAME


@pytest.mark.parametrize(("missed", "again"), [(PATIENCE, 0), (PATIENCE + 1, 1)])
def test_a_person_missed_for_too_long_is_another_one(missed: int, again: int) -> None:
    assert link([[at(0)]] + [[]] * missed + [[at(1)]])[-1] == [again]


def test_who_is_seen_briefly_is_dropped() -> None:
    mask = np.zeros((24, 64), bool)
    mask[3:9, 2:5] = True
    frames = [[Sighting(at(0), pack(mask))] for _ in range(20)]
    frames[5].append(Sighting(at(40)))
    frames[6] = [Sighting(at(41)), frames[6][0]]
    frames[9] = []
    short = PeopleTrack(frames, 24, 64, min_track=2)
    assert short.actor_boxes(6) == [ActorBox(0, 0, 0, 10, 20), ActorBox(1, 41, 0, 51, 20)]
    long = PeopleTrack(frames, 24, 64, min_track=3)
    assert long.actor_boxes(5) == long.actor_boxes(6) == [ActorBox(0, 0, 0, 10, 20)]
    assert np.flatnonzero(~long.covered).tolist() == [9]
    np.testing.assert_array_equal(long.mask(6), mask)
    both = mask.copy()
    both[0:20, 41:51] = True  # of a sighting without a mask, the box
    np.testing.assert_array_equal(short.mask(6), both)
    assert not PeopleTrack(frames, 24, 64, min_track=50).actor_boxes(5)[1:]  # of 20 frames, 10 are enough
    assert not PeopleTrack([[]] * 4, 24, 64, min_track=1).covered.any()


def test_boxes_are_widened_to_whole_pixels_of_the_frame() -> None:
    track = PeopleTrack([[Sighting((-0.5, 3.2, 9.1, 30.0))]], 24, 64, min_track=1)
    assert prompt_boxes(track, 24, 64, "v") == [[ActorBox(0, 0, 3, 10, 24)]]


def test_the_outline_of_key_points() -> None:
    """A person of 100 pixels, upright: the points at the heights of Drillis and Contini's body."""
    x = [50, 51, 49, 52, 48, 60, 40, 60, 40, 60, 40, 56, 44, 56, 44, 56, 44]
    y = [8, 6, 6, 6, 6, 20, 20, 38, 38, 52, 52, 49, 49, 75, 75, 98, 98]
    points = np.stack([x, y], 1).astype(float)
    mask = outline(points, np.ones(17, bool), 110, 100)
    assert mask.dtype == bool and mask[35, 50] and mask[8, 50] and mask[98, 44] and mask[30, 60]
    assert not mask[70, 50] and not mask[35, 70] and not mask[105].any()
    assert not outline(points, np.zeros(17, bool), 110, 100).any()
    unsure = np.ones(17, bool)
    unsure[[13, 15]] = False  # a leg
    assert not outline(points, unsure, 110, 100)[75:, 50:].any()
    limb = mask[60:70, :50].sum(1)  # a leg between hip and knee is 100/14 = 7 pixels wide; OpenCV draws up to 2 more
    assert ((limb >= 7) & (limb <= 9)).all()


# --- the network ------------------------------------------------------------------------------------------------------


CPU = torch.device("cpu")


def test_what_is_found_is_what_the_network_says(weights: Path) -> None:
    video, _ = moving_square(3)
    network = load_network(weights, "tiny", 0.05, CPU)
    found = list(detect(network, video, CPU, chunk=2, masks=True))
    assert len(found) == 3 and sum(map(len, found)) > 0
    for frame, people in zip(video, found, strict=True):
        with torch.inference_mode():
            [said] = network([torch.from_numpy(frame).permute(2, 0, 1) / 255])
        solid = [k for k in range(len(said["boxes"])) if (said["masks"][k, 0] > 0.5).any()]
        assert (said["labels"] == 1).all() and [s.box for s in people] == [
            tuple(said["boxes"][k].tolist()) for k in solid
        ]
        for person, k in zip(people, solid, strict=True):
            assert person.mask is not None
            np.testing.assert_array_equal(unpack(person.mask, 32, 48), (said["masks"][k, 0] > 0.5).numpy())


def test_chunks_of_8_and_of_64_agree(weights: Path) -> None:
    video, _ = moving_square(66)
    network = load_network(weights, "tiny", 0.05, CPU)
    assert list(detect(network, video, CPU, 8, True)) == list(detect(network, video, CPU, 64, True))


class Told(torch.nn.Module):
    """A network that says what it is told, of however many pictures."""

    def __init__(self, **said: torch.Tensor) -> None:
        super().__init__()
        self.said = said

    def forward(self, pictures: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        assert all(p.dtype == torch.float32 and p.shape == (3, 32, 48) and 0.5 < p.max() <= 1 for p in pictures)
        return [self.said] * len(pictures)


def test_only_people_count_and_key_points_give_outlines() -> None:
    video, _ = moving_square(1)
    boxes = torch.tensor([[1.0, 2, 9, 20], [3, 4, 30, 30]])
    labels = torch.tensor([18, 1])  # a dog, a person
    points = torch.tensor([[[20.0, 10.0 + k, 1] for k in range(17)]] * 2)
    network = Told(boxes=boxes, labels=labels, keypoints=points, keypoints_scores=torch.ones(2, 17))
    [[person]] = detect(network, video, CPU, 8, masks=True)
    assert person.box == (3, 4, 30, 30) and person.mask is not None
    np.testing.assert_array_equal(
        unpack(person.mask, 32, 48), outline(points[1, :, :2].numpy(), np.ones(17, bool), 32, 48)
    )
    [[person]] = detect(network, video, CPU, 8, masks=False)
    assert person.mask is None


# --- the source -------------------------------------------------------------------------------------------------------


def clip(tmp_path: Path) -> Video:
    write_video(tmp_path / "v_a.mkv", moving_square()[0])
    return Video("Archery/v_a", tmp_path / "v_a.mkv", 0, "Archery", "test", "ucf101")


def test_the_sources_from_weights_to_masks(weights: Path, tmp_path: Path) -> None:
    video = clip(tmp_path)
    source = mask_source(f"maskrcnn:{weights}", tmp_path, min_score=0.05, min_track=1, device="cpu")
    assert isinstance(source, MaskRCNNMasks) and source.describe()["model"] == "tiny"
    track = source.track(video, 32, 48)
    assert len(track.covered) == 8 and track.covered.any()
    data = pickle.dumps(source)
    assert len(data) < 2000  # the network stays here
    again = pickle.loads(data).track(video, 32, 48)  # noqa: S301 (written two lines above)
    for k in np.flatnonzero(track.covered):
        assert track.mask(k).any()
        np.testing.assert_array_equal(track.mask(k), again.mask(k))
    boxes = mask_source(f"detector:{weights}", tmp_path, min_score=0.05, min_track=1, device="cpu")
    assert isinstance(boxes, DetectorBoxes) and boxes.describe()["kind"] == "detector"
    prompts = boxes.track(video, 32, 48)
    k = int(np.flatnonzero(prompts.covered)[0])
    _, x1, y1, x2, y2 = prompts.actor_boxes(k)[0]
    assert prompts.mask(k)[y1:y2, x1:x2].all()


def test_nobody_is_invented(weights: Path, tmp_path: Path) -> None:
    source = mask_source(f"maskrcnn:{weights}", tmp_path, min_score=1.0, device="cpu")
    with pytest.raises(LeftOut, match="no person found in Archery/v_a"):
        source.track(clip(tmp_path), 32, 48)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_score": 1.5}, "--min-score 1.5"),
        ({"min_track": 0}, "--min-track 0"),
        ({"chunk": 0}, "--chunk 0"),
        ({"device": "warp"}, "--device warp"),
        ({"actors": "first"}, "--actors first: --masks maskrcnn has no such setting"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, object], words: str, weights: Path, tmp_path: Path) -> None:
    assert words in refused(lambda: mask_source(f"maskrcnn:{weights}", tmp_path, **options))


@pytest.mark.parametrize(
    ("spec", "file"),
    [
        ("maskrcnn", "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth"),
        ("detector:MaskRCNN_ResNet50_FPN_Weights.COCO_V1", "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"),
        ("detector:KeypointRCNN_ResNet50_FPN_Weights.DEFAULT", "keypointrcnn_resnet50_fpn_coco-fc266e95.pth"),
        ("maskrcnn:keypointrcnn-legacy", "keypointrcnn_resnet50_fpn_coco-9f466800.pth"),
    ],
)
def test_weights_that_cannot_be_fetched(spec: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(url: str, path: Path, most: int) -> str:
        raise BenchError(f"{url}: no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("benchmark_builder.pretrained.store.download", offline)
    message = refused(lambda: mask_source(spec, tmp_path))
    assert f"https://download.pytorch.org/models/{file}: cannot be fetched (no network)" in message
    assert str(tmp_path / "hub" / "checkpoints" / file) in message


def test_weights_that_are_none(weights: Path, tmp_path: Path) -> None:
    for name in ("no_such.pth", "sam-vit-b", "ResNet50_Weights.IMAGENET1K_V2", "MaskRCNN_ResNet50_FPN_Weights.COCO_V9"):
        message = refused(lambda name=name: mask_source(f"maskrcnn:{name}", tmp_path))  # type: ignore[misc]
        assert message.startswith(f"{name}: ") and "MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1" in message
    other = tmp_path / "other.pth"
    torch.save(torch.nn.Linear(2, 2).state_dict(), other)
    assert "fit no known network" in refused(lambda: mask_source(f"maskrcnn:{other}", tmp_path))
    weights.write_bytes(weights.read_bytes()[:1000])
    assert refused(lambda: mask_source(f"maskrcnn:{weights}", tmp_path)).startswith(f"{weights}: cannot be read")


def test_published_weights_run_as_torchvision_runs_them(tmp_path: Path) -> None:
    """Files of the old name are told by it, and run without eps; others of the same network with it."""
    state = NETWORKS["maskrcnn_resnet50_fpn"].build().state_dict()
    old = {name.replace("rpn.head.conv.0.0.", "rpn.head.conv."): value for name, value in state.items()}
    assert old.keys() != state.keys()  # as the published file names them, from before a module was nested
    published = tmp_path / "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"
    own = tmp_path / "own.pth"
    torch.save(old, published)
    own.symlink_to(published)
    for path, eps in ((published, 0.0), (own, 1e-5)):
        found, name = detector.find_weights(str(path))
        assert (found, name) == (path, "maskrcnn_resnet50_fpn")
        layers = [m for m in load_network(found, name, 0.7, CPU).modules() if isinstance(m, FrozenBatchNorm2d)]
        assert len(layers) == 53 and {m.eps for m in layers} == {eps}


def test_every_name_of_torchvision_is_in_the_table() -> None:
    for network in NETWORKS.values():
        assert network.weights is not None
        for known in network.weights:
            row = network_of_file(Path(known.value.url).name)
            assert row is not None and isinstance(row.source, Address) and row.source.url == known.value.url
            assert row.sha256.startswith(Path(row.file).stem.rpartition("-")[2]) and row.unasked
            assert row.size == pytest.approx(known.value.meta["_file_size"] * 2**20, rel=1e-3)
