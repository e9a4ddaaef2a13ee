"""Contact sheets: lines of pictures with text on paper, and frames with the outline of their mask."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

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

LABEL, GAP, PAPER, INK = 84, 6, 250, 40
GREY = 128  # of the picture behind a mask whose video is missing
OUTLINE, EDGE = (255, 225, 0), (0, 0, 0)  # RGB: yellow with black sides is visible on dark and on bright pictures
_FONT = cv2.FONT_HERSHEY_SIMPLEX


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


def written(image: np.ndarray, text: str, place: tuple[int, int], scale: float = 0.42, ink: int = INK) -> None:
    """Write text into a picture; ``place``: left end of the base line, x and y in pixels."""
    cv2.putText(image, shown(text), place, _FONT, scale, (ink,) * 3, 1, cv2.LINE_AA)


def strip(title: str, pictures: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """A title, and below it pictures of one height, uint8 (H, W, 3), with a label each: uint8 (H', W', 3)."""
    text_width = cv2.getTextSize(shown(title), _FONT, 0.42, 1)[0][0]
    wide = max(text_width + 12, GAP + sum(picture.shape[1] + GAP for _, picture in pictures))
    head = paper(26, wide)
    written(head, title, (6, 18))
    line = paper(max((p.shape[0] for _, p in pictures), default=0) + GAP, wide)
    left = GAP
    for label, picture in pictures:
        line[: picture.shape[0], left : left + picture.shape[1]] = picture
        box = cv2.getTextSize(label, _FONT, 0.4, 1)[0]
        cv2.rectangle(line, (left, 0), (left + box[0] + 6, box[1] + 6), (PAPER,) * 3, -1)
        written(line, label, (left + 3, box[1] + 3), 0.4)
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
