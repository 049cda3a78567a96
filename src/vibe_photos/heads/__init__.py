"""Linear heads: fit, calibrate, save, load, score and decide."""
