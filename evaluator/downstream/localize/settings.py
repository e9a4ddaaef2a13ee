"""Settings of localization heads. No torch here, so that `--help` can show them."""

from typing import Any, ClassVar, Literal

from benchmark_builder.utils.options import SettingsModel, setting

# What `size` says of settings that are not given. published: THUMOS14 of ActionFormer (configs/thumos_i3d.yaml).
SIZES: dict[str, dict[str, Any]] = {
    "published": {"epochs": 30, "warmup": 5, "lr": 1e-4, "dimension": 512, "levels": 6, "attention": 19,
                  "windows": 2304, "ema_grows": False},
    "small": {"epochs": 25, "warmup": 5, "lr": 1e-3, "dimension": 128, "attention": 9, "ema_grows": True},
}  # fmt: skip
LONG = 576  # windows that one pass of the published network takes at least


class HeadSettings(SettingsModel):
    """Base class of a head's settings."""

    PAIR: ClassVar[str] = "--set"


class ActionFormerSettings(HeadSettings):
    """Settings of ActionFormer. None: as ``size`` says.

    Attributes:
        size: ``published``: everything as for THUMOS14. ``small``: for short videos: a smaller network, as many levels
            as they need. ``auto``: published if a training video has at least :data:`LONG` windows.
        epochs, warmup: rounds through the training videos, and more of them before with a growing rate.
        windows: the longest part of a video in training (``max_seq_len``).
        dimension: of the network. levels: of its pyramid; each halves the time. attention: windows that a window sees.
        ema_grows: the mean of the weights starts with few steps and grows; else ``ema`` counts from the first step on.
    """

    size: Literal["auto", "published", "small"] = setting("auto", "Size of the network.")
    epochs: int | None = setting(None, "Rounds through the training videos after the warm-up.", ge=1, le=10**5)
    warmup: int | None = setting(None, "Rounds with a growing learning rate before.", ge=0, le=10**5)
    batch: int = setting(2, "Videos per step.", of="videos", ge=1, le=10**4)
    lr: float | None = setting(None, "Learning rate of AdamW.", gt=0, le=10)
    weight_decay: float = setting(0.05, "Weight decay.", ge=0, le=1)
    windows: int | None = setting(None, "Longest part of a video in training.", of="windows", ge=1, le=10**5)
    dimension: int | None = setting(None, "Width of the network; divisible by 4 heads.", ge=4, le=2**14)
    levels: int | None = setting(None, "Levels of the pyramid.", of="levels", ge=1, le=12)
    attention: int | None = setting(
        None, "Windows that a window sees in the attention; odd.", of="windows", ge=5, le=10**4
    )
    crop: float = setting(0.9, "Smallest share of a video that a step shows.", of="share", gt=0, le=1)
    cut: float = setting(0.5, "Share of a segment that must be inside to count.", of="share", ge=0, le=1)
    clip: float = setting(1.0, "Largest norm of gradients; 0: any.", ge=0, le=10**6)
    dropout: float = setting(0.0, "Share of units that are dropped.", of="share", ge=0, lt=1)
    droppath: float = setting(0.1, "Share of branches that are dropped.", of="share", ge=0, lt=1)
    ema: float = setting(0.999, "Decay of the mean of the weights, which is scored; 0: the last weights.", ge=0, lt=1)
    ema_grows: bool | None = setting(None, "Whether the mean starts with few steps.")
    min_score: float = setting(0.001, "Smallest score of a prediction.", of="share", ge=0, le=1)
    voting: float = setting(0.7, "tIoU of segments that are averaged.", of="share", ge=0, le=1)
    sigma: float = setting(0.5, "Of soft non-maximum suppression.", gt=0, le=100)
    candidates: int = setting(2000, "Predictions of a video before suppression.", ge=1, le=10**6)
    most: int = setting(200, "Predictions of a video.", ge=1, le=10**6)

    def resolved(self, longest: int) -> dict[str, Any]:
        """All settings without None, for training videos of at most ``longest`` windows.

        Raises:
            BenchError: ``windows`` cannot be divided as pyramid and attention need it.
        """
        size = self.size if self.size != "auto" else "published" if longest >= LONG else "small"
        found = {**self.model_dump(), "size": size}
        for name, value in SIZES[size].items():
            if found[name] is None:
                found[name] = value
        step = max(2 * (found["attention"] // 2), 1)
        if found["levels"] is None:  # as many as halve the longest video to about one attention window
            found["levels"] = min(max((longest // step).bit_length(), 2), 6)
        step *= 2 ** (found["levels"] - 1)
        if found["windows"] is None:
            found["windows"] = -(-longest // step) * step
        if found["windows"] % step:
            fix = (f"give a multiple of {step}, which {found['levels']} levels with an attention of "
                   f"{found['attention']} need")  # fmt: skip
            raise self.wrong("windows", found["windows"], fix)
        if found["dimension"] % 4:
            raise self.wrong("dimension", found["dimension"], "give a multiple of 4")
        return found
