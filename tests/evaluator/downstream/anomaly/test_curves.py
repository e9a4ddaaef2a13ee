"""Pictures of scores over time."""

from pathlib import Path

import numpy as np
import pytest
from feature_folders import MadeVideo, write_feature_folder
from PIL import Image

from evaluator.downstream.anomaly.curves import SCORE, SEGMENT, Curve, draw_curves
from evaluator.features.folder import FeatureFolder, FeatureVideo


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[FeatureVideo]:
    made = [
        MadeVideo(f"v{k}", "test", np.zeros((4, 2)), "Normal" if k else "$Fire_{", [] if k else [("Fire", 16, 32)])
        for k in range(3)
    ]
    folder = write_feature_folder(tmp_path_factory.mktemp("curves") / "f", made, classes=["Fire"])
    return FeatureFolder.open(folder).videos()


def colours(path: Path) -> set[tuple[int, ...]]:
    found = Image.open(path).convert("RGB").getcolors(2**24)
    assert found is not None
    return {colour for _, colour in found}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def test_pages_and_pictures_per_video(monkeypatch, tmp_path, videos) -> None:
    monkeypatch.setattr("evaluator.downstream.anomaly.curves.PER_PAGE", 2)
    curves = [Curve(v, np.repeat([[0.1, 0.9, 0.2, 0.1]], 16, axis=1)) for v in reversed(videos)]
    pages = draw_curves(curves, "pages", tmp_path, "a $title")
    assert [p.name for p in pages] == ["page-01.png", "page-02.png"]  # 2 and 1
    assert rgb(SCORE) in colours(pages[0]) and rgb(SCORE) in colours(pages[1])
    light = tuple(round(0.65 * 255 + 0.35 * c) for c in rgb(SEGMENT))  # alpha 0.35 over white
    near = [c for c in colours(pages[0]) if max(abs(a - b) for a, b in zip(c, light, strict=True)) <= 2]
    assert near, "the annotated segment is on the first page, though its video is the last one"
    each = draw_curves(curves[-2:], "videos", tmp_path, "t")
    assert [p.name for p in each] == ["v0.png", "v1.png"]
    assert draw_curves(curves, "none", tmp_path, "t") == []


@pytest.mark.parametrize("values", [(0.5, 0.5, 0.5, 0.5), (-3.0, 7.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0)])
def test_scores_of_any_size(tmp_path, videos, values) -> None:
    two = np.stack([np.repeat(values, 16), np.repeat(values, 16) * 0.9])
    (page,) = draw_curves([Curve(videos[0], two)], "pages", tmp_path, "t")
    assert rgb(SCORE) in colours(page)
