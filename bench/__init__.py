"""The old name of the command line's package: `python -m bench`. It is `albar_bench` now."""
