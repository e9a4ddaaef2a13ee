"""Masks from trained networks."""
