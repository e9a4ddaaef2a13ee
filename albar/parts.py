"""Training methods by name, without torch. A new one is its own file in albar/methods and a line here."""

from benchmark_builder.utils.registry import Registry

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
        "stillmix": "albar.methods.stillmix:StillMix",
        "albar": "albar.methods.albar_extended:Albar",
        "albar+stillmix": "albar.methods.albar_stillmix:AlbarStillMix",
    },
)
