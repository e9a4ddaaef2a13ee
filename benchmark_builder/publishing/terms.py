"""Sizes and licences that settings of `bench publish` take."""

import re
from collections.abc import Mapping

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
          "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}  # fmt: skip
_LEAST = 10**4

# The Hub writes licences in lower case, CITATION.cff as SPDX does.
SPDX: Mapping[str, str] = {
    "mit": "MIT", "apache-2.0": "Apache-2.0", "cc0-1.0": "CC0-1.0", "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0", "cc-by-nc-4.0": "CC-BY-NC-4.0", "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0",
}  # fmt: skip
HUB_LICENCES = (*SPDX, "other", "unknown")


def size_in_bytes(text: str) -> int:
    """A size such as ``2GB`` (10^9), ``500MB``, ``1.5GiB`` (2^30) or ``1000000`` in bytes.

    Raises:
        ValueError: it is no size, or less than 10 KB.
    """
    found = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([a-zA-Z]{0,3})\s*", text)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None or float(found[1]) * unit < _LEAST:
        raise ValueError(text)
    return int(float(found[1]) * unit)
