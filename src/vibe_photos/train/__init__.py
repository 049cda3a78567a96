"""Stage `train`: fit one linear head on the automatic ground truth."""
