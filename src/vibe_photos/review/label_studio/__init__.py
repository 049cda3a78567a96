"""The round trip to Label Studio: tasks and their labelling configuration out, its JSON export in."""
