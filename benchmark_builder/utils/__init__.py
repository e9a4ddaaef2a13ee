"""Small tools that every part uses: errors, files, folders, texts, random draws, processes."""
