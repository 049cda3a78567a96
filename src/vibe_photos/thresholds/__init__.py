"""Propose decision thresholds (`vibe-photos thresholds`) and temperatures (`vibe-photos calibrate`)."""
