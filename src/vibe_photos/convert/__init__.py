"""Stage `convert`: map the teacher's words to label keys."""
