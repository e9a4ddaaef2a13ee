"""Every setting of a build: its type, range or choices, default and help. Nothing else says any of these again.

The command line, protocol files and Python all take their settings from here. What a protocol changes of the defaults
is in ``manifests/protocols``.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, model_validator

from benchmark_builder.parts import BACKGROUNDS, DATASETS, LAYOUTS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import PathSetting, SettingsModel, setting, setting_error, share


class MaskSettings(SettingsModel):
    """How masks are treated; all of it stands in protocol.json.

    Attributes:
        unannotated: what a frame without a mask, between the first and the last that have one, becomes: ``hold`` the
            nearest mask, ``drop`` the frame, or show pure ``background`` (as StillMix's UCF101 did).
        smooth: how many covered frames before and after take part in a frame's mask; 0 for none.
        smooth_how: ``majority`` of those frames, or their ``union`` (StillMix's Kinetics-400 with smooth 1).
        dilate: pixels the mask grows (an ellipse of that radius); negative shrinks it.
        feather: standard deviation, in pixels, of the soft edge between actor and background; 0 for a hard edge.
        min_area: least share of the picture, 0..1, that a valid frame's mask fills; refused without ``min_valid``.
        min_valid: least share of a video's covered frames, 0..1, that must be valid; else the video is left out.
    """

    unannotated: Literal["hold", "drop", "background"] = setting(
        "hold", "Frames between annotated ones: hold the nearest mask, drop the frame, or show the background alone."
    )
    smooth: int = setting(0, "Frames before and after that take part in a mask.", of="frames", ge=0, le=30)
    smooth_how: Literal["majority", "union"] = setting("majority", "How they take part.")
    dilate: int = setting(0, "Pixels a mask grows; below 0 it shrinks.", of="pixels", ge=-100, le=100)
    feather: float = setting(0.0, "Softness of a mask's edge, in pixels.", of="pixels", ge=0, le=100)
    min_area: float = share(0.0, "Least share of the picture that a valid mask fills.")
    min_valid: float = share(0.0, "Least share of frames with a valid mask; a video with fewer is left out.")

    @model_validator(mode="after")
    def _min_area_decides(self) -> Self:
        if self.min_area and not self.min_valid:
            fix = "decides nothing while no frame needs to be valid; give --min-valid too"
            raise setting_error("min_area", self.min_area, fix)
        return self


class BackgroundSettings(SettingsModel):
    """Which backgrounds, and how pictures become some.

    Attributes:
        backgrounds: a background set: KIND, KIND:PATH or ``package.module:Name``.
        fit: pictures ``cover`` the frame (scaled, centre cropped), or ``stretch`` to its size by Pillow's bicubic.
        grey: ``keep`` grey pictures as RGB, or ``redraw``: pictures are read and drawn as StillMix does.
    """

    backgrounds: str = setting("stripes", f"{BACKGROUNDS.help()}.")
    fit: Literal["cover", "stretch"] = setting("cover", "Pictures cover the frame, or stretch to it.")
    grey: Literal["keep", "redraw"] = setting("keep", "Grey pictures among the backgrounds: keep, or redraw another.")


class LayoutSettings(SettingsModel):
    """How videos are stored.

    Attributes:
        layout: ``video``, ``lossless``, ``frames``, ``zip`` or ``virtual``.
        jpeg_quality: of the pictures of ``frames`` and ``zip``.
    """

    layout: str = setting(
        "video",
        f"How videos are stored: {LAYOUTS.help()}.",
    )
    jpeg_quality: int = setting(95, "JPEG quality of frames and zip.", ge=1, le=100)


class StillSettings(SettingsModel):
    """Which frames may be a still, see :mod:`~benchmark_builder.kinds.stills`."""

    still_area: float = share(0.5, "Least mask of a still, as a share of its video's median mask; 0: any mask.")


class ShakeSettings(StillSettings):
    """What the shaken SCUFO takes besides."""

    shake: float = setting(
        0.08, "Amplitude of the camera path of --shaken, as a share of the picture.", of="share", gt=0, le=0.5
    )


class DonorSettings(StillSettings):
    """What the published protocol of ConflFG leaves open.

    Attributes:
        order: the donor stands ``behind`` the moving actor or in ``front`` of it.
        place: ``random``: at a drawn place where all of it is in the picture; ``keep``: where it stood in its own
            picture, the space on its two sides being shared out as it was.
        max_covered: the largest share of the mover that the donor may hide, 0..1, mean over frames.
        min_visible: the smallest share of the donor that must be seen, 0..1, mean over frames.
        still_area: which of a donor's frames may be taken.
    """

    order: Literal["behind", "front"] = setting("behind", "The still actor is behind the moving one, or in front.")
    place: Literal["random", "keep"] = setting("random", "random: at a drawn place; keep: where it stood.")
    max_covered: float = share(0.5, "Largest share of the moving actor that the still one may hide.")
    min_visible: float = share(0.5, "Least share of the still actor that must be seen.")


# Settings of what is made from SCUBA videos alone. One that was given when SCUBA was built holds for that, too.
LATER = tuple(name for model in (DonorSettings, ShakeSettings, StillSettings) for name in model.__annotations__)


class ActorSettings(SettingsModel):
    """Whose masks are taken, where the source can tell."""

    actors: Literal["all", "first"] = setting("all", "ucf101-24, ucf101-v2: all tubes of the class, or the first.")


class SourceOfMasks(SettingsModel):
    """Where masks come from.

    Attributes:
        masks: a mask source: KIND, KIND:PATH or ``package.module:Name``.
        prompts: another one, whose boxes prompt a segmenter; "" for none.
    """

    masks: str = setting(
        "motion",
        "KIND or KIND:PATH: motion (needs no files), truth (synthactions), ucf101-24:pyannot.pkl, stored:FOLDER …, or "
        "package.module:Name (`bench segment --help` lists them).",
        shown="the dataset's",
    )
    prompts: str = setting("", "Boxes that prompt the mask source, KIND or KIND:PATH.")


class ScubaSettings(LayoutSettings, BackgroundSettings, MaskSettings, ActorSettings, SourceOfMasks):
    """Everything that decides a SCUBA benchmark's pixels besides its sources and seed.

    Attributes:
        per_video: backgrounds per source video.
    """

    per_video: int = setting(
        5, "Backgrounds per source video.", of="backgrounds", ge=1, le=10_000, shown="5; kinetics400: 1"
    )


class Settings(ScubaSettings, ShakeSettings, DonorSettings):
    """Everything that decides the pixels of any benchmark besides its sources and seed."""

    @property
    def mask_settings(self) -> MaskSettings:
        return MaskSettings.part_of(self)


class VideoSettings(SettingsModel):
    """Which videos, as :func:`~benchmark_builder.datasets.read_dataset` takes them."""

    dataset: str = setting("synthactions", f"{DATASETS.help()}.")
    root: PathSetting | None = setting(None, "The dataset's folder.", shown="$BENCH_DATA/DATASET")
    split: str = setting("auto", "train, test, val, all; auto: the test split, or all where no lists are.")
    fold: int = setting(1, "Which official split, from 1.", ge=1)


def _shard(value: str) -> str:
    first, _, count = value.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise ValueError
    return value


Shard = Annotated[str, AfterValidator(_shard)]


class PartSettings(SettingsModel):
    """Which part of the videos; those that are made are the same as in the whole."""

    limit: int | None = setting(None, "Only the first N source videos.", of="videos", ge=1)
    only: tuple[str, ...] = setting((), "Only sources whose id begins so; may be given several times.")
    shard: Shard | None = setting(
        None, "i/n: every n-th source from the i-th, for n machines.", give="i/n with 1 <= i <= n, such as 2/8"
    )


class RunSettings(SettingsModel):
    """How it runs; none of it changes a pixel."""

    workers: int | None = setting(None, "Processes.", shown="one per core", of="processes", ge=1, le=256)


class FolderSettings(SettingsModel):
    """How the mask source ``folder`` reads the names of pictures."""

    numbering: Literal["auto", "0", "1"] = setting("auto", "folder: the pictures' names count frames from 0 or 1.")


class NetworkSettings(SettingsModel):
    """Settings of the mask sources that run a network; each takes some of them. None: as the source itself decides."""

    sam_checkpoint: PathSetting | None = setting(
        None, "sam: a file; sam2: a folder or a hub's name.", shown="the published one"
    )
    sam_model: str | None = setting(None, "vit_h, vit_l, vit_b.", shown="the checkpoint's, else vit_h")
    box_margin: float = share(0.1, "sam, sam2: a mask ends at its box enlarged by this share on each side.")
    drift: float = share(0.25, "sam2: prompt anew where mask and box overlap less than this (IoU).")
    min_score: float = share(0.7, "maskrcnn, detector: least score of a person.")
    min_track: int = setting(8, "maskrcnn, detector: frames that a person must be seen on.", of="frames", ge=1)
    device: str = setting("auto", "auto, cpu, cuda, cuda:1 …", shown="the GPU if there is one")
    chunk: int = setting(8, "Frames that share the GPU at a time.", of="frames", ge=1)
    mask_set: tuple[str, ...] = setting(
        (), "Any setting of the mask source, NAME=VALUE, such as one of your own source; may be given several times."
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
        width: width in pixels; 0 (the default) makes the frame square.
        frames: length of every video; 2 or more.
        fps: frames a second. Motions have their pace in seconds: about one turn each 16 frames at 12.
        train: training videos.
        test: videos of each of the two test sets.
        bias: probability that a video of ``train`` or ``test`` shows its class's own scenery; the same, drawn
            independently, for clothing. The others share the rest evenly, so 1/8 makes both independent of the
            class; it is the least that is taken. In ``test_unbiased`` both are always independent.
        seed: any integer.
    """

    size: int = setting(
        48, "Height, and width unless given: 48 trains on a CPU, 240 is to look at.", of="pixels", ge=24, le=4096
    )
    width: Width = setting(0, "Width in pixels; 0 for a square.", give="24 to 4096 pixels, or 0 for a square frame")
    frames: int = setting(16, "Frames per video.", of="frames", ge=2, le=10_000)
    fps: float = setting(12.0, "Frames per second.", of="frames per second", gt=0, le=1000)
    train: int = setting(8192, "Training videos.", of="videos", ge=0, le=10**7)
    test: int = setting(512, "Videos of each of the two test sets.", of="videos", ge=0, le=10**7)
    bias: float = setting(
        0.95,
        "How often scenery and clothing are the class's own, in train and test.",
        ge=1 / 8,
        le=1,
        give="0.125 (independent of the 8 classes) to 1 (always the class's own)",
    )
    seed: int = setting(0, "Owns every random draw.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.train + self.test == 0:
            raise BenchError("--train 0 --test 0: nothing to render; give a number of videos")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of a frame in pixels."""
        return self.size, self.width or self.size

    def count(self, split: str) -> int:
        """How many videos ``split`` has."""
        return self.train if split == "train" else self.test


class LeakageSettings(SettingsModel):
    """How leakage is measured.

    Attributes:
        reference: mask source of the true actors, ``KIND`` or ``KIND:PATH``; ``auto`` for the dataset's exact masks
            where it has them and none elsewhere; ``none``.
        margin: pixels around the reference mask that the probe does not see either, 0 or more. Lossy video and
            4:2:0 colour carry the actor's colours over its edge.
        ring: width in pixels of what the probe sees where there is no reference, 1 or more.
        seed: owns the bootstrap's draws.
    """

    reference: str = setting(
        "auto",
        "Masks of the true actors, KIND or KIND:PATH as in `bench segment --masks`; none; auto: the exact masks of "
        "synthactions, none elsewhere.",
    )
    margin: int = setting(2, "Pixels around the reference that the probe does not see.", of="pixels", ge=0, le=100)
    ring: int = setting(4, "Without a reference: width of what it sees inside the edge.", of="pixels", ge=1, le=100)
    seed: int = setting(0, "Owns the bootstrap's draws.")


NETWORK: dict[str, Any] = {name: field.default for name, field in NetworkSettings.model_fields.items()}
DEFAULTS: dict[str, Any] = {name: field.default for name, field in Settings.model_fields.items()}
