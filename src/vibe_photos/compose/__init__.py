"""Stage `compose`: check the configuration and write what changes results to `data/config/resolved.yaml`."""
