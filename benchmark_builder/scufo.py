"""SCUFO: one frame of a SCUBA video repeated for its whole length, so that nothing moves (StillMix, ICCV 2023)."""

from dataclasses import dataclass
from pathlib import Path

from benchmark_builder import layouts, virtual
from benchmark_builder.errors import LeftOut
from benchmark_builder.frames import read_planes
from benchmark_builder.manifest import Benchmark, Row
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.rng import generator
from benchmark_builder.selection import indices


@dataclass(frozen=True)
class ScufoMaker:
    """Makes the SCUFO video of one SCUBA video. ``scuba``: the benchmark it is made from."""

    out: Path
    scuba: Benchmark
    seed: int
    layout: layouts.Layout

    def make(self, row: Row) -> list[Row]:
        """Write one SCUFO video; the still is drawn among the frames that show some of the actor."""
        k = draw_still(self.scuba, row, self.seed)
        file = self.layout.file_of(row.id, still=True)
        still = self.scuba.frame(row, k)
        digest = layouts.PixelDigest(row.height, row.width)
        for _ in range(row.frames):
            digest.update(still)
        if self.layout.name == "virtual":
            virtual.write(self.out / file, {"still": still})
        else:
            source = self.scuba.path(row)
            stored = self.layout.name == "video" and source.suffix == ".mp4" and row.width % 2 == row.height % 2 == 0
            # Stored planes pass through untouched: the still is bit for bit the SCUBA file's frame.
            planes = read_planes(source, k) if stored else None
            self.layout.write_still(self.out / file, still, row.frames, row.fps, planes)
        return [
            row.derived(
                file=file,
                seed=self.seed,
                still_frame=k,
                pixels_xxh128=digest.hexdigest(),
                file_sha256=layouts.digest(self.out / file),
            )
        ]


def draw_still(scuba: Benchmark, row: Row, seed: int) -> int:
    """Index of the SCUBA frame to repeat: uniform over the frames whose mask is not empty, drawn by (seed, id)."""
    draw = generator(seed, row.id, "still")
    if not row.mask_file:  # an imported benchmark has no masks: any frame
        return int(draw.integers(row.frames))
    track = StoredTrack(scuba.folder / row.mask_file, row.height, row.width)
    shown = indices(row.source_frames)
    for k in draw.permutation(len(shown)):
        if track.mask(shown[k]).any():
            return int(k)
    raise LeftOut(f"no frame of {row.id} shows the actor")
