"""Stage `sample`: draw the photos that a person is asked to check."""
