"""Fit a scene head on simulated embeddings, against scikit-learn and against a few epochs of Adam.

All run on one thread and minimise the same objective: softmax cross-entropy with the same L2 penalty (Adam,
as the older scripts ran it, has none). Ours is solved exactly, as a stored head has to be the same bytes on
every processor, and roughly, as for each penalty in cross-validation. scikit-learn runs with its own
tolerance, and with one at which its objective is within a millionth of the optimum, as for our rough fit.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.rounds import at_most, measure, print_table, write_results
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vibe_photos.heads.fit import (
    EXACT,
    ROUGH,
    cross_entropy,
    find_coordinates,
    fit_linear,
    prepare_examples,
    weigh_rows,
)

DIM = 768
CLASSES = 9
RARE_SHARE = 0.03
L2 = 1e-4
VALIDATION_ROWS = 10_000
ADAM_EPOCHS = 5

Array = NDArray[Any]
Fit = tuple[Array, Array]


def draw_embeddings(rows: int) -> tuple[Array, Array]:
    """Return unit-norm vectors [rows, 768] with a decaying spectrum and a common direction, and classes."""
    generator = np.random.default_rng(0)
    spectrum = np.exp(-np.arange(DIM) / 150)
    turn = np.linalg.qr(generator.standard_normal((DIM, DIM)))[0] * spectrum[:, None]
    rest = (1 - RARE_SHARE) / (CLASSES - 1)
    classes = generator.choice(CLASSES, size=rows, p=[RARE_SHARE] + [rest] * (CLASSES - 1))
    centres = generator.standard_normal((CLASSES, DIM)) * 0.3
    vectors = (centres[classes] + generator.standard_normal((rows, DIM))) @ turn
    vectors += generator.standard_normal(DIM) * 0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), classes


def fit_ours(vectors: Array, classes: Array, precision: float = EXACT) -> Fit:
    """Return the head, from vectors as an encoder gives them."""
    everyone = np.ones((len(classes), 1), dtype=bool)
    examples = prepare_examples(vectors, np.eye(CLASSES, dtype=np.float32)[classes], everyone, "softmax")
    weights = weigh_rows(examples, everyone[:, 0], "none")
    return examples.coordinates.unscale(fit_linear(examples, weights, L2, precision=precision))


def fit_scikit_learn(vectors: Array, classes: Array, tolerance: float = 1e-4) -> Fit:
    """Return scikit-learn's optimum of the same objective, written for the vectors as they are."""
    from sklearn.linear_model import LogisticRegression

    length = find_coordinates(vectors).length
    model = LogisticRegression(C=1 / (len(classes) * L2 * length**2), max_iter=1000, tol=tolerance)
    model.fit(vectors, classes)
    return model.coef_, model.intercept_


def fit_adam(vectors: Array, classes: Array) -> Fit:
    """Return the result of five epochs of Adam at 1e-3, in batches of 512."""
    import torch

    torch.manual_seed(0)
    linear = torch.nn.Linear(DIM, CLASSES)
    adam = torch.optim.Adam(linear.parameters(), lr=1e-3)
    data = torch.utils.data.TensorDataset(torch.from_numpy(vectors), torch.from_numpy(classes))
    for _ in range(ADAM_EPOCHS):
        for batch, target in torch.utils.data.DataLoader(data, batch_size=512, shuffle=True):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(linear(batch), target).backward()
            adam.step()
    return linear.weight.detach().numpy(), linear.bias.detach().numpy()


def validation_figures(fit: Fit, vectors: Array, classes: Array) -> tuple[float, float]:
    """Return cross-entropy, and the recall of the rare class, on photos that were not fitted."""
    weight, bias = fit
    logits = vectors.astype(np.float64) @ weight.T + bias
    entropy, _ = cross_entropy(logits, np.eye(CLASSES)[classes], "softmax")
    return float(entropy.mean()), float((logits.argmax(axis=1) == 0)[classes == 0].mean())


def main() -> None:
    """Fit by all, print times, then validation losses above that of the optimum in float64."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="photos to fit on")
    parser.add_argument("--rounds", type=int, default=3, help="how often each candidate runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the medians there as well")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    vectors, classes = draw_embeddings(arguments.rows + VALIDATION_ROWS)
    train = vectors[VALIDATION_ROWS:], classes[VALIDATION_ROWS:]
    held = vectors[:VALIDATION_ROWS], classes[:VALIDATION_ROWS]
    candidates: dict[str, Callable[[Array, Array], Fit]] = {
        "ours": fit_ours,
        "ours, rough": partial(fit_ours, precision=ROUGH),
        "scikit-learn": fit_scikit_learn,
        "scikit-learn, same loss": partial(fit_scikit_learn, tolerance=1e-6),
        "Adam 1e-3, 5 epochs": fit_adam,
    }
    fits: dict[str, Fit] = {}

    def run(name: str) -> None:
        fits[name] = candidates[name](*train)

    with threadpool_limits(limits=1):
        medians = measure({name: lambda name=name: run(name) for name in candidates}, arguments.rounds)
        optimum, _ = validation_figures(fit_ours(train[0].astype(np.float64), train[1]), *held)
    print_table(
        f"a scene head on {arguments.rows} x {DIM} x {CLASSES}", medians, "ours", arguments.rows, "photos"
    )
    print(f"\nvalidation loss above the optimum's {optimum:.5f}, recall of the {RARE_SHARE:.0%} class")
    for name, fit in fits.items():
        loss, recall = validation_figures(fit, *held)
        print(f"{name:24} {loss - optimum:+.5f}  {recall:.2f}")
    loss, _ = validation_figures(fits["ours"], *held)
    adam, _ = validation_figures(fits["Adam 1e-3, 5 epochs"], *held)
    reaches = [
        at_most(
            "fit a scene head exactly, share of scikit-learn's time to the same loss",
            medians["ours"] / medians["scikit-learn, same loss"],
            0.5,
        ),
        at_most(
            "fit a scene head roughly, share of scikit-learn's time with its own tolerance",
            medians["ours, rough"] / medians["scikit-learn"],
            0.5,
        ),
        at_most("validation loss above the optimum's (peer: Adam)", loss - optimum, 1e-3, adam - optimum),
    ]
    write_results(arguments.json, {"fit": medians}, reaches)


if __name__ == "__main__":
    main()
