"""The classes: how the phases of a skeleton change over time. A single frame contains no information on the class.

A pose is a point on a torus: ten phases, one per joint. Every video starts at a point drawn uniformly from the whole
torus, and a class only adds a path that does not depend on this start. A uniform point on a circle plus an independent
value is again uniform, so **at every frame, in every class, the ten phases are independent and uniform**: the
distribution of still poses is the same by construction, for every function from phases to poses. Classes differ in
which phases move, and whether they rotate or oscillate.

Every class is also invariant under left-right mirroring (a class that rotates in one direction draws the direction at
random), so that the usual horizontal flip in training does not change the class.
"""

from collections.abc import Callable

import numpy as np

PHASES = ("shoulder_l", "shoulder_r", "elbow_l", "elbow_r", "hip_l", "hip_r", "trunk", "squat", "side", "depth")
POINTS = (
    "pelvis", "neck", "head",
    "shoulder_l", "elbow_l", "hand_l", "shoulder_r", "elbow_r", "hand_r",
    "hip_l", "knee_l", "foot_l", "hip_r", "knee_r", "foot_r",
)  # fmt: skip

# Turns per second, for every class: at 12 fps, 16 frames contain 1.07 to 1.53 turns, and with every second frame the
# step is at most 0.19 turns, far below the half turn at which the direction is ambiguous.
PACE = (0.8, 1.15)

# Sizes of the figure, relative to its standing height.
HEAD, NECK, PELVIS = 0.9, 0.79, 0.46
SHOULDER, HIP = 0.125, 0.07
UPPER_ARM, FOREARM, THIGH, SHIN = 0.2, 0.2, 0.23, 0.23
# Maximum angle of a joint, radians.
ELBOW_BEND, HIP_SWING, LEAN, KNEE_BEND = 1.2, 1.2, 0.55, 0.95
SIDE_STEP = 0.16  # to either side, in standing heights
FAR = 0.78  # relative size of the figure at its largest distance

_Path = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _run(turn: np.ndarray, **rates: float) -> np.ndarray:
    """Phases (T, 10) that advance by ``rates`` times ``turn`` (T,)."""
    return np.stack([turn * rates.get(name, 0.0) for name in PHASES], axis=1)


def _arm_circles(turn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The arms circle as mirror images; they rise at the sides, or in the middle."""
    return _run(rng.choice([-1, 1]) * turn, shoulder_l=1, shoulder_r=1)


def _wave(turn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The forearms wave; the elbows do not move."""
    return _run(turn, elbow_l=1.5, elbow_r=1.5)


def _kick(turn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The legs swing out to the sides and back."""
    return _run(turn, hip_l=1, hip_r=1)


def _sway(turn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The upper body leans to one side and to the other."""
    return _run(turn, trunk=1)


def _squat(turn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The knees bend and stretch."""
    return _run(turn, squat=1)


def _side_step(turn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The body moves to one side and to the other while the legs swing out."""
    return _run(turn, side=1, hip_l=1, hip_r=1)


def _approach(turn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The body comes nearer and moves away."""
    return _run(turn, depth=1)


def _jumping_jack(turn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Arms and legs swing out and back; the arms are on average as fast as in the circles."""
    # mean |d/dx A sin x| = 2A/pi, which is 1 at A = pi/2.
    arms = np.pi / 2 * np.sin(turn + rng.uniform(0, 2 * np.pi))
    return _run(arms, shoulder_l=1, shoulder_r=1) + _run(turn, hip_l=1, hip_r=1)


# The classes in label order: their names are in file names and label maps.
_PATHS: dict[str, _Path] = {
    "ArmCircles": _arm_circles,
    "Wave": _wave,
    "Kick": _kick,
    "Sway": _sway,
    "Squat": _squat,
    "SideStep": _side_step,
    "Approach": _approach,
    "JumpingJack": _jumping_jack,
}
CLASSES: tuple[str, ...] = tuple(_PATHS)


def phases(name: str, frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Draw one video's phases.

    Args:
        name: one of :data:`CLASSES`.
        frames: T.
        fps: frames per second.
        rng: generator; start, speed and idle movement are drawn from it in the same way for every class.

    Returns:
        float64 (T, 10), radians, in the order of :data:`PHASES`; modulo a turn each row is uniform on the torus.
    """
    start = rng.uniform(0, 2 * np.pi, len(PHASES))
    seconds = np.arange(frames) / fps
    # Every joint has small idle movements, so that a joint without motion does not reveal the class.
    small = idle(seconds, rng)
    turn = 2 * np.pi * rng.uniform(*PACE) * seconds
    return start + small + _PATHS[name](turn, rng)


def displacement(name: str, frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Draw what one action adds to the phases at which it starts.

    Args:
        name: one of :data:`CLASSES`.
        frames: T.
        fps: frames per second.
        rng: generator; the speed and the direction are drawn from it.

    Returns:
        float64 (T + 1, 10), radians, in the order of :data:`PHASES`: zeros first, and last the phases at which the
        frame after the action starts.
    """
    turn = 2 * np.pi * rng.uniform(*PACE) * np.arange(frames + 1) / fps
    path = _PATHS[name](turn, rng)
    return path - path[0]


def idle(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw small movements of all joints, of which nobody is free.

    Args:
        seconds: float (T,), the times.
        rng: generator.

    Returns:
        float64 (T, 10), radians, in the order of :data:`PHASES`.
    """
    rate, offset = rng.uniform(0.4, 1.0, len(PHASES)), rng.uniform(0, 2 * np.pi, len(PHASES))
    return 0.1 * np.sin(2 * np.pi * rate * seconds[:, None] + offset)


def skeleton(phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the joints: one map from phases to poses for all classes.

    Args:
        phase: float (T, 10), radians.

    Returns:
        float64 (T, 15, 2), points in the order of :data:`POINTS`, (x right, y up) relative to the standing height at
        the smallest distance. The origin is on the ground below the figure when it is nearest and in the middle. And
        float64 (T,), the relative size of the figure, :data:`FAR` to 1. Left-right mirroring swaps the two sides and
        negates the phases ``trunk`` and ``side``.
    """
    by_name = dict(zip(PHASES, phase.T, strict=True))
    knee = KNEE_BEND * (1 - np.cos(by_name["squat"])) / 2
    lean = LEAN * np.sin(by_name["trunk"])
    zero = np.zeros_like(lean)
    aside = SIDE_STEP * np.sin(by_name["side"])
    pelvis = np.stack([aside, PELVIS - (THIGH + SHIN) * (1 - np.cos(knee))], axis=-1)

    def upper(x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
        """A point in the coordinates of the leaning trunk, relative to the pelvis."""
        return pelvis + np.stack([x * np.cos(lean) + y * np.sin(lean), y * np.cos(lean) - x * np.sin(lean)], axis=-1)

    points = {"pelvis": pelvis, "neck": upper(zero, NECK - PELVIS), "head": upper(zero, HEAD - PELVIS)}
    for side, sign in (("l", -1.0), ("r", 1.0)):
        # Angles from straight down, positive outwards, so that equal phases on both sides are mirror images.
        arm = by_name[f"shoulder_{side}"]
        forearm = arm + ELBOW_BEND * np.sin(by_name[f"elbow_{side}"])
        shoulder_y = NECK - PELVIS - 0.02
        elbow_x, elbow_y = sign * (SHOULDER + UPPER_ARM * np.sin(arm)), shoulder_y - UPPER_ARM * np.cos(arm)
        points[f"shoulder_{side}"] = upper(zero + sign * SHOULDER, shoulder_y)
        points[f"elbow_{side}"] = upper(elbow_x, elbow_y)
        points[f"hand_{side}"] = upper(elbow_x + sign * FOREARM * np.sin(forearm), elbow_y - FOREARM * np.cos(forearm))

        swing = HIP_SWING * (1 - np.cos(by_name[f"hip_{side}"])) / 2
        hip = pelvis + np.array([sign * HIP, 0.0])
        bone = np.array([sign, -1.0])
        thigh, shin = swing + knee, swing - knee
        points[f"hip_{side}"] = hip
        points[f"knee_{side}"] = hip + THIGH * bone * np.stack([np.sin(thigh), np.cos(thigh)], axis=-1)
        points[f"foot_{side}"] = points[f"knee_{side}"] + SHIN * bone * np.stack([np.sin(shin), np.cos(shin)], axis=-1)
    nearness = FAR + (1 - FAR) * (1 - np.cos(by_name["depth"])) / 2
    # It grows and shrinks about its middle, as seen from a camera at half its height.
    middle = np.array([0.0, PELVIS])
    stacked = np.stack([points[name] for name in POINTS], axis=1)
    return (stacked - middle) * nearness[:, None, None] + middle, nearness
