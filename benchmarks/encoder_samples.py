"""Does `vibe-photos try-encoders` rank encoders on a few photos as on all of them?

Run it in a project, after `dvc repro`: `python -m benchmarks.encoder_samples hog onnx`. It needs a model,
so `python -m benchmarks` does not run it. All training photos are the library, and random parts of them are
the samples. The command lists its candidates for each sample, so the joined layers may be other ones each
time; all are measured on the library too. Figures are mean F1 of scenes and attributes, out of fold.

- `rank`: Spearman's correlation of the candidates' F1 on the sample and on the library.
- `lost`: how much lower on the library the F1 is of the recommended candidate than of the best one.
- `neighbours`, `probe`: how much higher they are on the library than the linear head of the recommended one.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vibe_photos.configuration import read_resolved
from vibe_photos.encoder_trial.trial import (
    Candidate,
    Outcome,
    Trial,
    choose,
    read_candidate,
    try_encoders,
)
from vibe_photos.heads.fit import Floats
from vibe_photos.storage.local_store import find_store

SIZES, DRAWS, LAYERS = (100, 150), 6, 6
ALL_PHOTOS = 10**9


def correlate_ranks(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's rank correlation; equal values share their mean rank."""
    return float(np.corrcoef(find_ranks(one), find_ranks(other))[0, 1])


def find_ranks(values: Sequence[float]) -> Floats:
    """Return the rank of each value, from 0."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count + 1) / 2)[place])


class Library:
    """Candidates measured on all training photos, each once."""

    def __init__(self, store: Path) -> None:
        """Take all training photos of the project in the working folder."""
        self.trial = Trial(read_resolved(), store, ALL_PHOTOS)
        self._known: dict[str, Outcome] = {}

    def measure(self, candidate: Candidate) -> Outcome:
        """Return the outcome of a candidate."""
        if candidate.name not in self._known:
            self._known[candidate.name] = self.trial.measure(candidate)
        return self._known[candidate.name]


def show_sample(library: Library, sample: Sequence[Outcome]) -> list[float]:
    """Print a row about a sample; return its figures."""
    whole = [library.measure(one.candidate) for one in sample]
    chosen, equals = choose(sample)
    figures = [correlate_ranks([one.mean_f1 for one in sample], [one.mean_f1 for one in whole])]
    for choice in dict.fromkeys(one.candidate.choice for one in sample):
        rows = [row for row, one in enumerate(sample) if one.candidate.choice == choice]
        if len(rows) > 1:
            figures.append(
                correlate_ranks([sample[row].mean_f1 for row in rows], [whole[row].mean_f1 for row in rows])
            )
    found = library.measure(chosen.candidate)
    figures.append(max(one.mean_f1 for one in whole) - found.mean_f1)
    figures += [found.gain("neighbours"), found.gain("probe"), len(equals), chosen.dim]
    print(f"| {' | '.join(f'{value:.3f}' for value in figures)} | {chosen.candidate.name} |", flush=True)
    return figures


def main() -> None:
    """Print a table for each size of a sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("candidates", nargs="+", metavar="ENCODER", help="as for vibe-photos try-encoders")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    arguments = parser.parse_args()
    candidates = [read_candidate(text, Path("conf")) for text in arguments.candidates]
    library = Library(find_store())
    print(f"{len(library.trial.photos)} training photos")
    for size in arguments.sizes:
        print(f"\nsamples of {size}: rank, of each encoder's outputs too | lost | neighbours | probe | ")
        print("not told apart | dimensions | recommended\n")
        rows = []
        for seed in range(arguments.draws):
            trial = Trial(read_resolved(), find_store(), size, seed)
            rows.append(show_sample(library, list(try_encoders(trial, candidates, LAYERS))))
        print(f"| {' | '.join(f'{value:.3f}' for value in np.mean(rows, axis=0))} | mean |")


if __name__ == "__main__":
    main()
