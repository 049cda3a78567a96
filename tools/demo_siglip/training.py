"""Train the miniature SigLIP: its sigmoid loss, with what belongs together known for every pair."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tools.demo_siglip.cutouts import paste_cutouts
from tools.demo_siglip.lessons import Lessons
from tools.demo_siglip.pictures import Pixels
from vibe_photos.encoders.siglip import import_open_clip

_WARM_UP_SHARE = 0.05
_FREE_RATE = 4.0
"""The statements' vectors, scale and bias learn so many times as fast as the photo tower."""
_MOST_SHIFT, _MOST_ZOOM, _MOST_DIMMING = 0.12, 0.15, 0.12


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn.

    Attributes:
        pasted_share: Share of the pictures with room that get cutouts.
        clean_share: Share of the steps, the last ones, that paste nothing: at the end the model learns how
            often things are seen in whole pictures.
        reading_steps: Steps of the text tower.
    """

    epochs: int
    seed: int
    batch_size: int = 32
    pasted_share: float = 0.8
    clean_share: float = 0.2
    reading_steps: int = 400
    learning_rate: float = 2e-3
    weight_decay: float = 0.05


def train(model: Any, lessons: Lessons, schedule: Schedule) -> Iterator[float]:
    """Train in place; yields each step's loss. The same seed and number of threads give the same weights.

    First the photo tower learns, with one free vector for each statement; then the text tower learns to turn
    the statements into these vectors. Both at once is slow: to an untrained text tower all texts are alike.
    """
    rng = np.random.default_rng(schedule.seed)
    per_epoch = len(lessons.pictures) // schedule.batch_size
    steps = per_epoch * schedule.epochs
    shape = (len(lessons.statements), model.visual.output_dim)
    vectors = torch.nn.Parameter(torch.from_numpy(rng.normal(size=shape)).float())
    free = [vectors, model.logit_scale, model.logit_bias]
    optimizer = torch.optim.AdamW(
        [
            {"params": list(model.visual.parameters()), "weight_decay": schedule.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ],
        schedule.learning_rate,
        betas=(0.9, 0.98),
    )
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [schedule.learning_rate, schedule.learning_rate * _FREE_RATE],
        steps,
        pct_start=_WARM_UP_SHARE,
        cycle_momentum=False,
    )
    model.train()
    model.visual.to(memory_format=torch.channels_last)
    for step in range(steps):
        if step % per_epoch == 0:
            order = rng.permutation(len(lessons.pictures))
        chosen = order[(step % per_epoch) * schedule.batch_size :][: schedule.batch_size]
        share = schedule.pasted_share if step < steps * (1 - schedule.clean_share) else 0.0
        optimizer.zero_grad()
        pictures, truth = draw_batch(rng, lessons, chosen, share)
        loss = measure_loss(model, pictures, vectors, truth)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rates.step()
        yield float(loss.detach())
    learn_to_read(model, lessons.statements, vectors.detach(), schedule)
    model.eval()


def learn_to_read(
    model: Any, statements: npt.NDArray[np.int64], vectors: torch.Tensor, schedule: Schedule
) -> None:
    """Train the text tower to turn texts, tokens [m, context], into the directions of vectors [m, dim]."""
    tokens = torch.from_numpy(statements)
    optimizer = torch.optim.AdamW(model.text.parameters(), schedule.learning_rate)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.learning_rate, schedule.reading_steps, cycle_momentum=False
    )
    for _ in range(schedule.reading_steps):
        optimizer.zero_grad()
        likeness = torch.nn.functional.cosine_similarity(model.encode_text(tokens), vectors)
        (1 - likeness).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rates.step()


def draw_batch(
    rng: np.random.Generator, lessons: Lessons, chosen: npt.NDArray[np.int64], pasted_share: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return varied pictures [n, 3, px, px] and which statements are true of each, bool [n, m]."""
    pictures, truth = lessons.pictures[chosen], lessons.truth[chosen]
    is_pasted = (rng.random(len(chosen)) < pasted_share) & lessons.has_room[chosen]
    for row in np.flatnonzero(is_pasted):
        pictures[row], pasted = paste_cutouts(rng, pictures[row], lessons.cutouts)
        truth[row] |= lessons.cutout_truth[pasted].any(axis=0)
    return vary_pictures(rng, pictures), torch.from_numpy(truth)


def vary_pictures(rng: np.random.Generator, pictures: Pixels) -> torch.Tensor:
    """Mirror, shift, zoom and dim pictures at random; scaled to -1..1 as the encoder does it."""
    count = len(pictures)
    zoom = 1 + rng.uniform(-_MOST_ZOOM, _MOST_ZOOM, (count, 2))
    frames = np.zeros((count, 2, 3), dtype=np.float32)
    frames[:, 0, 0], frames[:, 1, 1] = zoom[:, 0] * rng.choice((-1, 1), count), zoom[:, 1]
    frames[:, :, 2] = rng.uniform(-_MOST_SHIFT, _MOST_SHIFT, (count, 2))
    scaled = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(255).sub(0.5).div(0.5)
    grid = torch.nn.functional.affine_grid(torch.from_numpy(frames), list(scaled.shape), align_corners=False)
    varied = torch.nn.functional.grid_sample(scaled, grid, padding_mode="reflection", align_corners=False)
    gains = 1 + rng.uniform(-_MOST_DIMMING, _MOST_DIMMING, (count, 3, 1, 1))
    varied = ((varied + 1) * torch.from_numpy(gains).float() - 1).clamp(-1, 1)
    return varied.contiguous(memory_format=torch.channels_last)


def measure_loss(
    model: Any, pictures: torch.Tensor, vectors: torch.Tensor, truth: torch.Tensor
) -> torch.Tensor:
    """Return SigLIP's loss, equation 1 of Zhai et al. 2023, with every pair's label known.

    On a web page's pictures only the diagonal is known to match, and open_clip's loss takes the rest for
    false; "a photo of a keyboard" is true of many pictures of a batch, and here it is known of which.

    Args:
        model: Its photo tower computes in bfloat16, which is faster where the processor has it.
        pictures: float32 [n, 3, px, px] in -1..1.
        vectors: float32 [m, dim] of the statements; only their directions count.
        truth: bool [n, m].
    """
    with torch.autocast("cpu", torch.bfloat16):
        features = model.encode_image(pictures)
    logits = (
        import_open_clip()
        .loss.SigLipLoss()
        .get_logits(
            torch.nn.functional.normalize(features.float(), dim=-1),
            torch.nn.functional.normalize(vectors, dim=-1),
            model.logit_scale.exp(),
            model.logit_bias,
        )
    )
    labels = truth.to(logits.dtype) * 2 - 1
    return -torch.nn.functional.logsigmoid(labels * logits).sum() / len(pictures)
