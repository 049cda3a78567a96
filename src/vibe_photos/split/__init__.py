"""Stage `split`: decide which photos may train, which are held out, and which are reserved for people."""
