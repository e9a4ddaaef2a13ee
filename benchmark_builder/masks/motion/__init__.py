"""Masks from motion alone, without files or weights."""
