"""Score models: predictions per video, figures recomputed from them, records, leaderboards, reports.

The main names are exported here and imported on first use.
"""

from benchmark_builder.utils.lazy import exports

__getattr__, __dir__ = exports(
    __name__,
    {
        "EvalOptions": "evaluator.options",
        "ModelOptions": "evaluator.options",
        "compute": "evaluator.metrics.figures",
        "load_model": "evaluator.models",
        "read_leaderboard": "evaluator.reports.leaderboard",
    },
)
