"""A teacher that is simulated: recorded answers served over HTTP, with the faults of real servers."""
