"""Temporal action localization on features of a frozen network: heads, predictions of others, and the mean AP."""
