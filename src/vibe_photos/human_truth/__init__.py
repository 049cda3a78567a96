"""People's labels, and the probability with which each photo was drawn for review."""
