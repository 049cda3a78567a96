"""What does the work of embedding: this process, a Ray cluster, or a database that has the vectors."""
