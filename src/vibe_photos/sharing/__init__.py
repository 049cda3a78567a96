"""What leaves the machine when a project is shared: by git, and by DVC to its remote."""
