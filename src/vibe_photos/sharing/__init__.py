"""`vibe-photos share`: see what `git push` and `dvc push` would upload, then upload it."""
