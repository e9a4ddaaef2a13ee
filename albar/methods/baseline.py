"""``baseline``: only cross-entropy. The row "None" in the tables of the papers."""

from albar.methods.base import Method


class Baseline(Method):
    """``CE(f(x), y)``."""
