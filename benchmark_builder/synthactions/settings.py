"""What a render of synthactions is decided by."""

from benchmark_builder.settings import SynthSettings as SynthSettings

# The split's name, and the list file that names its videos.
SPLITS = {"train": "trainlist01.txt", "test": "testlist01.txt", "test_unbiased": "testlist01_unbiased.txt"}
