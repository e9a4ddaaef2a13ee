"""CPU milliseconds per short clip: rendering synthactions at its default size, 16 frames of 48x48 with their masks.

python perf/short_clips.py

The whole of `bench data render` with one worker: drawing, encoding, masks, the journal and the lists, without Python's
start-up. It runs in this process, with memory as in a worker. An encoder that is a process of its own counts.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Row, show, timed

GOAL = 12.0


def rows(clips: Path | None = None, rounds: int = 5, videos: int = 64) -> Iterator[Row]:
    """One row; ``clips`` are not needed."""
    from benchmark_builder.synthactions import SynthSettings, render_dataset
    from benchmark_builder.utils.malloc import keep_freed

    keep_freed()
    spent = []
    with tempfile.TemporaryDirectory() as name:
        for k in range(rounds + 1):  # the first one loads what is loaded once
            settings = SynthSettings(frames=16, train=videos, test=0, seed=k)
            used = timed(lambda k=k, s=settings: render_dataset(Path(name) / str(k), s, 1, False))
            spent += [1000 * used / videos] if k else []
    yield Row("short clips (synthactions, 16 frames), per video", "", tuple(spent), GOAL, at_most=True, unit="ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    show(rows(None, given.rounds, given.videos))


if __name__ == "__main__":
    main()
