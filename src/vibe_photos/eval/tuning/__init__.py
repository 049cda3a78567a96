"""Thresholds: swept on one half of what people audited, proposed, written, and what they are worth."""
