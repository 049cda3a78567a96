"""What is said about photos: words, keys, records, mapping, sampling, splits."""
