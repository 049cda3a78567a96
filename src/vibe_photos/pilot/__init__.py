"""Teachers side by side: their quality on photos that people checked, and what they cost."""
