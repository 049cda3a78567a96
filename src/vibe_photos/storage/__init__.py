"""Files and databases: atomic writes, append-only logs, JSON Lines, SQLite, PostgreSQL."""
