"""SCUBA: the actor over an unrelated background (StillMix, ICCV 2023).

``frame·M + background·(1 − M)`` for every frame. The background is the same picture for the whole video or, with
``--backgrounds video:FOLDER``, the frames of another video; a source is decoded once for all its backgrounds.
"""

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark_builder.backgrounds import BackgroundSource, MovingSource, background_source, draw
from benchmark_builder.backgrounds.moving import Clip, VideoFolder
from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.benchmark.protocol_record import required
from benchmark_builder.kinds.base import About, Kind
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.layouts import virtual
from benchmark_builder.masks import MaskSource
from benchmark_builder.masks.stored import MaskWriter
from benchmark_builder.masks.treatment import MaskSettings, TreatedTrack, full_masks, require_valid
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.files import inside
from benchmark_builder.utils.pool import Note
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.compositing import compose
from benchmark_builder.video.decode import coded_length, probe, read_frames
from benchmark_builder.video.digest_cache import depends_on, known_digest
from benchmark_builder.video.record import Video
from benchmark_builder.video.selection import choose_frames, indices, ranges, source_frames, wanted_frames

DRAWN = ("stripes", "plain", "noise")  # backgrounds that need no file, only a seed
# Bytes of source frames that are decoded before the first of them is composed: what the decoder, and then the encoder
# of one video, uses stays in the processor's cache, which costs a tenth to a sixth less than one frame after the other.
BLOCK = 8 * 2**20


class Scuba(Kind):
    """The entry of SCUBA in the table of kinds; `bench build scuba` makes it from a dataset."""

    about: ClassVar[About] = About(
        name="scuba",
        title="SCUBA",
        explained="another background: the answer should still be right",
        short="SCUBA",
        headline=True,
    )
    actor_stays: ClassVar[bool] = True

    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        path = benchmark.path(row)
        if virtual.has_text(path, "clip"):
            clip = Clip.read(virtual.read_text(path, "clip"), benchmark.background_folder, path)
            return _composed(benchmark, row, clip.frames(row.height, row.width))
        return _composed(benchmark, row, repeat(virtual.read(path, "background")))

    @classmethod
    def row_problems(cls, benchmark: Benchmark, row: Row) -> list[str]:
        """Check where a row came from, as far as files are available or values can be drawn again."""
        problems = []
        kind = benchmark.protocol.masks.kind or row.mask_source
        if row.mask_source != kind:
            problems.append(f"mask source {row.mask_source!r} is not {kind!r}, the one in protocol.json")
        source = drawn_again(benchmark)
        if source is not None:
            rng = generator(row.seed, row.source_id, f"background/{row.variant}")
            name = draw(source, rng, row.height, row.width).name
            if row.background != name:
                problems.append(f"background {row.background!r} is not {name!r}, the one that its seed gives")
        if row.source_file and row.variant == 0:  # once per source; wrong values in its other rows are found
            with contextlib.suppress(BenchError):  # a missing dataset cannot be checked
                path = inside(benchmark.source_root, row.source_file)
                if path.exists() and layouts.digest(path) != row.source_sha256:
                    problems.append(f"{path} is not the file from which it was built (its SHA-256 differs)")
        return problems


def drawn_again(benchmark: Benchmark) -> BackgroundSource | None:
    """The background set from which `bench verify` draws again; None if it needs files that are missing or changed."""
    known = benchmark.protocol.backgrounds
    if known.kind in DRAWN:
        return background_source(known.kind, known.fit or "cover")
    if known.kind != "video":
        return None
    try:
        source = VideoFolder(benchmark.background_folder, known.fit or "cover")
        return source if source.describe()["listing_sha256"] == known.plain().get("listing_sha256") else None
    except BenchError:
        return None


def _composed(benchmark: Benchmark, row: Row, backgrounds: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    source, track = benchmark.source(row), benchmark.masks(row)
    feather = float(required(benchmark.protocol.mask_settings.feather, "mask_settings.feather", benchmark.folder))
    for index, frame in source_frames(source, indices(row.source_frames), row.height, row.width, benchmark.version):
        yield compose(frame, track.mask(index), next(backgrounds), feather)


@dataclass(frozen=True)
class ScubaMaker:
    """Makes the SCUBA videos of one source.

    Attributes:
        out: the benchmark's folder.
        root: the dataset's folder; manifests name sources relative to it.
        masks, backgrounds: the sources.
        per_video: number of backgrounds per source video.
        seed: every draw depends on it and on the video's id.
        settings: how masks are processed.
        layout: how videos are stored on disk.
    """

    out: Path
    root: Path
    masks: MaskSource
    backgrounds: BackgroundSource
    per_video: int
    seed: int
    settings: MaskSettings
    layout: layouts.Layout

    def depends(self, video: Video) -> str | None:
        """A digest of the files that decide whether a video is left out; None if the mask source does not list them."""
        return depends_on(video, self.masks)

    def make(self, video: Video) -> list[Row | Note]:
        """Write the videos and masks of one source; returns a row for each, and notes for the user.

        Raises:
            LeftOut: the mask source has no mask for it, or too few of its masks are valid.
            BenchError: it cannot be read or written.
        """
        info = probe(video.path)
        height, width = info.height, info.width
        track = TreatedTrack(self.masks.track(video, height, width), self.settings)
        require_valid(track, self.settings, video.id)
        chosen = choose_frames(track.covered, self.settings.unannotated, video.id)
        draws = [generator(self.seed, video.id, f"background/{n}") for n in range(self.per_video)]
        drawn = [draw(self.backgrounds, rng, height, width) for rng in draws]
        shown_behind = [one.frames(height, width) for one in drawn]
        ids = [f"{video.id}__{n}" for n in range(self.per_video)]
        files = [self.layout.file_of(i) for i in ids]
        digests = [layouts.PixelDigest(height, width) for _ in ids]
        mask_file = f"masks/{video.id}.zip"
        shown: list[int] = []
        damaged: list[int] = []
        image = np.empty((height, width, 3), np.uint8)
        areas: list[int] = []
        held, mask = None, np.zeros((height, width), dtype=bool)
        with ExitStack() as stack:
            mask_writer = stack.enter_context(MaskWriter(self.out / mask_file, confidence=track.confidence))
            sinks = [stack.enter_context(self.layout.open(self.out / f, width, height, info.fps)) for f in files]
            decoded = read_frames(video.path, damaged=damaged)
            wanted = wanted_frames(decoded, video.path, list(chosen), height, width)
            while block := list(islice(wanted, max(1, BLOCK // (height * width * 3)))):
                masks = []
                for index, _ in block:
                    if chosen[index] != held:
                        held = chosen[index]
                        mask = np.zeros((height, width), dtype=bool) if held is None else track.mask(held)
                    mask_writer.write(index, mask)
                    shown.append(index)
                    areas.append(int(np.count_nonzero(mask)))
                    masks.append(mask)
                for sink, backgrounds, digest in zip(sinks, shown_behind, digests, strict=True):
                    for (_, frame), over in zip(block, masks, strict=True):
                        image = compose(frame, over, next(backgrounds), self.settings.feather, image)
                        digest.update(image)
                        sink.write(image)
            if not shown:
                raise BenchError(
                    f"{video.path}: ends before frame {min(chosen)}, the first frame with a mask; replace the file"
                )
            if not any(areas):
                raise LeftOut(f"the mask of {video.id} is empty on every frame")
        for file, one in zip(files, drawn, strict=True):
            self.layout.store(self.out / file, one.parts)
        mask_sha256, source_sha256 = layouts.digest(self.out / mask_file), known_digest(video.path)
        rows: list[Row | Note] = [
            Row(
                id=ids[n],
                file=files[n],
                label=video.label,
                class_name=video.class_name,
                split=video.split,
                source_id=video.id,
                source_file=video.path.relative_to(self.root).as_posix(),
                source_sha256=source_sha256,
                source_frames=ranges(shown),
                frames=len(shown),
                fps=round(info.fps, 6),
                width=width,
                height=height,
                mask_source=str(self.masks.describe()["kind"]),
                mask_file=mask_file,
                mask_sha256=mask_sha256,
                mask_coverage=round(sum(areas) / (len(shown) * height * width), 6),
                background=drawn[n].name,
                seed=self.seed,
                variant=n,
                partner_id=ids[n],
                pixels_xxh128=digests[n].hexdigest(),
                file_sha256=getattr(sinks[n], "sha256", None) or layouts.digest(self.out / files[n]),
            )
            for n in range(self.per_video)
        ]
        unreadable = sorted({name for one in drawn for name in one.unreadable})
        said = "video that can be decoded completely" if isinstance(self.backgrounds, MovingSource) else "picture"
        notes = [Note(name, "unreadable background", f"not a {said}; another one was drawn") for name in unreadable]
        if damaged:
            notes.append(
                Note(video.id, "damaged", f"{len(damaged)} frames that the decoder could not decode completely")
            )
        notes += full_masks(video.id, [area / (height * width) for area in areas])
        return [*rows, *notes, *_cut_short(video, decoded, shown[-1], max(chosen), info.frames)]


def _cut_short(video: Video, decoded: Iterator[np.ndarray], last: int, wanted: int, header: int) -> list[Note]:
    """A note if a source ends before its masks, or has far fewer frames than its header says."""
    said = ""
    if last < wanted:
        said = f"ends after frame {last}, but its masks continue to frame {wanted}"
    # Headers of old AVIs count one frame too many, and edit lists hide frames; a truncated file has fewer packets.
    elif header - (last + 1) > max(2, header // 50) and next(decoded, None) is None:
        if header - coded_length(video.path) > max(2, header // 50):
            said = f"ends after {last + 1} frames, but its header says {header}"
    return [Note(video.id, "shorter", f"{said}; the existing frames were used")] if said else []
