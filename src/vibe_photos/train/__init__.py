"""Stage `train`: fit one linear head."""
