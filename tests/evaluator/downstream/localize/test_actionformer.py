import numpy as np
import pytest

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import SettingError
from benchmark_builder.utils.rng import generator
from evaluator.downstream.localize.settings import ActionFormerSettings

torch = pytest.importorskip("torch")

from evaluator.downstream.localize.actionformer import crop, factor  # noqa: E402


def test_published_settings_of_long_videos():
    """As configs/thumos_i3d.yaml of ActionFormer."""
    used = ActionFormerSettings().resolved(3000)
    assert used["size"] == "published"
    assert (used["windows"], used["levels"], used["attention"], used["dimension"]) == (2304, 6, 19, 512)
    assert (used["lr"], used["weight_decay"], used["epochs"], used["warmup"], used["batch"]) == (1e-4, 0.05, 30, 5, 2)
    assert (used["candidates"], used["most"], used["min_score"], used["voting"]) == (2000, 200, 0.001, 0.7)
    assert not used["ema_grows"]


@pytest.mark.parametrize("longest", [1, 7, 8, 9, 40, 100, 575])
def test_small_settings_fit_the_longest_video(longest):
    """The package needs windows divisible by 2^(levels - 1) · 2 · (attention // 2)."""
    used = ActionFormerSettings().resolved(longest)
    step = 2 ** (used["levels"] - 1) * 2 * (used["attention"] // 2)
    assert used["size"] == "small"
    assert used["windows"] % step == 0
    assert longest <= used["windows"] < longest + step


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"windows": 100}, "--set windows=100: give a multiple of 64"),
        ({"dimension": 30}, "--set dimension=30: give a multiple of 4"),
    ],
)
def test_wrong_settings(given, said):
    with pytest.raises(SettingError, match=said):
        ActionFormerSettings(**given).resolved(100)


def test_rate():
    """Linear from 0 over 4 steps, then half a cosine over 8."""
    assert [factor(k, 4, 12) for k in (0, 2, 4, 8, 12)] == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-12)
    assert factor(0, 0, 4) == 1.0


def test_crop_of_a_short_video_keeps_its_share():
    segments = np.array([[2.0, 5.0], [30.0, 39.5]])
    lengths = set()
    for k in range(200):
        start, end, kept, inside = crop(40, segments, 64, 0.9, 0.5, 2.0, generator(k, "v", "test"))
        lengths.add(end - start)
        assert kept.any()
        full = inside + start
        assert (full[:, 0] >= start - 2).all() and (full[:, 1] <= end + 2).all()
    assert lengths == set(range(36, 41))


def test_crop_of_a_long_video_shows_a_segment():
    segments = np.array([[500.0, 510.0]])
    for k in range(50):
        start, end, kept, inside = crop(1000, segments, 100, 0.9, 0.5, 0.0, generator(k, "v", "test"))
        assert end - start == 100
        if kept[0]:
            assert inside[0, 1] - inside[0, 0] >= 5
    assert sum(crop(1000, segments, 100, 0.9, 0.5, 0.0, generator(k, "v", "t"))[2][0] for k in range(50)) == 50


def test_crop_without_segments():
    start, end, kept, inside = crop(50, np.zeros((0, 2)), 20, 0.9, 0.5, 0.0, generator(0, "v", "test"))
    assert end - start == 20
    assert kept.shape == (0,) and inside.shape == (0, 2)
    assert start >= 0


def test_missing_package(monkeypatch):
    import sys

    from evaluator.downstream.localize.actionformer import ActionFormer
    from evaluator.downstream.localize.base import Shape

    monkeypatch.setitem(sys.modules, "actionformer.modeling", None)
    monkeypatch.setitem(sys.modules, "actionformer", None)
    head = ActionFormer(ActionFormerSettings(), ["x"], Shape(4, 16, 16, 10, 10))
    with pytest.raises(BenchError, match=r"albar-bench\[downstream\]"):
        head.train([None], 0, torch.device("cpu"), False, "actionformer")
