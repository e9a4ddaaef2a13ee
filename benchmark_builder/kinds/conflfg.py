"""ConflFG: a SCUBA video with the still foreground of a video of another class added (StillMix, ICCV 2023).

The label is the class of the moving actor. The published generator was not released, so its missing details are defined
here and recorded in every row: the donor is a SCUBA video of another class, its still frame and position are drawn, and
it is behind the moving actor (``behind``) or in front (``front``). If the mover is hidden too much, or the donor is
hardly visible, another donor is drawn.

A donor keeps its size relative to the height of the picture. If its actor then does not fit into the mover's picture (a
wide actor in a portrait video), it is scaled down; it is always completely inside.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

import cv2
import numpy as np
from pydantic import model_validator

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.benchmark.protocol_record import ProtocolRecord, required
from benchmark_builder.kinds.base import About, Derived
from benchmark_builder.kinds.stills import few_stills, mask_areas, may_be_still
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.layouts import virtual
from benchmark_builder.masks.base import MaskTrack
from benchmark_builder.settings import DonorSettings
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.pool import Note
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.compositing import add_donor
from benchmark_builder.video.selection import indices

DRAWS = 24  # maximum number of donors tried before a video is left out


class Conflfg(Derived, DonorSettings):
    """Add the still actor of another class to every SCUBA video; the label is the class of the moving actor.

    Attributes:
        rules: version of the rules for drawing and fitting donors, equal to the first protocol version that uses them.
            1 is kept to check older benchmarks.
    """

    about: ClassVar[About] = About(
        name="conflfg",
        title="ConflFG",
        explained="a still actor of another class is added: the label is the moving actor's",
        short="ConflFG",
        figure="conflfg",
        heading="ConflFG",
        headline=True,
        donors="conflfg_donor",
    )
    drawn_from_all: ClassVar[bool] = True
    actor_stays: ClassVar[bool] = True

    rules: int = 2

    @classmethod
    def read(cls, protocol: ProtocolRecord) -> "Conflfg":
        return cls.recorded(required(protocol.conflfg, "conflfg").plain())

    @classmethod
    def recorded(cls, table: Mapping[str, Any]) -> "Conflfg":
        """The settings in a protocol.json; version 1 did not record ``still_area`` and ``rules``."""
        return cls(**{"still_area": 0.0, "rules": 1, **table})

    @model_validator(mode="after")
    def _known_rules(self) -> Self:
        if self.rules not in (1, 2):
            raise BenchError(f"ConflFG by rules {self.rules}: this release knows 1 and 2; update albar-bench")
        return self

    def check(self, scuba: Benchmark) -> str:
        if len({row.label for row in scuba.rows}) < 2:
            raise BenchError(
                f"{scuba.folder}: contains only one class ({scuba.rows[0].class_name}), but ConflFG needs a still "
                "foreground of another class; build SCUBA from two classes or more"
            )
        if not all(row.mask_file for row in scuba.rows):
            raise BenchError(
                f"{scuba.folder}: has no masks to cut out the still foreground; build SCUBA with this toolkit instead"
            )
        if not scuba.protocol.subset:
            return ""
        return (
            f"{scuba.folder}: contains only a part of {scuba.dataset}, so donors are drawn only from this part; to "
            "draw from all videos, build SCUBA from the whole dataset and give it with --from"
        )

    def maker(self, out: Path, scuba: Benchmark, seed: int, layout: layouts.Layout) -> "ConflfgMaker":
        return ConflfgMaker(out, scuba, seed, self, layout)

    def written(self, scuba: Benchmark) -> dict[str, object]:
        return {"conflfg": self.model_dump()}

    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        path = benchmark.path(row)
        donor, mask = virtual.read(path, "donor"), virtual.read(path, "mask")[..., 0] > 0
        return _composed(benchmark, row, donor, mask, self.order)

    @classmethod
    def row_problems(cls, benchmark: Benchmark, row: Row) -> list[str]:
        same = row.donor_label is not None and row.donor_label == row.label
        return ["the donor has the same class as the moving actor"] if same else []

    def redrawn(self, benchmark: Benchmark, scuba: Benchmark) -> Callable[[Row, Row], list[str]]:
        seed = required(benchmark.protocol.seed, "seed", benchmark.folder)
        maker = ConflfgMaker(benchmark.folder, scuba, seed, self, layouts.Layout())
        still = super().redrawn(benchmark, scuba)
        return lambda row, base: [*still(row, base), *maker.problems(row, base)]


ConflfgSettings = Conflfg  # the old name


def _composed(benchmark: Benchmark, row: Row, donor: np.ndarray, mask: np.ndarray, order: str) -> Iterator[np.ndarray]:
    scuba, base = benchmark.origin, benchmark.base(row)
    track = scuba.masks(base)
    for index, frame in zip(indices(base.source_frames), scuba.frames(base), strict=True):
        yield add_donor(frame, track.mask(index), donor, mask, order)


@dataclass(frozen=True)
class Placed:
    """A still foreground in the mover's picture.

    Attributes:
        row: the SCUBA video of the donor.
        frame: index of its still frame, from 0.
        shift: (dx, dy) in pixels: shift relative to its position after scaling about the top left corner.
        mask: bool (H, W), of the mover's size.
        fit: places an image of ``row`` in the mover's picture.
    """

    row: Row
    frame: int
    shift: tuple[int, int]
    mask: np.ndarray
    fit: "Fit | OldFit"


@dataclass(frozen=True)
class Donor(Placed):
    """Also has the picture: ``image`` uint8 (H, W, 3), of the mover's size."""

    image: np.ndarray


@dataclass(frozen=True)
class ConflfgMaker:
    """Makes the ConflFG video for one SCUBA video. ``scuba``: the benchmark of the video and its donors."""

    out: Path
    scuba: Benchmark
    seed: int
    settings: Conflfg
    layout: layouts.Layout

    def depends(self, row: Row) -> str:
        """The files that decide whether a video is left out: everything from which donors are drawn."""
        return self.scuba.digest

    def make(self, row: Row) -> list[Row | Note]:
        """Write one ConflFG video; return its row, and a note if the donor's still was drawn from few frames.

        Raises:
            LeftOut: no donor fits; the message says why.
        """
        track = self.scuba.masks(row)
        shown = indices(row.source_frames)
        donor, covered = self.choose(row, track, shown)
        file = self.layout.file_of(row.id)
        digest = layouts.PixelDigest(row.height, row.width)
        with self.layout.open(self.out / file, row.width, row.height, row.fps) as sink:
            for index, frame in zip(shown, self.scuba.frames(row), strict=True):
                image = add_donor(frame, track.mask(index), donor.image, donor.mask, self.settings.order)
                digest.update(image)
                sink.write(image)
        self.layout.store(self.out / file, {"donor": donor.image, "mask": donor.mask})
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
            ),
            *few_stills(self.scuba, donor.row, self.settings.still_area),
        ]

    def choose(self, row: Row, track: MaskTrack, shown: list[int]) -> tuple[Donor, float]:
        """The donor of a SCUBA video, and the share of the mover that the donor hides (0..1, over up to 16 frames).

        Args:
            row: the SCUBA video.
            track: the mover's masks.
            shown: indices of the source frames in the video.
        """
        sample = [track.mask(shown[int(k)]) for k in np.linspace(0, len(shown) - 1, min(16, len(shown)))]
        mover_area = sum(int(m.sum()) for m in sample)
        candidates = list(islice(self._candidates(row), DRAWS))
        for draw, candidate in enumerate(candidates):
            place = self._placed if self.settings.rules > 1 else self._placed_1
            donor = place(row, candidate, generator(self.seed, row.id, f"donor/{draw}"))
            if donor is None:
                continue
            overlap = sum(int((m & donor.mask).sum()) for m in sample)
            behind = self.settings.order == "behind"
            covered = 0.0 if behind or not mover_area else overlap / mover_area
            visible = 1 - overlap / (len(sample) * int(donor.mask.sum())) if behind else 1.0
            if covered <= self.settings.max_covered and visible >= self.settings.min_visible:
                image = donor.fit(self.scuba.frame(donor.row, donor.frame))
                return Donor(donor.row, donor.frame, donor.shift, donor.mask, donor.fit, image), covered
        drawn = f"{len(candidates)} donors were drawn for {row.id}"
        raise LeftOut(f"{drawn}: each hides too much of the actor or is hardly visible")

    def problems(self, row: Row, base: Row) -> list[str]:
        """Values of the donor in a row that differ from a new draw, one line each; ``base``: the SCUBA row."""
        donor, covered = self.choose(base, self.scuba.masks(base), indices(base.source_frames))
        drawn = {
            "donor_id": donor.row.id,
            "donor_label": donor.row.label,
            "donor_frame": donor.frame,
            "donor_shift": f"{donor.shift[0]} {donor.shift[1]}",
            "covered": round(covered, 6),
        }
        return [
            f"{name} is {getattr(row, name)!r}, but its seed gives {value!r}"
            for name, value in drawn.items()
            if getattr(row, name) != value
        ]

    @cached_property
    def _by_label(self) -> dict[int, list[Row]]:
        table: dict[int, list[Row]] = {}
        for row in self.scuba.rows:
            table.setdefault(row.label, []).append(row)
        return table

    @cached_property
    def _hashes(self) -> dict[int, np.ndarray]:
        """A hash of each video's id, uint64, in the order of ``_by_label``."""
        return {label: _hashes([row.id for row in rows]) for label, rows in self._by_label.items()}

    @cached_property
    def _classes(self) -> tuple[np.ndarray, np.ndarray]:
        """The labels with at least one video, int (C,), and a hash of each, uint64 (C,)."""
        labels = list(self._by_label)
        return np.array(labels), _hashes([f"class/{label}" for label in labels])

    def _candidates(self, row: Row) -> Iterator[Row]:
        """Donors in drawn order: first the class, uniformly, then its video; then the second of each class, …

        Names are ranked by hashes, so that a draw changes only if the drawn donor itself is removed. A class is ranked
        only when it is needed, and sorted only for its second video: in most cases the first donor fits.
        """
        if self.settings.rules == 1:
            yield from self._candidates_1(row)
            return
        by_class, by_video = generator(self.seed, row.id, "donor").integers(2**64, size=2, dtype=np.uint64)
        labels, hashes = self._classes
        order = labels[np.argsort(_ranks(by_class, hashes))].tolist()
        queues = [_in_drawn_order(self._by_label[k], self._hashes[k], by_video) for k in order if k != row.label]
        yield from _taking_turns(queues)

    def _candidates_1(self, row: Row) -> Iterator[Row]:
        """The order of version 1."""

        def rank(name: str) -> bytes:
            return hashlib.sha256(f"{self.seed}\x1f{row.id}\x1fdonor\x1f{name}".encode()).digest()

        def queue(label: int) -> Iterator[Row]:
            yield from sorted(self._by_label[label], key=lambda r: rank(r.id))

        labels = sorted((label for label in self._by_label if label != row.label), key=lambda k: rank(f"class/{k}"))
        yield from _taking_turns([queue(label) for label in labels])

    def _placed(self, row: Row, candidate: Row, rng: np.random.Generator) -> Placed | None:
        allowed = np.flatnonzero(may_be_still(mask_areas(self.scuba, candidate), self.settings.still_area))
        if not len(allowed):
            return None
        k = int(allowed[rng.integers(len(allowed))])
        mask = self.scuba.masks(candidate).mask(indices(candidate.source_frames)[k])
        fit = Fit.of(mask, row.height, row.width, rng if self.settings.place == "random" else None)
        placed = fit.mask(mask)
        return Placed(candidate, k, fit.shift, placed, fit) if placed.any() else None  # a speck may vanish

    def _placed_1(self, row: Row, candidate: Row, rng: np.random.Generator) -> Placed | None:
        """The placement of version 1."""
        shown = indices(candidate.source_frames)
        k = int(rng.integers(len(shown)))
        mask = self.scuba.masks(candidate).mask(shown[k])
        fit = OldFit(row.height, row.width)
        centred = fit.mask(mask)
        if not mask.any() or not centred.any():
            return None
        if self.settings.place == "random":
            fit = OldFit(row.height, row.width, _random_shift(centred, rng))
        return Placed(candidate, k, fit.shift, fit.mask(mask), fit)


def _hashes(names: list[str]) -> np.ndarray:
    """A hash of each name: uint64 (N,)."""
    digests = b"".join(hashlib.sha256(name.encode()).digest()[:8] for name in names)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def _ranks(key: np.uint64, hashes: np.ndarray) -> np.ndarray:
    """Sort keys of hashes, uint64 (N,): the finaliser of splitmix64 (Steele et al. 2014) of each hash with a key."""
    mixed = hashes ^ key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _in_drawn_order(rows: list[Row], hashes: np.ndarray, key: np.uint64) -> Iterator[Row]:
    ranks = _ranks(key, hashes)
    yield rows[int(ranks.argmin())]
    for k in np.argsort(ranks)[1:].tolist():
        yield rows[k]


def _taking_turns(queues: list[Iterator[Row]]) -> Iterator[Row]:
    """The first of each queue, then the second of each, and so on."""
    while queues:
        for queue in list(queues):
            row = next(queue, None)
            if row is None:
                queues.remove(queue)
            else:
                yield row


@dataclass(frozen=True)
class Fit:
    """The scale and position of a donor's actor in the mover's picture; it is completely inside.

    Attributes:
        canvas: (height, width) of the mover.
        box: the actor in its own picture: x1, y1, x2, y2 in pixels, x2 and y2 exclusive.
        at: position of the box in the mover's picture: x1, y1, x2, y2.
    """

    canvas: tuple[int, int]
    box: tuple[int, int, int, int]
    at: tuple[int, int, int, int]

    @classmethod
    def of(cls, mask: np.ndarray, height: int, width: int, rng: np.random.Generator | None) -> "Fit":
        """The fit of a donor's mask, bool (h, w), not empty, into (height, width).

        Args:
            rng: draws the position, uniformly among those where the whole box is inside. None: the position is kept;
                the free space on both sides has the same ratio as before (an actor at an edge stays at that edge).
        """
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        x1, y1, x2, y2 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
        scale = min(height / mask.shape[0], width / (x2 - x1))
        wide, tall = max(1, round(scale * (x2 - x1))), max(1, round(scale * (y2 - y1)))
        if rng is not None:
            x, y = int(rng.integers(width - wide + 1)), int(rng.integers(height - tall + 1))
        else:
            x = round((width - wide) * _share(x1, mask.shape[1] - x2))
            y = round((height - tall) * _share(y1, mask.shape[0] - y2))
        return cls((height, width), (x1, y1, x2, y2), (x, y, x + wide, y + tall))

    @property
    def shift(self) -> tuple[int, int]:
        x1, y1, x2, y2 = self.box
        scale_x, scale_y = (self.at[2] - self.at[0]) / (x2 - x1), (self.at[3] - self.at[1]) / (y2 - y1)
        return self.at[0] - round(scale_x * x1), self.at[1] - round(scale_y * y1)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The box of the actor from a donor's frame, uint8 (h, w, 3), in an empty picture, uint8 (H, W, 3)."""
        return self._on_canvas(image, np.zeros((*self.canvas, 3), np.uint8))

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """The donor's mask, bool (h, w), in the mover's picture, bool (H, W): pixels that it covers by half or more."""
        return self._on_canvas(mask.astype(np.float32), np.zeros(self.canvas, np.float32)) >= 0.5

    def _on_canvas(self, array: np.ndarray, canvas: np.ndarray) -> np.ndarray:
        (x1, y1, x2, y2), (u1, v1, u2, v2) = self.box, self.at
        cut = np.ascontiguousarray(array[y1:y2, x1:x2])
        if cut.shape[:2] != (v2 - v1, u2 - u1):
            shrunk = (v2 - v1) * (u2 - u1) < cut.shape[0] * cut.shape[1]
            cut = cv2.resize(cut, (u2 - u1, v2 - v1), interpolation=cv2.INTER_AREA if shrunk else cv2.INTER_LINEAR)
        canvas[v1:v2, u1:u2] = cut
        return canvas


def _share(before: int, after: int) -> float:
    """The share of the free space that is before a box, 0..1; 0.5 if there is no free space."""
    return before / (before + after) if before + after else 0.5


@dataclass(frozen=True)
class OldFit:
    """Version 1: scaled to the mover's height, centred, then moved; parts outside the picture are lost."""

    height: int
    width: int
    shift: tuple[int, int] = (0, 0)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return self._moved(self._centred(image, cv2.INTER_LINEAR))

    def mask(self, mask: np.ndarray) -> np.ndarray:
        return self._moved(self._centred(mask.astype(np.uint8), cv2.INTER_NEAREST)) > 0

    def _centred(self, array: np.ndarray, how: int) -> np.ndarray:
        if array.shape[:2] == (self.height, self.width):
            return array
        scale = self.height / array.shape[0]
        centre = np.array([[scale, 0, (self.width - scale * array.shape[1]) / 2], [0, scale, 0]], np.float32)
        border = cv2.BORDER_REPLICATE if array.ndim == 3 else cv2.BORDER_CONSTANT
        return cv2.warpAffine(array, centre, (self.width, self.height), flags=how, borderMode=border)

    def _moved(self, array: np.ndarray) -> np.ndarray:
        move = np.array([[1, 0, self.shift[0]], [0, 1, self.shift[1]]], np.float32)
        return cv2.warpAffine(array, move, (self.width, self.height), flags=cv2.INTER_NEAREST)


def _random_shift(mask: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """A shift (dx, dy) in pixels, uniform among those that keep the mask's bounding box in the picture."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    dx = rng.integers(-columns[0], mask.shape[1] - columns[-1])
    dy = rng.integers(-rows[0], mask.shape[0] - rows[-1])
    return int(dx), int(dy)
