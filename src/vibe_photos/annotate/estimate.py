"""Dry run: estimate the photos, tokens, hours and cost of a run, without sending anything."""

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from vibe_photos.annotate.question import Question, fit_size
from vibe_photos.pixels.formats import open_image
from vibe_photos.records.photos import Photo, photo_path
from vibe_photos.settings import Rates

PIXELS_PER_TOKEN_EDGE = 32
"""Qwen3-VL sees one token for 32 x 32 px (patches of 16, merged 2 x 2)."""

MIN_PIXELS, MAX_PIXELS = 65_536, 16_777_216
"""Qwen3-VL enlarges smaller images (to 64 tokens or more) and shrinks larger ones."""

CHARACTERS_PER_TOKEN = 3.8
"""Measured on the default prompt with Qwen's tokenizer."""

TEMPLATE_TOKENS = 15
"""Tokens that Qwen's chat template adds around the two messages and the image."""

COMPLETION_TOKENS = 160
"""Approximate length of an answer with two or three objects."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimate of a run; `unreadable` photos cost nothing."""

    photos: int
    paid: int
    requests: int
    unreadable: int
    prompt_tokens: int
    completion_tokens: int

    def describe(self, rates: Rates) -> str:
        """Return the figures as text, with the rates that they depend on."""
        tokens = self.prompt_tokens, self.completion_tokens
        hours, price = rates.hours(*tokens), rates.price(*tokens)
        return (
            f"dry run, nothing was sent: {self.photos} photos, {self.paid} already paid, "
            f"{self.unreadable} unreadable, {self.requests} requests; about {self.prompt_tokens} prompt and "
            f"{self.completion_tokens} completion tokens; about {hours:.2f} hours and "
            f"{price:.2f} {rates.currency} at annotate.rates "
            f"({rates.prompt_tokens_per_second:g} and {rates.completion_tokens_per_second:g} tokens/s, "
            f"{rates.describe_price()})"
        )


def estimate_run(photos: Iterable[Photo], unanswered: Set[str], root: Path, question: Question) -> Estimate:
    """Estimate a run from the headers of the photos that are to be asked about (`unanswered`: their ids)."""
    characters = len(question.system) + len(question.user)
    text_tokens = TEMPLATE_TOKENS + round(characters / CHARACTERS_PER_TOKEN)
    listed = requests = unreadable = prompt_tokens = 0
    for photo in photos:
        listed += 1
        if photo.image_id not in unanswered:
            continue
        try:
            with photo_path(root, photo).open("rb") as file:
                width, height = open_image(file, photo.format).size
            prompt_tokens += text_tokens + image_tokens(*fit_size(width, height, question.image))
            requests += 1
        except Exception:  # image readers raise any kind of exception on a damaged header
            unreadable += 1
    return Estimate(
        photos=listed,
        paid=listed - requests - unreadable,
        requests=requests,
        unreadable=unreadable,
        prompt_tokens=prompt_tokens,
        completion_tokens=requests * COMPLETION_TOKENS,
    )


def image_tokens(width: int, height: int) -> int:
    """Return the number of tokens that Qwen3-VL makes of an image of this size in pixels.

    As `smart_resize` in its image processor (transformers, `image_processing_qwen2_vl.py`): edges are rounded
    to whole tokens; an image that is too small is scaled and rounded up, one that is too large down.
    """
    across, down = (round(edge / PIXELS_PER_TOKEN_EDGE) for edge in (width, height))
    pixels = across * down * PIXELS_PER_TOKEN_EDGE**2
    if pixels < MIN_PIXELS:
        enlarged = math.sqrt(MIN_PIXELS / (width * height))
        across, down = (math.ceil(edge * enlarged / PIXELS_PER_TOKEN_EDGE) for edge in (width, height))
    elif pixels > MAX_PIXELS:
        shrunk = math.sqrt(width * height / MAX_PIXELS)
        across, down = (max(1, math.floor(edge / shrunk / PIXELS_PER_TOKEN_EDGE)) for edge in (width, height))
    return across * down
