"""Every setting of a build: type, range or choices, default and help. They are defined only here.

The command line, protocol files and Python use these settings. The files in ``manifests/protocols`` list what a
protocol changes.
"""

import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, model_validator

from benchmark_builder.parts import BACKGROUNDS, DATASETS, LAYOUTS
from benchmark_builder.publishing.terms import HUB_LICENCES, size_in_bytes
from benchmark_builder.utils.engine import ENGINES, engine_name, gpu_share
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import Paths, PathSetting, SettingsModel, like, setting, setting_error, share
from benchmark_builder.utils.pictures import CHARTS, PLAYING, SHEETS


class MaskSettings(SettingsModel):
    """How masks are processed; all settings are recorded in protocol.json.

    Attributes:
        unannotated: treatment of a frame without a mask between the first and the last frame with one: ``hold`` the
            nearest mask, ``drop`` the frame, or show only the ``background`` (as in StillMix's UCF101).
        smooth: number of covered frames before and after a frame that are combined with its mask; 0 for none.
        smooth_how: ``majority`` of those frames, or their ``union`` (StillMix's Kinetics-400 with smooth 1).
        dilate: pixels by which the mask grows (an ellipse of this radius); a negative value shrinks it.
        feather: standard deviation, in pixels, of the soft edge between actor and background; 0 for a hard edge.
        min_area: minimum share of the picture, 0..1, that the mask of a valid frame fills; refused without
            ``min_valid``.
        min_valid: minimum share of a video's covered frames, 0..1, that must be valid; otherwise the video is left out.
    """

    unannotated: Literal["hold", "drop", "background"] = setting(
        "hold",
        "Frames without a mask between annotated ones: hold the nearest mask, drop the frame, or show only "
        "the background.",
    )
    smooth: int = setting(0, "Frames before and after that are combined with a mask.", of="frames", ge=0, le=30)
    smooth_how: Literal["majority", "union"] = setting("majority", "How these frames are combined.")
    dilate: int = setting(0, "Pixels by which masks grow; a negative value shrinks them.", of="pixels", ge=-100, le=100)
    feather: float = setting(0.0, "Softness of the mask edges, in pixels.", of="pixels", ge=0, le=100)
    min_area: float = share(0.0, "Minimum share of the picture that a valid mask fills.")
    min_valid: float = share(0.0, "Minimum share of frames with a valid mask; a video with fewer is left out.")

    @model_validator(mode="after")
    def _min_area_decides(self) -> Self:
        if self.min_area and not self.min_valid:
            fix = "has no effect without --min-valid; give --min-valid too"
            raise setting_error("min_area", self.min_area, fix)
        return self


class BackgroundSettings(SettingsModel):
    """The background set, and how pictures become backgrounds.

    Attributes:
        backgrounds: a background set: KIND, KIND:PATH or ``package.module:Name``.
        fit: pictures ``cover`` the frame (scaled, cropped at the centre), or ``stretch`` to its size with Pillow's
            bicubic filter.
        grey: ``keep`` grey pictures as RGB, or ``redraw``: pictures are read and drawn as in StillMix.
    """

    backgrounds: str = setting("stripes", f"{BACKGROUNDS.help()}.")
    fit: Literal["cover", "stretch"] = setting(
        "cover", "cover: scale and crop pictures to cover the frame; stretch: resize them to its size."
    )
    grey: Literal["keep", "redraw"] = setting(
        "keep", "Grey pictures among the backgrounds: keep them, or redraw (draw another picture)."
    )


class LayoutSettings(SettingsModel):
    """How videos are stored.

    Attributes:
        layout: ``video``, ``lossless``, ``frames``, ``zip`` or ``virtual``.
        jpeg_quality: JPEG quality of ``frames`` and ``zip``.
    """

    layout: str = setting(
        "video",
        f"How videos are stored: {LAYOUTS.help()}.",
    )
    jpeg_quality: int = setting(95, "JPEG quality of frames and zip.", ge=1, le=100)


class StillSettings(SettingsModel):
    """Which frames can be a still, see :mod:`~benchmark_builder.kinds.stills`."""

    still_area: float = share(
        0.5, "Minimum mask area of a still, as a share of the median mask area in its video; 0: any mask."
    )


class ShakeSettings(StillSettings):
    """Additional settings of shaken SCUFO."""

    shake: float = setting(
        0.08, "Amplitude of the camera path of --shaken, as a share of the picture.", of="share", gt=0, le=0.5
    )


class DonorSettings(StillSettings):
    """Settings of ConflFG that its published protocol does not define.

    Attributes:
        order: the donor is ``behind`` the moving actor or in ``front`` of it.
        place: ``random``: at a drawn position where it is completely in the picture; ``keep``: at its original
            position; the free space on its two sides has the same ratio as before.
        max_covered: maximum share of the mover that the donor may hide, 0..1, mean over frames.
        min_visible: minimum share of the donor that must be visible, 0..1, mean over frames.
        still_area: which frames of a donor can be used.
    """

    order: Literal["behind", "front"] = setting("behind", "The still actor is behind the moving one, or in front.")
    place: Literal["random", "keep"] = setting("random", "random: at a drawn position; keep: at its original position.")
    max_covered: float = share(0.5, "Maximum share of the moving actor that the still actor may hide.")
    min_visible: float = share(0.5, "Minimum share of the still actor that must be visible.")


# Settings of kinds that are made from SCUBA videos. A setting given when SCUBA was built applies to them, too.
LATER = tuple(name for model in (DonorSettings, ShakeSettings, StillSettings) for name in model.__annotations__)


class ActorSettings(SettingsModel):
    """Which actors are used, if the source can distinguish them."""

    actors: Literal["all", "first"] = setting("all", "ucf101-24, ucf101-v2: all tubes of the class, or only the first.")


class SourceOfMasks(SettingsModel):
    """The mask source.

    Attributes:
        masks: a mask source: KIND, KIND:PATH or ``package.module:Name``.
        prompts: another source whose boxes prompt a segmenter; "" for none.
    """

    masks: str = setting(
        "people",
        "KIND or KIND:PATH: people (needs no annotation), motion, truth (synthactions), ucf101-24:pyannot.pkl, "
        "stored:FOLDER …, or package.module:Name (`bench segment --help` lists them).",
        shown="the dataset's",
    )
    prompts: str = setting("", "Source of the boxes that prompt the mask source, KIND or KIND:PATH.")


class ScubaSettings(LayoutSettings, BackgroundSettings, MaskSettings, ActorSettings, SourceOfMasks):
    """All settings that decide the pixels of a SCUBA benchmark, except its sources and seed.

    Attributes:
        per_video: backgrounds per source video.
    """

    per_video: int = setting(
        5, "Backgrounds per source video.", of="backgrounds", ge=1, le=10_000, shown="5; kinetics400: 1"
    )


class Settings(ScubaSettings, ShakeSettings, DonorSettings):
    """All settings that decide the pixels of any benchmark, except its sources and seed."""

    @property
    def mask_settings(self) -> MaskSettings:
        return MaskSettings.part_of(self)


class VideoSettings(SettingsModel):
    """Which videos; see :func:`~benchmark_builder.datasets.read_dataset`."""

    dataset: str = setting("synthactions", f"{DATASETS.help()}.")
    root: PathSetting | None = setting(None, "The dataset's folder.", shown="$BENCH_DATA/DATASET")
    split: str = setting("auto", "train, test, val, all; auto: the test split, or all if there are no lists.")
    fold: int = setting(1, "Number of the official split, from 1.", ge=1)


class SegmentSettings(SettingsModel):
    """Which dataset of untrimmed videos; see :func:`~benchmark_builder.datasets.segments.read_segments`."""

    dataset: str = setting(..., "ucf-crime or thumos14.")
    root: PathSetting | None = like(VideoSettings, "root", shown="$BENCH_DATA/DATASET")


def _shard(value: str) -> str:
    first, _, count = value.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise ValueError
    return value


Shard = Annotated[str, AfterValidator(_shard)]


class PartSettings(SettingsModel):
    """Which part of the videos; each video is the same as in a build of all videos."""

    limit: int | None = setting(None, "Only the first N source videos.", of="videos", ge=1)
    only: tuple[str, ...] = setting((), "Only sources whose id begins with this text; may be given several times.")
    shard: Shard | None = setting(
        None, "i/n: every n-th source from the i-th, for n machines.", give="i/n with 1 <= i <= n, such as 2/8"
    )
    subset: str | None = setting(
        None, "Only sources that a list of ids names: FILE.json:NAME (such as UTD's debiased splits), or a .json, .txt "
        "or .csv file.", metavar="LIST",
    )  # fmt: skip


_CLUSTER = "Several machines"


class EngineSettings(SettingsModel):
    """Where items are processed; see :class:`~benchmark_builder.utils.engine.Engine`."""

    engine: Annotated[str, AfterValidator(engine_name)] | None = setting(
        None, "local: this machine; ray: all machines of the Ray cluster that this one is in, or Ray on this machine "
        "alone if there is none; ray:HOST:PORT: the cluster with this address (docs/cluster.md).",
        shown="$BENCH_ENGINE, else local", give=ENGINES, metavar="ENGINE", panel=_CLUSTER,
    )  # fmt: skip
    engine_cpus: float | None = setting(
        None, "ray: cores that each process reserves.", shown="1", of="cores", gt=0, le=1024, panel=_CLUSTER
    )
    engine_gpus: Annotated[float, AfterValidator(gpu_share)] | None = setting(
        None, "ray: GPUs that each process reserves; 0.25: four processes per GPU. Without it, processes see no GPU.",
        shown="0", of="GPUs", ge=0, le=64, give="a number from 0.001 to 1, a whole number, or 0", panel=_CLUSTER,
    )  # fmt: skip
    engine_memory: float | None = setting(
        None, "ray: memory that each process reserves, in GB; fewer processes run on machines with less.",
        shown="not considered", of="GB", gt=0, le=100_000, panel=_CLUSTER,
    )  # fmt: skip


class RunSettings(EngineSettings):
    """How a build runs; these settings never change a pixel."""

    workers: int | None = setting(
        None, "Processes; with --engine ray: at most so many per machine.", shown="one per core", of="processes", ge=1,
        le=256,
    )  # fmt: skip


class MovedDataset(SettingsModel):
    """Where a benchmark's dataset is now."""

    root: PathSetting | None = setting(None, "The dataset's folder, if it has moved since.", shown="where it was")


class MovedOrigins(MovedDataset):
    """Where all is now that a benchmark was made from."""

    scuba: PathSetting | None = setting(
        None,
        "The SCUBA benchmark that it was made from, if that has moved since.",
        shown="where it was, or alongside",
    )


class PreviewSettings(MovedOrigins):
    """How a benchmark is looked at."""

    out: PathSetting = setting(
        Path("preview.png"), f"A contact sheet ({' or '.join(SHEETS)}), or a file that plays ({' or '.join(PLAYING)})."
    )
    videos: int | None = setting(None, "How many videos.", shown="4; playing: 1", of="videos", ge=1, le=1000)
    columns: int = setting(6, "Frames of each on a sheet.", of="frames", ge=1, le=1000)
    height: int = setting(120, "Height of a frame.", of="pixels", ge=16, le=2**13)


class ChartSettings(SettingsModel):
    """Where a chart is written."""

    out: PathSetting = setting(Path("stats.png"), f"The plots to write ({' '.join(CHARTS)}).")


class ExportSettings(LayoutSettings, RunSettings, MovedOrigins):
    """How a benchmark, or a dataset's ordinary videos, are written for others.

    Attributes:
        layout: None: what the project's loader reads, else ``frames``.
    """

    out: PathSetting = setting(..., "Folder to write.")
    peer: str | None = setting(
        None,
        "stillmix, albar, mmaction2, pyslowfast, videomae: layout, names and lists as it reads them.",
        flag="--for",
    )
    layout: str | None = setting(  # type: ignore[assignment]
        None,
        "video, lossless, frames or zip; qa: questions for video language models.",
        shown="what --for reads, else frames",
    )
    split: str = setting("auto", "iid: train, test, val, all, auto.")
    fold: int = setting(1, "iid: which official split, from 1.", ge=1)


def _said(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise ValueError
    return value


class QuestionSettings(SettingsModel):
    """Which questions are asked.

    Attributes:
        options: options per question; None: 5, or as many as there are classes.
        confusions: a table of confusions; None: by names, see
            :func:`~benchmark_builder.benchmark.questions.name_likeness`.
    """

    options: int | None = setting(
        None, "Options per question, the right one included.", of="options", ge=2, le=26,
        shown="5, or all classes if there are fewer",
    )  # fmt: skip
    confusions: PathSetting | None = setting(
        None,
        "csv file that says which classes are confused: columns label,pred,count, or a square table with the classes "
        "in its first row and column. The wrong options are those confused most with the right class.",
        shown="classes with similar names", metavar="FILE",
    )  # fmt: skip
    question: Annotated[str, AfterValidator(_said)] = setting(
        "Which action is performed in this video?", "The question.", metavar="TEXT"
    )
    seed: int = setting(0, "Seed of the order of the options.")


def _archive_size(value: str) -> str:
    size_in_bytes(value)
    return value


def _hub_licence(value: str) -> str:
    if value not in ("", *HUB_LICENCES):
        raise ValueError
    return value


def _web_address(value: str) -> str:
    if value and not value.startswith(("https://", "http://")):
        raise ValueError
    return value


def _date(value: str) -> str:
    return value if not value else datetime.date.fromisoformat(value).isoformat()


class PublishSettings(MovedOrigins):
    """How a benchmark or results are published.

    Attributes:
        with_pixels: whether the videos themselves are published; None: if the licence of the dataset allows it.
        archive_size: greatest size of an archive; None: files are not packed.
        backgrounds: what a benchmark was built with, if its backgrounds must be drawn again.
        licence: of what is published, as the Hugging Face Hub names it.
    """

    out: PathSetting = setting(..., "Folder to write; it must not exist, or be empty.")
    with_pixels: bool | None = setting(
        None,
        "Publish the videos, whatever the licence of the dataset says; --without-pixels: only masks, backgrounds and "
        "recipe, for `bench rebuild`.",
        shown="with, if the licence of the dataset's videos allows it",
        flag="--with-pixels/--without-pixels",
    )
    archive_size: Annotated[str, AfterValidator(_archive_size)] | None = setting(
        None, "Pack files into zips of at most this size: 2GB (10^9 bytes), 500MB, 1.5GiB (2^30).", metavar="SIZE",
        shown="files are not packed", give="a size from 10KB, such as 500MB or 2GB",
    )  # fmt: skip
    backgrounds: str | None = setting(
        None, "Without pixels: what the benchmark was built with, if it was pictures: images:FOLDER."
    )
    title: str = setting("", "Title of the dataset card.", shown="from the protocol")
    authors: tuple[str, ...] = setting((), "Your name; may be given several times.", flag="--author")
    licence: Annotated[str, AfterValidator(_hub_licence)] = setting(
        "", "Licence of what you publish: mit, cc-by-4.0, cc-by-nc-4.0, …, other.", shown="mit for renders of this "
        "toolkit, else unknown", give="mit, apache-2.0, cc0-1.0, cc-by-4.0, cc-by-sa-4.0, cc-by-nc-4.0, "
        "cc-by-nc-sa-4.0, other or unknown",
    )  # fmt: skip
    url: Annotated[str, AfterValidator(_web_address)] = setting(
        "", "Address where it will be found.", give="an address that begins with https:// or http://"
    )
    date: Annotated[str, AfterValidator(_date)] = setting(
        "", "Date of the publication, YYYY-MM-DD.", shown="today", give="a date such as 2026-01-31"
    )

    @property
    def archive_bytes(self) -> int | None:
        """``archive_size`` in bytes."""
        return None if self.archive_size is None else size_in_bytes(self.archive_size)


class RebuildSettings(RunSettings, MovedOrigins):
    """How the videos of a published folder are made again.

    Attributes:
        root: the user's own copy of the dataset.
        scuba: the SCUBA benchmark, for kinds that are made from one.
    """

    out: PathSetting | None = setting(None, "Folder.", shown="$BENCH_DATA/benchmarks/DATASET-KIND-BACKGROUND")
    root: PathSetting | None = setting(None, "Your own copy of the dataset.", shown="$BENCH_DATA/DATASET")
    scuba: PathSetting | None = setting(
        None, "The SCUBA benchmark, for other kinds; make it with `bench rebuild` first.",
        shown="the one alongside, by its digest",
    )  # fmt: skip
    backgrounds: PathSetting | None = setting(
        None, "Folder of background videos, for a benchmark that was built with --backgrounds video:FOLDER."
    )


class MergeSettings(RunSettings):
    """How parts of a benchmark become one."""

    out: PathSetting = like(ExportSettings, "out", ...)


class ImportSettings(RunSettings):
    """What a published benchmark does not say of itself."""

    kind: str = setting(..., "scuba, scufo, conflfg, shaken, or a kind that a package adds.")
    dataset: str = setting(..., "The dataset of the labels: ucf101, hmdb51, kinetics400.")
    list_file: PathSetting | None = setting(None, "Lines 'name frames label'.", shown="FOLDER/list.txt", flag="--list")
    backgrounds: str = setting("unknown", "Name of the background set, e.g. places365.")
    split: str = setting("test1", "The split to record in the tables.")
    label_base: int = setting(0, "The list's first label.", ge=0, le=1, give="0 or 1")
    fps: float = setting(25.0, "Frames per second.", of="frames per second", gt=0, le=1000)
    out: PathSetting | None = setting(
        None,
        "Where to write the tables; the videos stay in FOLDER, which may be read-only.",
        shown="FOLDER",
    )


class InspectSettings(RunSettings, VideoSettings):
    """Which videos of a dataset are decoded, and where the findings go."""

    split: str = setting("all", "train, test, val, auto; all: every existing video and every video in a split file.")
    csv: PathSetting | None = setting(None, "Write a row per video here.")


class FolderSettings(SettingsModel):
    """How the mask source ``folder`` reads the frame numbers in names of pictures."""

    numbering: Literal["auto", "0", "1"] = setting(
        "auto", "folder: whether the numbers in names of pictures start at 0 or 1."
    )


class NetworkSettings(SettingsModel):
    """Settings of the mask sources that run a network; each source has some of them. None: the source's default."""

    sam_checkpoint: PathSetting | None = setting(
        None, "sam: a file; sam2: a folder or a name on the Hugging Face hub.", shown="the published one"
    )
    sam_model: str | None = setting(None, "vit_h, vit_l, vit_b.", shown="the checkpoint's, else vit_h")
    box_margin: float = share(0.1, "sam, sam2: masks are clipped to their box, enlarged by this share on each side.")
    drift: float = share(0.25, "sam2: prompt again if mask and box overlap less than this (IoU).")
    min_score: float = share(0.7, "maskrcnn, detector: minimum score of a person.")
    min_track: int = setting(8, "maskrcnn, detector: minimum number of frames per person.", of="frames", ge=1)
    device: str = setting("auto", "auto, cpu, cuda, cuda:1 …", shown="the GPU if there is one")
    chunk: int = setting(8, "Number of frames that the GPU processes together.", of="frames", ge=1)
    mask_set: tuple[str, ...] = setting(
        (), "Any setting of the mask source, also of your own source, as NAME=VALUE; may be given several times."
    )


class CorrectionSettings(SettingsModel):
    """Manual corrections of masks, see :mod:`benchmark_builder.masks.corrections`.

    Attributes:
        corrections: csv files and folders.
        correction_numbering: number of a video's first frame in names of PNGs, and in the csv's column ``frames``.
    """

    corrections: Paths = setting(
        (),
        "Corrected by hand: FILE.csv (columns id, verdict: keep or leave out; also frames, reason) or FOLDER "
        "(FOLDER/ID/00012.png, the mask of frame 12); may be given several times.",
    )
    correction_numbering: Literal["0", "1"] = setting("0", "Number of a video's first frame in --corrections.")


class ReviewSettings(SettingsModel):
    """Where the table of videos to look at goes."""

    review: PathSetting | None = setting(
        None,
        "Write a table (.csv) of the videos by doubt (see `bench audit masks`), worst first, with empty columns "
        "verdict, frames and reason: fill them in and give it as --corrections.",
    )


def _wide(value: int) -> int:
    if value and not 24 <= value <= 4096:
        raise ValueError
    return value


Width = Annotated[int, AfterValidator(_wide)]


class SynthSettings(SettingsModel):
    """Settings of a render of synthactions.

    Attributes:
        size: height in pixels, and width too unless ``width`` is given; 24 or more.
        width: width in pixels; 0 (the default) for a square frame.
        frames: length of every video; 2 or more.
        fps: frames per second. The speed of motions is defined per second: about one turn per 16 frames at 12 fps.
        train: training videos.
        test: videos of each of the two test sets.
        bias: probability that a video of ``train`` or ``test`` shows the scenery of its class; the same, drawn
            independently, for clothing. The other sceneries are equally likely, so 1/8, the minimum, makes both
            independent of the class. In ``test_unbiased`` both are always independent.
        skin_bias: gives the actors of half of the videos dark skin and the others light skin, drawn independently of
            the class, and takes the place of ``bias`` for those with dark skin. A network that reads scenery (or
            clothing) is then right in a share of ``bias`` of one group and ``skin_bias`` of the other: a gap between
            groups that is known. None: skin is drawn from five tones and not recorded.
        pan: speed of the camera in shorter sides of the picture per second; 0: the scenery is still. The actor stays
            where it is, as if the camera followed it. The direction is drawn per video, independently of the class.
        seed: any integer.
    """

    size: int = setting(
        48,
        "Height, and width unless given: 48 for training on a CPU, 240 for viewing.",
        of="pixels",
        shown="48; synthlong: 96",
        ge=24,
        le=4096,
    )
    width: Width = setting(0, "Width in pixels; 0 for a square.", give="24 to 4096 pixels, or 0 for a square frame")
    frames: int = setting(16, "Frames per video.", of="frames", ge=2, le=10_000)
    fps: float = setting(12.0, "Frames per second.", of="frames per second", gt=0, le=1000)
    train: int = setting(8192, "Training videos.", of="videos", shown="8192; synthlong: 80", ge=0, le=10**7)
    test: int = setting(
        512,
        "Videos of each of the two test sets; synthlong has one.",
        of="videos",
        shown="512; synthlong: 60",
        ge=0,
        le=10**7,
    )
    bias: float = setting(
        0.95,
        "How often scenery and clothing are those of the class, in train and test.",
        ge=1 / 8,
        le=1,
        give="0.125 (independent of the 8 classes) to 1 (always those of the class)",
    )
    skin_bias: float | None = setting(
        None,
        "Takes the place of --bias for actors with dark skin, who are then in half of the videos: a gap between groups "
        "that is known, for --slices synthactions.",
        shown="skin is random and not recorded",
        ge=1 / 8,
        le=1,
        give="0.125 to 1, as for --bias",
    )
    pan: float = setting(
        0.0, "Moves the scenery, so many picture sides per second: 0.25 is one pixel per frame by default.", ge=0, le=3,
        of="sides per second",
    )  # fmt: skip
    seed: int = setting(0, "Seed of every random draw.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.train + self.test == 0:
            raise BenchError("--train 0 --test 0: nothing to render; give a number of videos")
        return self

    def record(self) -> dict[str, object]:
        """The settings as a finished render records them: later ones only if they are not the default."""
        later = {"skin_bias", "pan"}
        return {k: v for k, v in self.model_dump().items() if k not in later or v != type(self).model_fields[k].default}

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of a frame in pixels."""
        return self.size, self.width or self.size

    def count(self, split: str) -> int:
        """The number of videos in ``split``."""
        return self.train if split == "train" else self.test


class SynthLongSettings(SettingsModel):
    """Settings of a render of synthlong.

    Attributes:
        size, width: as in :class:`SynthSettings`; at 96 pixels a video can be watched.
        shortest, longest: length of a video, in seconds, drawn evenly from this range; 4 or more, so that one action of
            two seconds fits in.
        fps: frames per second.
        train, test: numbers of videos; half of each have anomalies.
        bias: probability that a video of ``train`` shows the scenery of its main class; the same, drawn independently,
            for clothing. In ``test`` both are always independent of the class.
        seed: any integer.
    """

    size: int = setting(96, "Height, and width unless given.", of="pixels", ge=24, le=4096)
    width: Width = setting(0, "Width in pixels; 0 for a square.", give="24 to 4096 pixels, or 0 for a square frame")
    shortest: float = setting(12.0, "Shortest video of synthlong, in seconds.", of="seconds", ge=4, le=7200)
    longest: float = setting(20.0, "Longest video of synthlong, in seconds.", of="seconds", ge=4, le=7200)
    fps: float = setting(12.0, "Frames per second.", of="frames per second", ge=1, le=240)
    train: int = setting(80, "Training videos.", of="videos", ge=0, le=10**7)
    test: int = setting(60, "Test videos.", of="videos", ge=0, le=10**7)
    bias: float = setting(
        0.95,
        "How often scenery and clothing are those of the main class, in train.",
        ge=1 / 8,
        le=1,
        give="0.125 (independent of the 8 classes) to 1 (always those of the class)",
    )
    seed: int = setting(0, "Seed of every random draw.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.train + self.test == 0:
            raise BenchError("--train 0 --test 0: nothing to render; give a number of videos")
        if self.shortest > self.longest:
            fix = f"is more than --longest {self.longest:g}; give a smaller number"
            raise setting_error("shortest", self.shortest, fix)
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of a frame in pixels."""
        return self.size, self.width or self.size

    def count(self, split: str) -> int:
        """The number of videos in ``split``."""
        return self.train if split == "train" else self.test


class RenderRun(RunSettings):
    """What is rendered, where and how."""

    dataset: Literal["synthactions", "synthlong"] = setting(
        "synthactions", "synthactions: clips of one action each. synthlong: untrimmed videos with several actions."
    )
    out: PathSetting | None = setting(None, "Folder.", shown="$BENCH_DATA/DATASET")


class TranscodeSettings(SettingsModel):
    """How videos are transcoded.

    Attributes:
        short: short side of the picture; 0: as it is. Sides become even.
        enlarge: whether smaller pictures are enlarged to ``short``.
        fps: frames per second; 0: every frame, with its time.
        keys: at most so many frames from one key frame to the next.
        crf, preset, tune: of x264.
        keep_damaged: whether a video with frames that cannot be decoded completely is transcoded.
    """

    short: int = setting(
        256, "Short side of the picture; smaller pictures keep their size. 0: all keep their size.", of="pixels", ge=0,
        le=4096, give="an even number from 16 to 4096, or 0",
    )  # fmt: skip
    enlarge: bool = setting(False, "Enlarge smaller pictures to --short, too.")
    fps: float = setting(
        0.0, "Constant frame rate, by which frames are repeated or left out; 0: every frame, at the source's rate.",
        of="frames per second", ge=0, le=240,
    )  # fmt: skip
    keys: int = setting(
        32, "At most so many frames from one key frame to the next: clips are read from the key frame before them.",
        of="frames", ge=1, le=1000,
    )  # fmt: skip
    crf: int = setting(23, "Quality of x264: lower is better and larger; 0 is without loss.", ge=0, le=51)
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = (
        setting("fast", "Effort of x264: slower presets give smaller files.")
    )
    tune: Literal["fastdecode", "none"] = setting(
        "fastdecode", "What x264 leaves out. fastdecode: the parts of H.264 that are slow to decode; clips are read "
        "about 1.5 times as fast, files are about an eighth larger. none: nothing.",
    )  # fmt: skip
    keep_damaged: bool = setting(
        False, "Transcode videos with frames that cannot be decoded completely, as a decoder shows them."
    )

    @model_validator(mode="after")
    def _even(self) -> Self:
        if self.short and (self.short % 2 or self.short < 16):
            raise setting_error("short", self.short, "is not an even number from 16 to 4096, or 0; change it")
        if self.fps and self.fps < 0.1:
            raise setting_error("fps", self.fps, "is below 0.1; give a higher rate, or 0 for that of the source")
        if self.enlarge and not self.short:
            raise setting_error("enlarge", self.enlarge, "has no effect with --short 0; give a size")
        return self


class TranscodeRun(RunSettings, PartSettings, VideoSettings):
    """Which videos are transcoded, and where they go."""

    split: str = setting("all", "train, test, val, auto; all: every video of the dataset.")
    out: PathSetting = setting(..., "Folder to write; give it as --root afterwards.")
    keep_going: bool = setting(False, "Exit with 0 even if some videos failed.")
    sample: int = setting(
        4, "Videos from which clips are read before and after, for the report; 0: none.", of="videos", ge=0, le=1000
    )


class GenerateSettings(SettingsModel):
    """How pictures of scenes are made by a text-to-image network.

    Attributes:
        model: ``hf:NAME_OR_FOLDER``, or a folder: a pipeline of diffusers with safetensors.
        out: the folder that is filled.
        prompts: a text file of scenes, one per line; None: the list that ships.
        per_prompt: number of pictures of each scene. limit: only the first N scenes.
        style, negative: added to every prompt; what pictures must not show, for pipelines that take this.
        size, width: in pixels; 0: as wide as high. steps, guidance: of the pipeline; None: its own guidance.
        seed: the noise of a picture follows from this, its scene and its number.
        precision: ``auto``: bf16 on a GPU, float32 elsewhere.
    """

    model: str = setting(..., "A text-to-image pipeline of diffusers with safetensors: hf:NAME, or a folder.")
    out: PathSetting = setting(..., "Folder to write.")
    prompts: PathSetting | None = setting(
        None, "A text file with one scene per line.", shown="120 scenes without people, which ship"
    )
    per_prompt: int = setting(1, "Pictures per scene.", of="pictures", ge=1, le=10_000)
    limit: int | None = setting(None, "Only the first N scenes, for a quick test.", of="scenes", ge=1)
    style: str = setting("a photo without people", "Added to every scene, after a comma.")
    negative: str = setting(
        "person, people, human, face, body, text, watermark", "What pictures must not show, if the pipeline takes this."
    )
    size: int = setting(512, "Height, and width unless given; a multiple of 8.", of="pixels", ge=16, le=2048)
    width: int = setting(0, "Width; a multiple of 8, 0 for a square.", of="pixels", ge=0, le=2048)
    steps: int = setting(30, "Denoising steps per picture.", of="steps", ge=1, le=1000)
    guidance: float | None = setting(None, "Guidance scale.", shown="the pipeline's", ge=0, le=100)
    seed: int = setting(0, "Seed of all pictures.")
    device: str = like(NetworkSettings, "device", "auto", shown="the GPU if there is one")
    precision: Literal["auto", "float32", "bf16"] = setting("auto", "auto: bf16 on a GPU, float32 elsewhere.")

    @model_validator(mode="after")
    def _multiples(self) -> Self:
        for name in ("size", "width"):
            if getattr(self, name) % 8 or 0 < getattr(self, name) < 16:
                raise self.wrong(name, getattr(self, name), "give a multiple of 8, 16 or more")
        return self


class LeakageSettings(SettingsModel):
    """How leakage is measured.

    Attributes:
        reference: mask source of the true actors, ``KIND`` or ``KIND:PATH``; ``auto`` for the dataset's exact masks if
            it has them, otherwise none; ``none``.
        margin: pixels around the reference mask that the probe does not see, 0 or more, since lossy video and 4:2:0
            colour spread the actor's colours over its edge.
        ring: width in pixels of the ring that the probe sees without a reference, 1 or more.
        seed: seed of the bootstrap.
    """

    reference: str = setting(
        "auto",
        "Masks of the true actors, KIND or KIND:PATH as in `bench segment --masks`; none; auto: the exact masks of "
        "synthactions, none for other datasets.",
    )
    margin: int = setting(2, "Pixels around the reference that the probe does not see.", of="pixels", ge=0, le=100)
    ring: int = setting(4, "Without a reference: width of the ring that it sees.", of="pixels", ge=1, le=100)
    seed: int = setting(0, "Seed of the bootstrap.")


class LeakageFiles(MovedDataset):
    """Where the figures of leakage go."""

    out: PathSetting | None = setting(None, "Write the figures here (.csv).")
    plot: PathSetting | None = setting(None, f"Draw them here ({' '.join(CHARTS)}).")


class MaskAuditSettings(MovedDataset):
    """Where the figures of stored masks go, and what the sheet of doubtful videos shows."""

    out: PathSetting | None = setting(None, "Write the figures here (.csv), one row per video.")
    sheet: PathSetting = setting(
        Path("masks.png"), f"Draw the most doubtful videos with the outlines of their masks here ({', '.join(SHEETS)})."
    )
    videos: int = setting(12, "How many videos the sheet shows.", of="videos", ge=1, le=1000)
    columns: int = like(PreviewSettings, "columns", 6)
    height: int = like(PreviewSettings, "height", 180)


NETWORK: dict[str, Any] = {name: field.default for name, field in NetworkSettings.model_fields.items()}
DEFAULTS: dict[str, Any] = {name: field.default for name, field in Settings.model_fields.items()}
