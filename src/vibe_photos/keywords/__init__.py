"""Labels as keywords where people look at photos."""
