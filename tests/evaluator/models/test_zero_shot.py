"""Models that compare videos with texts, scored zero-shot: against the library called by hand, and what is refused."""

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_world import QUIET, World, refused
from tiny_models import FRAMES, LONGEST, SIZE, ZERO_SHOT, huggingface_folder, zero_shot_folder
from tiny_videos import make_actions
from torch import nn

from albar.clips.clips import ClipSampling, eval_clips, normalise
from albar.models.heads import logits_and_features
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import build_scuba
from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.datasets.readable import readable
from evaluator.evaluate import EvalOptions, evaluate
from evaluator.models import ModelOptions, load_model
from evaluator.predictions.files import read_predictions, softmax
from evaluator.reports.leaderboard import read_leaderboard

CLASSES = shipped_classes("ucf101")
DEFAULT = ("a video of a person {}",)
# Batches hold other numbers of videos and texts, so that float32 sums differ in their last digits: features have errors
# of about 2**-24 * 16 channels, cosines are scaled by at most 100, and a probability p changes by p (1 - p) <= 1 / 4 of
# what its logit does.
CLOSE = 100 * 16 * 2**-24 / 4  # 2.4e-5
PREPROCESSORS: dict[str, dict[str, Any]] = {
    "clip": {
        "size": {"shortest_edge": 36},
        "crop_size": {"height": SIZE, "width": SIZE},
        "image_mean": [0.1, 0.2, 0.3],
    },
    "siglip": {"size": {"height": SIZE, "width": SIZE}, "resample": 3},
}
HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
SQUASHED: dict[str, Any] = {"squash": True, "crop": "random"}
SAMPLINGS: dict[str, dict[str, Any]] = {
    "clip": {"frames": 8, "resize": 36, "mean": (0.1, 0.2, 0.3), "std": CLIP_STD},
    "metaclip_2": {"frames": 8, "mean": (0.48145466, 0.4578275, 0.40821073), "std": CLIP_STD},
    "siglip": {"frames": 8, **HALF, **SQUASHED},
    "siglip2": {"frames": 8, **HALF},
    "videoprism": {"test_start": "first", "mean": (0.0,) * 3, "std": (1.0,) * 3, **SQUASHED},
    "xclip": {},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Made once: four videos of two UCF101 classes, and the benchmarks built from them."""
    base = tmp_path_factory.mktemp("world")
    return World(make_actions(base / "ucf", frames=12), base)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder per kind, made once."""
    base = tmp_path_factory.mktemp("folders")

    def folder(kind: str) -> Path:
        if not (base / kind).exists():
            zero_shot_folder(base / kind, kind, PREPROCESSORS.get(kind))
        return base / kind

    return folder


def score(world: World, spec: object, out: Path, **model: object) -> dict[str, Any]:
    options = EvalOptions(model=ModelOptions(**model), iid=False, progress=False, device="cpu", batch=3)  # type: ignore[arg-type]
    scored = evaluate(spec, [world.scuba, world.scufo], out, options)  # type: ignore[arg-type]
    assert scored is not None
    return scored.plain()


def sampling_of(kind: str) -> ClipSampling:
    said = {"frames": FRAMES, "size": SIZE, "resize": SIZE, "even": True, **SAMPLINGS[kind]}
    return ClipSampling(**said)


def by_hand(folder: Path, kind: str, prompts: tuple[str, ...]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Logits of one clip (1, 3, T, S, S), from the library's own functions, every text alone (X-CLIP's together)."""
    from transformers import AutoModel, AutoTokenizer

    network, words = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)

    def unit(x: torch.Tensor) -> torch.Tensor:
        return x / x.norm(dim=-1, keepdim=True)

    def tokens(prompt: str, name: str) -> dict[str, torch.Tensor]:
        fill = {"padding": "max_length", "max_length": LONGEST} if kind in ("siglip", "siglip2", "videoprism") else {}
        made = words([prompt.replace("{}", readable(name, "ucf101"))], return_tensors="pt", **fill)
        return {k: made[k] for k in ("input_ids", "attention_mask")}

    def xclip(x: torch.Tensor) -> torch.Tensor:
        found = []
        for prompt in prompts:
            texts = [prompt.replace("{}", readable(name, "ucf101")) for name in CLASSES]
            said = network(pixel_values=x.transpose(1, 2), **words(texts, padding=True, return_tensors="pt"))
            found.append(said.text_embeds[0])  # normalised
        video = said.video_embeds[0]
        return (unit(torch.stack(found).mean(0)) @ video * network.logit_scale.exp())[None]

    @functools.cache
    def text(name: str) -> torch.Tensor:
        said = [network.get_text_features(**tokens(prompt, name)).pooler_output[0] for prompt in prompts]
        return unit(torch.stack([unit(one) for one in said]).mean(0))

    def other(x: torch.Tensor) -> torch.Tensor:
        scale = 100.0 if kind == "videoprism" else network.logit_scale.exp()
        if kind == "videoprism":
            video = unit(network.get_video_features(pixel_values_videos=x.transpose(1, 2)).pooler_output.flatten(1))
        else:
            pictures = x[0].transpose(0, 1)
            given = patches(pictures) if kind == "siglip2" else {"pixel_values": pictures}
            video = unit(unit(network.get_image_features(**given).pooler_output).mean(0, keepdim=True))
        return video @ torch.stack([text(name) for name in CLASSES]).T * scale

    def patches(pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """By the library's own preprocessor."""
        from transformers.models.siglip2.image_processing_siglip2 import convert_image_to_patches

        cut = torch.stack([convert_image_to_patches(picture, 16) for picture in pictures])
        shapes = torch.tensor([[SIZE // 16] * 2] * len(cut))
        return {"pixel_values": cut, "pixel_attention_mask": torch.ones(cut.shape[:2]), "spatial_shapes": shapes}

    return xclip if kind == "xclip" else other


def agree(
    record: dict[str, Any],
    benchmarks: list[Path],
    out: Path,
    logits: Callable[..., torch.Tensor],
    sampling: ClipSampling,
) -> list[np.ndarray]:
    """Compare stored predictions with ``logits`` of the same clips; the probabilities of the latter."""
    seen = []
    for described, folder in zip(record["sets"], benchmarks, strict=True):
        found, benchmark = read_predictions(out / described["predictions"], CLASSES), read_benchmark(folder)
        assert len(found.ids) == len(benchmark.rows)
        for row in benchmark.rows:
            clip = normalise(eval_clips(benchmark.frames(row), row.frames, sampling), sampling)
            with torch.no_grad():
                wanted = softmax(logits(clip).double().numpy())[0]
            assert np.allclose(found.scores[found.ids.index(row.id)], wanted, rtol=0, atol=CLOSE)
            seen.append(wanted)
    return seen


@pytest.mark.parametrize("kind", ZERO_SHOT)
@pytest.mark.parametrize("prompts", [DEFAULT, ("{}", "someone is {}")])
def test_probabilities_are_those_of_the_library_by_hand(
    world: World, folders: Callable[[str], Path], kind: str, prompts: tuple[str, ...], tmp_path: Path
) -> None:
    folder = folders(kind)
    record = score(world, f"hf:{folder}", tmp_path, **({} if prompts == DEFAULT else {"prompts": prompts}))
    logits, sampling = by_hand(folder, kind, prompts), sampling_of(kind)
    wanted = agree(record, [world.scuba, world.scufo], tmp_path, logits, sampling)
    assert np.ptp(wanted, axis=0).max() > 20 * CLOSE and max(map(np.ptp, wanted)) > 20 * CLOSE  # not all the same
    assert (record["kind"], record["model"], record["method"]) == ("zero-shot", kind, kind)
    assert record["zero_shot"] == {"prompts": list(prompts), "phrases": [readable(c, "ucf101") for c in CLASSES]}
    (row,) = read_leaderboard(tmp_path / "leaderboard.csv")
    assert row["protocol"].startswith(f"{sampling.frames}xeven-32-{sampling.test_start}-zero-shot")


@pytest.fixture(scope="module")
def real(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two SCUBA videos of the real clip of UCF101 that has boxes."""
    out, masks = tmp_path_factory.mktemp("real") / "scuba", clips / "annotations" / "ucf101_24_pyannot.pkl"
    root = out.parent / "ucf101"
    shutil.copytree(clips / "ucf101" / "videos" / "SoccerJuggling", root / "videos" / "SoccerJuggling")
    build_scuba("ucf101", root, "all", masks=f"ucf101-24:{masks}", per_video=2, layout="virtual", out=out, run=QUIET)
    return out


@pytest.mark.parametrize("kind", [*ZERO_SHOT, "vjepa2", "videoprism_vision_model"])
def test_real_clips(real: Path, folders: Callable[[str], Path], kind: str, tmp_path: Path) -> None:
    from transformers import AutoModelForVideoClassification

    options = EvalOptions(iid=False, progress=False, device="cpu", batch=2)
    if kind in ZERO_SHOT:
        folder = folders(kind)
        logits, sampling = by_hand(folder, kind, DEFAULT), sampling_of(kind)
    else:
        folder = huggingface_folder(tmp_path / kind, kind, CLASSES)
        theirs = AutoModelForVideoClassification.from_pretrained(folder).eval()
        logits = lambda x: theirs(pixel_values_videos=x.transpose(1, 2)).logits.flatten(1)  # noqa: E731
        sampling = ClipSampling(frames=FRAMES, size=SIZE, resize=36, stride=4)
        if kind != "vjepa2":
            said = {"test_start": "first", "even": True, "mean": (0.0,) * 3, "std": (1.0,) * 3, "resize": SIZE}
            sampling = sampling.replaced({**said, **SQUASHED})
    scored = evaluate(f"hf:{folder}", [real], tmp_path / "out", options)
    assert scored is not None
    assert len(agree(scored.plain(), [real], tmp_path / "out", logits, sampling)) == 2


def test_the_order_of_frames_does_not_matter_to_a_mean_of_pictures(
    world: World, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    for kind in ("clip", "xclip"):
        options = EvalOptions(iid=False, progress=False, device="cpu", time=("reversed",))
        scored = evaluate(folders(kind), [world.scuba], tmp_path / kind, options)
        assert scored is not None
        (plain,), (timed,) = scored.record.sets, scored.record.timed
        a, b = (read_predictions(tmp_path / kind / str(s.predictions), CLASSES).scores for s in (plain, timed))
        # X-CLIP knows the places of frames, CLIP does not.
        assert (np.abs(a - b).max() < CLOSE) == (kind == "clip")


def test_one_frame_of_clip_is_the_librarys_own_answer(folders: Callable[[str], Path]) -> None:
    from transformers import AutoModel, AutoTokenizer

    model = load_model(str(folders("clip"))).with_classes(CLASSES, "ucf101")
    theirs, words = AutoModel.from_pretrained(folders("clip")).eval(), AutoTokenizer.from_pretrained(folders("clip"))
    x = torch.randn(2, 3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    texts = [f"a video of a person {readable(name, 'ucf101')}" for name in CLASSES]
    with torch.no_grad():
        said = theirs(pixel_values=x[:, :, 0], **words(texts, padding=True, return_tensors="pt")).logits_per_image
        ours = model.network(torch.device("cpu"))(x)
    assert ours.shape == (2, 101) and (ours - said).abs().max() < CLOSE


def test_texts_are_computed_once(
    world: World, folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import CLIPModel

    asked: list[int] = []
    plain = CLIPModel.get_text_features
    monkeypatch.setattr(
        CLIPModel, "get_text_features", lambda self, **t: (asked.append(len(t["input_ids"])), plain(self, **t))[1]
    )
    score(world, folders("clip"), tmp_path, prompts=("{}", "he is {}", "{}"))
    assert sum(asked) == 2 * len(CLASSES)  # a prompt that is given twice counts once


def test_other_prompts_are_other_predictions(world: World, folders: Callable[[str], Path], tmp_path: Path) -> None:
    first = score(world, folders("clip"), tmp_path)
    again = score(world, folders("clip"), tmp_path, prompts=DEFAULT)
    assert again["computed"] == [] and again["record"] == first["record"]
    other = score(world, folders("clip"), tmp_path, prompts="{} badly")
    assert other["computed"] == ["scuba", "scufo"] and other["record"] != first["record"]
    rows = read_leaderboard(tmp_path / "leaderboard.csv")
    assert len({row["protocol"] for row in rows}) == 2 and all("zero-shot" in row["protocol"] for row in rows)


def test_the_digest_covers_the_tokenizer(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders("clip"), tmp_path / "a")
    first = load_model(folder).digest
    (folder / "notes.txt").write_text("nothing of the model")
    assert load_model(folder).digest == first
    (folder / "merges.txt").write_text("#version: 0.2\n")
    assert load_model(folder).digest != first


def test_classes_of_a_file_are_matched_to_the_benchmarks(
    world: World, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(name.upper() for name in reversed(CLASSES)))
    turned = score(world, folders("clip"), tmp_path / "a", classes=names)
    plain = score(world, folders("clip"), tmp_path / "b")
    for one, two in zip(turned["sets"], plain["sets"], strict=True):
        a = read_predictions(tmp_path / "a" / one["predictions"], CLASSES).scores
        b = read_predictions(tmp_path / "b" / two["predictions"], CLASSES).scores
        # "PUNCH" without a dataset is HMDB51's action: its text differs, so one class of 101 does.
        assert np.argsort(np.abs(a / b - 1).mean(0))[-1] == CLASSES.index("Punch")


@pytest.mark.parametrize("prompts", ["no place", "{} and {}", ""])
def test_prompts_without_one_place_are_refused(prompts: str) -> None:
    assert "has not exactly one {} for the name" in refused(lambda: ModelOptions(prompts=(prompts,)))


def changed(folder: Path, out: Path, part: str = "", **changes: Any) -> Path:
    """A copy with a changed config.json."""
    shutil.copytree(folder, out)
    config = json.loads((out / "config.json").read_text())
    (config[part] if part else config).update(changes)
    (out / "config.json").write_text(json.dumps(config))
    return out


def test_what_is_refused(world: World, folders: Callable[[str], Path], tmp_path: Path) -> None:
    clip = folders("clip")
    long = "a very long prompt, longer than the model takes, of {}, which is an action of a person"
    assert "tokens, " in refused(lambda: score(world, clip, tmp_path / "o", prompts=long))
    assert f"takes at most {LONGEST}; give a shorter prompt" in refused(
        lambda: score(world, clip, tmp_path / "o", prompts=long)
    )
    bare = shutil.copytree(clip, tmp_path / "bare")
    (bare / "tokenizer.json").unlink()
    assert "has no tokenizer" in refused(lambda: score(world, bare, tmp_path / "o"))
    (bare / "tokenizer.json").write_text("{}")
    assert "tokenizer cannot be read" in refused(lambda: score(world, bare, tmp_path / "o"))
    few = changed(clip, tmp_path / "few", "text_config", vocab_size=20)
    assert "its tokenizer gives token 33, it knows 20" in refused(lambda: score(world, few, tmp_path / "o"))
    end = changed(clip, tmp_path / "end", "text_config", eos_token_id=1)
    assert "does not end texts with the model's token 1" in refused(lambda: score(world, end, tmp_path / "o"))
    digits = tmp_path / "digits.txt"  # letters that the tokenizer does not know
    digits.write_text("\n".join(["дом", "кот", *CLASSES[2:]]))
    assert "classes 'дом' and 'кот' have the same tokens" in refused(
        lambda: load_model(clip, ModelOptions(classes=digits))
    )
    digits.write_text("HighJump\nhigh_jump\n")
    assert "have the same text" in refused(lambda: load_model(clip, ModelOptions(classes=digits)))
    assert "give --classes FILE" in refused(lambda: load_model(clip).network(torch.device("cpu")))
    assert "takes no clips of" in refused(lambda: score(world, clip, tmp_path / "o", clip={"size": 48, "resize": 48}))
    assert "takes no clips of" in refused(lambda: score(world, folders("xclip"), tmp_path / "o", clip={"frames": 3}))
    assert "was trained on classes" in refused(lambda: score(world, world.checkpoint, tmp_path / "o", prompts="{}"))


def test_folders_that_will_not_do(world: World, folders: Callable[[str], Path], tmp_path: Path) -> None:
    clip = folders("clip")
    odd = changed(clip, tmp_path / "odd", model_type="bert")
    message = refused(lambda: load_model(odd))
    assert "'bert' is not one of" in message and "vjepa2" in message and "siglip2 (" not in message
    assert "text_config is not a table" in refused(lambda: load_model(changed(clip, tmp_path / "l", text_config=[1])))
    huge = changed(clip, tmp_path / "huge", "text_config", vocab_size=10**9)
    assert "text_config: vocab_size is 1000000000" in refused(lambda: load_model(huge))
    deep = changed(clip, tmp_path / "deep", "vision_config", num_hidden_layers=2)
    assert "lack 16 tensors of CLIPModel" in refused(lambda: score(world, deep, tmp_path / "o"))
    words = changed(clip, tmp_path / "words", "vision_config", hidden_size="many")
    assert "hidden_size is many" in refused(lambda: load_model(words))
    none = shutil.copytree(clip, tmp_path / "none")
    (none / "model.safetensors").unlink()
    assert "has no weights" in refused(lambda: score(world, none, tmp_path / "o"))
    assert not (tmp_path / "o" / "predictions").exists()


def test_a_folders_code_is_not_run(world: World, folders: Callable[[str], Path], tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = {"auto_map": {"AutoModel": "evil.Model", "AutoConfig": "evil.Config", "AutoTokenizer": ["evil.T", "evil.T"]}}
    folder = changed(folders("clip"), tmp_path / "evil", **code)
    (folder / "evil.py").write_text(f"from pathlib import Path\nPath({str(marker)!r}).touch()\n")
    said = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(said | code))
    score(world, folder, tmp_path / "o")
    assert not marker.exists()


def test_features_are_found_and_gradients_reach_the_clip(folders: Callable[[str], Path]) -> None:
    """`bench audit units` and `bench explain` need them."""
    for kind in ZERO_SHOT:
        network = load_model(folders(kind)).with_classes(CLASSES[:5], "ucf101").network(torch.device("cpu"))
        assert isinstance(network, nn.Module)
        frames = FRAMES if kind in ("xclip", "videoprism") else 2
        x = torch.randn(1, 3, frames, SIZE, SIZE, generator=torch.Generator().manual_seed(1)).requires_grad_()
        logits, features = logits_and_features(network, x)
        assert logits.shape == (1, 5) and features.shape == (1, 16)
        logits[0, 2].backward()
        assert x.grad is not None and x.grad.isfinite().all() and x.grad.abs().max() > 0
