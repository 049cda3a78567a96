"""`vibe-photos export`: write and check a folder to ship with an app, from the last `dvc repro`."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from vibe_photos.classify.stage import decide_labels
from vibe_photos.embed.local import size_to_decode
from vibe_photos.encoders.encoder import Encoder, load_encoder
from vibe_photos.errors import DecodeError, InputError
from vibe_photos.export.graphs import (
    Preprocessing,
    build_graph,
    export_encoder,
    fold_calibration,
    fold_levels,
    measure_encoder,
    measure_heads,
    temper_levels,
)
from vibe_photos.export.model_card import Contents, describe_decision, describe_labels, describe_model, render
from vibe_photos.heads.calibration import Calibration
from vibe_photos.heads.linear import LinearHead, head_path, load_head, save_head
from vibe_photos.heads.rounding import DECIMALS
from vibe_photos.pixels.decode import decode_photo
from vibe_photos.records.photos import photo_path, read_manifest
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.records.taxonomy_check import check_names
from vibe_photos.score.stage import score_vectors
from vibe_photos.score.zero_shot import find_prompts
from vibe_photos.settings import Settings, Temperatures
from vibe_photos.storage.files import format_json, replace_folder
from vibe_photos.storage.local_store import find_store
from vibe_photos.storage.vectors import Embeddings, read_embeddings

_FILES = {
    *("MODEL_CARD.md", "decision.json", "encoder.onnx", "example.py", "heads.onnx", "labels.json"),
    *("preprocessing.json", "__pycache__"),
}
"""The files of an export (and Python's cache): a folder with anything else is not replaced."""

_MOST_VECTORS = 10_000
_MOST_PHOTOS = 16


def export_bundle(settings: Settings, folder: Path, with_encoder: bool) -> Contents:
    """Write the folder and return its contents; nothing is written if a check fails.

    Args:
        settings: of the last `dvc repro`.
        folder: new, empty, or an earlier export, which is replaced.
        with_encoder: also export the encoder.

    Raises:
        InputError: the embeddings are missing, no photo can be read, or `folder` holds something else.
        HeadError: a head is missing, made for another encoder, without labels, or differs as ONNX.
        EncoderError: the encoder has no ONNX form, differs as ONNX, or a package is missing.
    """
    _refuse_other_files(folder)
    taxonomy, classify = settings.taxonomy, settings.classify
    check_names(taxonomy, classify)
    heads = [load_head(head_path(settings.paths.models, level), level) for level in HEADS]
    some = _read_some(settings.paths.embeddings / "embeddings.sqlite")
    prompts = find_prompts(taxonomy, some.model, settings.embedder, settings.embed, find_store())
    scores = score_vectors(some.image_ids, some.vectors, some.model, heads, prompts)
    table, levels = decide_labels(scores, taxonomy, classify), fold_levels(heads, prompts)
    contents = Contents(
        labels=describe_labels(levels, table, taxonomy, some.model),
        vectors=len(some.image_ids),
        heads_difference=measure_heads(build_graph(levels), levels, some.vectors, scores),
        photos=0,
        encoder_difference=None,
    )
    files = {
        "heads.onnx": build_graph(temper_levels(levels, classify.temperature)),
        "labels.json": format_json(contents.labels),
        "decision.json": format_json(describe_decision(table, classify, DECIMALS)),
    }
    recipe = None
    if with_encoder:
        model, recipe, contents = _export_encoder(settings, heads, contents)
        files |= {"encoder.onnx": model, "preprocessing.json": format_json(recipe)}
    files["MODEL_CARD.md"] = describe_model(settings, contents).encode()
    files["example.py"] = render("example.py.jinja", recipe=recipe, encoder=some.model).encode()
    _refuse_other_files(folder)
    replace_folder(folder, files)
    return contents


def export_plain_heads(models: Path, temperature: Temperatures, folder: Path) -> list[Path]:
    """Write the heads with calibration and temperature folded into weight and bias, rounded to float32.

    The files are like those in `models`, with a calibration that changes nothing; returns their paths.

    Raises:
        InputError: `folder` is `models`, whose heads it would replace.
        HeadError: a head is missing or damaged.
    """
    if folder.resolve() == models.resolve():
        raise InputError(f"{folder} holds the heads of the pipeline: name another folder")
    written = []
    for head in [load_head(head_path(models, level), level) for level in HEADS]:
        weight, bias = (part / getattr(temperature, head.level) for part in fold_calibration(head))
        plain = replace(
            head,
            weight=weight.astype(np.float32),
            bias=bias.astype(np.float32),
            calibration=Calibration.identity(len(head.labels)),
        )
        written.append(head_path(folder, head.level))
        save_head(plain, written[-1])
    return written


def _refuse_other_files(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder to write")
    held = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if others := sorted(held - _FILES):
        raise InputError(
            f"{folder} contains {others[0]}, which no export wrote: name a new folder, or an earlier export"
        )


def _export_encoder(
    settings: Settings, heads: Sequence[LinearHead], contents: Contents
) -> tuple[bytes, Preprocessing, Contents]:
    """Return the encoder as ONNX with its preprocessing, and the contents with the result of the check."""
    encoder = load_encoder(settings.embedder, msgspec.structs.replace(settings.embed, device="cpu"))
    for head in heads:
        head.check_embedder(encoder.model, encoder.dim)
    model, recipe = export_encoder(encoder, settings.embedder)
    photos = _decode_some(settings, encoder)
    difference = measure_encoder(model, recipe, encoder, photos)
    return model, recipe, replace(contents, photos=len(photos), encoder_difference=difference)


def _read_some(path: Path) -> Embeddings:
    embeddings = read_embeddings(path)
    if not embeddings.image_ids:
        raise InputError(f"{path} has no vectors to check the export with: run dvc repro on a library first")
    some = slice(_MOST_VECTORS)
    return Embeddings(embeddings.image_ids[some], embeddings.vectors[some], embeddings.model)


def _decode_some(settings: Settings, encoder: Encoder) -> list[Image.Image]:
    """Return the first photos of the library that can be read."""
    photos: list[Image.Image] = []
    for photo in read_manifest(settings.paths.photos):
        path, size = photo_path(Path(settings.library.root), photo), size_to_decode(encoder)
        with suppress(DecodeError):
            photos.append(decode_photo(path, max_pixels=settings.embed.max_pixels, needed_size=size))
        if len(photos) == _MOST_PHOTOS:
            break
    if not photos:
        raise InputError(
            f"no photo of {settings.library.root} can be read here, but the encoder is only exported if "
            "it can be checked on photos: mount the library, set library.root, or leave --with-encoder out"
        )
    return photos
