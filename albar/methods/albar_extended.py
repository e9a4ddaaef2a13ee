"""``bench train albar``: ALBAR's objective (:mod:`albar.methods.albar`) with additions of this project, all off by
default.

Without them, the adversarial loss does not have the desired effect on a network that is trained from scratch (trials:
docs/scratch.md):

- ``cap``: −CE has no lower bound, so training from scratch diverges; a sample's static cross-entropy has no effect when
  it is large enough.
- ``stills``: several still clips per clip.
- ``moved``: the network learns to be wrong on stills by recognising their scenery, and so is not wrong with another
  scenery; some stills show the actor in front of another clip's scenery instead (:func:`other_scenery`).
- ``borrow``: it learns to use looks only while something moves, which still clips cannot prevent; stills with another
  clip's motion can (:func:`borrowed_motion`).
- ``static_frames``: for some networks, a still clip of fewer frames gives the same numbers in less time
  (:func:`fewest_static_frames`).
"""

import copy
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional

from albar.methods.albar import PaperAlbar, PaperSettings, unmixed
from albar.methods.base import Batch, Companions, Terms
from albar.methods.common import permutation
from albar.methods.fame import foreground
from benchmark_builder.utils.options import setting, share

FRONT = 0.4  # share of the picture that FAME's mask fills, for ``moved``
# The order of the settings in stored records: a run's files stay the same, byte for byte.
_STORED = ("adv", "ent", "gp", "cap", "still", "stills", "moved", "static_frames", "penalty", "entropy", "borrow",
           "borrow_cap")  # fmt: skip


class AlbarSettings(PaperSettings):
    """Settings of ALBAR: those of the paper (:class:`albar.methods.albar.PaperSettings`), and the additions."""

    cap: float = setting(
        0.0,
        "The static cross-entropy of a sample counts up to cap · ln(classes), beyond which it has no gradient; 0: no "
        "cap, as published.",
        ge=0,
    )
    stills: int = setting(
        1, "How many still clips are made of each clip; more than 1 requires still=random.", of="clips", ge=1, le=1000
    )
    moved: float = share(
        0.0, "Not in the paper: share of still clips with another clip's scenery; 0: none, as published."
    )
    static_frames: Literal["auto", "all"] | Annotated[int, Field(ge=1)] = setting(
        "auto",
        "How many frames the still clip has: auto (as few as give the logits of all T and, where there is a penalty, "
        "its gradients; checked once), all, or a number. With a number, the penalty is that of all frames only where "
        "frames have equal gradients, as in networks that look at each frame alone.",
        give="auto, all or a number from 1",
    )
    borrow: float = setting(
        0.0,
        "Ours: weight of a second adversarial cross-entropy, on stills under another clip's motion; 0: none, as "
        "published. One is made of every other clip.",
        ge=0,
    )
    borrow_cap: float = setting(
        1.2,
        "Where a sample of it stops to count, in ln(classes), as cap; a little above 1 (a uniform guess) asks that the "
        "still's class be not the answer, and no more.",
        ge=0,
    )

    @model_validator(mode="after")
    def _random_stills(self) -> Self:
        if self.stills > 1 and self.still != "random":
            raise self.wrong("stills", self.stills, "with more than 1, set still=random")
        return self

    def stored(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _STORED}


class Albar(PaperAlbar):
    """The paper's objective, with the additions above."""

    PRESETS: ClassVar[Mapping[str, AlbarSettings]] = {
        "finetune": AlbarSettings(penalty="reference", entropy="reference"),
        "scratch": AlbarSettings(adv=1.5, ent=1.0, gp=0.0, cap=2.0, still="random", stills=8, moved=0.75, borrow=2.0),
        # Trials: docs/pretrain.md.
        "pretrained": AlbarSettings(ent=1.0, gp=0.0, cap=2.0, still="random", stills=8, moved=0.25),
    }
    settings: AlbarSettings

    def __init__(self, settings: AlbarSettings) -> None:
        super().__init__(settings)
        self.static_frames: int | None = None  # None: all; set by prepare

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        super().prepare(model, clip, companions)
        frames, wanted = clip.shape[2], self.settings.static_frames
        self.frames = frames
        self.mean = torch.tensor(companions.sampling.mean, device=clip.device).view(3, 1, 1, 1)
        self.std = torch.tensor(companions.sampling.std, device=clip.device).view(3, 1, 1, 1)
        if wanted == "auto":
            self.static_frames = fewest_static_frames(model, clip, penalty=self.settings.gp > 0)
        else:
            self.static_frames = min(wanted, frames) if isinstance(wanted, int) else frames

    def loss(
        self, model: nn.Module, batch: Batch, draw: torch.Generator, progress: float
    ) -> tuple[torch.Tensor, Terms]:
        loss, terms = super().loss(model, batch, draw, progress)
        s, source = self.settings, unmixed(batch)
        if s.borrow > 0 and len(source) > 1:
            mixed, own, counts = borrowed_motion(source, batch.labels, draw)
            borrowed_ce = capped_cross_entropy(model(mixed), own, s.borrow_cap, counts)
            loss = loss - s.borrow * borrowed_ce
            terms["borrowed_ce"] = borrowed_ce.detach()
        return loss, terms

    def still_clips(self, clips: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        """``stills`` still clips of every clip, (stills · B, 3, static_frames, H, W), the first of all clips first."""
        made = [self.still_clip(clips, draw) for _ in range(self.settings.stills)]
        elsewhere = round(self.settings.moved * len(made))
        if elsewhere:
            front = foreground(clips * self.std + self.mean, FRONT)
            made[:elsewhere] = [other_scenery(still, front, draw) for still in made[:elsewhere]]
        return torch.cat(made) if len(made) > 1 else made[0]

    def still_clip(self, clips: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        """As the paper's, shortened to ``static_frames``."""
        return super().still_clip(clips, draw)[:, :, : self.static_frames]

    def static_cross_entropy(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return capped_cross_entropy(logits, self._of_stills(labels), self.settings.cap)

    def gradient_penalty(self, logits: torch.Tensor, still: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        # Where the still clip is shortened to n frames: see fewest_static_frames.
        share = math.sqrt(still.shape[2] / self.frames)
        return share * super().gradient_penalty(logits, still, self._of_stills(labels))

    def _of_stills(self, labels: torch.Tensor) -> torch.Tensor:
        """The labels of :meth:`still_clips`, from those of the clips: (B,) or (B, classes)."""
        return labels.repeat(self.settings.stills, *[1] * (labels.ndim - 1))


def other_scenery(still: torch.Tensor, front: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Still clips (B, 3, T, H, W) that show another clip of the batch outside their ``front``, bool (B, H, W).

    If scenery and looks both reveal the class, the network can satisfy the adversarial loss with either; here only the
    looks reveal it. ``front`` is FAME's mask of what moves.
    """
    return torch.where(front[:, None, None], still, still[permutation(len(still), draw, still.device)])


def borrowed_motion(
    clips: torch.Tensor, labels: torch.Tensor, draw: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Stills with the motion of other clips: ``x̄ + (x' − mean over time of x')``, x' a clip drawn from the batch.

    Everything that shows the class of the still does not move; the motion is from another clip. A network that uses
    looks as soon as anything moves predicts the still's class here.

    Args:
        clips: (B, 3, T, H, W), B > 1; labels: int64 (B,) or shares (B, classes); draw: the run's generator.

    Returns:
        Clips (B // 2, 3, T, H, W); the labels of their stills; and bool (B // 2,), False where x' is of the same class,
        so that its motion correctly shows this class.
    """
    batch, _, frames, _, _ = clips.shape
    first, second = torch.randperm(batch, generator=draw)[: batch // 2 * 2].to(clips.device).chunk(2)
    moving = clips.detach()[second]
    mixed = clips.detach()[first, :, frames // 2 : frames // 2 + 1] + moving - moving.mean(2, keepdim=True)
    kinds = labels if labels.ndim == 1 else labels.argmax(1)
    return mixed, labels[first], kinds[first] != kinds[second]


def capped_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, cap: float, counts: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean cross-entropy of logits (B, K), each sample's clamped at ``cap · ln K`` (0: not clamped).

    ``counts``: bool (B,), the samples that count; None: all. 0 if none does.
    """
    each = functional.cross_entropy(logits, labels, reduction="none")
    if cap > 0:
        each = each.clamp(max=cap * math.log(logits.shape[1]))
    return each.mean() if counts is None else (each * counts).sum() / counts.sum().clamp(min=1)


# In float64 a network that ignores the number of repeats agrees to about 1e-13 of its largest logit (rounding of sums
# of some 1e4 terms); one that does not is off by far more than 1e-9 once its parameters are shaken.
_SAME = 1e-9


def fewest_static_frames(model: nn.Module, clip: torch.Tensor, penalty: bool = False) -> int:
    """The fewest repeats n (1, 2, 4, … or T) of a frame whose logits equal those of T repeats.

    With ``penalty`` the gradients of the summed logits must agree, too: each of the T frames has the same, n/T of that
    of each of n frames. The norm over T frames is then √(n/T) times the norm over n. Where frames have gradients of
    their own (at the ends of the clip; from changes between frames, which cancel in the sum) no factor gives it.

    Checked in float64 on a copy of the network with every parameter shaken, since position tables that start at zero
    would hide a dependence that training brings out.

    Args:
        model: left as it is.
        clip: (1, 3, T, H, W), gives shape and device.
        penalty: whether gradients matter.
    """
    network = copy.deepcopy(model).double().eval()
    draw = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64).to(parameter.device))
    _, channels, frames, height, width = clip.shape
    frame = torch.randn(1, channels, 1, height, width, generator=draw, dtype=torch.float64).to(clip.device)

    def still(n: int) -> torch.Tensor:
        return frame.expand(-1, -1, n, -1, -1)

    with torch.no_grad():
        full = network(still(frames))
    n = 1
    while n < frames:
        try:
            with torch.no_grad():
                same = bool((network(still(n)) - full).abs().max() <= _SAME * full.abs().max())
            if same and (not penalty or _equal_gradients(network, still(frames), still(n))):
                return n
        except (RuntimeError, ValueError, AssertionError):  # a network of fixed or least length
            pass
        n *= 2
    return frames


def _equal_gradients(network: nn.Module, full: torch.Tensor, short: torch.Tensor) -> bool:
    """Whether every frame of ``full`` has the gradient that each of ``short`` has, times the ratio of their lengths."""
    found = []
    for clip in (full, short):
        x = clip.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(network(x).sum(), x)
        found.append(gradient * clip.shape[2])
    one = found[0][:, :, :1]
    off = torch.stack([(gradient - one).abs().max() for gradient in found])
    return bool(off.max() <= _SAME * one.abs().max())
