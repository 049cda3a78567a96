"""Stage `agreement`: measure the teacher against the human ground truth."""
