"""The built-in sources of slices, by name; imported on first use.

A new source is its own file and a line in `shipped` and in `about` here; `--help`, errors and tests read this table.
"""

from benchmark_builder.utils.registry import Registry

# Each is `read(request) -> list[Attribute]`, see evaluator/slices/table.py.
SLICES = Registry("source of slices", "--slices", "slices", {}, {})
