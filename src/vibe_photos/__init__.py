"""A teacher labels a photo library once; small models learn from it and are held against human truth."""
