"""Trying encoders on a part of the library before all of it is embedded (`vibe-photos try-encoders`)."""
