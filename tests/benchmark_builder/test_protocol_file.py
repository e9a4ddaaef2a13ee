"""`--protocol FILE.toml`: a protocol of the user's own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from small_builds import QUIET

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import build_conflfg, build_scuba, build_scufo
from benchmark_builder.protocols import recorded_name, resolve
from benchmark_builder.start_from import require_wishes
from benchmark_builder.utils.errors import BenchError

TEXT = """about = "Ours."
version = 7

[all]
masks = "motion"
per_video = 1
order = "front"
shake = 0.2
backgrounds = "plain"

[dataset.ucf101]
per_video = 3

[dataset."my.data:read"]
per_video = 2
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "my protocol.toml").write_text(TEXT)
    return tmp_path / "my protocol.toml"


def test_it_has_the_tables_of_the_shipped_ones(file: Path) -> None:
    assert [resolve(str(file), name, {})[0].per_video for name in ("folder", "ucf101", "my.data:read")] == [1, 3, 2]
    settings, named = resolve(str(file), "folder", {"per_video": 4})
    assert (settings.order, settings.fit, settings.per_video) == ("front", "cover", 4), "the rest is the default's"
    assert named["name"] == recorded_name(str(file)) and named["name"].startswith("my-protocol-")
    assert named["version"] == resolve("default", "folder", {})[1]["version"], "of the toolkit's rules, not the file's"
    assert named["changed"] == {"per_video": {"protocol": 1, "here": 4}} and named["file_version"] == 7
    before = named["name"]
    file.write_text(TEXT.replace("0.2", "0.3"))
    assert recorded_name(str(file)) != before, "another file has another name"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[all]\nper_vido = 1", r"\[all\] has the unknown setting 'per_vido' .did you mean 'per_video'"),
        ("[dataset.ucf101]\nx = 1", r"\[dataset.ucf101\] has the unknown setting 'x'"),
        ("[al]\nper_video = 1", "unknown entry 'al' .did you mean 'all'"),
        ("all = 3", r"all is 3; write a table \[all\]"),
        ("dataset = 3", r"dataset is 3; write a table"),
        ("version = 'two'", "version is 'two'; give a whole number"),
        ("[all]\nper_video = 'x'", "mine.toml: per_video is 'x'; give a whole number"),
        ("[free]\nmasks = 'rle'", "give a list of values"),
        ("[all", "mine.toml: not TOML"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(BenchError, match=says):
        resolve(str(tmp_path / "mine.toml"), "folder", {})


def test_a_missing_file_and_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"none\.toml"):
        resolve(str(tmp_path / "none.toml"), "folder", {})
    with pytest.raises(
        BenchError,
        match=r"--protocol magic: unknown; choose from albar-bench-2026\.1, default, .*, or give a FILE\.toml",
    ):
        resolve("magic", "folder", {})


def test_what_is_built_by_it_needs_the_file_no_more(folder_of_actions: Callable, file: Path, tmp_path: Path) -> None:
    root, scuba = folder_of_actions(1), tmp_path / "scuba"
    build_scuba("folder", root, protocol=str(file), out=scuba, run=QUIET, masks=f"stored:{root / 'masks'}")
    require_wishes(scuba, protocol=str(file))
    name = recorded_name(str(file))
    other = tmp_path / "other.toml"
    other.write_text(TEXT)
    with pytest.raises(BenchError, match="was built with another --protocol"):
        require_wishes(scuba, protocol=str(other))
    file.unlink()
    build_scufo(scuba, out=tmp_path / "shaken", shaken=True, run=QUIET)
    build_conflfg(scuba, out=tmp_path / "conflfg", run=QUIET, order="behind")
    for folder in (scuba, tmp_path / "shaken", tmp_path / "conflfg"):
        assert verify(folder, progress=False) == []
        assert json.loads((folder / "protocol.json").read_text())["protocol"]["name"] == name
    shaken, conflfg = (read_benchmark(tmp_path / kind).protocol for kind in ("shaken", "conflfg"))
    assert shaken.shake == 0.2 and shaken.protocol.changes.keys() == {"masks"}
    assert conflfg.conflfg is not None and conflfg.conflfg.order == "behind"
    assert conflfg.protocol.changes["order"] == {"protocol": "front", "here": "behind"}
