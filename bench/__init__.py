"""The roof: the Typer command line. Thin: it turns options into calls of the floors below, and errors into one line."""
