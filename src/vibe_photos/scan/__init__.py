"""Stage `scan`: find every photo of the library and list it in `photos.jsonl`."""
