"""Stage `classify`: turn probabilities into labels by thresholds and rules."""
