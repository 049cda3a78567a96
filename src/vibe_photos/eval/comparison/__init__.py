"""Is B better than A: paired differences, flips, and labels of git revisions."""
