"""ALBAR (Fioresi et al., ICLR 2025): adversarial training against what a still clip gives away.

With x a clip, x̄ one of its frames repeated, p̄ = softmax f(x̄):

    L = CE(f(x), y) − ω_adv·CE(f(x̄), y) + ω_ent·Σ p̄ log p̄ + ω_gp·‖∂ Σ f(x̄) / ∂x̄‖₂

One network, no gradient reversal: both the backbone and the head are pushed to be wrong, and unsure, on stillness.

The published code takes the norm for each column of pixels and averages over the columns, which gives 1/W to 1/√W of
the norm over the whole clip (1/√W where columns share it alike): its weight of 10 is one of 10/√W or less in the
formula. ``finetune`` computes what that code computes (``penalty=reference``); ``penalty=summed`` is the formula.

Beside it, ours and off by default, two kinds of clips without which a network from scratch evades the adversary:

- ``borrow``: it learns to read looks only while something moves, which no still clip can forbid; stills under another
  clip's motion do (:func:`borrowed_motion`).
- ``moved``: it learns to be wrong on stills by their scenery, and so is not wrong where the scenery is another; stills
  of the actor before another clip's scenery are in its stead (:func:`other_scenery`).
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from albar.methods.base import Batch, Companions, Method, Settings, Terms
from albar.methods.common import check_choice, check_count, check_numbers, permutation
from albar.methods.fame import foreground
from benchmark_builder.utils.errors import BenchError

FRONT = 0.4  # share of the picture that FAME's mask fills, for ``moved``


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbarSettings(Settings):
    """Settings of ALBAR; the weights by default are the published ones (HMDB51), and ``finetune`` has the published
    code's forms of penalty and entropy, too.

    Attributes:
        adv: ω_adv, weight of the adversarial cross-entropy.
        ent: ω_ent, weight of the negative entropy.
        gp: ω_gp, weight of the gradient penalty; at 0 it is not computed.
        cap: the static cross-entropy of a sample counts up to ``cap · ln(classes)``, beyond which it has no gradient;
            0 for no cap, as published. Without it −CE has no lower bound, and networks from scratch run away.
        still: the frame of the clip that is repeated: ``middle`` (frame T // 2, published: 16 of 32), ``random`` (one
            a sample), or its index.
        stills: how many still clips a clip gives; more than 1 takes ``random``.
        moved: ours: share of the still clips whose scenery is another clip's, 0..1; 0: none, as published.
        static_frames: how many frames the still clip has: ``auto`` (as few as give the logits of all T and, where there
            is a penalty, its gradients; checked once), ``all``, or a number. With a number, the penalty is that of all
            frames only where frames have equal gradients, as in networks that look at each frame alone.
        penalty: what is differentiated: ``reference`` (the summed logits, with the norm as the published code takes it,
            for each column of pixels; ``finetune``), ``summed`` (the same with the norm over the clip, the paper's
            formula; a head whose columns sum to zero makes both vanish), or ``softmax`` (log p̄ of the true class,
            which no such head can null, with the norm over the clip).
        entropy: ``stable`` (from log-softmax), or ``reference``: p̄ times its logarithm as the published code has it,
            which gives NaN, and so stops the run, where a probability underflows (``finetune``).
        borrow: ours: weight of a second adversarial cross-entropy, on stills under another clip's motion; 0: none, as
            published. One is made of every other clip.
        borrow_cap: where a sample of it stops to count, in ln(classes), as ``cap``; a little above 1 (a uniform guess)
            asks that the still's class be not the answer, and no more.
    """

    adv: float = 1.0
    ent: float = 4.25
    gp: float = 10.0
    cap: float = 0.0
    still: str | int = "middle"
    stills: int = 1
    moved: float = 0.0
    static_frames: str | int = "auto"
    penalty: str = "summed"
    entropy: str = "stable"
    borrow: float = 0.0
    borrow_cap: float = 1.2

    def __post_init__(self) -> None:
        check_numbers(self, "ALBAR", 0, math.inf, "adv", "ent", "gp", "cap", "borrow", "borrow_cap")
        check_numbers(self, "ALBAR", 0, 1, "moved")
        check_count(self, "ALBAR", 1, "stills")
        check_choice(self, "ALBAR", "penalty", "summed", "softmax", "reference")
        check_choice(self, "ALBAR", "entropy", "stable", "reference")
        if not (self.still in ("middle", "random") or _is_count(self.still, 0)):
            raise BenchError(f"ALBAR setting still is {self.still!r}; choose middle, random or a frame from 0")
        if self.stills > 1 and self.still != "random":
            raise BenchError(f"ALBAR setting stills is {self.stills}; with more than 1, set still=random")
        if not (self.static_frames in ("auto", "all") or _is_count(self.static_frames, 1)):
            raise BenchError(
                f"ALBAR setting static_frames is {self.static_frames!r}; choose auto, all or a number from 1"
            )


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


class Albar(Method):
    """The objective above."""

    PRESETS: ClassVar[Mapping[str, AlbarSettings]] = {
        "finetune": AlbarSettings(penalty="reference", entropy="reference"),
        "scratch": AlbarSettings(adv=1.5, ent=1.0, gp=0.0, cap=2.0, still="random", stills=8, moved=0.75, borrow=2.0),
    }
    settings: AlbarSettings

    def __init__(self, settings: AlbarSettings) -> None:
        super().__init__(settings)
        self.static_frames: int | None = None  # None: all; set by prepare

    @property
    def double_backward(self) -> bool:
        return self.settings.gp > 0

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        frames = clip.shape[2]
        self.mean = torch.tensor(companions.sampling.mean, device=clip.device).view(3, 1, 1, 1)
        self.std = torch.tensor(companions.sampling.std, device=clip.device).view(3, 1, 1, 1)
        if isinstance(self.settings.still, int) and self.settings.still >= frames:
            raise BenchError(f"ALBAR setting still is {self.settings.still}, but clips have {frames} frames; lower it")
        wanted = self.settings.static_frames
        if wanted == "auto":
            self.static_frames = fewest_static_frames(model, clip, penalty=self.settings.gp > 0)
        else:
            self.static_frames = min(wanted, frames) if isinstance(wanted, int) else frames

    def loss(
        self, model: nn.Module, batch: Batch, draw: torch.Generator, progress: float
    ) -> tuple[torch.Tensor, Terms]:
        s = self.settings
        ce = functional.cross_entropy(model(batch.clips), batch.labels)
        terms = {"ce": ce.detach()}

        source = batch.clips if batch.plain is None else batch.plain
        still = self.still_clips(source, draw)
        labels = batch.labels.repeat(s.stills, *[1] * (batch.labels.ndim - 1))
        if s.gp > 0:
            still.requires_grad_()
        logits = model(still)
        static_ce = capped_cross_entropy(logits, labels, s.cap)
        negative_entropy = sum_p_log_p(logits, s.entropy).mean()
        terms |= {"static_ce": static_ce.detach(), "static_entropy": -negative_entropy.detach()}
        loss = ce - s.adv * static_ce + s.ent * negative_entropy
        if s.gp > 0:
            # Where the still clip is shortened to n frames: see fewest_static_frames.
            share = math.sqrt(still.shape[2] / batch.clips.shape[2])
            penalty = share * gradient_norm(logits, still, labels, s.penalty)
            loss = loss + s.gp * penalty
            terms["penalty"] = penalty.detach()
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
        """x̄, (B, 3, static_frames, H, W): one frame of each clip, repeated without a copy."""
        batch, _, frames, height, width = clips.shape
        if self.settings.still == "random":
            chosen = torch.randint(frames, (batch,), generator=draw).to(clips.device)
            index = chosen.view(batch, 1, 1, 1, 1).expand(-1, 3, 1, height, width)
            frame = clips.detach().gather(2, index)
        else:
            at = frames // 2 if self.settings.still == "middle" else int(self.settings.still)
            frame = clips.detach()[:, :, at : at + 1]
        return frame.expand(-1, -1, self.static_frames or frames, -1, -1)


def other_scenery(still: torch.Tensor, front: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Still clips (B, 3, T, H, W) that show another clip of the batch outside their ``front``, bool (B, H, W).

    Where the scenery names the class as well as the actor's looks do, the adversary is satisfied by either; here only
    the looks are left to be wrong on. ``front`` is FAME's mask of what moves.
    """
    return torch.where(front[:, None, None], still, still[permutation(len(still), draw, still.device)])


def borrowed_motion(
    clips: torch.Tensor, labels: torch.Tensor, draw: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Stills under the motion of other clips: ``x̄ + (x' − mean over time of x')``, x' a clip drawn from the batch.

    All that speaks for the still's class stands still; all that moves is another's. A network that goes by looks as
    soon as anything moves names the still's class here.

    Args:
        clips: (B, 3, T, H, W), B > 1; labels: int64 (B,) or shares (B, classes); draw: the run's generator.

    Returns:
        Clips (B // 2, 3, T, H, W); the labels of their stills; and bool (B // 2,), False where x' is of the same class,
        so that its motion rightly speaks for it.
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


def sum_p_log_p(logits: torch.Tensor, form: str = "stable") -> torch.Tensor:
    """Σ_k p log p of softmax(logits): (B, K) -> (B,), in −ln K..0.

    ``form``: ``stable``, finite for any finite logits, or ``reference``: NaN where a probability underflows to 0.
    """
    if form == "reference":
        p = functional.softmax(logits, dim=1)
        return (p * p.log()).sum(dim=1)
    log_p = functional.log_softmax(logits, dim=1)
    return (log_p.exp() * log_p).sum(dim=1)


def gradient_norm(logits: torch.Tensor, clips: torch.Tensor, labels: torch.Tensor, penalty: str) -> torch.Tensor:
    """mean_b ‖∂ target_b / ∂clips_b‖₂, over all axes of each sample; differentiable (double backward).

    Args:
        logits: (B, K), a function of ``clips``; each sample's of its own clip only.
        clips: (B, C, T, H, W) that requires grad.
        labels: (B,) or (B, K).
        penalty: ``summed``: target = Σ_k logits; ``softmax``: target = log softmax at the true class; ``reference``:
            target as in ``summed``, but the norm over C, T and H alone, averaged over the W columns.
    """
    log_p = penalty == "softmax"
    target = -functional.cross_entropy(logits, labels, reduction="sum") if log_p else logits.sum()
    (gradient,) = torch.autograd.grad(target, clips, create_graph=True)
    if penalty == "reference":
        # norm() gives a column without gradient (a still one at the picture's rim) the slope 0; sqrt() would give NaN.
        return gradient.flatten(1, 3).norm(dim=1).mean()
    return gradient.flatten(1).norm(dim=1).mean()


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
