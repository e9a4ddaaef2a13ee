"""Makes tiny Hugging Face folders with random weights, and a dataset with benchmarks for scoring them."""

import json
from pathlib import Path
from typing import Any

import torch

FRAMES, SIZE = 4, 32


def huggingface_folder(
    folder: Path, kind: str, classes: list[str] | int, preprocessor: dict[str, Any] | None = None, **changes: Any
) -> Path:
    """A folder from ``save_pretrained``: VideoMAE, TimeSformer, ViViT, V-JEPA 2 or VideoPrism with two layers of 32
    channels."""
    from transformers import AutoConfig, AutoModelForVideoClassification

    settings: dict[str, Any] = {
        "image_size": SIZE, "patch_size": 16, "num_frames": FRAMES, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 64, **changes,
    }  # fmt: skip
    if kind == "vivit":
        del settings["patch_size"]
        settings["tubelet_size"] = [2, 16, 16]
    if kind == "vjepa2":
        settings = {
            "crop_size": SIZE, "patch_size": 16, "frames_per_clip": FRAMES, "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "mlp_ratio": 2, "num_pooler_layers": 1, "pred_hidden_size": 32,
            "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1, "pred_num_mask_tokens": 1, **changes,
        }  # fmt: skip
    if kind == "videoprism_vision_model":
        del settings["patch_size"], settings["num_hidden_layers"]
        more = {"tubelet_size": [1, 16, 16], "num_spatial_layers": 1, "num_temporal_layers": 1}
        settings = {**settings, **more, **changes}
    if isinstance(classes, int):
        settings["num_labels"] = classes
    else:
        settings["id2label"] = dict(enumerate(classes))
        settings["label2id"] = {name: k for k, name in enumerate(classes)}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AutoModelForVideoClassification.from_config(AutoConfig.for_model(kind, **settings))
    # Logits of random heads differ by hundredths; larger differences show whether the preprocessing is right.
    with torch.no_grad():
        network.classifier.weight.mul_(50)
    network.save_pretrained(folder)
    if preprocessor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


ZERO_SHOT = ("clip", "metaclip_2", "siglip", "siglip2", "videoprism", "xclip")
LETTERS = "abcdefghijklmnopqrstuvwxyz' -"
LONGEST = 72  # tokens of a text: letters, and the two at its ends


def tokenizer(folder: Path) -> dict[str, int]:
    """Write a tokenizer whose tokens are letters, with a start and an end; token -> number."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<unk>", *LETTERS, "\u2581", "<s>", "</s>"]
    known = {name: k for k, name in enumerate(names)}
    made = Tokenizer(models.BPE(known, [], unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    ends = [(name, known[name]) for name in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    return known


def zero_shot_folder(
    folder: Path, kind: str, preprocessor: dict[str, Any] | None = None, text: dict[str, Any] | None = None
) -> Path:
    """A folder of a model that compares videos with texts, of one layer of 16 channels per part.

    Args:
        folder: gets the model and its tokenizer.
        kind: one of :data:`ZERO_SHOT`.
        preprocessor: its preprocessor_config.json.
        text: changes of its text_config.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForZeroShotImageClassification

    known = tokenizer(folder)
    common = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "projection_dim": 16}
    texts = {
        **common, "num_hidden_layers": 1, "vocab_size": len(known), "max_position_embeddings": LONGEST,
        "projection_size": 16, "bos_token_id": known["<s>"], "eos_token_id": known["</s>"], "pad_token_id": 0,
        **(text or {}),
    }  # fmt: skip
    vision: dict[str, Any] = {**common, "num_hidden_layers": 1, "image_size": SIZE, "patch_size": 16}
    more: dict[str, Any] = {"projection_dim": 16}
    if kind == "siglip2":
        del vision["image_size"]
        vision["num_patches"] = (SIZE // 16) ** 2
    if kind == "videoprism":
        del vision["patch_size"], vision["num_hidden_layers"], vision["projection_dim"]
        vision |= {"num_frames": FRAMES, "tubelet_size": [1, 16, 16], "num_spatial_layers": 1}
        vision |= {"num_temporal_layers": 1, "num_auxiliary_layers": 1}
    if kind == "xclip":
        vision |= {"num_frames": FRAMES, "mit_hidden_size": 16, "mit_intermediate_size": 32}
        vision |= {"mit_num_hidden_layers": 1, "mit_num_attention_heads": 2}
        more |= {"prompt_layers": 1, "prompt_num_attention_heads": 2}
    config = AutoConfig.for_model(kind, text_config=texts, vision_config=vision, **more)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = (AutoModel if kind == "xclip" else AutoModelForZeroShotImageClassification).from_config(config)
        # Weights as they are initialised make all features nearly equal; larger ones show what is computed.
        with torch.no_grad():
            for value in network.parameters():
                if value.ndim > 1:
                    value.normal_(std=0.3)
            if hasattr(network, "logit_scale"):
                network.logit_scale.fill_(4.0)
    network.save_pretrained(folder)
    if preprocessor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder
