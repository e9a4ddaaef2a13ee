"""SDN: the reversal's sign against finite differences, masked clips and entropy by hand; features of every network."""

import math

import pytest
import torch
from torch import nn
from torchvision.models import get_model
from torchvision.models.video.mvit import MSBlockConfig, MViT

from albar.clips.clips import ClipSampling
from albar.methods import Batch, Companions, make_method
from albar.methods.sdn import SDN, SdnSettings, reversed_gradient, scene_head, without_actors
from albar.models.heads import find_head, logits_and_features
from albar.models.small3d import Small3D
from benchmark_builder.utils.errors import BenchError

COMPANIONS = Companions(3, ClipSampling(), scenes=4)


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(dtype: torch.dtype = torch.float32, frames: int = 4, size: int = 16) -> Batch:
    actors = torch.zeros(3, 1, frames, size, size, dtype=dtype)
    actors[..., 4:12, 4:12] = 1
    return Batch(
        torch.randn(3, 3, frames, size, size, generator=draw(), dtype=dtype),
        torch.tensor([0, 2, 1]),
        actors,
        torch.softmax(torch.randn(3, 4, generator=draw(1), dtype=dtype), dim=1),
    )


class Smooth(nn.Module):
    """Mean colour, a tanh layer, a head: smooth, so that central differences are exact to the step squared."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.body(x.mean(dim=(2, 3, 4)))))


@pytest.mark.parametrize(("progress", "alpha"), [(0.0, 1.5), (0.6, 0.5)])
def test_the_features_learn_against_the_scene_head_and_it_learns_for_itself(progress: float, alpha: float) -> None:
    torch.manual_seed(0)
    model, batch = Smooth().double(), batch_of(torch.float64)
    method = SDN(SdnSettings(adv=0.7, alpha=1.5, alpha2=0.5, ent=0.3, stage2=0.5, hidden=0))
    method.prepare(model, batch.clips[:1], COMPANIONS)
    assert method.extra is not None
    method.extra.double()
    loss, _ = method.loss(model, batch, draw(), progress)
    loss.backward()

    def terms() -> dict[str, float]:
        return {k: v.item() for k, v in method.loss(model, batch, draw(), progress)[1].items()}

    def slope(weight: torch.Tensor, at: tuple[int, int], name: str) -> float:
        h = 1e-5  # errors: h² = 1e-10, and 1e-16 / h = 1e-11
        weight.data[at] += h
        up = terms().get(name, 0.0)
        weight.data[at] -= 2 * h
        down = terms().get(name, 0.0)
        weight.data[at] += h
        return (up - down) / (2 * h)

    body, head, scene = model.body.weight, model.head.weight, method.extra[0].weight
    assert body.grad is not None and head.grad is not None and scene.grad is not None
    for at in ((0, 0), (4, 2)):
        wanted = (
            slope(body, at, "ce") - alpha * 0.7 * slope(body, at, "scene_ce") - 0.3 * slope(body, at, "masked_entropy")
        )
        assert slope(body, at, "scene_ce") != 0
        assert body.grad[at].item() == pytest.approx(wanted, abs=1e-8)
    for at in ((0, 0), (2, 4)):
        wanted = slope(head, at, "ce") - 0.3 * slope(head, at, "masked_entropy")
        assert head.grad[at].item() == pytest.approx(wanted, abs=1e-8)
    for at in ((0, 0), (3, 4)):
        assert scene.grad[at].item() == pytest.approx(0.7 * slope(scene, at, "scene_ce"), abs=1e-8)
    assert ("masked_entropy" in terms()) == (progress >= 0.5)


def test_the_reversal_is_the_identity_forward_and_minus_alpha_backward() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reversed_gradient(x, 0.5)
    assert torch.equal(y, x)
    (y * torch.tensor([3.0, 4.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [-1.5, -2.0]


class Fixed(nn.Module):
    """Logits (a, −a, 0 …) where the clip's mean colour is above 0, else all alike."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.head = nn.Linear(1, 3, bias=False)
        self.head.weight.data = torch.tensor([[a], [-a], [0.0]])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head((x.mean(dim=(1, 2, 3, 4)) > 0).to(x.dtype)[:, None])


def test_the_terms_by_hand() -> None:
    clips = torch.ones(2, 3, 2, 4, 4)
    clips[1] = -1
    actors = torch.zeros(2, 1, 2, 4, 4)
    actors[:, :, :, 0, 0] = 1
    batch = Batch(clips, torch.tensor([0, 1]), actors, torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 0, 1.0]]))
    method = SDN(SdnSettings(adv=2, ent=3, stage2=0, hidden=0))
    method.prepare(Fixed(1.0), clips[:1], COMPANIONS)
    assert method.extra is not None
    nn.init.zeros_(method.extra[0].weight)
    nn.init.zeros_(method.extra[0].bias)
    loss, terms = method.loss(Fixed(1.0), batch, draw(), 0.0)
    z = math.exp(1) + math.exp(-1) + 1
    p = [math.exp(1) / z, math.exp(-1) / z, 1 / z]
    ce = (-math.log(p[0]) + math.log(3)) / 2
    entropy = (-sum(v * math.log(v) for v in p) + math.log(3)) / 2  # a filled clip of one colour is itself
    assert terms["ce"].item() == pytest.approx(ce, rel=1e-6)
    assert terms["scene_ce"].item() == pytest.approx(math.log(4), rel=1e-6)  # whatever the shares, if they sum to 1
    assert terms["masked_entropy"].item() == pytest.approx(entropy, rel=1e-6)
    assert loss.item() == pytest.approx(ce + 2 * math.log(4) - 3 * entropy, rel=1e-5)


@pytest.mark.parametrize("a", [1e4, -1e4])
def test_the_entropy_is_finite_at_extreme_logits(a: float) -> None:
    model, batch = Fixed(a), batch_of()
    method = SDN(SdnSettings(adv=0, stage2=0))
    method.prepare(model, batch.clips[:1], COMPANIONS)
    loss, terms = method.loss(model, batch, draw(), 0.0)
    loss.backward()
    assert math.isfinite(loss.item()) and 0 <= terms["masked_entropy"].item() <= math.log(3) + 1e-6
    assert model.head.weight.grad is not None and torch.isfinite(model.head.weight.grad).all()


def test_actors_and_frames_without_a_mask_are_filled_with_the_frames_mean() -> None:
    clips = torch.arange(2 * 3 * 3 * 2 * 2, dtype=torch.float32).view(2, 3, 3, 2, 2)
    actors = torch.zeros(2, 1, 3, 2, 2)
    actors[0, 0, 0, 0, 1] = 0.1  # an edge counts as actor
    actors[0, 0, 2, 1, 1] = 1
    filled, counts = without_actors(clips, actors, coverage=0.6)
    means = clips.mean(dim=(3, 4))
    for channel in range(3):
        first = clips[0, channel, 0]
        assert filled[0, channel, 0].tolist() == [[first[0, 0], means[0, channel, 0]], first[1].tolist()]
        assert (filled[0, channel, 1] == means[0, channel, 1]).all()  # no mask: people may be anywhere
        last = clips[0, channel, 2]
        assert filled[0, channel, 2].tolist() == [last[0].tolist(), [last[1, 0], means[0, channel, 2]]]
    assert counts.tolist() == [1, 0]  # 2 of 3 frames, and none


@pytest.mark.parametrize(
    ("covered", "coverage", "counts"), [(7, 0.7, 1), (6, 0.7, 0), (0, 0.0, 0), (1, 0.0, 1), (10, 1.0, 1), (9, 1.0, 0)]
)
def test_a_clip_counts_from_the_coverage_on(covered: int, coverage: float, counts: int) -> None:
    actors = torch.zeros(1, 1, 10, 4, 4)
    actors[:, :, :covered, 0, 0] = 1
    assert without_actors(torch.zeros(1, 3, 10, 4, 4), actors, coverage)[1].tolist() == [counts]


def test_clips_that_do_not_count_teach_nothing() -> None:
    torch.manual_seed(0)
    model, batch = Small3D(3), batch_of()
    assert batch.actors is not None
    batch.actors[:2] = 0
    method = SDN(SdnSettings(adv=0, stage2=0))
    one = Batch(batch.clips[2:], batch.labels[2:], batch.actors[2:])
    all_three, alone = (method.loss(model, b, draw(), 0.0)[1]["masked_entropy"].item() for b in (batch, one))
    assert all_three == pytest.approx(alone, rel=1e-5)
    batch.actors[2] = 0
    loss, terms = method.loss(model, batch, draw(), 0.0)
    assert terms["masked_entropy"].item() == 0 and loss.item() == terms["ce"].item()


def test_what_is_needed_follows_the_settings() -> None:
    assert make_method("sdn", "finetune", {}).needs == {"actors", "scenes"}
    assert make_method("sdn", "finetune", {"ent": 0}).needs == {"scenes"}
    assert make_method("sdn", "finetune", {"adv": 0}).needs == {"actors"}


def test_the_scene_head_is_the_published_one_and_leaves_the_network_alone() -> None:
    model = Small3D(3).train()
    method = make_method("sdn", "finetune", {"lr": 3})
    method.prepare(model, torch.zeros(1, 3, 4, 16, 16), COMPANIONS)
    assert method.extra is not None and method.extra_lr == 3 and model.training
    kinds = [type(layer) for layer in method.extra.children()]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 3 + [nn.Linear]
    assert method.extra(torch.randn(4, 96)).shape == (4, 4)
    assert [type(layer) for layer in scene_head(8, 4, 1, "layer")] == [nn.Linear, nn.LayerNorm, nn.ReLU, nn.Linear]


def test_missing_companions_are_named() -> None:
    model, batch = Small3D(3), batch_of()
    method = make_method("sdn", "scratch", {"stage2": 0})
    with pytest.raises(BenchError, match="scene labels"):
        method.prepare(model, batch.clips[:1], Companions(3, ClipSampling()))
    method.prepare(model, batch.clips[:1], COMPANIONS)
    with pytest.raises(BenchError, match="scene labels"):
        method.loss(model, Batch(batch.clips, batch.labels, batch.actors), draw(), 0.0)
    with pytest.raises(BenchError, match="mask source"):
        method.loss(model, Batch(batch.clips, batch.labels, None, batch.scenes), draw(), 0.0)


def network(name: str) -> nn.Module:
    if name == "small3d":
        return Small3D(5)
    if name == "mvit":  # two blocks of it
        block = MSBlockConfig(1, 24, 24, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 4, 4])
        return MViT(
            (64, 64),
            16,
            [block, block],
            residual_pool=True,
            residual_with_cls_embed=False,
            rel_pos_embed=True,
            proj_after_attn=True,
            num_classes=5,
        )
    if name == "videomae":
        from transformers import VideoMAEConfig, VideoMAEForVideoClassification

        config = VideoMAEConfig(
            image_size=64,
            num_frames=16,
            hidden_size=24,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            num_labels=5,
        )
        return Wrapped(VideoMAEForVideoClassification(config))
    model: nn.Module = get_model(name, weights=None, num_classes=5)
    if name == "s3d":
        model.avgpool = nn.AvgPool3d((2, 1, 1), 1)  # of 7 x 7 it takes pictures of 224 pixels only
    return model


class Wrapped(nn.Module):
    """A network one level down, as wrappers for other libraries and for several GPUs have it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(pixel_values=x.transpose(1, 2)).logits


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("small3d", 96),
        ("swin3d_t", 768),
        ("mvit", 24),
        ("s3d", 1024),
        ("r3d_18", 512),
        ("videomae", 24),
    ],
)
def test_features_are_what_the_head_saw(name: str, width: int) -> None:
    torch.manual_seed(0)
    model = network(name).eval()
    clips = torch.randn(1, 3, 16, 64, 64)
    with torch.no_grad():
        logits, features = logits_and_features(model, clips)
        assert features.shape == (1, width)
        assert torch.equal(logits, model(clips))
        head = find_head(model)
        if name == "s3d":  # the mean of a linear map is the map of the mean
            features = features[..., None, None, None]
        assert torch.allclose(head(features).flatten(1), logits, atol=1e-4)  # float32 sums of up to 1024 terms
    assert not head._forward_pre_hooks


def test_features_are_float32_of_a_network_in_half_precision() -> None:
    model = Small3D(3).bfloat16()
    assert logits_and_features(model, torch.randn(1, 3, 2, 16, 16).bfloat16())[1].dtype == torch.float32


def test_a_network_without_a_head_is_refused() -> None:
    with pytest.raises(BenchError, match="has no module named head, fc, classifier"):
        find_head(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(BenchError, match="more than one"):
        find_head(nn.ModuleDict({"head": nn.Linear(2, 2), "fc": nn.Linear(2, 2)}))
