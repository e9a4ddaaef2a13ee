"""The settings that all heads have. No torch here, so that `--help` can show them."""

from typing import ClassVar

from benchmark_builder.utils.options import SettingsModel, setting


class HeadSettings(SettingsModel):
    """Base class of a head's settings; its defaults are the published ones, except ``steps``.

    Attributes:
        PUBLISHED_STEPS: length of the published training.
        steps: training steps. batch: normal videos per step, and as many abnormal ones. lr: learning rate.
        weight_decay: as the optimiser takes it (L2). dropout: share of units that are dropped. segments: of equal
        length, to which a training video is reduced.
    """

    PAIR: ClassVar[str] = "--set"
    PUBLISHED_STEPS: ClassVar[int] = 0

    steps: int = setting(1000, "Training steps.", of="steps", ge=1, le=10**7)
    batch: int = setting(32, "Normal videos per step, and as many abnormal ones.", of="videos", ge=1, le=10**4)
    lr: float = setting(1e-3, "Learning rate.", gt=0, le=10)
    weight_decay: float = setting(0.0, "Weight decay (L2).", ge=0, le=1)
    dropout: float = setting(0.7, "Share of units that are dropped in training.", of="share", ge=0, lt=1)
    segments: int = setting(32, "Segments to which a training video is reduced.", of="segments", ge=2, le=10**4)
    smooth: float = setting(8e-4, "Weight of the smoothness of scores over time.", ge=0, le=100)
    sparse: float = setting(8e-3, "Weight of the sparsity of scores.", ge=0, le=100)
