"""The options of `bench downstream anomaly`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from benchmark_builder.utils.options import PathSetting, SettingsModel, Word, setting
from evaluator.parts import HEADS


class AnomalyOptions(SettingsModel):
    """How anomalies are learned and scored.

    Attributes:
        head: a name of :data:`~evaluator.parts.HEADS`, or ``package.module:Name``.
        steps: training steps; None takes the head's.
        seeds, first_seed: number of trainings, and the seed of the first.
        set: other settings of the head, ``NAME=VALUE``.
        validation: share of the training videos that chooses the step; 0: the last step is scored.
        every: steps between two looks at the validation videos, and between two rows of training.csv.
        scores: scores made elsewhere, instead of training; see :mod:`~evaluator.downstream.anomaly.scores`.
        device, progress: as everywhere. curves: which pictures to draw. out: the folder to write.
    """

    head: Word = setting("mil", f"What is trained on the features: {HEADS.help()}.", metavar="HEAD")
    steps: int | None = setting(
        None, "Training steps. Published: mil 20,000, rtfm 15,000, mgfn 50,000.", of="steps", ge=1, le=10**7,
        shown="1000",
    )  # fmt: skip
    seeds: int = setting(3, "Number of trainings, with seeds from --first-seed on.", of="seeds", ge=1, le=1000)
    first_seed: int = setting(0, "The first seed.", ge=0, le=2**31)
    set: tuple[str, ...] = setting(
        (), "A setting of the head, e.g. batch=16, lr=0.0001, dropout=0.5; may be given several times.",
        metavar="NAME=VALUE",
    )  # fmt: skip
    validation: float = setting(
        0.0, "Share of the training videos, drawn per class, that chooses the step. The test videos never do.",
        of="share", ge=0, lt=1, shown="0, the last step is scored",
    )  # fmt: skip
    every: int = setting(
        50, "Steps between two looks at the validation videos, and between two rows of training.csv.", of="steps", ge=1,
        le=10**6,
    )  # fmt: skip
    scores: PathSetting | None = setting(
        None, "Score these scores instead of training: a folder of ID.npy, ID.csv or ID.txt, an .npz with an array per "
        "video, or one .npy with all test videos in list order; per window or per frame.",
    )  # fmt: skip
    curves: Literal["pages", "videos", "none"] = setting(
        "pages", "Pictures of the scores over time: pages of 12 test videos, one per video, or none."
    )
    device: Word = setting("auto", "auto, cpu, cuda, cuda:1 …")
    progress: bool = setting(True, "Show a progress bar.")
    out: PathSetting = setting(Path("anomaly"), "Results, scores and pictures go here.")

    @model_validator(mode="after")
    def _no_training_of_scores(self) -> Self:
        if self.scores is not None:
            for name in ("steps", "set", "validation"):
                if getattr(self, name):
                    raise self.wrong(name, getattr(self, name), "is for training; leave it out with --scores")
        return self
