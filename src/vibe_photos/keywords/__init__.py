"""`vibe-photos export-xmp`: labels as keywords in XMP sidecar files."""
