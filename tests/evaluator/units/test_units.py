"""`bench audit units` with features whose factors are known by hand."""

import csv
import json
import pickle
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from small_builds import QUIET, scuba
from small_world import save
from tiny_models import huggingface_folder, zero_shot_folder
from tiny_videos import make_actions
from torch import nn
from typer.testing import CliRunner

import albar_bench as ab
from albar.clips.clips import ClipSampling
from albar_bench.cli.app import app
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import build_scufo
from benchmark_builder.utils import engine
from benchmark_builder.utils.errors import BenchError
from evaluator.models import load_model
from evaluator.models.factory import from_object
from evaluator.options import ModelOptions, UnitsOptions
from evaluator.units import factors
from evaluator.units.audit import Units, audit_units, measured
from evaluator.units.factors import Pairs, pairs_of

SIDE, FRAMES, VARIANTS = 32, 4, 3
WHOLE = ClipSampling(frames=FRAMES, stride=1, size=SIDE, resize=SIDE)
QUICK: dict[str, Any] = {"progress": False, "permutations": 50}


def crossed(sources: int, backgrounds: int) -> tuple[np.ndarray, np.ndarray, list[Pairs]]:
    """Every source over every background, each source a class of its own: source and background per video, pairs."""
    source, background = (part.ravel() for part in np.meshgrid(range(sources), range(backgrounds), indexing="ij"))
    s, b = [f"s{k:02d}" for k in source], [f"b{k:02d}" for k in background]
    return source, background, [pairs_of(b, s, 10**5), pairs_of(s, b, 10**5)]


def figures(features: np.ndarray, pairs: list[Pairs], **options: Any) -> Units:
    return measured(features, pairs, UnitsOptions(**{**QUICK, **options}), "made")


def test_pairs_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    groups = [("", "a", "b", "c")[k] for k in rng.integers(0, 4, 40)]
    differ = [str(k) for k in rng.integers(0, 3, 40)]
    expected = {
        frozenset((i, j)) for i, j in combinations(range(40), 2)
        if groups[i] and groups[i] == groups[j] and differ[i] != differ[j]
    }  # fmt: skip
    pairs = pairs_of(groups, differ, 10**6)
    assert {frozenset(p) for p in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)} == expected
    assert len(pairs) == pairs.possible == len(expected)
    names = sorted(set(groups) - {""})
    assert all(
        groups[i] == groups[j] == names[k] for i, j, k in zip(pairs.first, pairs.second, pairs.shared, strict=True)
    )
    few = pairs_of(groups, differ, 20, 1, "x")
    drawn = {frozenset(p) for p in zip(few.first.tolist(), few.second.tolist(), strict=True)}
    assert len(drawn) == 20 and drawn < expected and few.possible == len(expected)
    assert len(pairs_of(["", ""], ["0", "1"], 5)) == len(pairs_of(["a", "a"], ["0", "0"], 5)) == 0
    assert len(pairs_of([], [], 5)) == 0


@pytest.mark.parametrize(("which", "other"), [("static", "dynamic"), ("dynamic", "static")])
def test_features_of_one_factor_alone(which: str, other: str) -> None:
    """All units encode the factor: its score is 1, and the other's −1 / (G − 1) with G values that always differ."""
    count = 12
    source, background, pairs = crossed(count, count)
    values = np.random.default_rng(1).normal(size=(count, 20))
    found = figures(values[background if which == "static" else source], pairs)
    score = {f: found.line(f"score {f}") for f in factors.FACTORS}
    assert score[which].value == pytest.approx(1)
    assert score[other].value == pytest.approx(-1 / (count - 1))
    assert found.line(f"units {which}").value == 20
    # Shares of exp(1), exp(−1/11) and exp(1).
    assert found.line(f"share {which}").value == pytest.approx(np.e / (2 * np.e + np.exp(-1 / (count - 1))))
    # Without any one background the score is 1, too, and a shuffle of 144 videos never has it: its score has a
    # deviation of about 1 / √(20 · 792), from 20 units and 792 pairs.
    assert score[which].low == pytest.approx(1) and score[which].high == pytest.approx(1)
    assert score[which].p == pytest.approx(1 / 51) and abs(score[which].shuffled_high) < 0.1
    assert score[other].p > 0.5
    assert found.line(f"units {which}").shuffled_high == 0 and found.line("units residual").shuffled == 20


def test_units_of_each_kind() -> None:
    """Half the variance of a joint unit is each factor's; below the threshold of 0.4 there is only the noise unit."""
    source, background, pairs = crossed(30, 30)
    rng = np.random.default_rng(2)
    of_source, of_background = (rng.normal(size=30) for _ in range(2))
    static, dynamic = ((v - v.mean()) / v.std() for v in (of_background, of_source))
    static, dynamic = static[background], dynamic[source]
    units = np.stack([static, dynamic, static + dynamic, rng.normal(size=900), np.full(900, 0.1)], 1)
    found = figures(units, pairs, threshold=0.4)
    assert [factors.KINDS[k] for k in found.kinds] == ["static", "dynamic", "joint", "residual", "residual"]
    assert found.constant.tolist() == [False] * 4 + [True]
    # In the crossed design, pairs of a joint unit share 1 of its variance of 2, and differ in the other factor.
    assert found.scores[:, 2] == pytest.approx([0.5 - 0.5 / 29] * 2)
    assert found.scores[:, 4].tolist() == [0, 0]
    assert [found.line(f"units {k}").value for k in factors.KINDS] == [1, 1, 1, 2]
    total = 1 + 1 + 2 + units[:, 3].var()
    noise = [p.first.size and np.mean(units[p.first, 3] * units[p.second, 3]) - units[:, 3].mean() ** 2 for p in pairs]
    assert found.line("score static").value == pytest.approx((1 - 1 / 29 + 1 - 1 / 29 + noise[0]) / total)


def test_the_formulas_of_the_paper() -> None:
    """Against the definitions written out pair by pair, with as many pairs of each factor as the paper has."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 7)).astype(np.float32) + 5
    pairs = [Pairs(*rng.integers(0, 40, (2, 25)), np.arange(25), 25) for _ in range(2)]
    found = figures(x, pairs)
    exact = x.astype(np.float64)
    every = np.concatenate([exact[np.r_[p.first, p.second]] for p in pairs])
    total = ((every - every.mean(0)) ** 2).mean(0).sum()
    raw = []
    for k, (factor, p) in enumerate(zip(factors.FACTORS, pairs, strict=True)):
        a, b = exact[p.first], exact[p.second]
        mean = (a.mean(0) + b.mean(0)) / 2
        common = ((a - mean) * (b - mean)).mean(0)
        raw.append(common.sum() / total)
        assert found.line(f"score {factor}").value == pytest.approx(raw[-1])
        assert found.scores[k] == pytest.approx(common / np.r_[a, b].var(0))
    powers = np.exp([*raw, 1.0])
    for factor, power in zip((*factors.FACTORS, "residual"), powers, strict=True):
        assert found.line(f"share {factor}").value == pytest.approx(power / powers.sum())


def test_intervals_cover_and_shuffles_find_nothing() -> None:
    """Half of each feature's variance is the background's: over draws, intervals hold this, and p is small.

    Of 20 intervals that each cover with a chance of 90 % or more, 14 or fewer do with a chance of 1 % at most.
    """
    covered = 0
    for trial in range(20):
        source, background, pairs = crossed(6, 30)
        rng = np.random.default_rng(100 + trial)
        x = rng.normal(size=(30, 30))[background] + rng.normal(size=(len(source), 30))
        line = figures(x, pairs, permutations=20).line("score static")
        assert line.low is not None and line.high is not None and line.low < line.value < line.high
        covered += line.low <= 0.5 <= line.high
        assert line.p == pytest.approx(1 / 21)
    assert covered >= 15


class Known(nn.Module):
    """Units: the red of a corner (background alone), the mean of the actor (alone), their sum, and a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.sampling = WHOLE
        self.head = nn.Linear(4, 101)
        nn.init.zeros_(self.head.weight)  # its digest is recorded
        nn.init.zeros_(self.head.bias)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        corner = clips[:, 0, :, -4:, -4:].mean((1, 2, 3))
        actor = 40 * clips[:, :, :, 10:18, 8:14].mean((1, 2, 3, 4))
        return self.head(torch.stack([corner, actor, corner + actor, torch.ones_like(corner)], 1))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SCUBA with three pictures as backgrounds, of twelve square videos of two classes."""
    folder = tmp_path_factory.mktemp("units")
    root = make_actions(folder / "ucf", per_class=6, frames=FRAMES, height=SIDE, width=SIDE)
    pictures = folder / "pictures"
    pictures.mkdir()
    for k, red in enumerate((0, 120, 250)):
        cv2.imwrite(str(pictures / f"{k}.png"), np.full((SIDE, SIDE, 3), (10, 20, red), np.uint8))
    scuba(root, folder / "scuba", layout="lossless", backgrounds=f"images:{pictures}", per_video=VARIANTS)
    return folder


def audited(folder: Path, out: Path, model: Any = None, **options: Any) -> Units:
    model = from_object(model or Known(), "a:Known")
    return audit_units(model, folder, UnitsOptions(**{**QUICK, "out": out, **options}))


def test_a_network_whose_units_are_known(built: Path, tmp_path: Path) -> None:
    found = audited(built / "scuba", tmp_path / "out")
    # The corner is the same in static pairs, the actor in dynamic ones.
    assert found.scores[0, 0] == pytest.approx(1) and found.scores[1, 1] == pytest.approx(1)
    assert found.scores[1, 0] < 0 and found.scores[0, 1] < 0.5
    assert [factors.KINDS[k] for k in found.kinds[:2]] == ["static", "dynamic"]
    assert found.constant.tolist() == [False, False, False, True] and found.kinds[3] == 3
    assert found.videos == 12 * VARIANTS and not found.missing
    rows = read_benchmark(built / "scuba").rows
    static = [(a, b) for a, b in combinations(rows, 2) if a.background == b.background and a.label != b.label]
    dynamic = [(a, b) for a, b in combinations(rows, 2) if a.source_id == b.source_id and a.background != b.background]
    assert [found.line(f"score {f}").pairs for f in factors.FACTORS] == [len(static), len(dynamic)]
    assert found.line("score static").groups == 3


def test_the_function_of_the_public_api(built: Path, tmp_path: Path) -> None:
    direct = audited(built / "scuba", tmp_path / "a")
    found = ab.audit_units(Known(), built / "scuba", out=tmp_path / "b", **QUICK)
    assert [path.name for path in found.written] == [path.name for path in direct.written]
    assert all(path.parent == tmp_path / "b" and path.is_file() for path in found.written)
    assert found.figures.set_index("figure").loc["score static", "value"] == direct.line("score static").value
    assert list(found.units["kind"][:2]) == ["static", "dynamic"] and found.units["constant"].sum() == 1
    with pytest.raises(BenchError, match="treshold"):
        ab.audit_units(Known(), built / "scuba", out=tmp_path / "b", treshold=0.4)


def test_results_are_files_that_repeat(built: Path, tmp_path: Path) -> None:
    runs = [audited(built / "scuba", tmp_path / name, pairs=30) for name in ("a", "b")]
    names = [path.name for path in runs[0].written]
    assert names == ["units.csv", "summary.csv", "units.json", "units.png"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with open(tmp_path / "a/units.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == [factors.KINDS[k] for k in runs[0].kinds]
    assert [float(row["static"]) for row in rows] == pytest.approx(runs[0].scores[0], rel=1e-8)
    record = json.loads((tmp_path / "a/units.json").read_text())
    assert record["manifest_sha256"] == read_benchmark(built / "scuba").digest
    assert record["pairs"]["static"]["used"] == 30 < record["pairs"]["static"]["possible"]
    assert record["figures"][0]["value"] == runs[0].line("score static").value
    other = audited(built / "scuba", tmp_path / "c", pairs=30, seed=1)
    assert other.line("score dynamic").shuffled != runs[0].line("score dynamic").shuffled


def test_a_video_that_cannot_be_read_costs_itself_alone(built: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(built / "scuba", tmp_path / "scuba"))
    row = read_benchmark(folder).rows[0]
    (folder / row.file).write_bytes(b"not a video")
    found = audited(folder, tmp_path / "out")
    assert [name for name, _ in found.missing] == [row.id] and found.videos == 12 * VARIANTS - 1
    assert row.id in json.loads((tmp_path / "out/units.json").read_text())["missing"]


def test_groups_on_a_cluster_give_the_same_figures(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from evaluator.units import audit

    folder = Path(shutil.copytree(built / "scuba", tmp_path / "scuba"))
    (folder / read_benchmark(folder).rows[5].file).write_bytes(b"not a video")
    sizes: list[int] = []

    def elsewhere(maker: Any, items: Any, workers: int) -> Any:
        """As on a cluster: the maker and the items are sent, and the last group ends first."""
        for item in reversed(items):
            sizes.append(len(item))
            yield item, pickle.loads(pickle.dumps(maker)).make(item)  # noqa: S301

    monkeypatch.setattr(engine, "run", elsewhere)
    monkeypatch.setattr(audit, "GROUP_BATCHES", 2)
    save(tmp_path / "model.ckpt")
    quick = {**QUICK, "batch": 4}
    local, far = tmp_path / "local", tmp_path / "far"
    audit_units(tmp_path / "model.ckpt", folder, UnitsOptions(**quick, out=local))
    assert not sizes
    with engine.using("ray"):
        audit_units(tmp_path / "model.ckpt", folder, UnitsOptions(**quick, out=far))
    assert sizes == [4, 8, 8, 8, 8]
    here, there = (json.loads((out / "units.json").read_text()) for out in (local, far))
    assert here["missing"] == there["missing"] and len(here["missing"]) == 1
    assert [f["value"] for f in there["figures"]] == pytest.approx([f["value"] for f in here["figures"]], abs=1e-4)


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sampling, self.head = WHOLE, nn.Linear(3, 101)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.head(torch.ones(len(clips), 3))


class Headless(nn.Module):
    sampling = WHOLE

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.flatten(1)[:, :101]


class Function:
    sampling = WHOLE

    def __call__(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.flatten(1)[:, :101]


class ByName(Constant):
    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.head(input=torch.ones(len(clips), 3))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Constant, "the same for every video"),
        (Headless, "has no module named head"),
        (Function, "gives logits only"),
        (ByName, "gives no features of clips"),
    ],
)
def test_models_without_features_are_refused(model: type, said: str, built: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=said):
        audited(built / "scuba", tmp_path / "out", model())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["videomae", "timesformer", "vivit"])
def test_networks_of_hugging_face(kind: str, built: Path, tmp_path: Path) -> None:
    model = load_model(f"hf:{huggingface_folder(tmp_path / kind, kind, 5)}")  # of any number of classes
    found = audit_units(model, built / "scuba", UnitsOptions(**{**QUICK, "permutations": 20, "out": tmp_path / "out"}))
    assert found.scores.shape == (2, 32) and np.isfinite(found.scores).all()


def test_networks_that_compare_with_texts(built: Path, tmp_path: Path) -> None:
    """Their units are the features of the video, which are compared; the texts do not matter."""
    model = f"hf:{zero_shot_folder(tmp_path / 'clip', 'clip')}"
    options = UnitsOptions(**{**QUICK, "permutations": 20, "out": tmp_path / "out"})
    scores = [
        audit_units(model, built / "scuba", options, ModelOptions(prompts=prompts)).scores
        for prompts in (("{}",), ("a video of {}",))
    ]
    assert scores[0].shape[1] > 1 and (scores[0] == scores[1]).all()


def test_benchmarks_without_pairs_are_refused(built: Path, tmp_path: Path) -> None:
    build_scufo(built / "scuba", out=tmp_path / "scufo", run=QUIET)
    for name in ("noise", "plain"):
        scuba(built / "ucf", tmp_path / name, backgrounds=name)
    scuba(built / "ucf", tmp_path / "once", backgrounds=f"images:{built / 'pictures'}", per_video=1)
    for folder, said in (
        (tmp_path / "scufo", "is of kind scufo"),
        (tmp_path / "noise", "noise is drawn anew"),
        (tmp_path / "plain", "no two videos of different classes have the same background"),
        (tmp_path / "once", "no source video has two different backgrounds"),
    ):
        with pytest.raises(BenchError, match=said):
            audited(folder, tmp_path / "out")


def test_the_command_with_a_checkpoint(built: Path, tmp_path: Path) -> None:
    words = ["audit", "units", str(save(tmp_path / "model.ckpt")), str(built / "scuba"), "--permutations", "20",
             "--out", str(tmp_path / "out")]  # fmt: skip
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert f"{12 * VARIANTS} videos, 0 missing; 96 units" in done.output
    assert "the static pairs share only 3 backgrounds" in done.output and "│ joint " in done.output
    torch.jit.script(_Scripted()).save(str(tmp_path / "model.pt"))
    for wrong, said in (
        ([str(tmp_path / "model.pt"), str(built / "scuba"), "--trust", "--sampling", "8x2-48"], "gives logits only"),
        ([words[2], str(tmp_path / "none")], "none"),
        ([*words[2:4], "--threshold", "1"], "--threshold"),
    ):
        done = CliRunner().invoke(app, ["audit", "units", *wrong])
        assert done.exit_code != 0 and said in str(done.exception) + done.output


class _Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 101)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.head(clips.mean((2, 3, 4)))
