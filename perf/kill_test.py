"""Kills a build at random moments, starts it again each time, and compares the result with a build without kill.

    python perf/kill_test.py

Each round: SIGKILL at a random moment of the build, then a second run to the end; all tables and digests must equal
those of the build without kill, and no temporary file may remain.
"""

import argparse
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from sources import build_command, dataset

from benchmark_builder.audit.verify import verify
from benchmark_builder.utils.rng import generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layout", default="video", help="video, lossless, frames, zip or virtual")
    options = parser.parse_args()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = dataset(folder, options.videos)
        flags = ("--workers", 2, "--per-video", 2, "--layout", options.layout)
        start = time.perf_counter()
        subprocess.run([str(c) for c in build_command(root, folder / "whole", *flags)], check=True, **quiet)
        length = time.perf_counter() - start
        whole = (folder / "whole" / "manifest.csv").read_bytes()
        draw = generator(options.seed, "kill_test", "moments")
        equal, early = 0, 0
        for k in range(options.kills):
            out = folder / f"killed{k}"
            command = [str(c) for c in build_command(root, out, *flags)]
            process = subprocess.Popen(command, start_new_session=True, **quiet)
            moment = float(draw.uniform(0, length))
            try:
                process.wait(moment)
                early += 1
            except subprocess.TimeoutExpired:
                # Kill only the command itself: its workers must notice this and end.
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            subprocess.run(command, check=True, **quiet)
            same = (out / "manifest.csv").read_bytes() == whole and verify(out, progress=False) == []
            same = same and not list(out.rglob(".tmp-*")) and not (out / ".build").exists()
            equal += same
            print(
                f"{k + 1}: killed after {moment:.2f} s of {length:.2f}: {'equal' if same else 'DIFFERENT'}", flush=True
            )
            shutil.rmtree(out)
        print(f"{equal} of {options.kills} equal the build without kill ({early} ended before the kill)")
        raise SystemExit(equal != options.kills)


if __name__ == "__main__":
    main()
