"""Action swap (HAT: Chung et al., "Enabling Detailed Action Recognition Evaluation Through Video Dataset Augmentation",
NeurIPS 2022): the actor over the moving, filled-in background of another video. The label is the actor's class.

As HAT's loader: frame i of n shows frame round(i / n · m) of the m background frames. The background is scaled so that
its short side is as long as that of the actor's video; the result has the background's size. The actor is not scaled;
one shift per video moves the centre of mass of its first mask to that of the first mask of the background's actor (the
centre of the picture if a mask is empty). Edges are hard. The distance between classes is ours
(:mod:`benchmark_builder.kinds.class_distances`): HAT only publishes its pairs.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import cv2
import numpy as np
from pydantic import Field

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.kinds.base import About, setting
from benchmark_builder.kinds.class_distances import class_distances, far_and_close
from benchmark_builder.kinds.filling import Count
from benchmark_builder.kinds.sources import WithoutActor, shown_frames
from benchmark_builder.kinds.swap_pairs import last_part, pair_of, read_pairs
from benchmark_builder.utils.errors import BenchError, ChangedFile, LeftOut
from benchmark_builder.utils.files import sha256_file
from benchmark_builder.utils.options import PathSetting
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import shown
from benchmark_builder.video.compositing import paste
from benchmark_builder.video.selection import indices


class Swap(WithoutActor):
    """Show the actor over the moving, filled-in background of another video (HAT); the label is the actor's class.

    Attributes:
        pairing: the class of the background's video: ``random``: any other class; ``far``, ``close``: the third of the
            other classes with the largest or smallest distance; ``same``: the same class. The class is drawn uniformly,
            then its video.
        pairs: a pickle of HAT's pairs, which then decide instead of ``pairing``.
        pairs_sha256: of that file.
        distances: for far and close, class name -> its distances to all classes with videos, in label order, as text.
    """

    about: ClassVar[About] = About(
        name="swap",
        title="Action swap",
        explained="the moving background of another video: the label is the actor's",
        short="swap",
        figure="swap",
        heading="Swap",
        donors="swap_background",
        donors_heading="Swap background",
        wins="swap_wins",
        wins_heading="Swap: action wins",
        same="swap_same",
        same_heading="Swap same class",
    )
    drawn_from_all: ClassVar[bool] = True
    own_columns: ClassVar[frozenset[str]] = frozenset({"background", "width", "height"})

    pairing: Literal["random", "far", "close", "same"] = setting(
        "random", "Class of the background's video: any other, one of the farthest or closest third, or the same."
    )
    pairs: PathSetting | None = setting(
        None, "One of HAT's pickles of pairs (actionswap_far_1.pickle …), instead of --pairing."
    )
    pairs_sha256: str = ""
    distances: dict[str, str] = Field(default_factory=dict)

    @property
    def set_name(self) -> str:
        if self.pairs is None:
            return self.pairing
        return "".join(c if c.isascii() and c.isalnum() else "-" for c in self.pairs.stem.removeprefix("actionswap_"))

    def check(self, scuba: Benchmark) -> str:
        said = super().check(scuba)
        if self.pairs is not None:
            return _pairs_here(self.pairs, scuba)
        if self.pairing != "same" and len({row.label for row in scuba.rows}) < 2:
            raise BenchError(
                f"{scuba.folder}: contains only one class ({scuba.rows[0].class_name}), but backgrounds are of another "
                "class; build SCUBA from two classes or more, or give --pairing same"
            )
        if not scuba.protocol.subset:
            return said
        return (
            f"{scuba.folder}: contains only a part of {scuba.dataset}, so backgrounds are drawn only from this part; "
            "to draw from all videos, build SCUBA from the whole dataset and give it with --from"
        )

    def prepared(self, scuba: Benchmark, seed: int, workers: int = 1, progress: bool = False) -> Self:
        if self.pairs is not None:
            return self.model_copy(update={"pairs_sha256": sha256_file(self.pairs)})
        if self.pairing not in ("far", "close"):
            return self
        return self.model_copy(update={"distances": class_distances(scuba, workers, progress)})

    def donor(self, scuba: Benchmark, row: Row, seed: int) -> Row:
        """The SCUBA row of the video whose background is shown.

        Raises:
            LeftOut: there is no other video of the class, or no pair of this video in HAT's pickle.
            BenchError: the pair's label is that of another class.
        """
        if self.pairs is not None:
            return _paired(self.pairs, scuba, row)
        by_label = scuba.sources_by_label
        others = sorted(by_label.keys() - {row.label})
        if self.pairing == "same":
            allowed = [row.label]
        elif self.pairing == "random":
            allowed = others
        else:
            far, close = far_and_close(self.distances, scuba.classes, row.label, others)
            allowed = far if self.pairing == "far" else close
        draw = generator(seed, row.id, f"swap/{self.pairing}")
        videos = [other for other in by_label[allowed[int(draw.integers(len(allowed)))]] if other.id != row.id]
        if not videos:
            raise LeftOut(f"{row.source_id} is the only video of its class, which has no other background")
        return videos[int(draw.integers(len(videos)))]

    def shows(self, scuba: Benchmark, row: Row, seed: int) -> Row:
        return self.donor(scuba, row, seed)

    @classmethod
    def shown_in(cls, row: Row) -> str:
        return row.background  # the donor's source

    def started(self, scuba: Benchmark, row: Row, seed: int) -> tuple[dict[str, Any], Iterator[np.ndarray]]:
        donor = self.donor(scuba, row, seed)
        columns = self.columns(scuba, row, donor)
        return columns, self.composed(scuba, row, donor, columns)

    def columns(self, scuba: Benchmark, row: Row, donor: Row) -> dict[str, Any]:
        """The columns of a swapped video that differ from the actor's SCUBA row."""
        height, width = scaled_size(row, donor)
        down, right = _shift(scuba, row, donor, height, width)
        return {
            "width": width,
            "height": height,
            "background": donor.source_id,
            "donor_id": donor.id,
            "donor_label": donor.label,
            "donor_shift": f"{right} {down}",
        }

    def composed(self, scuba: Benchmark, row: Row, donor: Row, columns: dict[str, Any]) -> Iterator[np.ndarray]:
        """The frames; then ``columns`` gets the share of the background's actor that was never uncovered."""
        size = columns["width"], columns["height"]
        right, down = _pixels(columns["donor_shift"], row.id)
        count = Count()
        backgrounds = self.background(scuba, donor, count)
        at, scaled = -1, np.empty(0)
        wanted = background_frames(row.frames, donor.frames)
        for (frame, mask), k in zip(shown_frames(scuba, row), wanted, strict=True):
            if k > at:
                while at < k:
                    image = next(backgrounds)
                    at += 1
                same = image.shape[1::-1] == size
                scaled = image if same else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
            yield _moved(frame, mask, scaled, right, down)
        if self.inpainted is None:
            columns["covered"] = round(count.share, 6)

    def actor_masks(
        self, benchmark: Benchmark, row: Row, mask: Callable[[int], np.ndarray]
    ) -> Iterator[np.ndarray] | None:
        right, down = _pixels(row.donor_shift, row.id)
        return (_moved_mask(mask(k), (row.height, row.width), right, down) for k in range(row.frames))

    def weight(self, row: Row) -> float:
        return 1.0  # the masks of the background's video are not in the row

    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        scuba, base = benchmark.origin, benchmark.base(row)
        donor = scuba.by_id.get(row.donor_id)
        if donor is None or scuba.digest != benchmark.protocol.origin.manifest_sha256:
            raise ChangedFile(f"{scuba.folder}: changed since {benchmark.folder} was made from it; build that again")
        shown = {"width": row.width, "height": row.height, "donor_shift": row.donor_shift}
        return self._counted(self.composed(scuba, base, donor, shown), row)

    @classmethod
    def row_problems(cls, benchmark: Benchmark, row: Row) -> list[str]:
        problems = super().row_problems(benchmark, row)
        if benchmark.protocol.settings.get("pairs_sha256"):
            return problems
        same = benchmark.background_set == "same"
        if (row.donor_label == row.label) == same:
            return problems
        return [*problems, f"the background's video is of {'another' if same else 'the same'} class"]

    def again(
        self, benchmark: Benchmark, scuba: Benchmark, row: Row, base: Row
    ) -> tuple[dict[str, Any], Iterator[np.ndarray]]:
        # HAT's pickle is not needed again: the row says which pair it was.
        donor = scuba.by_id[row.donor_id] if self.pairs_sha256 else self.donor(scuba, base, row.seed)
        columns = self.columns(scuba, base, donor)
        return columns, self.composed(scuba, base, donor, columns)


def _paired(path: Path, scuba: Benchmark, row: Row) -> Row:
    pair = pair_of(read_pairs(path), row.source_id)
    if pair is None:
        raise LeftOut(f"{path.name} has no pair for {row.source_id}")
    donor = scuba.by_source.get(pair.name) or scuba.by_source.get(last_part(pair.name))
    if donor is None:
        raise LeftOut(f"{scuba.folder} has no video {pair.name}, the background that {path.name} names")
    if donor.label != pair.label:
        raise BenchError(
            f"{path}: label of {pair.name} is {pair.label}, but {donor.label} in {scuba.folder}; give the pairs of "
            f"{scuba.dataset}"
        )
    return donor


def _pairs_here(path: Path, scuba: Benchmark) -> str:
    """A message on the pairs in a pickle that differ from what a SCUBA benchmark has."""
    pairs = read_pairs(path)
    missing, others = 0, 0
    for source_id in scuba.by_source:
        pair = pair_of(pairs, source_id)
        donor = pair and (scuba.by_source.get(pair.name) or scuba.by_source.get(last_part(pair.name)))
        missing += donor is None
        others += bool(pair and donor and donor.frames != pair.frames)
    said = f"{missing} of {len(scuba.by_source)} videos have no pair here and are left out" if missing else ""
    if others:
        counted = f"{others} backgrounds have another number of frames here than in it; those here are used"
        said = f"{said}; {counted}" if said else counted
    return f"{path}: {said}" if said else ""


def background_frames(frames: int, backgrounds: int) -> list[int]:
    """Which background frame each of ``frames`` frames shows: int, 0..backgrounds - 1, ascending."""
    relative = np.arange(frames) / frames * backgrounds
    chosen: list[int] = relative.round().astype(int).clip(0, backgrounds - 1).tolist()
    return chosen


def scaled_size(row: Row, donor: Row) -> tuple[int, int]:
    """(height, width) of a background whose short side is as long as that of the actor's video."""
    scale = min(row.height, row.width) / min(donor.height, donor.width)
    return int(donor.height * scale + 0.5), int(donor.width * scale + 0.5)


def _pixels(text: str, name: str) -> tuple[int, int]:
    """The two numbers of ``donor_shift``, which may have been written by others."""
    found = re.fullmatch(r"(-?[0-9]{1,6}) (-?[0-9]{1,6})", text)
    if found is None:
        raise BenchError(f"{name}: donor_shift is {shown(text)[:40]!r}, not two numbers of pixels; build it again")
    return int(found[1]), int(found[2])


def _shift(scuba: Benchmark, row: Row, donor: Row, height: int, width: int) -> tuple[int, int]:
    """How far the actor is moved, (down, right) in whole pixels, cut as in HAT."""
    actor = _first_mask(scuba, row).astype(np.float32)
    other = cv2.resize(_first_mask(scuba, donor).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    (y, x), (v, u) = _centre(actor), _centre(other)
    # Rounded first, so that the last bits of a float do not decide what is cut.
    return int(round(v - y, 3)), int(round(u - x, 3))


def _first_mask(scuba: Benchmark, row: Row) -> np.ndarray:
    return scuba.masks(row).mask(indices(row.source_frames)[0])


def _centre(weights: np.ndarray) -> tuple[float, float]:
    """The centre of mass, (y, x) in pixels, of an array (H, W); the centre of the picture if it is empty."""
    total = float(weights.sum())
    if not total:
        return weights.shape[0] / 2, weights.shape[1] / 2
    rows, columns = np.arange(weights.shape[0]), np.arange(weights.shape[1])
    return float(weights.sum(1) @ rows) / total, float(weights.sum(0) @ columns) / total


def _moved(frame: np.ndarray, mask: np.ndarray, background: np.ndarray, right: int, down: int) -> np.ndarray:
    """The actor of a frame moved onto a background, uint8 (H, W, 3); parts outside the picture are lost."""
    out = background.copy()
    places = _overlap(frame.shape[:2], out.shape[:2], right, down)
    if places is not None:
        here, there = places
        cut, actor = np.ascontiguousarray(mask[here]), np.ascontiguousarray(frame[here])
        out[there] = paste(actor, cut, np.ascontiguousarray(out[there]))
    return out


def _moved_mask(mask: np.ndarray, shape: tuple[int, int], right: int, down: int) -> np.ndarray:
    """A mask, bool (H, W), moved as :func:`_moved` moves the actor, in a picture of ``shape`` (height, width)."""
    out = np.zeros(shape, bool)
    places = _overlap(mask.shape, shape, right, down)
    if places is not None:
        here, there = places
        out[there] = mask[here]
    return out


def _overlap(
    size: tuple[int, ...], picture: tuple[int, ...], right: int, down: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """The part of a frame that is inside a picture once it is moved, and where in the picture it is; None: nothing."""
    top, left = max(0, down), max(0, right)
    bottom, end = min(picture[0], size[0] + down), min(picture[1], size[1] + right)
    if top >= bottom or left >= end:
        return None
    return (slice(top - down, bottom - down), slice(left - right, end - right)), (slice(top, bottom), slice(left, end))
