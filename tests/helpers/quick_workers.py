"""Worker processes that are forked, in place of new ones that import everything again."""

import types
from multiprocessing import context
from multiprocessing.connection import Connection
from typing import Any

_opened: list[Connection] = []


class _Process(context.ForkProcess):
    """Closes the ends of pipes that a process which is started anew does not have: else it never sees them closed."""

    def run(self) -> None:
        for end in _opened:
            if end not in self._args and not end.closed:  # type: ignore[attr-defined]
                end.close()
        super().run()


class _Forks(context.ForkContext):
    Process = _Process  # type: ignore[assignment]

    def Pipe(self, duplex: bool = True) -> Any:
        ends = super().Pipe(duplex)
        _opened[:] = [end for end in (*_opened, *ends) if not end.closed]
        return ends


def forking() -> types.SimpleNamespace:
    """Takes the place of ``multiprocessing`` in the pool, in a process without threads."""
    return types.SimpleNamespace(get_context=lambda how: _Forks())
