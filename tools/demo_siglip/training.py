"""Train the miniature SigLIP: its sigmoid loss, with what belongs together known for every pair."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tools.demo_siglip.lessons import Lessons
from tools.demo_siglip.pictures import Pixels
from vibe_photos.encoders.siglip import import_open_clip

_WARM_UP_SHARE = 0.05
_MOST_SHIFT, _MOST_ZOOM, _MOST_DIMMING = 0.12, 0.15, 0.12


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn; of a batch's descriptions and of all statements a step reads a part."""

    epochs: int
    seed: int
    batch_size: int = 64
    descriptions: int = 32
    statements: int = 80
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
        optimizer.zero_grad()
        loss = measure_loss(model, *draw_batch(rng, lessons, schedule, chosen))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rates.step()
        yield float(loss.detach())
    model.eval()


def draw_batch(
    rng: np.random.Generator, lessons: Lessons, schedule: Schedule, chosen: npt.NDArray[np.int64]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return varied pictures [n, 3, px, px], the tokens of texts [t, context], and the truth, bool [n, t]."""
    pictures = vary_pictures(rng, lessons.pictures[chosen])
    described = lessons.descriptions[chosen[: schedule.descriptions]]
    # Two pictures of a batch may have the same description; then it is true of both.
    is_own = (lessons.descriptions[chosen][:, None] == described[None]).all(axis=2)
    count = min(schedule.statements, len(lessons.statements))
    said = np.sort(rng.permutation(len(lessons.statements))[:count])
    tokens = np.concatenate([described, lessons.statements[said]])
    truth = np.concatenate([is_own, lessons.truth[chosen][:, said]], axis=1)
    return pictures, torch.from_numpy(tokens), torch.from_numpy(truth)


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
    """
    sigmoid_loss = import_open_clip().loss.SigLipLoss()
    logits = sigmoid_loss.get_logits(
        model.encode_image(pictures, normalize=True),
        model.encode_text(tokens, normalize=True),
        model.logit_scale.exp(),
        model.logit_bias,
    )
    labels = truth.to(logits.dtype) * 2 - 1
    return -torch.nn.functional.logsigmoid(labels * logits).sum() / len(pictures)
