"""Data that a method needs in addition to the clips: masks, scenes, a bank of stills."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from albar.data.actors import ActorMasks
from albar.data.still_bank import SCORES, make_bank
from albar.methods import Companions, Method
from albar.stillmix_settings import BANK_RESIZE, TAU
from albar.training.settings import TrainSettings
from benchmark_builder.datasets import dataset_root
from benchmark_builder.protocols import resolve
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file
from benchmark_builder.utils.moved import renamed
from benchmark_builder.video.record import Video

__getattr__ = renamed(__name__, {"Beside": "Extras"})


@dataclass(frozen=True)
class Extras:
    """The data of a run in addition to its clips.

    Attributes:
        actors: masks of the training videos, or None.
        scenes: float32 (videos, scenes), or None.
        bank: uint8 (frames, 3, size, size), or None.
        notes: lines for the user.
        scene_names: the scenes, in the order of the columns of ``scenes``.
    """

    actors: ActorMasks | None
    scenes: torch.Tensor | None
    bank: torch.Tensor | None
    notes: tuple[str, ...]
    scene_names: tuple[str, ...] = ()

    def companions(self, classes: int, settings: TrainSettings) -> Companions:
        """These data in the form that methods take."""
        scenes = self.scenes.shape[1] if self.scenes is not None else 0
        return Companions(classes, settings.clip_sampling, scenes, self.bank, self.scene_names)


def gather(method: Method, settings: TrainSettings, videos: Sequence[Video], device: torch.device) -> Extras:
    """Make the data that ``method`` needs for the training videos.

    Raises:
        BenchError: something is missing; the message names the option for it.
    """
    s, root, notes = settings, dataset_root(settings.dataset, settings.root), []
    actors = scenes = bank = None
    scene_names: tuple[str, ...] = ()
    if "actors" in method.needs:
        actors = ActorMasks(videos, mask_spec(s), root, s.cache_mb, s.progress)
        if actors.without:
            notes.append(
                f"{len(actors.without)} of {len(videos)} training videos have no masks ({actors.without[0]}, …); "
                f"{s.method} does not change them"
            )
    if "scenes" in method.needs:
        scenes, scene_names = scenes_of(settings, videos, device), scene_names_of(settings)
    if "bank" in method.needs:
        if s.reference is None:
            raise BenchError(f"{s.method} needs a 2-D reference; give --reference, a run of `bench train reference2d`")
        bank = make_bank(s.reference, videos, s.clip_sampling, tau(s), s.bank, s.seed, bank_resize(s))
    return Extras(actors, scenes, bank, tuple(notes), scene_names)


def scenes_of(settings: TrainSettings, videos: Sequence[Video], device: torch.device) -> torch.Tensor:
    """The scenes of videos, float32 (videos, scenes): from a Places365 network, or as rendered.

    Raises:
        BenchError: neither is there; the message names the option.
    """
    from albar.data.scenes import guessed_scenes, known_scenes  # imports torchvision, which is not always needed

    s = settings
    if s.places is not None:
        return guessed_scenes(videos, s.places, device, s.progress)
    if s.dataset == "synthactions":
        return known_scenes(videos, dataset_root(s.dataset, s.root))
    raise BenchError(
        f"{s.method} needs the scenes of {s.dataset}; give --places FILE, a Places365 ResNet's weights "
        "(resnet18_places365.pth.tar; `bench weights fetch places365-resnet18` brings it and says where it is)"
    )


def scene_names_of(settings: TrainSettings) -> tuple[str, ...]:
    """The scenes in the order of the columns of :func:`scenes_of`."""
    from albar.data.scenes import PLACE_NAMES, scenery_names

    s = settings
    return PLACE_NAMES if s.places is not None else scenery_names(dataset_root(s.dataset, s.root))


def tau(settings: TrainSettings) -> float:
    """StillMix's τ."""
    return settings.tau if settings.tau is not None else TAU[settings.preset_name]


def bank_resize(settings: TrainSettings) -> str:
    """How the bank's frames are resized."""
    return settings.bank_resize or BANK_RESIZE[settings.preset_name]


def without_folder(spec: str) -> str:
    """A mask source's ``KIND:PATH`` with only the last part of the path: a file's folder does not change a result."""
    kind, colon, path = spec.partition(":")
    return f"{kind}{colon}{Path(path).name}" if path else spec


def mask_spec(settings: TrainSettings) -> str:
    """The mask source: the user's, or else the one that `bench build` uses for the dataset."""
    return settings.masks or resolve("default", settings.dataset, {})[0].masks


def deciding(method: Method, settings: TrainSettings) -> dict[str, object]:
    """Those of the data above that determine a run's result, as plain types for its record."""
    known: dict[str, object] = {}
    if "actors" in method.needs:
        known["masks"] = without_folder(mask_spec(settings))
    if "scenes" in method.needs:
        known["places"] = Path(settings.places).name if settings.places else "known"
    if "bank" in method.needs:
        known |= {"tau": tau(settings), "bank": settings.bank, "bank_resize": bank_resize(settings)}
        scores = settings.reference / SCORES if settings.reference else None
        if scores is not None and scores.is_file():
            known["scores_sha256"] = sha256_file(scores)
    return known
