"""The interface of a training method: the training loop is written once, and a method overrides the objective."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from albar.clips.clips import ClipSampling
from albar.method_settings import AnySettings, MethodSettings, Settings

__all__ = ["AnySettings", "Batch", "Companions", "Method", "MethodSettings", "Settings", "Terms"]

Terms = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """The data of one training step, on the run's device.

    Attributes:
        clips: float32 (B, 3, T, H, W), normalised.
        labels: int64 (B,), or class shares float32 (B, classes) after an augmentation that mixes labels.
        actors: float32 (B, 1, T, H, W), 0..1, 1 on the actors, cut like the clips; for a method that needs them.
        scenes: float32 (B, scenes), shares that sum to 1: how likely each scene is; for a method that needs them.
        plain: the clips before an augmentation changed them; None: they were not changed.
    """

    clips: torch.Tensor
    labels: torch.Tensor
    actors: torch.Tensor | None = None
    scenes: torch.Tensor | None = None
    plain: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Companions:
    """The data of a run in addition to the clips.

    Attributes:
        classes: number of classes.
        sampling: how clips are cut and normalised.
        scenes: number of scenes in ``Batch.scenes``; 0: none.
        bank: StillMix's still frames, uint8 (frames, 3, size, size), on the CPU; None: none.
        scene_names: the scenes in the order of ``Batch.scenes``.
    """

    classes: int
    sampling: ClipSampling
    scenes: int = 0
    bank: torch.Tensor | None = None
    scene_names: tuple[str, ...] = ()


class Method:
    """Plain cross-entropy; methods override :meth:`augment`, :meth:`loss` or both; :meth:`adapted` changes the
    network.

    Class attributes:
        PRESETS: settings by preset name; every method has ``finetune`` (as published, from pretrained weights) and
            ``scratch`` (small networks without them); ``pretrained`` (small networks with them) where it is not
            ``finetune``.
        NEEDS: what the method may need in addition to clips and labels: some of ``actors``, ``scenes`` (see
            :class:`Batch`) and ``bank`` (see :class:`Companions`). :attr:`needs` says what it needs with its settings.
        by_progress: whether :meth:`loss` depends on ``progress``; the number of epochs of a run is then fixed.

    Attributes:
        extra: parameters that the method trains in addition to the network's; no checkpoint needs them; None: none.
            Set by :meth:`prepare`, on the run's device.
        extra_lr: factor of their learning rate.
    """

    PRESETS: ClassVar[Mapping[str, AnySettings]] = {"finetune": MethodSettings(), "scratch": MethodSettings()}
    NEEDS: ClassVar[frozenset[str]] = frozenset()
    by_progress: ClassVar[bool] = False

    def __init__(self, settings: AnySettings) -> None:
        self.settings = settings
        self.extra: nn.Module | None = None
        self.extra_lr = 1.0

    @property
    def needs(self) -> frozenset[str]:
        """What is needed in addition to clips and labels with these settings: all or some of :attr:`NEEDS`."""
        return self.NEEDS

    @property
    def double_backward(self) -> bool:
        """Whether the objective contains a gradient, so that training differentiates twice."""
        return False

    def adapted(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> nn.Module:
        """The network to train, made of ``model``: the same, or one with another head, on its device.

        Args:
            model, clip, companions: as for :meth:`prepare`, which is called with the result.
        """
        return model

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        """Look at the network once before training.

        Args:
            model: on the run's device.
            clip: one clip of the run's shape, float32 (1, 3, T, H, W), on that device; its values do not matter.
            companions: what the run has alongside the clips, including all that :attr:`needs` names.
        """

    def augment(self, batch: Batch, draw: torch.Generator) -> Batch:
        """Change clips, and labels with them; every draw comes from ``draw``, a CPU generator of this step."""
        return batch

    def watched(self, model: nn.Module, clips: torch.Tensor, scenes: torch.Tensor) -> dict[str, torch.Tensor]:
        """Figures of validation clips besides accuracy, for a method that needs scenes: name -> bool (B,), whether it
        is right; ``val_NAME`` in the log is the share in percent.

        Args:
            model: in evaluation mode, without gradients.
            clips: float32 (B, 3, T, H, W), normalised. scenes: float32 (B, scenes), as in :class:`Batch`.
        """
        return {}

    def loss(
        self, model: nn.Module, batch: Batch, draw: torch.Generator, progress: float
    ) -> tuple[torch.Tensor, Terms]:
        """The objective of one step.

        Args:
            model: in training mode; clips -> logits (B, classes).
            batch: after :meth:`augment`.
            draw: CPU generator of this step.
            progress: share of the run that is finished, 0..1.

        Returns:
            The scalar to minimise, and its terms (detached scalars, unweighted) for the log.
        """
        ce = functional.cross_entropy(model(batch.clips), batch.labels)
        return ce, {"ce": ce.detach()}
