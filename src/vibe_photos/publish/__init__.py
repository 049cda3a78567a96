"""`vibe-photos publish`: labels in an app's PostgreSQL database."""
