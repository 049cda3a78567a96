"""The photos themselves: manifest, scan, decoding, near-duplicates."""
