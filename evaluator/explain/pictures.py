"""What `bench explain` draws: a sheet and an animation of clips, attributions and masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.benchmark.sheets import GAP, PAPER, check_pixels, outlined, strip, write_animation, write_sheet
from benchmark_builder.benchmark.sheets import written as write_words

BRIGHTEST = 0.99  # quantile of the attributions of a clip that is shown with the brightest colour
BLUR = 1 / 56  # of the picture's side: attributions of single pixels cannot be seen


@dataclass(frozen=True)
class Shown:
    """One clip to draw.

    Attributes:
        title: its heading.
        frames: uint8 (T, S, S, 3) RGB.
        heat: absolute attribution per pixel, float (T, S, S).
        mask: bool (T, S, S); None if it is unknown.
        fps: frames of the clip per second.
    """

    title: str
    frames: np.ndarray
    heat: np.ndarray
    mask: np.ndarray | None
    fps: float


def overlaid(shown: Shown) -> np.ndarray:
    """The frames, in grey, under the colours of the attributions: uint8 (T, S, S, 3).

    Colours have one scale per clip, so that frames can be compared; the scale is linear.
    """
    side = max(shown.heat.shape[1:])
    smooth = np.stack([cv2.GaussianBlur(h.astype(np.float32), (0, 0), max(0.5, BLUR * side)) for h in shown.heat])
    top = float(np.quantile(smooth, BRIGHTEST)) or float(smooth.max())
    level = np.clip(smooth / top, 0, 1) if top > 0 else np.zeros_like(smooth)
    made = np.empty_like(shown.frames)
    for k, (frame, part) in enumerate(zip(shown.frames, level, strict=True)):
        grey = np.repeat(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
        colour = cv2.applyColorMap((part * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
        weight = (0.25 + 0.65 * part)[..., None]
        made[k] = np.rint(grey * (1 - weight) + colour * weight).astype(np.uint8)
    return made


def draw_sheet(clips: Sequence[Shown], out: Path, columns: int, height: int) -> Path:
    """Draw each clip as two lines: frames, and attributions; both with the outline of the mask. PNG or JPEG.

    Raises:
        BenchError: the sheet is too large, or has another suffix.
    """
    check_pixels(height, [c.frames.shape[1:3] for c in clips], columns, 2)
    bands = []
    for clip in clips:
        picks = np.unique(np.linspace(0, len(clip.frames) - 1, columns).round().astype(int))
        for title, pictures in ((clip.title, clip.frames), ("attribution", overlaid(clip))):
            line = [(str(k), _framed(pictures[k], clip, k, height)) for k in picks]
            bands.append(strip(title, line))
    return write_sheet(out, bands)


def draw_animation(clips: Sequence[Shown], out: Path, height: int) -> Path:
    """Write the clips playing, one after the other: frames, attributions and mask side by side. GIF or MP4.

    Raises:
        BenchError: another suffix.
    """
    height += height % 2
    panels = []
    for clip in clips:
        sides = [("clip", clip.frames), ("attribution", overlaid(clip))]
        if clip.mask is not None:
            sides.append(("mask", np.repeat(clip.mask.astype(np.uint8)[..., None] * 255, 3, 3)))
        panel = np.full((len(clip.frames), height + 20, len(sides) * (height + GAP), 3), PAPER, np.uint8)
        for n, (name, pictures) in enumerate(sides):
            left = n * (height + GAP)
            for k, picture in enumerate(pictures):
                scaled = _scaled(picture, height) if name == "mask" else _framed(picture, clip, k, height)
                panel[k, 20:, left : left + height] = scaled
                write_words(panel[k], name, (left + 4, 14))
        panels.append(panel[:, :, : panel.shape[2] // 2 * 2])
    return write_animation(out, panels, clips[0].fps)


def _framed(picture: np.ndarray, clip: Shown, k: int, height: int) -> np.ndarray:
    scaled = _scaled(picture, height)
    return scaled if clip.mask is None else outlined(scaled, clip.mask[k])


def _scaled(picture: np.ndarray, height: int) -> np.ndarray:
    how = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(picture), (height, height), interpolation=how)
