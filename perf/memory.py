"""Peak memory of a build for a clip and for one ten times longer, and at 1080p: resident MB of the worker process.

python perf/memory.py
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sources import build_command

from benchmark_builder.backgrounds.plain import Noise
from benchmark_builder.masks.stored import MaskWriter
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.encode import open_video


def make(folder: Path, name: str, frames: int, height: int, width: int) -> Path:
    """A dataset with one video: moving noise and a box at a fixed place."""
    root = folder / name
    video = f"SoccerJuggling/v_SoccerJuggling_g01_c{1:02d}"
    image = Noise().image(generator(0, name, "image"), height, width)[0]
    mask = np.zeros((height, width), bool)
    mask[height // 4 : height // 2, width // 4 : width // 2] = True
    (root / "videos").mkdir(parents=True)
    with (
        open_video(root / "videos" / f"{video}.mp4", width, height, 25) as encoder,
        MaskWriter(root / "masks" / f"{video}.zip") as masks,
    ):
        for k in range(frames):
            encoder.write(np.roll(image, 3 * k, axis=1))
            masks.write(k, mask)
    return root


def peak(command: list[object]) -> float:
    """Largest resident size, in MB, of any process of a build (encoders are smaller than the worker)."""
    code = (
        "import resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, command)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {}
        for label, frames, height, width in (
            ("short", options.frames, 240, 320),
            ("ten times longer", 10 * options.frames, 240, 320),
            ("1080p", options.frames // 4, 1080, 1920),
            ("1080p, ten times longer", 10 * options.frames // 4, 1080, 1920),
        ):
            root = make(folder, label.replace(" ", "-").replace(",", ""), frames, height, width)
            out = folder / f"out-{root.name}"
            found[label] = peak(
                build_command(root, out, "--workers", 1, "--layout", "video", masks=f"stored:{root / 'masks'}")
            )
            print(f"{label}: {frames} frames of {width}x{height}: peak {found[label]:.0f} MB", flush=True)
        print(f"ratio {found['ten times longer'] / found['short']:.3f}, "
              f"at 1080p {found['1080p, ten times longer'] / found['1080p']:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
