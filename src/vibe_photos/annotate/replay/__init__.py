"""A simulated teacher: recorded answers served over HTTP, for the demo and for rehearsals."""
