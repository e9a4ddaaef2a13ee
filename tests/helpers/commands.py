"""Runs the command line as a user does."""

import subprocess
import sys


def bench(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "albar_bench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def error_of(*words: object) -> str:
    """Run a command that must fail; check that there is no traceback, and return its last line on standard error."""
    done = bench(*words)
    assert done.returncode not in (0, 2), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: "), done.stderr
    return last
