"""Parts that were built with `--shard`, made one benchmark again."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import bench, error_of
from small_builds import QUIET, scuba

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.benchmark.merge import merge
from benchmark_builder.builders import Subset, build_conflfg, build_scufo
from benchmark_builder.utils.errors import BenchError


def parts_of(root: Path, folder: Path, count: int = 2, **options: object) -> list[Path]:
    return [
        scuba(root, folder / f"part{k}", subset=Subset(shard=f"{k}/{count}"), **options) for k in range(1, count + 1)
    ]


@pytest.mark.parametrize("layout", ["video", "frames", "virtual"])
def test_all_shards_merged_are_the_whole_build(folder_of_actions: Callable, tmp_path: Path, layout: str) -> None:
    root = folder_of_actions(per_class=3)
    whole = scuba(root, tmp_path / "whole", layout=layout)
    merge(parts_of(root, tmp_path, 3, layout=layout), tmp_path / "merged", progress=False)
    for table in ("manifest.csv", "protocol.json", "failures.csv", "SHA256SUMS"):
        assert (tmp_path / "merged" / table).read_bytes() == (whole / table).read_bytes(), table
    assert (tmp_path / "merged" / "list.txt").exists() == (layout == "frames")
    assert verify(tmp_path / "merged", progress=False) == []
    again = merge([tmp_path / "part1", tmp_path / "part2"], tmp_path / "merged", progress=False)
    assert again.made == 0 and len(read_benchmark(tmp_path / "merged").rows) == 12


def test_what_is_built_from_a_merged_benchmark_is_the_wholes(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    whole = scuba(root, tmp_path / "whole")
    merge(parts_of(root, tmp_path), tmp_path / "merged", progress=False)
    for name, build in (("conflfg", build_conflfg), ("scufo", build_scufo)):
        made = [build(f, out=tmp_path / f"{name}-{f.name}", run=QUIET) for f in (whole, tmp_path / "merged")]
        assert made[0].benchmark is not None and made[1].benchmark is not None
        assert made[0].benchmark.rows == made[1].benchmark.rows
    shards = [tmp_path / "scufo1", tmp_path / "scufo2"]
    for k, out in enumerate(shards, 1):
        build_scufo(whole, out=out, run=QUIET, subset=Subset(shard=f"{k}/2"))
    assert merge(shards, tmp_path / "scufo", progress=False).benchmark.rows == made[0].benchmark.rows  # type: ignore[union-attr]


def test_failures_of_the_parts_stay_listed_unless_made_elsewhere(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    broken, lost = root / "videos/Archery/v_Archery_g01_c01.mkv", root / "masks/Basketball/v_Basketball_g02_c01.zip"
    whole, masks = broken.read_bytes(), lost.read_bytes()
    broken.write_text("not a video")
    lost.unlink()
    parts = parts_of(root, tmp_path)
    report = merge(parts, tmp_path / "merged", progress=False)
    assert [f["id"] for f in report.failed] == ["Archery/v_Archery_g01_c01"]
    with open(tmp_path / "merged" / "failures.csv", newline="") as handle:
        assert {r["id"]: r["kind"] for r in csv.DictReader(handle)} == {
            "Archery/v_Archery_g01_c01": "failed",
            "Basketball/v_Basketball_g02_c01": "left out",
        }
    assert "1 failed" in error_of("merge", *parts, "--out", tmp_path / "said", "--workers", 1)
    broken.write_bytes(whole)
    lost.write_bytes(masks)
    fixed = scuba(root, tmp_path / "fixed", subset=Subset(only=("Archery/v_Archery_g01",)))
    assert merge([*parts, fixed], tmp_path / "better", progress=False).failed == []
    done = bench("merge", *parts, fixed, "--out", tmp_path / "command", "--workers", 1)
    assert done.returncode == 0 and "6 videos of 3 parts, 1 left out, 0 failed" in done.stdout


def test_parts_that_do_not_belong_together_are_refused(folder_of_actions: Callable, tmp_path: Path) -> None:
    root = folder_of_actions()
    first, second = parts_of(root, tmp_path)
    other = scuba(root, tmp_path / "other", seed=1)
    with pytest.raises(BenchError, match=r"other: has other settings than .*part1 \(seed: 0, now 1\)"):
        merge([first, other], tmp_path / "merged", progress=False)
    path = root / "videos/Archery/v_Archery_g01_c01.mkv"
    whole = path.read_bytes()
    path.write_bytes((root / "videos/Archery/v_Archery_g02_c01.mkv").read_bytes())
    changed = scuba(root, tmp_path / "changed")
    path.write_bytes(whole)
    with pytest.raises(BenchError, match="is another video than in"):
        merge([first, changed], tmp_path / "merged", progress=False)
    assert not (tmp_path / "merged").exists()
    with pytest.raises(BenchError, match="no benchmark here"):
        merge([first, tmp_path], tmp_path / "merged", progress=False)

    row = read_benchmark(second).rows[0]
    (second / row.file).write_bytes(b"damaged")
    report = merge([first, second], tmp_path / "merged", progress=False)
    assert [f["id"] for f in report.failed] == [row.id] and "SHA-256" in report.failed[0]["reason"]
    assert row.id not in read_benchmark(tmp_path / "merged").by_id and verify(tmp_path / "merged", progress=False) == []
