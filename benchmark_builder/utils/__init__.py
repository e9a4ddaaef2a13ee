"""Small tools for all parts: errors, files, folders, texts, random draws, processes."""
