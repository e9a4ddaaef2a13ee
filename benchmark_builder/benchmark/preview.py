"""Contact sheets: a few videos in all versions (original, mask, SCUBA …), with frames from left to right."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmark_builder import kinds
from benchmark_builder.benchmark.manifest import PROTOCOL, Benchmark, Row, read_benchmark
from benchmark_builder.benchmark.masked import MaskedFolder, is_segmented, read_masked
from benchmark_builder.benchmark.sheets import (
    GAP,
    PAPER,
    SIZE,
    SMALL,
    SOFT,
    TITLE,
    check_pixels,
    fitted,
    frames_outlined,
    lines_of_text,
    outlined,
    paper,
    scaled,
    strip,
    text_width,
    write_animation,
    write_sheet,
    written,
)
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.settings import PreviewSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import subfolders
from benchmark_builder.utils.pictures import PLAYING, SHEETS, check_suffix
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.selection import indices

NOT_BUILT = "not built"
PLAYED, MOST_PLAYED = 10, 600  # maximum seconds and frames of a video in an animation
T = TypeVar("T")


@dataclass(frozen=True)
class Family:
    """A SCUBA benchmark and the benchmarks made from it.

    Attributes:
        scuba: the SCUBA benchmark.
        derived: kind -> the benchmark of that kind, for those that were built: in the order of the table of kinds,
            those of kinds that do not ship last.
    """

    scuba: Benchmark
    derived: dict[str, Benchmark]


def family(folder: Path, root: Path | None = None, scuba_folder: Path | None = None) -> Family:
    """The SCUBA benchmark at, or behind, ``folder``, and what was made from it, among the neighbouring folders.

    ``root`` and ``scuba_folder``: where the dataset and the SCUBA benchmark are, if they have moved.
    """
    given = read_benchmark(folder, root, scuba_folder)
    scuba = given
    if given.kind != "scuba":
        scuba = given.origin
    derived = {given.kind: given} if given.kind != "scuba" else {}
    for beside in sorted({folder.resolve().parent, scuba.folder.resolve().parent}):
        for neighbour in (d for d in subfolders(beside) if (d / PROTOCOL).is_file()):
            try:
                other = read_benchmark(neighbour, root, scuba.folder)
            except BenchError:  # ignore neighbouring folders that are not finished or not benchmarks
                continue
            if other.protocol.origin.manifest_sha256 == scuba.digest:
                derived.setdefault(other.kind, other)
    order = [kind for kind in kinds.KINDS.shipped if kind in derived]
    return Family(scuba, {kind: derived[kind] for kind in dict.fromkeys([*order, *derived])})


def contact_sheet(folder: Path, out: Path, videos: int | None = None, **settings: Any) -> Path:
    """Draw a contact sheet of a benchmark, or of the masks that `bench segment` wrote.

    Masks are outlines on the source video; if that is missing, they are white.

    Args:
        folder: a benchmark of any kind; related benchmarks are searched in the same parent folder. Or a folder that
            `bench segment` wrote.
        out: the picture to write, PNG or JPEG by its suffix.
        videos: how many, spread over the manifest; None for 4.
        settings: further fields of :class:`~benchmark_builder.settings.PreviewSettings`: ``columns``, how many frames,
            spread over each video's length; ``height``, of one frame, in pixels; ``root`` and ``scuba``, where the
            dataset and the SCUBA benchmark are, if they have moved.

    Raises:
        BenchError: a wrong setting, another suffix, or neither a benchmark nor masks at ``folder``.
    """
    s = PreviewSettings(out=out, videos=videos, **settings)
    check_suffix(out, SHEETS)
    columns, height = s.columns, s.height
    if is_segmented(folder):
        return write_sheet(out, _segmented_bands(read_masked(folder, s.root), s.videos or 4, columns, height))
    found = family(folder, s.root, s.scuba)
    rows = spread_rows(found.scuba.rows, s.videos or 4)
    _check_size(rows, columns, height)
    return write_sheet(out, _sheet(found, rows, columns, height))


def animation(folder: Path, out: Path, videos: int | None = None, **settings: Any) -> Path:
    """Write the versions of a few videos playing side by side, a video after the other: a .gif or .mp4 file.

    Of a long video, only the first :data:`PLAYED` seconds are shown.

    Args:
        folder: as for :func:`contact_sheet`.
        out: the file; its suffix decides the format.
        videos, settings: as for :func:`contact_sheet`; one video if nothing is said.

    Raises:
        BenchError: a wrong setting, another suffix, or no benchmark at ``folder``.
    """
    s = PreviewSettings(out=out, videos=videos, **settings)
    check_suffix(out, PLAYING)
    height = s.height
    if is_segmented(folder):
        fps, panels = _segmented_panels(read_masked(folder, s.root), s.videos or 1, height)
    else:
        found = family(folder, s.root, s.scuba)
        rows = spread_rows(found.scuba.rows, s.videos or 1)
        _check_size(rows[:1], 1, height)
        width = max(2, round(rows[0].width * height / rows[0].height / 2) * 2)
        height += height % 2
        fps, panels = rows[0].fps, [_played(found, row, height, width) for row in rows]
    return write_animation(out, panels, fps)


def _check_size(rows: Sequence[Row], columns: int, height: int) -> None:
    check_pixels(height, [(row.height, row.width) for row in rows], columns, 6)


def _segmented_bands(masked: MaskedFolder, count: int, columns: int, height: int) -> list[np.ndarray]:
    """Strips of frames with outlines, of videos that are spread over the table."""
    videos = _spread(masked.videos, count)
    tracks = [video.track() for video in videos]
    check_pixels(height, [track.size for track in tracks], columns)
    bands = []
    for video, track in zip(videos, tracks, strict=True):
        picks = _spread(range(len(track.covered)), columns)
        bands.append(strip(f"{video.id}   [{masked.kind}]", frames_outlined(video, picks, height)))
    return bands


def _segmented_panels(masked: MaskedFolder, count: int, height: int) -> tuple[float, list[np.ndarray]]:
    """Frames per second, and frames with outlines of each video: uint8 (T, H, W, 3), with even H and W."""
    videos = _spread(masked.videos, count)
    height, rates, panels = height + height % 2, [], []
    for video in videos:
        track = video.track()
        check_pixels(height, [track.size], 1)
        rate = 10.0 if video.source is None else probe(video.source).fps
        picks = range(min(len(track.covered), max(1, round(PLAYED * rate)), MOST_PLAYED))
        frames = np.stack([frame for _, frame in frames_outlined(video, picks, height)])
        panel = np.full((len(frames), height + 20, *frames.shape[2:]), PAPER, np.uint8)
        panel[:, 20:] = frames
        for one in panel:
            written(one, video.id, (4, 14))
        panels.append(np.pad(panel, ((0, 0), (0, 0), (0, panel.shape[2] % 2), (0, 0)), constant_values=PAPER))
        rates.append(rate)
    return rates[0], panels


def _spread(items: Sequence[T], count: int) -> list[T]:
    """Up to ``count`` items, spread over all of them."""
    return [items[int(k)] for k in np.linspace(0, len(items) - 1, min(count, len(items))).round()]


def _played(found: Family, row: Row, height: int, width: int) -> np.ndarray:
    """Every version of one video side by side: uint8 (T, H, W, 3)."""
    picks = range(min(row.frames, max(1, round(PLAYED * row.fps)), MOST_PLAYED))
    versions = [(n, f) for n, f in versions_of(found, row, picks, (width, height)) if not isinstance(f, str)]
    length = min(len(f) for _, f in versions)
    panel = np.full((length, height + 20, len(versions) * (width + GAP), 3), PAPER, np.uint8)
    panel = panel[:, :, : panel.shape[2] // 2 * 2]
    for k, (name, frames) in enumerate(versions):
        left = k * (width + GAP)
        for t in range(length):
            panel[t, 20:, left : left + width] = frames[t]
            written(panel[t], name, (left + 4, 14))
    return panel


def spread_rows(rows: Sequence[Row], count: int) -> list[Row]:
    """Up to ``count`` rows: of different source videos and, as far as possible, of different classes; further variants
    of a source video only where there are not enough source videos."""
    ordered = sorted(rows, key=lambda r: (r.variant, r.id))
    first: dict[str, Row] = {}
    for row in ordered:
        first.setdefault(row.source_id, row)
    if len(first) < count:
        chosen = {row.id for row in first.values()}
        further = [row for row in ordered if row.id not in chosen]
        return sorted([*first.values(), *_spread(further, count - len(first))], key=lambda r: (r.variant, r.id))
    by_class: dict[int, list[Row]] = {}
    for row in sorted(first.values(), key=lambda r: r.id):
        by_class.setdefault(row.label, []).append(row)
    # Whole rounds of one video per class, then classes that are spread over all of them.
    picked: list[Row] = []
    turn = 0
    while len(picked) < count:
        left = [of for of in by_class.values() if len(of) > turn]
        picked += [of[turn] for of in _spread(left, count - len(picked))]
        turn += 1
    return sorted(picked, key=lambda r: r.id)


def versions_of(
    found: Family, row: Row, picks: Sequence[int], size: tuple[int, int]
) -> Iterator[tuple[str, list[np.ndarray] | str]]:
    """Yield (name, frames or a reason why there are none) for original, mask, SCUBA and what was made from it.

    Frames are uint8 (height, width, 3) RGB: the video's frames ``picks``, scaled to ``size``, width and height.
    """
    scuba = found.scuba
    shown = indices(row.source_frames)
    original: list[np.ndarray] = []
    try:
        source = scuba.source(row)
    except BenchError:  # an imported benchmark has no sources; other sources may be missing or changed
        yield "original", "missing or changed"
    else:
        original = _frames(read_frames(source), [shown[k] for k in picks], size)
        yield "original", original
    if row.mask_file:
        track = StoredTrack(scuba.folder / row.mask_file, row.height, row.width)
        masks = (track.mask(shown[k]) for k in picks)
        if original:
            yield "mask", [outlined(frame, mask) for frame, mask in zip(original, masks, strict=False)]
        else:
            yield "mask", [np.repeat(scaled(mask.astype(np.uint8) * 255, size)[..., None], 3, 2) for mask in masks]
    yield scuba.about.short, _frames(scuba.frames(row), picks, size)
    lines = {about.name: about for about in kinds.shipped() if about.headline and about.name != scuba.kind}
    lines |= {kind: other.about for kind, other in found.derived.items()}
    for kind, about in lines.items():
        other = found.derived.get(kind)
        made = other.by_id.get(row.id) if other else None
        yield about.short, _frames(other.frames(made), picks, size) if other and made else NOT_BUILT


def _frames(stream: Iterator[np.ndarray], picks: Sequence[int], size: tuple[int, int]) -> list[np.ndarray]:
    wanted, found = set(picks), {}
    for k, frame in enumerate(stream):
        if k in wanted:
            found[k] = scaled(frame, size)
        if k >= max(picks):
            break
    return [found[k] for k in picks if k in found]


def _sheet(found: Family, rows: Sequence[Row], columns: int, height: int) -> list[np.ndarray]:
    """The bands of a sheet: a heading, one band per video, and what the versions are.

    Every band has about the same width: narrow videos show more frames than ``columns``, as far as they have them.
    """
    scuba = found.scuba
    lines = [(row, max(1, round(row.width * height / row.height))) for row in rows]
    room = max(min(columns, row.frames) * (width + GAP) for row, width in lines)
    videos = []
    for row, width in lines:
        count = max(min(columns, row.frames), min(room // (width + GAP), row.frames))
        picks = np.linspace(0, row.frames - 1, count).round().astype(int).tolist()
        videos.append((row, width, picks, list(versions_of(found, row, picks, (width, height)))))
    names = dict.fromkeys(name for *_, versions in videos for name, _ in versions)
    label = 2 * GAP + max(text_width(name) for name in names)
    total = max(label + room, 360)
    head = paper(TITLE + 2 * GAP, total)
    written(
        head, fitted(scuba.folder.resolve().name, total - 2 * GAP, TITLE, True), (GAP, TITLE + GAP), TITLE, bold=True
    )
    sources = len({row.source_id for row in scuba.rows})
    facts = f"{scuba.protocol.dataset}; {len(rows)} of {len(scuba.rows)} videos, made from {sources} source videos. "
    bands = [head, lines_of_text([f"{facts}Frames from left to right, with their numbers."], total)]
    missing = {name for *_, versions in videos for name, frames in versions if frames == NOT_BUILT}
    bands += [_band(row, width, picks, versions, label, total) for row, width, picks, versions in videos]
    return [*bands, lines_of_text(_captions(found, names, missing), total)]


def _captions(found: Family, names: Collection[str], missing: Collection[str]) -> list[str]:
    """What each version of the sheet is, and which are not built."""
    known = {about.short: about.explained for about in kinds.shipped()}
    known |= {b.about.short: b.about.explained for b in (found.scuba, *found.derived.values())}
    known |= {"original": "as filmed", "mask": "the outline of the actor's mask"}
    said = [f"{name}: {known[name]}" for name in names if known.get(name) and name not in missing]
    lines = [f"{'; '.join(said)}."] if said else []
    return lines + ([f"Not built: {', '.join(name for name in names if name in missing)}."] if missing else [])


def _band(
    row: Row,
    width: int,
    picks: Sequence[int],
    versions: Sequence[tuple[str, list[np.ndarray] | str]],
    label: int,
    total: int,
) -> np.ndarray:
    """One video: a title with the numbers of the frames, then one line per version that there is."""
    title = paper(SIZE + SMALL + 3 * GAP, total)
    name = fitted(f"{row.class_name}   {row.id}" if row.class_name else row.id, total - 2 * GAP, bold=True)
    written(title, name, (GAP, SIZE + GAP), bold=True)
    for k, pick in enumerate(picks):
        if width >= text_width(str(pick), SMALL):
            written(title, str(pick), (label + k * (width + GAP), SIZE + SMALL + 2 * GAP), SMALL, SOFT)
    lines = [title]
    for version, frames in versions:
        if frames == NOT_BUILT:
            continue
        line = paper(SIZE + GAP if isinstance(frames, str) else frames[0].shape[0] + GAP if frames else GAP, total)
        written(line, version, (GAP, line.shape[0] // 2 + 3))
        if isinstance(frames, str):
            written(line, frames, (label, line.shape[0] // 2 + 3), ink=SOFT)
        else:
            for k, frame in enumerate(frames):
                left = label + k * (width + GAP)
                line[: frame.shape[0], left : left + width] = frame
        lines.append(line)
    return np.concatenate(lines)
