"""Masks and boxes that are part of datasets."""
