"""What people said of photos, and with which probability each photo was drawn for review."""
