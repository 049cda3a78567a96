"""What is worth auditing next, and how far the audit is."""
