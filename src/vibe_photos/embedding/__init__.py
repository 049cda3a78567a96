"""Photos to unit-norm vectors: encoders, their store and the embed loop."""
