"""HAT's published layout, on a small made copy: folders ori, seg and inp, a list, and pickles of pairs."""

import pickle
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_builds import QUIET, frames_of

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import build_kind, build_scuba
from benchmark_builder.datasets import read_dataset, scored_as
from benchmark_builder.kinds.swap_pairs import Pair, pair_of, read_pairs
from benchmark_builder.utils.errors import BenchError

# Labels of Kinetics-400; names have blanks, as in HAT.
VIDEOS = {"archery/01x_000011_000021": (4, 5), "archery/0zz_000001_000011": (6, 5), "bending back/05m-_7_17": (5, 20)}
LIST = "kinetics400_val_list_rawframes.txt"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hat") / "kinetics400"
    for k, (name, (frames, _)) in enumerate(VIDEOS.items()):
        for t in range(frames):
            mask = np.full((24, 32), 100, np.uint8)  # 128 and below is background
            mask[8:16, 4 + t : 12 + t] = 255
            for part, suffix, image in (
                ("ori", "jpg", np.full((24, 32, 3), 60 + 20 * k, np.uint8)),
                ("seg", "png", mask),
                ("inp", "jpg", np.full((24, 32, 3), 20 + k, np.uint8)),
            ):
                path = folder / part / name / f"{t + 1:06d}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), image)
    (folder / LIST).write_text("".join(f"{name} {frames} {label}\n" for name, (frames, label) in VIDEOS.items()))
    return folder


@pytest.fixture(scope="module")
def scuba(root: Path) -> Path:
    out = root.parent / "scuba"
    masks = f"folder:{root / 'seg'}"
    build_scuba("hat-kinetics400", root, out=out, run=QUIET, masks=masks, backgrounds="plain", per_video=1)
    return out


def pairs(path: Path, table: object) -> Path:
    path.write_bytes(pickle.dumps(table))
    return path


def test_the_list_names_the_videos_and_their_classes(root: Path, tmp_path: Path) -> None:
    listing = read_dataset("hat-kinetics400", root)
    assert {v.id: v.label for v in listing.videos} == {name: label for name, (_, label) in VIDEOS.items()}
    assert listing.split == "val" and len(listing.classes) == 400 and scored_as("hat-kinetics400") == "kinetics400"
    assert read_dataset("hat-kinetics400", root, "all").split == "all"
    with pytest.raises(BenchError, match="has no list"):
        read_dataset("hat-kinetics400", root, "test")
    with pytest.raises(BenchError, match="ori: no such folder"):
        read_dataset("hat-ucf101", tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [("archery/01x_000011_000021 4 6", "label 6 of archery/01x"), ("archery/01x 4", "is not 'CLASS/ID frames label'")],
)
def test_wrong_lists(root: Path, tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "ori").symlink_to(root / "ori")
    (tmp_path / LIST).write_text(f"{line}\n")
    with pytest.raises(BenchError, match=said):
        read_dataset("hat-kinetics400", tmp_path)


def test_the_three_sets_from_its_masks_inpainted_frames_and_pairs(root: Path, scuba: Path, tmp_path: Path) -> None:
    first, second, third = VIDEOS
    table = {first: [third, 5, 20], second: [first, 4, 5], third: [second, 99, 5]}
    path, said = pairs(tmp_path / "actionswap_far_1.pickle", table), []
    run = type(QUIET)(workers=1, progress=False, say=said.append)
    build_kind("swap", scuba, out=tmp_path / "swap", run=run, pairs=path, inpainted=root / "inp", layout="lossless")
    swap = read_benchmark(tmp_path / "swap")
    assert swap.background_set == "far-1" and any(
        "1 backgrounds have another number of frames" in line for line in said
    )
    assert {r.source_id: (r.background, r.donor_label) for r in swap.rows} == {
        k: (v[0], v[2]) for k, v in table.items()
    }
    frames = frames_of(tmp_path / "swap", f"{first}__0")
    # The actors are at the same place of pictures of one size: no shift, the actor's 60 over the background's 22.
    assert (frames[0, 8:16, 4:12] == 60).all() and swap.by_id[f"{first}__0"].donor_shift == "0 0"
    # Inpainted pixels are taken inside the mask alone; outside are those of the original, 100.
    assert (frames[0, 0, 0] == 100).all()
    path.unlink()
    assert verify(tmp_path / "swap", progress=False) == [], "the pickle is not needed again"
    build_kind("background-only", scuba, out=tmp_path / "bg", run=QUIET, inpainted=root / "inp", layout="lossless")
    back = frames_of(tmp_path / "bg", f"{third}__0")
    assert (back[1, 8:16, 5:13] == 22).all() and (back[1, 0] == 100).all()


def test_videos_without_a_pair_are_left_out(scuba: Path, tmp_path: Path) -> None:
    first, second, third = VIDEOS
    path = pairs(tmp_path / "actionswap_same_2.pickle", {first: [second, 6, 5], second: ["gone/x", 3, 5]})
    report = build_kind("swap", scuba, out=tmp_path / "swap", run=QUIET, pairs=path)
    assert {f["id"] for f in report.left_out} == {f"{second}__0", f"{third}__0"} and report.made == 1
    wrong = pairs(tmp_path / "wrong.pickle", {first: [third, 5, 21]})
    report = build_kind("swap", scuba, out=tmp_path / "w", run=QUIET, pairs=wrong)
    assert "label of bending back/05m-_7_17 is 21, but 20" in report.failed[0]["reason"]


def test_pairs_are_found_by_name_or_its_last_part(tmp_path: Path) -> None:
    path = pairs(tmp_path / "p.pickle", OrderedDict({"a/x": ("b/y", 3, 1), "a/z": ["c/y", 4, 2], "b/z": ["a/x", 1, 0]}))
    found = read_pairs(path)
    assert pair_of(found, "x") == pair_of(found, "a/x") == Pair("b/y", 3, 1)
    assert pair_of(found, "b/z") == Pair("a/x", 1, 0) and pair_of(found, "z") is None, "which one is meant is unknown"


class Evil:
    def __reduce__(self) -> object:
        return (print, ("run",))


@pytest.mark.parametrize(
    "table",
    [[1], {}, {"a": 3}, {"a": ["b", "3", 1]}, {"a": ["b", 0, 1]}, {"a": ["b", 3, -1]}, {"a": ["b", 3, True]}, Evil()],
)
def test_pickles_of_something_else_are_refused(
    tmp_path: Path, table: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BenchError, match="actionswap_far_1"):
        read_pairs(pairs(tmp_path / "p.pickle", table))
    assert "run" not in capsys.readouterr().out
