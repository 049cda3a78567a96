"""A project of one's own: `vibe-photos new` makes it, `vibe-photos update` takes a newer version into it."""
