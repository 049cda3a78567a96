"""Stage `evaluate`: measure the labels against ground truth."""
