"""Stage `score`: give every photo a probability for every label."""
