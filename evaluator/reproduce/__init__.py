"""`bench reproduce`: the commands that lead to a row of a leaderboard, and whether they give the same again."""
