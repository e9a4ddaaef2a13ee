"""Measures what frequent key frames cost in bytes and save in CPU time, in transcoded and in built videos.

    python perf/key_frames.py CLIPS          CLIPS: a folder with kinetics400/videos, ucf101 and hmdb51

Transcoded: the Kinetics clips at CRF 23 with a key frame at least every 16, 32 and 250 frames, as
`bench data transcode` writes them. Built: one SCUBA video of each clip of UCF101 and HMDB51, as the layout `video` is
written (250), and with a key frame every 32 frames. Reading: clips of 32 frames, stride 2, at random places, CPU
milliseconds of one thread; every file was read once before. All variants take turns; the median of the rounds is used.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

from albar.clips.reading import clips_per_second
from benchmark_builder.builders import Run, build_scuba
from benchmark_builder.video import encode
from benchmark_builder.video.decode import probe, scan_frames
from benchmark_builder.video.transcoding import Coding, even_size, rate_of, transcode_file

Files = dict[str, list[Path]]


def transcoded(sources: list[Path], folder: Path, preset: str, tune: str) -> Files:
    found: Files = {"source": sources}
    for keys in (16, 32, 250):
        files = []
        for source in sources:
            info = probe(source)
            target = folder / f"{source.stem}-{keys}.mp4"
            size = even_size(info.width, info.height, 256)
            transcode_file(source, target, Coding(*size, rate_of(info.fps), None, keys, 23, preset, tune))
            files.append(target)
        found[f"keys {keys}"] = files
    return found


def built(clips: Path, folder: Path, keys: int) -> list[Path]:
    before = dict(encode.H264)
    encode.H264["g"] = keys
    try:
        for dataset in ("ucf101", "hmdb51"):
            out = folder / f"{dataset}-{keys}"
            run = Run(workers=1, progress=False, say=lambda line: None)
            build_scuba(dataset, clips / dataset, "all", out=out, masks="motion", per_video=1, run=run)
    finally:
        encode.H264.clear()
        encode.H264.update(before)
    return sorted(path for dataset in ("ucf101", "hmdb51") for path in (folder / f"{dataset}-{keys}").rglob("*.mp4"))


def table(variants: Files, rounds: int) -> None:
    counts = {p: sum(1 for _ in scan_frames(p)) for files in variants.values() for p in files}
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, files in variants.items():
            taken[name].append(1000 / clips_per_second([(p, counts[p]) for p in files]))
    for name, files in variants.items():
        size = sum(p.stat().st_size for p in files)
        print(f"| {name} | {len(files)} | {size / 1e6:.3f} MB | {median(taken[name]):.1f} ms |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--tune", default="fastdecode", choices=["fastdecode", "none"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print("| videos | number | size | CPU time per clip |\n| --- | --: | --: | --: |")
        sources = sorted((given.clips / "kinetics400/videos").glob("*.mp4"))
        table(transcoded(sources, folder, given.preset, given.tune), given.rounds)
        table({f"SCUBA, keys {keys}": built(given.clips, folder, keys) for keys in (250, 32)}, given.rounds)


if __name__ == "__main__":
    main()
