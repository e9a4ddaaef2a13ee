"""``baseline``: plain cross-entropy, nothing else. The row "None" of the papers' tables."""

from albar.methods.base import Method


class Baseline(Method):
    """``CE(f(x), y)``."""
