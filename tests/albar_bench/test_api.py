"""The public API: what `import albar_bench` offers, used as its documentation says."""

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import albar_bench as ab
from benchmark_builder.utils.moved import MOVED


def module(classes: int = 101) -> object:
    import torch
    from torch import nn

    class Net(nn.Module):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            mean = clips.mean((1, 2, 3, 4))
            return torch.stack([mean * k for k in range(classes)], 1)

    return Net()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ab.Benchmark]:
    from tiny_videos import moving_square, write_video

    from benchmark_builder.masks.stored import write_masks

    folder = tmp_path_factory.mktemp("api")
    for c, name in enumerate(("Archery", "Basketball")):
        video, masks = moving_square(seed=c)
        write_video(folder / "ucf" / "videos" / name / f"v_{name}_g01_c01.mkv", video)
        write_masks(folder / "ucf" / "masks" / name / f"v_{name}_g01_c01.zip", masks)
    scuba = ab.build_scuba(
        "ucf101",
        folder / "ucf",
        folder / "scuba",
        split="all",
        masks=f"stored:{folder / 'ucf' / 'masks'}",
        per_video=1,
        workers=1,
    )
    scufo = ab.build_scufo(scuba, folder / "scufo", workers=1)
    conflfg = ab.build_conflfg(scuba, folder / "conflfg", workers=1)
    return {"scuba": scuba, "scufo": scufo, "conflfg": conflfg}


def test_importing_loads_neither_torch_nor_opencv() -> None:
    code = (
        "import sys, albar_bench as ab; ab.__version__, ab.BenchError, dir(ab); "
        "print({'torch', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_public_name_is_there() -> None:
    for name in ab.__all__:
        assert getattr(ab, name) is not None and name in dir(ab)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ab.nothing  # noqa: B018


def test_packages_export_their_main_names() -> None:
    import albar
    import benchmark_builder
    import evaluator

    for package in (benchmark_builder, albar, evaluator):
        assert len(dir(package)) >= 5
        for name in dir(package):
            assert getattr(package, name) is not None


def test_a_benchmark_has_rows_frames_and_clips(built: dict[str, ab.Benchmark]) -> None:
    bench = ab.load_benchmark(built["scuba"].folder)
    assert (bench.kind, bench.dataset, len(bench)) == ("scuba", "ucf101", 2)
    assert isinstance(bench.rows, pd.DataFrame) and list(bench.rows["label"]) == [2, 7]
    frames = list(bench.frames(bench.rows["id"][0]))
    assert len(frames) == bench.rows["frames"][0] and frames[0].shape == (32, 48, 3) and frames[0].dtype == np.uint8
    clip, label, video_id = bench.clips("8x2-48")[0]
    assert clip.shape == (3, 8, 48, 48) and str(clip.dtype) == "torch.float32" and label == 2
    assert video_id == bench.rows["id"][0]
    still, _, _ = built["scufo"].clips("8x2-48")[0]
    assert still.shape == clip.shape and (still[:, 0] == still[:, -1]).all()
    with pytest.raises(ab.BenchError, match="has no video 'x'"):
        next(bench.frames("x"))


def test_a_module_is_scored(built: dict[str, ab.Benchmark], tmp_path: Path) -> None:
    result = ab.evaluate(module(), list(built.values()), sampling="8x2-48", out=tmp_path, method="mine")
    assert list(result.figures.columns[:5]) == ["figure", "percent", "low", "high", "n"]
    assert {"avg_scuba", "avg_scufo", "conflfg", "contra_acc"} <= set(result.figures["figure"])
    assert (result.figures["n"] == 2).all() and result.path is not None and result.path.is_file()
    table = ab.leaderboard([tmp_path])
    assert list(table["method"]) == ["mine"] and pd.api.types.is_float_dtype(table["avg_scuba"])
    files = sorted((tmp_path / "predictions").glob("scuba--*.csv"))
    scored = ab.score(files[0], built["scuba"])
    expected = result.figures.set_index("figure")["percent"]["avg_scuba"]
    assert scored.figures.set_index("figure")["percent"]["avg_scuba"] == expected


def test_wrong_input_is_a_bench_error(built: dict[str, ab.Benchmark], tmp_path: Path) -> None:
    with pytest.raises(ab.BenchError, match=r"101 classes|3 outputs"):
        ab.evaluate(module(3), built["scuba"], sampling="8x2-48", out=tmp_path)
    with pytest.raises(ab.BenchError, match="does not define its clip sampling"):
        ab.evaluate(module(), built["scuba"], out=tmp_path)
    with pytest.raises(ab.BenchError, match="model: is a int"):
        ab.evaluate(3, built["scuba"], out=tmp_path)
    with pytest.raises(ab.BenchError, match="no benchmark here"):
        ab.load_benchmark(tmp_path)


def test_messages_go_through_logging(
    built: dict[str, ab.Benchmark], tmp_path: Path, capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    ab.build_scufo(built["scuba"], tmp_path / "quiet", workers=1)
    said = capsys.readouterr()
    assert said.out == "" and said.err == ""
    with caplog.at_level(logging.INFO, "albar_bench"):
        ab.evaluate(module(), built["scuba"], sampling="8x2-48", out=tmp_path / "results")
    assert any("videos in" in record.message for record in caplog.records)


def test_training_returns_the_checkpoint(tmp_path: Path) -> None:
    from benchmark_builder.synthactions import SynthSettings, render_dataset

    root = tmp_path / "synth"
    render_dataset(root, SynthSettings(size=24, frames=8, train=8, test=2), 1, progress=False)
    path = ab.train("baseline", root=root, epochs=1, batch=4, validation=0.0, out=tmp_path / "run",
                    clip={"size": 24, "resize": 24})  # fmt: skip
    assert path.is_file()


def test_old_module_paths_lead_to_the_new_ones() -> None:
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import benchmark_builder.utils.moved as moved\n"
        "from benchmark_builder.video.record import Video as new\n"
        "warnings.simplefilter('always')\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    from benchmark_builder.video import Video\n"
        "assert Video is new and 'benchmark_builder.video.record.Video' in str(said[0].message)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for old, name in MOVED.items():
        assert importlib.util.find_spec(name), (old, name)


@pytest.mark.parametrize("words", [["leaderboard", "nothing"], ["eval", "my.models:make", "--benchmarks", "nothing"]])
def test_a_users_own_evaluator_module_replaces_nothing(tmp_path: Path, words: list[str]) -> None:
    """Also where the current folder is searched, for a part of the user's own."""
    for name in ("evaluator.py", "bench.py", "albar.py"):
        (tmp_path / name).write_text("raise SystemExit('the own file of the user was run')\n")
    done = subprocess.run([sys.executable, "-m", "albar_bench", *words], cwd=tmp_path, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 1 and done.stderr.startswith("error: "), done.stdout + done.stderr


def test_published_rebuilt_and_reproduced(
    built: dict[str, ab.Benchmark], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "albar_bench")
    published = ab.publish(built["scuba"], tmp_path / "published", authors=("Ada Lovelace",))
    assert "no pixels are published" in caplog.text and "Ada Lovelace" in (published / "CITATION.cff").read_text()
    assert f"upload {published} as it is" in caplog.text
    assert "bench rebuild published --root THEIR_COPY_OF_UCF101 --out BENCHMARK" in caplog.text
    root = Path(built["scuba"]).parent / "ucf"
    again = ab.rebuild(published, tmp_path / "again", root=root, workers=1)
    assert list(again.rows["pixels_xxh128"]) == list(built["scuba"].rows["pixels_xxh128"])
    with pytest.raises(ab.BenchError, match="is a published folder already, without pixels; upload it as it is"):
        ab.publish(published, tmp_path / "twice")
    with pytest.raises(ab.BenchError, match="--archive-size huge"):
        ab.publish(built["scuba"], tmp_path / "wrong", archive_size="huge")
    assert not (tmp_path / "twice").exists() and not (tmp_path / "wrong").exists()

    found = ab.reproduce(built["scuba"], tmp_path / "made", root=root, masks=f"stored:{root / 'masks'}")
    assert found.unknown == [] and found.differences is None
    assert found.commands[0].startswith("bench build scuba --dataset ucf101 ") and str(root) in found.commands[0]
    unknown = ab.reproduce(built["scuba"], tmp_path / "made", root=root)
    assert "masks" in unknown.unknown[0]
    with pytest.raises(ab.BenchError, match="cannot be derived"):
        ab.reproduce(built["scuba"], tmp_path / "made", root=root, run=True)
