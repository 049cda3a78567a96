"""Stage `embed`: turn every photo into a vector and a perceptual hash."""
