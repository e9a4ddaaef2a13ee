"""`bench downstream …`: tasks on features of a frozen network."""
