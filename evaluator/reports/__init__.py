"""Leaderboards, charts, the report page."""
