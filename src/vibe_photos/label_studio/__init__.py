"""The round trip to Label Studio."""
