"""Clip sampling: which frames, which part of the picture, which size. Training and evaluation share this code.

Axes: C = 3 channels (RGB), T = frames, H and W = pixels, B = batch.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import cv2
import numpy as np
import torch
from pydantic import AfterValidator, BeforeValidator, model_validator
from torch.nn import functional
from torch.utils.data import get_worker_info

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.moved import renamed
from benchmark_builder.utils.options import Pair, SettingsModel, Triple, Whole, as_whole, setting, share
from benchmark_builder.video.decode import Frames
from benchmark_builder.video.random_access import ChosenFrames

# pytest took the old names for tests where a test file imported them.
__getattr__ = renamed(__name__, {f"test_{it}": f"eval_{it}" for it in ("box", "boxes", "clip", "clips", "indices")})

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


# The largest clip: 4096 frames of 512 pixels. More would fill any memory.
MOST_PIXELS = 2**30


def _low_high(values: tuple[float, float]) -> tuple[float, float]:
    if not 0 < values[0] <= values[1]:
        raise ValueError
    return values


def _above_zero(values: tuple[float, float, float]) -> tuple[float, float, float]:
    if min(values) <= 0:
        raise ValueError
    return values


Range = Annotated[Pair, AfterValidator(_low_high)]
_RANGE = "two numbers, 0 < smallest <= largest"


class ClipSampling(SettingsModel):
    """How a clip is cut from a video.

    Crop and scaling are done in one resampling of the original, so the crop's corners are rounded to whole source
    pixels. A network's softmax is averaged over the test clips (``views``) and their crops (``crops``); training and
    validation take one clip.
    """

    PAIR: ClassVar[str] = "--clip"

    frames: Whole = setting(32, "T, frames of the clip.", of="frames", ge=1, le=2**16)
    stride: Whole = setting(2, "Step between them, in source frames.", of="frames", ge=1, le=2**16)
    size: Whole = setting(224, "Height and width of the clip.", of="pixels", ge=1, le=2**13)
    resize: Whole = setting(
        256, "Short side of the picture before the crop of size is taken.", of="pixels", ge=1, le=2**16
    )
    crop: Literal["random_resized", "random", "centre"] = setting(
        "random_resized",
        "The training crop: a random area and aspect, a random position, or the centre. Tests always crop the centre.",
    )
    squash: bool = setting(
        False,
        "Stretch the picture to a square of resize before the crop, whatever its shape; not with random_resized.",
    )
    area: Range = setting(
        (0.08, 1.0), "Of a random_resized crop, smallest and largest share of the picture.", give=_RANGE
    )
    aspect: Range = setting(
        (3 / 4, 4 / 3), "Of a random_resized crop, smallest and largest width / height.", give=_RANGE
    )
    flip: float = share(
        0.5, "Chance of a horizontal flip in training. Must be 0 where classes differ by direction only."
    )
    even: bool = setting(
        False, "Spread the frames evenly over the whole video, however long it is; the stride is then not used."
    )
    short: Literal["clamp", "wrap"] = setting(
        "clamp", "After the last frame of a video that is too short: that frame again, or from the first again."
    )
    shrink_stride: bool = setting(False, "Take stride 1 where frames x stride exceeds the video.")
    test_start: Literal["centre", "first"] = setting(
        "centre", "Where a test clip starts: in the centre of what the clip does not need, or at frame 0."
    )
    views: Whole = setting(
        1,
        "Test clips per video, each in the middle (first: at the start) of its share of the possible starts.",
        of="clips",
        ge=1,
        le=1000,
    )
    crops: Annotated[Literal[1, 3], BeforeValidator(as_whole)] = setting(
        1, "Test crops per clip: 1 (the centre) or 3 (both ends of the longer side too)."
    )
    mean: Triple = setting(IMAGENET_MEAN, "RGB mean of values in 0..1.", give="three numbers")
    std: Annotated[Triple, AfterValidator(_above_zero)] = setting(
        IMAGENET_STD, "RGB standard deviation of values in 0..1.", give="three numbers above 0"
    )

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        pixels = self.frames * self.size**2
        if pixels > MOST_PIXELS:
            fix = f"with size {self.size} makes clips of {pixels} pixels, at most {MOST_PIXELS} are possible; lower one"
            raise self.wrong("frames", self.frames, fix)
        if self.resize < self.size:
            raise self.wrong("resize", self.resize, f"is below size; raise it to {self.size}")
        if self.squash and self.crop == "random_resized":
            raise self.wrong("squash", self.squash, "goes with crop random or centre; change one of them")
        return self

    def to_dict(self) -> dict[str, object]:
        """Plain types, for a checkpoint or JSON. ``squash`` and ``even`` are left out where they are off: earlier
        versions had none."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in self.model_dump().items()}
        return {k: v for k, v in values.items() if k not in ("squash", "even") or v}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "ClipSampling":
        """Inverse of :meth:`to_dict`; SettingError on an unknown or malformed entry."""
        return cls().replaced(values)


SAMPLINGS: dict[str, ClipSampling] = {
    # StillMix's protocol (methods.md, 0): a single test clip is centred in time, an overrun wraps.
    "32x2-224": ClipSampling(short="wrap"),
    # StillMix's Swin-T tests (methods.md, 0): three crops of the full short side; four clips of ordinary test videos,
    # one of SCUBA and SCUFO videos.
    "stillmix-4x3": ClipSampling(short="wrap", resize=224, views=4, crops=3),
    "stillmix-1x3": ClipSampling(short="wrap", resize=224, crops=3),
    # ALBAR's: the test clip starts at frame 0, a short video falls to stride 1, then repeats its last frame.
    "albar-32x2-224": ClipSampling(shrink_stride=True, test_start="first"),
    # torchvision's MViT weights: their own normalisation.
    "16x4-224": ClipSampling(frames=16, stride=4, short="wrap", mean=(0.45,) * 3, std=(0.225,) * 3),
    # torchvision's 3-D ResNets: 112 pixels, their own normalisation.
    "16x2-112": ClipSampling(
        frames=16,
        size=112,
        resize=128,
        area=(0.25, 1.0),
        mean=(0.43216, 0.394666, 0.37645),
        std=(0.22803, 0.22145, 0.216989),
    ),
    # The rendered default on a CPU. No flip: its classes differ by direction.
    "8x2-48": ClipSampling(frames=8, size=48, resize=48, crop="centre", flip=0.0),
}


def sampling(name: str | ClipSampling) -> ClipSampling:
    """A preset by name (a sampling itself is given back); BenchError lists the choices."""
    if isinstance(name, ClipSampling):
        return name
    if name not in SAMPLINGS:
        raise BenchError(f"unknown clip sampling {name!r}; choose from {', '.join(SAMPLINGS)}")
    return SAMPLINGS[name]


def odd_resize(before: ClipSampling, changes: Mapping[str, object]) -> str | None:
    """What to say if ``size`` was changed and ``resize`` was not, so that the test crop shows another share of the
    picture; None if nothing is to be said."""
    if "size" not in changes or "resize" in changes:
        return None
    now = before.replaced(changes)
    was, shows = before.size / before.resize, now.size / now.resize
    if abs(was - shows) < 0.01:
        return None
    fit = max(round(now.size / was), now.size)
    return (
        f"size={now.size} leaves resize={now.resize}: the test crop is {100 * shows:.0f} % of the short side, not "
        f"{100 * was:.0f} % as before; add --clip resize={fit} for that"
    )


Box = tuple[int, int, int, int]  # top, left, height, width


@dataclass(frozen=True, slots=True)
class Cut:
    """One clip of one video: source frame of each clip frame (int64 (T,)), the box (top, left, height, width) in source
    pixels, and whether it is flipped."""

    indices: np.ndarray
    box: tuple[int, int, int, int]
    flip: bool


def eval_indices(n_frames: int, sampling: ClipSampling, view: int = 0, views: int = 1) -> np.ndarray:
    """Source frame of each frame of a test clip, ``view`` of ``views``: int64 (T,), each in 0..n_frames-1.

    With ``even``, the video is divided into T shares of equal length, and a frame is taken from each: its middle
    (``test_start`` "first": its first), and for several views as many places evenly in the share.
    """
    half_steps = 2 * view + (sampling.test_start == "centre")
    if sampling.even:
        _check_length(n_frames)
        places = 2 * views * np.arange(sampling.frames) + half_steps  # in units of 1 / (2 views) of a share
        return places * n_frames // (2 * views * sampling.frames)
    return _indices(n_frames, sampling, lambda room: room * half_steps // (2 * views))


def train_indices(n_frames: int, sampling: ClipSampling, draw: np.random.Generator) -> np.ndarray:
    """The same for a training clip, which starts anywhere; with ``even``, anywhere in each share (TSN, Wang et al.,
    ECCV 2016)."""
    if sampling.even:
        _check_length(n_frames)
        places = (np.arange(sampling.frames) + draw.random(sampling.frames)) * n_frames / sampling.frames
        return np.minimum(places.astype(np.int64), n_frames - 1)
    return _indices(n_frames, sampling, lambda room: int(draw.integers(room + 1)))


def _check_length(n_frames: int) -> None:
    if n_frames < 1:
        raise BenchError("a clip was asked for from a video of no frames; leave the video out of the list")


def _indices(n_frames: int, s: ClipSampling, place: Callable[[int], int]) -> np.ndarray:
    _check_length(n_frames)
    stride = 1 if s.shrink_stride and s.frames * s.stride > n_frames else s.stride
    room = max(n_frames - ((s.frames - 1) * stride + 1), 0)  # how many frames later the clip could start
    indices = place(room) + stride * np.arange(s.frames)
    return indices % n_frames if s.short == "wrap" else np.minimum(indices, n_frames - 1)


def eval_box(height: int, width: int, sampling: ClipSampling) -> tuple[int, int, int, int]:
    """(top, left, height, width), source pixels, of the centre crop: a ``size`` square once the short side (with
    ``squash`` either side) is ``resize``."""
    h, w = _crop_sides(height, width, sampling)
    return (height - h) // 2, (width - w) // 2, h, w


def eval_boxes(height: int, width: int, sampling: ClipSampling) -> list[tuple[int, int, int, int]]:
    """The ``sampling.crops`` boxes of a test: the centre, or both ends of the longer side and the centre between."""
    top, left, h, w = eval_box(height, width, sampling)
    if sampling.crops == 1:
        return [(top, left, h, w)]
    if width >= height:
        return [(top, x, h, w) for x in (0, left, width - w)]
    return [(y, left, h, w) for y in (0, top, height - h)]


def train_box(height: int, width: int, sampling: ClipSampling, draw: np.random.Generator) -> tuple[int, int, int, int]:
    """The training crop, drawn from ``draw``; ``random_resized`` as in torchvision's RandomResizedCrop."""
    if sampling.crop == "centre":
        return eval_box(height, width, sampling)
    if sampling.crop == "random":
        h, w = _crop_sides(height, width, sampling)
        return int(draw.integers(height - h + 1)), int(draw.integers(width - w + 1)), h, w
    for _ in range(10):
        area = height * width * draw.uniform(*sampling.area)
        ratio = math.exp(draw.uniform(math.log(sampling.aspect[0]), math.log(sampling.aspect[1])))
        h, w = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < h <= height and 0 < w <= width:
            return int(draw.integers(height - h + 1)), int(draw.integers(width - w + 1)), h, w
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def _crop_sides(height: int, width: int, s: ClipSampling) -> tuple[int, int]:
    """Height and width, source pixels, of what a crop of ``size`` shows."""
    sides = (height, width) if s.squash else (min(height, width),) * 2
    return max(1, round(sides[0] * s.size / s.resize)), max(1, round(sides[1] * s.size / s.resize))


def train_cut(n_frames: int, height: int, width: int, sampling: ClipSampling, draw: np.random.Generator) -> Cut:
    """Draw a training clip: start, crop and flip, in this order, from ``draw``."""
    indices = train_indices(n_frames, sampling, draw)
    box = train_box(height, width, sampling, draw)
    return Cut(indices, box, bool(draw.random() < sampling.flip))


def pick(frames: Iterable[np.ndarray], wanted: np.ndarray) -> dict[int, np.ndarray]:
    """The frames at the indices ``wanted``, each once, without reading past the last of them.

    Raises:
        ShortVideo: ``frames`` end before the last wanted index.
    """
    return dict(picked(frames, wanted))


def picked(frames: Iterable[np.ndarray], wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """:func:`pick`, one frame after another: (index, frame) in rising order, so that no more than one is in memory."""
    needed, last = {int(i) for i in wanted}, int(wanted.max())
    if isinstance(frames, Frames) and frames.plain and not frames.begun:
        chosen = ChosenFrames(frames, needed)
        yield from chosen
        if chosen.count <= last:
            raise ShortVideo(chosen.count, last)
        return
    source, skip = iter(frames), getattr(frames, "skip", None)  # a file's frames need not all become RGB
    for k in range(last + 1):
        frame = None
        passed = skip() if skip and k not in needed else (frame := next(source, None)) is not None
        if not passed:
            raise ShortVideo(k, last)
        if frame is not None and k in needed:
            yield k, frame


class ShortVideo(BenchError):
    """A video ended before a frame that its stated length promised. ``count`` is how many frames it has."""

    def __init__(self, count: int, wanted: int) -> None:
        super().__init__(f"the video has {count} frames, frame {wanted} is asked for; its stated length is wrong")
        self.count = count


def cut_frame(frame: np.ndarray, box: tuple[int, int, int, int], size: int) -> torch.Tensor:
    """Crop and scale one frame, uint8 (H, W, C), to uint8 (C, size, size), bilinear with anti-aliasing."""
    top, left, height, width = box
    return _scaled(np.ascontiguousarray(frame[None, top : top + height, left : left + width]), size)[0]


def _scaled(pictures: np.ndarray, size: int) -> torch.Tensor:
    """uint8 (n, H, W, C) -> uint8 (n, C, size, size); several at once cost less, and are the same."""
    parts = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    if parts.shape[-2:] == (size, size):
        return parts
    return functional.interpolate(parts, (size, size), mode="bilinear", antialias=True, align_corners=False)


_AT_ONCE = 8  # frames scaled together: enough to share the cost of a call, few enough to stay in the processor's cache


def _cut_frames(
    frames: Iterable[np.ndarray],
    count: int,
    boxes: Callable[[int, int], list[Box]],
    size: int,
    flip: bool = False,
    into: np.ndarray | None = None,
) -> torch.Tensor:
    """Crops of ``count`` frames, uint8 (H, W, C) of one size: uint8 (crops, C, count, size, size).

    As :func:`cut_frame` gives them, but a frame can be freed once the next is asked for, and the pixels are copied as
    rarely as possible.

    Args:
        frames, count: the frames.
        boxes: height and width of a frame -> where the crops are.
        size: height and width of the result.
        flip: mirror the scaled crops from left to right.
        into: memory for the result.
    """
    places: list[Box] = []
    crops: list[np.ndarray] = []
    made, mirrored = np.zeros((0,) * 5, np.uint8), np.zeros((0, 0, 0), np.uint8)
    for k, frame in enumerate(frames):
        if k == 0:
            channels = frame.shape[2]
            places = boxes(frame.shape[0], frame.shape[1])
            crops = [np.empty((_AT_ONCE, height, width, channels), np.uint8) for _, _, height, width in places]
            made = np.empty((len(places), channels, count, size, size), np.uint8) if into is None else into
            mirrored = np.empty((channels, _AT_ONCE * size if flip else 0, size), np.uint8)
        at = k % _AT_ONCE
        for (top, left, height, width), crop in zip(places, crops, strict=True):
            crop[at] = frame[top : top + height, left : left + width]
        if at == _AT_ONCE - 1 or k == count - 1:
            for crop, clip in zip(crops, made, strict=True):
                scaled = _scaled(crop[: at + 1], size).permute(0, 2, 3, 1).contiguous().numpy()
                scaled = scaled.reshape(-1, size, scaled.shape[-1])
                target = clip[:, k - at : k + 1].reshape(len(clip), -1, size)  # no copy: frames of a plane are adjacent
                planes = mirrored[:, : len(scaled)] if flip else target
                cv2.split(scaled, list(planes))  # written there: they have the size and dtype
                if flip:
                    for plane, written in zip(planes, target, strict=True):
                        cv2.flip(plane, 1, dst=written)
    return torch.from_numpy(made)


def assemble(
    found: Mapping[int, np.ndarray] | Iterable[tuple[int, np.ndarray]],
    cut: Cut,
    size: int,
    into: torch.Tensor | None = None,
) -> torch.Tensor:
    """Clip, uint8 (C, T, size, size), from the frames that :func:`pick` or :func:`picked` gives, uint8 (H, W, C).

    Written to ``into``, contiguous uint8 of that shape in the main memory, where it is given.
    """
    at: dict[int, int] = {}

    def numbered() -> Iterator[np.ndarray]:
        for number, frame in found.items() if isinstance(found, Mapping) else found:
            at[number] = len(at)
            yield frame

    rising = bool((np.diff(cut.indices) > 0).all())  # each frame once, in order: the usual case, and no copy
    direct = into.numpy()[None] if into is not None and rising else None
    count = len(set(cut.indices.tolist()))
    made = _cut_frames(numbered(), count, lambda height, width: [cut.box], size, cut.flip, direct)[0]
    if not rising:
        made = made[:, [at[i] for i in cut.indices.tolist()]]
    return made if into is None or rising else into.copy_(made)


def eval_clips(frames: Iterable[np.ndarray], n_frames: int, sampling: ClipSampling) -> torch.Tensor:
    """Every view of a video: ``sampling.views`` clips in time, each in ``sampling.crops`` crops.

    Args:
        frames, n_frames: as for :func:`eval_clip`.

    Returns:
        uint8 (views · crops, 3, T, size, size), views outermost.

    Raises:
        ShortVideo: ``frames`` end early.
    """
    views = np.stack([eval_indices(n_frames, sampling, k, sampling.views) for k in range(sampling.views)])
    kept, places = np.unique(views, return_inverse=True)
    pictures = (frame for _, frame in picked(frames, kept))
    made = _cut_frames(pictures, len(kept), lambda height, width: eval_boxes(height, width, sampling), sampling.size)
    if len(views) == 1 and len(kept) == sampling.frames and (np.diff(views[0]) > 0).all():
        return made  # each frame once, in order: the usual case, and no copy
    chosen = made[:, :, torch.from_numpy(places.reshape(views.shape))]  # (crops, 3, views, T, size, size)
    return chosen.permute(2, 0, 1, 3, 4, 5).flatten(0, 1).contiguous()


def still_clips(frame: np.ndarray, sampling: ClipSampling) -> torch.Tensor:
    """Every crop of a video that repeats ``frame``, uint8 (H, W, 3): uint8 (crops, 3, 1, size, size). Its views in time
    are one and the same."""
    boxes = eval_boxes(frame.shape[0], frame.shape[1], sampling)
    return torch.stack([cut_frame(frame, box, sampling.size)[:, None] for box in boxes])


def normalise(clips: torch.Tensor, sampling: ClipSampling, into: torch.Tensor | None = None) -> torch.Tensor:
    """uint8 (…, 3, T, H, W) in 0..255 -> float32 of the same shape, on the same device: (v / 255 - mean) / std.

    Written to ``into``, contiguous float32 of that shape and device, where it is given.
    """
    if clips.device.type != "cpu" or clips.dtype != torch.uint8:
        made = clips.to(torch.float32, copy=True) if into is None else into.copy_(clips)
        return _scaled_values(made, sampling)
    made = host_memory(clips.shape, torch.float32) if into is None else into
    # A table of the 256 values of each channel gives the same figures in one pass.
    values = torch.arange(256, dtype=torch.float32).repeat(3, 1)[:, None, None]
    tables = _scaled_values(values, sampling).reshape(3, 256).numpy()
    if made.numel():
        planes, written = (x.reshape(-1, 3, math.prod(x.shape[-3:-1]), x.shape[-1]) for x in (clips, made))
        for clip, target in zip(planes.numpy(), written.numpy(), strict=True):
            for channel, table in enumerate(tables):
                cv2.LUT(clip[channel], table, dst=target[channel])
    return made


def _scaled_values(values: torch.Tensor, sampling: ClipSampling) -> torch.Tensor:
    """float32 (…, 3, T, H, W) in 0..255 -> (v / 255 - mean) / std, in place: new memory for a clip is slow."""
    mean, std = (
        torch.tensor(three, device=values.device).view(3, 1, 1, 1) * 255 for three in (sampling.mean, sampling.std)
    )
    return values.sub_(mean).div_(std)


def host_memory(shape: Sequence[int], dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    """A tensor in the main memory, not initialised.

    In a worker of a DataLoader, the memory is shared: the main process gets it without a copy. Elsewhere it is from
    numpy, which requests large pages: filling it the first time takes a quarter of the time of torch's.
    """
    count = math.prod(shape)
    if get_worker_info() is not None and count:
        storage = torch.UntypedStorage._new_shared(count * dtype.itemsize, device="cpu")
        return torch.empty(0, dtype=dtype).set_(storage, 0, tuple(shape))  # type: ignore[call-overload]
    return torch.from_numpy(np.empty(tuple(shape), torch.empty(0, dtype=dtype).numpy().dtype))


class Normaliser:
    """:func:`normalise` for batch after batch. A result lasts until the next call, which overwrites it: fetching new
    memory for every batch costs more than the arithmetic."""

    def __init__(self, sampling: ClipSampling) -> None:
        self.sampling = sampling
        self._memory = torch.empty(0)

    def __call__(self, clips: torch.Tensor) -> torch.Tensor:
        count = clips.numel()
        if self._memory.device != clips.device or len(self._memory) < count:
            on_host = clips.device.type == "cpu"
            self._memory = host_memory([count], torch.float32) if on_host else torch.empty(count, device=clips.device)
        return normalise(clips, self.sampling, self._memory[:count].view(clips.shape))


def eval_clip(frames: Iterable[np.ndarray], n_frames: int, sampling: ClipSampling) -> torch.Tensor:
    """The one test clip of a video.

    Args:
        frames: uint8 (H, W, 3) RGB, in order; read no further than the clip needs, and only what it needs is kept.
        n_frames: how many frames the video has.

    Returns:
        float32 (3, T, size, size), normalised.

    Raises:
        ShortVideo: ``frames`` end early.
    """
    indices = eval_indices(n_frames, sampling)
    found = pick(frames, indices)
    height, width = next(iter(found.values())).shape[:2]
    cut = Cut(indices, eval_box(height, width, sampling), False)
    return normalise(assemble(found, cut, sampling.size), sampling)


def still_clip(frame: np.ndarray, sampling: ClipSampling) -> torch.Tensor:
    """The test clip of a video that repeats ``frame`` (uint8 (H, W, 3) RGB) for its whole length.

    Returns:
        float32 (3, T, size, size), normalised; expanded, so every T shares the memory of one frame: do not write to it.
    """
    one = cut_frame(frame, eval_box(frame.shape[0], frame.shape[1], sampling), sampling.size)[:, None]
    return normalise(one, sampling).expand(-1, sampling.frames, -1, -1)
