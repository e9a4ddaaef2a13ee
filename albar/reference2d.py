"""StillMix's 2-D reference network (Li et al., ICCV 2023): it sees single frames, so it learns what a still gives away.

Every training frame is scored by it; :mod:`albar.bank` draws StillMix's bank from the scores.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from albar.bank import COLUMNS, SCORES, whole
from albar.checkpoint import load_checkpoint
from albar.clips import normalise
from albar.device import pick_device
from albar.methods import make_method
from albar.settings import TrainSettings, default_folder
from albar.train import MODEL, Run, Say, train
from benchmark_builder.errors import BenchError
from benchmark_builder.files import write_csv
from benchmark_builder.frames import read_frames
from benchmark_builder.video import Video

NAME = "reference2d"
_SCORED_AT_ONCE = 64


def reference_settings(settings: TrainSettings, folder: Path | None = None) -> TrainSettings:
    """Those of the reference run for ``settings``: one frame a clip, a network without time, plain cross-entropy. It
    lies in ``folder``; None: in ``settings.reference``, or beside the run.

    A network that takes single frames (small3d, NAME_2d) is its own reference; else the image network of its family:
    Swin-T for Swin and other transformers, ResNet-50 for convolutions.
    """
    name = settings.model_name
    if not (name == "small3d" or name.endswith("_2d")):
        name = "resnet50_2d" if name in ("s3d", "r3d_18", "mc3_18", "r2plus1d_18") else "swin_t_2d"
    beside = settings.out.parent if settings.out else default_folder("", "", 0).parent
    return dataclasses.replace(
        settings,
        method="baseline",
        options={},
        model=name,
        weights=None,
        preset=settings.preset_name,
        clip={**settings.clip, "frames": 1, "stride": 1},
        out=folder or settings.reference or beside / f"{settings.dataset}-{NAME}-s{settings.seed}",
        reference=None,
    )


def train_reference(settings: TrainSettings, say: Say = lambda line: None, every: int = 1) -> Path:
    """Train the reference network and score the training frames with it; resumable.

    Args:
        settings: of the reference run itself.
        say: takes lines for the user.
        every: score every so many frames (published: all, on Kinetics each 20th).

    Returns:
        The run's folder, which then holds ``scores.csv``: video id, frame index, the probability of the true class and
        the highest probability.
    """
    if settings.clip_sampling.frames != 1:
        raise BenchError("a 2-D reference sees single frames; leave the clip setting frames out")
    checkpoint = train(settings, say)
    path = checkpoint.parent / SCORES
    if not path.is_file():
        videos = Run(settings, lambda line: None).videos
        write_csv(path, COLUMNS, score_frames(checkpoint, videos, every, settings.device, settings.progress))
        say(f"wrote {path}")
    return checkpoint.parent


@torch.no_grad()
def score_frames(
    checkpoint: Path, videos: Sequence[Video], every: int, device: str, progress: bool
) -> list[dict[str, object]]:
    """A row of :data:`COLUMNS` for each ``every``-th frame, each looked at whole, stretched to the clip's size."""
    loaded, on = load_checkpoint(checkpoint), pick_device(device)
    network, sampling = loaded.network().to(on), loaded.sampling
    rows: list[dict[str, object]] = []
    for video in tqdm(videos, desc="scoring frames", unit="video", disable=not progress):
        frames = [(i, whole(f, sampling.size)) for i, f in enumerate(read_frames(video.path)) if i % every == 0]
        for k in range(0, len(frames), _SCORED_AT_ONCE):
            part = frames[k : k + _SCORED_AT_ONCE]
            clips = torch.stack([f for _, f in part]).unsqueeze(2)  # (n, 3, 1, size, size)
            p = network(normalise(clips.to(on), sampling)).softmax(1).cpu()
            for (index, _), row in zip(part, p, strict=True):
                rows.append(
                    {"id": video.id, "frame": index, "p_true": f"{row[video.label]:.6f}", "p_top1": f"{row.max():.6f}"}
                )
    return rows


def finished(folder: Path) -> bool:
    """Whether a reference run is done."""
    return (folder / MODEL).is_file() and (folder / SCORES).is_file()


def with_reference(settings: TrainSettings, say: Say = lambda line: None) -> TrainSettings:
    """``settings`` with the folder of a finished reference run, trained now if the method needs one that is absent."""
    if "bank" not in make_method(settings.method, settings.preset_name, settings.options).needs:
        return settings
    reference = reference_settings(settings)
    if not finished(reference.folder):
        say(f"{settings.method} needs a 2-D reference network; training it in {reference.folder}")
        train_reference(reference, say)
    return dataclasses.replace(settings, reference=reference.folder)
