"""Files that survive a crash: atomic outs, JSON Lines, append-only logs, SQLite."""
