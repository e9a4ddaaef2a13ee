"""Frozen protocols: files that never change, settings without defaults, and videos that are the same here."""

import dataclasses
import hashlib
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark_builder import frozen as module
from benchmark_builder.benchmark.manifest import Benchmark
from benchmark_builder.frozen import check, differences, frozen
from benchmark_builder.protocols import resolve
from benchmark_builder.settings import Settings
from benchmark_builder.utils.errors import BenchError
from manifests import resource

NAME = "albar-bench-2026.1"
# These never change: another set gets another number.
DIGESTS = {
    "toml": "2ab3b25c0d3d8bda71788825572bcf3c5f55970ef51d188c496d4f0cee758335",
    "csv": "403ed7433a01125f41927699cda4aa275c936c5d57194dbb8691580a4a971865",
}


@pytest.mark.parametrize("suffix", DIGESTS)
def test_the_files_never_change(suffix: str) -> None:
    text = resource("protocols", f"{NAME}.{suffix}").read_text(encoding="utf-8")
    assert hashlib.sha256(text.encode()).hexdigest() == DIGESTS[suffix]


def test_no_default_decides_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    table = tomllib.loads(resource("protocols", f"{NAME}.toml").read_text(encoding="utf-8"))
    for name, own in table["dataset"].items():
        assert (table["all"] | own).keys() == set(Settings.model_fields)
        found, said = resolve(NAME, name, {})
        assert found == Settings(**(table["all"] | own)) and said["changed"] == {}
    with pytest.raises(BenchError, match="not for hmdb51"):
        resolve(NAME, "hmdb51", {})
    assert resolve(NAME, "ucf101", {"dilate": 1, "layout": "virtual"})[1]["changed"] == {
        "dilate": {"protocol": 0, "here": 1}
    }


def test_a_table_of_every_video() -> None:
    known = frozen(NAME)
    assert len(known.digests) == known.render.test == 512
    assert all(len(row[k]) == 32 for row in known.digests.values() for k in ("drawn", "video", "scuba", "scufo"))
    assert len(known.quick()) == 4 and set(known.quick()) < set(known.digests)
    with pytest.raises(BenchError, match="is no frozen protocol"):
        frozen("stillmix")


def test_four_videos_are_the_same_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    problems, count = check(NAME, quick=True, say=lambda line: None, progress=False)
    if problems and not module._same_software(frozen(NAME)):
        pytest.skip(problems[-1])  # another ffmpeg: the command says so, too
    assert problems == [] and count == 4 * 2 + 4 * 3 + 2


def test_equal_versions_are_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    known = frozen(NAME)
    here = dict(part.rsplit(" ", 1) for part in known.software.split(", "))
    monkeypatch.setattr(module, "versions", lambda: {"python": "3", "encoder": "PyAV 1, libx264 in process"} | here)
    assert module._same_software(known)
    monkeypatch.setattr(module, "versions", lambda: here | {"numpy": "1.0"})
    assert not module._same_software(known)


def test_other_digests_are_found() -> None:
    known = frozen(NAME)
    first = known.quick()[0]
    rows = [SimpleNamespace(source_id=first, pixels_xxh128="0" * 32)]
    made: Any = SimpleNamespace(kind="scufo", rows=rows)
    (said,) = module.compared(made, known, {first})
    assert said == f"scufo of {first}: its pixels have the digest {'0' * 32}, not {known.digests[first]['scufo']}"
    (said,) = module.compared(SimpleNamespace(kind="scufo", rows=[]), known, {first})  # type: ignore[arg-type]
    assert said.endswith("is missing")


def _benchmark(**changes: Any) -> Benchmark:
    named = SimpleNamespace(name=changes.pop("name", NAME), changes=changes.pop("changes", {}))
    protocol = SimpleNamespace(protocol=named, seed=changes.pop("seed", 0), subset=changes.pop("subset", None))
    values = {"kind": "scuba", "dataset": "ucf101", "background_set": "stripes", "folder": Path("b"), **changes}
    made: Any = SimpleNamespace(protocol=protocol, rows=[], **values)
    return made


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "default"}, "was built by protocol default"),
        ({"changes": {"dilate": {}}}, "dilate is not that of"),
        ({"kind": "swap"}, "its kind swap is not one of"),
        ({"seed": 1}, "its seed is 1, not 0"),
        ({"subset": []}, "only a part"),
        ({"dataset": "synthactions"}, "is missing"),
    ],
)
def test_what_is_not_the_benchmark_of_the_protocol(changes: dict[str, Any], said: str) -> None:
    assert said in differences(_benchmark(**changes), frozen(NAME))[0]
    assert differences(_benchmark(), frozen(NAME)) == []


def test_a_quick_choice_has_movers_with_their_donors() -> None:
    known = dataclasses.replace(
        frozen(NAME),
        digests={
            n: {"donor": f"{d}__0", "first": f} for n, d, f in (("a", "b", "0"), ("c", "d", "1"), ("d", "c", "1"))
        },
    )
    assert known.quick() == ["c", "d"]
