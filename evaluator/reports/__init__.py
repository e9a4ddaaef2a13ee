"""Leaderboards, charts and the report page."""
