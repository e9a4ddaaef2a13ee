"""What of an installation works: libraries, GPU, ffmpeg, weights, disk space, datasets (`bench doctor`).

Nothing is imported here that can be broken: libraries are imported in another process, so that not even a crash of one
ends the check of the others.
"""

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.extras import LIBRARIES, Library
from benchmark_builder.version import __version__

OK, MISSING, PROBLEM = "ok", "missing", "problem"
LITTLE, NONE = 10e9, 0.5e9  # bytes on a disk below which the check warns, and fails
PATIENCE = 300  # seconds in which libraries must have been imported
OLDEST = (3, 11)  # Python

# What the other process runs: a line of JSON for each library after it is imported, with what else torch knows.
_PROBE = """
import importlib, json, os, sys
out = os.dup(1)
os.dup2(2, 1)  # what a library prints is not mixed with the answers
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
        said = {"version": str(getattr(module, "__version__", ""))}
        if name == "torch":
            count = module.cuda.device_count() if module.cuda.is_available() else 0
            gpus = [module.cuda.get_device_properties(i) for i in range(count)]
            said["gpus"] = [[g.name, g.total_memory] for g in gpus]
            said["cuda"] = module.version.cuda
            said["mps"] = bool(module.backends.mps.is_available())
    except BaseException as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    os.write(out, (json.dumps([name, said]) + chr(10)).encode())
"""


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        group, name: what was checked.
        state: ``ok``; ``missing``: something that not everybody needs; ``problem``: something needed is missing or
            broken.
        found: what there is, in one line.
        fix: how to get or repair it; "" if there is nothing to do.
    """

    group: str
    name: str
    state: str
    found: str
    fix: str = ""


def checks() -> Iterator[Check]:
    """Every check, one after another. A check that fails in an unexpected way is a problem itself."""
    for group, run in _GROUPS.items():
        try:
            yield from run()
        except Exception as error:  # the others still run
            yield Check(group, "the check itself", PROBLEM, f"{type(error).__name__}: {error}", "report this")


def _software() -> Iterator[Check]:
    new = sys.version_info[:2] >= OLDEST
    oldest = ".".join(map(str, OLDEST))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Check("software", "albar-bench", OK, f"{__version__}, in {Path(__file__).parent.parent}")
    yield Check("software", "Python", OK if new else PROBLEM, f"{platform.python_version()} ({sys.executable})",
                "" if new else f"install Python {oldest} or newer")  # fmt: skip
    yield Check("software", "system", OK, f"{platform.platform()}, {cores} cores")


def _libraries() -> Iterator[Check]:
    there = [library for library in LIBRARIES.values() if importlib.util.find_spec(library.module) is not None]
    answers = imported([library.module for library in there])
    for library in LIBRARIES.values():
        if library not in there:
            state = MISSING if library.extra else PROBLEM
            yield Check("libraries", library.package, state, f"not installed; needed by {library.use}", library.install)
            continue
        answer = answers[library.module]
        if "error" in answer:
            again = f"pip install --force-reinstall {library.package}"
            found = f"cannot be imported ({_line(answer['error'])}); needed by {library.use}"
            yield Check("libraries", library.package, PROBLEM, found, again)
        else:
            yield Check("libraries", library.package, OK, _version(library) or answer["version"] or "installed")
    if "torch" in answers and "error" not in answers["torch"]:
        yield _gpu(answers["torch"])


def imported(names: Sequence[str], run: Sequence[str] = (sys.executable, "-P", "-c", _PROBE)) -> dict[str, Any]:
    """What each library says when it is imported in another process: a dict with ``version`` or ``error``.

    If one ends the process, it is to blame, and the rest is imported in a new one.
    """
    found: dict[str, Any] = {}
    while left := [name for name in names if name not in found]:
        try:
            done = subprocess.run([*run, *left], capture_output=True, text=True, errors="replace", timeout=PATIENCE)
            said, reason = done.stdout, f"Python ends (status {done.returncode}) while it is imported"
        except subprocess.TimeoutExpired as error:
            said = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
            reason = f"not imported within {PATIENCE} seconds"
        found |= {name: answer for name, answer in map(json.loads, said.splitlines())}
        if guilty := next((name for name in left if name not in found), None):
            found[guilty] = {"error": reason}
    return found


def _gpu(torch: dict[str, Any]) -> Check:
    if torch["gpus"]:
        said = ", ".join(f"{name} ({memory / 2**30:.0f} GB)" for name, memory in torch["gpus"])
        return Check("libraries", "GPU", OK, f"{said}; torch for CUDA {torch['cuda']}")
    if torch["mps"]:
        return Check("libraries", "GPU", OK, "Apple's, by --device mps")
    if shutil.which("nvidia-smi"):
        fix = "update the driver" if torch["cuda"] else "install torch for CUDA (pytorch.org says how)"
        return Check("libraries", "GPU", MISSING, "there is an NVIDIA driver, but torch does not see a GPU", fix)
    return Check("libraries", "GPU", MISSING, "none; networks run on the CPU")


def _ffmpeg() -> Iterator[Check]:
    from benchmark_builder.video.binary import ffmpeg_binary, ffmpeg_version

    fix = "pip install --force-reinstall imageio-ffmpeg, or set BENCH_FFMPEG to an ffmpeg with libx264 and ffv1"
    try:
        binary, version = ffmpeg_binary(), ffmpeg_version()
        known = subprocess.run([binary, "-hide_banner", "-encoders"], capture_output=True, text=True, errors="replace")
    except (BenchError, OSError) as error:
        yield Check("ffmpeg", "ffmpeg", PROBLEM, _line(error), fix)
        return
    lacking = [codec for codec in ("libx264", "ffv1") if f" {codec} " not in known.stdout]
    if lacking:
        yield Check("ffmpeg", "ffmpeg", PROBLEM, f"{version} ({binary}) has no encoder {', '.join(lacking)}", fix)
    else:
        yield Check("ffmpeg", "ffmpeg", OK, f"{version} ({binary})")


def _weights() -> Iterator[Check]:
    from benchmark_builder.pretrained.store import size_text, state
    from benchmark_builder.pretrained.table import NETWORKS

    for network in NETWORKS.values():
        try:
            there, path = state(network)
        except BenchError as error:
            yield Check("weights", "BENCH_WEIGHTS", PROBLEM, _line(error), "correct or unset it")
            return
        fetch = f"bench weights fetch {network.name}"
        if there == "yes":
            yield Check("weights", network.name, OK, str(path))
        elif there == "damaged":
            yield Check("weights", network.name, PROBLEM, f"{path} is damaged, or another file", f"delete it, {fetch}")
        else:
            when = "fetched when it is first needed, or by: " if network.unasked else ""
            found = f"not there ({size_text(network.size)}); {network.use}"
            yield Check("weights", network.name, MISSING, found, when + fetch)


def _disk() -> Iterator[Check]:
    from benchmark_builder.datasets import data_root
    from benchmark_builder.utils.digests import cache_folder

    places = {
        "datasets, benchmarks": data_root(),
        "runs, results": Path.cwd(),
        "weights, cache": cache_folder(),
        "temporary files": Path(tempfile.gettempdir()),
    }
    for name, place in places.items():
        there = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
        free = shutil.disk_usage(there).free
        found = f"{free / 1e9:.1f} GB free for {place}"
        if not os.access(there, os.W_OK):
            yield Check("disk", name, PROBLEM, f"{there} cannot be written to", "choose another folder, or change its "
                        "permissions")  # fmt: skip
        elif free < LITTLE:
            yield Check("disk", name, PROBLEM if free < NONE else MISSING, found, "delete what is not needed")
        else:
            yield Check("disk", name, OK, found)


def _datasets() -> Iterator[Check]:
    from benchmark_builder.datasets import data_root, dataset_root
    from benchmark_builder.parts import DATASETS

    root = data_root()
    if not root.is_dir():
        said = f"{root}: no such folder, so no datasets are found"
        fix = "set BENCH_DATA to the folder of your datasets, or give --root to every command"
        yield Check("datasets", "BENCH_DATA", MISSING, said, fix)
        return
    absent = []
    for name in (name for name in DATASETS.names() if name != "folder"):
        folder = dataset_root(name)
        if folder.is_dir() and any(folder.iterdir()):
            yield Check("datasets", name, OK, str(folder), f"complete? bench data inspect --dataset {name}")
        else:
            absent.append(name)
    if absent:
        yield Check("datasets", "others", MISSING, f"not in {root}: {', '.join(absent)}",
                    "docs/datasets.md says where to get them; bench demo needs none")  # fmt: skip
    built = sorted(p.parent.name for p in (root / "benchmarks").glob("*/manifest.csv"))
    if built:
        yield Check("datasets", "benchmarks", OK, ", ".join(built))


_GROUPS: dict[str, Callable[[], Iterator[Check]]] = {
    "software": _software,
    "libraries": _libraries,
    "ffmpeg": _ffmpeg,
    "weights": _weights,
    "disk": _disk,
    "datasets": _datasets,
}


def _version(library: Library) -> str:
    try:
        return importlib.metadata.version(library.package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _line(error: object) -> str:
    """An error on one line of at most 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:199]}…"
