"""`vibe-photos thresholds`: propose a decision threshold for each label."""
