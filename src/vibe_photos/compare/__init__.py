"""`vibe-photos compare`: is one version of the labels better than another?"""
