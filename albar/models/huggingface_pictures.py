"""How the preprocessors of Hugging Face folders scale, crop and normalise pictures, as a clip sampling."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albar.clips.clips import ClipSampling
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.options import SettingError

MeanStd = tuple[tuple[float, ...], tuple[float, ...]]
IMAGENET: MeanStd = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: MeanStd = ((0.5,) * 3, (0.5,) * 3)
NONE: MeanStd = ((0.0,) * 3, (1.0,) * 3)

_FILES = ("video_preprocessor_config.json", "preprocessor_config.json")
_NESTED = "processor_config.json"  # where newer versions of transformers store the settings of all preprocessors
_FIX = "get the folder again, or name a clip sampling with --sampling"


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """How a kind of network prepares pictures, where its folder does not say.

    Attributes:
        normal: mean and standard deviation of values in 0..1.
        resize: short side (``square``: both sides) for crops of so many pixels.
        square: pictures are squashed to a square. None: the centre square is taken whatever the folder says, as
            earlier versions did.
        own_resize: ``resize`` holds whatever short side the folder says.
        factor, offset: values in 0..255 are multiplied by the first, then the second is subtracted.
    """

    normal: MeanStd
    resize: Callable[[int], int] = lambda size: size
    square: bool | None = False
    own_resize: bool = False
    factor: float = 1 / 255
    offset: float = 0.0


def picture_sampling(folder: Path, pictures: Pictures, clip: Mapping[str, Any], notes: list[str]) -> ClipSampling:
    """The clips of a network, with scaling and normalisation as in its folder's preprocessor.

    Args:
        folder: has the preprocessor's file.
        pictures: what its kind does where the file does not say.
        clip: ``frames`` and ``size``, as in a configuration, and further settings of the sampling.
        notes: gets a line per value that the folder does not state.

    Raises:
        BenchError: the preprocessor's settings are malformed.
    """
    said = _preprocessor(folder, notes)
    try:
        size = _side(clip["size"])
        resize = _side(said["size"]) if "size" in said and not pictures.own_resize else pictures.resize(size)
        cropped = said.get("do_center_crop")
        square = pictures.square is True and cropped is not True
        if pictures.square is None:
            if said.get("do_resize", True) is not False and cropped is False:
                notes.append("the folder squashes pictures to a square; here their centre square is taken")
                resize = size
        elif cropped is False:
            square = square or (isinstance(said.get("size"), Mapping) and "height" in said["size"])
        elif "crop_size" in said and "size" in said and not pictures.own_resize:
            # A crop of another size than the network's: the same share of the picture is shown.
            resize = round(resize * size / _side(said["crop_size"]))
        if said.get("do_resize", True) is False:
            notes.append("the folder resizes nothing; here the short side is scaled to the network's size")
            resize, square = size, False
        if pictures.square is not None and said.get("resample", 2) != 2:
            notes.append("the folder scales pictures with another filter; here bilinear, with antialiasing")
        whole = {"squash": True, "crop": "random", "resize": size} if square else {"resize": max(size, resize)}
        mean, std = _normalisation(pictures, said)
        return ClipSampling(
            **{**clip, "frames": int(clip["frames"]), "size": size, "short": "clamp", "mean": mean, "std": std, **whole}
        )
    except SettingError as error:
        raise BenchError(f"{folder}: clip setting {error.inside}; or name one with --sampling") from None
    except (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError, OverflowError):
        raise BenchError(f"{folder}: its preprocessing settings are malformed; name one with --sampling") from None


def _preprocessor(folder: Path, notes: list[str]) -> dict[str, Any]:
    """The settings of the folder's video or image preprocessor that are not null; empty, with a note, if it has
    none."""
    said: object = None
    if (folder / _NESTED).is_file():
        whole = read_json(folder / _NESTED, "processor", _FIX)
        parts = [whole.get(part) for part in ("video_processor", "image_processor")] if isinstance(whole, dict) else []
        said = next((part for part in parts if isinstance(part, dict)), None)
    if said is None:
        found = [folder / name for name in _FILES if (folder / name).is_file()]
        if not found:
            notes.append(f"no {_FILES[1]}; the normalisation is the class's default")
            return {}
        said = read_json(found[0], "preprocessor", _FIX)
    if not isinstance(said, dict):
        raise BenchError(f"{folder}: its preprocessor's file has no settings; {_FIX}")
    return {name: value for name, value in said.items() if value is not None}


def _normalisation(
    pictures: Pictures, said: Mapping[str, Any]
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """mean and std of values in 0..1 that do what the preprocessor does: (v · factor - offset - mean) / std, v in
    0..255."""
    shift, scale = said.get("image_mean", pictures.normal[0]), said.get("image_std", pictures.normal[1])
    # Where the folder does not say so, a kind without a normalisation has none, whatever mean and std are listed.
    if said.get("do_normalize", pictures.normal != NONE) is False:
        shift, scale = NONE
    factor = float(said.get("rescale_factor", pictures.factor)) * 255
    offset = pictures.offset if said.get("offset", True) else 0.0
    if said.get("do_rescale", True) is False:
        factor, offset = 255.0, 0.0
    if not (len(shift) == len(scale) == 3 and math.isfinite(factor)):
        raise ValueError
    a, b, c = ((offset + float(m)) / factor for m in shift)
    d, e, f = (float(s) / factor for s in scale)
    return (a, b, c), (d, e, f)


def _side(value: Any) -> int:
    """The (short) side of a size as transformers writes it: 224, [224, 224], {"height": …} or {"shortest_edge": …}."""
    if isinstance(value, Mapping):
        value = value["shortest_edge"] if "shortest_edge" in value else value["height"]
    return int(value[0] if isinstance(value, (list, tuple)) else value)
