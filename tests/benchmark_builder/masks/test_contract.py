"""One contract for every mask source that ships, over every small video."""

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from coloured_people import ColouredPeople
from masks_on_disk import compressed
from PIL import Image
from scipy.io import savemat
from tiny_maskrcnn import weights  # noqa: F401 (a fixture: the file of a tiny Mask R-CNN)
from tiny_sam import checkpoint  # noqa: F401 (a fixture: the file of a tiny SAM)
from tiny_sam2 import folder  # noqa: F401 (a fixture: a checkpoint of a tiny SAM 2)
from tiny_videos import moving_square, write_video

from benchmark_builder.masks import KINDS, mask_source
from benchmark_builder.masks.people import source as people_source
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.utils.errors import LeftOut
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

ID = "Fencing/v_Fencing_g01_c01"
SIZES = {"usual": (8, 32, 48), "one frame": (1, 32, 48), "odd and upright": (3, 45, 31), "frames": (4, 32, 48)}


@pytest.fixture(scope="module", params=SIZES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Video, np.ndarray]:
    """A dataset's folder with masks of one video in every form, the video, and the masks, bool (T, H, W)."""
    root, (count, height, width) = tmp_path_factory.mktemp("contract"), SIZES[request.param]
    frames, masks = moving_square(count, height, width)
    path = root / "video.mkv"
    if request.param == "frames":
        path = root / "video"
        path.mkdir()
        for k, frame in enumerate(frames):
            Image.fromarray(frame).save(path / f"frame{k + 1:06d}.png")
    else:
        write_video(path, frames)
    write_masks(root / "masks" / f"{ID}.zip", masks)
    for k, mask in enumerate(masks):
        picture = root / "pictures" / ID / f"{k:05d}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(picture)
    (root / "rle.json").write_text(json.dumps({ID: [compressed(mask) for mask in masks]}))
    (root / "puppet_mask" / ID).mkdir(parents=True)
    savemat(root / "puppet_mask" / ID / "puppet_mask.mat", {"part_mask": np.moveaxis(masks, 0, 2).astype(np.uint8)})
    tube = {"label": 0, "sf": 0, "ef": count, "boxes": np.array([[4, 8, 12, 12]] * count, np.uint8)}
    table: dict[str, Any] = {ID: {"numf": count, "label": 0, "annotations": [tube]}}
    (root / "pyannot.pkl").write_bytes(pickle.dumps(table, protocol=2))
    rows = np.array([[k + 1, 4, 8, 16, 20] for k in range(count)], np.float32)
    table = {"labels": ["Basketball", "Fencing"], "gttubes": {ID: {1: [rows]}}, "nframes": {ID: count},
             "resolution": {ID: (height, width)}, "train_videos": [[]], "test_videos": [[ID]]}  # fmt: skip
    (root / "v2.pkl").write_bytes(pickle.dumps(table, protocol=2))
    return root, Video(ID, path, 0, "Fencing", "test", "jhmdb"), masks


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# How each source is named for this folder, and its settings; a fixture's name in braces is its file.
GIVEN: dict[str, tuple[str, dict[str, Any]]] = {
    "ucf101-24": ("ucf101-24:{root}/pyannot.pkl", {}),
    "ucf101-v2": ("ucf101-v2:{root}/v2.pkl", {}),
    "jhmdb": ("jhmdb", {}),
    "folder": ("folder:{root}/pictures", {"numbering": "0"}),
    "rle": ("rle:{root}/rle.json", {}),
    "truth": ("truth", {}),
    "boxes": ("boxes:stored", {}),
    "stored": ("stored:{root}/masks", {}),
    "people": ("people", {}),
    "motion": ("motion", {}),
    "maskrcnn": ("maskrcnn:{weights}", {"min_score": 0.05, "min_track": 1, "device": "cpu"}),
    "detector": ("detector:{weights}", {"min_score": 0.05, "min_track": 1, "device": "cpu"}),
    "sam": ("sam:{checkpoint}", {"prompts": "stored", "device": "cpu"}),
    "sam2": ("sam2:{folder}", {"prompts": "stored", "device": "cpu"}),
}
WHOLE = ("jhmdb", "folder", "rle", "truth", "stored")  # these hold the very masks
MAY_LEAVE_OUT = ("people", "motion", "maskrcnn", "detector")  # what is seen, or not, in noise


@pytest.mark.parametrize("kind", [*KINDS.shipped])
def test_every_source_keeps_the_contract(
    kind: str, place: tuple[Path, Video, np.ndarray], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, video, masks = place
    monkeypatch.setattr(people_source, "weights_file", lambda name: root / name)
    monkeypatch.setattr(people_source, "Networks", lambda selfie, pose: ColouredPeople())
    spec, options = GIVEN[kind]
    wanted = [name for name in ("weights", "checkpoint", "folder") if f"{{{name}}}" in spec]
    files = {name: request.getfixturevalue(name) for name in wanted}
    source = mask_source(spec.format(root=root, **files), root, **options)
    height, width = next(iter(read_frames(video.path))).shape[:2]
    described = source.describe()
    assert json.loads(json.dumps(described)) == described and described["kind"] == kind
    data = pickle.dumps(source)
    assert len(data) < 100_000, "what workers get holds no network"
    again: Callable = pickle.loads(data).track  # noqa: S301 (written above)
    try:
        track = source.track(video, height, width)
    except LeftOut:
        assert kind in MAY_LEAVE_OUT
        with pytest.raises(LeftOut):
            again(video, height, width)
        return
    other = again(video, height, width)
    assert track.covered.dtype == bool and track.covered.shape == (len(masks),)
    np.testing.assert_array_equal(track.covered, other.covered)
    for k in np.flatnonzero(track.covered).tolist():
        mask = track.mask(k)
        assert mask.dtype == bool and mask.shape == (height, width)
        np.testing.assert_array_equal(mask, other.mask(k))
        if kind in WHOLE:
            np.testing.assert_array_equal(mask, masks[k])
        elif kind in ("ucf101-24", "ucf101-v2", "boxes"):
            assert mask.any()
    if kind not in MAY_LEAVE_OUT:
        assert track.covered.all()
