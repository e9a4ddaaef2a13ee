"""Lists are copied with the names of the new files; all else stays byte for byte."""

import json
import unicodedata
from pathlib import Path

import pytest

from benchmark_builder.datasets.copied import copy_lists

STEMS = ("v_a_g01_c01", "Turnk_r#[1]_f", "x y", "café")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Class/v_a_g01_c01.avi 3\r\n", "Class/v_a_g01_c01.mp4 3\r\n"),
        ("Class\\v_a_g01_c01.AVI\n", "Class\\v_a_g01_c01.mp4\n"),
        ("Turnk_r#[1]_f.avi 2", "Turnk_r#[1]_f.mp4 2"),
        ('"x y.webm",1', '"x y.mp4",1'),
        ("caf\u00e9.mkv;cafe\u0301.mkv", "caf\u00e9.mp4;cafe\u0301.mp4"),
        ("\ufeffv_a_g01_c01.avi", "\ufeffv_a_g01_c01.mp4"),
        ("v_a_g01_c01.mp4 v_a_g01_c01", "v_a_g01_c01.mp4 v_a_g01_c01"),
        # names of other files: of a longer name, with a longer suffix, of no video of the dataset
        ("other_v_a_g01_c01.avi v_a_g01_c01.avi.txt v_a_g01_c01.avis b.avi", None),
    ],
)
def test_names_of_videos_get_the_new_suffix(tmp_path: Path, before: str, after: str | None) -> None:
    (tmp_path / "root/lists").mkdir(parents=True)
    (tmp_path / "root/lists/test.txt").write_bytes(before.encode())
    changed = copy_lists("ucf101", tmp_path / "root", tmp_path / "out", STEMS, ".mp4")
    new = before if after is None else after
    assert (tmp_path / "out/lists/test.txt").read_bytes() == new.encode()
    assert changed == (["lists/test.txt"] if new != before else [])


def test_json_escapes_and_utf16(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    (root / "a.json").write_text(json.dumps({"caf\u00e9.avi": 1}))
    (root / "b.csv").write_bytes("v_a_g01_c01.avi\n".encode("utf-16"))
    (root / "c.txt").write_bytes(b"v_a_g01_c01.avi \xff\xfe")
    assert copy_lists("hmdb51", root, out, STEMS, ".mp4") == ["a.json", "b.csv"]
    assert json.loads((out / "a.json").read_text()) == {"caf\u00e9.mp4": 1}
    assert (out / "b.csv").read_bytes().decode("utf-16") == "v_a_g01_c01.mp4\n"
    assert (out / "c.txt").read_bytes() == (root / "c.txt").read_bytes()


def test_what_is_copied(tmp_path: Path) -> None:
    root, out = tmp_path / "data/val", tmp_path / "out"
    for name in ("list.txt", "failures.csv", ".hidden.txt", "a.avi", "frame.jpg", "masks/segment.json", "masks/m.csv",
                 "deep/er/l.lst", "../annotations/val.csv"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(unicodedata.normalize("NFD", "é"))
    (root / "deep/loop").symlink_to(root)
    copy_lists("kinetics400", root, out, STEMS, ".mp4", leave=("failures.csv",))
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert found == ["annotations/val.csv", "deep/er/l.lst", "list.txt"]
