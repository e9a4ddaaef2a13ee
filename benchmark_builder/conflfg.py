"""ConflFG: a SCUBA video with the still foreground of a video of another class added (StillMix, ICCV 2023).

The label stays the moving actor's. The published generator was not released; what it leaves open is settled here and
recorded in every row: the donor is another SCUBA video of another class, its still frame and place are drawn, and it
stands behind the moving actor (``behind``) or in front (``front``). A draw in which the mover is hidden too much, or
the donor can hardly be seen, is drawn again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder import layouts, virtual
from benchmark_builder.composite import add_donor
from benchmark_builder.errors import BenchError, LeftOut
from benchmark_builder.manifest import Benchmark, Row
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.rng import generator
from benchmark_builder.selection import indices

ORDERS = ("behind", "front")
PLACES = ("random", "keep")
DRAWS = 24  # donors tried before a video is left out


@dataclass(frozen=True)
class ConflfgSettings:
    """What the published protocol leaves open.

    Attributes:
        order: the donor stands ``behind`` the moving actor or in ``front`` of it.
        place: ``random``: shifted to a drawn place where all of it is in the picture; ``keep``: where it stood.
        max_covered: the largest share of the mover that the donor may hide, 0..1, mean over frames.
        min_visible: the smallest share of the donor that must be seen, 0..1, mean over frames.
    """

    order: str = "behind"
    place: str = "random"
    max_covered: float = 0.5
    min_visible: float = 0.5

    def __post_init__(self) -> None:
        for flag, value, choices in (("--order", self.order, ORDERS), ("--place", self.place, PLACES)):
            if value not in choices:
                raise BenchError(f"{flag} {value}: choose from {', '.join(choices)}")
        for flag, share in (("--max-covered", self.max_covered), ("--min-visible", self.min_visible)):
            if not 0 <= share <= 1:
                raise BenchError(f"{flag} {share}: give a share from 0 to 1")


@dataclass(frozen=True)
class Donor:
    """A still foreground, placed: ``image`` uint8 (H, W, 3), ``mask`` bool (H, W), both of the mover's size."""

    row: Row
    frame: int
    shift: tuple[int, int]
    image: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class ConflfgMaker:
    """Makes the ConflFG video of one SCUBA video. ``scuba``: the benchmark it and its donors come from."""

    out: Path
    scuba: Benchmark
    seed: int
    settings: ConflfgSettings
    layout: layouts.Layout

    def depends(self, row: Row) -> str:
        """What decides whether a video is left out: all that donors are drawn from."""
        return self.scuba.digest

    def make(self, row: Row) -> list[Row]:
        """Write one ConflFG video. Raises LeftOut if no donor fits, saying why."""
        track = StoredTrack(self.scuba.folder / row.mask_file, row.height, row.width)
        shown = indices(row.source_frames)
        donor, covered = self.choose(row, track, shown)
        file = self.layout.file_of(row.id)
        digest = layouts.PixelDigest(row.height, row.width)
        with self.layout.open(self.out / file, row.width, row.height, row.fps) as sink:
            for index, frame in zip(shown, self.scuba.frames(row), strict=True):
                image = add_donor(frame, track.mask(index), donor.image, donor.mask, self.settings.order)
                digest.update(image)
                sink.write(image)
        if self.layout.name == "virtual":
            virtual.write(self.out / file, {"donor": donor.image, "mask": donor.mask})
        return [
            row.derived(
                file=file,
                seed=self.seed,
                donor_id=donor.row.id,
                donor_label=donor.row.label,
                donor_frame=donor.frame,
                donor_shift=f"{donor.shift[0]} {donor.shift[1]}",
                covered=round(covered, 6),
                pixels_xxh128=digest.hexdigest(),
                file_sha256=layouts.digest(self.out / file),
            )
        ]

    def choose(self, row: Row, track: StoredTrack, shown: list[int]) -> tuple[Donor, float]:
        """The donor of a SCUBA video, and the share of the mover that it hides (0..1, over up to 16 frames).

        Args:
            row: the SCUBA video.
            track: the mover's masks.
            shown: the source frames that the video shows.
        """
        sample = [track.mask(shown[int(k)]) for k in np.linspace(0, len(shown) - 1, min(16, len(shown)))]
        mover_area = sum(int(m.sum()) for m in sample)
        candidates = list(islice(self._candidates(row), DRAWS))
        for draw, candidate in enumerate(candidates):
            donor = self._donor(row, candidate, generator(self.seed, row.id, f"donor/{draw}"))
            if donor is None:
                continue
            overlap = sum(int((m & donor.mask).sum()) for m in sample)
            behind = self.settings.order == "behind"
            covered = 0.0 if behind or not mover_area else overlap / mover_area
            visible = 1 - overlap / (len(sample) * int(donor.mask.sum())) if behind else 1.0
            if covered <= self.settings.max_covered and visible >= self.settings.min_visible:
                return donor, covered
        drawn = f"{len(candidates)} donors drawn for {row.id}"
        raise LeftOut(f"{drawn}: each hid too much of the actor or could hardly be seen")

    @cached_property
    def _by_label(self) -> dict[int, list[Row]]:
        table: dict[int, list[Row]] = {}
        for row in self.scuba.rows:
            table.setdefault(row.label, []).append(row)
        return table

    def _candidates(self, row: Row) -> Iterator[Row]:
        """Donors in drawn order: class first, uniformly, then a video of it.

        Order comes from hashing names, so that a draw changes only if the very donor it fell on is taken away.
        """

        def rank(name: str) -> bytes:
            return hashlib.sha256(f"{self.seed}\x1f{row.id}\x1fdonor\x1f{name}".encode()).digest()

        labels = sorted((label for label in self._by_label if label != row.label), key=lambda k: rank(f"class/{k}"))
        queues = [iter(sorted(self._by_label[label], key=lambda r: rank(r.id))) for label in labels]
        while queues:
            for queue in list(queues):
                candidate = next(queue, None)
                if candidate is None:
                    queues.remove(queue)
                else:
                    yield candidate

    def _donor(self, row: Row, candidate: Row, rng: np.random.Generator) -> Donor | None:
        track = StoredTrack(self.scuba.folder / candidate.mask_file, candidate.height, candidate.width)
        shown = indices(candidate.source_frames)
        k = int(rng.integers(len(shown)))
        mask = track.mask(shown[k])
        if not mask.any():
            return None
        image = self.scuba.frame(candidate, k)
        size = (row.height, row.width)
        if mask.shape != size:
            image, mask = _to_height(image, mask, *size)
        shift = _random_shift(mask, rng) if self.settings.place == "random" else (0, 0)
        move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        image = cv2.warpAffine(image, move, (row.width, row.height), flags=cv2.INTER_NEAREST)
        mask = cv2.warpAffine(mask.astype(np.uint8), move, (row.width, row.height), flags=cv2.INTER_NEAREST) > 0
        return Donor(candidate, k, shift, image, mask) if mask.any() else None


def _to_height(image: np.ndarray, mask: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale a donor to another video's height, and centre it on a canvas (height, width)."""
    scale = height / mask.shape[0]
    centre = np.array([[scale, 0, (width - scale * mask.shape[1]) / 2], [0, scale, 0]], np.float32)
    image = cv2.warpAffine(image, centre, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return image, cv2.warpAffine(mask.astype(np.uint8), centre, (width, height), flags=cv2.INTER_NEAREST) > 0


def _random_shift(mask: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """A shift (dx, dy) in pixels, uniform among those that keep the mask's bounding box in the picture."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    dx = rng.integers(-columns[0], mask.shape[1] - columns[-1])
    dy = rng.integers(-rows[0], mask.shape[0] - rows[-1])
    return int(dx), int(dy)
