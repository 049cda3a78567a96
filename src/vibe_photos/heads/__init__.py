"""Linear heads: their optimum, calibration, and files."""
