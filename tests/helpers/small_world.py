"""A small dataset, its benchmarks and a checkpoint, as an evaluation needs them."""

import copy
import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_videos import make_actions

from albar.checkpoint import save_checkpoint
from albar.clips.clips import ClipSampling
from albar.models import build_model
from benchmark_builder.builders import Run, build_conflfg, build_scuba, build_scufo
from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.utils.errors import BenchError
from evaluator.evaluate import EvalOptions, evaluate

SAMPLING = ClipSampling(frames=4, stride=2, size=16, resize=16, crop="centre", flip=0.0)


QUIET = Run(workers=1, progress=False, say=lambda line: None)


def save(path: Path, seed: int = 0, classes: list[str] | None = None, method: str = "baseline") -> Path:
    """A checkpoint with random weights."""
    classes = classes or shipped_classes("ucf101")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_model("small3d", len(classes), SAMPLING)
    save_checkpoint(
        path, network=network, model="small3d", method=method, dataset="ucf101", classes=classes, sampling=SAMPLING,
        settings={"seed": seed}, digests={},
    )  # fmt: skip
    return path


class World:
    """A dataset, its benchmarks and a checkpoint."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root, self.base = root, base
        lists = root / "ucfTrainTestlist"
        lists.mkdir()
        names = sorted(p.relative_to(root / "videos").with_suffix(".avi") for p in (root / "videos").rglob("*.mkv"))
        (lists / "testlist01.txt").write_text("".join(f"{n}\n" for n in names))
        (lists / "trainlist01.txt").write_text("")
        masks = f"stored:{root / 'masks'}"
        self.scuba, self.scufo, self.conflfg = base / "b/scuba", base / "b/scufo", base / "b/conflfg"
        self.shaken = base / "b/shaken"
        build_scuba("ucf101", root, "test", masks=masks, per_video=2, out=self.scuba, run=QUIET)
        build_scufo(self.scuba, out=self.scufo, run=QUIET)
        build_scufo(self.scuba, shaken=True, out=self.shaken, run=QUIET)
        build_conflfg(self.scuba, out=self.conflfg, run=QUIET)
        self.checkpoint = save(base / "model.ckpt")
        self.folders = [self.scuba, self.scufo, self.shaken, self.conflfg]

    def options(self, **changes: object) -> EvalOptions:
        return EvalOptions(**{"root": self.root, "progress": False, "device": "cpu", **changes})  # type: ignore[arg-type]

    def run(self, out: str = "out", folders: list[Path] | None = None, **changes: object) -> dict:
        scored = evaluate(self.checkpoint, folders or self.folders, self.base / out, self.options(**changes))
        return scored.plain() if scored else {}


@functools.cache
def _built_once(folder: Path) -> tuple[World, Path]:
    base = folder / "one-world"
    world = World(make_actions(base / "ucf"), base)
    return world, Path(shutil.copytree(base, folder / "one-world-saved"))


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Built once, and restored for every test at the same place, since its files contain paths of each other."""
    built, saved = _built_once(tmp_path_factory.getbasetemp())
    shutil.rmtree(built.base)
    shutil.copytree(saved, built.base)
    return copy.copy(built)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(BenchError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)
