"""The records that stages exchange, their files, and the taxonomy of label keys."""
