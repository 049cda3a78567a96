"""Stage `score`: the scores of heads and prompts for every photo."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.linear import LinearHead, head_path, load_head
from vibe_photos.heads.rounding import round_figures
from vibe_photos.records.label_tables import ScoreTable, write_scores
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.score.zero_shot import PromptSet, find_prompts
from vibe_photos.settings import Settings
from vibe_photos.storage.vectors import read_embeddings

log = logging.getLogger(__name__)

_ROWS_AT_A_TIME = 16_384
"""Limits temporary float64 arrays to about a hundred megabytes."""


def score_photos(settings: Settings, store: Path) -> None:
    """Give every photo a probability for every label that has a head or a text prompt.

    Raises:
        InputError: the embeddings are missing.
        HeadError: a head is missing, damaged, or made for another encoder.
        EncoderError: prompts are needed and the encoder cannot be loaded.
    """
    paths = settings.paths
    photos = read_embeddings(paths.embeddings / "embeddings.sqlite")
    heads = [load_head(head_path(paths.models, level), level) for level in HEADS]
    prompts = find_prompts(settings.taxonomy, photos.model, settings.embedder, settings.embed, store)
    table = score_vectors(photos.image_ids, photos.vectors, photos.model, heads, prompts)
    write_scores(paths.probabilities, table)
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

    A label's probability is its head's, calibrated, else its prompt's. All are rounded to six decimals, and
    depend neither on the processor nor on the other photos.

    Raises:
        HeadError: a head was made for another encoder.
    """
    keys = sorted({key for head in heads for key in head.labels} | set(prompts.keys if prompts else ()))
    column = {key: index for index, key in enumerate(keys)}
    head_logit, probability, prompt_margin = (np.full((len(image_ids), len(keys)), np.nan) for _ in range(3))
    for start in range(0, len(image_ids), _ROWS_AT_A_TIME):
        rows = slice(start, start + _ROWS_AT_A_TIME)
        if prompts is not None:
            places = [column[key] for key in prompts.keys]
            logits = prompts.logits(vectors[rows])
            probability[rows, places] = round_figures(prompts.probabilities(logits))
            prompt_margin[rows, places] = round_figures(prompts.margins(logits))
        for head in heads:
            places = [column[key] for key in head.labels]
            logits = head.logits(vectors[rows], embedder)
            head_logit[rows, places] = round_figures(logits)
            probability[rows, places] = round_figures(head.probabilities(logits))
    return ScoreTable(list(image_ids), keys, head_logit, probability, prompt_margin)
