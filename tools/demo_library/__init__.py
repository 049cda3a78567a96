"""A small photo library that is drawn: pictures, their full truth, and a simulated teacher's answers."""
