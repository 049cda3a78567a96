"""The table of `vibe-photos try-encoders`."""

from collections.abc import Sequence

from vibe_photos.encoder_trial.trial import HEADS, Outcome

MARGIN = 0.01
"""Neighbours and probe are mentioned if their mean F1 is higher than the linear head's by more than this."""


def format_header() -> str:
    """Return the line of column names."""
    columns = [f"{head} {kind}" for head in HEADS for kind in ("F1", "neighb.", "probe")]
    return "  ".join([*columns, "numbers", "ms/photo", "encoder"])


def format_outcome(one: Outcome) -> str:
    """Return a candidate's line."""
    figures = [
        f"{value:.3f}".rjust(len(f"{head} {kind}"))
        for head in HEADS
        for kind, value in (
            ("F1", one.linear[head]),
            ("neighb.", one.neighbours[head]),
            ("probe", one.probe[head]),
        )
    ]
    time_text = "stored" if one.milliseconds is None else f"{one.milliseconds:.1f}"
    return "  ".join([*figures, f"{one.dim:7}", time_text.rjust(8), one.candidate.name])


def describe_best(outcomes: Sequence[Outcome]) -> str:
    """Return which candidate is best, how to use it, and whether a linear head is good enough for it."""
    best = max(outcomes, key=lambda one: one.mean_f1)
    choice, *changes = best.candidate.name.split()
    how = f"use.embedder: {choice} in params.yaml"
    if changes:
        keys = ", ".join(change.replace("=", ": ") for change in changes)
        how += f", and in conf/embedder/{choice}.yaml {keys}"
    lines = [
        f"Best: {best.candidate.name}, mean F1 {best.mean_f1:.3f}. To use it: {how}.",
        "F1: of the linear head, over all labels. neighb.: of the labels of the nearest photos. probe: of a "
        "small non-linear model.",
    ]
    for name, other in (("neighbours", best.neighbours), ("the probe", best.probe)):
        gain = sum(other.values()) / len(other) - best.mean_f1
        if gain > MARGIN:
            lines.append(
                f"There {name} would be better than the linear head by {gain:.3f}: it does not use all that "
                "is in these vectors. Try another layer (--layers 6) or encoder."
            )
    return "\n".join(lines)
