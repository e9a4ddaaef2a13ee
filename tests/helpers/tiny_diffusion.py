"""A text-to-image pipeline of diffusers with random weights, in a folder, as `bench data backgrounds` takes it."""

from pathlib import Path

import torch


def write_pipeline(folder: Path) -> Path:
    """Stable Diffusion with two blocks of 4 and 8 channels; pictures of 16 pixels take milliseconds."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [chr(k) for k in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        text = CLIPTextConfig(
            vocab_size=len(words), hidden_size=8, intermediate_size=16, num_attention_heads=2, num_hidden_layers=1,
            max_position_embeddings=16, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )  # fmt: skip
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL(
                block_out_channels=(4, 8), latent_channels=4, norm_num_groups=2,
                down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            ),
            unet=UNet2DConditionModel(
                block_out_channels=(4, 8), layers_per_block=1, sample_size=8, cross_attention_dim=8, norm_num_groups=2,
                attention_head_dim=2, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            ),
            text_encoder=CLIPTextModel(text),
            tokenizer=CLIPTokenizer(vocab={w: k for k, w in enumerate(words)}, merges=[], model_max_length=16),
            scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder
