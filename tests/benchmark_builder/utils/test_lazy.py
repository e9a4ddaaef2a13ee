"""Imports that are fast."""

import gc

import pytest

from benchmark_builder.utils.lazy import many_imports


def test_garbage_is_looked_for_again_after_many_imports() -> None:
    frozen = gc.get_freeze_count()
    try:
        with pytest.raises(ImportError), many_imports(), many_imports():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() and gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
