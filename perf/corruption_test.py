"""Damages copies of real clips in many ways and builds from them: no build may hang, no problem may stay unreported.

    python perf/corruption_test.py

Every healthy copy must be built. A damaged copy is built from its readable frames, or listed in failures.csv.
"""

import argparse
import csv
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from sources import CLIPS, build_command

from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import probe, read_frames

KINDS = ("healthy", "bits flipped", "one bit flipped", "cut short", "emptied", "wrong extension", "header overwritten")


def damage(data: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """A damaged copy of a file's bytes."""
    array = np.frombuffer(data, np.uint8).copy()
    if kind == "bits flipped":
        at = rng.integers(len(array), size=max(1, len(array) // 2000))
        array[at] ^= (1 << rng.integers(0, 8, len(at))).astype(np.uint8)
    elif kind == "one bit flipped":
        array[rng.integers(len(array))] ^= 1 << int(rng.integers(8))
    elif kind == "cut short":
        array = array[: int(rng.integers(1, len(array)))]
    elif kind == "emptied":
        array = array[:0]
    elif kind == "header overwritten":
        array[:64] = rng.integers(0, 256, 64)
    return array.tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit-s", type=float, default=1800)
    options = parser.parse_args()
    originals = sorted(p for d in ("ucf101", "hmdb51") for p in (CLIPS / d).rglob("*.avi"))
    originals += sorted((CLIPS / "kinetics400").rglob("*.mp4"))
    if not originals:
        raise SystemExit(f"no real clips at {CLIPS}; set BENCH_CLIPS")
    with tempfile.TemporaryDirectory() as name:
        root, kinds = Path(name) / "ucf101", {}
        shapes = {p: (sum(1 for _ in read_frames(p)), probe(p)) for p in originals}
        for k in range(options.copies):
            rng = generator(options.seed, "corruption_test", str(k))
            original, kind = originals[int(rng.integers(len(originals)))], KINDS[k % len(KINDS)]
            suffix = (".mp4" if original.suffix == ".avi" else ".avi") if kind == "wrong extension" else original.suffix
            video = f"Archery/v_Archery_g{k:03d}_c01"
            path = root / "videos" / f"{video}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(damage(original.read_bytes(), kind, rng))
            count, info = shapes[original]
            mask = np.zeros((count, info.height, info.width), bool)
            mask[:, : info.height // 2, : info.width // 2] = True
            write_masks(root / "masks" / f"{video}.zip", mask)
            kinds[video] = (kind, count)
        out = Path(name) / "out"
        start = time.perf_counter()
        command = [
            str(c) for c in build_command(root, out, "--per-video", 1, "--workers", 2, masks=f"stored:{root / 'masks'}")
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.limit_s)
        wall = time.perf_counter() - start
        assert "Traceback" not in done.stderr, done.stderr[-3000:]
        rows = {r.source_id: r for r in read_benchmark(out).rows}
        with open(out / "failures.csv", newline="") as handle:
            listed = {(r["id"], r["kind"]) for r in csv.DictReader(handle)}
        table: Counter[tuple[str, str]] = Counter()
        unsaid = []
        for video, (kind, count) in kinds.items():
            if video in rows:
                state = "built"
                if (video, "damaged") in listed:
                    state += ", said damaged"
                if rows[video].frames < count:
                    state += ", said short" if (video, "shorter") in listed else ", short, UNSAID"
            else:
                state = "listed" if (video, "failed") in listed else "LOST"
            if state.endswith(("UNSAID", "LOST")):
                unsaid.append(video)
            if kind in ("healthy", "wrong extension") and state != "built":
                unsaid.append(f"{video} ({kind}, {state})")
            table[kind, state] += 1
        for (kind, state), number in sorted(table.items()):
            print(f"{kind:20} {state:34} {number}")
        print(f"{len(kinds)} copies in {wall:.0f} s, exit code {done.returncode}; wrong or unsaid: {unsaid or 'none'}")
        shutil.rmtree(out)
        raise SystemExit(bool(unsaid))


if __name__ == "__main__":
    main()
