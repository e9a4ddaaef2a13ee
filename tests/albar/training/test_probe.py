"""Probes: the backbone stays as it is, features are computed once, the best of many heads is kept."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_bars import moving_bars
from torch import nn
from torch.nn import functional

import albar.training.probe
import albar.training.run
from albar.checkpoint import export_weights, load_checkpoint
from albar.clips.clips import normalise, sampling
from albar.data.dataset import ClipDataset
from albar.data.features import CutVideos, Features, Wanted
from albar.models.small3d import Small3D
from albar.training.probe import Figures, best_of
from albar.training.probe_heads import Heads, Scale, cross_entropies, put_linear, unscaled
from albar.training.settings import TrainSettings
from albar.training.trainer import train
from benchmark_builder.datasets import Listing
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.record import Video

CLIP = {"frames": 4, "size": 16, "resize": 16}
SAMPLING = sampling("8x2-48").replaced(CLIP)
FEW = {"lr": [0.05, 0.001], "weight_decay": [0.01, 0.4], "clips": 2}
OWN = '''
import torch
from torch import nn

class Normed(nn.Module):
    """Batch norm and dropout, which a frozen network must not use as in training."""
    def __init__(self, classes):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.Dropout(0.5)
        self.head = nn.Linear(8, classes)
    def map(self, x):
        return self.drop(self.norm(self.conv(x)).relu())
    def tokens(self, x):
        return self.map(x).permute(0, 2, 3, 4, 1)
    def forward(self, x):
        return self.head(self.map(x).mean((2, 3, 4)))

class Tokenless(Normed):
    tokens = None
    def __init__(self, classes):
        super().__init__(classes)
        self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, classes))

class Flat(Normed):
    def tokens(self, x):
        return self.map(x).flatten(2)
'''


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    return moving_bars(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of small3d: a probe tells these two motions apart on them, too."""
    path = tmp_path_factory.mktemp("backbone") / "w.pth"
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.save(Small3D(5).state_dict(), path)
    return path


@pytest.fixture
def run(videos: list[Video], backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Train a probe on the generated videos; returns the path of model.ckpt."""
    monkeypatch.setattr(
        albar.training.run, "read_dataset", lambda *a: Listing(list(videos), ["right", "down"], "train1")
    )

    def start(out: str = "run", say: Callable[[str], None] = lambda line: None, **changes: object) -> Path:
        base = {
            "method": "probe", "clip": CLIP, "epochs": 3, "batch": 8, "validation": 0.2, "progress": False,
            "weights": str(backbone), "tensorboard": False,
        }  # fmt: skip
        changes["options"] = {**FEW, **changes.get("options", {})}  # type: ignore[dict-item]
        return train(TrainSettings(out=tmp_path / out, **{**base, **changes}), say)  # type: ignore[arg-type]

    return start


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "probenets.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


def stored(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in folder.rglob("*.npy")}


def clips_of(videos: list[Video], k: int = 4) -> torch.Tensor:
    dataset = ClipDataset(videos, SAMPLING, 0, False)
    return normalise(torch.stack([dataset[0, i].clip for i in range(k)]), SAMPLING)  # type: ignore[union-attr]


# --- the run --------------------------------------------------------------------------------------------------------


def test_a_linear_probe_is_the_network_with_another_head(
    run: Callable[..., Path], backbone: Path, videos: list[Video]
) -> None:
    said: list[str] = []
    path = run(epochs=20, validation=0.3, say=said.append)
    loaded, before = load_checkpoint(path), torch.load(backbone)
    assert loaded.method == "probe" and loaded.model == "small3d" and loaded.token_head == {}
    assert loaded.cost == {"forward_clips": 2 / 20, "backward_clips": 0.0}  # 2 clips per video for 20 epochs of heads
    for name, value in loaded.weights.items():
        if not name.startswith("head."):
            assert torch.equal(value, before[name])
    assert loaded.weights["head.weight"].shape == (2, 96)
    rows = table(path.parent / "probes.csv")
    assert len(rows) == 20 * 4 and [r["lr"] for r in rows[:4]] == ["0.05", "0.05", "0.001", "0.001"]
    (chosen,) = [r for r in rows if r["chosen"]]
    assert chosen["epoch"] == "20" and float(chosen["val_acc"]) == max(float(r["val_acc"]) for r in rows[-4:])
    assert float(chosen["ce"]) < 0.5 < float(rows[0]["ce"])  # ln 2 = 0.69 is chance
    # The checkpoint, on whole clips, has the accuracy that the head had on stored features.
    kept = [v for v in videos if v.id in kept_back(path, videos)]
    with torch.no_grad():
        right = loaded.network()(clips_of(kept, len(kept))).argmax(1) == torch.tensor([v.label for v in kept])
    assert 100 * float(right.float().mean()) == pytest.approx(float(chosen["val_acc"]))
    assert any("24 of 24 videos computed now" in line for line in said)


def kept_back(path: Path, videos: list[Video]) -> set[str]:
    from albar.training.split import divide

    s = TrainSettings(method="probe", validation=0.3)
    return {v.id for v in divide(Listing(list(videos), ["right", "down"], "train1"), s)[1]}


@pytest.mark.parametrize("head", ["linear", "attentive"])
def test_a_frozen_network_keeps_its_statistics_and_drops_nothing(
    run: Callable[..., Path], own: None, tmp_path: Path, head: str
) -> None:
    import probenets  # type: ignore[import-not-found]

    torch.manual_seed(0)
    network = probenets.Normed(2)
    network(torch.randn(8, 3, 4, 16, 16) * 3)  # statistics that are not the initial ones
    torch.save(network.state_dict(), tmp_path / "own.pth")
    path = run(
        model="probenets:Normed", sampling="8x2-48", weights=str(tmp_path / "own.pth"), options={"head": head}
    )  # fmt: skip
    found = load_checkpoint(path).weights
    prefix = "backbone." if head == "attentive" else ""
    for name, value in network.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(found[prefix + name], value)
    again = run("again", model="probenets:Normed", sampling="8x2-48", weights=str(tmp_path / "own.pth"),
                options={"head": head}, features=tmp_path / "other")  # fmt: skip
    assert path.read_bytes() == again.read_bytes()  # dropout would differ
    assert ("backbone.head.weight" in found) is False


def test_an_attentive_probe_scores_clips_like_any_network(
    run: Callable[..., Path], videos: list[Video], tmp_path: Path
) -> None:
    path = run(options={"head": "attentive", "lr": [0.003], "blocks": 2}, epochs=10)
    loaded = load_checkpoint(path)
    assert loaded.token_head == {"kind": "attentive", "width": 96, "heads": 16, "blocks": 2}
    clips = clips_of(videos)
    with torch.no_grad():
        logits = loaded.network()(clips)
        assert logits.shape == (4, 2)
        still = clips[:, :, :1]
        network = loaded.network()
        assert torch.allclose(network(still), network(still.expand_as(clips)), atol=1e-5)  # float32 sums over tokens
    for name in ("model.safetensors", "model.pth"):
        export = export_weights(path, tmp_path / name)
        with torch.no_grad():
            assert torch.equal(load_checkpoint(export).network()(clips), logits)
    with pytest.raises(BenchError, match=r"its head looks at tokens \(probe\), so its weights cannot start"):
        run("next", weights=str(path))


def test_heads_trained_together_are_those_trained_alone(run: Callable[..., Path]) -> None:
    together = run(options={"head": "attentive"})
    rows = table(together.parent / "probes.csv")[-4:]
    for row in rows:
        one = {"lr": float(row["lr"]), "weight_decay": float(row["weight_decay"]), "head": "attentive"}
        alone = table(run(f"{row['lr']}-{row['weight_decay']}", options=one).parent / "probes.csv")[-1]
        # float32 sums in another order over nine steps
        assert float(alone["ce"]) == pytest.approx(float(row["ce"]), rel=1e-3)
        assert alone["chosen"] == "yes"


def test_what_is_in_memory_or_read_again_gives_the_same(run: Callable[..., Path]) -> None:
    for head in ("linear", "attentive"):
        first, again = (run(f"{head}{mb}", options={"head": head}, cache_mb=mb) for mb in (0, 64))
        assert first.read_bytes() == again.read_bytes()


# --- stored features ------------------------------------------------------------------------------------------------


class Stopped(Exception):
    """Stands for a kill."""


def test_features_are_computed_once_and_shared(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, videos: list[Video]
) -> None:
    run()
    before = stored(tmp_path / "features")
    assert len(before) == len(videos)
    monkeypatch.setattr(CutVideos, "__getitem__", lambda *a: pytest.fail("decoded again"))
    run("second", epochs=1, options={"lr": 0.01})
    assert stored(tmp_path / "features") == before


def test_a_video_that_changed_is_computed_again(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, videos: list[Video]
) -> None:
    copies = [Video(v.id, tmp_path / v.path.name, *(getattr(v, n) for n in ("label", "class_name", "split", "dataset")))
              for v in videos]  # fmt: skip
    for old, new in zip(videos, copies, strict=True):
        shutil.copyfile(old.path, new.path)
    monkeypatch.setattr(
        albar.training.run, "read_dataset", lambda *a: Listing(list(copies), ["right", "down"], "train1")
    )
    run()
    before = stored(tmp_path / "features")
    shutil.copyfile(videos[1].path, copies[3].path)
    said: list[str] = []
    run("second", say=said.append)
    after = stored(tmp_path / "features")
    assert before.items() < after.items() and len(after) == len(before) + 1
    assert any("1 of 24 videos computed now" in line for line in said)


@pytest.mark.parametrize("at", [1, 5, 10])
def test_a_stopped_run_goes_on_to_the_same_bits(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at: int
) -> None:
    """Stopped while features are written, and after some epochs."""
    whole = run("whole", features=tmp_path / "others")
    write, calls = albar.data.features.FeatureStore._write, 0

    def dying(*args: object) -> None:
        nonlocal calls
        calls += 1
        if calls > at:
            raise Stopped
        write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(albar.data.features.FeatureStore, "_write", dying)
    with pytest.raises(Stopped):
        run()
    monkeypatch.setattr(albar.data.features.FeatureStore, "_write", write)
    assert len(stored(tmp_path / "features")) == at
    save, calls = albar.training.probe.ProbeRun._save_heads, 0

    def ending(*args: object) -> None:
        nonlocal calls
        save(*args)  # type: ignore[arg-type]
        calls += 1
        if calls == 2:
            raise Stopped

    monkeypatch.setattr(albar.training.probe.ProbeRun, "_save_heads", ending)
    with pytest.raises(Stopped):
        run()
    monkeypatch.setattr(albar.training.probe.ProbeRun, "_save_heads", save)
    said: list[str] = []
    again = run(say=said.append)
    assert any("continuing after epoch 2" in line for line in said)
    for name in ("model.ckpt", "last.pt", "probes.csv", "metrics.csv", "settings.json"):
        assert (whole.parent / name).read_bytes() == (again.parent / name).read_bytes()


def test_training_clips_are_those_of_a_training_run(videos: list[Video]) -> None:
    wanted = [Wanted(videos[0], 3), Wanted(videos[1], 0)]
    cut = CutVideos(wanted, SAMPLING, seed=5)
    training, testing = ClipDataset(videos, SAMPLING, 5, True), ClipDataset(videos, SAMPLING, 5, False)
    first, second = cut[0], cut[1]
    assert isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor)
    for k in range(3):
        assert torch.equal(first[k], training[k, 0].clip)  # type: ignore[union-attr]
    assert torch.equal(second[0], testing[0, 1].clip)  # type: ignore[union-attr]


def test_damaged_features_name_their_file(run: Callable[..., Path], tmp_path: Path) -> None:
    run()
    path = sorted((tmp_path / "features").rglob("*.npy"))[0]
    for content in (b"", b"\x93NUMPY garbage", path.read_bytes()[:-40]):
        path.write_bytes(content)
        with pytest.raises(BenchError, match=rf"{path.name}: not the features of [12] clips; delete it") as caught:
            run("again")
        assert "\n" not in str(caught.value)
    np.save(path, np.array([{"a": 1}] * 2, dtype=object), allow_pickle=True)
    with pytest.raises(BenchError, match="not the features"):
        run("again")
    key = path.parent / "key.json"
    key.write_text(json.dumps({"format": 1}))
    with pytest.raises(BenchError, match="holds features of another network"):
        run("again")
    key.unlink()
    with pytest.raises(BenchError, match="not a folder of features"):
        run("again")


def test_a_disk_that_is_too_small_is_told_before_it_is_full(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6 - 9000, 9000))  # type: ignore[attr-defined]
    with pytest.raises(BenchError, match=r"features of \d+ videos need 0\.0 GiB, 0\.0 GiB are free; give --features"):
        run(options={"head": "attentive"})


def test_a_video_that_cannot_be_read_is_named(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, videos: list[Video]
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(videos[0].path.read_bytes()[:300])
    bad = [*videos, Video("broken", broken, 0, "right", "train", "synthactions")]
    monkeypatch.setattr(albar.training.run, "read_dataset", lambda *a: Listing(bad, ["right", "down"], "train1"))
    for workers in (0, 1):
        with pytest.raises(BenchError, match=r"broken\.mp4") as caught:
            run(workers=workers)
        assert "\n" not in str(caught.value)


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"weights": None}, "a probe needs a trained network, but small3d would have random weights; give --weights"),
        ({"lr": 0.1}, r"does not use --lr; leave it out.*--set lr=\[0\.01,0\.001\]"),
        ({"weight_decay": 0.1}, "does not use --weight-decay"),
        ({"dropout": 0.5}, "does not use --dropout"),
        ({"optimiser": "sgd"}, "does not use --optimiser"),
        ({"compile": True}, "does not use --compile"),
        ({"validation": 0.0}, "the best of 4 heads is chosen on validation videos, and there are none"),
        ({"options": {"lr": []}}, r"--set lr=\[\]: give numbers of at least 0"),
        ({"options": {"lr": [0.1, 0.1]}}, "each once"),
        ({"options": {"lr": "fast"}}, "--set lr=fast: give numbers"),
        ({"options": {"weight_decay": [-1]}}, "give numbers of at least 0"),
        ({"options": {"clips": 0}}, "--set clips=0: give a whole number of clips from 1"),
        ({"options": {"head": "mlp"}}, "choose from linear, attentive"),
        ({"batch": 100}, "lower --batch"),
        ({"options": {"lr": 1e6, "weight_decay": 1e6}}, "the loss of every head is not finite; lower the rates"),
        ({"options": {"lr": 1e7}}, "at most 1000000, each once"),
        ({"model": "swin3d_t"}, "do not fit SwinTransformer3d"),
    ],
)
def test_what_will_not_do_is_told_in_one_line(run: Callable[..., Path], changes: dict, word: str) -> None:
    with pytest.raises(BenchError, match=word) as caught:
        run(**changes)
    assert "\n" not in str(caught.value)


def test_a_network_without_tokens_or_a_plain_head_is_told(run: Callable[..., Path], own: None, tmp_path: Path) -> None:
    import probenets

    for name, head, word in (
        ("Tokenless", "attentive", r"tokens of Tokenless are not known; give your network a method tokens\(clips\)"),
        ("Tokenless", "linear", "own head .Sequential. is no linear map"),
        ("Flat", "attentive", r"Flat\.tokens gives \(1, 8, 1024\); return a tensor \(B, t, h, w, C\)"),
    ):
        torch.save(getattr(probenets, name)(2).state_dict(), tmp_path / "own.pth")
        with pytest.raises(BenchError, match=word):
            run(f"{name}{head}", model=f"probenets:{name}", sampling="8x2-48", weights=str(tmp_path / "own.pth"),
                options={"head": head})  # fmt: skip


def test_a_state_of_another_run_is_refused(run: Callable[..., Path], tmp_path: Path) -> None:
    path = run()
    path.unlink()
    state = path.parent / "last.pt"
    good = torch.load(state)
    for bad in (
        {**good, "rows": []},
        {**good, "rows": [{"ce": [1.0], "val_acc": [1.0], "val_ce": [1.0]}]},
        {**good, "rows": 3},
        {**good, "heads": {}},
        {k: v for k, v in good.items() if k != "optimiser"},
    ):
        torch.save(bad, state)
        with pytest.raises(BenchError, match=r"last\.pt: not this run's state .*delete .*last\.pt to train the heads"):
            run()
    torch.save(good, state)
    assert run().is_file()


def test_one_head_needs_no_validation_videos(run: Callable[..., Path]) -> None:
    path = run(validation=0.0, options={"lr": 0.01, "weight_decay": 0.1})
    (row,) = table(path.parent / "probes.csv")[-1:]
    assert row["chosen"] == "yes" and row["val_acc"] == ""


# --- heads ----------------------------------------------------------------------------------------------------------


def test_the_best_head_has_the_highest_accuracy_then_the_lowest_loss() -> None:
    nan, inf = float("nan"), float("inf")
    assert best_of(Figures([1.0] * 4, [50.0, 75.0, 75.0, 75.0], [0.1, 0.9, 0.5, 0.5])) == 2
    assert best_of(Figures([nan, 1.0, inf], [100.0, 50.0, 100.0], [nan, 9.0, 1.0])) == 1
    assert best_of(Figures([1.0], [nan], [nan])) == 0
    with pytest.raises(BenchError, match="every head is not finite"):
        best_of(Figures([nan, inf], [0.0, 0.0], [nan, nan]))


def test_losses_of_heads_are_their_own() -> None:
    torch.manual_seed(0)
    heads = Heads(nn.Linear(3, 2), 3)
    for head in heads.each:
        nn.init.normal_(head.weight)  # type: ignore[arg-type]
    x, y = torch.randn(5, 3), torch.tensor([0, 1, 1, 0, 1])
    losses = cross_entropies(heads(x), y)
    assert losses.tolist() == pytest.approx([functional.cross_entropy(h(x), y).item() for h in heads.each], rel=1e-6)
    losses.sum().backward()
    for head in heads.each:
        weight = head.weight
        wanted = torch.autograd.grad(functional.cross_entropy(head(x), y), weight)[0]
        assert torch.allclose(weight.grad, wanted, atol=1e-7)  # type: ignore[arg-type]


def test_a_scaled_head_means_the_same_on_plain_features(tmp_path: Path) -> None:
    torch.manual_seed(0)
    values = torch.randn(6, 2, 4) * torch.tensor([1.0, 100.0, 1e-3, 0.0]) + torch.tensor([0.0, 5.0, 1.0, 7.0])
    for k, value in enumerate(values):
        np.save(tmp_path / f"{k}.npy", value.numpy())
    features = Features([tmp_path / f"{k}.npy" for k in range(6)], [2] * 6, 0)
    scale = albar.training.probe_heads.scale_of(features)
    flat = values.flatten(0, 1).double()
    assert torch.allclose(scale.mean.double(), flat.mean(0), rtol=1e-6)
    assert torch.allclose(scale.deviation.double()[:3], flat.std(0, correction=0)[:3], rtol=1e-6)
    assert scale.deviation[3] == 1
    head = nn.Linear(4, 3)
    weight, bias = unscaled(head, scale)
    scaled = head((flat.float() - scale.mean) / scale.deviation)
    # float32 products of a weight of up to 500 with a feature of 1: 500 * 2**-23 < 1e-4
    assert torch.allclose(functional.linear(flat.float(), weight, bias), scaled, atol=2e-4)
    assert torch.equal(features.batch([2, 0], 3), values[[2, 0], 1])


@pytest.mark.parametrize(
    "head",
    [
        nn.Linear(4, 3),
        nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3)),
        nn.Sequential(nn.Dropout(0.2), nn.Conv3d(4, 3, 1)),
    ],
)
def test_a_linear_map_takes_the_place_of_a_networks_own_head(head: nn.Module) -> None:
    weight, bias, x = torch.randn(3, 4), torch.randn(3), torch.randn(2, 4)
    put_linear(head.eval(), weight, bias)
    conv = any(isinstance(m, nn.Conv3d) for m in head.modules())
    found = head(x[..., None, None, None]).flatten(1) if conv else head(x)
    assert torch.allclose(found, x @ weight.T + bias, atol=1e-6)
    for other in (nn.Linear(4, 3, bias=False), nn.Identity(), nn.Linear(5, 3)):
        with pytest.raises(BenchError, match="is no linear map of its features"):
            put_linear(other, weight, bias)


def test_scale_takes_constants_as_they_are() -> None:
    scale = Scale(torch.zeros(2), torch.ones(2))
    head = nn.Linear(2, 2)
    weight, bias = unscaled(head, scale)
    assert torch.equal(weight, head.weight) and torch.equal(bias, head.bias)
