"""Second floor: per-video predictions, metrics recomputed from them, results records, leaderboard, report."""
