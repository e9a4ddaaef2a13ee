"""`bench features` and `albar_bench.extract_features`."""

from pathlib import Path

import numpy as np
import pytest
from long_videos import long_videos, tiny
from typer.testing import CliRunner

import albar_bench as ab
from albar_bench.cli.app import app

MODEL = "long_videos:tiny"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    long_videos(root, (17, 40))
    return root


def bench(*words: object):
    return CliRunner().invoke(app, ["features", *map(str, words)], env={"COLUMNS": "200"})


def test_the_command_and_python_write_the_same(root: Path, tmp_path: Path) -> None:
    done = bench(
        MODEL, "--root", root, "--window", 8, "--stride", 4, "--crops", 3, "--prefix", "", "--out", tmp_path / "a"
    )
    assert done.exit_code == 0, done.output
    assert "of each window, the network sees frames 0, 2, 4, 6" in done.output
    assert "13 windows of 2 videos (2 new), 0 missing, 0 failed" in done.output
    folder = ab.extract_features(tiny(), root=root, out=tmp_path / "b", window=8, stride=4, crops=3)
    assert [v.windows for v in folder.videos()] == [4, 9]
    for video in folder.videos():
        np.testing.assert_array_equal(video.features(), np.load(tmp_path / f"a/features/{video.id}.npy"))
    assert bench("--check", tmp_path / "a").exit_code == 0


def test_failures_and_wrong_options(root: Path, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v/a.mp4").write_bytes(b"nothing")
    long_videos(tmp_path / "v", (9,))
    command = (MODEL, "--root", tmp_path / "v", "--out", tmp_path / "f")
    done = bench(*command)
    assert done.exit_code == 1 and "1 window of 1 video (1 new), 0 missing, 1 failed" in done.output
    assert bench(*command, "--keep-going").exit_code == 0
    for words, told in [
        ((), "give a model"),
        ((MODEL, "--check", tmp_path / "f"), "extracts nothing"),
        ((MODEL, "--lists", tmp_path / "f/test.list"), "goes with --check"),
        ((MODEL, "--root", root, "--crops", "4"), "choose from 1, 3, 10"),
        ((MODEL, "--root", root, "--preset", "rtfm", "--dataset", "ucf101"), "no such dataset of untrimmed videos"),
        ((MODEL, "--root", root, "--task", "anomaly", "--out", tmp_path / "g"), "has no annotations"),
        ((MODEL, "--root", root, "--layer", "neck", "--out", tmp_path / "g"), "no such module"),
        (("--check", root), "contains no .npy files"),
    ]:
        done = bench(*words)
        assert done.exit_code and told in f"{done.output} {done.exception}", words
    with pytest.raises(ab.BenchError, match="no features were written"):
        (tmp_path / "w").mkdir()
        (tmp_path / "w/a.mp4").write_bytes(b"nothing")
        ab.extract_features(tiny(), root=tmp_path / "w", out=tmp_path / "h")
    assert not (tmp_path / "h/features.json").exists()


def test_a_name_with_a_line_end_forges_no_line(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    long_videos(tmp_path / "v", (9,))
    (tmp_path / "v/a\nerror: b.mp4").write_bytes(b"nothing")
    done = bench(MODEL, "--root", tmp_path / "v", "--out", tmp_path / "f")
    assert done.exit_code == 1, done.output
    assert "failed: a\\nerror: b.mp4: its name contains" in done.output and "1 failed" in done.output
    table = (tmp_path / "f/failures.csv").read_text()
    assert 'a\\nerror: b.mp4,failed,"its name contains' in table
    assert bench(MODEL, "--root", tmp_path / "v", "--out", tmp_path / "f").exit_code == 1  # also if all is there
    assert (tmp_path / "f/failures.csv").read_text() == table
    assert not any(line.startswith("error") for line in done.output.splitlines())
