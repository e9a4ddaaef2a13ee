"""`bench data backgrounds`: pictures of scenes, made by a text-to-image network, for ``--backgrounds images:FOLDER``.

OUT holds the pictures (``NAME-DIGEST-NUMBER.png``), ``generated.json`` (the network and all settings), ``pictures.csv``
(one row per picture: prompt and seed) and ``failures.csv``. A picture depends only on its prompt, its number and the
settings, so more prompts can be added later. A picture under its final name is complete, so a killed run can continue.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from benchmark_builder.backgrounds.pipeline import Painter, PipelineFolder, accepted, checked_folder, require_diffusers
from benchmark_builder.benchmark.manifest import versions
from benchmark_builder.settings import GenerateSettings
from benchmark_builder.utils import runner
from benchmark_builder.utils.device import pick_device
from benchmark_builder.utils.digests import known_digest
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, read_json, sha256_file, whole_file, write_csv, write_json
from benchmark_builder.utils.journal import Entry, Journal, from_tables
from benchmark_builder.utils.resume import FAILURE_COLUMNS, FAILURES, LEFT_OUT, LOG, occupied
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.runner import Report
from benchmark_builder.utils.text import read_lines, read_records
from manifests import resource

RECORD, TABLE, WORK = "generated.json", "pictures.csv", ".generate"
COLUMNS = ["id", "file", "prompt", "number", "seed", "sha256"]
FORMAT = 1
_FIX = "delete the folder and run the command again"


@dataclass(frozen=True)
class Wanted:
    """One picture to make.

    Attributes:
        prompt: what it shows, without the style.
        number: from 0.
        seed: of its noise.
    """

    prompt: str
    number: int
    seed: int

    @property
    def id(self) -> str:
        """Its name without suffix: words of the prompt, a digest of it, the number."""
        words = "-".join(re.findall(r"[a-z0-9]+", self.prompt.lower()))[:60].strip("-") or "scene"
        return f"{words}-{hashlib.sha256(self.prompt.encode()).hexdigest()[:6]}-{self.number}"

    @property
    def file(self) -> str:
        return f"{self.id}.png"


def scenes(path: Path | None) -> list[str]:
    """The prompts of a text file, one per line; None: those that ship.

    Raises:
        BenchError: the file is missing, empty, or has a prompt twice.
    """
    if path is None:
        return resource("scenes.txt").read_text(encoding="utf-8").splitlines()
    found: dict[str, int] = {}
    for number, line in read_lines(path, "list of prompts", "give a text file with one scene per line"):
        if line in found:
            raise BenchError(f"{path}, line {number}: is line {found[line]} again; keep one of them")
        if len(line) > 1000:
            raise BenchError(f"{path}, line {number}: has {len(line)} characters; give at most 1000")
        found[line] = number
    if not found:
        raise BenchError(f"{path}: has no prompts; give a text file with one scene per line")
    return list(found)


def wanted(prompts: Sequence[str], per_prompt: int, seed: int) -> list[Wanted]:
    """The pictures of all prompts, the first of each prompt before the second ones."""
    return [
        Wanted(prompt, n, int(generator(seed, prompt, f"generated/{n}").integers(2**63)))
        for n in range(per_prompt) for prompt in prompts
    ]  # fmt: skip


def generate(
    settings: GenerateSettings, say: Callable[[str], None] = lambda line: None, progress: bool = True
) -> Report:
    """Make pictures of scenes. A second run makes missing ones; other prompts are added.

    Args:
        settings: the network, the folder, prompts and all else.
        say: function that shows lines to the user.
        progress: show a progress bar.

    Raises:
        BenchError: diffusers is not installed, the network cannot be loaded, or the folder holds pictures of other
            settings.
    """
    require_diffusers()
    s = settings
    prompts = scenes(s.prompts)[: s.limit]
    found = checked_folder(s.model)
    device = pick_device(s.device)
    half = s.precision == "bf16" or (s.precision == "auto" and device.type == "cuda")
    dtype = "bfloat16" if half else "float32"
    known = accepted(found.pipeline)
    given: dict[str, Any] = {"height": s.size, "width": s.width or s.size, "num_inference_steps": s.steps}
    given |= {"guidance_scale": s.guidance} if s.guidance is not None else {}
    if s.negative and "negative_prompt" in known:
        given["negative_prompt"] = s.negative
    elif s.negative:
        say(f"{found.pipeline} takes no negative prompt; it is left out")
    for name in given.keys() - known:
        raise BenchError(f"{found.folder}: {found.pipeline} takes no {name}; choose another pipeline")
    model = s.model.rstrip("/").rpartition("/")[2].removeprefix("hf:")
    record = {
        "format": FORMAT, "model": model, "pipeline": found.pipeline, "model_sha256": found.sha256, "seed": s.seed,
        "style": s.style, "dtype": dtype, "device": device.type, "call": given,
    }  # fmt: skip
    items = wanted(prompts, s.per_prompt, s.seed)
    task = _Generate(s.out, PictureMaker(s.out, found, str(device), dtype, s.style, given), record)
    return runner.fill(task, items, 1, progress)


@dataclass(frozen=True)
class PictureMaker:
    """Makes pictures in ``out``; the network is loaded with the first one.

    Attributes:
        out: the folder.
        found: the network.
        device, dtype: names in torch.
        style: added to every prompt.
        given: the other arguments of the pipeline.
    """

    out: Path
    found: PipelineFolder
    device: str
    dtype: str
    style: str
    given: dict[str, Any]

    @cached_property
    def painter(self) -> Painter | BenchError:
        """The network, or why it cannot be loaded, so that this is not tried again for every picture."""
        try:
            return Painter(self.found, self.device, self.dtype)
        except BenchError as error:
            return error

    def make(self, item: Wanted) -> runner.Made:
        """Make a picture and return its row. Raises BenchError as :meth:`Painter.paint`."""
        painter = self.painter
        if isinstance(painter, BenchError):
            raise painter
        prompt = ", ".join(filter(None, (item.prompt, self.style)))
        picture = painter.paint(item.seed, prompt=prompt, **self.given)
        path = self.out / item.file
        with whole_file(path) as temporary:
            Image.fromarray(picture).save(temporary, format="PNG")
        row = {"id": item.id, "file": item.file, "prompt": item.prompt, "number": str(item.number),
               "seed": str(item.seed), "sha256": sha256_file(path)}  # fmt: skip
        return runner.Made([row])


class _Generate(runner.Filling[Wanted]):
    """The part of the runner for pictures: the record and the table."""

    lock, journal = f"{WORK}/lock", f"{WORK}/journal.jsonl"
    busy, title, unit = "another `bench data backgrounds` is running in this folder", "backgrounds", "picture"

    def __init__(self, out: Path, maker: PictureMaker, record: dict[str, Any]) -> None:
        self.out, self.maker, self._record = out, maker, json.loads(json.dumps(record))
        self._finished = False

    def claim(self) -> None:
        """Raise BenchError if the folder contains something else, or pictures of other settings."""
        path, fix = self.out / RECORD, "choose another --out or delete the folder"
        if not path.is_file():
            if others := occupied(self.out):
                raise BenchError(f"{self.out}: is not empty and holds no generated pictures ({others[0]}); {fix}")
            new = True
        else:
            old = read_json(path, "record of generated pictures", fix)
            if not isinstance(old, dict):
                raise BenchError(f"{path}: not a record of generated pictures; {fix}")
            # The digest names the network; the name of its folder may change.
            there, here = _flat(old), _flat(self._record)
            name = next((k for k in sorted(here) if k != "model" and there.get(k) != here[k]), None)
            if name is not None and self._has_pictures():
                changed = f"{name}: {_brief(there.get(name))}, now {_brief(here[name])}"
                raise BenchError(f"{self.out}: holds pictures of other settings ({changed}); {fix}")
            new = name is not None
        for name in (TABLE, FAILURES, LOG, LEFT_OUT, self.journal) if new else ():  # of a run that made no picture
            (self.out / name).unlink(missing_ok=True)

    def earlier(self) -> Iterator[Entry]:
        table = self.out / TABLE
        rows = read_records(table, COLUMNS, "table of generated pictures", _FIX) if table.is_file() else []
        made = {row["id"]: [self._checked(row)] for row in rows}
        if (self.out / FAILURES).is_file():
            yield from from_tables(self.out, made, _FIX)
        else:
            yield from (Entry(name, "made", own) for name, own in made.items())

    def check_row(self, row: object) -> None:
        self._checked(row)

    def _checked(self, row: Any) -> dict[str, str]:
        if not isinstance(row, dict) or row.keys() != set(COLUMNS) or not all(isinstance(v, str) for v in row.values()):
            raise BenchError(f"{self.out}: its list of pictures has a line that no run wrote; {_FIX}")
        inside(self.out, row["file"])
        return row

    def current(self, item: Wanted, rows: list[dict[str, Any]]) -> bool:
        return all(known_digest(self.out / row["file"]) == row["sha256"] for row in rows)

    def ready(self) -> None:
        write_json(self.out / RECORD, self._record | {"versions": _versions()})

    def finish(self, journal: Journal, items: Sequence[Wanted], made: int, changed: Sequence[str]) -> Report:
        rows = [row for row in journal.all_rows() if journal.is_there(row)]
        failures = journal.failures((), {row["id"] for row in rows})
        journal.write_reasons()
        write_csv(self.out / FAILURES, FAILURE_COLUMNS, failures)
        write_csv(self.out / TABLE, COLUMNS, sorted(rows, key=lambda row: row["id"]))
        self._finished = True
        kept = len({item.id for item in items} & {row["id"] for row in rows}) - made
        return Report(self.out, made, kept, failures, changed)

    def _has_pictures(self) -> bool:
        return any(not path.name.startswith(".") for path in self.out.glob("*.png"))

    def tidy(self) -> None:
        """If no picture was made, keep the list of failures, and nothing that would prevent another try."""
        out, there = self.out, self._has_pictures()
        if self._finished or not there or not (out / self.journal).is_file():
            shutil.rmtree(out / WORK, ignore_errors=True)
        if not there:
            for name in (TABLE, LEFT_OUT, RECORD):
                (out / name).unlink(missing_ok=True)
            if (out / FAILURES).is_file() and not read_records(out / FAILURES, FAILURE_COLUMNS, "list", _FIX):
                (out / FAILURES).unlink()


def _versions() -> dict[str, str]:
    import diffusers
    import torch
    import transformers

    more = {library.__name__: str(library.__version__) for library in (diffusers, torch, transformers)}
    return {**versions(), **more}


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """The settings in a record by name, with the arguments of the pipeline by their own names."""
    call = record.get("call")
    return {**record, **call, "call": sorted(call)} if isinstance(call, dict) else record


def _brief(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 80 else text[:77] + "..."
