"""Sizes and rates of transcoded videos."""

from fractions import Fraction
from pathlib import Path

import pytest
from tiny_videos import moving_square, write_video

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.transcoding import Coding, even_size, rate_of, transcode_file


@pytest.mark.parametrize(
    ("source", "short", "enlarge", "size"),
    [
        ((1280, 720), 256, False, (456, 256, False)),  # 455.1
        ((720, 1280), 256, False, (256, 456, False)),
        ((321, 500), 256, False, (256, 398, False)),  # 398.75: nearer to 398 than to 400
        ((320, 240), 256, False, (320, 240, False)),
        ((320, 240), 256, True, (342, 256, False)),  # 341.3
        ((321, 241), 256, False, (320, 240, True)),
        ((340, 256), 256, True, (340, 256, False)),
        ((256, 257), 256, False, (256, 256, True)),
        ((641, 361), 0, False, (640, 360, True)),
        ((1, 40), 16, True, (16, 640, False)),
    ],
)
def test_sides_are_even_and_nothing_is_enlarged_unasked(
    source: tuple[int, int], short: int, enlarge: bool, size: tuple[int, int, bool]
) -> None:
    assert even_size(*source, short, enlarge) == size


def test_one_pixel_cannot_become_even() -> None:
    with pytest.raises(BenchError, match="too small"):
        even_size(1, 40, 0)


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (29.97003, Fraction(30000, 1001)),
        (23.976024, Fraction(24000, 1001)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_rates_are_the_fractions_of_the_field(fps: float, rate: Fraction) -> None:
    assert rate_of(fps) == rate


def test_any_rate_is_met_to_a_millionth() -> None:
    for fps in (0.1, 7.123457, 17.300001, 239.999):
        assert abs(float(rate_of(fps)) / fps - 1) < 1e-5


def test_fastdecode_is_without_what_is_slow_to_decode(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mkv", moving_square(3)[0])
    for tune, said in (("none", (b"cabac=1", b"deblock=1")), ("fastdecode", (b"cabac=0", b"deblock=0"))):
        coding = Coding(48, 32, False, Fraction(10), None, 32, 23, "fast", tune)
        transcode_file(tmp_path / "v.mkv", tmp_path / f"{tune}.mp4", coding)
        data = (tmp_path / f"{tune}.mp4").read_bytes()
        assert all(word in data for word in said)
