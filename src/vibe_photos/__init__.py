"""A teacher labels a photo library once; small models learn from it and are measured against human truth."""
