"""How videos are stored on disk."""
