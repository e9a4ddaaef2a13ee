"""Downstream tasks on features of a frozen network: anomaly detection, temporal action localisation, and their results.

Nothing heavy is imported here.
"""

import importlib
from typing import Any

from benchmark_builder.utils.errors import BenchError

_PACKAGES = {"sklearn": "scikit-learn"}  # module -> the package that installs it, if its name differs


def need(module: str) -> Any:
    """A module of the extra ``downstream``, imported.

    Raises:
        BenchError: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or module).partition(".")[0]
        name = _PACKAGES.get(package, package)
        raise BenchError(f"{name} is not installed; install it with `pip install 'albar-bench[downstream]'`") from None
