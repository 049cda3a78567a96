"""The class that an app imports to label photos with the heads and thresholds of a `dvc repro`.

```python
from vibe_photos.classifier import Classifier
classifier = Classifier("models")
print(classifier.label("holiday.jpg").scene)
```
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from vibe_photos.classify.stage import decide_labels
from vibe_photos.configuration import RESOLVED
from vibe_photos.embed.local import size_to_decode
from vibe_photos.errors import ConfigurationError, DecodeError, InputError
from vibe_photos.heads.linear import head_path, load_head
from vibe_photos.pixels.decode import decode_photo
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.records.taxonomy_check import check_names
from vibe_photos.score.stage import score_vectors
from vibe_photos.score.zero_shot import PromptSet, find_prompts
from vibe_photos.settings import Classify, Embed, Embedder, Taxonomy
from vibe_photos.storage.local_store import find_store

if TYPE_CHECKING:
    from vibe_photos.encoders.encoder import Encoder


class PhotoLabels(msgspec.Struct, frozen=True, kw_only=True):
    """The labels of one photo.

    `scene` is a label key, None if no scene can be judged. `attributes` has only judged attributes. `objects`
    are the objects in the photo with their ancestors, sorted. `scores` has the score of every judged label.
    """

    scene: str | None
    attributes: dict[str, bool]
    objects: list[str]
    scores: dict[str, float]


class Classifier:
    """Labels photos as `labels.sqlite` does: same heads, same encoder, same thresholds and rules."""

    def __init__(self, models: str | Path, config: str | Path | None = None, *, device: str = "auto") -> None:
        """Read the heads and the configuration; the encoder is loaded with the first photo.

        Args:
            models: the folder with the heads; labels of one that is not there are left to text prompts.
            config: `resolved.yaml`, which names the encoder, the label tree and the thresholds. Default: the
                one in `models`, else in `data/config` next to `models`. To ship a classifier, put the heads
                and this file into one folder.
            device: where the encoder runs: `auto`, `cpu`, `cuda`.

        Raises:
            HeadError: there is no head, or one is damaged or unsafe to load.
            InputError: there is no `resolved.yaml`.
            ConfigurationError: a key of it is wrong.
        """
        folder = Path(models)
        present = [level for level in HEADS if head_path(folder, level).exists()]
        # Without any, the error names the first.
        self._heads = [load_head(head_path(folder, level), level) for level in present or HEADS]
        self._config = _read_config(_find_config(folder) if config is None else Path(config), device)
        check_names(self._config.taxonomy, self._config.classify)

    def label(self, photo: str | Path) -> PhotoLabels:
        """Return the labels of one photo file.

        Raises:
            DecodeError: the photo cannot be read; `reason` says why in one word.
            EncoderError: the encoder cannot be loaded; the message says how to get it.
            HeadError: the heads were made for another encoder.
        """
        encoder = self._encoder
        # Decode at the size that stage `embed` uses; at another size the pixels would differ.
        image = decode_photo(
            Path(photo), max_pixels=self._config.embed.max_pixels, needed_size=size_to_decode(encoder)
        )
        vectors = encoder.encode(encoder.preprocess(image)[np.newaxis])
        if not np.isfinite(vectors).all():
            raise DecodeError("no_direction", f"{photo}: {encoder.model} has no finite vector for this photo")
        scores = score_vectors([str(photo)], vectors, encoder.model, self._heads, self._prompts)
        return _describe(decide_labels(scores, self._config.taxonomy, self._config.classify))

    @cached_property
    def _encoder(self) -> "Encoder":
        from vibe_photos.encoders.encoder import load_encoder

        return load_encoder(self._config.embedder, self._config.embed)

    @cached_property
    def _prompts(self) -> PromptSet | None:
        config = self._config
        return find_prompts(config.taxonomy, self._encoder.model, config.embedder, config.embed, find_store())


class _Config(msgspec.Struct, frozen=True):
    """The sections of `resolved.yaml` that decide a label."""

    taxonomy: Taxonomy
    classify: Classify
    embedder: Embedder
    embed: Embed


def _find_config(models: Path) -> Path:
    places = (models / RESOLVED.name, models.parent / RESOLVED)
    for place in places:
        if place.is_file():
            return place
    raise InputError(
        f"neither {places[0]} nor {places[1]} exists; one of them must name the encoder and the thresholds: "
        "run `dvc repro`, or put resolved.yaml next to the heads"
    )


def _read_config(path: Path, device: str) -> _Config:
    try:
        found = msgspec.yaml.decode(path.read_bytes(), type=dict[str, object])
        # The key `encoder` is a name, not a section.
        values = {name: section for name, section in found.items() if isinstance(section, dict)}
        # Machine-local keys are not in the file; one photo at a time needs no batches and no threads.
        values["embed"] = {**values.get("embed", {}), "batch_size": 1, "workers": 1, "device": device}
        return msgspec.convert(values, _Config)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; `dvc repro compose` writes it") from None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path}: {error}; `dvc repro compose` writes it again") from None


def _describe(table: LabelTable) -> PhotoLabels:
    """Return the labels of the one photo in `table`."""
    value = dict(zip(table.keys, table.value[0].tolist(), strict=True))
    present = [key for key, is_present in value.items() if is_present]
    return PhotoLabels(
        scene=next((key for key in present if table.level[key] == "scene"), None),
        attributes={key: bool(value[key]) for key in table.keys if table.level[key] == "attribute"},
        objects=[key for key in present if table.level[key] == "object"],
        scores=dict(zip(table.keys, table.score[0].tolist(), strict=True)),
    )
