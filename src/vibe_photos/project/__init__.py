"""A user's own project: `vibe-photos new` creates it, `vibe-photos update` merges a newer version into it."""
