"""Does a near-duplicate of a measured photo's near-duplicate make figures too good if it trains?

A is a photo, B a crop of A, and C a crop of B: each time 8 % are cut off every side. A is used only if B is
near A and C, and C is not near A. A is judged twice: by a head that learned from other photos, and by one
that also learned from C, which has an answer of its own by the simulated teacher. Give the photos' truth,
joined by `rel_path`; without arguments it runs on the demo.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
from benchmarks.near_duplicates import MAX_DISTANCE, MAX_PIXELS, cut_sides, hash_file
from benchmarks.real_photos import (
    PARTS,
    Indices,
    World,
    draw_answers,
    draw_parts,
    make_world,
    open_photos,
    rotate_world,
)
from benchmarks.teaching import interval, predict_scenes
from numpy.typing import NDArray

from vibe_photos.pixels.decode import decode_photo
from vibe_photos.pixels.near_duplicates import find_neighbours
from vibe_photos.records.ground_truth import read_objects
from vibe_photos.records.photos import read_manifest

REDRAWS = 5
CUT = cut_sides(0.08)


def write_photo(folder: Path, number: int, source: Path) -> bool:
    """Write A and C; return whether they are two steps apart."""
    a = decode_photo(source, max_pixels=MAX_PIXELS).convert("RGB")
    b = CUT(a)
    places = [folder / f"{number:04}{name}.jpg" for name in ("photo", "between", "crop")]
    for place, image in zip(places, (a, b, CUT(b)), strict=True):
        image.save(place, "JPEG", quality=95)
    hashes = np.stack([hash_file(place) for place in places])
    places[1].unlink()
    near_b = find_neighbours(hashes, [1], MAX_DISTANCE)
    return bool(near_b.all() and not find_neighbours(hashes, [0], MAX_DISTANCE)[2])


def write_library(arguments: argparse.Namespace) -> tuple[argparse.Namespace, list[bool]]:
    """Write each A and C, truth and answers; return arguments for them, and which C are two steps away."""
    folder = arguments.folder / "photos"
    folder.mkdir()
    truths = [value for _, value in read_objects(arguments.truth)]
    answers = {value["rel_path"]: value for _, value in read_objects(arguments.answers)}
    truths = [truth for truth in truths if truth["rel_path"] in answers]
    are_apart = [
        write_photo(folder, number, arguments.photos / truth["rel_path"])
        for number, truth in enumerate(truths)
    ]
    written = {"photos": folder}
    for name, values in (("truth", truths), ("answers", [answers[truth["rel_path"]] for truth in truths])):
        written[name] = arguments.folder / f"{name}.jsonl"
        lines = [
            json.dumps(value | {"rel_path": f"{number:04}{kind}.jpg"})
            for number, value in enumerate(values)
            for kind in ("photo", "crop")
        ]
        written[name].write_text("\n".join(lines) + "\n")
    return argparse.Namespace(**(vars(arguments) | written)), are_apart


def run_redraw(world: World, c_of: Indices, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return whether each A is judged right without its C, and with it; both have the world's length.

    `c_of` has the row of each photo's C if that is two steps away; -1 if not, and for each C.
    """
    answers = draw_answers(world, seed)
    fold_of = draw_parts(world, "part", seed, PARTS)
    half_of = np.random.default_rng(seed).integers(0, 2, len(fold_of))
    is_c = np.isin(np.arange(len(fold_of)), c_of)
    true = np.array([(record.scene or [""])[0] for record in world.truth])
    without_c, with_c = np.zeros(len(fold_of)), np.zeros(len(fold_of))
    for fold in range(PARTS):
        others = np.flatnonzero((fold_of != fold) & ~is_c)
        judged = np.flatnonzero((fold_of == fold) & (c_of >= 0))
        without_c[judged] = true[judged] == predict_scenes(world, answers, others, judged)
        for half in (0, 1):  # with the C of all judged photos, training would grow by a whole fold
            measured = judged[half_of[judged] == half]
            train = np.concatenate([others, c_of[measured]])
            with_c[measured] = true[measured] == predict_scenes(world, answers, train, measured)
    return without_c, with_c


def find_crops(world: World, manifest: Path, are_apart: list[bool]) -> tuple[World, Indices]:
    """Put each C into its A's group; return also `c_of` as in `run_redraw`."""
    name_of = {photo.image_id: photo.rel_path for photo in read_manifest(manifest)}
    row_of = {name_of[truth.image_id]: row for row, truth in enumerate(world.truth)}
    c_of, groups = np.full(len(world.truth), -1), list(world.groups)
    for number, is_apart in enumerate(are_apart):
        a, c = (row_of.get(f"{number:04}{kind}.jpg") for kind in ("photo", "crop"))
        if a is not None and c is not None:
            groups[c] = groups[a]
            c_of[a] = c if is_apart else -1
    return dataclasses.replace(world, groups=groups), c_of


def main() -> None:
    """Print the accuracy on each A without and with its C in training, and the difference."""
    with open_photos(__doc__ or "", REDRAWS) as arguments:
        written, are_apart = write_library(arguments)
        embedder = arguments.embedders[-1]
        world = rotate_world(make_world(written, embedder))
        world, c_of = find_crops(world, arguments.folder / "photos.jsonl", are_apart)
    runs = [run_redraw(world, c_of, seed) for seed in range(arguments.redraws)]
    without_c, with_c = np.array(runs).transpose(1, 0, 2)
    is_judged = c_of >= 0

    def gain(rows: Indices, redraws: Indices) -> float:
        return float((with_c - without_c)[np.ix_(redraws, rows[is_judged[rows]])].mean())

    low, high = interval(world, len(runs), gain)
    found = gain(np.arange(len(c_of)), np.arange(len(runs)))
    before, after = without_c[:, is_judged].mean(), with_c[:, is_judged].mean()
    print(f"{embedder.name}: {is_judged.sum()} of {len(are_apart)} crops of crops are two steps away")
    print(f"  accuracy without them {before:.3f}, with them {after:.3f}")
    print(f"  difference {found:+.3f} ({low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    main()
