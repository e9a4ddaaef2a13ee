"""The videos: each a pure function of (settings, split, index), and all of them on disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.settings import SynthLongSettings
from benchmark_builder.synthactions import motions
from benchmark_builder.synthactions.actor import draw_actor
from benchmark_builder.synthactions.looks import draw_look
from benchmark_builder.synthactions.rendering import RenderedFolder
from benchmark_builder.synthactions.scenery import draw_scenery
from benchmark_builder.synthlong.annotations import RECORD, video_file, write_annotations
from benchmark_builder.synthlong.timeline import (
    ACT,
    ANOMALIES,
    NOBODY,
    NORMALS,
    SPLITS,
    WALK_IN,
    WALK_OUT,
    LongFacts,
    Stretch,
    long_facts,
)
from benchmark_builder.utils import runner
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.journal import PlainRow
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.runner import Report
from benchmark_builder.video.encode import open_video

# Increase it with every change of the rendered pixels or of the annotations.
REVISION = 1
# How far the legs swing while the actor walks, radians, and steps per second.
_SWING, _STEPS = 0.8, 1.6


def render_long(settings: SynthLongSettings, split: str, index: int) -> Iterator[np.ndarray]:
    """Draw one video. It depends on the settings, except for their numbers of videos.

    Args:
        settings: of the dataset.
        split: ``train`` or ``test``.
        index: number of the video in its split, from 0.

    Yields:
        The frames, uint8 (H, W, 3) RGB. The scenery is still.
    """
    facts = long_facts(settings, split, index)
    height, width = settings.shape
    look = draw_look(facts.clothing, generator(settings.seed, facts.id, "clothing"))
    scenery = draw_scenery(facts.scenery, height, width, generator(settings.seed, facts.id, "scenery"))
    points, units, there = _movement(settings, facts)
    for k in range(facts.frames):
        frame = scenery.copy()
        if there[k]:
            actor, mask = draw_actor(points[k], height, width, float(units[k]), look)
            frame = cv2.copyTo(actor, mask.view(np.uint8), frame)
        yield frame


def _movement(settings: SynthLongSettings, facts: LongFacts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints in pixels (T, 15, 2), standing heights in pixels (T,), and whether the actor is there, bool (T,).

    The phases start anywhere on the torus and never jump: an action goes on where the last one ended. So at every frame
    the phases are independent and uniform, whatever happens there, as in synthactions.
    """
    height, width = settings.shape
    shorter = min(height, width)
    rng = generator(settings.seed, facts.id, "motion")
    start = rng.uniform(0, 2 * np.pi, len(motions.PHASES))
    small = motions.idle(np.arange(facts.frames) / settings.fps, rng)
    unit = shorter * rng.uniform(0.7, 0.82)
    ground = height - shorter * rng.uniform(0.02, 0.08)
    middle = width / 2 + shorter * rng.uniform(-0.05, 0.05)
    phases = np.empty((facts.frames, len(motions.PHASES)))
    aside = np.zeros(facts.frames)  # pixels to the right
    there = np.ones(facts.frames, bool)
    for k, part in enumerate(facts.stretches):
        drawn = generator(settings.seed, facts.id, f"stretch/{k}")
        now = slice(part.start, part.end)
        moved = np.zeros((part.end - part.start + 1, len(motions.PHASES)))
        if part.kind == ACT:
            moved = motions.displacement(part.label, part.end - part.start, settings.fps, drawn)
        elif part.kind in (WALK_OUT, WALK_IN):
            # Out of the picture is half of it and the widest pose.
            reach = drawn.choice([-1, 1]) * (width / 2 + 0.75 * unit)
            aside[now], moved = _walk(part, reach, settings.fps)
        elif part.kind == NOBODY:
            there[now] = False
        phases[now] = start + moved[:-1]
        start = start + moved[-1]
    points, nearness = motions.skeleton(phases + small)
    placed = points * np.array([unit, -unit]) + np.array([middle - 0.5, ground - 0.5])
    placed[..., 0] += aside[:, None]
    return placed, unit * nearness, there


def _walk(part: Stretch, reach: float, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Pixels to the right (T,), and displacement of the phases (T + 1, 10): the legs swing against each other, and are
    at the end where they were."""
    count = part.end - part.start
    share = np.arange(count) / count
    if part.kind == WALK_IN:
        share = 1 - share
    steps = max(1, round(_STEPS * count / fps))
    swing = _SWING * np.sin(2 * np.pi * steps * np.arange(count + 1) / count)
    moved = np.zeros((count + 1, len(motions.PHASES)))
    moved[:, motions.PHASES.index("hip_l")], moved[:, motions.PHASES.index("hip_r")] = swing, -swing
    return reach * share, moved


def render_synthlong(root: Path, settings: SynthLongSettings, workers: int = 1, progress: bool = True) -> Report:
    """Render the dataset into ``root``; complete files that exist are kept.

    Layout: ``videos/CLASS/NAME.mp4`` (H.264; normal videos in ``Training_Normal_Videos_Anomaly`` and
    ``Testing_Normal_Videos_Anomaly``, as in UCF-Crime), the files of :mod:`~benchmark_builder.synthlong.annotations`,
    ``facts.csv`` (what was chosen for every video), ``timeline.csv`` (actions and idle stretches of every video, also
    of training videos) and finally ``synthlong.json`` (the settings).

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
        "dataset": "synthlong",
        "revision": REVISION,
        "classes": list(motions.CLASSES),
        "anomalies": list(ANOMALIES),
        "normals": list(NORMALS),
        "settings": settings.model_dump(),
    }
    videos = [_Long(long_facts(settings, split, k), k) for split in SPLITS for k in range(settings.count(split))]
    return runner.fill(_Render(root, LongMaker(root, settings), record, videos), videos, workers, progress)


@dataclass(frozen=True)
class _Long:
    """One video to render: its properties, and its number in its split."""

    facts: LongFacts
    index: int

    @property
    def row(self) -> PlainRow:
        """The video's file."""
        return {"file": video_file(self.facts)}


@dataclass(frozen=True)
class LongMaker:
    """Renders videos of the dataset in ``root`` and writes them."""

    root: Path
    settings: SynthLongSettings

    def make(self, item: _Long) -> runner.Made:
        """Render a video."""
        height, width = self.settings.shape
        with open_video(self.root / item.row["file"], width, height, self.settings.fps) as video:
            for frame in render_long(self.settings, item.facts.split, item.index):
                video.write(frame)
        return runner.Made([item.row])


class _Render(RenderedFolder[_Long]):
    """The part of the runner for rendering: the dataset's record and annotations."""

    dataset, record_name, usual = "synthlong", RECORD, SynthLongSettings
    title = "render synthlong"

    def write_lists(self, items: Sequence[_Long]) -> None:
        write_annotations(self.out, [item.facts for item in items], self.maker.settings.fps)
