"""Losses against hand-computed values, the gradient penalty against finite differences in float64."""

import copy
import dataclasses
import math

import pytest
import torch
from torch import nn

from albar.clips.clips import ClipSampling
from albar.methods import METHODS, PRESETS, Batch, Companions, make_method
from albar.methods.albar import PaperAlbar, PaperSettings, gradient_norm
from albar.methods.albar_extended import (
    Albar,
    AlbarSettings,
    borrowed_motion,
    capped_cross_entropy,
    fewest_static_frames,
    other_scenery,
)
from albar.methods.common import sum_p_log_p
from albar.models.small3d import Small3D
from benchmark_builder.utils.errors import BenchError

BANK = torch.arange(4 * 3 * 256).remainder(256).to(torch.uint8).view(4, 3, 16, 16)
SUMMED = {"penalty": "summed", "entropy": "stable"}
COMPANIONS = Companions(3, ClipSampling(), scenes=2, bank=BANK)


class MeanHead(nn.Module):
    """Logits are a linear map of the clip's mean colour: everything can be worked out by hand."""

    def __init__(self, weight: list[list[float]]) -> None:
        super().__init__()
        self.head = nn.Linear(3, len(weight), bias=False)
        self.head.weight.data = torch.tensor(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.mean(dim=(2, 3, 4)))


def draw() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def batch_of(frames: int = 4, classes: int = 3, size: int = 16, dtype: torch.dtype = torch.float32) -> Batch:
    clips = torch.randn(2, 3, frames, size, size, generator=draw(), dtype=dtype)
    actors = torch.zeros(2, 1, frames, size, size, dtype=dtype)
    actors[..., :8, :8] = 1
    scenes = torch.tensor([[0.7, 0.3], [0.0, 1.0]], dtype=dtype)
    return Batch(clips, torch.tensor([0, classes - 1]), actors, scenes)


def test_baseline_is_cross_entropy_by_hand() -> None:
    # Red 1 in one clip, 0 in the other: logits (2, 0) and (0, 0), labels 0 and 1.
    clips = torch.zeros(2, 3, 2, 4, 4)
    clips[0, 0] = 1
    model = MeanHead([[2.0, 0, 0], [0, 0, 0]])
    loss, terms = make_method("baseline", "scratch", {}).loss(model, Batch(clips, torch.tensor([0, 1])), draw(), 0.0)
    wanted = (math.log(1 + math.exp(-2)) + math.log(2)) / 2
    assert loss.item() == pytest.approx(wanted, rel=1e-6)  # float32
    assert terms["ce"].item() == pytest.approx(wanted, rel=1e-6)


def test_albar_by_hand() -> None:
    # A clip of 4 frames, red on frame 2 (the middle) only: mean 1/4 moving, 1 still. Logits (2 · red, 0).
    clips = torch.zeros(1, 3, 4, 2, 2)
    clips[0, 0, 2] = 1
    model = MeanHead([[2.0, 0, 0], [0, 0, 0]])
    method = Albar(AlbarSettings(adv=0.5, ent=4.0, gp=10.0, static_frames="all"))
    method.prepare(model, clips, COMPANIONS)
    loss, terms = method.loss(model, Batch(clips, torch.tensor([1])), draw(), 0.0)

    ce = math.log(1 + math.exp(0.5))  # logits (0.5, 0), label 1
    static = math.log(1 + math.exp(2.0))  # logits (2, 0)
    p = 1 / (1 + math.exp(-2.0))
    p_log_p = p * math.log(p) + (1 - p) * math.log(1 - p)
    # The summed logits are 2 · mean red: each of the 4·2·2 red values has gradient 2/16.
    penalty = math.sqrt(16 * (2 / 16) ** 2)
    assert terms["ce"].item() == pytest.approx(ce, rel=1e-5)
    assert terms["static_ce"].item() == pytest.approx(static, rel=1e-5)
    assert terms["static_entropy"].item() == pytest.approx(-p_log_p, rel=1e-5)
    assert terms["penalty"].item() == pytest.approx(penalty, rel=1e-5)
    assert loss.item() == pytest.approx(ce - 0.5 * static + 4 * p_log_p + 10 * penalty, rel=1e-5)


def test_the_papers_objective_is_alone_in_its_file_and_ours_is_the_same_with_the_additions_off() -> None:
    model, batch = Small3D(3), batch_of()
    options = {"adv": 0.5, "ent": 2.0, "gp": 0.1, "still": "random"}
    assert set(PaperSettings.setting_names()) == {*options, "penalty", "entropy"}
    losses = []
    for method in (PaperAlbar(PaperSettings(**options)), make_method("albar", "finetune", {**options, **SUMMED})):
        method.prepare(model, batch.clips[:1], COMPANIONS)
        losses.append(method.loss(model, batch, draw(), 0.0)[0].item())
    assert losses[0] == losses[1]


def test_the_old_names_of_albar_are_found_with_a_warning() -> None:
    with pytest.warns(
        FutureWarning, match=r"albar\.methods\.albar\.AlbarSettings is now albar\.methods\.albar_extended"
    ):
        from albar.methods.albar import AlbarSettings as Old
    assert Old is AlbarSettings


def test_the_terms_of_weight_zero_leave_the_baseline() -> None:
    model, batch = Small3D(3), batch_of()
    method = Albar(AlbarSettings(adv=0, ent=0, gp=0))
    method.prepare(model, batch.clips[:1], COMPANIONS)
    loss, _ = method.loss(model, batch, draw(), 0.0)
    baseline, _ = make_method("baseline", "scratch", {}).loss(model, batch, draw(), 0.0)
    assert loss.item() == baseline.item()


def test_the_penalty_is_not_computed_at_weight_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("a double backward was asked for")

    model, batch = Small3D(3), batch_of()
    method = Albar(AlbarSettings(gp=0))
    method.prepare(model, batch.clips[:1], COMPANIONS)
    monkeypatch.setattr(torch.autograd, "grad", never)
    assert "penalty" not in method.loss(model, batch, draw(), 0.0)[1]


def test_entropy_is_finite_and_right_at_extreme_logits() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0], [-1e4, -1e4, -1e4]], requires_grad=True)
    value = sum_p_log_p(logits)
    value.sum().backward()
    assert value.tolist() == pytest.approx([0.0, -math.log(3), -math.log(3)], abs=1e-6)
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_the_cap_holds_per_sample_and_stops_the_gradient() -> None:
    logits = torch.tensor([[0.0, 10.0], [0.0, 0.0]], requires_grad=True)
    value = capped_cross_entropy(logits, torch.tensor([0, 0]), cap=2.0)
    # The first sample's is ln(1 + e^10) > 2 ln 2, so it counts 2 ln 2; the second's is ln 2.
    assert value.item() == pytest.approx((2 * math.log(2) + math.log(2)) / 2, rel=1e-6)
    value.backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == [0.0, 0.0]
    assert logits.grad[1].tolist() == pytest.approx([-0.25, 0.25])
    assert capped_cross_entropy(logits, torch.tensor([0, 0]), cap=0.0).item() > 5


@pytest.mark.parametrize("penalty", ["summed", "softmax"])
def test_the_gradient_norm_matches_finite_differences(penalty: str) -> None:
    torch.manual_seed(0)
    model = Small3D(3).double()
    batch = batch_of(frames=3, dtype=torch.float64)
    clips = batch.clips.clone().requires_grad_()
    norms = gradient_norm(model(clips), clips, batch.labels, penalty).item()

    def target(x: torch.Tensor) -> float:
        with torch.no_grad():
            logits = model(x)
            if penalty == "summed":
                return logits.sum().item()
            return torch.log_softmax(logits, 1)[range(2), batch.labels].sum().item()

    # Along the gradient's own direction of each sample the slope is its norm. Central differences in float64 with
    # h = 1e-5 err by rounding (1e-16 / h = 1e-11) and by h² times the third derivative, except where a ReLU's kink is
    # crossed, which at 1e-5 moves a slope by less than 1e-4 of itself.
    (gradient,) = torch.autograd.grad(
        model(clips).sum() if penalty == "summed" else torch.log_softmax(model(clips), 1)[range(2), batch.labels].sum(),
        clips,
    )
    h, slopes = 1e-5, []
    for b in range(2):
        direction = torch.zeros_like(gradient)
        direction[b] = gradient[b] / gradient[b].norm()
        slopes.append((target(batch.clips + h * direction) - target(batch.clips - h * direction)) / (2 * h))
    assert norms == pytest.approx(sum(slopes) / 2, rel=1e-4)


@pytest.mark.parametrize("penalty", ["summed", "softmax", "reference"])
def test_the_penalty_trains_the_weights_as_finite_differences_say(penalty: str) -> None:
    """The double backward: ∂ penalty / ∂ weight against central differences of the penalty itself."""
    torch.manual_seed(0)
    model = Small3D(3).double()
    batch = batch_of(frames=1, dtype=torch.float64)

    def value() -> torch.Tensor:
        clips = batch.clips.clone().requires_grad_()
        return gradient_norm(model(clips), clips, batch.labels, penalty)

    weight = model.head.weight
    value().backward()
    assert weight.grad is not None
    h = 1e-6  # the penalty is smooth in the head's weights: error about h² + 1e-16 / h = 1e-10
    for at in ((0, 0), (1, 40), (2, 95)):
        weight.data[at] += h
        up = value().item()
        weight.data[at] -= 2 * h
        down = value().item()
        weight.data[at] += h
        assert weight.grad[at].item() == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-8)


def test_the_reference_penalty_is_the_mean_norm_of_columns_by_hand() -> None:
    """A linear network's gradient is its weights: here w = 1 in column 0, 2 in column 1, of 3·2·2 values each."""
    weights = torch.ones(3, 2, 2, 2, dtype=torch.float64)
    weights[..., 1] = 2
    clips = torch.zeros(1, 3, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    value = (clips * weights).sum(dim=(1, 2, 3, 4))
    logits = torch.stack([value, 0 * value], 1)
    labels = torch.tensor([0])
    assert gradient_norm(logits, clips, labels, "reference").item() == pytest.approx((12**0.5 + 2 * 12**0.5) / 2)
    assert gradient_norm(logits, clips, labels, "summed").item() == pytest.approx((12 + 4 * 12) ** 0.5)


def test_the_reference_entropy_differs_only_where_a_probability_underflows() -> None:
    logits = torch.randn(4, 5, generator=draw())
    assert torch.allclose(sum_p_log_p(logits), sum_p_log_p(logits, "reference"), rtol=0, atol=1e-6)  # float32, 5 terms
    far = torch.tensor([[1e4, -1e4]])
    assert sum_p_log_p(far).item() == 0 and sum_p_log_p(far, "reference").isnan().all()


def test_a_zero_sum_head_nulls_the_published_penalty_but_not_the_softmax_one() -> None:
    torch.manual_seed(0)
    model = Small3D(3).double()
    with torch.no_grad():
        model.head.weight -= model.head.weight.mean(dim=0)
    batch = batch_of(dtype=torch.float64)
    clips = batch.clips.clone().requires_grad_()
    summed = gradient_norm(model(clips), clips, batch.labels, "summed").item()
    softmax = gradient_norm(model(clips), clips, batch.labels, "softmax").item()
    assert summed < 1e-12 * softmax  # rounding of three columns that sum to zero, float64


def test_a_still_clip_needs_no_time_in_small3d() -> None:
    torch.manual_seed(0)
    model = Small3D(5)
    frame = torch.randn(2, 3, 1, 32, 32)
    with torch.no_grad():
        full, one = model(frame.expand(-1, -1, 8, -1, -1)), model(frame)
    assert (full - one).abs().max() < 1e-5  # float32 rounding over means of 8·16·16 values of about 1
    assert fewest_static_frames(model, torch.zeros(1, 3, 8, 32, 32)) == 1


class TimeTable(nn.Module):
    """Adds a value for each position in time; it starts at zero, as position tables do."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(8))
        self.head = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.table[: x.shape[2]].view(1, 1, -1, 1, 1)
        return self.head(x.mean(dim=(2, 3, 4)))


class NeedsFour(nn.Module):
    """Fails below 4 frames, and does not care from there on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 2, (4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).mean(dim=(2, 3, 4))


def test_static_frames_auto_takes_as_few_as_the_network_allows() -> None:
    clip = torch.zeros(1, 3, 8, 4, 4)
    zero_padded = nn.Sequential(nn.Conv3d(3, 2, 3, padding=1), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    assert fewest_static_frames(TimeTable(), clip) == 8
    assert fewest_static_frames(zero_padded, clip) == 8
    assert fewest_static_frames(NeedsFour(), clip) == 4


def test_the_check_leaves_the_network_as_it_was() -> None:
    model = Small3D(3)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    fewest_static_frames(model, torch.zeros(1, 3, 4, 16, 16))
    assert model.training
    assert all(torch.equal(v, before[k]) and v.dtype == before[k].dtype for k, v in model.state_dict().items())


def test_one_static_frame_gives_the_loss_and_gradients_of_all() -> None:
    torch.manual_seed(0)
    model, batch = Small3D(3).double(), batch_of(frames=8, dtype=torch.float64)
    found = []
    for frames in ("auto", "all"):
        method = Albar(AlbarSettings(gp=0, static_frames=frames))
        method.prepare(model, batch.clips[:1], COMPANIONS)
        model.zero_grad()
        loss, _ = method.loss(model, batch, draw(), 0.0)
        loss.backward()
        found.append(
            (method.static_frames, loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None])
        )
    (one, loss_one, gradients_one), (full, loss_full, gradients_full) = found
    assert (one, full) == (1, 8)
    assert loss_one == pytest.approx(loss_full, rel=1e-12)  # float64
    for a, b in zip(gradients_one, gradients_full, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)


class PerFrame(nn.Module):
    """Looks at each frame alone, and takes the mean of the logits: every frame has the same share of the gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.network(x.transpose(1, 2).flatten(0, 1))).view(len(x), x.shape[2], -1).mean(1)


@pytest.mark.parametrize("penalty", ["summed", "softmax", "reference"])
@pytest.mark.parametrize(("kind", "shortened"), [("small3d", 8), ("per frame", 1), ("mean", 1)])
def test_the_penalty_is_that_of_all_frames_whatever_auto_takes(kind: str, shortened: int, penalty: str) -> None:
    torch.manual_seed(0)
    weights = [[2.0, 1.0, 0.5], [0.3, 0.0, 1.0], [0.0, 0.1, 0.0]]
    model = {"small3d": lambda: Small3D(3), "per frame": PerFrame, "mean": lambda: MeanHead(weights)}[kind]().double()
    batch, found = batch_of(frames=8, dtype=torch.float64), []
    for frames in ("auto", "all"):
        method = Albar(AlbarSettings(penalty=penalty, static_frames=frames))
        method.prepare(model, batch.clips[:1], COMPANIONS)
        model.zero_grad()
        loss, terms = method.loss(model, batch, draw(), 0.0)
        loss.backward()
        found.append((method.static_frames, terms["penalty"].item(), [p.grad.clone() for p in model.parameters()]))
    (auto, penalty_auto, gradients_auto), (full, penalty_full, gradients_full) = found
    assert (auto, full) == (shortened, 8)
    assert penalty_auto == pytest.approx(penalty_full, rel=1e-12)  # float64
    for a, b in zip(gradients_auto, gradients_full, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)


def test_frames_of_a_still_clip_do_not_share_alike_in_small3d() -> None:
    """The reason: one frame alone would give less than half of the penalty, and no factor makes it right."""
    torch.manual_seed(0)
    model, batch = Small3D(3).double(), batch_of(frames=8, dtype=torch.float64)
    found = []
    for frames in (1, "all"):
        method = Albar(AlbarSettings(static_frames=frames))
        method.prepare(model, batch.clips[:1], COMPANIONS)
        found.append(method.loss(model, batch, draw(), 0.0)[1]["penalty"].item())
    assert found[0] < 0.9 * found[1]
    assert fewest_static_frames(model, batch.clips[:1]) == 1  # without a penalty, the logits alone matter


@pytest.mark.parametrize(("still", "wanted"), [("middle", [2, 2]), (0, [0, 0]), (3, [3, 3])])
def test_the_still_clip_repeats_the_chosen_frame(still: str | int, wanted: list[int]) -> None:
    clips = torch.arange(4.0).view(1, 1, 4, 1, 1).expand(2, 3, 4, 5, 5)
    method = Albar(AlbarSettings(still=still, static_frames="all"))
    method.prepare(nn.Identity(), clips[:1], COMPANIONS)
    made = method.still_clip(clips, draw())
    assert made.shape == clips.shape and made.stride(2) == 0
    assert made[:, 0, :, 0, 0].tolist() == [[k] * 4 for k in wanted]


def test_random_stills_are_one_frame_a_sample_from_the_steps_own_draw() -> None:
    clips = torch.arange(8.0).view(1, 1, 8, 1, 1).expand(64, 3, 8, 2, 2)
    method = Albar(AlbarSettings(still="random", static_frames="all"))
    method.prepare(nn.Identity(), clips[:1], COMPANIONS)
    first, again = method.still_clip(clips, draw()), method.still_clip(clips, draw())
    assert torch.equal(first, again)
    assert (first == first[:, :1, :1, :1, :1]).all()
    assert set(first[:, 0, 0, 0, 0].tolist()) == set(range(8))  # 64 fixed draws of 8


def test_other_scenery_keeps_the_front_and_shows_one_other_clip_behind_it() -> None:
    still = torch.randn(4, 3, 1, 6, 6, generator=draw())
    front = torch.zeros(4, 6, 6, dtype=torch.bool)
    front[:, 1:3, 2:5] = True
    seen = other_scenery(still, front, draw())
    inside, behind = front[:, None, None].expand_as(still), torch.randperm(4, generator=draw())
    assert (seen[inside] == still[inside]).all() and (seen[~inside] == still[behind][~inside]).all()


@pytest.mark.parametrize(("moved", "wanted"), [(0.0, 0), (0.5, 2), (1.0, 4)])
def test_moved_is_the_share_of_stills_before_another_scenery(moved: float, wanted: int) -> None:
    batch = batch_of(size=32)
    method = Albar(AlbarSettings(gp=0.0, still="random", stills=4, moved=moved))
    method.prepare(Small3D(3), batch.clips, COMPANIONS)
    made = method.still_clips(batch.clips, draw()).unflatten(0, (4, 2))[:, :, :, :1]  # (stills, B, 3, 1, H, W)
    whole = (made == batch.clips).all(dim=(2, 4, 5)).any(dim=2)  # is a frame of its own clip, untouched: (stills, B)
    assert whole[wanted:].all() and whole[:wanted].all() == (wanted == 0)


def test_borrowed_motion_moves_as_another_clip_around_its_own_still() -> None:
    clips, labels = torch.randn(5, 3, 4, 2, 2, generator=draw(), dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    mixed, own, counts = borrowed_motion(clips, labels, draw())
    assert mixed.shape == (2, 3, 4, 2, 2)
    for clip, label, counted in zip(mixed, own, counts, strict=True):
        (first,) = (k for k in range(5) if (clip.mean(1) - clips[k, :, 2]).abs().max() < 1e-12)
        (second,) = (k for k in range(5) if (clip.diff(dim=1) - clips[k].diff(dim=1)).abs().max() < 1e-12)
        assert first != second and label == labels[first] and counted == (labels[first] != labels[second])


def test_albar_with_borrowed_motion_by_hand() -> None:
    # Red stands still at 1 in both clips, so every mean is 1, whatever moves: logits (2, 0) for every clip.
    clips = torch.zeros(2, 3, 4, 2, 2)
    clips[:, 0] = 1
    model = MeanHead([[2.0, 0, 0], [0, 0, 0]])
    wrong, right = math.log(1 + math.exp(2.0)), math.log(1 + math.exp(-2.0))
    for labels, borrowed in (([0, 1], None), ([1, 1], 0.0)):  # of one class: nothing that could count
        batch = Batch(clips, torch.tensor(labels))
        losses = []
        for borrow in (0.0, 0.5):
            method = Albar(AlbarSettings(gp=0.0, ent=0.0, still="random", stills=3, borrow=borrow, borrow_cap=9.0))
            method.prepare(model, clips, COMPANIONS)
            loss, terms = method.loss(model, batch, draw(), 0.0)
            losses.append(loss.item())
        assert losses[0] == pytest.approx(0.0, abs=1e-6)  # CE of the moving clips less that of as many stills
        seen = terms["borrowed_ce"].item()
        assert (
            seen == pytest.approx(borrowed, abs=1e-6)
            if borrowed is not None
            else min(abs(seen - wrong), abs(seen - right)) < 1e-6
        )
        assert losses[1] - losses[0] == pytest.approx(-0.5 * seen, abs=1e-6)


def test_a_borrowed_clip_that_does_not_count_has_no_share_in_the_mean() -> None:
    logits, labels = torch.tensor([[0.0, 0.0], [3.0, 0.0]], requires_grad=True), torch.tensor([0, 0])
    loss = capped_cross_entropy(logits, labels, 0.0, torch.tensor([True, False]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2)) and logits.grad is not None and logits.grad[1].abs().sum() == 0


def test_labels_given_as_shares_mean_the_same() -> None:
    model, batch = Small3D(3), batch_of()
    shares = dataclasses.replace(batch, labels=nn.functional.one_hot(batch.labels, 3).float())
    for name in METHODS:
        options = {"gp": 0.5, "penalty": "softmax"} if name.startswith("albar") else {}
        method = make_method(name, "scratch", options)
        own = method.adapted(copy.deepcopy(model), batch.clips[:1], COMPANIONS)
        method.prepare(own, batch.clips[:1], COMPANIONS)
        plain, mixed = (method.loss(own, b, draw(), 0.0)[0].item() for b in (batch, shares))
        assert plain == pytest.approx(mixed, rel=1e-5)


@pytest.mark.parametrize("name", [*METHODS])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_method_gives_finite_gradients_to_every_parameter(name: str, preset: str) -> None:
    torch.manual_seed(0)
    batch, method = batch_of(), make_method(name, preset, {})
    model = method.adapted(Small3D(3), batch.clips[:1], COMPANIONS)
    method.prepare(model, batch.clips[:1], COMPANIONS)
    loss, terms = method.loss(model, method.augment(batch, draw()), draw(), 0.0)
    loss.backward()
    assert loss.ndim == 0 and all(not t.requires_grad and t.ndim == 0 for t in terms.values())
    for parameter in model.parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all()


def test_the_published_weights_are_the_finetune_preset() -> None:
    s = make_method("albar", "finetune", {}).settings
    assert isinstance(s, AlbarSettings)
    assert (s.adv, s.ent, s.gp, s.cap, s.still) == (1.0, 4.25, 10.0, 0.0, "middle")
    assert (s.penalty, s.entropy) == ("reference", "reference")  # as the published code computes them


@pytest.mark.parametrize(
    ("name", "preset", "options", "word"),
    [
        ("nothing", "scratch", {}, "choose from baseline, mixup"),
        ("albar", "huge", {}, "finetune, scratch"),
        ("albar", "scratch", {"advs": 1}, "--set advs=1: no such setting; did you mean 'adv'. choose from adv, ent"),
        ("baseline", "scratch", {"adv": 1}, "there are none"),
        ("albar", "scratch", {"adv": -1}, "adv"),
        ("albar", "scratch", {"adv": "high"}, "give a number, at least 0"),
        ("albar", "scratch", {"gp": float("nan")}, "gp"),
        ("albar", "scratch", {"penalty": "cubic"}, "summed, softmax, reference"),
        ("albar", "scratch", {"entropy": "cubic"}, "stable, reference"),
        ("albar", "scratch", {"still": "last"}, "middle, random"),
        ("albar", "scratch", {"static_frames": 0}, "static_frames"),
    ],
)
def test_bad_settings_are_refused_by_name(name: str, preset: str, options: dict, word: str) -> None:
    with pytest.raises(BenchError, match=word):
        make_method(name, preset, options)


@pytest.mark.parametrize("options", [{"stills": 0}, {"moved": 2.0}, {"stills": 2, "still": "middle"}, {"borrow": -1.0}])
def test_stills_and_borrowed_motion_that_make_no_sense_are_refused(options: dict) -> None:
    with pytest.raises(BenchError, match=f"--set {next(iter(options))}="):
        make_method("albar", "finetune", options)


def test_a_still_frame_beyond_the_clip_is_refused() -> None:
    with pytest.raises(BenchError, match="clips have 4 frames"):
        Albar(AlbarSettings(still=16)).prepare(Small3D(3), torch.zeros(1, 3, 4, 16, 16), COMPANIONS)


def test_the_preset_for_pretrained_networks_has_a_cap_of_twice_the_logarithm_and_no_penalty() -> None:
    s = make_method("albar", "pretrained", {}).settings
    assert isinstance(s, AlbarSettings)
    assert (s.cap, s.gp, s.borrow) == (2.0, 0.0, 0.0)
    logits = torch.zeros(1, 8)
    logits[0, 1] = 100.0  # wrong beyond any doubt: −log p of class 0 is 100
    ce = make_method("albar", "pretrained", {"stills": 1}).static_cross_entropy(logits, torch.tensor([0]))  # type: ignore[attr-defined]
    assert ce.item() == pytest.approx(2 * math.log(8))
