"""``albar+stillmix``: StillMix changes the clips, ALBAR's objective trains on them.

The still clips of ALBAR are frames of the clips as they were before the mix, so that the adversarial loss uses still
frames of the class, not frames of the bank. Clips, still clips and labels keep one order; the published combination
reorders the clips and not the labels, and is not implemented.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import nn

from albar.methods.albar_extended import Albar, AlbarSettings
from albar.methods.base import Batch, Companions, Method, MethodSettings, Terms
from albar.methods.stillmix import StillMix
from albar.stillmix_settings import StillMixSettings
from benchmark_builder.utils.options import setting


class AlbarStillMixSettings(MethodSettings):
    """Settings of both parts; no name is in both, so each is set by its own name: ``adv=0.5``, ``p=0.5``."""

    albar: AlbarSettings = setting(..., "ALBAR's.")
    stillmix: StillMixSettings = setting(..., "StillMix's.")

    def replaced(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """As in :class:`MethodSettings`; an unknown name is refused with the choices of both."""
        parts: dict[str, MethodSettings] = {"albar": self.albar, "stillmix": self.stillmix}
        owner = {name: part for part, settings in parts.items() for name in settings.setting_names()}
        own: dict[str, dict[str, Any]] = {part: {} for part in parts}
        for name, value in {**(changes or {}), **more}.items():
            if name not in owner:
                raise self.wrong(name, value, f"no such setting; choose from {', '.join(owner)}")
            own[owner[name]][name] = value
        albar, stillmix = self.albar.replaced(own["albar"]), self.stillmix.replaced(own["stillmix"])
        return type(self)(albar=albar, stillmix=stillmix)


class AlbarStillMix(Method):
    """StillMix, then ALBAR."""

    PRESETS: ClassVar[Mapping[str, AlbarStillMixSettings]] = {
        name: AlbarStillMixSettings(albar=albar, stillmix=StillMix.PRESETS.get(name, StillMix.PRESETS["finetune"]))
        for name, albar in Albar.PRESETS.items()
    }
    NEEDS: ClassVar[frozenset[str]] = StillMix.NEEDS
    settings: AlbarStillMixSettings

    def __init__(self, settings: AlbarStillMixSettings) -> None:
        super().__init__(settings)
        self.albar, self.stillmix = Albar(settings.albar), StillMix(settings.stillmix)

    @property
    def needs(self) -> frozenset[str]:
        return self.stillmix.needs

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        self.stillmix.prepare(model, clip, companions)
        self.albar.prepare(model, clip, companions)

    def augment(self, batch: Batch, draw: torch.Generator) -> Batch:
        return dataclasses.replace(self.stillmix.augment(batch, draw), plain=batch.clips)

    def loss(
        self, model: nn.Module, batch: Batch, draw: torch.Generator, progress: float
    ) -> tuple[torch.Tensor, Terms]:
        return self.albar.loss(model, batch, draw, progress)
