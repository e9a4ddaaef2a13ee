"""`bench predict`: what a model says of single videos, and of the same videos changed."""
