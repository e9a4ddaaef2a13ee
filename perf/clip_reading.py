"""Compares how clips are read, with other libraries: CPU seconds of one thread, the same clips of the same files.

    python perf/clip_reading.py CLIPS          CLIPS: a folder with videos of UCF101, HMDB51 and Kinetics

Each side opens the file and returns the clip's frames as RGB pictures, as a training that reads another clip of each
video in every epoch. All sides take turns; the median of the rounds is used. ``torchcodec`` (exact), ``decord2`` and
PyAV with a seek to the key frame are peers; a peer that is not installed is left out. ``differs``: mean absolute
difference of a peer's frames from those of sequential decoding, in grey levels. Our frames must be equal.

Pictures in folders and zips are compared with a loader that decodes every picture up to the last one of the clip, which
is what this toolkit did before, and with one that decodes only the clip's pictures through PIL.
"""

import argparse
import io
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np

from albar.clips.clips import pick
from benchmark_builder.layouts.base import jpeg
from benchmark_builder.layouts.layout import read_any
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.encode import FFV1, H264, open_video

FRAMES, STRIDE = 32, 2
Reader = Callable[[Path, np.ndarray], object]


def ours(path: Path, wanted: np.ndarray) -> dict[int, np.ndarray]:
    return pick(read_any(path), wanted)


def sequential(path: Path, wanted: np.ndarray) -> dict[int, np.ndarray]:
    """Every frame up to the last one of the clip is decoded; only the clip's become RGB pictures (videos)."""
    needed, found = {int(k) for k in wanted}, {}
    source = read_frames(path)
    for k in range(int(wanted.max()) + 1):
        if k in needed or not path.is_file():
            frame = next(source)
            if k in needed:
                found[k] = frame
        else:
            source.skip()  # type: ignore[attr-defined]
    return found


def torchcodec(path: Path, wanted: np.ndarray) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), num_ffmpeg_threads=1, seek_mode="exact", dimension_order="NHWC")
    return decoder.get_frames_at([int(k) for k in wanted]).data.numpy()


def decord(path: Path, wanted: np.ndarray) -> np.ndarray:
    from decord import VideoReader

    return VideoReader(str(path), num_threads=1).get_batch([int(k) for k in wanted]).asnumpy()


def pyav_seek(path: Path, wanted: np.ndarray) -> np.ndarray:
    """Frame numbers become times, as tutorials have it."""
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        rate, clock = stream.average_rate, stream.time_base
        assert rate is not None and clock is not None
        offset = stream.start_time or 0
        times = [offset + round(int(k) / rate / clock) for k in wanted]
        container.seek(times[0], stream=stream)
        found, place = [], 0
        for frame in container.decode(stream):
            while place < len(times) and frame.pts is not None and frame.pts >= times[place]:
                found.append(frame.to_ndarray(format="rgb24"))
                place += 1
            if place == len(times):
                break
        return np.stack(found + found[-1:] * (len(times) - len(found)))


def pil(path: Path, wanted: np.ndarray) -> list[np.ndarray]:
    """The pictures of the clip only, through PIL."""
    from PIL import Image

    if path.is_dir():
        names = sorted(p.name for p in path.iterdir())
        return [np.asarray(Image.open(path / names[int(k)]).convert("RGB")) for k in wanted]
    with zipfile.ZipFile(path) as archive:
        names = sorted(archive.namelist())
        return [np.asarray(Image.open(io.BytesIO(archive.read(names[int(k)]))).convert("RGB")) for k in wanted]


def installed(readers: dict[str, Reader], path: Path) -> dict[str, Reader]:
    found = dict[str, Reader]()
    for name, reader in readers.items():
        try:
            reader(path, np.arange(2))
            found[name] = reader
        except (ImportError, OSError, RuntimeError) as error:
            print(f"{name} is left out: {str(error).splitlines()[0][:100]}")
    return found


def clips_of(path: Path, count: int, number: int) -> list[np.ndarray]:
    draw, span = generator(0, path.name, "clips"), (FRAMES - 1) * STRIDE + 1
    starts = draw.integers(0, max(1, count - span + 1), number)
    return [np.minimum(start + STRIDE * np.arange(FRAMES), count - 1) for start in starts]


def compare(files: list[Path], readers: dict[str, Reader], number: int, rounds: int) -> dict[str, tuple[float, float]]:
    """For each reader: CPU milliseconds per clip, and the mean difference from sequential decoding."""
    work = []
    for path in files:
        frames = list(read_any(path))
        work += [
            (path, wanted, np.stack([frames[k] for k in wanted])) for wanted in clips_of(path, len(frames), number)
        ]
        ours(path, np.array([len(frames) - 1]))  # what the first epochs leave in the cache
    spent: dict[str, list[float]] = {name: [] for name in readers}
    differs = dict.fromkeys(readers, 0.0)
    for _ in range(rounds):
        for name, reader in readers.items():
            began = time.process_time()
            results = [reader(path, wanted) for path, wanted, _ in work]
            spent[name].append(1000 * (time.process_time() - began) / len(work))
            total = [
                np.abs(_stacked(found, w).astype(int) - true).mean()
                for found, (_, w, true) in zip(results, work, strict=False)
            ]
            differs[name] = float(np.mean(total))
    return {name: (median(times), differs[name]) for name, times in spent.items()}


def _stacked(found: object, wanted: np.ndarray) -> np.ndarray:
    if isinstance(found, dict):
        return np.stack([found[int(k)] for k in wanted])
    return np.stack(list(found)) if isinstance(found, list) else np.asarray(found)


def copies(source: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """A real clip in the layouts of a benchmark: frames, zip, video, lossless."""
    frames = list(read_frames(source))
    height, width = frames[0].shape[:2]
    (folder / "frames").mkdir()
    with zipfile.ZipFile(folder / "clip.zip", "w") as archive:
        for k, frame in enumerate(frames):
            data = jpeg(frame)
            (folder / "frames" / f"{k:06d}.jpg").write_bytes(data)
            archive.writestr(f"{k:06d}.jpg", data)
    for name, codec in (("clip.mp4", H264), ("clip.mkv", FFV1)):
        with open_video(folder / name, width, height, 30, codec) as encoder:
            for frame in frames:
                encoder.write(frame)
    yield from (("frames", folder / "frames"), ("zip", folder / "clip.zip"))
    yield from (("video", folder / "clip.mp4"), ("lossless", folder / "clip.mkv"))


def line(work: str, peer: str, theirs: float, mine: float, goal: float, differs: float) -> str:
    ratio = theirs / mine
    reached = "reached" if ratio >= goal else "NOT reached"
    same = "equal" if differs == 0 else f"differs {differs:.2f}"
    return f"{work:32} {peer:28} {theirs:7.1f} {mine:7.1f}   {ratio:5.2f}   {goal:4.2f} {reached:12} {same}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help="folder of real videos")
    parser.add_argument("--per-file", type=int, default=6, help="clips of each file")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    files = [p for p in sorted(given.clips.rglob("*")) if p.suffix in (".avi", ".mp4") and "edge" not in p.parts]
    with tempfile.TemporaryDirectory() as name:
        os.environ["BENCH_CACHE"] = f"{name}/cache"
        print(f"{'work':32} {'against':28} {'ms':>7} {'ours':>7}   {'ratio':>5}   goal")
        peers: dict[str, Reader] = {"torchcodec, exact": torchcodec, "PyAV with seek": pyav_seek, "decord2": decord}
        goals = {"torchcodec, exact": 1.1, "PyAV with seek": 1.0, "decord2": 1.2, "in order, as before": 1.0}
        readers = {"ours": ours, "in order, as before": sequential, **installed(peers, files[0])}
        groups = {"all files": files} | {
            f"{dataset}": [p for p in files if dataset in p.parts] for dataset in ("ucf101", "hmdb51", "kinetics400")
        }
        for group, members in groups.items():
            if members:
                found = compare(members, readers, given.per_file, given.rounds)
                assert found["ours"][1] == 0, "our frames must be those of sequential decoding"
                for peer, (spent, differs) in found.items():
                    if peer != "ours":
                        print(line(f"clips from video: {group}", peer, spent, found["ours"][0], goals[peer], differs))
        speed = {}
        for layout, path in copies(next(p for p in files if "ucf101" in p.parts), Path(name)):
            both: dict[str, Reader] = {"ours": ours}
            if layout in ("frames", "zip"):
                both |= {"PIL, the clip's pictures": pil, "every picture, as before": _every}
            found = compare([path], both, 3 * given.per_file, given.rounds)
            speed[layout] = found["ours"][0]
            for peer, (spent, differs) in found.items():
                if peer != "ours":
                    goal = 2.5 if peer.startswith("every") else 1.3
                    print(line(f"clips from {layout}", peer, spent, found["ours"][0], goal, differs))
        print(line("clips from lossless", "clips from video", speed["video"], speed["lossless"], 0.5, 0))


def _every(path: Path, wanted: np.ndarray) -> dict[int, np.ndarray]:
    """Every picture up to the last one of the clip."""
    needed = {int(k) for k in wanted}
    return {k: frame for k, frame in zip(range(int(wanted.max()) + 1), read_any(path), strict=False) if k in needed}


if __name__ == "__main__":
    main()
