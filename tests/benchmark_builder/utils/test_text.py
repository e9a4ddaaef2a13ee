"""Numbers with their words, and that messages use them."""

import re
from pathlib import Path

import pytest

import benchmark_builder
from benchmark_builder.utils.text import counted


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (0, ("video",), "0 videos"),
        (1, ("video",), "1 video"),
        (2, ("video",), "2 videos"),
        (1, ("video is", "videos are"), "1 video is"),
        (3, ("video is", "videos are"), "3 videos are"),
        (2, ("class", "classes"), "2 classes"),
    ],
)
def test_one_and_several(count: int, words: tuple[str, ...], said: str) -> None:
    assert counted(count, *words) == said


def test_commands_say_no_number_with_a_fixed_plural() -> None:
    """In what commands print, a length or a count is never followed by the plural of something that can be one."""
    number, noun = r"\{(?:len\([^{}]*\)|count|videos)\}", "(?:videos|pictures|files|rows|masks|runs)"
    plural = re.compile(rf"(?<!of ){number} {noun}\b")
    folder = Path(benchmark_builder.__file__).parent.parent / "albar_bench" / "cli"
    found = [(path.name, m[0]) for path in sorted(folder.glob("*.py")) for m in plural.finditer(path.read_text())]
    assert found == []
