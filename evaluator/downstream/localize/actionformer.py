"""ActionFormer: Zhang, Wu & Li, "ActionFormer: Localizing Moments of Actions with Transformers" (ECCV 2022).

The network, its losses, its decoding and its choice of which weights decay are those of the package ``actionformer``, a
published fork of the authors' code. Loading, crops, order, schedule and the mean of the weights are here, with draws
from generators that belong to a seed: the package's own loop seeds Python, numpy and torch for the whole process, needs
worker processes, and calls CUDA on machines without it.

Published settings are those of THUMOS14. Not as published: features are the mean over crops, and the last, incomplete
batch of an epoch is dropped only if there is another one.
"""

import copy
import math
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.rng import generator
from evaluator.downstream import need
from evaluator.downstream.localize.base import Found, Head, LocalVideo, Log, Shape, owned
from evaluator.downstream.localize.settings import ActionFormerSettings, HeadSettings

HEADS_OF_ATTENTION = 4
_TRIALS = 200  # draws of a crop until it shows a segment, as published


class ActionFormer(Head):
    """See the module."""

    Settings: ClassVar[type[HeadSettings]] = ActionFormerSettings
    package: ClassVar[str] = "actionformer"

    def __init__(self, settings: HeadSettings, classes: Sequence[str], shape: Shape) -> None:
        super().__init__(settings, classes, shape)
        assert isinstance(settings, ActionFormerSettings)
        self.used = settings.resolved(shape.training)
        self.network: Any = None

    def described(self) -> dict[str, object]:
        """All settings, as they are used."""
        return dict(self.used)

    def train(self, videos: Sequence[LocalVideo], seed: int, device: torch.device, progress: bool, name: str) -> Log:
        """As in the base class; the mean of the weights is kept."""
        used, log = self.used, list[dict[str, float]]()
        size = min(used["batch"], len(videos))
        per_epoch = max(1, len(videos) // size)
        epochs = used["warmup"] + used["epochs"]
        with owned(device, seed, "actionformer"):
            network = _built(used, len(self.classes), self.shape).to(device).train()
            kind = {"type": "AdamW", "learning_rate": used["lr"], "weight_decay": used["weight_decay"]}
            optimizer = need("actionformer.utils").make_optimizer(network, kind)
            rate = torch.optim.lr_scheduler.LambdaLR(
                optimizer, lambda step: factor(step, used["warmup"] * per_epoch, epochs * per_epoch)
            )
            mean = copy.deepcopy(network).eval().requires_grad_(False)
            step = 0
            bar = Bar(range(epochs), desc=f"{name} seed {seed}", unit="epoch", disable=not progress)
            for epoch in bar:
                rng = generator(seed, f"epoch {epoch}", "localize")
                order, sums = rng.permutation(len(videos)), dict.fromkeys(("cls_loss", "reg_loss", "final_loss"), 0.0)
                for k in range(per_epoch):
                    batch = [_item(videos[i], used, rng) for i in order[k * size : (k + 1) * size]]
                    losses = network(batch)
                    value = float(losses["final_loss"].detach())
                    if not math.isfinite(value):
                        raise BenchError(f"--head {name}: the loss of epoch {epoch + 1} is {value}; give a smaller "
                                         "rate with --set lr=…, or look at the features")  # fmt: skip
                    optimizer.zero_grad(set_to_none=True)
                    losses["final_loss"].backward()
                    if used["clip"]:
                        torch.nn.utils.clip_grad_norm_(network.parameters(), used["clip"])
                    optimizer.step()
                    rate.step()
                    step += 1
                    decay = min(used["ema"], (1 + step) / (10 + step)) if used["ema_grows"] else used["ema"]
                    _average(mean, network, decay if used["ema"] else 0.0)
                    for part in sums:
                        sums[part] += float(losses[part].detach()) / per_epoch
                log.append({"epoch": epoch + 1, "loss": sums["final_loss"], "classification": sums["cls_loss"],
                            "regression": sums["reg_loss"]})  # fmt: skip
                bar.set_postfix(loss=f"{sums['final_loss']:.3g}", refresh=False)
        self.network = mean
        return log

    @torch.inference_mode()
    def predict(self, video: LocalVideo, device: torch.device) -> Found:
        """As in the base class."""
        assert self.network is not None
        v, features = video.video, video.features()
        item = {
            "video_id": v.id, "feats": torch.from_numpy(np.ascontiguousarray(features.T)), "fps": v.fps,
            "duration": v.duration, "feat_stride": v.stride, "feat_num_frames": v.window,
        }  # fmt: skip
        (found,) = self.network([item])
        return Found(
            found["segments"].double().cpu().numpy().reshape(-1, 2),
            found["labels"].cpu().numpy().astype(np.int64).reshape(-1),
            found["scores"].double().cpu().numpy().reshape(-1),
        )


def factor(step: int, warmup: int, total: int) -> float:
    """Share of the learning rate at a step: linear from 0 during the warm-up, then half a cosine to 0."""
    if step < warmup:
        return step / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))


def _built(used: dict[str, Any], classes: int, shape: Shape) -> Any:
    """The network, with random weights."""
    with warnings.catch_warnings():  # the package uses names that torch deprecates
        warnings.simplefilter("ignore")
        make = need("actionformer.modeling").make_meta_arch
    levels = used["levels"]
    longest = max(shape.longest, used["windows"]) + used["windows"]  # the padding of a long video included
    ranges = [(0, 4)] + [(2 ** (k + 1), 2 ** (k + 2)) for k in range(1, levels)]
    ranges[-1] = (ranges[-1][0], 10_000)
    return make(
        "LocPointTransformer", backbone_type="convTransformer", fpn_type="identity", backbone_arch=(2, 2, levels - 1),
        scale_factor=2, input_dim=shape.dimension, max_seq_len=used["windows"],
        max_buffer_len_factor=max(6.0, math.ceil(longest / used["windows"])), n_head=HEADS_OF_ATTENTION,
        n_mha_win_size=used["attention"], embd_kernel_size=3, embd_dim=used["dimension"], embd_with_ln=True,
        fpn_dim=used["dimension"], fpn_with_ln=True, fpn_start_level=0, head_dim=used["dimension"],
        regression_range=ranges, head_num_layers=3, head_kernel_size=3, head_with_ln=True, use_abs_pe=False,
        use_rel_pe=False, num_classes=classes,
        train_cfg={
            "center_sample": "radius", "center_sample_radius": 1.5, "loss_weight": 1.0, "cls_prior_prob": 0.01,
            "init_loss_norm": 100, "head_empty_cls": [], "dropout": used["dropout"], "droppath": used["droppath"],
            "label_smoothing": 0.0,
        },
        test_cfg={
            "pre_nms_thresh": 0.001, "pre_nms_topk": used["candidates"], "iou_threshold": 0.1,
            "min_score": used["min_score"], "max_seg_num": used["most"], "nms_method": "soft",
            "duration_thresh": 0.05, "multiclass_nms": True, "nms_sigma": used["sigma"],
            "voting_thresh": used["voting"],
        },
    )  # fmt: skip


def _item(video: LocalVideo, used: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A part of a training video, as the package takes it: features (D, T), segments in windows."""
    features = video.features()
    offset = video.video.window / 2 / video.video.stride
    start, end, kept, segments = crop(
        len(features), video.grid(), used["windows"], used["crop"], used["cut"], offset, rng
    )
    return {
        "video_id": video.id,
        "feats": torch.from_numpy(np.ascontiguousarray(features[start:end].T)),
        "segments": torch.from_numpy(segments.astype(np.float32)),
        "labels": torch.from_numpy(video.labels[kept]),
    }


def crop(
    length: int, segments: np.ndarray, most: int, share: float, cut: float, offset: float, rng: np.random.Generator
) -> tuple[int, int, np.ndarray, np.ndarray]:
    """Draw the part of a video that a step shows.

    A video that is not longer than ``most`` windows keeps a share from ``share`` to 1 of them, a longer one ``most``.
    Drawn again until a segment is inside, at most 200 times.

    Args:
        length: windows of the video. segments: in windows, (N, 2).
        cut: the share of a segment that must be inside; its part inside is then its target.
        offset: half a window in strides: how far the outer frames of a part are from its first and last middle.

    Returns:
        First window, the one after the last, bool (N,) which segments are inside, and these, relative to the first.
    """
    if length <= most:
        size = int(rng.integers(max(round(share * length), 1), length + 1))
    else:
        size = most
    for _ in range(_TRIALS):
        start = int(rng.integers(length - size + 1))
        inside = np.stack([segments[:, 0].clip(start - offset), segments[:, 1].clip(None, start + size + offset)], 1)
        kept = (inside[:, 1] - inside[:, 0]).clip(0) >= np.maximum(cut * (segments[:, 1] - segments[:, 0]), 1e-6)
        if kept.any() or not len(segments):
            break
    if size == length:  # nothing is cut
        return 0, length, np.ones(len(segments), bool), segments
    return start, start + size, kept, inside[kept] - start


def _average(mean: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """mean ← decay · mean + (1 − decay) · network, also of buffers."""
    with torch.no_grad():
        for own, new in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
            if own.is_floating_point():
                own.lerp_(new, 1 - decay)
            else:
                own.copy_(new)
