"""Training methods and networks by name, without torch. A new one is its own file and a line here."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark_builder.utils.registry import Registry

if TYPE_CHECKING:
    from albar.clips.clips import ClipSampling

METHODS = Registry(
    "method",
    "METHOD",
    "methods",
    {
        "baseline": "albar.methods.baseline:Baseline",
        "mixup": "albar.methods.mixup:Mixup",
        "videomix": "albar.methods.videomix:VideoMix",
        "sdn": "albar.methods.sdn:SDN",
        "be": "albar.methods.be:BE",
        "actorcutmix": "albar.methods.actorcutmix:ActorCutMix",
        "fame": "albar.methods.fame:Fame",
        "devias": "albar.methods.devias:Devias",
        "stillmix": "albar.methods.stillmix:StillMix",
        "albar": "albar.methods.albar_extended:Albar",
        "albar+stillmix": "albar.methods.albar_stillmix:AlbarStillMix",
        "probe": "albar.methods.probe:Probe",
    },
)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Where a network's code is and which clips it takes by default.

    Attributes:
        module: has ``build(name, classes, sampling, weights)``; imported only when the network is asked for. Empty for
            a network from outside this toolkit, which a function of its own makes.
        sampling: the clips to use by default: a preset's name, or the sampling itself; None: the network does not say.
        pretrained: names of published weights, the first being the usual choice; empty if there are none.
    """

    module: str
    sampling: "str | ClipSampling | None"
    pretrained: tuple[str, ...] = ()


_TORCHVISION = "albar.models.torchvision_video"
_IMAGES = "albar.models.image2d"
_K400 = ("KINETICS400_V1",)
_IN1K = ("IMAGENET1K_V1",)
SPECS: dict[str, ModelSpec] = {
    "small3d": ModelSpec("albar.models.small3d", "8x2-48"),
    "swin3d_t": ModelSpec(_TORCHVISION, "albar-32x2-224", (*_K400, *_IN1K)),
    "swin3d_s": ModelSpec(_TORCHVISION, "albar-32x2-224", (*_K400, *_IN1K)),
    "swin3d_b": ModelSpec(_TORCHVISION, "albar-32x2-224", (*_K400, "KINETICS400_IMAGENET22K_V1", *_IN1K)),
    "mvit_v2_s": ModelSpec(_TORCHVISION, "16x4-224", _K400),
    "mvit_v1_b": ModelSpec(_TORCHVISION, "16x4-224", _K400),
    "s3d": ModelSpec(_TORCHVISION, "32x2-224", _K400),
    "r3d_18": ModelSpec(_TORCHVISION, "16x2-112", _K400),
    "mc3_18": ModelSpec(_TORCHVISION, "16x2-112", _K400),
    "r2plus1d_18": ModelSpec(_TORCHVISION, "16x2-112", _K400),
    "swin_t_2d": ModelSpec(_IMAGES, "32x2-224", _IN1K),
    "resnet18_2d": ModelSpec(_IMAGES, "32x2-224", _IN1K),
    "resnet50_2d": ModelSpec(_IMAGES, "32x2-224", _IN1K),
}


MODELS = Registry("model", "--model", "models", {name: f"{spec.module}:build" for name, spec in SPECS.items()})
