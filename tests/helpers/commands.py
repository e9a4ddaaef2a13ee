"""Runs the command line as a user does."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

SERVER = Path(__file__).with_name("warm_server.py")
cpu_seconds = dict[tuple[str, ...], float]()  # of each server and of all programs that it ran


@cache
def _server(imported: tuple[str, ...]) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, str(SERVER), *imported], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    atexit.register(_close, process)
    return process


def _close(process: "subprocess.Popen[str]") -> None:
    process.stdin.close()  # type: ignore[union-attr]
    process.wait(10)


def warm(
    *words: str, cwd: Path | None = None, env: dict[str, str] | None = None, imported: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """``python WORDS…``, as :func:`subprocess.run`, without the time that imports take: see :mod:`warm_server`.

    What is tested about imports needs a new interpreter: :func:`bench_anew`.

    Args:
        words: ``-m`` and a module, or ``""`` and a file; then their arguments.
        cwd: the current folder if it is another.
        env: the environment if it is another.
        imported: the modules that are imported before; none: those of the command line.
    """
    if sys.platform != "linux":  # elsewhere, libraries do not survive a fork
        command = [sys.executable, *filter(None, words)]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)
    with tempfile.NamedTemporaryFile("r+") as out, tempfile.NamedTemporaryFile("r+") as err:
        request = {"words": words, "cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ), "stdout": out.name,
                   "stderr": err.name}  # fmt: skip
        server = _server(imported)
        print(json.dumps(request), file=server.stdin, flush=True)
        answer = json.loads(server.stdout.readline())  # type: ignore[union-attr]
        cpu_seconds[imported] = answer["cpu"]
        return subprocess.CompletedProcess(words, answer["status"], out.read(), err.read())


def bench_in_two_processes(*words: str) -> subprocess.CompletedProcess[str]:
    """:func:`bench` with two processes of torch.distributed."""
    return warm("", str(Path(__file__).with_name("two_processes.py")), *words)


def bench_anew(*words: object) -> subprocess.CompletedProcess[str]:
    """:func:`bench` in a new interpreter, which has imported nothing."""
    command = [sys.executable, "-m", "albar_bench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def bench(*words: object, **where: object) -> subprocess.CompletedProcess[str]:
    return warm("-m", "albar_bench", *map(str, words), **where)  # type: ignore[arg-type]


def error_of(*words: object) -> str:
    """Run a command that must fail; check that there is no traceback, and return its last line on standard error."""
    done = bench(*words)
    assert done.returncode not in (0, 2), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: "), done.stderr
    return last
