"""The losses of MIL ranking, RTFM and MGFN against values worked out by hand, and the shape of the networks."""

import math

import pytest
import torch
from torch import nn

from evaluator.downstream.anomaly import mgfn
from evaluator.downstream.anomaly.base import Bag, classification, length, longest, smoothness
from evaluator.downstream.anomaly.mgfn import MGFN, Focus, Glance, far, near
from evaluator.downstream.anomaly.mil import MIL, ranking
from evaluator.downstream.anomaly.rtfm import RTFM, NonLocal, magnitude

NORMAL = torch.tensor([[0.1, 0.2, 0.3], [0.0, 0.5, 0.1]])
ABNORMAL = torch.tensor([[0.9, 0.1, 0.2], [0.3, 0.4, 0.2]])


def bag(scores: torch.Tensor, features: torch.Tensor | None = None) -> Bag:
    return Bag(scores, torch.zeros(*scores.shape, 1)[:, None] if features is None else features)


def test_mil() -> None:
    # Highest scores: normal 0.3, 0.5; abnormal 0.9, 0.4.
    # Normal 0.3: (1 - 0.9 + 0.3) + (1 - 0.4 + 0.3) = 1.3; normal 0.5: 0.6 + 1.1 = 1.7; mean 1.5.
    assert ranking(NORMAL, ABNORMAL).item() == pytest.approx(1.5)
    # Abnormal differences: 0.8² + 0.1² + 0.1² + 0.2² = 0.7; sum of scores: 1.2 + 0.9 = 2.1.
    assert smoothness(ABNORMAL).item() == pytest.approx(0.7)
    head = MIL(4, MIL.Settings(smooth=0.01, sparse=0.1, weight_decay=0.5))
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.score[5].weight[0, :2] = torch.tensor([1.0, 2.0])  # squares: 5
        head.score[5].bias.fill_(3.0)  # biases are not counted
    assert head.loss(bag(NORMAL), bag(ABNORMAL)).item() == pytest.approx(1.5 + 0.007 + 0.21 + 2.5)


def test_a_pair_beyond_the_hinge_costs_nothing() -> None:
    assert ranking(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item() == 0
    assert ranking(torch.zeros(1, 2), torch.tensor([[0.75, 0.0]])).item() == pytest.approx(0.25)


def test_rtfm_lengths() -> None:
    # Mean of the k = 2 features: abnormal (3, 4), length 5; normal (0, 3), length 3. (|100 - 5| + 3)² = 9604.
    abnormal = torch.tensor([[6.0, 8.0], [0.0, 0.0]])[None, None]
    normal = torch.tensor([[0.0, 2.0], [0.0, 4.0]])[None, None]
    assert magnitude(normal, abnormal, 100).item() == pytest.approx(9604)
    # Longer than the margin counts, too: (|4 - 5| + 3)² = 16.
    assert magnitude(normal, abnormal, 4).item() == pytest.approx(16)


def test_rtfm() -> None:
    # T = 10, so k = 1. Lengths choose segment 4 of the abnormal video (length 5, score 0.8) and segment 7 of the
    # normal one (length 2, score 0.3).
    a, n = torch.zeros(1, 1, 10, 2), torch.zeros(1, 1, 10, 2)
    a[0, 0, 4], n[0, 0, 7] = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 2.0])
    score_a, score_n = torch.full((1, 10), 0.6), torch.full((1, 10), 0.1)
    score_a[0, 4], score_n[0, 7] = 0.8, 0.3
    head = RTFM(2, RTFM.Settings(smooth=0.5, sparse=0.25, alpha=0.01)).eval()
    cross_entropy = -(math.log(0.8) + math.log(0.7)) / 2
    lengths = 0.01 * (95 + 2) ** 2
    smooth, sparse = 0.5 * 2 * 0.2**2, 0.25 * math.sqrt(9 * 0.36 + 0.64)
    wanted = cross_entropy + lengths + smooth + sparse
    assert head.loss(bag(score_n, n), bag(score_a, a)).item() == pytest.approx(wanted)


def test_mgfn_contrast() -> None:
    first, second = torch.tensor([[[3.0, 5.0]]]), torch.tensor([[[6.0, 9.0]]])
    # 3² + 4² = 25; a third video has no partner.
    assert near(torch.cat([first, second])).item() == pytest.approx(25)
    assert near(torch.cat([first, second, 100 * first])).item() == pytest.approx(25)
    assert near(first).item() == 0
    # Distance 5: (200 - 5)² = 38025, and nothing beyond the margin. torch adds 1e-6 to each difference, which changes
    # the distance by at most 1.5e-6 and the square by 2 * 195 * 1.5e-6 < 1e-3; float32 has steps of 4e-3 there.
    assert far(first, second, 200).item() == pytest.approx(38025, abs=1e-2)
    assert far(first, second, 4).item() == 0


def test_mgfn() -> None:
    # k = 1 of 2 segments: the second of each. L1 norms: normal 7 and 5, abnormal 3 and 6.
    def longer(*vectors: tuple[float, float]) -> torch.Tensor:
        return torch.stack([torch.zeros(len(vectors), 2), torch.tensor(vectors)], 1)[:, None]

    n, a = longer((3, 4), (5, 0)), longer((0, -3), (-2, 4))
    score_n, score_a = torch.tensor([[0.5, 0.1], [0.5, 0.2]]), torch.tensor([[0.5, 0.8], [0.5, 0.9]])
    settings = MGFN.Settings(k=1, smooth=0.5, sparse=0.25, contrast=0.1, far=0.01, margin=10.0)
    head = MGFN.__new__(MGFN)
    nn.Module.__init__(head)
    head.settings, head.drop = settings, nn.Dropout(0.0)
    cross_entropy = -(math.log(0.9) + math.log(0.8) + math.log(0.8) + math.log(0.9)) / 4
    # near: (7 - 5)² = 4 and (3 - 6)² = 9. far, margin 10: (10 - 4)² = 36 and (10 - 1)² = 81, mean 58.5.
    contrast = 0.1 * (0.01 * 58.5 + 4 + 9)
    smooth = 0.5 * (0.4**2 + 0.3**2 + 0.3**2 + 0.4**2)
    sparse = 0.25 * math.sqrt(0.25 + 0.01 + 0.25 + 0.04)  # of the normal videos
    wanted = cross_entropy + contrast + smooth + sparse
    assert head.loss(bag(score_n, n), bag(score_a, a)).item() == pytest.approx(wanted, rel=1e-5)


def test_terms() -> None:
    assert length(torch.tensor([[3.0, 0.0], [0.0, 4.0]])).item() == pytest.approx(5)
    wanted = -(math.log(0.75) + math.log(0.5)) / 2
    assert classification(torch.tensor([0.25]), torch.tensor([0.5])).item() == pytest.approx(wanted)


def test_the_longest_are_chosen_by_their_mean_over_crops() -> None:
    features = torch.zeros(1, 2, 3, 1)  # lengths of the crops: 1, 5, 2 and 1, 0, 4: means 1, 2.5, 3
    features[0, :, :, 0] = torch.tensor([[1.0, 5.0, 2.0], [1.0, 0.0, 4.0]])
    found = longest(Bag(torch.tensor([[0.1, 0.2, 0.4]]), features), 2, nn.Dropout(0.0))
    assert found.score.item() == pytest.approx(0.3)
    assert found.features[0, :, :, 0].tolist() == [[2, 5], [4, 0]]
    assert longest(Bag(torch.tensor([[0.1, 0.2, 0.4]]), features), 9, nn.Dropout(0.0)).features.shape == (1, 2, 3, 1)


def test_dropped_segments_are_not_chosen() -> None:
    torch.manual_seed(0)
    features = torch.arange(1.0, 41.0).view(1, 1, 40, 1)
    drop = nn.Dropout(0.5)
    chosen = [longest(Bag(torch.zeros(1, 40), features), 1, drop).features.item() for _ in range(20)]
    assert min(chosen) < 40 and min(chosen) > 10  # all of the last 30 dropped: a chance of 20 * 2^-30


def test_the_non_local_block_is_the_papers() -> None:
    torch.manual_seed(0)
    block = NonLocal(6).double().eval()
    nn.init.normal_(block.out[1].weight)
    x = torch.randn(2, 6, 5, dtype=torch.float64)
    related = block.theta(x).transpose(1, 2) @ block.phi(x) / 5  # (θ φ), T x T
    wanted = block.out((related @ block.g(x).transpose(1, 2)).transpose(1, 2)) + x
    assert torch.allclose(block(x), wanted, rtol=1e-12, atol=1e-12)


def test_focus_shares_a_kernel_among_the_channels_of_a_head() -> None:
    torch.manual_seed(0)
    block = Focus(128).double().eval()  # 2 heads; channel c belongs to head c % 2
    x = torch.randn(1, 128, 7, dtype=torch.float64)
    value = block.value(block.norm(x))
    kernels, bias = block.over_time.weight[:, 0], block.over_time.bias
    padded = nn.functional.pad(value, (2, 2))
    shared = torch.stack(
        [sum(kernels[c % 2, j] * padded[0, c, j : j + 7] for j in range(5)) + bias[c % 2] for c in range(128)]
    )
    assert torch.allclose(block(x), block.out(shared[None]), rtol=1e-10, atol=1e-10)


def test_glance_is_attention_with_heads_of_64_channels() -> None:
    torch.manual_seed(0)
    block = Glance(128).double()
    x = torch.randn(1, 128, 5, dtype=torch.float64)
    q, k, v = block.qkv(block.norm(x))[0].chunk(3)
    heads = [torch.softmax(q[h : h + 64].T @ k[h : h + 64] / 8, 1) @ v[h : h + 64].T for h in (0, 64)]  # 8 = √64
    wanted = block.out(torch.cat(heads, 1).T[None])
    assert torch.allclose(block(x), wanted, rtol=1e-10, atol=1e-10)


def weights(kind: type) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in kind(2048, kind.Settings()).parameters())


def test_rtfm_has_the_weights_of_the_public_code() -> None:
    # Layers at 2048 values: three dilated convolutions with batch norm, the reduction, the non-local block with batch
    # norm, the fusion with batch norm, the scores.
    wanted = 3 * (2048 * 512 * 3 + 512 + 1024) + 2048 * 512
    wanted += 3 * (512 * 256 + 256) + 256 * 512 + 512 + 1024
    wanted += 2048 * 2048 * 3 + 4096 + 2048 * 512 + 512 + 512 * 128 + 128 + 128 + 1
    assert weights(RTFM) == wanted


def test_mgfn_has_the_weights_of_the_public_code() -> None:
    # 2048 values and their length to 64 channels; 3 glance blocks of 64, 3 focus blocks of 128, 2 of 1024; the scores.
    def block(width: int, over_time: int) -> int:
        convolution, norm = 3 * width**2 + width, 2 * width
        return convolution + over_time + norm + 4 * width**2 + 4 * width + 4 * width**2 + width

    def focus(width: int) -> int:
        return 2 * width + width**2 + width // 64 * (5 + 1) + width**2 + width

    glance = 2 * 64 + 3 * 64**2 + 64**2 + 64
    wanted = 2048 * 64 * 3 + 64 + 64 * 3 + 64 + 3 * block(64, glance)
    wanted += 2 * 64 + 64 * 128 + 128 + 3 * block(128, focus(128))
    wanted += 2 * 128 + 128 * 1024 + 1024 + 2 * block(1024, focus(1024))
    assert weights(MGFN) == wanted + 2 * 1024 + 1024 + 1


@pytest.mark.parametrize("kind", [MIL, RTFM, MGFN])
@pytest.mark.parametrize(("dimension", "crops", "count"), [(5, 1, 1), (7, 3, 4)])
def test_any_dimension_crops_and_length(monkeypatch, kind, dimension, crops, count) -> None:
    monkeypatch.setattr(mgfn, "WIDTHS", (64, 64, 128))
    torch.manual_seed(0)
    head = kind(dimension, kind.Settings()).eval()
    x = torch.randn(2, crops, count, dimension)
    found = head(x)
    assert found.scores.shape == (2, count) and found.features.shape[:3] == (2, crops, count)
    assert ((found.scores > 0) & (found.scores < 1)).all()
    each = torch.stack([head(x[:, c : c + 1]).scores for c in range(crops)]).mean(0)
    assert torch.allclose(found.scores, each, atol=1e-6)  # the mean over crops
    assert head.loss(Bag(*(v[:1] for v in found)), Bag(*(v[1:] for v in found))).isfinite()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (MIL, {"batch": 30, "lr": 0.01, "dropout": 0.6, "smooth": 8e-5, "sparse": 8e-5, "segments": 32}),
        (RTFM, {"batch": 32, "lr": 1e-3, "weight_decay": 5e-3, "dropout": 0.7, "alpha": 1e-4, "margin": 100.0}),
        (MGFN, {"batch": 16, "lr": 1e-3, "weight_decay": 5e-4, "dropout": 0.7, "k": 3, "margin": 200.0}),
    ],
)
def test_published_settings(kind, said) -> None:
    assert said.items() <= kind.Settings().model_dump().items()
