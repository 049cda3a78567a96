"""Stage `compose`."""

from composition import to_mapping, to_settings
from entrypoint import run_composed
from omegaconf import DictConfig, OmegaConf

from vibe_photos.configuration import RESOLVED, without_machine_local
from vibe_photos.storage.atomic import write_bytes


def compose_config(composed: DictConfig) -> None:
    """Write the checked configuration, without what is local to a machine, to data/config/resolved.yaml.

    DVC compares that file key by key: a stage reruns only when a key that it declares changed.
    """
    to_settings(composed)
    resolved = OmegaConf.to_yaml(OmegaConf.create(without_machine_local(to_mapping(composed)))).encode()
    if not RESOLVED.exists() or RESOLVED.read_bytes() != resolved:
        write_bytes(RESOLVED, resolved)


if __name__ == "__main__":
    run_composed(compose_config, compose_config.__doc__ or "")
