"""Training data: clips, actors, scenes, still images."""
