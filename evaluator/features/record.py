"""features.json as a record: all that determines the features of a folder."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from benchmark_builder.utils.records import FileRecord, Record, Says, Text

RECORD = "features.json"
FIX = "give a folder that `bench features` has finished"

Count = Annotated[int, Field(ge=1, le=10**9), Says("a whole number from 1")]
Rate = Annotated[int | float | None, Field(gt=0, le=1000), Says("a number above 0, or null", null=True)]
Texts = Annotated[list[str], Says("a list of texts")]


class ModelRecord(Record):
    """The model whose features these are; fields as in :class:`~evaluator.models.base.ScoredModel`."""

    source: Text
    kind: Text
    method: Text
    model: Text
    digest: Text
    dataset: Text = ""
    trained_on: Text = ""


class FeaturesRecord(FileRecord):
    """All that determines the features.

    Attributes:
        dataset, splits: of the videos. tasks: task -> its class names in label order; empty without annotations.
        model: the network. sampling: how its clips are cut (:class:`~albar.clips.clips.ClipSampling`). layer: whose
        input or output the features are. precision: number format of the network.
        window, stride: in frames. last: which windows there are at the end of a video, see
        :mod:`evaluator.features.windows`. fps: frame rate that videos were brought to; None: each video's own.
        crops: of each window, in the stored features. crop: how they are cut. merged: number of crops whose mean is
        stored (1: none was merged). dimension: D, length of one feature. layout: the format of the files. versions: of
        the software.
    """

    FORMAT: ClassVar[int] = 1
    WHAT: ClassVar[str] = "a record of `bench features`"

    dataset: Text
    splits: Texts
    tasks: Annotated[Mapping[str, Texts], Says("a table of tasks with their classes")]
    model: ModelRecord
    sampling: Annotated[Mapping[str, object], Says("a table")]
    layer: Text
    precision: Text
    window: Count
    stride: Count
    last: Text
    fps: Rate = None
    crops: Annotated[int, Field(ge=1, le=1000), Says("a whole number from 1")]
    crop: Text = "model"
    merged: Annotated[int, Field(ge=1, le=1000), Says("a whole number from 1")] = 1
    dimension: Count
    layout: Annotated[
        Literal["npy", "rtfm", "urdmu", "actionformer", "opentad"],
        Says("npy, rtfm, urdmu, actionformer or opentad"),
    ]
    versions: Annotated[Mapping[str, object], Says("a table")] = Field(default_factory=dict)
