"""Clips: how they are sampled from videos and cut."""
