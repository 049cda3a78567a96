"""Figures, intervals and tests on plain arrays."""
