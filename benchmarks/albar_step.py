"""An ALBAR training step against the published one written plainly: the same network, batch, loss and gradients.

    python benchmarks/albar_step.py                                              # CPU, small3d
    python benchmarks/albar_step.py --device cuda --model swin3d_t --frames 16 --size 112 --classes 51 --bf16

Published: the still clip is copied T times, two forwards of the full clip, float32 (TF32 on a GPU), double backward
through the penalty, a plain AdamW. Ours: the still clip is a view, AdamW is fused; that is the same mathematics, and
the distance of the gradients is printed (of all parameters as one vector, relative). Then with the still clip as short
as gives the same logits: its penalty takes the frames' shares of the gradient for equal, which they are not at the ends
of the clip, so this gradient differs. With --bf16, the same under autocast. Beside it: what each term costs over a
baseline step, and the peak memory.
"""

import argparse
import resource
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from albar.clips import sampling
from albar.methods import Batch, Companions, make_method
from albar.models import build_model, model_spec

PUBLISHED = {"adv": 1.0, "ent": 4.25, "gp": 10.0}


def published_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The objective as published, its gradient penalty over all axes."""
    still = batch.clips[:, :, batch.clips.shape[2] // 2].unsqueeze(2).repeat(1, 1, batch.clips.shape[2], 1, 1)
    still = still.detach().requires_grad_()
    moving = functional.cross_entropy(model(batch.clips), batch.labels)
    logits = model(still)
    log_p = functional.log_softmax(logits, 1)
    (gradient,) = torch.autograd.grad(logits.sum(), still, create_graph=True)
    w = PUBLISHED
    return (
        moving
        - w["adv"] * functional.cross_entropy(logits, batch.labels)
        + w["ent"] * (log_p.exp() * log_p).sum(1).mean()
        + w["gp"] * gradient.flatten(1).norm(dim=1).mean()
    )


def seconds(step: Callable[[], None], steps: int, device: torch.device) -> float:
    """The fastest of ``steps`` steps: CPU seconds on a CPU, wall-clock seconds on a GPU."""
    clock, best = (time.process_time if device.type == "cpu" else time.perf_counter), float("inf")
    step()
    for _ in range(steps):
        if device.type == "cuda":
            torch.cuda.synchronize()
        began = clock()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, clock() - began)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="small3d")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--size", type=int)
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--static-frames", default="auto", help="auto, all or a number")
    parser.add_argument("--bf16", action="store_true", help="ours under bf16 autocast")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")
    clips = sampling(model_spec(options.model).sampling)
    clips = clips.replaced({k: v for k, v in (("frames", options.frames), ("size", options.size)) if v})
    torch.manual_seed(0)
    model = build_model(options.model, options.classes, clips).to(device).train()
    for module in model.modules():  # equal gradients need equal draws: none
        if isinstance(module, nn.Dropout) or type(module).__name__ == "StochasticDepth":
            module.p = 0.0
    x = torch.randn(options.batch, 3, clips.frames, clips.size, clips.size, device=device)
    batch = Batch(x, torch.arange(options.batch, device=device) % options.classes)
    short = int(options.static_frames) if options.static_frames.isdigit() else options.static_frames

    def ours(static: int | str, **settings: float) -> Callable[[], torch.Tensor]:
        method = make_method("albar", "finetune", {**PUBLISHED, "static_frames": static, **settings})
        method.prepare(model, x[:1], Companions(options.classes, clips))
        print(f"still clip of {getattr(method, 'static_frames', 0)} of {clips.frames} frames: ", end="")
        return lambda: method.loss(model, batch, torch.Generator().manual_seed(0), 0.0)[0]

    def run(loss: Callable[[], torch.Tensor], fused: bool, bf16: bool) -> tuple[float, float, list[torch.Tensor]]:
        for p in model.parameters():
            p.grad = None
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss().backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        weights = [p.detach().clone() for p in model.parameters()]
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=fused)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

        def step() -> None:
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                value = loss()
            value.backward()
            optimiser.step()

        took = seconds(step, options.steps, device)
        peak = (
            torch.cuda.max_memory_allocated()
            if device.type == "cuda"
            else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        )
        with torch.no_grad():
            for p, w in zip(model.parameters(), weights, strict=True):
                p.copy_(w)
        return took, peak / 2**20, gradients

    def show(name: str, loss: Callable[[], torch.Tensor], fused: bool = True, bf16: bool = False) -> float:
        took, peak, found = run(loss, fused, bf16)
        apart = sum(float((a - b).square().sum()) for a, b in zip(found, wanted, strict=True)) ** 0.5 / length
        same = f", gradient {apart:.1e} apart" if "ALBAR" in name else ""
        print(f"{name}: {1000 * took:.1f} ms, {reference / took:.2f} x the published speed, peak {peak:.0f} MiB{same}")
        return took

    reference, peak, wanted = run(lambda: published_loss(model, batch), fused=False, bf16=False)
    print(
        f"published step: {1000 * reference:.1f} ms, peak {peak:.0f} MiB ({options.model}, {tuple(x.shape)}, {device})"
    )
    length = sum(float(g.square().sum()) for g in wanted) ** 0.5
    show("ALBAR, float32, the same mathematics", ours("all"))
    full = show("ALBAR, float32, short still clip", ours(short))
    if options.bf16:
        show("ALBAR, bf16", ours("all"), bf16=True)
        show("ALBAR, bf16, short still clip", ours(short), bf16=True)
    baseline = show("baseline", lambda: functional.cross_entropy(model(batch.clips), batch.labels))
    without = show("adversary and entropy, no penalty", ours(short, gp=0.0))
    print(f"over a baseline step: ALBAR {full / baseline:.2f}, without its penalty {without / baseline:.2f}")


if __name__ == "__main__":
    main()
