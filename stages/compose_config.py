"""Stage `compose`."""

from typing import Any

from composition import to_mapping, to_settings
from entrypoint import run_composed
from omegaconf import DictConfig, OmegaConf

from vibe_photos.configuration import ENCODER, RESOLVED, without_machine_local
from vibe_photos.embedding.encoders.encoder import name_encoder
from vibe_photos.errors import EncoderError
from vibe_photos.settings import Settings
from vibe_photos.storage.atomic import write_bytes


def compose_config(composed: DictConfig) -> None:
    """Write the checked configuration, without what is local to a machine, to data/config/resolved.yaml.

    DVC compares that file key by key: a stage reruns only when a key that it declares changed. The key
    `encoder` stands for the encoder's weights; they may lie anywhere, so this stage always runs.
    """
    resolved = without_machine_local(to_mapping(composed))
    resolved[ENCODER] = _name_encoder(to_settings(composed), resolved)
    text = OmegaConf.to_yaml(OmegaConf.create(resolved)).encode()
    if not RESOLVED.exists() or RESOLVED.read_bytes() != text:
        write_bytes(RESOLVED, text)


def _name_encoder(settings: Settings, resolved: dict[str, Any]) -> str | None:
    """Return the encoder's name; where its weights are not at hand, the name that they had the last time."""
    try:
        return name_encoder(settings.embedder, settings.embed)
    except EncoderError:
        before: Any = OmegaConf.to_container(OmegaConf.load(RESOLVED)) if RESOLVED.exists() else {}
        is_same = all(before.get(section) == resolved[section] for section in ("embedder", "embed"))
        return before.get(ENCODER) if is_same else None


if __name__ == "__main__":
    run_composed(compose_config, compose_config.__doc__ or "")
