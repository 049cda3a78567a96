"""`vibe-photos export`: the folder that an app ships, made from the last `dvc repro`, checked, whole."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
from PIL import Image

from vibe_photos.classify.stage import check_names, decide_labels
from vibe_photos.embed.engines.local import size_to_decode
from vibe_photos.encoders.encoder import Encoder, load_encoder
from vibe_photos.errors import DecodeError, InputError
from vibe_photos.export.decision import Decision, Labels, describe_decision, describe_labels
from vibe_photos.export.encoder_graph import EncoderGraph, export_encoder
from vibe_photos.export.folder import refuse_another, write_folder
from vibe_photos.export.heads_graph import build_graph, fold_levels
from vibe_photos.export.model_card import Contents, describe_model
from vibe_photos.export.templates import render
from vibe_photos.export.verification import measure_encoder, measure_heads
from vibe_photos.heads.linear import LinearHead, head_path, load_head
from vibe_photos.pixels.decode import decode_photo
from vibe_photos.records.photos import photo_path, read_manifest
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.score.stage import DECIMALS, score_vectors
from vibe_photos.score.zero_shot import find_prompts
from vibe_photos.settings import Settings
from vibe_photos.storage.local_store import find_store
from vibe_photos.storage.vectors import Embeddings, read_embeddings

_MOST_VECTORS = 10_000
_MOST_PHOTOS = 16


def export_bundle(settings: Settings, folder: Path, with_encoder: bool) -> Contents:
    """Write the folder and return what is in it; nothing is written where a check fails.

    Args:
        settings: of the last `dvc repro`.
        folder: new, empty, or an earlier export, which is replaced.
        with_encoder: whether the encoder goes with the heads.

    Raises:
        InputError: the embeddings are missing, no photo is at hand, or `folder` holds something else.
        HeadError: a head is missing, made for another encoder, without labels, or differs as ONNX.
        EncoderError: the encoder has no ONNX form, differs as ONNX, or a package is missing.
    """
    refuse_another(folder)
    heads = [load_head(head_path(settings.paths.models, kind), kind) for kind in HEADS]
    exported = _export_heads(settings, heads)
    encoder = _export_encoder(settings, heads) if with_encoder else None
    contents = Contents(
        labels=exported.labels,
        vectors=exported.vectors,
        heads_difference=exported.difference,
        photos=encoder.photos if encoder else 0,
        encoder_difference=encoder.difference if encoder else None,
    )
    recipe = encoder.graph.preprocessing if encoder else None
    example = render("example.py.jinja", recipe=recipe, encoder=exported.labels.encoder)
    files = {
        "heads.onnx": exported.graph,
        "labels.json": _to_json(exported.labels),
        "decision.json": _to_json(exported.decision),
        "MODEL_CARD.md": describe_model(settings, contents).encode(),
        "example.py": example.encode(),
    }
    if encoder:
        files["encoder.onnx"] = encoder.graph.model
        files["preprocessing.json"] = _to_json(encoder.graph.preprocessing)
    write_folder(folder, files)
    return contents


@dataclass(frozen=True, slots=True)
class _CheckedHeads:
    """The heads' ONNX form, what makes labels of it, and by how much it differed on how many vectors."""

    graph: bytes
    labels: Labels
    decision: Decision
    vectors: int
    difference: float


@dataclass(frozen=True, slots=True)
class _CheckedEncoder:
    """An encoder's ONNX form, and by how much it differed at most on how many photos."""

    graph: EncoderGraph
    photos: int
    difference: float


def _export_heads(settings: Settings, heads: Sequence[LinearHead]) -> _CheckedHeads:
    taxonomy, classify = settings.taxonomy, settings.classify
    check_names(taxonomy, classify)
    some = _read_some(settings.paths.embeddings / "embeddings.sqlite")
    prompts = find_prompts(taxonomy, some.model, settings.embedder, settings.embed, find_store())
    scores = score_vectors(some.image_ids, some.vectors, some.model, heads, prompts)
    table, levels = decide_labels(scores, taxonomy, classify), fold_levels(heads, prompts)
    graph = build_graph(levels)
    return _CheckedHeads(
        graph=graph,
        labels=describe_labels(levels, table, taxonomy, some.model),
        decision=describe_decision(table, classify, DECIMALS),
        vectors=len(some.image_ids),
        difference=measure_heads(graph, levels, some.vectors, scores),
    )


def _export_encoder(settings: Settings, heads: Sequence[LinearHead]) -> _CheckedEncoder:
    encoder = load_encoder(settings.embedder, msgspec.structs.replace(settings.embed, device="cpu"))
    for head in heads:
        head.check_embedder(encoder.model, encoder.dim)
    graph = export_encoder(encoder, settings.embedder)
    photos = _decode_some(settings, encoder)
    return _CheckedEncoder(graph, len(photos), measure_encoder(graph, encoder, photos))


def _read_some(path: Path) -> Embeddings:
    embeddings = read_embeddings(path)
    if not embeddings.image_ids:
        raise InputError(f"{path} has no vectors to check the export with: run dvc repro on a library first")
    return Embeddings(
        embeddings.image_ids[:_MOST_VECTORS], embeddings.vectors[:_MOST_VECTORS], embeddings.model
    )


def _decode_some(settings: Settings, encoder: Encoder) -> list[Image.Image]:
    """Return the first photos of the library that can be read."""

    def decode_each() -> Iterator[Image.Image]:
        for photo in read_manifest(settings.paths.photos):
            with suppress(DecodeError):
                path = photo_path(Path(settings.library.root), photo)
                yield decode_photo(
                    path, max_pixels=settings.embed.max_pixels, needed_size=size_to_decode(encoder)
                )

    photos = list(islice(decode_each(), _MOST_PHOTOS))
    if not photos:
        raise InputError(
            f"no photo of {settings.library.root} can be read here, and the encoder is only exported where "
            "it can be checked on some: mount the library, set library.root, or leave --with-encoder out"
        )
    return photos


def _to_json(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
