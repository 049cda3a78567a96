"""Stage `compose`."""

from composition import to_mapping, to_settings
from entrypoint import run_composed
from omegaconf import DictConfig

from vibe_photos.compose.stage import write_resolved


def compose_config(composed: DictConfig) -> None:
    """Check the configuration and write what changes results to data/config/resolved.yaml."""
    mapping = to_mapping(composed)
    write_resolved(mapping, to_settings(mapping))


if __name__ == "__main__":
    run_composed(compose_config, compose_config.__doc__ or "")
