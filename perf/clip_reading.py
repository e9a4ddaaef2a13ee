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
import itertools
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np
from measure import NotMeasured, Row, Turns, cache, interleaved, needs, show, videos_of
from sources import real_clip

from albar.clips.clips import pick
from benchmark_builder.layouts.base import jpeg
from benchmark_builder.layouts.layout import read_any
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.encode import FFV1, H264, open_video

FRAMES, STRIDE = 32, 2
DATASETS = ("ucf101", "hmdb51", "kinetics400")
BEFORE, BEFORE_PICTURES, PIL = "in order, as before", "every picture, as before", "PIL, the clip's pictures"
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


# The peers: (reader, the library it needs, goal of the ratio).
PEERS: dict[str, tuple[Reader, str, float]] = {
    "torchcodec, exact": (torchcodec, "torchcodec", 1.1),
    "PyAV with a seek": (pyav_seek, "", 1.0),
    "decord2": (decord, "decord2", 1.2),
}


def pil(path: Path, wanted: np.ndarray) -> list[np.ndarray]:
    """The pictures of the clip only, through PIL."""
    from PIL import Image

    if path.is_dir():
        names = sorted(p.name for p in path.iterdir())
        return [np.asarray(Image.open(path / names[int(k)]).convert("RGB")) for k in wanted]
    with zipfile.ZipFile(path) as archive:
        names = sorted(archive.namelist())
        return [np.asarray(Image.open(io.BytesIO(archive.read(names[int(k)]))).convert("RGB")) for k in wanted]


def clips_of(path: Path, count: int, number: int) -> list[np.ndarray]:
    draw, span = generator(0, path.name, "clips"), (FRAMES - 1) * STRIDE + 1
    starts = draw.integers(0, max(1, count - span + 1), number)
    return [np.minimum(start + STRIDE * np.arange(FRAMES), count - 1) for start in starts]


Work = list[tuple[Path, np.ndarray]]  # clips: the file, and the numbers of the frames
Apart = dict[Path, dict[str, float]]
Wrong = dict[str, dict[Path, str]]


def differs(work: Work, readers: dict[str, Reader]) -> tuple[Apart, Wrong]:
    """Mean absolute difference of the clips from those of sequential decoding, in grey levels: file -> reader -> value;
    and what went wrong: reader -> file -> reason.

    Raises:
        RuntimeError: our own frames differ.
    """
    found: Apart = {}
    wrong: Wrong = {}
    for path, clips in itertools.groupby(work, key=lambda pair: pair[0]):
        listed = [wanted for _, wanted in clips]
        kept = {k for wanted in listed for k in map(int, wanted)}
        frames = {k: frame for k, frame in enumerate(read_any(path)) if k in kept}
        found[path] = {}
        for name, reader in readers.items():
            try:
                values = [
                    np.abs(_stacked(reader(path, w), w).astype(int) - np.stack([frames[int(k)] for k in w])).mean()
                    for w in listed
                ]
            except Exception as error:  # whatever another library raises
                if name == "ours":
                    raise
                wrong.setdefault(name, {})[path] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
                continue
            found[path][name] = float(np.mean(values))
        if found[path]["ours"]:
            raise RuntimeError(f"{path.name}: our frames differ from those of sequential decoding")
    return found, wrong


def turns(work: Work, readers: dict[str, Reader], rounds: int) -> dict[Path, Turns]:
    """CPU seconds per file: all readers read all clips in turns. Every file was read once before, in full."""
    spent: dict[Path, Turns] = {}
    for _ in range(rounds):
        for path, clips in itertools.groupby(work, key=lambda pair: pair[0]):
            listed = list(clips)
            sides = {
                name: lambda read=reader, listed=listed: [read(p, wanted) for p, wanted in listed]
                for name, reader in readers.items()
            }
            once = interleaved(sides, 1, warm=False)
            into = spent.setdefault(path, Turns({name: [] for name in readers}))
            for name, seconds in once.seconds.items():
                into.seconds[name] += seconds
    return spent


def summed(parts: Iterable[Turns]) -> Turns:
    """Turns of several files as one."""
    found: dict[str, list[float]] = {}
    for part in parts:
        for name, seconds in part.seconds.items():
            found[name] = [a + b for a, b in zip(found.get(name, [0.0] * len(seconds)), seconds, strict=True)]
    return Turns(found)


def work_on(files: list[Path], number: int) -> Work:
    """``number`` clips of each file; reads each file in full, as the first epoch does, so that its frames are known."""
    work = []
    for path in files:
        count = sum(1 for _ in read_any(path))
        for _ in range(2):  # the second time, the frames are recorded
            ours(path, np.array([count - 1]))
        work += [(path, wanted) for wanted in clips_of(path, count, number)]
    return work


def readable(files: list[Path], title: str) -> Iterator[Path | Row]:
    """Files that can be decoded to their end, and a row for each other one."""
    for path in files:
        try:
            for _ in read_any(path):
                pass
            yield path
        except BenchError as error:
            yield Row(f"{title}: {path.name}", missing=str(error)[:200])


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


def rows(clips: Path | None, rounds: int = 5, per_file: int = 4) -> Iterator[Row]:
    """Training clips from videos, folders, zips and `lossless` files, against other libraries and the earlier way."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name, cache(Path(name) / "cache"):
        yield from video_rows(clips, rounds, per_file)
        yield from stored_rows(clips, Path(name), rounds, 3 * per_file)


def video_rows(clips: Path | None, rounds: int, per_file: int) -> Iterator[Row]:
    title, files = "training clips from video", videos_of(clips)
    assert clips is not None
    readers: dict[str, Reader] = {"ours": ours}
    for peer, (reader, library, _) in PEERS.items():
        try:
            if library:
                needs(library)
            readers[peer] = reader
        except NotMeasured as error:
            yield Row(title, peer, goal=PEERS[peer][2], missing=str(error))
    readers[BEFORE] = sequential
    checked = list(readable(files, title))
    yield from (row for row in checked if isinstance(row, Row))
    work = work_on([path for path in checked if isinstance(path, Path)], per_file)
    apart, wrong = differs(work, readers)
    for peer, reasons in wrong.items():
        if len(reasons) > len(apart) / 2:
            path, reason = next(iter(reasons.items()))
            yield Row(title, peer, goal=PEERS[peer][2], missing=f"{path.name}: {reason}")
            readers.pop(peer)
            continue
        for path, reason in reasons.items():  # the others are compared on files that all can read
            yield Row(f"{title}: {path.name}", peer, missing=f"left out of all rows: {reason}")
            work = [(p, wanted) for p, wanted in work if p != path]
    found = turns(work, readers, rounds)
    for dataset in ("", *DATASETS):
        members = [p for p in found if not dataset or dataset in p.relative_to(clips).parts]
        for peer in readers:
            goal = PEERS[peer][2] if peer in PEERS else 1.0
            if peer == "ours":
                continue
            if not members:
                missing = f"no videos of {dataset} below {clips.name}/"
                yield Row(f"{title}: {dataset}", peer, goal=goal, missing=missing)
                continue
            total = summed(found[p] for p in members)
            note = milliseconds(total, peer, sum(1 for p, _ in work if p in members))
            other = float(np.mean([apart[p][peer] for p in members]))
            note += f"; its frames differ by {other:.1f} grey levels" if other else "; equal frames"
            yield Row(f"{title}: {dataset or 'all'}", peer, total.ratios(peer), goal, note=note)


def stored_rows(clips: Path | None, folder: Path, rounds: int, number: int) -> Iterator[Row]:
    source = real_clip(clips)
    kept = dict(copies(source, folder))
    for layout in ("frames", "zip"):
        readers: dict[str, Reader] = {"ours": ours, BEFORE_PICTURES: every, PIL: pil}
        work = work_on([kept[layout]], number)
        differs(work[:2], readers)
        found = summed(turns(work, readers, rounds).values())
        title = f"training clips from {'a folder' if layout == 'frames' else 'a zip'} of JPEGs"
        for peer, goal in ((BEFORE_PICTURES, 2.5), (PIL, 1.0)):
            yield Row(title, peer, found.ratios(peer), goal, note=milliseconds(found, peer, number))
    both = {layout: work_on([kept[layout]], number) for layout in ("video", "lossless")}
    sides = {layout: lambda work=work: [ours(p, w) for p, w in work] for layout, work in both.items()}
    found = interleaved(sides, rounds)
    note = milliseconds(found, "video", number, "lossless")
    yield Row("training clips from lossless", "from video", found.ratios("video", "lossless"), 0.5, note=note)


def milliseconds(total: Turns, peer: str, clips: int, mine: str = "ours") -> str:
    """What a clip takes on both sides."""
    other, own = (1000 * median(total.seconds[name]) / clips for name in (peer, mine))
    return f"{other:.1f} and {own:.1f} ms per clip"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help="folder of real videos")
    parser.add_argument("--per-file", type=int, default=6, help="clips of each file")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    show(rows(given.clips, given.rounds, given.per_file))


def every(path: Path, wanted: np.ndarray) -> dict[int, np.ndarray]:
    """Every picture up to the last one of the clip."""
    needed = {int(k) for k in wanted}
    return {k: frame for k, frame in zip(range(int(wanted.max()) + 1), read_any(path), strict=False) if k in needed}


if __name__ == "__main__":
    main()
