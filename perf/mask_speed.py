"""Frames per second of the mask sources that compute masks. Weights are random: the speed does not depend on them.

python perf/mask_speed.py                                    # motion, tiny SAM, SAM ViT-B, Mask R-CNN on the CPU
python perf/mask_speed.py --device cuda --half --sources vit_b vit_h maskrcnn --frames 64
python perf/mask_speed.py --synth 8                          # a test of all parts: a tiny random SAM on synthactions

The networks run on one thread of a CPU, as they do in a worker. For Mask R-CNN it is the time without people: with
random weights it finds no person, and each person would add the time for pasting a mask.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from segment_anything import SamPredictor, sam_model_registry
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from sources import box, clip

from benchmark_builder.masks import ActorBox
from benchmark_builder.masks.motion import source as motion_masks
from benchmark_builder.masks.networks.detector import NETWORKS, detect
from benchmark_builder.masks.networks.prompts import part_boxes
from benchmark_builder.masks.networks.sam import follow
from benchmark_builder.synthactions import SynthSettings
from benchmark_builder.synthactions.render import render_clip
from benchmark_builder.utils.device import pick_device
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames

SOURCES = ("motion", "tiny", "vit_b", "vit_l", "vit_h", "sam2", "maskrcnn")


def tiny_sam() -> Sam:
    """A SAM of 64-pixel pictures."""
    return Sam(
        ImageEncoderViT(
            depth=2, embed_dim=32, img_size=64, mlp_ratio=2, num_heads=2, patch_size=16, use_rel_pos=True,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), global_attn_indexes=(1,), window_size=2, out_chans=16,
        ),
        PromptEncoder(16, (4, 4), (64, 64), mask_in_chans=4),
        MaskDecoder(
            transformer_dim=16, transformer=TwoWayTransformer(depth=2, embedding_dim=16, num_heads=2, mlp_dim=32)
        ),
    )  # fmt: skip


def drawn(network: torch.nn.Module, name: str) -> torch.nn.Module:
    """Random weights of unit gain, the same in every run."""
    draw = torch.Generator().manual_seed(int(generator(0, name, "weights").integers(2**31)))
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if value.is_floating_point() and "running_var" not in key:
                fan = value[0].numel() if value.ndim > 1 else 1
                value.copy_(torch.randn(value.shape, generator=draw) / fan**0.5)
    return network.eval()


def runner(name: str, device: torch.device, chunk: int, half: bool) -> Callable[[list[np.ndarray]], None]:
    """The work of a source on the decoded frames of a video."""
    if name == "motion":
        return lambda frames: void(motion_masks.follow(frames, *frames[0].shape[:2]))
    if name == "maskrcnn":
        network = drawn(NETWORKS["maskrcnn_resnet50_fpn_v2"].build(), name).to(device)
        network.roi_heads.score_thresh = 1.0  # type: ignore[union-attr, assignment]
        return lambda frames: void(list(detect(network, frames, device, chunk, True)))
    if name == "sam2":
        return sam2_runner(device, chunk)
    build = tiny_sam if name == "tiny" else sam_model_registry[name]
    predictor = SamPredictor(drawn(build(), name).to(device))

    def run(frames: list[np.ndarray]) -> None:
        boxes = [[ActorBox(0, x, y, x + w, y + h)] for x, y, w, h in map(box, range(len(frames)))]
        list(follow(predictor, frames, boxes, chunk, 0.1, half))

    return run


def sam2_runner(device: torch.device, chunk: int) -> Callable[[list[np.ndarray]], None]:
    """SAM 2 of the size of sam2.1-hiera-tiny, which is transformers' default configuration, at 1,024 pixels."""
    from transformers import Sam2VideoConfig, Sam2VideoModel, Sam2VideoProcessor
    from transformers.models.sam2 import Sam2ImageProcessor
    from transformers.models.sam2_video import Sam2VideoVideoProcessor

    from benchmark_builder.masks.networks import sam2

    torch.manual_seed(0)
    model = Sam2VideoModel(Sam2VideoConfig()).to(device).eval()
    network = sam2.Network(model, Sam2VideoProcessor(Sam2ImageProcessor(), Sam2VideoVideoProcessor(), target_size=1024))

    def run(frames: list[np.ndarray]) -> None:
        boxes = [[ActorBox(0, x, y, x + w, y + h)] for x, y, w, h in map(box, range(len(frames)))]
        list(sam2.follow(network, frames, boxes, chunk, 0.1, 0.0))

    return run


def void(result: object) -> None:
    """Ignores a result: only the time is measured."""


def speed(names: list[str], device: torch.device, chunk: int, half: bool, count: int) -> None:
    with TemporaryDirectory() as folder:
        frames = list(islice(read_frames(clip(Path(folder))), count))
    height, width = frames[0].shape[:2]
    print(f"{len(frames)} frames of {width}x{height}, one actor, decoded beforehand")
    for name in names:
        on = torch.device("cpu") if name == "motion" else device
        run = runner(name, on, chunk, half)
        if on.type == "cuda":
            run(frames[:chunk])  # warm-up: kernels are compiled and selected
            torch.cuda.synchronize()
        start, used = time.perf_counter(), time.process_time()
        run(frames)
        if on.type == "cuda":
            torch.cuda.synchronize()
        wall, used = time.perf_counter() - start, time.process_time() - used
        memory = f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if on.type == "cuda" else ""
        number = "bfloat16 encoder" if half and name in sam_model_registry else "float32"
        print(
            f"{name:9} on {on}, {number}: {len(frames) / wall:.3g} frames/s by the clock, "
            f"{len(frames) / used:.3g} per CPU second{memory}",
            flush=True,
        )


def synth(count: int) -> None:
    """IoU of a tiny random SAM, prompted with boxes, with the exact masks; only a test that all parts work together."""
    predictor, scores, by_box = SamPredictor(drawn(tiny_sam(), "tiny")), [], []
    settings = SynthSettings()
    for index in range(count):
        images, masks, _ = render_clip(settings, "test_unbiased", index)
        boxes = [[ActorBox(0, *part) for part in part_boxes(m)[:1]] for m in masks]
        for k, found in follow(predictor, images, boxes, 8, 0.1):
            scores.append(iou(found, masks[k]))
            [(_, x1, y1, x2, y2)] = boxes[k]
            whole = np.zeros_like(masks[k])
            whole[y1:y2, x1:x2] = True
            by_box.append(iou(whole, masks[k]))
    print(
        f"synthactions, {count} videos, {len(scores)} frames: mean IoU {np.mean(scores):.3f} of a tiny SAM with random "
        f"weights (a test of the parts only), {np.mean(by_box):.3f} of the boxes used as prompts"
    )


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=["motion", "tiny", "vit_b", "maskrcnn"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", action="store_true", help="SAM's encoder in bfloat16, as the source runs it on a GPU")
    parser.add_argument("--chunk", type=int, default=8, help="frames together")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--synth", type=int, default=0, metavar="VIDEOS")
    options = parser.parse_args()
    if options.synth:
        synth(options.synth)
    else:
        speed(options.sources, pick_device(options.device), options.chunk, options.half, options.frames)


if __name__ == "__main__":
    main()
