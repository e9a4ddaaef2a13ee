"""What a render of synthactions is decided by."""

import math
from dataclasses import dataclass

from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.utils.errors import BenchError

# The split's name, and the list file that names its videos.
SPLITS = {"train": "trainlist01.txt", "test": "testlist01.txt", "test_unbiased": "testlist01_unbiased.txt"}


@dataclass(frozen=True)
class SynthSettings:
    """Settings of one dataset. Out of range values raise BenchError naming the flag.

    Attributes:
        size: height in pixels, and width too unless ``width`` is given; 24 or more.
        width: width in pixels; 0 (the default) makes the frame square.
        frames: length of every video; 2 to 10,000.
        fps: frames a second. Motions have their pace in seconds: about one turn each 16 frames at 12.
        train: training videos.
        test: videos of each of the two test sets.
        bias: probability that a video of ``train`` or ``test`` shows its class's own scenery; the same, drawn
            independently, for clothing. The others share the rest evenly, so 1/8 makes both independent of the
            class; it is the least that is taken. In ``test_unbiased`` both are always independent.
        seed: any integer.
    """

    size: int = 48
    width: int = 0
    frames: int = 16
    fps: float = 12.0
    train: int = 8192
    test: int = 512
    bias: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if not 24 <= self.size <= 4096:
            raise BenchError(f"--size {self.size}: give 24 to 4096 pixels")
        if self.width != 0 and not 24 <= self.width <= 4096:
            raise BenchError(f"--width {self.width}: give 24 to 4096 pixels, or 0 for a square frame")
        if not 2 <= self.frames <= 10_000:
            raise BenchError(f"--frames {self.frames}: give 2 (a motion needs them) to 10000 frames")
        if not (math.isfinite(self.fps) and 0 < self.fps <= 1000):
            raise BenchError(f"--fps {self.fps}: give more than 0 and at most 1000 frames a second")
        for flag, count in (("--train", self.train), ("--test", self.test)):
            if not 0 <= count <= 10**7:
                raise BenchError(f"{flag} {count}: give 0 to {10**7} videos")
        if self.train + self.test == 0:
            raise BenchError("--train 0 --test 0: nothing to render; give a number of videos")
        if not 1 / len(CLASSES) <= self.bias <= 1:
            raise BenchError(
                f"--bias {self.bias}: give {1 / len(CLASSES)} (independent of the class) to 1 (always the class's own)"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of a frame in pixels."""
        return self.size, self.width or self.size

    def count(self, split: str) -> int:
        """How many videos ``split`` has."""
        return self.train if split == "train" else self.test
