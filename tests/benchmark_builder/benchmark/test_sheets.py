"""Contact sheets: a font with all letters, titles that fit, and videos that differ."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from small_builds import scuba

from benchmark_builder.benchmark.preview import contact_sheet, spread_rows
from benchmark_builder.benchmark.sheets import LEAST, PAPER, fitted, lines_of_text, paper, strip, text_width, written


def drawn(text: str) -> np.ndarray:
    image = paper(30, 400)
    written(image, text, (10, 20))
    return image


def test_letters_of_other_alphabets_are_drawn() -> None:
    # A font without a letter draws the same box, or question mark, for all such letters.
    different = {drawn(letter).tobytes() for letter in "éžΩЖ→±"}
    assert len(different) == 6 and drawn("").min() == PAPER
    assert len(np.unique(drawn("smooth"))) > 10  # edges have levels of grey
    control = drawn("a\x1b[31m")
    assert (control == drawn("a\\x1b[31m")).all()  # shown, not executed


def test_text_outside_of_a_picture_is_cut_off() -> None:
    image = paper(10, 20)
    for place in ((-500, 5), (500, 5), (5, -50), (5, 200), (15, 9)):
        written(image, "text", place)
    assert image.shape == (10, 20, 3) and image[:, 15:].min() < PAPER


@pytest.mark.parametrize("width", [1, 20, 60, 5000])
def test_a_text_is_fitted_to_a_width(width: int) -> None:
    text = "a very long name of a video, of which the end tells it from others 0001"
    found = fitted(text, width)
    assert found == "…" if width == 1 else text_width(found) <= width
    assert (found == text) == (width == 5000) and (width < 60 or found.endswith("1"))


def test_a_long_title_does_not_widen_a_sheet() -> None:
    pictures = [("0", np.zeros((40, 60, 3), np.uint8))] * 3
    short, long = strip("title", pictures), strip("word " * 60, pictures)
    assert short.shape[1] == long.shape[1] == LEAST and long.shape[0] > short.shape[0]
    assert lines_of_text(["word " * 40], 100).shape[1] == 100


def row(label: int, source: int, variant: int = 0) -> Any:
    name = f"class{label}/video{source}"
    return SimpleNamespace(id=f"{name}__{variant}", source_id=name, label=label, variant=variant)


def test_videos_of_a_sheet_are_of_different_sources_and_classes() -> None:
    rows = [row(label, source, variant) for label in range(6) for source in range(3) for variant in range(2)]
    for count in (1, 3, 6, 10, 18):
        chosen = spread_rows(rows, count)
        assert len({r.source_id for r in chosen}) == len(chosen) == count
        assert len({r.label for r in chosen}) == min(count, 6)
    # An imported benchmark may have several videos of one source without a number of the variant.
    again = [row(0, 0), row(0, 0), row(1, 0), row(1, 1)]
    again[1].id += "b"
    assert len({r.source_id for r in spread_rows(again, 3)}) == 3
    assert [r.id for r in spread_rows(rows, 99)] == sorted((r.id for r in rows), key=lambda i: (i[-1], i))


def test_a_sheet_has_pictures_up_to_its_right_edge(folder_of_actions: Any, tmp_path: Path) -> None:
    out = scuba(folder_of_actions(per_class=1, frames=8), tmp_path / "scuba")
    picture = cv2.imread(str(contact_sheet(out, tmp_path / "sheet.png", videos=2, columns=5, height=64)))
    assert picture is not None
    filled = (picture < PAPER).any(axis=(0, 2))
    assert filled[-12:].any()  # a gap and less than a picture are free
    thirds = np.array_split((picture < PAPER).any(axis=2).mean(axis=0), 3)
    assert all(part.mean() > 0.25 for part in thirds)
