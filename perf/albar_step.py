"""Compares an ALBAR training step with a plain version of the published step: same network, batch, loss, gradients.

    python perf/albar_step.py                                              # CPU, small3d
    python perf/albar_step.py --device cuda --model swin3d_t --frames 16 --size 112 --batch 32 --bf16 --compile \
        --static-frames 2 8

Published: the still frame is copied T times, two forward passes of full clips, float32 (TF32 on a GPU), double backward
through the penalty, a plain AdamW. The script prints it next to:

- *the same mathematics*: the still clip is a view, AdamW is fused; then, each added to that, one forward pass for both
  clips, channels-last-3d memory, and --compile (torch.compile for the moving clip's pass, as in the trainer). Their
  gradients (of all parameters as one vector) must equal the published ones except for rounding. The same step in
  float64 gives the size of the rounding: the published gradient in float32 differs from it by r. Another order of the
  same sums may differ as much in the opposite direction, so two correct results differ by at most 2 r; 4 r is allowed.
- *fewer still frames*: the smallest number with the same logits, and the numbers of --static-frames. The penalty then
  assumes that all frames have the same share of the gradient. This is true for networks that process each frame alone
  (for these the trainer's `auto` also shortens the clip with a penalty), and not for others: this gradient differs.
- --bf16: with autocast.
- *the cost of each term* in addition to a baseline step, and the step's peak memory.
- *the input side*: the share of a run in which the device waits for clips, which are decoded from rendered videos.

The trainer has no setting for one forward pass and none for channels-last-3d because of these speeds relative to the
published step, measured on one CPU core (torch 2.14) with small3d (16 clips of 8 x 48 x 48), swin3d_t (2 of
16 x 64 x 64), r3d_18 (4 of 8 x 64 x 64):

    one forward pass     0.68  0.54  0.72   the penalty then also differentiates through the moving clips
    channels-last-3d     1.03  1.06  0.87
    moving clip compiled 1.01

One forward pass also mixes both kinds of clips in BatchNorm's statistics, so r3d_18's gradient differs. This was not
measured on a GPU; if it is faster there, a setting would be useful.
"""

import argparse
import contextlib
import copy
import ctypes
import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median

import torch
from measure import Row, Turns
from torch import nn
from torch.nn import functional

from albar.clips.clips import ClipSampling, normalise, sampling
from albar.data.dataset import ClipDataset, Order, batches
from albar.methods import Batch, Companions, make_method
from albar.models import build_model, model_spec
from albar.training.accelerator import Compiled
from benchmark_builder.datasets import read_dataset
from benchmark_builder.synthactions import SynthSettings, render_dataset
from benchmark_builder.utils.pool import default_workers

PUBLISHED_STEP = "the published step, float32"
PUBLISHED = {"adv": 1.0, "ent": 4.25, "gp": 10.0}
Loss = Callable[[nn.Module, Batch], torch.Tensor]


def objective(moving: torch.Tensor, logits: torch.Tensor, gradient: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """ALBAR's terms as published: p log p of the softmax, and the norm of the gradient for each column of pixels."""
    w, p = PUBLISHED, functional.softmax(logits, dim=1)
    return (
        functional.cross_entropy(moving, labels)
        - w["adv"] * functional.cross_entropy(logits, labels)
        + w["ent"] * (p * p.log()).sum(dim=1).mean()
        + w["gp"] * gradient.flatten(1, 3).norm(dim=1).mean()
    )


def published(model: nn.Module, batch: Batch) -> torch.Tensor:
    frames = batch.clips.shape[2]
    still = batch.clips[:, :, frames // 2].unsqueeze(2).repeat(1, 1, frames, 1, 1).detach().requires_grad_()
    moving, logits = model(batch.clips), model(still)
    (gradient,) = torch.autograd.grad(logits.sum(), still, create_graph=True)
    return objective(moving, logits, gradient, batch.labels)


def one_forward(model: nn.Module, batch: Batch) -> torch.Tensor:
    middle = batch.clips.shape[2] // 2
    still = batch.clips[:, :, middle : middle + 1].expand_as(batch.clips).detach().requires_grad_()
    moving, logits = model(torch.cat([batch.clips, still])).chunk(2)
    (gradient,) = torch.autograd.grad(logits.sum(), still, create_graph=True)
    return objective(moving, logits, gradient, batch.labels)


def baseline(model: nn.Module, batch: Batch) -> torch.Tensor:
    return functional.cross_entropy(model(batch.clips), batch.labels)


class Bench:
    """Measures steps of one network on one batch; each starts from the same weights."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, torch.device(options.device)
        clips = sampling(model_spec(options.model).sampling)
        self.clips = clips.replaced({k: v for k, v in (("frames", options.frames), ("size", options.size)) if v})
        torch.manual_seed(0)
        self.model = build_model(options.model, options.classes, self.clips).to(self.device).train()
        for module in self.model.modules():  # no dropout, since gradients are compared
            if isinstance(module, nn.Dropout) or type(module).__name__ == "StochasticDepth":
                module.p = 0.0
        shape = (options.batch, 3, self.clips.frames, self.clips.size, self.clips.size)
        labels = torch.arange(options.batch, device=self.device) % options.classes
        self.batch = Batch(torch.randn(shape, device=self.device), labels)
        self.start = {name: value.clone() for name, value in self.model.state_dict().items()}

    def albar(self, static: int | str, **weights: float) -> Loss:
        """The trainer's loss."""
        method = make_method("albar", "finetune", {**PUBLISHED, "static_frames": static, **weights})
        method.prepare(self.model, self.batch.clips[:1], Companions(self.options.classes, self.clips))
        self.still = getattr(method, "static_frames", 0)
        return lambda model, batch: method.loss(model, batch, torch.Generator().manual_seed(0), 0.0)[0]

    def gradient(self, loss: Loss, model: nn.Module, batch: Batch, bf16: bool = False) -> torch.Tensor:
        """The gradient of all parameters, as one float64 vector."""
        model.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            loss(model, batch).backward()
        return torch.cat([p.grad.double().flatten() for p in model.parameters() if p.grad is not None])

    def step(
        self, loss: Loss, model: nn.Module, batch: Batch, bf16: bool = False, fused: bool = True
    ) -> tuple[float, float]:
        """(seconds of the fastest step: CPU seconds on a CPU, wall-clock seconds on a GPU; peak memory in MiB)."""
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=fused)
        on_cpu = self.device.type == "cpu"
        clock, best = time.process_time if on_cpu else time.perf_counter, float("inf")
        for k in range(self.options.steps + 1):
            if k == 1:  # the first step is a warm-up
                reset_peak(self.device)
            began = clock()
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                value = loss(model, batch)
            value.backward()
            optimiser.step()
            if not on_cpu:
                torch.cuda.synchronize()
            best = min(best, clock() - began) if k else best
        self.model.load_state_dict(self.start)
        return best, peak(self.device)


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return
    with contextlib.suppress(OSError, AttributeError):  # not on Linux: the peak includes all earlier work
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: torch.device) -> float:
    """Peak memory in MiB: the GPU's, or this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def idle(bench: Bench, loss: Loss, videos: int, bf16: bool) -> None:
    """Train on rendered videos as the trainer does, with decoding processes, and print the share of waiting time."""
    options, size = bench.options, max(bench.clips.size, 48)
    clips: ClipSampling = bench.clips.replaced({"resize": size, "flip": 0.0})
    workers = options.workers if options.workers is not None else max(1, default_workers())
    with tempfile.TemporaryDirectory() as folder:
        frames = clips.frames * clips.stride
        render_dataset(Path(folder), SynthSettings(size=size, frames=frames, train=videos, test=0), default_workers())
        listed = read_dataset("synthactions", Path(folder), "train", 1).videos
        dataset, order = ClipDataset(listed, clips, 0, train=True), Order(videos, options.batch, options.epochs, 0)
        optimiser = torch.optim.AdamW(bench.model.parameters(), lr=1e-5, fused=True)
        waited, began, steps = 0.0, 0.0, 0
        stream = batches(dataset, order, workers, pin=bench.device.type == "cuda")
        while True:
            asked = time.perf_counter()
            sample = next(stream, None)
            if sample is None:
                break
            if steps == 0:  # all workers have started
                began = time.perf_counter()
            else:
                waited += time.perf_counter() - asked
            x = normalise(sample.clip.to(bench.device, non_blocking=True), clips)
            batch = Batch(x, sample.label.to(bench.device) % options.classes)
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(bench.device.type, torch.bfloat16, enabled=bf16):
                value = loss(bench.model, batch)
            value.backward()
            optimiser.step()
            value.item()  # the trainer also reads its terms
            steps += 1
        took = time.perf_counter() - began
    print(
        f"input: {steps} steps of {options.batch} clips from {videos} videos of {frames} frames at {size} pixels, "
        f"{workers} decoding processes: {steps * options.batch / took:.1f} clips per second, "
        f"{100 * waited / took:.1f} % of the time spent waiting for clips"
    )


def rows(clips: Path | None = None, rounds: int = 5) -> Iterator[Row]:
    """swin3d_t against the published step, on the CPU (small clips) and, if there is one, on a GPU; no ``clips``."""
    torch.set_num_threads(1)
    title = "ALBAR step, swin3d_t"
    if not torch.cuda.is_available():  # a minute that a lent GPU should not wait
        found = step_turns("cpu", rounds, 2, 16, 64, {"ours": False})
        yield Row(f"{title}, on the CPU", PUBLISHED_STEP, found.ratios("published"), note=step_times(found, "ours"))
    on_gpu = {"ours": (f"{title}, same mathematics", 1.15), "bf16": (f"{title}, bf16", 1.5)}
    if not torch.cuda.is_available():
        for name, goal in on_gpu.values():
            missing = "there is no GPU here; `bash perf/gpu_table.sh` measures it"
            yield Row(f"{name}, on a GPU", PUBLISHED_STEP, goal=goal, missing=missing)
        return
    torch.backends.cudnn.allow_tf32 = True
    for side, (name, goal) in on_gpu.items():
        # The same mathematics: precision as PyTorch sets it. bf16: the published step may use TF32 everywhere.
        torch.set_float32_matmul_precision("highest" if side == "ours" else "high")
        batch = 32
        while True:  # the published step keeps two graphs, and their second derivatives
            try:
                found = step_turns("cuda", rounds, batch, 16, 112, {side: side == "bf16"})
                break
            except torch.OutOfMemoryError:
                if batch == 1:
                    raise
                batch //= 2
            torch.cuda.empty_cache()
        note = f"{torch.cuda.get_device_name()}, {batch} clips of 16 x 112 x 112; {step_times(found, side)}"
        yield Row(f"{name}, on a GPU", PUBLISHED_STEP, found.ratios("published", side), goal, note=note)


def step_turns(device: str, rounds: int, batch: int, frames: int, size: int, sides: Mapping[str, bool]) -> Turns:
    """Seconds of the published step and of the trainer's, in turns. ``sides``: name -> whether with bf16."""
    options = {"model": "swin3d_t", "classes": 8, "steps": 1 if device == "cpu" else 10}
    options |= {"device": device, "batch": batch, "frames": frames, "size": size}
    bench = Bench(argparse.Namespace(**options))
    full, found = bench.albar("all"), Turns({"published": []} | {side: [] for side in sides})
    for _ in range(rounds):
        found.seconds["published"].append(bench.step(published, bench.model, bench.batch, fused=False)[0])
        for side, bf16 in sides.items():
            found.seconds[side].append(bench.step(full, bench.model, bench.batch, bf16)[0])
    return found


def step_times(found: Turns, side: str) -> str:
    other, mine = (1000 * median(found.seconds[name]) for name in ("published", side))
    return f"{other:.0f} and {mine:.0f} ms per step"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="small3d")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--size", type=int)
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--static-frames", type=int, nargs="*", default=[], help="further numbers of still frames")
    parser.add_argument("--bf16", action="store_true", help="also with bf16 autocast")
    parser.add_argument("--compile", action="store_true", help="also with torch.compile")
    parser.add_argument("--videos", type=int, default=64, help="videos to render for the input side; 0: leave it out")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the input side")
    parser.add_argument("--workers", type=int, help="decoding processes.  [default: one per core]")
    options = parser.parse_args()
    bench = Bench(options)
    model, batch, on = bench.model, bench.batch, bench.device
    if on.type == "cpu":
        torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True

    wanted = bench.gradient(published, model, batch)
    exact = copy.deepcopy(model).double()
    few = batch  # on a GPU, float64 of all clips may not fit into its memory
    if on.type == "cuda":
        few = Batch(batch.clips[:4], batch.labels[:4])
    same = wanted if few is batch else bench.gradient(published, model, few)
    rounding = distance(same, bench.gradient(published, exact, Batch(few.clips.double(), few.labels)))
    del exact
    reference, memory = bench.step(published, model, batch, fused=False)
    print(f"{options.model}, {tuple(batch.clips.shape)}, {on}; times are those of the fastest of {options.steps} steps")
    print(f"published step: {1000 * reference:.1f} ms, peak {memory:.0f} MiB, rounding r = {rounding:.1e}\n")

    def show(name: str, loss: Loss, model: nn.Module = model, batch: Batch = batch, bf16: bool = False) -> float:
        try:
            apart = distance(bench.gradient(loss, model, batch, bf16), wanted)
            took, memory = bench.step(loss, model, batch, bf16)
        except RuntimeError as error:
            print(f"{name}: does not run ({str(error).splitlines()[0]})")
            return float("nan")
        print(f"{name}: {1000 * took:.1f} ms, {reference / took:.2f} x published, peak {memory:.0f} MiB", end="")
        print(f", gradient {apart:.1e} away" if loss is not baseline else "", end="")
        print(f", {'equal' if apart <= 4 * rounding else 'NOT equal'}" if "same" in name else "")
        return took

    full = bench.albar("all")
    show("the same mathematics", full)
    show("the same, one forward over both clips", one_forward)
    layout = torch.channels_last_3d
    last = Batch(batch.clips.contiguous(memory_format=layout), batch.labels)
    show("the same, channels-last-3d", full, copy.deepcopy(model).to(memory_format=layout), last)
    if options.compile:
        show("the same, moving clip compiled", full, Compiled(model))
    if options.bf16:
        show("bf16", full, bf16=True)
    print()

    short = bench.albar("auto", gp=0.0)  # the smallest number with the same logits
    counts = dict.fromkeys([bench.still, *options.static_frames, bench.clips.frames])
    for n in counts:
        loss = bench.albar(n)
        show(f"still clip of {n} of {bench.clips.frames} frames", loss)
        if options.bf16:
            show(f"still clip of {n} of {bench.clips.frames} frames, bf16", loss, bf16=True)
    print()

    short = bench.albar("auto")
    took = [show("baseline", baseline)]
    for name, weights in (
        ("adversary", {"ent": 0.0, "gp": 0.0}),
        ("adversary and entropy", {"gp": 0.0}),
        ("adversary, entropy and penalty", {}),
    ):
        took.append(show(name, bench.albar("auto", **weights)))
    each = [b - a for a, b in itertools.pairwise(took)]
    print(
        f"an ALBAR step costs {took[-1] / took[0]:.2f} baseline steps, {took[-2] / took[0]:.2f} without penalty: "
        + ", ".join(f"{n} {1000 * t:+.1f} ms" for n, t in zip(("adversary", "entropy", "penalty"), each, strict=True))
    )
    if options.bf16:
        fast, plain = (bench.step(loss, model, batch, bf16=True)[0] for loss in (short, baseline))
        print(f"with bf16, {fast / plain:.2f} times")
    if options.videos:
        print()
        idle(bench, short, options.videos, options.bf16)


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


if __name__ == "__main__":
    main()
