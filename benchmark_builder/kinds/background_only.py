"""Background only (HAT: Chung et al., "Enabling Detailed Action Recognition Evaluation Through Video Dataset
Augmentation", NeurIPS 2022): the actor is removed and its place filled in.

HAT fills in with a network (E2FGVI). Here, places are filled from frames that show them uncovered, see
:mod:`benchmark_builder.kinds.filling`, or with frames that the user has filled in with another program.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.kinds.base import About
from benchmark_builder.kinds.filling import Count
from benchmark_builder.kinds.sources import WithoutActor


class BackgroundOnly(WithoutActor):
    """Remove the actor and fill in the background (HAT); low accuracy is good."""

    about: ClassVar[About] = About(
        name="background-only",
        title="Background only",
        explained="the actor is removed: the answer should not be right",
        good="low",
        short="bg only",
        figure="background_only",
        heading="Background only",
    )
    actor_stays: ClassVar[bool] = True

    @property
    def set_name(self) -> str:
        return "filled" if self.inpainted is None else "inpainted"

    def shows(self, scuba: Benchmark, row: Row, seed: int) -> Row:
        return row

    @classmethod
    def shown_in(cls, row: Row) -> str:
        return row.source_id

    def frames(self, scuba: Benchmark, row: Row, seed: int) -> Iterator[np.ndarray]:
        return self.background(scuba, row, Count())

    def started(self, scuba: Benchmark, row: Row, seed: int) -> tuple[dict[str, Any], Iterator[np.ndarray]]:
        columns: dict[str, Any] = {"background": self.set_name}
        return columns, self.counted(scuba, row, columns)

    def again(
        self, benchmark: Benchmark, scuba: Benchmark, row: Row, base: Row
    ) -> tuple[dict[str, Any], Iterator[np.ndarray]]:
        columns: dict[str, Any] = {"background": benchmark.background_set}
        return columns, self.counted(scuba, base, columns)

    def counted(self, scuba: Benchmark, row: Row, columns: dict[str, Any]) -> Iterator[np.ndarray]:
        """The filled frames; then ``columns`` gets the share that was never uncovered."""
        count = Count()
        yield from self.background(scuba, row, count)
        if self.inpainted is None:
            columns["covered"] = round(count.share, 6)
