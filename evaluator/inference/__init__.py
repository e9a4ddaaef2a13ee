"""Running a model over test videos."""
