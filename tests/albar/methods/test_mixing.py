"""Mixup, VideoMix, BE, StillMix, ActorCutMix and ALBAR on StillMix's clips: what becomes of pixels and labels."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import albar.methods.mixup
import albar.methods.stillmix
import albar.methods.videomix
from albar.clips.clips import ClipSampling
from albar.methods import Batch, Companions, Method, make_method
from albar.methods.albar_extended import AlbarSettings
from albar.methods.albar_stillmix import AlbarStillMix
from albar.methods.common import beta, chosen
from albar.methods.stillmix import StillMix, StillMixSettings
from albar.methods.videomix import box
from albar.models.small3d import Small3D
from benchmark_builder.utils.errors import BenchError

SAMPLING = ClipSampling(frames=4, size=8, resize=8)


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ready(name: str, clips: torch.Tensor, options: dict, bank: torch.Tensor | None = None, classes: int = 3) -> Method:
    method = make_method(name, "finetune", options)
    method.prepare(nn.Identity(), clips[:1], Companions(classes, SAMPLING, bank=bank))
    return method


def one_hot_clips(labels: list[int], frames: int = 2, size: int = 8) -> Batch:
    """Channel c is 1 where the label is c, else 0: a clip's mean colour is its label as shares."""
    clips = torch.zeros(len(labels), 3, frames, size, size)
    clips[range(len(labels)), labels] = 1
    return Batch(clips, torch.tensor(labels))


def told_apart(batch: int, frames: int = 4, size: int = 8) -> torch.Tensor:
    """Frame t of clip b has the value 10 b + t everywhere."""
    values = 10.0 * torch.arange(batch)[:, None] + torch.arange(frames)
    return values.view(batch, 1, frames, 1, 1).expand(-1, 3, -1, size, size).contiguous()


def test_mixup_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(albar.methods.mixup, "beta", lambda *_: 0.25)
    monkeypatch.setattr(albar.methods.mixup, "permutation", lambda *_: torch.tensor([1, 2, 0]))
    batch = Batch(told_apart(3), torch.tensor([0, 1, 2]))
    mixed = ready("mixup", batch.clips, {"p": 1.0}).augment(batch, draw())
    # Frame 0: 0, 10, 20 with partners 10, 20, 0: 0.25 own + 0.75 partner's. All are exact in float32.
    assert mixed.clips[:, 0, 0, 0, 0].tolist() == [7.5, 17.5, 5.0]
    assert mixed.labels.tolist() == [[0.25, 0.75, 0], [0, 0.25, 0.75], [0.75, 0, 0.25]]


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(["mixup", "videomix"]),
    labels=st.lists(st.integers(0, 2), min_size=1, max_size=7),
    p=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_labels_follow_the_pixels(name: str, labels: list[int], p: float, seed: int) -> None:
    batch = one_hot_clips(labels)
    mixed = ready(name, batch.clips, {"p": p}).augment(batch, draw(seed))
    # Means of 128 values in float32, each rounded to 6e-8 after a lerp of as much.
    assert torch.allclose(mixed.clips.mean(dim=(2, 3, 4)), mixed.labels, atol=1e-6)
    assert torch.allclose(mixed.labels.sum(dim=1), torch.ones(len(labels)), atol=1e-6)
    if p == 0:
        assert torch.equal(mixed.clips, batch.clips)


def test_a_sample_that_is_not_chosen_stays_in_its_place() -> None:
    batch = Batch(told_apart(64), torch.arange(64) % 3)
    mixed = ready("mixup", batch.clips, {"alpha": 5.0, "p": 0.5}).augment(batch, draw())
    kept = (mixed.clips == batch.clips).flatten(1).all(dim=1)
    own = nn.functional.one_hot(batch.labels, 3).float()
    assert 10 < kept.sum() < 54  # 32 are expected; 5.5 standard deviations of 4
    assert torch.equal(mixed.labels[kept], own[kept])


def test_videomix_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(albar.methods.videomix, "box", lambda *_: (slice(0, 2), slice(3, 8)))
    monkeypatch.setattr(albar.methods.videomix, "permutation", lambda *_: torch.tensor([1, 0]))
    batch = one_hot_clips([0, 2])
    mixed = ready("videomix", batch.clips, {"p": 1.0}).augment(batch, draw())
    share = 10 / 64
    assert mixed.labels.tolist() == [[1 - share, 0, share], [share, 0, 1 - share]]
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[:2, 3:] = True
    for t in range(2):
        assert torch.equal(mixed.clips[0, 2, t].bool(), inside)
        assert torch.equal(mixed.clips[0, 0, t].bool(), ~inside)


def test_the_box_has_the_published_size_and_is_clipped() -> None:
    # λ = 0.75: sides int(8 · 0.5) = 4 and int(20 · 0.5) = 10 around any pixel, cut off at the border.
    rows = {(b.start, b.stop) for b in (box(8, 20, 0.75, draw(k))[0] for k in range(200))}
    columns = {(b.start, b.stop) for b in (box(8, 20, 0.75, draw(k))[1] for k in range(600))}
    assert rows == {(max(c - 2, 0), min(c + 2, 8)) for c in range(8)}
    assert columns == {(max(c - 5, 0), min(c + 5, 20)) for c in range(20)}
    whole, empty = box(8, 20, 0.0, draw()), box(8, 20, 1.0, draw())
    assert whole[0].stop - whole[0].start >= 4 and empty[0].stop == empty[0].start


def test_be_lays_one_of_the_clips_own_frames_over_it() -> None:
    clips, found, shares = told_apart(16), set(), []
    for seed in range(50):
        mixed = ready("be", clips, {"p": 1.0}).augment(Batch(clips, torch.arange(16) % 3), draw(seed))
        value = mixed.clips[:, 0, :, 0, 0].double()
        # Neighbouring frames differ by 1 − λ; the frame itself is what is left of frame 0, over λ, less 10 b.
        lam = 1 - (value[:, 1:] - value[:, :-1]).mean().item()
        shares.append(lam)
        frame = (value[:, 0] - (1 - lam) * clips[:, 0, 0, 0, 0]) / lam - 10 * torch.arange(16)
        if lam > 0.01:  # values up to 153 in float32 err by 1e-5: 1e-3 after the division
            assert torch.allclose(frame, frame.round(), atol=0.02)
            found |= set(frame.round().int().tolist())
        assert torch.equal(mixed.labels, torch.arange(16) % 3)
    assert found == {0, 1, 2, 3}
    assert 0 <= min(shares) and max(shares) <= 0.3 + 1e-5
    # U(0, 0.3) has mean 0.15 and standard deviation 0.087; of the mean of 50, 0.012; five of these.
    assert sum(shares) / 50 == pytest.approx(0.15, abs=0.06)


def bank_of(frames: int = 5, size: int = 8) -> torch.Tensor:
    return torch.randint(256, (frames, 3, size, size), generator=draw(9), dtype=torch.uint8)


def test_stillmix_adds_a_still_frame_of_the_bank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(albar.methods.stillmix, "beta", lambda *_: 0.25)
    bank, batch = bank_of(), Batch(torch.randn(40, 3, 4, 8, 8, generator=draw(1)), torch.arange(40) % 3)
    mixed = ready("stillmix", batch.clips, {"p": 1.0}, bank).augment(batch, draw())
    still = (mixed.clips - 0.25 * batch.clips) / 0.75
    assert torch.allclose(still, still[:, :, :1].expand_as(still), atol=1e-5)  # really still
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (SAMPLING.mean, SAMPLING.std))
    frames = ((still[:, :, 0] * std + mean) * 255).round().to(torch.uint8)
    used = [next(k for k, picture in enumerate(bank) if torch.equal(frame, picture)) for frame in frames]
    assert set(used) == set(range(5))  # drawn for each clip: 40 draws miss one of 5 with chance 7e-4; the seed is fixed
    assert torch.equal(mixed.labels, batch.labels)


def test_stillmix_stretches_its_bank_to_the_clips() -> None:
    colours = torch.tensor([[10, 20, 30], [200, 100, 0]], dtype=torch.uint8)
    bank = colours[:, :, None, None].expand(-1, -1, 12, 6)
    method = ready("stillmix", torch.zeros(1, 3, 2, 8, 8), {}, bank)
    assert isinstance(method, StillMix) and method.bank.dtype == torch.uint8
    assert torch.equal(method.bank, colours[:, :, None, None].expand(-1, -1, 8, 8))


@settings(max_examples=30, deadline=None)
@given(batch=st.integers(2, 6), seed=st.integers(0, 2**32))
def test_random_frames_come_from_a_different_clip(batch: int, seed: int) -> None:
    clips = told_apart(batch)
    method = ready("stillmix", clips, {"p": 1.0, "frames": "random", "a": 1e6, "b": 1e6})
    mixed = method.augment(Batch(clips, torch.zeros(batch, dtype=torch.int64)), draw(seed)).clips[:, 0, :, 0, 0]
    # Beta(1e6, 1e6) is 0.5 to within 0.002 (six standard deviations); values below 54 then err by 0.2.
    z = 2 * mixed[:, 0] - clips[:, 0, 0, 0, 0]
    assert torch.allclose(z, z.round(), atol=0.3)
    assert ((z.round() % 10) < 4).all()
    assert (z.round() // 10 != torch.arange(batch)).all()


def test_stillmix_says_what_it_lacks() -> None:
    clips = told_apart(1)
    with pytest.raises(BenchError, match="frames=random"):
        ready("stillmix", clips, {})
    method = ready("stillmix", clips, {"frames": "random"})
    with pytest.raises(BenchError, match="--batch"):
        method.augment(Batch(clips, torch.tensor([0])), draw())
    assert make_method("stillmix", "scratch", {}).needs == {"bank"}
    assert make_method("stillmix", "scratch", {"frames": "random"}).needs == frozenset()


def actors_of(*shares: float, frames: int = 2, size: int = 8) -> torch.Tensor:
    """Masks whose upper rows are 1, each over the share of the picture given."""
    masks = torch.zeros(len(shares), 1, frames, size, size)
    for mask, share in zip(masks, shares, strict=True):
        mask[..., : round(share * size), :] = 1
    return masks


def test_actorcutmix_by_hand() -> None:
    clips = torch.tensor([1.0, 2.0]).view(2, 1, 1, 1, 1).expand(2, 3, 2, 8, 8)
    batch = Batch(clips, torch.tensor([0, 2]), actors=actors_of(0.25, 0.5))
    mixed = ready("actorcutmix", clips, {"p": 1.0}).augment(batch, draw())
    # Clip 0: own rows 0-1, a hole where the other's actor was (rows 2-3), the other's scene below. Clip 1: own 0-3.
    assert mixed.clips[0, 0, 1, :, 3].tolist() == [1, 1, 0, 0, 2, 2, 2, 2]
    assert mixed.clips[1, 2, 0, :, 0].tolist() == [2, 2, 2, 2, 1, 1, 1, 1]
    # w = 1 − 0.75⁴ = 0.68359375 and 1 − 0.5⁴ = 0.9375
    assert mixed.labels.tolist() == [[0.68359375, 0, 0.31640625], [0.0625, 0, 0.9375]]


@pytest.mark.parametrize("invalid", [0.0, 1.0])
def test_a_pair_with_an_invalid_mask_is_left_alone(invalid: float) -> None:
    clips = torch.randn(5, 3, 2, 8, 8, generator=draw())
    batch = Batch(clips, torch.tensor([0, 1, 2, 0, 1]), actors=actors_of(0.5, 0.25, 0.5, invalid, 0.5))
    assert batch.actors is not None
    batch.actors[2] *= 0.5  # with a mask of 0 and 1 the clip in the middle would come out of the formula unchanged
    mixed = ready("actorcutmix", clips, {"p": 1.0}).augment(batch, draw())
    own = nn.functional.one_hot(batch.labels, 3).float()
    changed = (mixed.clips != clips).flatten(1).any(dim=1)
    assert changed.tolist() == [True, False, False, False, True]  # 1 and 3 are a pair, 2 is alone in the middle
    assert torch.equal(mixed.labels[1:4], own[1:4])
    assert torch.allclose(mixed.labels[0], torch.tensor([0.9375, 0.0625, 0]))


@pytest.mark.parametrize("invalid", [0.0, 1.0])
def test_the_published_partner_of_an_invalid_mask_turns_grey_and_shares_its_label(invalid: float) -> None:
    clips = torch.randn(3, 3, 2, 8, 8, generator=draw())
    batch = Batch(clips, torch.tensor([0, 1, 2]), actors=actors_of(0.5, 0.25, invalid))
    mixed = ready("actorcutmix", clips, {"p": 1.0, "invalid": "published"}).augment(batch, draw())
    assert torch.equal(mixed.clips[0, :, :, :4], clips[0, :, :, :4]) and (mixed.clips[0, :, :, 4:] == 0).all()
    assert torch.equal(mixed.clips[1:], clips[1:])
    assert mixed.labels.tolist() == [[0.9375, 0, 0.0625], [0, 1, 0], [0, 0, 1]]  # 1 − 0.5⁴ = 0.9375


def test_actorcutmix_without_masks_is_refused() -> None:
    clips = told_apart(2)
    with pytest.raises(BenchError, match="mask source"):
        ready("actorcutmix", clips, {}).augment(Batch(clips, torch.tensor([0, 1])), draw())


def test_beta_has_the_distributions_mean_and_spread() -> None:
    for a, b in ((0.2, 0.2), (200.0, 200.0), (20.0, 60.0)):
        values = torch.tensor([beta(a, b, draw(k)) for k in range(400)])
        mean, variance = a / (a + b), a * b / ((a + b) ** 2 * (a + b + 1))
        assert values.mean().item() == pytest.approx(mean, abs=5 * (variance / 400) ** 0.5)
        # A sample variance of 400 errs by √(2 / 399) = 7 % where tails are a normal's, as light as these or lighter.
        assert values.var().item() == pytest.approx(variance, rel=0.4)


def test_chosen_takes_all_none_or_a_share() -> None:
    cpu = torch.device("cpu")
    assert chosen(1.0, 50, draw(), cpu).all() and not chosen(0.0, 50, draw(), cpu).any()
    # 1000 draws at 0.25: 250, standard deviation 14; five of these.
    assert 180 < chosen(0.25, 1000, draw(), cpu).sum() < 320


def test_albar_on_stillmix_mixes_clips_and_keeps_still_clips_and_labels_in_step() -> None:
    clips = told_apart(6)
    batch = Batch(clips, torch.arange(6) % 3)
    method = make_method("albar+stillmix", "finetune", {"p": 0.5, "adv": 0.5, "gp": 0})
    method.prepare(Small3D(3), torch.zeros(1, 3, 4, 16, 16), Companions(3, SAMPLING, bank=bank_of()))
    assert isinstance(method, AlbarStillMix)
    method.stillmix.bank = bank_of()
    mixed = method.augment(batch, draw())
    alone = StillMix(StillMixSettings(p=0.5))
    alone.prepare(nn.Identity(), clips[:1], Companions(3, SAMPLING, bank=bank_of()))
    assert torch.equal(mixed.clips, alone.augment(batch, draw()).clips) and not torch.equal(mixed.clips, clips)
    assert mixed.plain is clips and torch.equal(mixed.labels, batch.labels)
    still = method.albar.still_clip(mixed.plain, draw())
    assert still[:, 0, 0, 0, 0].tolist() == [10 * b + 2 for b in range(6)]  # the middle frame of each clip in its place


def test_the_combinations_loss_is_albars_on_the_mixed_clips() -> None:
    torch.manual_seed(0)
    model, clips = Small3D(3), torch.randn(4, 3, 4, 16, 16, generator=draw())
    companions = Companions(3, SAMPLING, bank=bank_of(size=16))
    weights = {"adv": 2.0, "ent": 0.5, "gp": 0}  # nothing of the published objective but these is drawn or added
    both = make_method("albar+stillmix", "finetune", weights)
    alone = make_method("albar", "finetune", weights)
    for method in (both, alone):
        method.prepare(model, clips[:1], companions)
    mixed = both.augment(Batch(clips, torch.tensor([0, 1, 2, 0])), draw())
    loss, terms = both.loss(model, mixed, draw(), 0.5)
    _, plain_terms = alone.loss(model, Batch(clips, mixed.labels), draw(), 0.5)
    ce = nn.functional.cross_entropy(model(mixed.clips), mixed.labels)
    assert terms["ce"].item() == pytest.approx(ce.item(), rel=1e-5)
    assert terms["static_ce"].item() == pytest.approx(plain_terms["static_ce"].item(), rel=1e-5)
    wanted = ce - 2 * terms["static_ce"] - 0.5 * terms["static_entropy"]
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-4)


def test_the_combinations_settings_are_those_of_its_parts() -> None:
    method = make_method("albar+stillmix", "finetune", {"p": 0.5, "adv": 2, "frames": "random"})
    assert method.needs == frozenset()
    recorded = json.loads(json.dumps(method.settings.stored()))
    assert recorded["albar"]["adv"] == 2 and recorded["albar"]["ent"] == 4.25
    assert recorded["stillmix"] == {"a": 200.0, "b": 200.0, "p": 0.5, "frames": "random"}
    names = [set(kind.setting_names()) for kind in (AlbarSettings, StillMixSettings)]
    assert not names[0] & names[1]
