"""Accuracy on the validation videos during training. It is logged; with ``keep = "best"`` it also decides which
epoch's weights are kept."""

import torch
from torch import nn

from albar.clips.clips import ClipSampling, normalise
from albar.data.dataset import ClipDataset, batches, in_turn
from albar.methods import Method


@torch.no_grad()
def watch(
    model: nn.Module,
    videos: ClipDataset | None,
    sampling: ClipSampling,
    batch: int,
    workers: int,
    device: torch.device,
    method: Method | None = None,
    scenes: torch.Tensor | None = None,
) -> dict[str, float]:
    """Accuracy on the validation videos in percent: ``val_acc`` for the clips, ``val_still_acc`` for clips of their
    middle frame, repeated; and what ``method`` watches, for which ``scenes`` (videos, scenes) are needed.

    The second is similar to SCUFO: how often the class is right although nothing moves. Empty if there are no videos.
    """
    if videos is None:
        return {}
    model.eval()
    right, still_right, more = 0, 0, dict[str, int]()
    for sample in batches(videos, in_turn(len(videos), batch), workers):
        x, y = normalise(sample.clip.to(device), sampling), sample.label.to(device)
        middle = sampling.frames // 2
        still = x[:, :, middle : middle + 1].expand_as(x)
        right += int((model(x).argmax(1) == y).sum())
        still_right += int((model(still).argmax(1) == y).sum())
        if method is not None and scenes is not None:
            for name, found in method.watched(model, x, scenes[sample.video].to(device)).items():
                more[name] = more.get(name, 0) + int(found.sum())
    model.train()
    all_right = {"acc": right, "still_acc": still_right, **more}
    return {f"val_{name}": 100 * count / len(videos) for name, count in all_right.items()}
