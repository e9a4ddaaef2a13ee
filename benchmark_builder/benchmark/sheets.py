"""Contact sheets: lines of pictures with text on paper, and frames with the outline of their mask."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmark_builder import MOST_PIXELS
from benchmark_builder.benchmark.masked import MaskedVideo
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import whole_file
from benchmark_builder.utils.pictures import PLAYING, SHEETS, check_suffix
from benchmark_builder.utils.text import shown
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.encode import H264
from benchmark_builder.video.ffmpeg import open_animation

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

GAP, PAPER, INK, SOFT = 6, 250, 40, 120
GREY = 128  # of the picture behind a mask whose video is missing
OUTLINE, EDGE = (255, 225, 0), (0, 0, 0)  # RGB: yellow with black sides is visible on dark and on bright pictures
SIZE, SMALL, TITLE = 12, 10, 14  # pixels, of letters
LEAST = 360  # pixels; a title gets at least this width, however few pictures are below it


def outlined(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A copy of a picture with the outline of a mask, also of its holes.

    Args:
        picture: uint8 (h, w, 3) RGB.
        mask: bool (H, W), for the same picture; its size may differ.
    """
    # Contours are found at the mask's own size, so that small actors are not lost.
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    scale = np.array([picture.shape[1] / mask.shape[1], picture.shape[0] / mask.shape[0]])
    lines = [np.rint((line + 0.5) * scale - 0.5).astype(np.int32) for line in found]
    thick, drawn = max(1, round(picture.shape[0] / 180)), np.ascontiguousarray(picture).copy()
    cv2.polylines(drawn, lines, True, EDGE, thick + 2)
    cv2.polylines(drawn, lines, True, OUTLINE, thick)
    return drawn


def frames_outlined(video: MaskedVideo, picks: Sequence[int], height: int) -> list[tuple[str, np.ndarray]]:
    """Frames of a video with the outline of their mask: (number, uint8 (height, W, 3) RGB) each.

    A frame without a mask has no outline. If the source video is missing, the mask is white on grey.

    Args:
        video: the video.
        picks: numbers of frames from 0, in order; those after the end of the source are left out.
        height: of the pictures, in pixels.

    Raises:
        BenchError: a mask cannot be read.
    """
    track = video.track()
    rows, columns = track.size
    size = (max(1, round(columns * height / rows)), height)
    found = {}
    for index, frame in _chosen(video, picks, size):
        covered = index < len(track.covered) and track.covered[index]
        mask = track.mask(index) if covered else np.zeros(track.size, bool)
        picture = frame
        if picture is None:
            picture = np.full((size[1], size[0], 3), GREY, np.uint8)
            picture[scaled(mask.astype(np.uint8) * 255, size) > GREY] = 255
        found[index] = outlined(picture, mask)
    return [(str(index), found[index]) for index in picks if index in found]


def _chosen(video: MaskedVideo, picks: Sequence[int], size: tuple[int, int]) -> Iterator[tuple[int, np.ndarray | None]]:
    """Numbers and frames, uint8 (height, width, 3) RGB, as far as the source video can be read; None without one."""
    wanted = set(picks)
    if video.source is not None and wanted:
        try:
            for index, frame in enumerate(read_frames(video.source)):
                if index in wanted:
                    wanted.discard(index)
                    yield index, scaled(frame, size)
                if not wanted:
                    return
            return
        except BenchError:  # damaged: its figures say so; the masks are shown without it
            pass
    for index in sorted(wanted):
        yield index, None


def scaled(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture, uint8, resized to ``size``, width and height."""
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def paper(height: int, width: int) -> np.ndarray:
    """An empty part of a sheet: uint8 (height, width, 3)."""
    return np.full((height, width, 3), PAPER, np.uint8)


@cache
def _font(size: int, bold: bool) -> "FreeTypeFont":
    """DejaVu Sans, which comes with matplotlib and has the letters of most alphabets."""
    from PIL import ImageFont

    found = find_spec("matplotlib")  # without importing it
    assert found is not None and found.submodule_search_locations
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    folder = Path(found.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / name), size)


def text_width(text: str, size: int = SIZE, bold: bool = False) -> int:
    """Width of a text in pixels."""
    return math.ceil(_font(size, bold).getlength(shown(text)))


def fitted(text: str, width: int, size: int = SIZE, bold: bool = False) -> str:
    """A text that is at most ``width`` pixels wide: shortened in the middle if it is too long."""
    text = shown(text)
    if text_width(text, size, bold) <= width:
        return text
    kept = len(text)
    while kept > 1 and text_width(made := _shortened(text, kept), size, bold) > width:
        kept -= 1
    return made if kept > 1 else "…"


def _shortened(text: str, kept: int) -> str:
    head = (kept + 1) // 2
    return f"{text[:head]}…{text[len(text) - (kept - head) :]}"


def written(
    image: np.ndarray, text: str, place: tuple[int, int], size: int = SIZE, ink: int = INK, bold: bool = False
) -> None:
    """Write text into a picture, uint8 (H, W, 3).

    Args:
        image: the picture, changed in place.
        text: one line.
        place: left end of the base line, x and y in pixels.
        size: of the letters, in pixels. ink: grey value. bold: whether letters are bold.
    """
    from PIL import Image, ImageDraw

    text = shown(text)
    left, top, right, bottom = map(int, _font(size, bold).getbbox(text, anchor="ls"))
    x0, y0 = max(place[0] + left - 1, 0), max(place[1] + top - 1, 0)
    x1, y1 = min(place[0] + right + 2, image.shape[1]), min(place[1] + bottom + 2, image.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    part = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1]))
    drawn = ImageDraw.Draw(part)
    drawn.text((place[0] - x0, place[1] - y0), text, font=_font(size, bold), fill=(ink,) * 3, anchor="ls")
    image[y0:y1, x0:x1] = np.asarray(part)


def lines_of_text(texts: Sequence[str], width: int, size: int = SMALL, ink: int = SOFT) -> np.ndarray:
    """Paper, uint8 (H, ``width``, 3), with texts, each wrapped where it is too long for a line."""
    wrapped = [line for text in texts for line in _wrapped(shown(text), width - 2 * GAP, size)]
    band = paper(len(wrapped) * (size + 5) + GAP, width)
    for k, line in enumerate(wrapped):
        written(band, line, (GAP, (k + 1) * (size + 5) - 2), size, ink)
    return band


def _wrapped(text: str, width: int, size: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [fitted(line, width, size) for line in lines]


def strip(title: str, pictures: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """A title, and below it pictures of one height, uint8 (H, W, 3), with a label each: uint8 (H', W', 3).

    A title that is longer than the line of pictures is wrapped.
    """
    wide = max(LEAST, GAP + sum(picture.shape[1] + GAP for _, picture in pictures))
    head = lines_of_text([title], wide, SIZE, INK)
    line = paper(max((p.shape[0] for _, p in pictures), default=0) + GAP, wide)
    left = GAP
    for label, picture in pictures:
        line[: picture.shape[0], left : left + picture.shape[1]] = picture
        cv2.rectangle(line, (left, 0), (left + text_width(label, SMALL) + 6, SMALL + 5), (PAPER,) * 3, -1)
        written(line, label, (left + 3, SMALL + 1), SMALL)
        left += picture.shape[1] + GAP
    return np.concatenate([head, line])


def widen(band: np.ndarray, width: int) -> np.ndarray:
    """A band of a sheet with paper on its right, up to ``width``."""
    return np.concatenate([band, paper(band.shape[0], width - band.shape[1])], 1) if band.shape[1] < width else band


def check_pixels(height: int, sizes: Iterable[tuple[int, int]], columns: int, lines: int = 1) -> None:
    """Refuse a sheet so large that it could not be shown, before memory is allocated for it.

    Args:
        height: of a frame, in pixels.
        sizes: (height, width) of each video.
        columns: frames per line.
        lines: of one video.
    """
    known = list(sizes)
    wide = max((columns_ * height / rows for rows, columns_ in known), default=0)
    if lines * len(known) * columns * height * wide > MOST_PIXELS:
        raise BenchError(f"--height {height}: a preview of more than {MOST_PIXELS} pixels; ask for fewer --videos or "
                         "--columns, or a smaller --height")  # fmt: skip


def write_animation(out: Path, panels: Sequence[np.ndarray], fps: float) -> Path:
    """Write panels, uint8 (T, H, W, 3) RGB with even H and W, playing one after the other, as GIF or MP4.

    Narrower panels get paper on their right.

    Raises:
        BenchError: another suffix.
    """
    suffix = check_suffix(out, PLAYING)
    widest = max(panel.shape[2] for panel in panels)
    wide = [np.pad(p, ((0, 0), (0, 0), (0, widest - p.shape[2]), (0, 0)), constant_values=PAPER) for p in panels]
    if suffix == ".mp4":
        with open_animation(out, widest, wide[0].shape[1], fps, {**H264, "crf": 18}) as encoder:
            for frame in (f for panel in wide for f in panel):
                encoder.write(frame)
        return out
    from PIL import Image

    frames = [Image.fromarray(f) for panel in wide for f in panel]
    with whole_file(out) as temporary:
        pause = round(1000 / fps)
        frames[0].save(temporary, format="GIF", save_all=True, append_images=frames[1:], duration=pause, loop=0)
    return out


def write_sheet(out: Path, bands: Sequence[np.ndarray]) -> Path:
    """Write bands, uint8 (H, W, 3) RGB, one below the other, as PNG or JPEG.

    Raises:
        BenchError: another suffix, or a picture that the format cannot hold.
    """
    suffix = check_suffix(out, SHEETS)
    width = max(band.shape[1] for band in bands)
    sheet = np.concatenate([widen(band, width) for band in bands])
    ok, data = cv2.imencode(suffix, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    if not ok:  # JPEG has at most 65,535 pixels a side
        raise BenchError(f"{out}: a sheet of {sheet.shape[1]}x{sheet.shape[0]} pixels cannot be written as {suffix}; "
                         "ask for fewer --videos or --columns, or a smaller --height")  # fmt: skip
    with whole_file(out) as temporary:
        temporary.write_bytes(data.tobytes())
    return out
