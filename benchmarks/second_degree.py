"""Does a photo flatter a measured one if it trains and is a near-duplicate of its near-duplicate only?

Each photo gets a crop of a crop: twice 8 % off every side. Where the first crop is near both and they are
not near each other, the measured photo is judged by a head that learned from other photos, and by one that
learned from the crop too, with an answer of its own by the simulated teacher. The crops of half of the judged
photos train at a time. Give the photos' truth, joined by `rel_path`; without arguments it runs on the demo.
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
    rotate,
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
    """Write a photo and its crop of a crop; return whether they are two steps apart."""
    photo = decode_photo(source, max_pixels=MAX_PIXELS).convert("RGB")
    crop = CUT(photo)
    places = [folder / f"{number:04}{kind}.jpg" for kind in ("photo", "between", "crop")]
    for place, image in zip(places, (photo, crop, CUT(crop)), strict=True):
        image.save(place, "JPEG", quality=95)
    hashes = np.stack([hash_file(place) for place in places])
    places[1].unlink()
    near_between = find_neighbours(hashes, [1], MAX_DISTANCE)
    return bool(near_between.all() and not find_neighbours(hashes, [0], MAX_DISTANCE)[2])


def write_library(arguments: argparse.Namespace) -> list[bool]:
    """Write photos, truth and answers; change the arguments; return which crops are two steps away."""
    folder = arguments.folder / "photos"
    folder.mkdir()
    truths = [value for _, value in read_objects(arguments.truth)]
    answers = {value["rel_path"]: value for _, value in read_objects(arguments.answers)}
    truths = [truth for truth in truths if truth["rel_path"] in answers]
    are_apart = [
        write_photo(folder, number, arguments.photos / truth["rel_path"])
        for number, truth in enumerate(truths)
    ]
    for name, values in (("truth", truths), ("answers", [answers[truth["rel_path"]] for truth in truths])):
        place = arguments.folder / f"{name}.jsonl"
        lines = [
            json.dumps(value | {"rel_path": f"{number:04}{kind}.jpg"})
            for number, value in enumerate(values)
            for kind in ("photo", "crop")
        ]
        place.write_text("\n".join(lines) + "\n")
        setattr(arguments, name, place)
    arguments.photos = folder
    return are_apart


def run_redraw(world: World, crop_of: Indices, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return whether each judged photo is right without its crop, and with it; both have the world's length.

    `crop_of` has the row of each photo's crop if that is two steps away; -1 if not, and for crops.
    """
    answers = draw_answers(world, seed)
    part = draw_parts(world, "part", seed, PARTS)
    half = np.random.default_rng(seed).integers(0, 2, len(part))
    is_crop = np.isin(np.arange(len(part)), crop_of)
    true = np.array([(record.scene or [""])[0] for record in world.truth])
    without, with_crop = np.zeros(len(part)), np.zeros(len(part))
    for number in range(PARTS):
        others = np.flatnonzero((part != number) & ~is_crop)
        judged = np.flatnonzero((part == number) & (crop_of >= 0))
        without[judged] = true[judged] == predict_scenes(world, answers, others, judged)
        for which in (0, 1):
            some = judged[half[judged] == which]
            train = np.concatenate([others, crop_of[some]])
            with_crop[some] = true[some] == predict_scenes(world, answers, train, some)
    return without, with_crop


def find_crops(world: World, manifest: Path, are_apart: list[bool]) -> tuple[World, Indices]:
    """Put each crop into its photo's group; return the row of each photo's crop, see `run_redraw`, too."""
    name_of = {photo.image_id: photo.rel_path for photo in read_manifest(manifest)}
    row_of = {name_of[truth.image_id]: row for row, truth in enumerate(world.truth)}
    crop_of, groups = np.full(len(world.truth), -1), list(world.groups)
    for number, is_apart in enumerate(are_apart):
        photo, crop = (row_of.get(f"{number:04}{kind}.jpg") for kind in ("photo", "crop"))
        if photo is not None and crop is not None:
            groups[crop] = groups[photo]
            crop_of[photo] = crop if is_apart else -1
    return dataclasses.replace(world, groups=groups), crop_of


def main() -> None:
    """Print the accuracy on measured photos without and with their crops in training, and the difference."""
    with open_photos(__doc__ or "", REDRAWS) as arguments:
        are_apart = write_library(arguments)
        embedder = arguments.embedders[-1]
        world = rotate(make_world(arguments, embedder))
        world, crop_of = find_crops(world, arguments.folder / "photos.jsonl", are_apart)
    runs = [run_redraw(world, crop_of, seed) for seed in range(arguments.redraws)]
    without, with_crop = np.array(runs).transpose(1, 0, 2)
    is_judged = crop_of >= 0

    def gain(rows: Indices, redraws: Indices) -> float:
        return float((with_crop - without)[np.ix_(redraws, rows[is_judged[rows]])].mean())

    low, high = interval(world, len(runs), gain)
    found = gain(np.arange(len(crop_of)), np.arange(len(runs)))
    before, after = without[:, is_judged].mean(), with_crop[:, is_judged].mean()
    print(f"{embedder.name}: {is_judged.sum()} of {len(are_apart)} crops of crops are two steps away")
    print(f"  accuracy without them {before:.3f}, with them {after:.3f}")
    print(f"  difference {found:+.3f} ({low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    main()
