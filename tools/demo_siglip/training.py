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
_MOST_SHIFT, _MOST_ZOOM, _MOST_DIMMING = 0.12, 0.15, 0.12


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn.

    Attributes:
        statements: How many of all statements a step reads.
        pasted_share: Share of the pictures with room that get cutouts.
        clean_share: Share of the steps, the last ones, that paste nothing: at the end the model learns how
            often things are seen in whole pictures.
    """

    epochs: int
    seed: int
    batch_size: int = 32
    statements: int = 56
    pasted_share: float = 0.5
    clean_share: float = 0.15
    learning_rate: float = 2e-3
    weight_decay: float = 0.05


def train(model: Any, lessons: Lessons, schedule: Schedule) -> Iterator[float]:
    """Train in place; yields each step's loss. The same seed and number of threads give the same weights."""
    rng = np.random.default_rng(schedule.seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), schedule.learning_rate, betas=(0.9, 0.98), weight_decay=schedule.weight_decay
    )
    per_epoch = len(lessons.pictures) // schedule.batch_size
    steps = per_epoch * schedule.epochs
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.learning_rate, steps, pct_start=_WARM_UP_SHARE, cycle_momentum=False
    )
    model.train()
    model.visual.to(memory_format=torch.channels_last)
    for step in range(steps):
        if step % per_epoch == 0:
            order = rng.permutation(len(lessons.pictures))
        chosen = order[(step % per_epoch) * schedule.batch_size :][: schedule.batch_size]
        share = schedule.pasted_share if step < steps * (1 - schedule.clean_share) else 0.0
        optimizer.zero_grad()
        loss = measure_loss(model, *draw_batch(rng, lessons, chosen, schedule.statements, share))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rates.step()
        yield float(loss.detach())
    model.eval()


def draw_batch(
    rng: np.random.Generator,
    lessons: Lessons,
    chosen: npt.NDArray[np.int64],
    statements: int,
    pasted_share: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return varied pictures [n, 3, px, px], the tokens of texts [t, context], and the truth, bool [n, t]."""
    pictures, truth = lessons.pictures[chosen], lessons.truth[chosen]
    is_pasted = (rng.random(len(chosen)) < pasted_share) & lessons.has_room[chosen]
    for row in np.flatnonzero(is_pasted):
        pictures[row], pasted = paste_cutouts(rng, pictures[row], lessons.cutouts)
        truth[row] |= lessons.cutout_truth[pasted].any(axis=0)
    said = np.sort(rng.permutation(len(lessons.statements))[:statements])
    tokens = torch.from_numpy(lessons.statements[said])
    return vary_pictures(rng, pictures), tokens, torch.from_numpy(truth[:, said])


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
    model: Any, pictures: torch.Tensor, tokens: torch.Tensor, truth: torch.Tensor
) -> torch.Tensor:
    """Return SigLIP's loss, equation 1 of Zhai et al. 2023, with every pair's label known.

    On a web page's pictures only the diagonal is known to match, and open_clip's loss takes the rest for
    false; "a photo of a keyboard" is true of many pictures of a batch, and here it is known of which.
    The photo tower computes in bfloat16, which is faster where the processor has it.
    """
    sigmoid_loss = import_open_clip().loss.SigLipLoss()
    # Only here a few digits are enough; the rest is in float32.
    with torch.autocast("cpu", torch.bfloat16):
        features = model.encode_image(pictures)
    logits = sigmoid_loss.get_logits(
        torch.nn.functional.normalize(features.float(), dim=-1),
        model.encode_text(tokens, normalize=True),
        model.logit_scale.exp(),
        model.logit_bias,
    )
    labels = truth.to(logits.dtype) * 2 - 1
    return -torch.nn.functional.logsigmoid(labels * logits).sum() / len(pictures)
