"""Background sources: for (video, variant), one RGB image (H, W, 3) for the whole video, or one per frame.

``--backgrounds stripes``, ``plain``, ``noise``, ``images:FOLDER`` or ``video:FOLDER`` name a source;
:func:`background_source` creates it, and :func:`draw` draws a background from it.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from benchmark_builder.backgrounds.moving import Clip
from benchmark_builder.parts import BACKGROUNDS
from benchmark_builder.settings import BackgroundSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import first_line, is_class_with


class BackgroundSource(Protocol):
    """Gives the backgrounds; must be picklable (for workers).

    Attributes:
        name: the name of the set in tables and folder names.
    """

    name: str

    def image(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, tuple[str, ...]]:
        """Draw one background: uint8 (H, W, 3) RGB, its name in the set, and drawn names that could not be read."""
        ...

    def describe(self) -> dict[str, object]:
        """The entry in protocol.json."""
        ...


@runtime_checkable
class MovingSource(Protocol):
    """A background source whose backgrounds move also has :meth:`clip`, which is then used in place of ``image``.

    Attributes:
        folder: the folder of the videos.
    """

    folder: Path

    def clip(self, rng: np.random.Generator) -> tuple[Clip, tuple[str, ...]]:
        """Draw one background that moves, and drawn names that could not be used."""
        ...


@dataclass(frozen=True)
class Drawn:
    """One drawn background.

    Attributes:
        shown: the picture, uint8 (H, W, 3) RGB, or the clip.
        name: its name in the set.
        unreadable: drawn names that could not be read.
    """

    shown: np.ndarray | Clip
    name: str
    unreadable: tuple[str, ...]

    def frames(self, height: int, width: int) -> Iterator[np.ndarray]:
        """The background of every frame, without end: uint8 (height, width, 3) RGB. Raises as :meth:`Clip.frames`."""
        return self.shown.frames(height, width) if isinstance(self.shown, Clip) else repeat(self.shown)

    @property
    def parts(self) -> dict[str, np.ndarray | str]:
        """What a layout stores to compose the video again."""
        return {"clip": self.shown.stored()} if isinstance(self.shown, Clip) else {"background": self.shown}


def draw(source: BackgroundSource, rng: np.random.Generator, height: int, width: int) -> Drawn:
    """Draw a background: one picture for the whole video or, if the source is moving, a clip."""
    if isinstance(source, MovingSource):
        clip, unreadable = source.clip(rng)
        return Drawn(clip, clip.name, unreadable)
    return Drawn(*source.image(rng, height, width))


KINDS = BACKGROUNDS


def background_source(spec: str, fit: str = "cover", grey: str = "keep") -> BackgroundSource:
    """Create the background set for ``KIND``, ``KIND:PATH`` or ``package.module:Name[:PATH]``.

    Args:
        spec: e.g. ``stripes`` or ``images:places365/test_256``.
        fit: how pictures are fitted to the frame: ``cover`` (scaled to cover it, cropped at the centre) or ``stretch``
            (resized to its size with Pillow's bicubic filter, as in StillMix).
        grey: ``keep``: grey pictures are used as RGB. ``redraw``: pictures are read and drawn as in StillMix.

    Raises:
        BenchError: the kind (the message lists the kinds), fit or grey is unknown, the folder has no pictures, or the
            user's class is not a background set.
    """
    found = KINDS.find(spec)
    made: Any = found.part
    BackgroundSettings(backgrounds=spec, fit=fit, grey=grey)  # type: ignore[arg-type]  # checked there
    own = found.name not in KINDS.shipped
    if own and not is_class_with(found.part, "image", "describe"):
        raise BenchError(f"--backgrounds {found.name}: is not a background set; give a class with image(rng, height, "
                         "width), describe() and name")  # fmt: skip
    # Only a set that draws pictures from a folder has the setting grey.
    options = {"grey": grey} if "grey" in inspect.signature(found.part).parameters else {}
    try:
        source: BackgroundSource = made(Path(found.argument) if found.argument else None, fit, **options)
        if own:
            _check(found.name, source)
    except (BenchError, OSError):
        raise
    except Exception as error:  # the user's code may raise anything
        if not own:
            raise
        raise BenchError(f"--backgrounds {found.name}: creating it failed ({type(error).__name__}: {first_line(error)}"
                         "); fix your class: it is called as Set(path, fit), then describe()") from error  # fmt: skip
    return source


def _check(kind: str, source: BackgroundSource) -> None:
    """Raise BenchError if the name of a set is not valid in a folder name, or if its description is not complete."""
    name, described = source.name, source.describe()
    if not isinstance(name, str) or not name or name.startswith(".") or set(name) & set('/\\:*?"<>|') or "\n" in name:
        raise BenchError(f"--backgrounds {kind}: its name {name!r} is not valid in a folder name; use letters, "
                         "digits, '-' and '_'")  # fmt: skip
    if not isinstance(described, dict) or not isinstance(described.get("kind"), str):
        raise BenchError(f"--backgrounds {kind}: its describe() returned {described!r}; it must return a dict with "
                         "'kind', 'name' and every setting")  # fmt: skip
