"""Appearance free: noise that moves with the optical flow of the original video (Ilic, Pock & Wildes, "Is Appearance
Free Action Recognition Possible?", ECCV 2022).

No single frame contains any information on the video, only the changes from frame to frame do: the opposite of SCUFO.
How the noise moves, and why every frame is pure noise: :mod:`benchmark_builder.video.noise`.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import cv2
import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.benchmark.protocol_record import ProtocolRecord
from benchmark_builder.kinds.base import About, setting
from benchmark_builder.kinds.flow import flow_named
from benchmark_builder.kinds.sources import FromSources
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.flow import Flow
from benchmark_builder.video.noise import moving_noise
from benchmark_builder.video.selection import indices, source_frames


class AppearanceFree(FromSources):
    """Move noise along the optical flow of every source video, so that no single frame shows anything.

    Attributes:
        flow: ``dis``, or ``raft:FILE``.
        colour: ``grey`` noise, which H.264 stores at full resolution, or ``rgb``, whose colours it stores at half.
        cell: width and height of a grain of noise, in pixels. Larger ones stay visible if a network sees smaller
            pictures; motion is then shown in steps of this size.
    """

    about: ClassVar[About] = About(
        name="appearance-free",
        title="Appearance free",
        explained="noise that moves as in the video: the answer should still be right",
        short="no looks",
        figure="appearance_free",
        heading="Appearance free",
        published="APPEARANCE_FREE",
    )
    actor_stays: ClassVar[bool] = True

    flow: str = setting(
        "dis", "Optical flow: dis (OpenCV), or raft:FILE (torchvision's RAFT with weights from a file)."
    )
    colour: Literal["grey", "rgb"] = setting("grey", "Colour of the noise.")
    cell: int = setting(1, "Width and height of a grain of noise.", of="pixels", ge=1, le=64)

    @property
    def set_name(self) -> str:
        return self.flow.partition(":")[0]

    @cached_property
    def _flow(self) -> Flow:
        return flow_named(self.flow)

    @classmethod
    def read(cls, protocol: ProtocolRecord) -> Self:
        settings: dict[str, Any] = {k: v for k, v in protocol.settings.items() if k != "flow_sha256"}
        return cls(**settings)

    def written(self, scuba: Benchmark) -> dict[str, object]:
        said = super().written(scuba)
        if self._flow.sha256:  # the file may be elsewhere in the next run
            name = f"{self._flow.name}:{Path(self.flow.partition(':')[2]).name}"
            said["settings"] = {**self.model_dump(), "flow": name, "flow_sha256": self._flow.sha256}
        return said

    def check(self, scuba: Benchmark) -> str:
        flow_named(self.flow)  # raises an error before any work
        if not all(row.source_file for row in scuba.rows):
            raise BenchError(
                f"{scuba.folder}: does not name its source videos; build SCUBA with this toolkit instead, since "
                f"{self.about.name} is made from them"
            )
        return ""

    def maker(self, out: Path, scuba: Benchmark, seed: int, layout: layouts.Layout) -> pool.Maker:
        if self._flow.sha256 and layout.composed:
            raise BenchError(
                f"--layout {layout.name}: the weights of --flow {self.flow} may be gone when a video is composed "
                "again; choose a layout that stores frames, such as lossless"
            )
        return super().maker(out, scuba, seed, layout)

    def frames(self, scuba: Benchmark, row: Row, seed: int) -> Iterator[np.ndarray]:
        shown = indices(row.source_frames)
        source = source_frames(scuba.source(row), shown, row.height, row.width, scuba.version)
        rows, columns = -(-row.height // self.cell), -(-row.width // self.cell)

        def flows() -> Iterator[np.ndarray]:
            for flow in self._flow.between(frame for _, frame in source):
                yield self._cells(flow, rows, columns)

        draw = generator(seed, row.source_id, self.about.name)
        for noise in moving_noise(flows(), rows, columns, draw):
            values = noise if self.colour == "rgb" else np.repeat(noise[..., :1], 3, axis=2)
            large = values.repeat(self.cell, 0).repeat(self.cell, 1) if self.cell > 1 else values
            yield np.ascontiguousarray(large[: row.height, : row.width])

    def _cells(self, flow: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """Flow in pixels, float32 (H, W, 2), as the mean flow of each cell, in cells: float32 (rows, columns, 2)."""
        if self.cell == 1:
            return flow
        below, right = rows * self.cell - flow.shape[0], columns * self.cell - flow.shape[1]
        whole = cv2.copyMakeBorder(flow, 0, below, 0, right, cv2.BORDER_REPLICATE)
        return whole.reshape(rows, self.cell, columns, self.cell, 2).mean((1, 3)) / self.cell
