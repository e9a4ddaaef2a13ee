"""DEVIAS: each loss against values computed by hand, the matching against scipy's, masks where things move."""

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_bars import moving_bars
from scipy.optimize import linear_sum_assignment
from torch import nn
from torch.nn import functional

import albar.training.extras
import albar.training.run
from albar.checkpoint import load_checkpoint
from albar.clips.clips import ClipSampling
from albar.methods import Batch, Companions, make_method
from albar.methods.devias import LEAST, Devias, DeviasSettings, mask_loss, matched, scene_divergence
from albar.methods.fame import foreground
from albar.models.slots import SlotAttention, SlotLayer, SlotNetwork, seen_slots, slot_settings
from albar.models.small3d import Small3D
from albar.models.token_heads import with_token_head
from albar.models.tokens import token_map
from albar.training.settings import TrainSettings
from albar.training.trainer import train
from benchmark_builder.datasets import Listing
from benchmark_builder.utils.errors import BenchError

SAMPLING = ClipSampling(frames=4, size=32, resize=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
COMPANIONS = Companions(3, SAMPLING, scenes=4)


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(clips: int = 6) -> Batch:
    scenes = torch.softmax(torch.randn(clips, 4, generator=draw(2)), dim=1)
    return Batch(torch.randn(clips, 3, 4, 32, 32, generator=draw(1)), torch.arange(clips) % 3, scenes=scenes)


def ready(preset: str = "scratch", **options: object) -> tuple[Devias, SlotNetwork]:
    torch.manual_seed(0)
    method = make_method("devias", preset, options)
    network = method.adapted(Small3D(3), batch_of().clips[:1], COMPANIONS)
    method.prepare(network, batch_of().clips[:1], COMPANIONS)
    assert isinstance(method, Devias) and isinstance(network, SlotNetwork)
    return method, network


# --- the losses -----------------------------------------------------------------------------------------------------


def test_slots_are_matched_as_by_the_hungarian_algorithm() -> None:
    logits = torch.randn(200, 2, 7, generator=draw()) * 3
    action, scene = torch.randint(3, (200,), generator=draw(1)), 3 + torch.randint(4, (200,), generator=draw(2))
    p = logits.softmax(2).numpy()
    for k, found in enumerate(matched(logits, action, scene).tolist()):
        slots, labels = linear_sum_assignment(-np.stack([p[k, :, action[k]], p[k, :, scene[k]]], axis=1))
        assert found == slots[labels.tolist().index(0)]
    assert matched(torch.zeros(1, 2, 7), action[:1], scene[:1]).item() == 0


def test_the_scenes_divergence_by_hand() -> None:
    """Two actions, two scenes of probabilities .8 and .2: the actions get .2 / e, then all are divided by their sum."""
    logits = torch.tensor([[0.0, math.log(2), math.log(3), math.log(4)]])  # probabilities .1 .2 .3 .4
    low = 0.2 / math.e
    wanted = [v / (1 + 2 * low) for v in (low, low, 0.8, 0.2)]
    by_hand = sum(w * math.log(w / p) for w, p in zip(wanted, (0.1, 0.2, 0.3, 0.4), strict=True))
    assert scene_divergence(logits, torch.tensor([[0.8, 0.2]])).item() == pytest.approx(by_hand, rel=1e-5)
    same = torch.tensor([wanted]).log()
    assert scene_divergence(same, torch.tensor([[0.8, 0.2]])).item() == pytest.approx(0, abs=1e-6)
    # A scene that is ruled out counts as LEAST.
    sure = [v / (1 + LEAST + 2 * LEAST / math.e) for v in (LEAST / math.e, LEAST / math.e, 1, LEAST)]
    by_hand = sum(w * math.log(w / p) for w, p in zip(sure, (0.1, 0.2, 0.3, 0.4), strict=True))
    assert scene_divergence(logits, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(by_hand, rel=1e-5)


def test_the_published_weight_is_averaged_over_outputs() -> None:
    """torch's `batchmean` of a single clip's outputs, as the published code calls it, divides by their number."""
    scenes, logits = torch.tensor([[0.7, 0.2, 0.1]]), torch.randn(1, 5, generator=draw())
    known = scenes.log()
    teacher = torch.cat([(known.min() - 1).expand(1, 2), known], 1)
    theirs = functional.kl_div(
        logits[0].log_softmax(-1), teacher[0].log_softmax(-1), reduction="batchmean", log_target=True
    )
    assert theirs.item() == pytest.approx(scene_divergence(logits, scenes).item() / 5, rel=1e-5)


def test_the_mask_loss_by_hand() -> None:
    logits, masks = torch.tensor([[0.0, math.log(3)]]), torch.tensor([[1.0, 0.25]])
    once = (math.log(2) - 0.25 * math.log(0.75) - 0.75 * math.log(0.25)) / 2
    assert mask_loss(logits, masks, twice=False).item() == pytest.approx(once, rel=1e-6)
    second = [1 / (1 + math.exp(-v)) for v in (0.5, 0.75)]
    twice = -(math.log(second[0]) + 0.25 * math.log(second[1]) + 0.75 * math.log(1 - second[1])) / 2
    assert mask_loss(logits, masks, twice=True).item() == pytest.approx(twice, rel=1e-6)


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    weights = {"scene": 35.0, "distill": 2.0, "mask": 3.0, "cosine": 0.5}
    method, network = ready(**weights)
    batch = batch_of()
    network.eval()
    loss, terms = method.loss(network, batch, draw(), 0.0)
    t = {name: value.item() for name, value in terms.items()}
    by_hand = t["ce"] + 35 / 7 * t["scene_kl"] + 2 * t["attention"] + 3 * t["mask"] + 0.5 * t["cosine"]
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)
    with torch.no_grad():  # each term again, clip by clip
        seen = seen_slots(network, batch.clips)
        logits = network.head(seen.slots)
        still, steps = method.masks(batch.clips, seen.shares.shape[2:])
        assert batch.scenes is not None
        a = matched(logits, batch.labels, 3 + batch.scenes.argmax(1)).tolist()
        ce = [functional.cross_entropy(logits[k, a[k]], batch.labels[k]).item() for k in range(6)]
        distill = [(seen.shares[k, a[k]] - steps[k]).square().mean().item() for k in range(6)]
        cosine = [torch.dot(*functional.normalize(seen.slots[k], dim=1)).item() for k in range(6)]
        other = torch.stack([logits[k, 1 - a[k]] for k in range(6)])
        own = torch.stack([seen.slots[k, a[k]] for k in range(6)])
        assert method.extra is not None
        mask = mask_loss(method.extra(own), still.flatten(1), twice=False).item()
    assert t["ce"] == pytest.approx(np.mean(ce), rel=1e-5)
    assert t["scene_kl"] == pytest.approx(scene_divergence(other, batch.scenes).item(), rel=1e-5)
    assert t["mask"] == pytest.approx(mask, rel=1e-5)
    assert t["attention"] == pytest.approx(np.mean(distill), rel=1e-5)
    assert t["cosine"] == pytest.approx(np.mean(cosine), rel=1e-4)
    assert still.shape == (6, 2, 2) and steps.shape == (6, 4, 2, 2)


def test_steps_lower_the_loss() -> None:
    method, network = ready(p=0.0)
    batch = method.augment(batch_of(), draw())
    assert method.extra is not None
    optimiser = torch.optim.AdamW([*network.parameters(), *method.extra.parameters()], lr=1e-3)
    losses = []
    for _ in range(12):
        loss, _ = method.loss(network, batch, draw(), 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


# --- masks and mixing -----------------------------------------------------------------------------------------------


def test_a_mixed_clip_has_the_scene_of_its_partner() -> None:
    method, _ = ready(p=1.0)
    batch = batch_of()
    made = method.augment(batch, draw(3))
    partner = torch.randperm(6, generator=draw(3))
    assert batch.scenes is not None and made.scenes is not None
    assert torch.equal(made.scenes, batch.scenes[partner]) and torch.equal(made.labels, batch.labels)
    assert made.plain is batch.clips
    front = foreground(batch.clips * method.std + method.mean, 0.3)[:, None, None]
    assert torch.equal(made.clips, torch.where(front, batch.clips, batch.clips[partner]))
    half, _ = ready(p=0.5)
    some = half.augment(batch, draw(3))
    same = [torch.equal(some.clips[k], batch.clips[k]) for k in range(6)]
    assert some.scenes is not None
    assert all(torch.equal(some.scenes[k], batch.scenes[k]) for k in range(6) if same[k]) and any(same) < 6


def test_masks_are_where_and_when_things_move() -> None:
    method, _ = ready(beta=0.25)
    rgb = torch.full((1, 3, 4, 32, 32), 0.5)
    rgb[:, 0, 0, :16, :16] = 1.0  # changes between frames 0 and 1, top left
    rgb[:, 2, 3, 16:, 16:] = 1.0  # between frames 2 and 3, bottom right
    clips = (rgb - method.mean) / method.std
    still, steps = method.masks(clips, torch.Size((2, 2, 2)))
    assert steps[0].flatten(1).argmax(1).tolist() == [0, 3]
    assert still.sum().item() == pytest.approx(0.25 * 4, abs=1e-6)  # β of four cells
    assert steps.sum((2, 3)).flatten().tolist() == pytest.approx([1.0, 1.0])


# --- the network ----------------------------------------------------------------------------------------------------


def test_a_round_of_slot_attention_by_hand() -> None:
    torch.manual_seed(0)
    layer, slots, tokens = SlotLayer(6, 2, 3), torch.randn(1, 2, 6), torch.randn(1, 5, 6)
    made, found = layer(slots, tokens)
    s, x = functional.layer_norm(slots[0], (6,)), functional.layer_norm(tokens[0], (6,))
    parts, every = [], []
    for head in range(2):
        rows = slice(3 * head, 3 * head + 3)
        q, k, v = (x_ @ m.weight[rows].T for x_, m in ((s, layer.to_query), (x, layer.to_key), (x, layer.to_value)))
        shares = torch.softmax(q @ k.T / math.sqrt(3), dim=0)  # over the slots
        every.append(shares)
        parts.append(shares / (shares.sum(1, keepdim=True) + 1e-7) @ v)
    new = slots[0] + layer.out(torch.cat(parts, dim=1))
    assert torch.allclose(made[0], new + layer.mlp(layer.norm_mlp(new)), atol=1e-5)
    assert torch.allclose(found[0], torch.stack(every).mean(0), atol=1e-6)


def test_tokens_are_divided_among_the_slots() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(2, 3, 2, 2, 8)
    for tied, layers in ((True, 1), (False, 3)):
        pool = SlotAttention(8, 2, 4, 3, tied)
        slots, shares = pool(tokens)
        assert slots.shape == (2, 2, 8) and shares.shape == (2, 2, 3, 2, 2) and len(pool.layers) == layers
        assert torch.allclose(shares.sum(1), torch.ones(2, 3, 2, 2), atol=1e-6)


def test_the_action_is_read_from_the_slot_that_is_surest_of_one() -> None:
    _, network = ready()
    network.eval()
    with torch.no_grad():
        network.head.weight.mul_(20)  # so that the slots differ
        clips = batch_of().clips
        slots, _ = network.pool(token_map(network.backbone, clips))
        every = network.head(slots)
        p = every.softmax(2)
        for k in range(6):
            action, scene = int(p[k, :, :3].amax(1).argmax()), int(p[k, :, 3:].amax(1).argmax())
            assert torch.allclose(network(clips)[k], every[k, action, :3], atol=1e-4)
            assert torch.allclose(network.scene_logits(slots)[k], every[k, scene, 3:], atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"width": 0}, "has width 0"),
        ({"depth": "deep"}, "has depth deep"),
        ({"scenes": None}, "has scenes None"),
        ({"head_width": 2**14, "heads": 2**14}, "slots have .* weights, over"),
    ],
)
def test_settings_from_a_file_are_checked(changes: dict, word: str) -> None:
    with pytest.raises(BenchError, match=word):
        with_token_head(Small3D(3), {**slot_settings(96, 2, 4, 2, True, 4), **changes}, 3)


def test_what_devias_needs_is_told() -> None:
    method = make_method("devias", "scratch", {})
    clip = batch_of().clips[:1]
    with pytest.raises(BenchError, match="there are 0 scenes"):
        method.adapted(Small3D(3), clip, Companions(3, SAMPLING))
    with pytest.raises(BenchError, match=r"tokens of Linear are not known"):
        method.adapted(nn.Linear(3, 3), clip, COMPANIONS)
    made, network = ready()
    with pytest.raises(BenchError, match="clips have 1 frame"):
        made.prepare(network, clip[:, :, :1], COMPANIONS)
    with pytest.raises(BenchError, match="has no scenes"):
        made.loss(network, dataclasses.replace(batch_of(), scenes=None), draw(), 0.0)
    with pytest.raises(BenchError, match="Small3D has no slots"):
        made.loss(Small3D(3), batch_of(), draw(), 0.0)


def test_the_published_settings_are_the_finetune_preset() -> None:
    s = make_method("devias", "finetune", {}).settings
    assert isinstance(s, DeviasSettings)
    assert (s.scene, s.distill, s.mask, s.beta, s.p, s.depth, s.tied) == (4000, 1, 1, 0.3, 0.4, 4, True)
    assert (s.heads, s.head_width, s.sigmoid, s.hue, s.rounding) == (4, 512, "twice", "published", "published")


# --- a run ----------------------------------------------------------------------------------------------------------


class Stopped(Exception):
    """Stands for a kill."""


def test_a_run_resumes_to_the_same_bits_and_shows_how_well_scenes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = moving_bars(tmp_path, 24)
    scenes = {v.id: k % 3 for k, v in enumerate(videos)}
    monkeypatch.setattr(albar.training.run, "read_dataset", lambda *a: Listing(videos, ["right", "down"], "train1"))
    for module in (albar.training.extras, albar.training.run):
        monkeypatch.setattr(
            module, "scenes_of",
            lambda s, some, device: functional.one_hot(torch.tensor([scenes[v.id] for v in some]), 3).float(),
        )  # fmt: skip
    monkeypatch.setattr(albar.training.extras, "scene_names_of", lambda s: ("field", "hall", "lake"))

    def run(out: str) -> Path:
        clip = {"frames": 4, "size": 16, "resize": 16}
        return train(TrainSettings(
            method="devias", out=tmp_path / out, clip=clip, epochs=2, batch=6, validation=0.3, progress=False,
            tensorboard=False, save_steps=1, dropout=0.2, options={"p": 0.5},
        ))  # fmt: skip

    whole = run("whole")
    step, calls = albar.training.run.Run.train_step, 0

    def dying(self: albar.training.run.Run, *args: object) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise Stopped
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(albar.training.run.Run, "train_step", dying)
    with pytest.raises(Stopped):
        run("stopped")
    monkeypatch.setattr(albar.training.run.Run, "train_step", step)
    again = run("stopped")
    for name in ("model.ckpt", "last.pt"):
        assert (whole.parent / name).read_bytes() == (again.parent / name).read_bytes()
    with open(whole.parent / "metrics.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        assert 0 <= float(row["val_scene_acc"]) <= 100 and 0 <= float(row["scene_acc"]) <= 100
    loaded = load_checkpoint(whole)
    assert loaded.cost == {"forward_clips": 1.0, "backward_clips": 1.0}
    assert loaded.token_head["kind"] == "slots" and loaded.token_head["scenes"] == 3
    assert loaded.token_head["scene_names"] == ["field", "hall", "lake"]
    network, clips = loaded.network(), torch.randn(2, 3, 4, 16, 16)
    assert isinstance(network, SlotNetwork)
    logits, both = network(clips), network.both(clips)
    assert logits.shape == (2, 2) and both.shape == (2, 5) and torch.equal(both[:, :2], logits)
    assert torch.equal(both[:, 2:], network.scene_logits(seen_slots(network, clips).slots))
