"""No file of a stranger chooses a module that is imported: not a benchmark's tables, not a checkpoint, not a record."""

import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from every_field import built, kept, operations, places, put  # noqa: F401
from small_world import save

from benchmark_builder.benchmark.manifest import MANIFEST
from benchmark_builder.benchmark.protocol_record import PROTOCOL
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import csv_text, read_table
from evaluator.evaluate import EvalOptions, evaluate

MODULE = "strangers_parts"
WORDS = (f"{MODULE}:Part", f"{MODULE}:Part:x", MODULE)


@pytest.fixture(autouse=True)
def _a_module_that_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module in the current folder, which is where a downloaded benchmark is looked at; importing it fails a test."""
    here = tmp_path / "downloaded"
    here.mkdir()
    (here / f"{MODULE}.py").write_text("Part = dict\n")
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.delenv("BENCH_TRUST", raising=False)
    sys.modules.pop(MODULE, None)
    yield
    assert MODULE not in sys.modules
    __import__(MODULE)  # it could have been imported
    assert sys.modules.pop(MODULE).Part is dict


def attempt(folder: Path, out: Path) -> None:
    for act in operations(folder, out).values():
        try:
            act()
        except BenchError as error:
            assert "\n" not in str(error)
        assert MODULE not in sys.modules


@pytest.mark.parametrize("kind", ["scuba", "shaken", "conflfg"])
def test_no_field_of_a_protocol_is_imported(kept: Path, tmp_path: Path, kind: str) -> None:
    path = kept / "b" / kind / PROTOCOL
    protocol = json.loads(path.read_text())
    texts = [at for at in places(protocol) if isinstance(value_at(protocol, at), str) and "versions" not in at]
    texts = [at for at in texts if at[:1] != ("classes",) and not (at[:1] == ("from",) and len(at) > 2)]
    assert len(texts) > 10
    for at in texts:
        path.write_text(json.dumps(put(protocol, at, WORDS[0])))
        attempt(path.parent, tmp_path / "out")
    for word in WORDS:  # everything at once, and what a kind of one's own would say of itself
        every = copy.deepcopy(protocol)
        for at in texts:
            if at[-1] not in ("name",):
                every = put(every, at, word)
        for extra in ({}, {"kind_described": {"part": word, "name": word}}, {"described": {"part": word}}):
            path.write_text(json.dumps({**every, **extra}))
            attempt(path.parent, tmp_path / "out")


def value_at(value: Any, at: tuple[Any, ...]) -> Any:
    for key in at:
        value = value[key]
    return value


def test_no_cell_of_a_manifest_is_imported(kept: Path, tmp_path: Path) -> None:
    path = kept / "b" / "scuba" / MANIFEST
    names, rows = read_table(path)
    for column in ("mask_source", "background", "class_name", "split", "source_file", "file"):
        found = [list(row) for row in rows]
        for row in found:
            row[names.index(column)] = WORDS[0]
        path.write_text(csv_text([names, *found]), newline="")
        attempt(path.parent, tmp_path / "out")


def test_no_field_of_a_checkpoint_is_imported(built: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "model.ckpt")
    content = torch.load(path, weights_only=True)
    hostile = [
        *({name: word} for name in ("model", "method", "dataset") for word in WORDS),
        *({"architecture": {"model_type": word, "auto_map": {"AutoModel": word}}} for word in WORDS),
        {"settings": {"model": WORDS[0], "method": WORDS[0], "masks": WORDS[0], "dataset": WORDS[0], "seed": 0}},
        {"classes": [*WORDS, *content["classes"][3:]]},
    ]
    for changes in hostile:
        torch.save({**content, **changes}, path)
        for iid in (False, True):
            options = EvalOptions(root=built / "ucf", device="cpu", progress=False, iid=iid)
            try:
                evaluate(path, [built / "b" / "scuba"], tmp_path / "results", options)
            except BenchError as error:
                assert "\n" not in str(error)
            assert MODULE not in sys.modules
