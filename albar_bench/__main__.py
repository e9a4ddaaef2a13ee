"""`bench` and `python -m albar_bench`."""

import io
import os
import signal
import sys
from pathlib import Path
from types import FrameType


def main() -> None:
    """Run the command line.

    Exit status: 0 done; 1 an error, reported in one line; 2 wrong usage; 130 interrupted (Ctrl-C); 143 terminated.
    """
    # CPU threads of a network wait without spinning: if another process needs the core, a step is three times as fast,
    # otherwise equally fast. The variable is read once, when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # `python -m` puts the current folder first, where a user's evaluator.py would replace a package of this toolkit.
    # If the user names their own part, the registry searches this folder last.
    here = Path.cwd()
    if here != Path(__file__).resolve().parent.parent:
        sys.path[:] = [p for p in sys.path if p and Path(p).absolute() != here]
    # pydantic looks for plugins in every installed package, which takes as long as importing numpy.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from benchmark_builder.utils.lazy import many_imports

    with many_imports():
        from albar_bench.cli.app import Interrupted, app
        from benchmark_builder.utils import argv
        from benchmark_builder.utils.errors import BenchError, system_error

    argv.begin(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):  # do not stop because the terminal cannot show a name
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminate)
    os.environ.setdefault("BENCH_APART", "1")  # a crash affects only one video, also with one worker
    try:
        app(prog_name="bench")
    except BenchError as error:
        fail(str(error))
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        fail(str(system_error(error)))
    except (KeyboardInterrupt, Interrupted):
        for number in (signal.SIGINT, signal.SIGTERM):  # print the message only once
            signal.signal(number, signal.SIG_IGN)
        print("interrupted; run the same command again to continue", file=sys.stderr)
        raise SystemExit(128 + _received) from None


_received = int(signal.SIGINT)
_process = os.getpid()


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C: incomplete files are deleted, workers are stopped."""
    global _received
    if os.getpid() != _process:  # a fork of this process does not print
        os._exit(128 + number)
    _received = number
    raise KeyboardInterrupt


def fail(message: str) -> None:
    """Print one line on standard error and exit with status 1."""
    from benchmark_builder.utils.text import shown

    print(f"error: {shown(' '.join(message.split()))}", file=sys.stderr)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
