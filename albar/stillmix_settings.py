"""All settings of StillMix (Li et al., ICCV 2023): for the mix, for its bank of still frames, and for the 2-D reference
network that selects them. The tables here have the values that depend on the preset. This module imports no torch."""

from typing import Literal

from albar.method_settings import MethodSettings
from benchmark_builder.utils.options import PathSetting, SettingsModel, setting, share


class StillMixSettings(MethodSettings):
    """Settings of the mix, changed with ``--set NAME=VALUE``."""

    a: float = setting(
        200.0,
        "a of the Beta distribution; published for HMDB51 and UCF101: a = b = 200, so λ is close to 0.5.",
        ge=1e-3,
        le=1e6,
    )
    b: float = setting(200.0, "b of the Beta distribution.", ge=1e-3, le=1e6)
    p: float = share(
        0.75,
        "Probability that a clip is mixed. Published for Swin-T on HMDB51: 0.75 with Kinetics weights and τ = 0.1 "
        "(finetune), 0.5 with ImageNet's and τ = 0.5 (scratch).",
    )
    frames: Literal["bank", "random"] = setting(
        "bank", "Source of z: bank, or random (a random frame of a different clip of the batch)."
    )


MIX = {"finetune": StillMixSettings(), "scratch": StillMixSettings(p=0.5)}


class BankSettings(SettingsModel):
    """Settings of the bank and of the reference run; part of a run's settings, see
    :class:`albar.training.settings.TrainSettings`."""

    reference: PathSetting | None = setting(
        None,
        "Run of `bench train reference2d`, for stillmix.",
        shown="alongside this run, trained first if missing",
        panel="Method",
    )
    tau: float | None = setting(
        None,
        "Share of the frames to leave out of stillmix's bank: those from which the reference guesses worst.",
        shown="the preset's",
        of="share",
        ge=0,
        lt=1,
        panel="Method",
    )
    bank: int = setting(1024, "Frames in stillmix's bank.", of="frames", ge=1)
    bank_resize: Literal["plain", "antialias"] | None = setting(
        None,
        "How they are resized to the clip: plain (bilinear from the nearest four pixels, as published) or antialias.",
        shown="the preset's",
    )
    score_every: int = setting(
        1,
        "The 2-D reference scores each n-th frame of a video; published: every frame, for Kinetics each 20th.",
        of="frames",
        ge=1,
    )


# Values of the bank by preset, for settings that are None. τ is published for Swin-T on HMDB51, with Kinetics' weights
# and with ImageNet's.
TAU = {"finetune": 0.1, "scratch": 0.5, "pretrained": 0.1}
BANK_RESIZE = {"finetune": "plain", "scratch": "antialias", "pretrained": "plain"}
RESIZED_BEFORE = {"bank_resize": "antialias"}  # value for runs whose record does not have it

REFERENCE = "reference2d"  # name of the reference run in `bench train`
# Its recipe with `finetune`; published: 0.04 with 256 frames per step, 0.01 with 64.
PUBLISHED: dict[str, object] = {
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
# Published training crops: the frame is squashed to a square with sides of so many pixels, and a random square of 224
# pixels is cut from it.
SQUASHED = {"swin_t_2d": 232, "resnet50_2d": 256}
