"""Frozen probes: the backbone is not trained; heads are trained on its features, which are computed once.

    linear     softmax(W φ(x) + b) of the pooled features φ
    attentive  softmax(W pool(tokens) + b): a learned query attends to the tokens (V-JEPA 2, Assran et al. 2025)

One head is trained for each learning rate and weight decay, all at once, and the one with the highest accuracy on the
validation videos is kept. :mod:`albar.training.probe` does this; the loss of each head is plain cross-entropy.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator

from albar.methods.base import Method, MethodSettings
from benchmark_builder.utils.options import as_tuple, setting

MOST_HEADS, LARGEST = 256, 10**6


def _listed(value: object) -> object:
    """One number as a list of one."""
    return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else as_tuple(value)


def _several(values: tuple[float, ...]) -> tuple[float, ...]:
    if not (
        1 <= len(values) <= MOST_HEADS
        and len(set(values)) == len(values)
        and 0 <= min(values) <= max(values) <= LARGEST
    ):
        raise ValueError
    return values


Values = Annotated[tuple[float, ...], BeforeValidator(_listed), AfterValidator(_several)]
_GIVE = f"numbers of at least 0 and at most {LARGEST}, each once, such as [0.01,0.001]"


# V-JEPA 2's for attentive heads; a linear head, whose features have deviation 1, wants larger ones.
LR = {"linear": (0.1, 0.03, 0.01, 0.003, 0.001), "attentive": (0.005, 0.003, 0.001, 0.0003, 0.0001)}
RATES = "; ".join(f"{head} {', '.join(f'{rate:g}' for rate in rates)}" for head, rates in LR.items())


class ProbeSettings(MethodSettings):
    """Settings of a probe; the defaults of the attentive one are those of V-JEPA 2, with one block."""

    head: Literal["linear", "attentive"] = setting(
        "linear",
        "What is trained: linear, on pooled features (any network), or attentive, a learned query over the tokens.",
    )
    clips: int = setting(
        4,
        "Training clips per video, cut as in training; epoch e shows clip e mod clips of each video. Features of all "
        "of them are stored.",
        of="clips", ge=1, le=1000,
    )  # fmt: skip
    lr: Values | None = setting(
        None,
        f"Learning rates; one head is trained for each rate and weight decay. None: {RATES}.",
        give=_GIVE,
    )
    weight_decay: Values = setting((0.01, 0.1, 0.4, 0.8), "Weight decays.", give=_GIVE)
    blocks: int = setting(
        1,
        "Of the attentive head: the last block attends with the query, those before are self-attention (V-JEPA 2: 4).",
        of="blocks", ge=1, le=64,
    )  # fmt: skip
    heads: int = setting(
        16,
        "Attention heads of the attentive head, at most; the largest common divisor with the width is used.",
        of="attention heads", ge=1, le=1024,
    )  # fmt: skip

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates."""
        return self.lr if self.lr is not None else LR[self.head]

    def stored(self) -> dict[str, object]:
        values = {**super().stored(), "lr": self.rates}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


class Probe(Method):
    """Cross-entropy of a head over frozen features."""

    PRESETS: ClassVar[Mapping[str, ProbeSettings]] = {"finetune": ProbeSettings(), "scratch": ProbeSettings()}
    settings: ProbeSettings
