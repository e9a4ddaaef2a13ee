"""``albar+stillmix``: StillMix changes the clips, ALBAR's objective trains on them.

The still clips of ALBAR are frames of the clips as they were before the mix, so that its adversary learns from what
a still frame of the class shows, and not from the bank's frames. Clips, still clips and labels keep one order; the
published combination reorders the clips and not the labels, and is not implemented.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import nn

from albar.methods.albar_extended import Albar, AlbarSettings
from albar.methods.base import Batch, Companions, Method, Settings, Terms
from albar.methods.stillmix import StillMix, StillMixSettings
from benchmark_builder.utils.errors import BenchError


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbarStillMixSettings(Settings):
    """Settings of both parts; no name is in both, so each is set by its own name: ``adv=0.5``, ``p=0.5``.

    Attributes:
        albar: see :class:`albar.methods.albar_extended.AlbarSettings`.
        stillmix: see :class:`albar.methods.stillmix.StillMixSettings`.
    """

    albar: AlbarSettings
    stillmix: StillMixSettings

    def replaced(self, changes: Mapping[str, Any], method: str) -> Self:
        """As in :class:`Settings`; an unknown name is refused with the choices of both."""
        parts = {"albar": self.albar, "stillmix": self.stillmix}
        owner = {f.name: part for part, settings in parts.items() for f in dataclasses.fields(settings)}
        own: dict[str, dict[str, Any]] = {part: {} for part in parts}
        for name, value in changes.items():
            if name not in owner:
                raise BenchError(f"unknown setting {name!r} of method {method}; choose from {', '.join(owner)}")
            own[owner[name]][name] = value
        return dataclasses.replace(
            self,
            albar=self.albar.replaced(own["albar"], method),
            stillmix=self.stillmix.replaced(own["stillmix"], method),
        )


class AlbarStillMix(Method):
    """StillMix, then ALBAR."""

    PRESETS: ClassVar[Mapping[str, AlbarStillMixSettings]] = {
        name: AlbarStillMixSettings(albar=Albar.PRESETS[name], stillmix=StillMix.PRESETS[name])
        for name in ("finetune", "scratch")
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
