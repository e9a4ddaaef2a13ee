"""Runs Python programs, each in a fork of this process, which has imported what they import; for :mod:`commands`.

It imports the modules that its command line names; without any, those of :data:`IMPORTED`. It reads a line of JSON per
program and answers with one: the program's exit status, and the CPU seconds of all programs and of this process so far.
Each program is a process with modules, folder, environment and output of its own, as if it was started anew, but
without 2 to 5 CPU seconds of imports.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

from quick_workers import forking

import albar_bench.cli
from benchmark_builder.utils import pool

IMPORTED = (
    *(f"albar_bench.cli.{module.name}" for module in pkgutil.iter_modules(albar_bench.cli.__path__)),
    "albar.training.trainer",
    "benchmark_builder.builders",
    "evaluator.compare_methods",
    "evaluator.evaluate",
    "evaluator.reports.report",
    "imageio_ffmpeg",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "scipy.stats",
    "torch.utils.tensorboard",
    "torchvision",
)
TIMEOUT = 300  # seconds


def run(request: dict[str, Any]) -> None:
    """Make this process what a new interpreter would be, and run the program."""
    signal.alarm(TIMEOUT)
    for number, name in enumerate((os.devnull, request["stdout"], request["stderr"])):
        handle = os.open(name, os.O_RDWR)
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    how, program, *words = request["words"]
    sys.argv = [program, *words]
    first = str(Path.cwd() if how == "-m" else Path(program).parent)
    sys.path[:1] = [first, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    pool.multiprocessing = forking()  # type: ignore[assignment]
    if how == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(program, run_name="__main__")


def end(request: dict[str, Any]) -> NoReturn:
    """Run the program, and end without the 0.4 CPU seconds in which an interpreter frees all modules."""
    status: object = 0
    try:
        run(request)
    except SystemExit as error:
        status = error.code or 0
        if not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are not daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status & 0xFF)


def serve() -> None:
    """Answer requests until the client closes its end."""
    answers = os.fdopen(os.dup(1), "w")
    for name in sys.argv[1:] or IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # the garbage collector of a fork would write to these objects, which copies their memory
    for line in sys.stdin.buffer:
        if os.fork() == 0:
            answers.close()
            end(json.loads(line))
        status = os.waitstatus_to_exitcode(os.wait()[1])
        print(json.dumps({"status": status, "cpu": sum(os.times()[:4])}), file=answers, flush=True)


if __name__ == "__main__":
    serve()
