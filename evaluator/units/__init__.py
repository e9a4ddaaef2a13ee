"""Which units of a network's pooled features depend on the background, on the actor, on both or on neither."""
