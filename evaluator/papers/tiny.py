"""Small copies of the official layouts, with rendered videos: ``bench paper --tiny`` runs a plan on them.

The videos are those of synthactions under names of the official classes; layout, lists, annotations and file formats
are those of the datasets. The figures mean nothing: this shows that every step of the plan runs.
"""

import functools
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.datasets.hmdb51 import SPLITS as HMDB51_SPLITS
from benchmark_builder.datasets.jhmdb import CLASSES as JHMDB_CLASSES
from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.synthactions.render import Facts, render_clip
from benchmark_builder.synthactions.scenery import SCENERY, draw_scenery
from benchmark_builder.synthactions.settings import SynthSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, whole_file, write_csv, write_json, write_text
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.encode import open_video
from evaluator.papers.plan import PaperPlan

TRAIN, TEST = 16, 8  # videos, two and one per class
SETTINGS = SynthSettings(train=TRAIN, test=TEST, frames=16, size=96, width=128)
PICTURES = 4  # per background set
DONE = "tiny.json"  # written last
Clip = tuple[str, str, np.ndarray, np.ndarray]  # class, split, frames, masks


def make_copies(plan: PaperPlan, root: Path) -> dict[str, str]:
    """Write what the plan needs below ``root``, and return the places of its needs, by name.

    A complete copy is kept. Videos have 16 frames of 128x96 pixels.

    Raises:
        BenchError: a dataset of the plan has no small copy.
    """
    have = {need.name: str(root / (need.place or need.name)) for need in plan.needs if need.kind != "torchvision"}
    for need in plan.needs:
        if need.kind == "weights":
            have[need.name] = str(root / f"{need.place}.pth")
        if need.kind == "dataset" and need.name not in WRITERS:
            raise BenchError(f"--tiny: there is no small copy of {need.name}; run the plan without --tiny")
    record = {"plan": plan.name, "version": plan.version, "needs": sorted(have)}
    if (root / DONE).is_file() and read_json(root / DONE, "record of --tiny", "delete the folder") == record:
        return have
    for need in plan.needs:
        place = Path(have.get(need.name, root))
        if need.kind == "dataset":
            WRITERS[need.name](place)
        elif need.kind == "pictures":
            _pictures(place, need.name)
        elif need.kind == "weights":
            _places_network(place)
    write_json(root / DONE, record)
    return have


def _clips(classes: list[str], seed: int) -> Iterator[Clip]:
    """The rendered videos, with the official class names in place of their own."""
    for split, count in (("train", TRAIN), ("test", TEST)):
        for index in range(count):
            frames, masks, facts = _rendered(seed, split, index)
            yield classes[facts.label], split, frames, masks


@functools.lru_cache(maxsize=TRAIN + TEST)  # 20 megabytes
def _rendered(seed: int, split: str, index: int) -> tuple[np.ndarray, np.ndarray, Facts]:
    """A rendered video; datasets that are copied one after the other have the same ones."""
    return render_clip(SETTINGS.replaced(seed=seed), split, index)


def _video(path: Path, frames: np.ndarray) -> None:
    with open_video(path, frames.shape[2], frames.shape[1], SETTINGS.fps) as video:
        for frame in frames:
            video.write(frame)


def _hmdb51(root: Path) -> None:
    # The classes that JHMDB has, too, so that the split files list the same videos.
    classes = list(JHMDB_CLASSES[: len(CLASSES)])
    lines: dict[str, list[str]] = {name: [] for name in shipped_classes("hmdb51")}
    for number, (name, split, frames, _) in enumerate(_clips(classes, 0)):
        file = f"tiny_{name}_{split}_{number:02d}.avi"
        _video(root / "videos" / name / file, frames)
        lines[name].append(f"{file} {1 if split == 'train' else 2}")
    _split_files(root / HMDB51_SPLITS, lines)


def _split_files(folder: Path, lines: dict[str, list[str]]) -> None:
    for name, own in lines.items():
        write_text(folder / f"{name}_test_split1.txt", "".join(f"{line}\n" for line in own))


def _jhmdb(root: Path) -> None:
    from scipy.io import savemat

    classes = list(JHMDB_CLASSES[: len(CLASSES)])
    lines: dict[str, list[str]] = {name: [] for name in shipped_classes("hmdb51")}
    for number, (name, split, frames, masks) in enumerate(_clips(classes, 0)):
        stem = f"tiny_{name}_{split}_{number:02d}"
        lines[name].append(f"{stem}.avi {1 if split == 'train' else 2}")
        for k, frame in enumerate(frames, 1):
            _picture(root / "Rename_Images" / name / stem / f"{k:05d}.png", frame)
        with whole_file(root / "puppet_mask" / name / stem / "puppet_mask.mat") as path:
            savemat(path, {"part_mask": np.moveaxis(masks, 0, 2).astype(np.uint8)}, do_compression=True)
    _split_files(root / HMDB51_SPLITS, lines)


def _ucf101(root: Path) -> None:
    # Classes of UCF101-24.
    classes = ["Basketball", "Biking", "Diving", "Fencing", "GolfSwing", "HorseRiding", "IceDancing", "LongJump"]
    table: dict[str, object] = {}
    lists: dict[str, list[str]] = {"train": [], "test": []}
    order = shipped_classes("ucf101")
    for number, (name, split, frames, masks) in enumerate(_clips(classes, 0)):
        group = 8 + number if split == "train" else 1 + number % 7  # groups 1 to 7 are the first test split
        stem = f"v_{name}_g{group:02d}_c01"
        _video(root / "UCF-101" / name / f"{stem}.avi", frames)
        lists[split].append(f"{name}/{stem}.avi" + (f" {order.index(name) + 1}" if split == "train" else ""))
        boxes = np.array([_box(mask) for mask in masks], np.uint16)
        tube = {"label": classes.index(name), "sf": 0, "ef": len(frames), "boxes": boxes}
        table[f"{name}/{stem}"] = {"numf": len(frames), "label": classes.index(name), "annotations": [tube]}
    for split, names in lists.items():
        write_text(root / "ucfTrainTestlist" / f"{split}list01.txt", "".join(f"{line}\n" for line in names))
    with whole_file(root / "annotations" / "pyannot.pkl") as path:
        path.write_bytes(pickle.dumps(table, protocol=2))


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """x, y, w, h of a mask, in pixels of 320x240 frames."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    scale_x, scale_y = 320 / mask.shape[1], 240 / mask.shape[0]
    x, y = int(columns[0] * scale_x), int(rows[0] * scale_y)
    return x, y, int((columns[-1] + 1) * scale_x) - x, int((rows[-1] + 1) * scale_y) - y


def _kinetics400(root: Path) -> None:
    classes = shipped_classes("kinetics400")[: len(CLASSES)]
    rows: dict[str, list[dict[str, object]]] = {"train": [], "val": []}
    for number, (name, split, frames, masks) in enumerate(_clips(classes, 0)):
        part = "val" if split == "test" else split
        youtube = f"tiny_{part}_{number:03d}"
        stem = f"{youtube}_000000_000010"
        _video(root / part / f"{stem}.mp4", frames)
        rows[part].append({"label": name, "youtube_id": youtube, "time_start": 0, "time_end": 10, "split": part})
        for k, mask in enumerate(masks, 1):
            _picture(root.parent / "kinetics400-masks" / stem / f"{k:05d}.png", mask.astype(np.uint8) * 255)
    for part, own in rows.items():
        write_csv(root / "annotations" / f"{part}.csv", list(own[0]), own)


def _aras(root: Path) -> None:
    classes = shipped_classes("kinetics400")
    lines = []
    for number, (name, split, frames, _) in enumerate(_clips(classes[: len(CLASSES)], 1)):
        if split == "test":
            file = f"aras_clips/{name}/tiny{number:06d}_0.mp4"
            _video(root / file, frames)
            lines.append(f"{file} {classes.index(name)}")
    write_text(root / "annotations" / "aras_test_balance.txt", "".join(f"{line}\n" for line in lines))


def _pictures(folder: Path, name: str) -> None:
    height, width = SETTINGS.shape
    for k in range(PICTURES):
        rng = generator(0, f"{name}/{k}", "tiny/pictures")
        _picture(folder / f"{k:04d}.jpg", draw_scenery(SCENERY[k % len(SCENERY)], height, width, rng))


def _picture(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 (H, W, 3) RGB or (H, W) grey."""
    shown = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    with whole_file(path) as temporary:
        temporary.write_bytes(cv2.imencode(path.suffix, shown)[1].tobytes())


def _places_network(path: Path) -> None:
    """A Places365 ResNet-18 with random weights."""
    import torch
    from torchvision.models import resnet18

    from benchmark_builder.utils.weights import write_torch_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = resnet18(weights=None, num_classes=365)
    write_torch_file(path, network.state_dict())


WRITERS: dict[str, Callable[[Path], None]] = {
    "hmdb51": _hmdb51,
    "jhmdb": _jhmdb,
    "ucf101": _ucf101,
    "kinetics400": _kinetics400,
    "aras": _aras,
}
