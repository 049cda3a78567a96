"""Engines that provide vectors: this process, a Ray cluster, or an app's database that already has them."""
