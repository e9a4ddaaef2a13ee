"""Does a video model recognise the motion, or only the background and looks? Build bias test videos, train networks,
score models.

    import albar_bench as ab

    bench = ab.build_scuba("hmdb51", root="data/hmdb51")
    result = ab.evaluate(my_module, [bench], sampling="32x2-224", out="results")
    result.figures                      # pandas: figure, percent, low, high, n

Importing this package does not import torch or OpenCV; they are loaded on first use. Errors that the user can fix are
:class:`BenchError`. Messages go to the logger ``albar_bench``: ``logging.basicConfig(level="INFO")`` shows them, and
the progress bars.
"""

from typing import TYPE_CHECKING

from benchmark_builder.utils.lazy import exports

if TYPE_CHECKING:
    from albar_bench.api import (
        Explained,
        Reproduced,
        Result,
        Units,
        audit_units,
        build_conflfg,
        build_kind,
        build_scuba,
        build_scufo,
        detect_anomalies,
        evaluate,
        explain,
        extract_features,
        leaderboard,
        load_benchmark,
        localize_actions,
        predict,
        publish,
        rebuild,
        reproduce,
        score,
        train,
    )
    from albar_bench.benchmark import Benchmark
    from benchmark_builder.utils.errors import BenchError

    __version__: str

__all__ = [
    "BenchError", "Benchmark", "Explained", "Reproduced", "Result", "Units", "__version__", "audit_units",
    "build_conflfg", "build_kind", "build_scuba", "build_scufo", "detect_anomalies", "evaluate", "explain",
    "extract_features", "leaderboard", "load_benchmark", "localize_actions", "predict", "publish", "rebuild",
    "reproduce", "score", "train",
]  # fmt: skip

_API = ("Explained", "Reproduced", "Result", "Units", "audit_units", "build_conflfg", "build_kind", "build_scuba",
        "build_scufo", "detect_anomalies", "evaluate", "explain", "extract_features", "leaderboard", "load_benchmark",
        "localize_actions", "predict", "publish", "rebuild", "reproduce", "score", "train")  # fmt: skip
__getattr__, __dir__ = exports(
    __name__,
    {name: "albar_bench.api" for name in _API}
    | {
        "Benchmark": "albar_bench.benchmark",
        "BenchError": "benchmark_builder.utils.errors",
        "__version__": "albar_bench.version",
    },
)
