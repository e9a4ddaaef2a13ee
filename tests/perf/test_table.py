"""The table of speed goals: what was not measured is never a pass, and one failing part costs only its own rows."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PERF = Path(__file__).parents[2] / "perf"
sys.path.append(str(PERF))

import measure  # noqa: E402
import table  # noqa: E402
from measure import Row  # noqa: E402

REACHED = Row("zips", "a loader", (1.2, 1.4, 1.9), 1.3, note="two | three")
MISSED = Row("videos", "", (16.0, 13.0), 12, at_most=True, unit="ms")
MISSING = Row("clips", "torchcodec", goal=1.1, missing="torchcodec is not installed")
FREE = Row("help", "", (0.25,), unit="s")
ALL = [REACHED, MISSED, MISSING, FREE]


def test_the_median_is_compared_and_what_is_missing_is_never_reached() -> None:
    assert [row.reached for row in ALL] == [True, False, None, None]
    assert [row.verdict for row in ALL] == ["reached", "NOT reached", "not measured", "no goal"]
    assert measure.text(MISSING)[3] == "not measured: torchcodec is not installed"
    assert Row("empty", goal=1.0).verdict == "not measured"
    assert table.counted(ALL) == "goals: 1 reached, 1 not reached, 1 not measured"


@pytest.mark.parametrize(("value", "shown", "verdict"), [(1.0963, "1.096", "NOT reached"), (1.1, "1.10", "reached")])
def test_a_value_is_printed_with_as_many_digits_as_its_verdict_needs(value: float, shown: str, verdict: str) -> None:
    assert measure.text(Row("a", "b", (value,), 1.1)) == (shown, "one round", "≥ 1.1", verdict)


def test_markdown_and_text_say_what_is_not_reached() -> None:
    markdown, plain = table.markdown(ALL), table.plain(ALL)
    assert "| videos |  | 14.5 ms | 13.0 to 16.0 | ≤ 12 ms | **not reached** |  |" in markdown
    assert "two \\| three" in markdown
    assert "NOT reached" in plain and "    two | three" in plain


def test_rows_survive_json() -> None:
    assert [Row.from_record(json.loads(json.dumps(row.record()))) for row in ALL] == ALL


def test_sides_take_turns_and_start_in_turn() -> None:
    called: list[str] = []
    found = measure.interleaved({name: lambda n=name: called.append(n) for name in "ab"}, 2)  # type: ignore[misc]
    assert "".join(called) == "ab" + "ab" + "ba"
    assert [len(found.seconds[name]) for name in "ab"] == [2, 2]
    assert measure.Turns({"ours": [2.0, 1.0], "other": [3.0, 3.0]}).ratios("other") == (1.5, 3.0)


BROKEN = """
import os, sys, time
from measure import NotMeasured, Row
def rows(clips, rounds):
    yield Row("first", "", (float(rounds),))
    {end}
"""


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("raise ValueError('bad frame')", "ValueError: bad frame"),
        ("os.kill(os.getpid(), 11)", "the process was ended by signal 11"),
        ("time.sleep(60)", "it took more than 2 seconds"),
        ("raise NotMeasured('no peer')", "no peer"),
    ],
)
def test_a_part_that_fails_keeps_its_first_rows_and_gives_the_reason(
    end: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN.replace("{end}", end))
    worker = "import sys, table; table.PARTS['broken'] = table.Part('broken', 'it', 1); table.main()"
    script = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(PERF)!r}]\n{worker}"
    (tmp_path / "start.py").write_text(script)
    monkeypatch.setattr(table, "__file__", str(tmp_path / "start.py"))
    monkeypatch.setitem(table.PARTS, "broken", table.Part("broken", "it", 3))
    first, failed = table.measured("broken", None, None, 2)
    assert (first.work, first.values) == ("first", (3.0,))
    assert reason in failed.missing and failed.verdict == "not measured"


def test_a_folder_without_clips_of_a_dataset_is_named(tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    (tmp_path / "edge" / "damaged.mp4").touch()
    with pytest.raises(measure.NotMeasured, match="no videos of ucf101 below"):
        measure.videos_of(tmp_path, "ucf101")
    with pytest.raises(measure.NotMeasured, match="no videos below"):
        measure.videos_of(tmp_path)
    with pytest.raises(measure.NotMeasured, match="BENCH_CLIPS"):
        measure.videos_of(None)
    monkey = {"gone": "no_such_library_of_anyone"}
    measure.MODULES |= monkey
    with pytest.raises(measure.NotMeasured, match=r"gone is not installed: pip install"):
        measure.needs("gone")
    del measure.MODULES["gone"]


def test_usage_errors_are_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["nowhere"], "no such folder"),
        (["--rounds", "0"], "at least 1"),
        (["--limit", "0"], "above"),
    ):
        monkeypatch.setattr(sys, "argv", ["table.py", *words])
        with pytest.raises(SystemExit) as ended:
            table.main()
        assert ended.value.code == 2 and said in capsys.readouterr().err


def test_the_gpu_table_has_a_function_and_a_limit_per_result() -> None:
    script = PERF / "gpu_table.sh"
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    names = re.search(r"^names=\((.*)\)$", text, re.MULTILINE)
    assert names
    for name in names[1].split():
        assert f"\nstep_{re.sub('[.-]', '_', name)}()" in text and f"[{name}]=" in text
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for called in re.findall(r"\bscript (\w+) ", code):
        assert (PERF / f"{called}.py").is_file(), called
