"""How many training clips one CPU core prepares, and how many cores the GPUs need that train on them.

    python perf/feed_gpu.py CLIPS                       CLIPS: a folder with real videos; without: rendered ones
    python perf/feed_gpu.py CLIPS --gpu-clips 40        a GPU that trains on 40 clips per second

A clip is what swin3d_t is trained on: 32 frames of 224x224 pixels, cropped at random, scaled and flipped, as uint8 in a
batch. The trainer's own loader makes it, in one decoding process with one core; its CPU time counts, including the
transfer to the main process. The videos are stored in three ways: as they are, as `bench data transcode` writes them,
and as folders of JPEGs. Files are read twice before, as in the first epochs of a training.

GPUs normalise clips themselves. How many clips per second one trains on is measured if there is a GPU here (a step of
the baseline and of ALBAR, in bf16), or given; it is never assumed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from measure import NotMeasured, Row, cache, cpu_seconds, videos_of
from sources import clip as usual_clip

from albar.clips.clips import ClipSampling, sampling
from albar.data.dataset import ClipDataset, Order, batches
from albar.models import model_spec
from benchmark_builder.layouts.base import jpeg
from benchmark_builder.settings import TranscodeSettings
from benchmark_builder.utils.digests import SETTLED
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.record import Video
from benchmark_builder.video.transcoding import Coding, even_size, rate_of, transcode_file

MODEL, BATCH = "swin3d_t", 8
NAMES = {"video": "videos as they are", "transcoded": "after bench data transcode", "frames": "folders of JPEGs"}


@dataclass(frozen=True)
class Fed:
    """One way to store videos: CPU seconds per clip in each round, and megabytes per video."""

    seconds: tuple[float, ...]
    size: float

    @property
    def per_second(self) -> float:
        """Clips per second of one core."""
        return 1 / median(self.seconds)


def stored(sources: list[Path], folder: Path) -> dict[str, list[Path]]:
    """The videos in three ways: as they are, transcoded with the default settings, and as folders of JPEGs."""
    found: dict[str, list[Path]] = {name: [] for name in NAMES}
    s = TranscodeSettings()
    for k, source in enumerate(sources):
        info = probe(source)
        target, frames = folder / f"{k}.mp4", folder / f"{k}"
        size = even_size(info.width, info.height, s.short)
        try:
            coding = Coding(*size, rate_of(info.fps), None, s.keys, s.crf, s.preset, s.tune)
            transcode_file(source, target, coding)
        except BenchError as error:  # no ffmpeg
            print(f"not transcoded: {error}")
            found.pop("transcoded", None)
        frames.mkdir()
        for number, picture in enumerate(read_frames(source)):
            (frames / f"{number:06d}.jpg").write_bytes(jpeg(picture))
        for name, path in zip(NAMES, (source, target, frames), strict=True):
            if name in found:
                found[name].append(path)
    time.sleep(SETTLED + 0.1)  # nothing is recorded of files that have just changed
    return found


def megabytes(path: Path) -> float:
    return sum(p.stat().st_size for p in ([path] if path.is_file() else path.iterdir())) / 1e6


def seconds_per_clip(paths: list[Path], shape: ClipSampling, clips: int) -> float:
    """CPU seconds of the decoding process and of the main process per clip."""
    videos = [
        Video(id=str(k), path=paths[k % len(paths)], label=0, class_name="", split="train", dataset="speed")
        for k in range(max(BATCH, len(paths)))
    ]
    order = Order(len(videos), BATCH, -(-clips // BATCH), seed=0)
    dataset, began, count = ClipDataset(videos, shape, 0, train=True), cpu_seconds(), 0
    for batch in batches(dataset, order, workers=1, pin=torch.cuda.is_available()):
        count += len(batch.label)
    return (cpu_seconds() - began) / count


def _sources(clips: Path | None, folder: Path) -> list[Path]:
    """Videos of Kinetics, else any; a rendered one if there are none."""
    for dataset in (("kinetics400",), ()):
        with suppress(NotMeasured):
            return videos_of(clips, *dataset)
    return [usual_clip(folder)]


def fed(clips: Path | None, shape: ClipSampling, rounds: int, number: int, most: int = 4) -> dict[str, Fed]:
    """Measure all ways in turns: ``number`` clips of at most ``most`` videos per round."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, cache(Path(name) / "cache"):
        folder = Path(name)
        ways = stored(_sources(clips, folder)[:most], folder)
        spent: dict[str, list[float]] = {way: [] for way in ways}
        for k in range(rounds + 1):
            for way, paths in ways.items():
                if k == 0:  # the first epochs: frames are recorded, imports and the network of processes are warm
                    seconds_per_clip(paths, shape, 2 * BATCH)
                else:
                    spent[way].append(seconds_per_clip(paths, shape, number))
        return {w: Fed(tuple(spent[w]), sum(map(megabytes, p)) / len(p)) for w, p in ways.items()}


def on_gpu(device: str, model: str, shape: ClipSampling) -> dict[str, float]:
    """Clips per second that a step of the baseline and of ALBAR takes, in bf16, with the largest batch that fits."""
    from albar_step import Bench, baseline

    torch.set_float32_matmul_precision("high")
    for batch in (16, 8, 4, 2):
        options = {"model": model, "classes": 400, "steps": 5, "device": device, "batch": batch}
        options |= {"frames": shape.frames, "size": shape.size}
        try:
            bench = Bench(argparse.Namespace(**options))
            losses = {"baseline": baseline, "ALBAR": bench.albar("auto")}
            return {
                f"{name}, batch {batch}": batch / bench.step(loss, bench.model, bench.batch, bf16=True)[0]
                for name, loss in losses.items()
            }
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
    raise NotMeasured(f"{model} does not fit into this GPU's memory with 2 clips")


def rows(clips: Path | None, rounds: int = 3) -> Iterator[Row]:
    """CPU milliseconds per training clip of swin3d_t; no goals."""
    shape = sampling(model_spec(MODEL).sampling)
    measured = fed(clips, shape, rounds, 4 * BATCH)
    for way in NAMES:
        if way not in measured:
            yield Row(f"training clip of {MODEL}, {NAMES[way]}", missing="there is no ffmpeg")
    for way, found in measured.items():
        note = f"{found.per_second:.1f} clips per second of one core, {found.size:.2f} MB per video"
        yield Row(
            f"training clip of {MODEL}, {NAMES[way]}", "", tuple(1000 * s for s in found.seconds), unit="ms", note=note
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    named = os.environ.get("CLIPS") or os.environ.get("BENCH_CLIPS")
    parser.add_argument("clips", type=Path, nargs="?", default=named and Path(named), help="folder with real videos")
    parser.add_argument("--gpu-clips", type=float, action="append", default=[], metavar="N",
                        help="clips per second that one GPU trains on; can be repeated")  # fmt: skip
    parser.add_argument("--cores", type=int, default=16, help="cores of the machine.  [default: 16]")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8], help="numbers of GPUs.  [default: 1 8]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--number", type=int, default=64, help="clips per round and way.  [default: 64]")
    parser.add_argument("--tiny", action="store_true", help="a test: small3d on the CPU instead of swin3d_t on a GPU")
    given = parser.parse_args()
    model = "small3d" if given.tiny else MODEL
    shape = sampling(model_spec(model).sampling)
    device = "cuda" if torch.cuda.is_available() else "cpu" if given.tiny else ""
    needs = {f"given: {n:g}": n for n in given.gpu_clips} | (on_gpu(device, model, shape) if device else {})
    found = fed(given.clips, shape, 1 if given.tiny else given.rounds, BATCH if given.tiny else given.number)
    print(f"clips of {shape.frames} frames of {shape.size}x{shape.size} for {model}, median of the rounds\n")
    print("| stored as | MB per video | CPU ms per clip | clips per second of a core |\n| --- | --: | --: | --: |")
    for way, one in found.items():
        spread = f"{1000 * min(one.seconds):.1f} to {1000 * max(one.seconds):.1f}"
        print(f"| {NAMES[way]} | {one.size:.2f} | {1000 * median(one.seconds):.1f} ({spread}) | {one.per_second:.1f} |")
    if not needs:
        print("\nCores that a GPU needs: unknown, there is no GPU here; give --gpu-clips N (its clips per second)")
        return
    print(f"\n| one GPU trains on | GPUs | stored as | cores needed | {given.cores} cores are |\n"
          "| --- | --: | --- | --: | --- |")  # fmt: skip
    for name, clips in needs.items():
        for gpus in given.gpus:
            for way, one in found.items():
                cores = gpus * clips / one.per_second
                verdict = "enough" if cores <= given.cores else "too few"
                print(f"| {clips:.1f} clips per second ({name}) | {gpus} | {NAMES[way]} | {cores:.1f} | {verdict} |")


if __name__ == "__main__":
    main()
