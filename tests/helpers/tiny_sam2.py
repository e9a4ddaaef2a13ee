"""A tiny SAM 2 with known answers."""

from pathlib import Path

import pytest
import torch
from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VideoModel, Sam2VideoProcessor, Sam2VisionConfig
from transformers.models.sam2 import Sam2ImageProcessor
from transformers.models.sam2_video import Sam2VideoVideoProcessor

from benchmark_builder.utils.rng import generator

SIDE = 64  # side of the tiny network's pictures in pixels: its feature maps have sides of 16, 8 and 4


CHANNELS = 128  # must be more than the channels of the network's memory, which are always 64


def tiny_sam2() -> Sam2VideoModel:
    hiera = Sam2HieraDetConfig(
        hidden_size=8, num_attention_heads=1, image_size=[SIDE, SIDE], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 2], window_positional_embedding_background_size=[4, 4],
        global_attention_blocks=[3],
    )  # fmt: skip
    vision = Sam2VisionConfig(
        backbone_config=hiera, backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=CHANNELS,
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
    )  # fmt: skip
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": CHANNELS, "image_size": SIDE, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": CHANNELS, "mlp_dim": 32, "num_attention_heads": 2,
                             "iou_head_hidden_dim": 32},
        image_size=SIDE, memory_attention_hidden_size=CHANNELS, memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=32, memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_hidden_size=CHANNELS, memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=CHANNELS, memory_fuser_embed_dim=CHANNELS, memory_fuser_intermediate_dim=32,
        num_maskmem=3, max_object_pointers_in_encoder=4,
    )  # fmt: skip
    model = Sam2VideoModel(config)
    draw = torch.Generator().manual_seed(int(generator(0, "sam2", "weights").integers(2**31)))
    with torch.no_grad():
        for value in model.parameters():
            fan = max(1, value[0].numel() if value.ndim > 1 else 1)
            value.copy_(torch.randn(value.shape, generator=draw) / fan**0.5)
    return model.eval()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a tiny SAM 2 in the format of transformers."""
    path = tmp_path_factory.mktemp("sam2") / "tiny"
    tiny_sam2().save_pretrained(path)
    size = {"height": SIDE, "width": SIDE}
    Sam2VideoProcessor(
        image_processor=Sam2ImageProcessor(size=size, mask_size={"height": SIDE // 4, "width": SIDE // 4}),
        video_processor=Sam2VideoVideoProcessor(size=size),
        target_size=SIDE,
    ).save_pretrained(path)
    return path
