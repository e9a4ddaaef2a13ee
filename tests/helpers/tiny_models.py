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
