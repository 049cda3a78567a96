"""Labels and embeddings in an app's own database."""
