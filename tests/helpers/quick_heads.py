"""An anomaly head that is trained in a moment."""

from benchmark_builder.utils.options import like
from evaluator.downstream.anomaly.mil import MIL, MILSettings


class QuickSettings(MILSettings):
    steps: int = like(MILSettings, "steps", 3)


class Quick(MIL):
    """MIL ranking for three steps."""

    Settings = QuickSettings
