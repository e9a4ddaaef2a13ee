"""Starts or continues a training run of any method: :func:`train`. The loop is in :mod:`albar.training.run`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch

from albar.training.accelerator import tf32
from albar.training.network import Say
from albar.training.probe import ProbeRun
from albar.training.recipe import PROBE
from albar.training.run import Run
from albar.training.settings import TrainSettings
from benchmark_builder.utils.resume import sole_run

__all__ = ["Run", "Say", "train"]


def train(settings: TrainSettings, say: Say = lambda line: None) -> Path:
    """Start or continue a training run.

    The run's folder contains settings.json (everything that determines the result), metrics.csv (one row per epoch),
    tensorboard/, last.pt (the state to resume from), data.json and validation.txt (see :mod:`albar.training.places`)
    and at the end model.ckpt (see :mod:`albar.checkpoint`). A stopped
    run continues from last.pt. On the same CPU with the same number of threads, the bytes of last.pt and model.ckpt do
    not depend on whether the run was stopped, nor on the name of its folder. With several processes (`accelerate
    launch`), each takes its share of every batch.

    Args:
        settings: settings of the run.
        say: called with each line for the user.

    Returns:
        The path of model.ckpt.

    Raises:
        BenchError: settings are wrong, data are unreadable, the folder contains another run, or the loss is not finite.
    """
    run = _run_of(settings, say)
    checkpoint = run.folder.checkpoint
    if not run.main:  # only the first process writes into the folder
        with _own_draws(run.device), tf32(settings.precision == "tf32"):
            run.wait()
            if not checkpoint.is_file():
                run.fit()
        return checkpoint
    with sole_run(run.folder.path, run.folder.path / ".lock", "another process is training here"):
        run.record = run.folder.claim(run.record, run.method.settings, run.method.by_progress, say)
        run.wait()
        if checkpoint.is_file():
            say(f"{checkpoint} already exists; nothing to do")
        else:
            with _own_draws(run.device), tf32(settings.precision == "tf32"):
                run.fit()
        if not settings.keep_state:
            run.folder.drop_state()
    return checkpoint


def _run_of(settings: TrainSettings, say: Say) -> Run:
    return ProbeRun(settings, say) if settings.method == PROBE else Run(settings, say)


@contextlib.contextmanager
def _own_draws(device: torch.device) -> Iterator[None]:
    """Context manager: restores the states of torch's global generators after the run."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
