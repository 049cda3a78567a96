"""The command `python -m vibe_photos.eval.labels`."""
