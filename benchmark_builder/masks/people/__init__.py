"""Masks of people: motion says who acts, two small networks say where that person's outline is."""
