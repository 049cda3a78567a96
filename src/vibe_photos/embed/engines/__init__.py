"""Who computes the vectors: this process, a Ray cluster, or an app's database that has them already."""
