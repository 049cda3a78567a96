"""How audited photos were drawn: the sample, the rounds, and how likely each photo was to be audited."""
