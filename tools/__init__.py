"""Programs of the repository's own: they make its demo library and help to check it."""
