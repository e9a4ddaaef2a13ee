"""Predictions on disk, ours and others'."""
