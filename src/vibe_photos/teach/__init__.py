"""Stage `teach`: lay what people taught over the teacher's labels, as what the heads learn."""
