"""The trainer, its settings, and the files of a run."""
