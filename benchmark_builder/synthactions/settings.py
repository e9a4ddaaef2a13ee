"""The settings of a synthactions render."""

from benchmark_builder.settings import SynthSettings as SynthSettings

# The name of the split, and its list file.
SPLITS = {"train": "trainlist01.txt", "test": "testlist01.txt", "test_unbiased": "testlist01_unbiased.txt"}
