"""A tiny SAM with known answers."""

from functools import partial
from pathlib import Path

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from benchmark_builder.masks.networks import sam as sam_module
from benchmark_builder.masks.networks.sam import Model
from benchmark_builder.utils.rng import generator

SIDE, PATCH = 64, 16


def tiny_sam(embed_dim: int = 32) -> Sam:
    """A SAM for 64-pixel pictures with 4x4 embeddings; weights have torch's initial values."""
    grid = SIDE // PATCH
    return Sam(
        image_encoder=ImageEncoderViT(
            depth=2, embed_dim=embed_dim, img_size=SIDE, mlp_ratio=2, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            num_heads=2, patch_size=PATCH, use_rel_pos=True, global_attn_indexes=(1,), window_size=2, out_chans=16,
        ),
        prompt_encoder=PromptEncoder(16, (grid, grid), (SIDE, SIDE), mask_in_chans=4),
        mask_decoder=MaskDecoder(
            transformer_dim=16, transformer=TwoWayTransformer(depth=2, embedding_dim=16, num_heads=2, mlp_dim=32)
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )  # fmt: skip


def drawn(network: torch.nn.Module, name: str, scale: float = 1.0) -> torch.nn.Module:
    """Draw every weight with this test's own generator."""
    draw = torch.Generator().manual_seed(int(generator(0, name, "weights").integers(2**31)))
    with torch.no_grad():
        for value in network.state_dict().values():
            fan = max(1, value[0].numel() if value.ndim > 1 else 1)
            value.copy_(torch.randn(value.shape, generator=draw) * scale / fan**0.5)
    return network.eval()


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a tiny SAM, which the source knows as ``tiny``."""
    monkeypatch.setitem(sam_module.MODELS, "tiny", Model(tiny_sam, "tiny.pth"))
    path = tmp_path / "tiny.pth"
    torch.save(drawn(tiny_sam(), "tiny").state_dict(), path)
    return path
