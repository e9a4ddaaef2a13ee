"""StillMix's 2-D reference network (Li et al., ICCV 2023): it gets single frames, so it learns what stills show.

It scores every training frame; :mod:`albar.data.still_bank` draws StillMix's bank from the scores.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from albar.checkpoint import NAME as MODEL
from albar.checkpoint import load_checkpoint
from albar.clips.clips import normalise, sampling
from albar.data.still_bank import COLUMNS, SCORES, whole
from albar.methods import make_method
from albar.models import model_spec
from albar.stillmix_settings import PUBLISHED, SQUASHED
from albar.stillmix_settings import REFERENCE as NAME
from albar.training.accelerator import pick_device
from albar.training.settings import TrainSettings, default_folder
from albar.training.trainer import Run, Say, train
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

_SCORED_AT_ONCE = 64


def reference_settings(
    settings: TrainSettings, folder: Path | None = None, own: Mapping[str, object] | None = None
) -> TrainSettings:
    """Settings of the reference run for ``settings``: one frame per clip, a network without time, plain cross-entropy.

    If the network takes single frames (small3d, NAME_2d), the reference is the same network. Otherwise it is the image
    network of its family: Swin-T for Swin and other transformers, ResNet-50 for convolutions. With ``finetune`` an
    image network starts from ImageNet's weights and is trained with the published recipe, not the video network's, on
    random crops of squashed frames (:data:`albar.stillmix_settings.SQUASHED`). Without it, the video network's recipe
    is used.

    Args:
        settings: settings of the run that needs the reference.
        folder: the folder of the reference run; None: ``settings.reference``, or a folder next to the run.
        own: the user's changes to :data:`albar.stillmix_settings.PUBLISHED`.
    """
    name = settings.model_name
    changes: dict[str, object] = {"weights": None}
    if not (name == "small3d" or name.endswith("_2d")):
        name = "resnet50_2d" if name in ("s3d", "r3d_18", "mc3_18", "r2plus1d_18") else "swin_t_2d"
    clip = {**settings.clip, "frames": 1, "stride": 1}
    preset = settings.preset_name
    if preset == "pretrained":  # what is pre-trained is the video network, not its reference
        preset = "finetune" if name.endswith("_2d") else "scratch"
    if preset == "finetune" and name.endswith("_2d"):
        given = {k: v for k, v in (own or {}).items() if k in PUBLISHED and v is not None}
        changes = {"lr_clips": None, **PUBLISHED, **given}  # its learning rate is that of its own batch
        clip = {"crop": "random", **clip}
        if name in SQUASHED and clip["crop"] != "random_resized":
            usual = settings.sampling or model_spec(name).sampling or "32x2-224"
            size = sampling(usual).replaced(settings.clip).size
            clip = {"squash": True, "resize": round(SQUASHED[name] * size / 224), **clip}
    beside = settings.out.parent if settings.out else default_folder("", "", 0).parent
    return settings.replaced(
        method="baseline",
        options={},
        model=name,
        preset=preset,
        clip=clip,
        out=folder or settings.reference or beside / f"{safe_name(settings.dataset)}-{NAME}-s{settings.seed}",
        reference=None,
        keep="last",
        keep_head=False,  # ImageNet's classes differ from the dataset's
        **changes,
    )


def train_reference(settings: TrainSettings, say: Say = lambda line: None) -> Path:
    """Train the reference network and score the training frames with it; resumable.

    Args:
        settings: settings of the reference run itself.
        say: called with each line for the user.

    Returns:
        The run's folder, which then contains ``scores.csv``: video id, frame index, the probability of the true class
        and the highest probability.
    """
    if settings.clip_sampling.frames != 1:
        raise BenchError("a 2-D reference takes single frames; leave out the clip setting frames")
    checkpoint = train(settings, say)
    path = checkpoint.parent / SCORES
    if not path.is_file():
        videos = Run(settings, lambda line: None).videos
        write_csv(
            path, COLUMNS, score_frames(checkpoint, videos, settings.score_every, settings.device, settings.progress)
        )
        say(f"wrote {path}")
    return checkpoint.parent


@torch.no_grad()
def score_frames(
    checkpoint: Path, videos: Sequence[Video], every: int, device: str, progress: bool
) -> list[dict[str, object]]:
    """One row of :data:`COLUMNS` for each ``every``-th frame; whole frames are resized to the clip's size."""
    loaded, on = load_checkpoint(checkpoint), pick_device(device)
    network, clips_as = loaded.network().to(on), loaded.sampling
    rows: list[dict[str, object]] = []
    for video in Bar(videos, desc="scoring frames", unit="video", disable=not progress):
        frames = [(i, whole(f, clips_as.size)) for i, f in enumerate(read_frames(video.path)) if i % every == 0]
        for k in range(0, len(frames), _SCORED_AT_ONCE):
            part = frames[k : k + _SCORED_AT_ONCE]
            clips = torch.stack([f for _, f in part]).unsqueeze(2)  # (n, 3, 1, size, size)
            p = network(normalise(clips.to(on), clips_as)).softmax(1).cpu()
            if not p.isfinite().all():
                raise BenchError(f"{checkpoint}: its probabilities for {video.id} are not finite; train it again")
            for (index, _), row in zip(part, p, strict=True):
                rows.append(
                    {"id": video.id, "frame": index, "p_true": float(row[video.label]), "p_top1": float(row.max())}
                )
    return rows


def finished(folder: Path) -> bool:
    """Whether a reference run is finished."""
    return (folder / MODEL).is_file() and (folder / SCORES).is_file()


def with_reference(settings: TrainSettings, say: Say = lambda line: None) -> TrainSettings:
    """``settings`` with the folder of a finished reference run; it is trained now if the method needs it and it is
    missing."""
    if "bank" not in make_method(settings.method, settings.preset_name, settings.options).needs:
        return settings
    reference = reference_settings(settings)
    if not finished(reference.folder):
        say(f"{settings.method} needs a 2-D reference network; training it in {reference.folder}")
        train_reference(reference, say)
    return settings.replaced(reference=reference.folder)
