"""Train networks: models, clip sampling, one file per method, the trainer, checkpoints. Works without the command line.

The main names are exported here and imported on first use.
"""

from benchmark_builder.utils.lazy import exports

__getattr__, __dir__ = exports(
    __name__,
    {
        "ClipSampling": "albar.clips.clips",
        "Method": "albar.methods",
        "TrainSettings": "albar.training.settings",
        "build_model": "albar.models",
        "load_checkpoint": "albar.checkpoint",
        "make_method": "albar.methods",
        "make_settings": "albar.training.settings",
        "train": "albar.training.trainer",
    },
)
