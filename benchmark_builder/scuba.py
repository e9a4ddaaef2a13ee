"""SCUBA: the actor over an unrelated background, the same picture for the whole video (StillMix, ICCV 2023).

``frame·M + background·(1 − M)`` for every frame; one decode of a source serves all its backgrounds.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark_builder import layouts
from benchmark_builder.backgrounds import BackgroundSource
from benchmark_builder.composite import paste
from benchmark_builder.errors import BenchError, LeftOut
from benchmark_builder.files import sha256_file
from benchmark_builder.frames import probe, read_frames
from benchmark_builder.manifest import Row
from benchmark_builder.masks import MaskSource, MaskTrack
from benchmark_builder.masks.stored import MaskWriter
from benchmark_builder.rng import generator
from benchmark_builder.video import Video


@dataclass(frozen=True)
class ScubaMaker:
    """Makes the SCUBA videos of one source.

    Attributes:
        out: the benchmark's folder.
        root: the dataset's folder; manifests name sources relative to it.
        masks, backgrounds: the sources.
        per_video: how many backgrounds a source video gets.
        seed: owns every draw together with the video's id.
        layout: a key of :data:`benchmark_builder.layouts.LAYOUTS`.
    """

    out: Path
    root: Path
    masks: MaskSource
    backgrounds: BackgroundSource
    per_video: int
    seed: int
    layout: str = "video"

    def make(self, video: Video) -> list[Row]:
        """Write the videos and masks of one source; returns a row for each.

        Raises:
            LeftOut: the mask source has nothing on it.
            BenchError: it cannot be read or written.
        """
        info = probe(video.path)
        track = self.masks.track(video, info.height, info.width)
        drawn = [
            self.backgrounds.image(generator(self.seed, video.id, f"background/{n}"), info.height, info.width)
            for n in range(self.per_video)
        ]
        ids = [f"{video.id}__{n}" for n in range(self.per_video)]
        files = [layouts.file_of(self.layout, i) for i in ids]
        digests = [layouts.PixelDigest(info.height, info.width) for _ in ids]
        mask_file = f"masks/{video.id}.zip"
        shown: list[int] = []
        area = 0
        with ExitStack() as stack:
            mask_writer = stack.enter_context(MaskWriter(self.out / mask_file))
            sinks = [
                stack.enter_context(layouts.open_sink(self.layout, self.out / f, info.width, info.height, info.fps))
                for f in files
            ]
            for index, frame, mask in masked_frames(video, track):
                mask_writer.write(index, mask)
                shown.append(index)
                area += int(mask.sum())
                for sink, (background, _), digest in zip(sinks, drawn, digests, strict=True):
                    image = paste(frame, mask, background)
                    digest.update(image)
                    sink.write(image)
            if area == 0:
                raise LeftOut(f"the mask of {video.id} is empty on every frame")
        return [
            Row(
                id=ids[n],
                file=files[n],
                label=video.label,
                class_name=video.class_name,
                split=video.split,
                source_id=video.id,
                source_file=video.path.relative_to(self.root).as_posix(),
                source_sha256=layouts.digest(video.path),
                source_frames=ranges(shown),
                frames=len(shown),
                fps=round(info.fps, 6),
                width=info.width,
                height=info.height,
                mask_source=str(self.masks.describe()["kind"]),
                mask_file=mask_file,
                mask_sha256=sha256_file(self.out / mask_file),
                mask_coverage=round(area / (len(shown) * info.height * info.width), 6),
                background=drawn[n][1],
                seed=self.seed,
                variant=n,
                partner_id=ids[n],
                pixels_sha256=digests[n].hexdigest(),
                file_sha256=layouts.digest(self.out / files[n]),
            )
            for n in range(self.per_video)
        ]


def masked_frames(video: Video, track: MaskTrack) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (frame index, frame uint8 (H, W, 3), mask bool (H, W)) for the frames that a SCUBA video shows.

    Those are the first to the last covered frame; a frame in between without a mask holds the nearest one.
    """
    covered = np.flatnonzero(track.covered)
    if len(covered) == 0:
        raise LeftOut(f"no frame of {video.id} has a mask")
    first, last = int(covered[0]), int(covered[-1])
    held, held_mask = -1, None
    index = -1
    for index, frame in enumerate(read_frames(video.path)):
        if index > last:
            break
        if index < first:
            continue
        nearest = int(covered[np.abs(covered - index).argmin()])
        if held_mask is None or nearest != held:
            held, held_mask = nearest, track.mask(nearest)
        yield index, frame, held_mask
    if index < first:
        raise BenchError(f"{video.path}: has {index + 1} frames, its first mask is for frame {first}; replace the file")


def ranges(indices: Sequence[int]) -> str:
    """Sorted indices as inclusive ranges: ``[3, 4, 5, 9]`` gives ``"3-5 9-9"``."""
    parts: list[list[int]] = []
    for index in indices:
        if parts and index == parts[-1][1] + 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    return " ".join(f"{a}-{b}" for a, b in parts)


def indices(text: str) -> list[int]:
    """The inverse of :func:`ranges`."""
    pairs = (part.split("-") for part in text.split())
    return [k for a, b in pairs for k in range(int(a), int(b) + 1)]
