"""The built-in sources of slices and heads of `bench downstream`, by name; imported on first use.

A new one is its own file and a line in `shipped` and in `about` here; `--help`, errors and tests read these tables.
"""

from benchmark_builder.utils.registry import Registry

# Each is `read(request) -> list[Attribute]`, see evaluator/slices/table.py.
SLICES = Registry(
    "source of slices",
    "--slices",
    "slices",
    {
        "pa-hmdb51": "evaluator.slices.pa_hmdb51:read",
        "mimetics": "evaluator.slices.mimetics:read",
        "synthactions": "evaluator.slices.synthactions:read",
        "temporal-static": "evaluator.slices.classes:temporal_static",
        "classes": "evaluator.slices.classes:read",
        "quantiles": "evaluator.slices.numbers:read",
        "scene-distance": "evaluator.slices.scenes:read",
        "mask-area": "evaluator.slices.measured:mask_area",
        "actors": "evaluator.slices.measured:actors",
        "camera-motion": "evaluator.slices.measured:camera_motion",
    },
    {
        "pa-hmdb51": "pa-hmdb51[:FOLDER] (people in HMDB51)",
        "mimetics": "mimetics[:FILE] (object, scene, mimed)",
        "synthactions": "synthactions[:ROOT] (whether scenery and clothing agree with the class)",
        "temporal-static": "temporal-static (32 + 32 classes of Kinetics-400)",
        "classes": "classes:FILE.csv",
        "quantiles": "quantiles:FILE.csv (numbers)",
        "scene-distance": "scene-distance:FILE (csv or npz)",
    },
)

# Each is a subclass of evaluator.downstream.anomaly.base.Head.
HEADS = Registry(
    "anomaly head",
    "--head",
    "heads",
    {
        "mil": "evaluator.downstream.anomaly.mil:MIL",
        "rtfm": "evaluator.downstream.anomaly.rtfm:RTFM",
        "mgfn": "evaluator.downstream.anomaly.mgfn:MGFN",
    },
    {
        "mil": "mil (ranking, Sultani et al. 2018)",
        "rtfm": "rtfm (Tian et al. 2021)",
        "mgfn": "mgfn (Chen et al. 2023; of ALBAR's table)",
    },
)

# Each is a subclass of evaluator.downstream.localize.base.Head.
LOCALIZERS = Registry(
    "localization head",
    "--head",
    "localizers",
    {"actionformer": "evaluator.downstream.localize.actionformer:ActionFormer"},
    {"actionformer": "actionformer (Zhang et al. 2022)"},
)
