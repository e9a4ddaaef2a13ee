"""SCUFO: one frame of a SCUBA video repeated for its whole length, so that nothing moves (StillMix, ICCV 2023)."""

from dataclasses import dataclass, replace
from pathlib import Path

from benchmark_builder import layouts
from benchmark_builder.errors import LeftOut
from benchmark_builder.frames import read_planes
from benchmark_builder.manifest import Benchmark, Row
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.rng import generator
from benchmark_builder.scuba import indices


@dataclass(frozen=True)
class ScufoMaker:
    """Makes the SCUFO video of one SCUBA video. ``scuba``: the benchmark it is made from."""

    out: Path
    scuba: Benchmark
    seed: int
    layout: str = "video"

    def make(self, row: Row) -> list[Row]:
        """Write one SCUFO video; the still is drawn among the frames that show some of the actor."""
        still = self.draw_still(row)
        file = layouts.file_of(self.layout, row.id)
        source = self.scuba.path(row)
        planes = self.layout == "video" and source.suffix == ".mp4" and row.width % 2 == row.height % 2 == 0
        image = self.scuba.frame(row, still)
        # Stored planes pass through untouched: the still is bit for bit the SCUBA file's frame.
        written = read_planes(source, still) if planes else image
        digest = layouts.PixelDigest(row.height, row.width)
        with layouts.open_still(self.layout, self.out / file, row.width, row.height, row.fps, planes) as sink:
            for _ in range(row.frames):
                sink.write(written)
                digest.update(image)
        return [
            replace(
                row,
                file=file,
                mask_file="",
                mask_sha256="",
                seed=self.seed,
                still_frame=still,
                partner_id=row.id,
                pixels_sha256=digest.hexdigest(),
                file_sha256=layouts.digest(self.out / file),
            )
        ]

    def draw_still(self, row: Row) -> int:
        """Index of the SCUBA frame to repeat: uniform over the frames whose mask is not empty."""
        track = StoredTrack(self.scuba.folder / row.mask_file, row.height, row.width)
        shown = indices(row.source_frames)
        for k in generator(self.seed, row.id, "still").permutation(len(shown)):
            if track.mask(shown[k]).any():
                return int(k)
        raise LeftOut(f"no frame of {row.id} shows the actor")
