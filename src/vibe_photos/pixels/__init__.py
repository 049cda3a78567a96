"""From a photo's file to its pixels: decoded safely, upright, 8-bit sRGB."""
