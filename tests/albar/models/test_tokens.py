"""Tokens of every network: their axes are time, height, width, features; heads over them."""

import warnings
from pathlib import Path

import pytest
import torch
from tiny_models import huggingface_folder
from torch import nn
from torch.nn import functional

from albar.clips.clips import ClipSampling
from albar.models import build_model
from albar.models.heads import logits_and_features
from albar.models.huggingface import pretrained
from albar.models.token_network import AttentivePool, TokenNetwork, attentive_settings, pool_of
from albar.models.tokens import token_map
from benchmark_builder.utils.errors import BenchError

SHAPES = {
    "small3d": (4, 32, (4, 2, 2, 96)),
    "r3d_18": (4, 32, (1, 2, 2, 512)),
    "swin3d_t": (4, 32, (2, 1, 1, 768)),
    "resnet18_2d": (2, 32, (2, 1, 1, 512)),
    "swin_t_2d": (2, 32, (2, 1, 1, 768)),
}


def network(name: str, frames: int, size: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_model(name, 3, ClipSampling(frames=frames, size=size, resize=size)).eval()


def clips(frames: int, size: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_mean_of_the_tokens_is_what_the_head_looks_at(name: str) -> None:
    frames, size, shape = SHAPES[name]
    model, x = network(name, frames, size), clips(frames, size)
    with torch.no_grad():
        tokens, (_, features) = token_map(model, x), logits_and_features(model, x)
    assert tokens.shape == (2, *shape)
    assert torch.allclose(tokens.mean((1, 2, 3)), features, atol=1e-5)


def test_mvit_and_s3d_have_theirs() -> None:
    with torch.no_grad():
        assert token_map(network("mvit_v2_s", 16, 224), clips(16, 224, 1)).shape == (1, 8, 7, 7, 768)
        assert token_map(network("s3d", 16, 64), clips(16, 64, 1)).shape == (1, 2, 2, 2, 1024)


@pytest.mark.parametrize(("kind", "steps"), [("videomae", 2), ("timesformer", 4), ("vivit", 2)])
def test_a_token_of_a_transformer_is_where_its_patch_is(kind: str, steps: int, tmp_path: Path) -> None:
    """Without layers, a token depends on its own patch alone."""
    model = pretrained(huggingface_folder(tmp_path / kind, kind, 3), 3).eval()
    base: nn.Module = getattr(model.network, kind)
    holder = base.encoder if hasattr(base, "encoder") else base
    name = next(n for n, m in holder.named_children() if isinstance(m, nn.ModuleList))
    setattr(holder, name, nn.ModuleList())
    x = clips(4, 32)
    changed = x.clone()
    changed[:, :, 3, 16:, :16] += 1
    with torch.no_grad():
        before, after = token_map(model, x), token_map(model, changed)
    assert before.shape == (2, steps, 2, 2, 32)
    differ = (after - before).abs().sum(-1)[0] > 1e-4
    assert differ.nonzero().tolist() == [[steps - 1, 1, 0]]


@pytest.mark.parametrize("name", ["small3d", "resnet18_2d", "videomae", "timesformer", "vivit"])
def test_every_weight_under_a_head_over_tokens_is_used(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = (
            network(name, 4, 32)
            if name in SHAPES
            else pretrained(huggingface_folder(tmp_path / name, name, 3), 3).train()
        )
    width = token_map(model, clips(4, 32)).shape[-1]
    made = TokenNetwork(model, attentive_settings(width, 16, 1), 5)
    logits, features = logits_and_features(made, clips(4, 32))
    assert logits.shape == (2, 5) and features.shape == (2, width)
    logits.sum().backward()
    assert [n for n, p in made.named_parameters() if p.grad is None] == []
    assert bool(made.architecture) == (name not in SHAPES)


def test_attentive_pooling_is_attention_with_a_learned_query() -> None:
    """Against torch's own attention, with weights that are not small."""
    torch.manual_seed(0)
    pool, x = AttentivePool(32, 4), torch.randn(5, 2, 3, 4, 32)
    for p in pool.parameters():
        nn.init.normal_(p, std=0.3)
    theirs = nn.MultiheadAttention(32, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([pool.to_query.weight, pool.to_key.weight, pool.to_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([pool.to_query.bias, torch.zeros(32), pool.to_value.bias]))
        nn.init.eye_(theirs.out_proj.weight)
        nn.init.zeros_(theirs.out_proj.bias)
    tokens = functional.layer_norm(x.flatten(1, 3), (32,))
    seen, _ = theirs(pool.query.expand(5, 1, 32), tokens, tokens)
    z = pool.query + seen[:, 0]
    wanted = z + pool.mlp(pool.norm(z))
    assert torch.allclose(pool(x), wanted, atol=1e-5)  # float32 sums of 24 tokens and 128 hidden units of about 1
    order = torch.randperm(24)
    assert torch.allclose(pool(x.flatten(1, 3)[:, order]), wanted, atol=1e-5)


def test_attention_heads_divide_the_width() -> None:
    assert attentive_settings(768, 16, 1)["heads"] == 16
    assert attentive_settings(36, 16, 1)["heads"] == 4
    assert attentive_settings(35, 16, 1)["heads"] == 1


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"kind": "magic"}, "head over tokens is 'magic', which this version does not know"),
        ({"kind": None}, "which this version does not know"),
        ({"width": "wide"}, "has width wide, not a whole number"),
        ({"width": 10**9}, "not a whole number from 1 to"),
        ({"heads": 5}, "5 attention heads, which do not divide the width 32"),
        ({"blocks": 0}, "has blocks 0"),
        ({"blocks": True}, "has blocks True"),
        ({"heads": None}, "has heads None"),
        ({"width": 2**14, "blocks": 2**14}, "blocks of width 16384, over"),
    ],
)
def test_settings_from_a_file_are_checked(changes: dict, word: str) -> None:
    with pytest.raises(BenchError, match=word):
        pool_of({**attentive_settings(32, 4, 1), **changes})


def test_a_network_of_unknown_tokens_is_told() -> None:
    with pytest.raises(BenchError, match=r"tokens of Linear are not known; give your network a method tokens\(clips\)"):
        token_map(nn.Linear(3, 3), clips(2, 16))
