"""From a photo's file to its pixels: decoded safely, upright, 8-bit sRGB."""

PIXELS_VERSION: int = 2
"""Increase it when `decode.decode_photo` or `decode.resize` gives different pixels for any photo.

It is part of the key of stored vectors, so these are computed again. Paid answers are not asked for again:
stage `annotate` logs how many answers belong to which version.
"""
