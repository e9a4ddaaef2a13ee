"""The words of the command line of this process. Every command begins here, so nothing slow is imported."""

import shlex

_said: list[str] = []  # the words after `bench` of this process


def begin(words: list[str]) -> None:
    """Say which command this process runs: the words after ``bench``; empty: none."""
    _said[:] = words


def current(without: tuple[str, ...] = ()) -> str:
    """The command of this process, quoted for a shell; "" if it was not called from the command line.

    ``without``: options with a value that are left out, such as ``--out``.
    """
    words, skip = list[str](), False
    for said in _said:
        if skip:
            skip = False
        elif said in without:
            skip = True
        elif not said.startswith(tuple(f"{option}=" for option in without)):
            words.append(said)
    return shlex.join(["bench", *words]) if words else ""
