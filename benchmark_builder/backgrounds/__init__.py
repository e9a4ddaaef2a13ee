"""Background sources: for (video, variant), one RGB image (H, W, 3), the same for the whole video.

``--backgrounds stripes``, ``plain``, ``noise`` or ``images:FOLDER``; :func:`background_source` builds it.
"""

import inspect
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmark_builder.parts import BACKGROUNDS
from benchmark_builder.settings import BackgroundSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import first_line, is_class_with


class BackgroundSource(Protocol):
    """Where backgrounds come from; must pickle (workers).

    Attributes:
        name: what the set is called in tables and folder names.
    """

    name: str

    def image(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, tuple[str, ...]]:
        """Draw one background: uint8 (H, W, 3) RGB, its name within the set, and names drawn that were unreadable."""
        ...

    def describe(self) -> dict[str, Any]:
        """What stands in protocol.json."""
        ...


KINDS = BACKGROUNDS


def background_source(spec: str, fit: str = "cover", grey: str = "keep") -> BackgroundSource:
    """Build the set that ``KIND``, ``KIND:PATH`` or ``package.module:Name[:PATH]`` names.

    Args:
        spec: e.g. ``stripes`` or ``images:places365/test_256``.
        fit: how pictures meet the frame: ``cover`` (scaled to cover it, centre cropped) or ``stretch`` (to its size by
            Pillow's bicubic, as StillMix).
        grey: ``keep`` grey pictures as RGB, or ``redraw``: pictures are read and drawn as StillMix does.

    Raises:
        BenchError: an unknown kind (the message lists them), fit or grey, a folder without pictures, or
            a class of the user's own that is no background set.
    """
    found = KINDS.find(spec)
    made: Any = found.part
    BackgroundSettings(backgrounds=spec, fit=fit, grey=grey)  # type: ignore[arg-type]  # checked there
    own = found.name not in KINDS.shipped
    if own and not is_class_with(found.part, "image", "describe"):
        raise BenchError(f"--backgrounds {found.name}: is no background set; give a class with image(rng, height, "
                         "width), describe() and name")  # fmt: skip
    # Only a set that draws pictures of a folder has something to do with grey ones.
    options = {"grey": grey} if "grey" in inspect.signature(found.part).parameters else {}
    try:
        source: BackgroundSource = made(Path(found.argument) if found.argument else None, fit, **options)
        if own:
            _check(found.name, source)
    except (BenchError, OSError):
        raise
    except Exception as error:
        if not own:
            raise
        raise BenchError(f"--backgrounds {found.name}: cannot be made ({type(error).__name__}: {first_line(error)}); "
                         "it is called as Set(path, fit), then describe()") from error  # fmt: skip
    return source


def _check(kind: str, source: BackgroundSource) -> None:
    """Refuse a set whose name cannot be a part of a folder's name, or that does not say what it is."""
    name, described = source.name, source.describe()
    if not isinstance(name, str) or not name or name.startswith(".") or set(name) & set('/\\:*?"<>|') or "\n" in name:
        raise BenchError(f"--backgrounds {kind}: its name {name!r} cannot be a part of a folder's name; use letters, "
                         "digits, '-' and '_'")  # fmt: skip
    if not isinstance(described, dict) or not isinstance(described.get("kind"), str):
        raise BenchError(f"--backgrounds {kind}: its describe() gives {described!r}; let it return a dict with 'kind', "
                         "'name' and every setting")  # fmt: skip
