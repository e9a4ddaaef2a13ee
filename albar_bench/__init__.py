"""Does my video model see the motion, or does it cheat? The public API and, in ``cli``, the command line."""
