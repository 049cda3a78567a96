"""Stage `score`: what heads and prompts say of every photo, as numbers."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.linear import LinearHead, head_path, load_head
from vibe_photos.records.label_tables import ScoreTable, write_scores
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.score.zero_shot import PromptSet, find_prompts
from vibe_photos.settings import Embed, Embedder, Taxonomy
from vibe_photos.storage.vectors import read_embeddings

log = logging.getLogger(__name__)

DECIMALS = 6
"""Written so coarsely that how photos were batched, or which processor added up, seldom shows."""


_ROWS_AT_A_TIME = 16_384
"""What is between the vectors and the tables, in float64, then takes a hundred megabytes at most."""


def score_photos(
    embeddings_folder: Path,
    models: Path,
    taxonomy: Taxonomy,
    embedder: Embedder,
    embed: Embed,
    probabilities: Path,
    store: Path,
) -> None:
    """Write `probabilities.sqlite`: every photo, every label that a head or a prompt speaks of.

    Raises:
        InputError: the embeddings are missing.
        HeadError: a head is missing, damaged, or made for another encoder.
        EncoderError: prompts are needed and the encoder cannot be had.
    """
    embeddings = read_embeddings(embeddings_folder / "embeddings.sqlite")
    heads = [load_head(head_path(models, kind), kind) for kind in HEADS]
    prompts = find_prompts(taxonomy, embeddings.model, embedder, embed, store)
    table = score_vectors(embeddings.image_ids, embeddings.vectors, embeddings.model, heads, prompts)
    write_scores(probabilities, table)
    learnt = {key for head in heads for key in head.labels}
    log.info(
        "score: %d photos, %d labels by a head, %d by prompts alone",
        len(table.image_ids),
        len(learnt),
        len(set(table.keys) - learnt),
    )


def score_vectors(
    image_ids: Sequence[str],
    vectors: NDArray[np.float32],
    embedder: str,
    heads: Sequence[LinearHead],
    prompts: PromptSet | None,
) -> ScoreTable:
    """Return the scores of unit-norm `vectors` [n, dim] that the encoder `embedder` made.

    A label's probability is its head's, calibrated; where there is none, its prompt's.

    Raises:
        HeadError: a head was made for another encoder.
    """
    keys = sorted({key for head in heads for key in head.labels} | set(prompts.keys if prompts else ()))
    tables = [np.full((len(image_ids), len(keys)), np.nan) for _ in range(3)]
    for start in range(0, len(image_ids), _ROWS_AT_A_TIME):
        rows = slice(start, start + _ROWS_AT_A_TIME)
        _score_rows(vectors[rows], embedder, heads, prompts, keys, [table[rows] for table in tables])
    return ScoreTable(list(image_ids), keys, *tables)


def _score_rows(
    vectors: NDArray[np.float32],
    embedder: str,
    heads: Sequence[LinearHead],
    prompts: PromptSet | None,
    keys: Sequence[str],
    tables: Sequence[NDArray[np.float64]],
) -> None:
    """Fill these photos' rows of the tables of head logits, probabilities and prompt margins."""
    head_logit, probability, prompt_margin = tables
    column = {key: index for index, key in enumerate(keys)}
    if prompts is not None:
        places = [column[key] for key in prompts.keys]
        scores = prompts.scores(vectors)
        probability[:, places] = prompts.probabilities(scores)
        prompt_margin[:, places] = prompts.margins(scores)
    for head in heads:
        places = [column[key] for key in head.labels]
        logits = head.logits(vectors, embedder)
        head_logit[:, places] = logits
        probability[:, places] = head.probabilities(logits)
    for table in tables:
        np.round(table, DECIMALS, out=table)
