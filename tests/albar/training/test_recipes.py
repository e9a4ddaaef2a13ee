"""The published training recipes that ship: every figure, by name, and the 2-D reference that goes with them."""

import math
from pathlib import Path

import pytest
import torch
from torchvision.models import get_model

from albar.methods import METHODS, make_method
from albar.models import build_model
from albar.models.heads import drop_features, find_head, logits_and_features
from albar.models.small3d import Small3D
from albar.models.torchvision_video import inflated
from albar.training.optimizer import RECIPES, make_optimiser, set_rate
from albar.training.reference2d import reference_settings
from albar.training.settings import TrainSettings, make_settings, read_configs, recipes
from benchmark_builder.utils.errors import BenchError

# StillMix's comparison, Swin-T: columns ImageNet to HMDB51, UCF101, Kinetics-400; Kinetics to HMDB51, UCF101.
NAMES = ["imagenet-hmdb51", "imagenet-ucf101", "imagenet-kinetics400", "kinetics-hmdb51", "kinetics-ucf101"]
PAPER = "albar-paper-hmdb51"
RATES = [(3.75e-3, 0.02), (1.5e-3, 0.01), (7.5e-4, 0.02), (3.75e-4, 0.05), (3.75e-4, 0.01)]
CHANCES = {
    "mixup": (0.75, 1, 1, 0.75, 0.5),
    "videomix": (0.75, 0.75, 0.75, 0.25, 0.5),
    "actorcutmix": (0.75, 0.5, 0.25, 0.25, 0.5),
    "be": (0.75, 0.75, 0.5, 0.25, 0.5),
    "fame": (0.5, 0.25, 0.25, 0.5, 0.25),
    "stillmix": (0.5, 0.75, 0.25, 0.75, 0.25),
}
TAUS = (0.5, 0.5, 0.5, 0.1, 0.5)
OTHER_RATES = {  # the footnotes
    ("imagenet-ucf101", "mixup"): 3.75e-3,
    ("imagenet-ucf101", "fame"): 3.75e-3,
    ("imagenet-kinetics400", "actorcutmix"): 3.75e-4,
    ("kinetics-ucf101", "actorcutmix"): 7.5e-5,
    ("kinetics-ucf101", "videomix"): 1.5e-4,
}


def settings_of(name: str, method: str) -> TrainSettings:
    return make_settings(Path(f"swin-t-{name}"), {"method": method})


def test_every_recipe_that_ships_is_in_the_table() -> None:
    assert recipes() == sorted([*(f"swin-t-{name}" for name in NAMES), PAPER])


def test_the_papers_own_protocol_has_the_papers_figures() -> None:
    """ALBAR (Fioresi et al., ICLR 2025), as its text has it; the published code differs (docs/published.md)."""
    s = make_settings(Path(PAPER), {"method": "albar"})
    r = s.recipe
    assert (s.dataset, s.model_name, s.weights, s.preset_name) == ("hmdb51", "swin3d_t", "KINETICS400_V1", "finetune")
    assert (s.validation, s.keep, r.epochs, r.batch) == (0.2, "best", 50, 8)
    assert (r.optimiser, r.weight_decay, r.decay, r.backbone_lr, r.clip_gradient) == ("adamw", 0.01, "all", 1.0, 0.0)
    # 1e-4 at 64 clips per step: an eighth of it for 8, the same for 8 devices with 8 each.
    assert r.scaled(8).lr == pytest.approx(1.25e-5) and r.scaled(64).lr == pytest.approx(1e-4)
    # A line up to epoch 5 of 50, then half a cosine, which is half way down at epoch 27.5 and ends at 0.
    rates = [r.scaled(64).lr * r.rate(epoch / 50) for epoch in (0, 2.5, 5, 27.5, 50)]
    assert rates == pytest.approx([0, 5e-5, 1e-4, 5e-5, 0], abs=1e-12)
    c = s.clip_sampling
    assert (c.frames, c.stride, c.test_start, c.resize, c.size, c.views, c.crops) == (32, 2, "centre", 256, 224, 1, 1)
    own = make_method("albar", s.preset_name, s.options).settings
    assert [getattr(own, name) for name in ("adv", "ent", "gp", "still", "penalty", "entropy")] == [
        1.0, 4.0, 10.0, "random", "summed", "stable",
    ]  # fmt: skip
    baseline = make_settings(Path(PAPER), {"method": "baseline"})
    assert baseline.recipe == r and baseline.keep == "best"
    # The 2-D reference of StillMix has a rate of its own, and no epoch is chosen for it.
    reference = reference_settings(make_settings(Path(PAPER), {"method": "stillmix"}))
    published = reference_settings(make_settings(Path("swin-t-kinetics-hmdb51"), {"method": "stillmix"}))
    assert reference.recipe.scaled(64).lr == published.recipe.lr and reference.keep == "last"
    code = make_settings(Path("swin-t-kinetics-hmdb51"), {"method": "albar"})
    assert (code.recipe.lr, code.recipe.scaled(6).lr, code.keep) == (1e-5, 1e-5, "last")


@pytest.mark.parametrize("method", ["baseline", "sdn", *CHANCES])
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_has_the_published_figures(name: str, method: str) -> None:
    column = NAMES.index(name)
    s = settings_of(name, method)
    r = s.recipe
    assert (s.dataset, s.model_name, s.preset_name) == (name.split("-")[1], "swin3d_t", "finetune")
    assert s.weights == ("IMAGENET1K_V1" if name.startswith("imagenet") else "KINETICS400_V1")
    assert (r.lr, r.weight_decay) == (OTHER_RATES.get((name, method), RATES[column][0]), RATES[column][1])
    assert r.batch == (24 if (name, method) == ("imagenet-kinetics400", "actorcutmix") else 12)
    assert (r.optimiser, r.epochs, r.schedule, r.backbone_lr, r.decay) == ("adamw", 30, "cosine", 0.1, "mmcv")
    assert r.warmup * 30 == pytest.approx(2.5, abs=1e-4) and r.clip_gradient == 0
    assert (r.by_epoch, r.warmup_from, s.validation) == (True, 0.1, 0.0)
    assert s.dropout == 0.5 and (s.clip_sampling.frames, s.clip_sampling.stride, s.clip_sampling.short) == (
        32,
        2,
        "wrap",
    )
    made = make_method(method, s.preset_name, s.options).settings
    if method in CHANCES:
        assert made.p == CHANCES[method][column]  # type: ignore[attr-defined]
    slips = {"fame": ("hue", "rounding"), "actorcutmix": ("invalid",)}
    assert {getattr(made, name) for name in slips.get(method, ())} <= {"published"}
    if method == "stillmix":
        on_kinetics = name.endswith("kinetics400")
        assert s.tau == TAUS[column] and s.score_every == (20 if on_kinetics else 1)
        assert (made.a, made.b) == ((20, 60) if on_kinetics else (200, 200))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("kinetics")])
def test_albar_keeps_its_own_recipe_beside_the_others(name: str) -> None:
    s = settings_of(name, "albar")
    assert s.recipe == TrainSettings(weights="KINETICS400_V1").recipe and s.dropout == 0
    assert (s.clip_sampling.short, s.clip_sampling.test_start) == ("clamp", "first")
    assert make_method("albar", s.preset_name, s.options).settings == make_method("albar", "finetune", {}).settings


def test_the_command_line_takes_precedence_over_a_recipe_by_name() -> None:
    given = {"method": "stillmix", "lr": 0.5, "options": {"a": 5.0}, "epochs": None}
    s = make_settings(Path("swin-t-kinetics-hmdb51"), given)
    assert (s.lr, s.recipe.epochs, s.options) == (0.5, 30, {"p": 0.75, "a": 5.0})


def test_a_recipe_nobody_ships_lists_those_there_are() -> None:
    with pytest.raises(BenchError, match="swin-t-kinetics-hmdb51") as caught:
        make_settings(Path("swin-t-kinetics"), {"method": "baseline"})
    assert "\n" not in str(caught.value)


def test_a_table_of_an_unknown_method_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[method.stilmix]\nlr = 1\n")
    with pytest.raises(BenchError, match=r"run\.toml: a table for the unknown method 'stilmix'; choose from baseline"):
        make_settings(path, {"method": "stillmix"})
    path.write_text('lr = 0.1\n[method.stillmix]\nlr = 1\n[method."albar+stillmix"]\nepoch = 3\n')
    with pytest.raises(BenchError, match="did you mean 'epochs'"):
        read_configs(path)


def mmcv_group(name: str, lr: float, decay: float) -> tuple[float, float]:
    """(rate, weight decay) of a parameter by mmcv 1.3.9's rule with StillMix's `custom_keys`: the longest key in the
    name decides on both, what it does not say is 1; a name without a key has the optimiser's own."""
    keys: dict[str, dict[str, float]] = {
        "absolute_pos_embed": {"decay": 0},
        "relative_position_bias_table": {"decay": 0},
        "norm": {"decay": 0},
        "backbone": {"lr": 0.1},
    }
    for key in sorted(sorted(keys), key=len, reverse=True):
        if key in name:
            return lr * keys[key].get("lr", 1), decay * keys[key].get("decay", 1)
    return lr, decay


def test_parameters_are_grouped_as_mmcv_groups_them() -> None:
    model = get_model("swin3d_t", weights=None, num_classes=51)
    optimiser = make_optimiser(settings_of("kinetics-hmdb51", "baseline").recipe, model, find_head(model), None, 1.0)
    names = {id(p): name for name, p in model.named_parameters()}
    seen = {names[id(p)]: group for group in optimiser.param_groups for p in group["params"]}
    assert seen.keys() == set(names.values())
    assert sum(len(g["params"]) for g in optimiser.param_groups) == len(names)
    for name, group in seen.items():
        theirs = f"cls_head.fc_cls.{name[5:]}" if name.startswith("head.") else f"backbone.{name}"
        assert (group["lr"], group["weight_decay"]) == pytest.approx(mmcv_group(theirs, 3.75e-4, 0.05)), name
    tables = [p for n, p in model.named_parameters() if n.endswith("relative_position_bias_table")]
    full = [p for g in optimiser.param_groups if g["weight_decay"] == 0 for p in g["params"]]
    assert {id(p) for p in full} == {id(p) for p in tables}


def mmcv_rate(step: int, per_epoch: int, epochs: int, warmup_epochs: float, ratio: float) -> float:
    """mmcv 1.3.9's CosineAnnealingLrUpdaterHook by epoch with linear warm-up, min_lr 0."""
    regular = 0.5 * (1 + math.cos(math.pi * (step // per_epoch) / epochs))
    if step >= (last := warmup_epochs * per_epoch):
        return regular
    return regular * (1 - (1 - step / last) * (1 - ratio))


@pytest.mark.parametrize("per_epoch", [4, 298])
def test_the_rate_is_that_of_mmcv_at_every_step(per_epoch: int) -> None:
    recipe = settings_of("kinetics-hmdb51", "stillmix").recipe
    steps = 30 * per_epoch
    found = [recipe.rate(recipe.progress(step, steps)) for step in range(steps)]
    assert found == pytest.approx([mmcv_rate(step, per_epoch, 30, 2.5, 0.1) for step in range(steps)], abs=1e-12)
    assert found[0] == pytest.approx(0.1)
    by_hand = [found[epoch * per_epoch] for epoch in (5, 10, 15, 20)]
    assert by_hand == pytest.approx([0.933, 0.750, 0.500, 0.250], abs=5e-4)


def test_a_step_of_the_trainer_takes_that_rate() -> None:
    recipe = settings_of("kinetics-hmdb51", "baseline").recipe
    model = Small3D(3)
    optimiser = make_optimiser(recipe, model, model.head, None, 1.0)
    set_rate(optimiser, recipe, recipe.progress(0, 120))
    assert sorted({g["lr"] for g in optimiser.param_groups}) == pytest.approx([3.75e-6, 3.75e-5])
    scratch = RECIPES["scratch"]
    assert scratch.rate(scratch.progress(0, 10)) == pytest.approx(0.25)  # as before: 0.05 of 0.2, counted from 0


def test_dropped_features_are_hidden_from_the_head_in_training_alone() -> None:
    torch.manual_seed(0)
    model, clips = Small3D(3), torch.randn(4, 3, 2, 16, 16)
    names = list(model.state_dict())
    plain, shown = logits_and_features(model, clips)
    drop_features(model, 0.5)
    assert list(model.state_dict()) == names
    _, features = logits_and_features(model.train(), clips)
    hidden = (features == 0)[shown > 0].float().mean().item()
    assert hidden == pytest.approx(0.5, abs=0.15)  # of some 200 features: five standard deviations of 0.035
    assert torch.allclose(features[features > 0], 2 * shown[features > 0])
    assert torch.equal(model.eval()(clips), plain)


def test_an_inflated_image_network_sees_a_still_clip_as_the_image() -> None:
    """So every tensor is in its place: patches, windows, shifts, biases, head."""
    torch.manual_seed(0)
    image = get_model("swin_t", weights=None, num_classes=5).eval()
    with torch.no_grad():
        for p in image.parameters():  # position biases and norms start too alike to tell them apart
            p.add_(0.05 * torch.randn_like(p))
    video = get_model("swin3d_t", weights=None, num_classes=5).eval()
    video.load_state_dict(inflated(image.state_dict(), video))
    # 224 pixels give windows that fit at every stage, as the two networks pad others differently.
    frame = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        wanted, found = image(frame), video(frame.unsqueeze(2).repeat(1, 1, 4, 1, 1))
    assert (wanted.max() - wanted.min()) > 0.1
    # float32 over some 12 blocks of sums of up to 3072 terms
    assert torch.allclose(found, wanted, atol=1e-3 * float(wanted.abs().max()))


def test_a_file_of_image_weights_is_inflated(tmp_path: Path) -> None:
    image = get_model("swin_t", weights=None, num_classes=1000)
    torch.save(image.state_dict(), tmp_path / "swin_t.pth")
    s = settings_of("imagenet-hmdb51", "baseline")
    video = build_model("swin3d_t", 51, s.clip_sampling, str(tmp_path / "swin_t.pth")).state_dict()
    assert video["head.weight"].shape == (51, 768)
    patches = image.state_dict()["features.0.0.weight"]
    assert torch.allclose(video["patch_embed.proj.weight"].sum(2), patches, atol=1e-6)  # two float32 halves
    assert torch.equal(video["features.6.1.mlp.3.weight"], image.state_dict()["features.7.1.mlp.3.weight"])


def test_the_reference_of_a_fine_tuned_network_is_trained_as_published() -> None:
    s = reference_settings(settings_of("kinetics-hmdb51", "stillmix"))
    r = s.recipe
    assert (s.model_name, s.weights, s.method, s.dropout) == ("swin_t_2d", "IMAGENET1K_V1", "baseline", 0)
    assert (r.optimiser, r.momentum, r.weight_decay, r.epochs) == ("sgd", 0, 1e-5, 50)
    assert (r.lr, r.batch, r.schedule, r.warmup) == (0.01, 64, "step", 0)
    assert [r.rate((epoch + 0.5) / 50) for epoch in (0, 19, 20, 39, 40)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    c = s.clip_sampling
    assert (c.frames, c.crop, c.squash, c.resize, c.size) == (1, "random", True, 232, 224)
    assert (s.validation, s.recipe.by_epoch) == (0, False)
    for model, changes, wanted in (
        ("s3d", {}, (True, 256, 224)),
        ("r3d_18", {"clip": {"size": 112, "resize": 128}}, (True, 128, 112)),
        ("swin3d_t", {"clip": {"crop": "random_resized"}}, (False, 256, 224)),
        ("swin3d_t", {"clip": {"squash": False, "crop": "centre"}}, (False, 232, 224)),
    ):
        video = TrainSettings(method="stillmix", dataset="hmdb51", preset="finetune", model=model, **changes)  # type: ignore[arg-type]
        found = reference_settings(video).clip_sampling
        assert (found.squash, found.resize, found.size) == wanted, model
    assert (
        reference_settings(TrainSettings(method="stillmix", preset="finetune", model="r3d_18")).clip_sampling.size
        == 224
    )
    kept = settings_of("kinetics-hmdb51", "stillmix").replaced(keep_head=True)
    assert not reference_settings(kept).keep_head  # its weights know ImageNet's 1,000 classes, and must lose them
    own = reference_settings(settings_of("kinetics-hmdb51", "stillmix"), Path("here"), {"lr": 0.04, "batch": 256})
    assert (own.recipe.lr, own.recipe.batch, own.out) == (0.04, 256, Path("here"))


def test_the_reference_of_a_network_from_scratch_takes_its_recipe() -> None:
    s = reference_settings(TrainSettings(method="stillmix", lr=0.2, epochs=3))
    assert (s.model_name, s.weights, s.recipe.lr, s.recipe.epochs) == ("small3d", None, 0.2, 3)


def test_every_method_has_settings_in_every_recipe() -> None:
    for name in NAMES:
        for method in METHODS:
            s = settings_of(name, method)
            make_method(method, s.preset_name, s.options)
