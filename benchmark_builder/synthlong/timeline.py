"""What happens in a video, and when: actions and idle stretches, scenery and clothing.

Anomalies are three of the eight motions of synthactions: :data:`ANOMALIES`. Normal motions share joints with them:
SideStep swings the legs as Kick does, and ArmCircles and SideStep together move what JumpingJack moves.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmark_builder.settings import SynthLongSettings
from benchmark_builder.synthactions.looks import CLOTHING
from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.synthactions.scenery import SCENERY
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator

ANOMALIES = ("Kick", "Squat", "JumpingJack")
NORMALS = tuple(name for name in CLASSES if name not in ANOMALIES)
NORMAL = "Normal"  # the label of videos without an anomaly
SPLITS = ("train", "test")

# Shortest stretches, in seconds.
ACTION, IDLE = 2.0, 1.0
# The actor leaves the picture, or comes into it, in this time; it is then out of sight for at least as long.
WALK = 0.75
AWAY = 0.7  # how often the actor is away in an idle stretch that is long enough
MOST_ACTIONS = 4
# Kinds of stretches.
ACT, STAND, WALK_OUT, NOBODY, WALK_IN = "action", "stand", "walk out", "nobody", "walk in"


@dataclass(frozen=True)
class Stretch:
    """A part of a video. ``kind`` is one of action, stand, walk out, nobody, walk in; ``label`` the class of an action,
    otherwise empty. ``start`` and ``end`` are frames from 0, ``end`` the first frame after it."""

    kind: str
    label: str
    start: int
    end: int


@dataclass(frozen=True)
class LongFacts:
    """The properties of a video that are chosen before it is drawn.

    Attributes:
        id: such as ``Kick_train0004_x264``; a plain file name.
        split: ``train`` or ``test``.
        label: the kind of anomaly, or ``Normal``.
        main: the class that decides scenery and clothing in training: the anomaly, or in a normal video the class of
            one of its actions.
        scenery, clothing: names of kinds.
        frames: length.
        stretches: cover the whole video, in order.
    """

    id: str
    split: str
    label: str
    main: str
    scenery: str
    clothing: str
    frames: int
    stretches: tuple[Stretch, ...]

    @property
    def actions(self) -> tuple[Stretch, ...]:
        """Its actions, in order."""
        return tuple(s for s in self.stretches if s.kind == ACT)

    @property
    def anomalies(self) -> tuple[Stretch, ...]:
        """Those of its actions that are anomalies, in order."""
        return tuple(s for s in self.actions if s.label in ANOMALIES)


def long_facts(settings: SynthLongSettings, split: str, index: int) -> LongFacts:
    """The properties of video ``index`` (from 0) of ``split``. Videos with an even index have anomalies, and classes
    take turns, so that every class is the main one of equally many videos."""
    if split not in SPLITS:
        raise BenchError(f"--split {split}: synthlong has {', '.join(SPLITS)}")
    anomalous = index % 2 == 0
    mains = ANOMALIES if anomalous else NORMALS
    main = mains[index // 2 % len(mains)]
    label = main if anomalous else NORMAL
    video_id = f"{label}_{split}{index:04d}_x264"

    def kind(what: str, kinds: tuple[str, ...]) -> str:
        rng = generator(settings.seed, video_id, what)
        if split == "test":
            return kinds[int(rng.integers(len(kinds)))]
        own = CLASSES.index(main)
        other = (own + 1 + int(rng.integers(len(kinds) - 1))) % len(kinds)
        return kinds[own if rng.random() < settings.bias else other]

    scenery, clothing = kind("scenery/kind", SCENERY), kind("clothing/kind", tuple(CLOTHING))
    stretches = _timeline(settings, main, generator(settings.seed, video_id, "timeline"))
    return LongFacts(video_id, split, label, main, scenery, clothing, stretches[-1].end, tuple(stretches))


def _timeline(settings: SynthLongSettings, main: str, rng: np.random.Generator) -> list[Stretch]:
    """Idle stretches and actions in turns, idle ones first and last. One or two actions are of the class ``main``."""
    fps = settings.fps
    shortest, longest = round(settings.shortest * fps), round(settings.longest * fps)
    frames = int(rng.integers(shortest, longest + 1))
    action, idle = int(np.ceil(ACTION * fps)), int(np.ceil(IDLE * fps))
    fitting = (frames - idle) // (action + idle)
    count = int(rng.integers(min(2, fitting), min(MOST_ACTIONS, fitting) + 1))
    labels = _labels(main, count, rng)
    least = np.array([idle, *(action, idle) * count])
    spare = frames - int(least.sum())  # shared evenly on average, and unevenly in one video
    ends = np.cumsum(least) + np.floor(spare * np.cumsum(rng.dirichlet(np.ones(len(least)))) + 1e-9).astype(int)
    ends[-1] = frames
    stretches: list[Stretch] = []
    for k, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
        if k % 2:
            stretches.append(Stretch(ACT, labels[k // 2], start, end))
        else:
            stretches += _idle(start, end, k == 0, end == frames, fps, rng)
    return stretches


def _labels(main: str, count: int, rng: np.random.Generator) -> list[str]:
    """The classes of ``count`` actions: ``main`` once, or twice of three or more; the others are other normal ones."""
    others = [name for name in NORMALS if name != main]
    labels = [others[int(k)] for k in rng.integers(len(others), size=count)]
    times = 1 + int(count >= 3 and rng.random() < 0.5)
    for place in rng.permutation(count)[:times].tolist():
        labels[place] = main
    return labels


def _idle(start: int, end: int, first: bool, last: bool, fps: float, rng: np.random.Generator) -> list[Stretch]:
    """What happens in an idle stretch: the actor stands, or is away, if there is time for it."""
    away, walk = rng.random() < AWAY, int(np.ceil(WALK * fps))
    walks = (0 if first else walk, 0 if last else walk)
    if not away or end - start < sum(walks) + walk:
        return [Stretch(STAND, "", start, end)]
    gone, back = start + walks[0], end - walks[1]
    parts = [(WALK_OUT, start, gone), (NOBODY, gone, back), (WALK_IN, back, end)]
    return [Stretch(kind, "", a, b) for kind, a, b in parts if a < b]
