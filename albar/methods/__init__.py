"""Training methods by name: one short file each."""

import importlib
from collections.abc import Mapping
from typing import Any

from albar.methods.base import Batch, Companions, Method, Settings, Terms
from benchmark_builder.utils.errors import BenchError

__all__ = ["METHODS", "PRESETS", "Batch", "Companions", "Method", "Settings", "Terms", "make_method"]

# name -> module and class
METHODS = {
    "baseline": ("albar.methods.baseline", "Baseline"),
    "mixup": ("albar.methods.mixup", "Mixup"),
    "videomix": ("albar.methods.videomix", "VideoMix"),
    "sdn": ("albar.methods.sdn", "SDN"),
    "be": ("albar.methods.be", "BE"),
    "actorcutmix": ("albar.methods.actorcutmix", "ActorCutMix"),
    "fame": ("albar.methods.fame", "Fame"),
    "stillmix": ("albar.methods.stillmix", "StillMix"),
    "albar": ("albar.methods.albar", "Albar"),
    "albar+stillmix": ("albar.methods.albar_stillmix", "AlbarStillMix"),
}
PRESETS = ("finetune", "scratch")


def make_method(name: str, preset: str, options: Mapping[str, Any]) -> Method:
    """A method with the settings of ``preset``, some changed by ``options``.

    Raises:
        BenchError: unknown method, preset or setting (the choices are listed), or a value that makes no sense.
    """
    if name not in METHODS:
        raise BenchError(f"unknown method {name!r}; choose from {', '.join(METHODS)}")
    if preset not in PRESETS:
        raise BenchError(f"unknown preset {preset!r}; choose from {', '.join(PRESETS)}")
    module, attribute = METHODS[name]
    kind: type[Method] = getattr(importlib.import_module(module), attribute)
    return kind(kind.PRESETS[preset].replaced(options, name))
