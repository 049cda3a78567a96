"""Linear heads: fitting, calibration, and files."""
