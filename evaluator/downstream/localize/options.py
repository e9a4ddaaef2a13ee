"""The options of `bench downstream localize`."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from benchmark_builder.utils.options import Paths, PathSetting, SettingsModel, Word, setting
from evaluator.parts import LOCALIZERS


class LocalizeOptions(SettingsModel):
    """How actions are localized and scored.

    Attributes:
        head: a name of :data:`~evaluator.parts.LOCALIZERS`, or ``package.module:Name``; of predictions made elsewhere,
            any name, for tables.
        epochs, set: settings of the head. seeds, first_seed: number of trainings, and the seed of the first.
        predictions: files of predictions made elsewhere, one per seed, instead of training.
        truth: annotations, instead of those of the features. subset, classes, leave_out: see
            :func:`~evaluator.downstream.localize.truth.read_truth`.
        name: of the model, in tables. pictures: number of videos to draw.
        device, progress: as everywhere. out: the folder to write.
    """

    head: Word | None = setting(
        None, f"What is trained on the features: {LOCALIZERS.help()}. With --predictions: a name for tables, such as "
        "TriDet.", shown="actionformer", metavar="HEAD",
    )  # fmt: skip
    epochs: int | None = setting(
        None, "Rounds through the training videos, after the warm-up. Published: 30.", ge=1, le=10**5,
        shown="30, of small networks 25",
    )  # fmt: skip
    seeds: int = setting(3, "Number of trainings, with seeds from --first-seed on.", of="seeds", ge=1, le=1000)
    first_seed: int = setting(0, "The first seed.", ge=0, le=2**31)
    set: tuple[str, ...] = setting(
        (), "A setting of the head, e.g. size=published, lr=0.0002, batch=4; may be given several times.",
        metavar="NAME=VALUE",
    )  # fmt: skip
    predictions: Paths = setting(
        (), "Score these predictions instead of training: json of OpenTAD, eval_results.pkl of ActionFormer or TriDet, "
        "or csv; several files: one per seed.", metavar="FILE…",
    )  # fmt: skip
    truth: PathSetting | None = setting(
        None, "Annotations to compare with: a json file as ActionFormer, TriDet, OpenTAD and ActivityNet have it, or a "
        "folder of `bench features`.", shown="those of the features",
    )  # fmt: skip
    subset: Word | None = setting(
        None, "Subset of --truth FILE.json that is scored.", shown="test; validation if no test video is annotated"
    )
    classes: PathSetting | None = setting(
        None, "Class names in label order, one per line (category_idx.txt), for predictions with numbers as labels.",
        shown="label_id of the truth",
    )  # fmt: skip
    leave_out: PathSetting | None = setting(
        None, "Ids of test videos that are not scored, one per line, such as OpenTAD's missing_files.txt.",
        shown="none: a video without predictions counts, all its segments are missed",
    )  # fmt: skip
    name: Word | None = setting(
        None, "Name of the model in tables, if the features do not say it.", shown="that of the features"
    )
    pictures: int = setting(6, "Number of test videos to draw, truth and best predictions over time.", ge=0, le=10**5)
    device: Word = setting("auto", "auto, cpu, cuda, cuda:1 …")
    progress: bool = setting(True, "Show a progress bar.")
    out: PathSetting = setting(Path("localize"), "Results, predictions and pictures go here.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.predictions:
            for name in ("epochs", "set"):
                if getattr(self, name):
                    fix = "is for training; leave it out, --predictions trains nothing"
                    raise self.wrong(name, getattr(self, name), fix)
        else:
            for name in ("truth", "subset", "classes", "name"):
                if getattr(self, name) is not None:
                    raise self.wrong(name, getattr(self, name), "is for --predictions FILE; give both or neither")
        return self
