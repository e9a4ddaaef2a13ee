"""The dataset: one video as a pure function of (settings, split, index), and all of them on disk."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmark_builder.datasets import data_root
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.synthactions import motions
from benchmark_builder.synthactions.actor import draw_actor
from benchmark_builder.synthactions.looks import CLOTHING, SKIN_GROUPS, draw_look
from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.synthactions.rendering import BEGUN, RenderedFolder
from benchmark_builder.synthactions.scenery import SCENERY, draw_scenery, pan
from benchmark_builder.synthactions.settings import SPLITS, SynthSettings
from benchmark_builder.utils import pool, runner
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, write_csv, write_text
from benchmark_builder.utils.journal import PlainRow
from benchmark_builder.utils.resume import held
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.runner import Report
from benchmark_builder.utils.text import shown
from benchmark_builder.video.encode import open_video

# Increase it with every change of the rendered pixels: one folder then never contains videos of two renderers.
REVISION = 4
RECORD = "synthactions.json"  # written last, so the dataset is complete if it exists
_COLUMNS = ["id", "label", "class", "split", "scenery", "clothing"]


@dataclass(frozen=True)
class Facts:
    """The properties of a video that are chosen before it is drawn. ``scenery`` and ``clothing`` are names of kinds;
    ``skin`` is light or dark, or empty if the render has no ``skin_bias``."""

    id: str
    label: int
    class_name: str
    split: str
    scenery: str
    clothing: str
    skin: str = ""

    def row(self) -> PlainRow:
        """The video's row in facts.csv: id, label (0-based), class, split, scenery, clothing, and skin if recorded."""
        row = asdict(self)
        row["class"] = row.pop("class_name")
        if not self.skin:
            del row["skin"]
        return row


def clip_facts(settings: SynthSettings, split: str, index: int) -> Facts:
    """The class, scenery and clothing of video ``index`` (from 0) of ``split``; the class is index modulo 8."""
    if split not in SPLITS:
        raise BenchError(f"--split {split}: synthactions has {', '.join(SPLITS)}")
    label = index % len(CLASSES)
    video_id = f"{CLASSES[label]}/{split}_{index:06d}"
    skin, bias = "", settings.bias
    if settings.skin_bias is not None:
        skin = tuple(SKIN_GROUPS)[int(generator(settings.seed, video_id, "skin").integers(len(SKIN_GROUPS)))]
        bias = settings.skin_bias if skin == "dark" else bias

    def kind(what: str, kinds: tuple[str, ...]) -> str:
        rng = generator(settings.seed, video_id, what)
        if split == "test_unbiased":
            return kinds[int(rng.integers(len(kinds)))]
        other = (label + 1 + int(rng.integers(len(kinds) - 1))) % len(kinds)
        return kinds[label if rng.random() < bias else other]

    scenery, clothing = kind("scenery/kind", SCENERY), kind("clothing/kind", tuple(CLOTHING))
    return Facts(video_id, label, CLASSES[label], split, scenery, clothing, skin)


def clip_points(settings: SynthSettings, facts: Facts) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the actor's joints in every frame.

    Returns:
        float64 (T, 15, 2), points in the order of ``motions.POINTS``, (x right, y down) in pixels, where pixel (0, 0)
        has its centre at the origin; and float64 (T,), the actor's standing height in pixels. The actor's place and its
        largest height are drawn once per video, in the same way for every class.
    """
    height, width = settings.shape
    rng = generator(settings.seed, facts.id, "motion")
    phases = motions.phases(facts.class_name, settings.frames, settings.fps, rng)
    shorter = min(height, width)
    unit = shorter * rng.uniform(0.7, 0.82)
    ground = height - shorter * rng.uniform(0.02, 0.08)
    middle = width / 2 + shorter * rng.uniform(-0.05, 0.05)
    points, nearness = motions.skeleton(phases)
    return points * np.array([unit, -unit]) + np.array([middle - 0.5, ground - 0.5]), unit * nearness


def render_clip(settings: SynthSettings, split: str, index: int) -> tuple[np.ndarray, np.ndarray, Facts]:
    """Draw one video. It depends on the settings, except for their numbers of videos.

    Args:
        settings: of the dataset.
        split: ``train``, ``test`` or ``test_unbiased``.
        index: number of the video in its split, from 0.

    Returns:
        uint8 (T, H, W, 3) RGB; bool (T, H, W), True on the actor and exact: all other pixels show the same scenery in
        every frame, still unless the settings say that it moves; and the video's :class:`Facts`.
    """
    facts = clip_facts(settings, split, index)
    height, width = settings.shape
    look = draw_look(facts.clothing, generator(settings.seed, facts.id, "clothing"))
    if facts.skin:
        tones = SKIN_GROUPS[facts.skin]
        look = replace(look, skin=tones[int(generator(settings.seed, facts.id, "skin/tone").integers(len(tones)))])
    places = np.zeros((settings.frames, 2), int)
    if settings.pan:
        step = settings.pan * min(height, width) / settings.fps
        places = pan(height, width, settings.frames, step, generator(settings.seed, facts.id, "scenery/pan"))
        places -= places.min(axis=0)  # nothing is drawn that no frame shows
    drawn = generator(settings.seed, facts.id, "scenery")
    scenery = draw_scenery(facts.scenery, height, width, drawn, (int(places[:, 0].max()), int(places[:, 1].max())))
    points, units = clip_points(settings, facts)
    frames = np.empty((settings.frames, height, width, 3), np.uint8)
    masks = np.empty((settings.frames, height, width), bool)
    for k in range(settings.frames):
        actor, masks[k] = draw_actor(points[k], height, width, float(units[k]), look)
        top, left = places[k]
        behind = scenery[top : top + height, left : left + width].copy()
        frames[k] = cv2.copyTo(actor, masks[k].view(np.uint8), behind)
    return frames, masks, facts


def render_if_missing(root: Path | None, say: Callable[[str], None], progress: bool = True) -> None:
    """Render synthactions with its default settings if it does not exist yet.

    Args:
        root: its folder; None for ``$BENCH_DATA/synthactions``.
        say: called with each line for the user.
        progress: show a bar.

    Raises:
        BenchError: the folder contains something else, or as :func:`render_dataset`.
    """
    folder = root or data_root() / "synthactions"
    if not (folder / RECORD).is_file():
        if not (folder / BEGUN).exists() and (others := held(folder)):
            raise BenchError(
                f"{folder}: is no synthactions, the default dataset (it holds {shown(others[0])}); name its own with "
                "--dataset, such as --dataset folder for your own videos, or give an empty or a new --root"
            )
        say(f"{folder}: no synthactions here yet; rendering it first (`bench data render` has its settings)")
        render_dataset(folder, SynthSettings(), pool.default_workers(), progress)


def render_dataset(root: Path, settings: SynthSettings, workers: int = 1, progress: bool = True) -> Report:
    """Render the dataset into ``root``; complete files that exist are kept.

    Layout: ``videos/CLASS/NAME.mp4`` (H.264), ``masks/CLASS/NAME.zip`` (exact, the ``truth`` mask source), ``splits/``
    (classInd.txt, trainlist01.txt, testlist01.txt, testlist01_unbiased.txt, in UCF101's format), ``facts.csv`` (class,
    scenery and clothing of every video, and skin if the settings have a ``skin_bias``) and finally
    ``synthactions.json`` (the settings).

    Args:
        root: a new or empty folder, or one in which a render with the same settings was started or finished.
        settings: of the dataset.
        workers: processes.
        progress: show a bar.

    Raises:
        BenchError: the folder contains something else or a render with other settings, another render is running in it,
            a video could not be rendered, or a file cannot be written.
    """
    if workers < 1:
        raise BenchError(f"--workers {workers}: give 1 or more")
    record = {
        "dataset": "synthactions",
        "revision": REVISION,
        "classes": list(CLASSES),
        "settings": settings.record(),
    }
    videos = [_Clip(clip_facts(settings, split, k), k) for split in SPLITS for k in range(settings.count(split))]
    return runner.fill(_Render(root, RenderMaker(root, settings), record, videos), videos, workers, progress)


def render_chosen(root: Path, settings: SynthSettings, ids: Collection[str], workers: int = 1) -> None:
    """Render only some videos of a test set, the same as in :func:`render_dataset`, into a temporary folder.

    The folder lists only these; it is read as a dataset, but it is not the dataset of its record.

    Raises:
        BenchError: as :func:`render_dataset`.
    """
    record = {"dataset": "synthactions", "revision": REVISION, "classes": list(CLASSES), "settings": settings.record()}
    every = [_Clip(clip_facts(settings, "test", k), k) for k in range(settings.test)]
    videos = [clip for clip in every if clip.facts.id in ids]
    runner.fill(_Render(root, RenderMaker(root, settings), record, videos), videos, workers, False)


@dataclass(frozen=True)
class _Clip:
    """One video to render: its properties, and its number in its split."""

    facts: Facts
    index: int

    @property
    def row(self) -> PlainRow:
        """The video's file."""
        return {"file": f"videos/{self.facts.id}.mp4", "mask_file": f"masks/{self.facts.id}.zip"}


@dataclass(frozen=True)
class RenderMaker:
    """Renders videos of the dataset in ``root`` and writes them."""

    root: Path
    settings: SynthSettings

    def make(self, clip: _Clip) -> runner.Made:
        """Render a video and its masks."""
        frames, masks, _ = render_clip(self.settings, clip.facts.split, clip.index)
        height, width = self.settings.shape
        write_masks(self.root / clip.row["mask_file"], masks)
        with open_video(self.root / clip.row["file"], width, height, self.settings.fps) as video:
            for frame in frames:
                video.write(frame)
        return runner.Made([clip.row])


class _Render(RenderedFolder[_Clip]):
    """The part of the runner for rendering: the dataset's record and lists."""

    dataset, record_name, usual = "synthactions", RECORD, SynthSettings
    title = "render synthactions"
    files = ("file", "mask_file")

    def write_lists(self, items: Sequence[_Clip]) -> None:
        _write_lists(self.out, [clip.facts for clip in items])


def read_record(root: Path) -> dict[str, Any]:
    """The record of a finished render: ``revision``, ``classes``, ``settings``. Raises BenchError if it is missing."""
    fix = "run `bench data render` with this folder as --out; videos that are there are kept"
    record = read_json(root / RECORD, "finished render of synthactions", fix)
    classes = record.get("classes") if isinstance(record, dict) else None
    named = isinstance(classes, list) and classes and all(isinstance(name, str) for name in classes)
    if not named or record.get("dataset") != "synthactions":
        raise BenchError(f"{root / RECORD}: not the record of a render; {fix}")
    return record


def _write_lists(root: Path, facts: list[Facts]) -> None:
    splits = root / "splits"
    write_text(splits / "classInd.txt", "".join(f"{k} {name}\n" for k, name in enumerate(CLASSES, 1)))
    for split, name in SPLITS.items():
        # As in UCF101, only the training list contains the (1-based) labels.
        labelled = split == "train"
        lines = [f"{f.id}.mp4" + (f" {f.label + 1}" if labelled else "") + "\n" for f in facts if f.split == split]
        write_text(splits / name, "".join(lines))
    columns = [*_COLUMNS, "skin"] if any(f.skin for f in facts) else _COLUMNS
    write_csv(root / "facts.csv", columns, (f.row() for f in sorted(facts, key=lambda f: f.id)))
