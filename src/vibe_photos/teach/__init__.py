"""Stage `teach`: combine the teacher's labels with people's corrections, for training."""
