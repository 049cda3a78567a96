"""Stage `annotate`: ask the teacher about every photo once and keep each paid answer."""
