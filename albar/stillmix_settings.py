"""All settings of StillMix (Li et al., ICCV 2023): of the mix, of its bank of still frames, and of the 2-D reference
network that chooses them. What depends on the preset is in the tables here. Imports without torch."""

from typing import Any, Literal

from albar.method_settings import MethodSettings
from benchmark_builder.utils.options import PathSetting, SettingsModel, setting, share


class StillMixSettings(MethodSettings):
    """Settings of the mix, changed with ``--set NAME=VALUE``."""

    a: float = setting(
        200.0,
        "Of the Beta distribution, with b; published for HMDB51 and UCF101: 200 and 200, λ close to 0.5.",
        ge=1e-3,
        le=1e6,
    )
    b: float = setting(200.0, "Of the Beta distribution, with a.", ge=1e-3, le=1e6)
    p: float = share(
        0.75,
        "Chance of a clip to be mixed. Published for Swin-T on HMDB51: 0.75 from Kinetics weights with τ = 0.1 "
        "(finetune), 0.5 from ImageNet's with τ = 0.5 (scratch).",
    )
    frames: Literal["bank", "random"] = setting(
        "bank", "Where z comes from: bank, or random, a random frame of a different clip of the batch."
    )


MIX = {"finetune": StillMixSettings(), "scratch": StillMixSettings(p=0.5)}


class BankSettings(SettingsModel):
    """Settings of the bank and of the reference run: part of a run's settings, see
    :class:`albar.training.settings.TrainSettings`."""

    reference: PathSetting | None = setting(
        None,
        "Run of `bench train reference2d`, for stillmix.",
        shown="alongside this run, trained first if missing",
        panel="Method",
    )
    tau: float | None = setting(
        None,
        "Share of frames, those from which the reference guesses worst, left out of stillmix's bank.",
        shown="the preset's",
        of="share",
        ge=0,
        lt=1,
        panel="Method",
    )
    bank: int = setting(1024, "Frames in stillmix's bank.", of="frames", ge=1)
    bank_resize: Literal["plain", "antialias"] | None = setting(
        None,
        "How they are stretched to the clip: plain (bilinear of the nearest four pixels, as published) or antialias.",
        shown="the preset's",
    )
    score_every: int = setting(
        1,
        "The 2-D reference scores every so many frames of a video; published: all, on Kinetics each 20th.",
        of="frames",
        ge=1,
    )


# Of the bank, by preset, where the settings say None. τ is published for Swin-T on HMDB51, from Kinetics' weights and
# from ImageNet's.
TAU = {"finetune": 0.1, "scratch": 0.5}
BANK_RESIZE = {"finetune": "plain", "scratch": "antialias"}
RESIZED_BEFORE = {"bank_resize": "antialias"}  # what runs did whose record does not say it

REFERENCE = "reference2d"  # what `bench train` calls the reference run
# How it is trained in `finetune`; published are 0.04 at 256 frames a step and 0.01 at 64.
PUBLISHED: dict[str, Any] = {
    "epochs": 50,
    "batch": 64,
    "accumulate": 1,
    "optimiser": "sgd",
    "lr": 0.01,
    "backbone_lr": 1.0,
    "momentum": 0.0,
    "weight_decay": 1e-5,
    "decay": "all",
    "warmup": 0.0,
    "warmup_from": 0.0,
    "schedule": "step",
    "by_epoch": False,
    "milestones": (0.4, 0.8),
    "gamma": 0.1,
    "clip_gradient": 0.0,
    "weights": "IMAGENET1K_V1",
    "dropout": 0.0,
}
# Published training crops: the frame squashed to a square of so many pixels, of which a random 224 are taken.
SQUASHED = {"swin_t_2d": 232, "resnet50_2d": 256}
