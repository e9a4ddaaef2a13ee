"""A built benchmark on disk: manifest, runner, export, import, merge, preview, statistics."""
