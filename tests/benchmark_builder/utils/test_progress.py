"""Bars: few plain lines in a log, drawn as before on a terminal."""

import io

import pytest

from benchmark_builder.utils import progress
from benchmark_builder.utils.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def run(log: io.StringIO, clock: list[float], seconds: float, total: int, **options: object) -> list[str]:
    with Bar(total=total, desc="eval", unit="video", file=log, mininterval=0, miniters=1, **options) as bar:
        for _ in range(total):
            clock[0] += seconds
            bar.update()
    return log.getvalue().splitlines()


def test_a_short_bar_is_one_line_in_a_log(clock: list[float]) -> None:
    log = io.StringIO()
    assert run(log, clock, 0.01, 1000)[0].startswith("eval: 1000 of 1000 videos (100 %), ")
    assert log.getvalue().count("\n") == 1 and "\r" not in log.getvalue()


def test_a_long_bar_is_a_line_per_tenth_and_never_more_than_one_in_30_seconds(clock: list[float]) -> None:
    assert len(run(io.StringIO(), clock, 1, 1000)) == 10  # 100 seconds per tenth
    assert len(run(io.StringIO(), clock, 1, 100)) == 4  # 30, 60, 90 s, and the end


def test_a_bar_of_hours_is_a_line_per_five_minutes(clock: list[float]) -> None:
    assert len(run(io.StringIO(), clock, 100, 100)) == 34  # every 3 videos, and the end


def test_a_bar_that_leaves_nothing_or_is_hidden_prints_no_last_line(clock: list[float]) -> None:
    for options in ({"leave": False}, {"disable": True}, {"disable": None}):
        assert run(io.StringIO(), clock, 0.1, 5, **options) == []


def test_a_resumed_bar_counts_what_was_there_but_not_its_time(clock: list[float]) -> None:
    log = io.StringIO()
    with Bar(total=10, initial=5, desc="a\x1b[2J", unit="B", unit_scale=True, file=log) as bar:
        bar.update(2)
    assert log.getvalue().startswith("a\\x1b[2J: 7.00 of 10.0 B (70 %), ")


def test_iterating_gives_every_item(clock: list[float]) -> None:
    log = io.StringIO()
    assert list(Bar(iter("abc"), desc="x", unit="step", file=log)) == list("abc")
    assert log.getvalue().startswith("x: 3 steps, ")


def test_a_terminal_gets_a_bar_that_is_drawn_again(clock: list[float]) -> None:
    log = Terminal()
    assert "100%|" in run(log, clock, 1, 3)[-1] and log.getvalue().count("\r") > 2


def test_a_closed_log_does_not_stop_the_work() -> None:
    log = io.StringIO()
    with Bar(total=2, file=log) as bar:
        log.close()
        bar.update(2)
    assert bar.n == 2
