"""Evaluation, from the label database to the figures: ours, a numpy floor, a loop with a query a photo.

A record is one judged label of one photo: a row of `label_assignment`. The floor counts hits and misses
on arrays that are there already; the peer asks the database for each photo and counts in Python. Intervals
and curves are in ours alone, and so is reading the whole database, which `read_labels` takes by itself.
"""

import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from benchmarks.rounds import at_most, measure, parse_arguments, print_table, write_results

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable, read_decisions, read_labels, write_labels
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import head_keys
from vibe_photos.settings import Evaluate, HeadName, Taxonomy
from vibe_photos.statistics.label_arrays import judge_photos
from vibe_photos.statistics.summary import summarise

CONF = Path(__file__).resolve().parent.parent / "conf"


@dataclass(frozen=True)
class World:
    """A synthetic library: labels in a database, and its truth as records and as arrays."""

    labels: Path
    taxonomy: Taxonomy
    evaluate: Evaluate
    records: list[GroundTruth]
    memberships: dict[str, Membership]
    scene_true: np.ndarray
    attributes_true: np.ndarray
    scene_pred: np.ndarray
    attributes_pred: np.ndarray


def make_world(records: int, folder: Path) -> World:
    """Write a label database of about so many rows; nine of ten photos have no near-duplicate."""
    taxonomy = msgspec.convert(
        msgspec.yaml.decode((CONF / "taxonomy" / "m2.yaml").read_bytes()), Taxonomy, strict=True
    )
    scenes, attributes = head_keys(taxonomy, "scene"), head_keys(taxonomy, "attribute")
    keys, rng = scenes + attributes, np.random.default_rng(0)
    n = records // len(keys)
    ids = [f"{number:032x}" for number in range(n)]
    score = rng.random((n, len(keys)))
    scene_true, attributes_true = rng.integers(0, len(scenes), n), rng.random((n, len(attributes))) < 0.3
    score[np.arange(n), scene_true] += 0.6
    scene_pred = score[:, : len(scenes)].argmax(axis=1)
    attributes_pred = score[:, len(scenes) :] > 0.5
    value = np.hstack([scene_pred[:, None] == np.arange(len(scenes)), attributes_pred]).astype(np.int8)
    level: dict[str, HeadName] = {**dict.fromkeys(scenes, "scene"), **dict.fromkeys(attributes, "attribute")}
    table = LabelTable(ids, keys, level, dict.fromkeys(keys, "head"), dict.fromkeys(keys, 0.5), score, value)
    write_labels(folder / "labels.sqlite", table, dict.fromkeys(keys))
    truth = [
        GroundTruth(image_id=i, scene=[scenes[s]], attributes=dict(zip(attributes, row, strict=True)))
        for i, s, row in zip(ids, scene_true, attributes_true.tolist(), strict=True)
    ]
    groups = {
        i: Membership(group=ids[k - k % 10 // 9], fold=0, role="holdout", number=k / len(ids))
        for k, i in enumerate(ids)
    }
    evaluate = Evaluate(confidence_level=0.95, bootstrap_repetitions=2000, seed=0)
    return World(
        folder / "labels.sqlite",
        taxonomy,
        evaluate,
        truth,
        groups,
        scene_true,
        attributes_true,
        scene_pred,
        attributes_pred,
    )


def measure_ours(world: World) -> float:
    """Read, compare and summarise, intervals and curves included; return scene accuracy."""
    comparison = judge_photos(world.records, world.memberships, read_decisions(world.labels), world.taxonomy)
    return float(summarise(comparison, world.evaluate)["scene"]["accuracy"])


def measure_floor(world: World) -> float:
    """Count on arrays that are in memory already; return scene accuracy."""
    np.bincount(world.scene_true * 9 + world.scene_pred, minlength=81)
    for column in range(world.attributes_true.shape[1]):
        np.bincount(world.attributes_true[:, column] * 2 + world.attributes_pred[:, column], minlength=4)
    return float((world.scene_true == world.scene_pred).mean())


def measure_peer(world: World) -> float:
    """Ask the database for each photo and count in Python; return scene accuracy."""
    counts: Counter[tuple[str, bool, bool]] = Counter()
    connection = sqlite3.connect(world.labels)
    query = "SELECT label_key, value FROM label_assignment WHERE image_id = ?"
    for record in world.records:
        said = dict(connection.execute(query, (record.image_id,)))
        counts["scene", True, said.get(record.scene[0]) == 1] += 1
        for key, value in record.attributes.items():
            counts[key, value, said.get(key) == 1] += 1
    connection.close()
    return counts["scene", True, True] / len(world.records)


def main() -> None:
    """Print a table for a small and a large database."""
    arguments = parse_arguments(__doc__, rounds=3)
    results = {}
    for records in (200_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            world = make_world(records, Path(folder))
            results[f"{records:,} records"] = measure(
                {
                    "floor: numpy": lambda world=world: measure_floor(world),
                    "read_labels": lambda world=world: read_labels(world.labels),
                    "read_decisions": lambda world=world: read_decisions(world.labels),
                    "evaluate": lambda world=world: measure_ours(world),
                    "a query a photo": lambda world=world: measure_peer(world),
                },
                arguments.rounds,
            )
            assert abs(measure_ours(world) - measure_floor(world)) < 1e-4
            assert abs(measure_peer(world) - measure_floor(world)) < 1e-9
        title = f"{records:,} records"
        print_table(title, results[title], "floor: numpy", records, "records")
    largest = results["1,000,000 records"]
    reach = at_most(
        "evaluate 1M records, database to figures", largest["evaluate"], 1.0, largest["a query a photo"], "s"
    )
    write_results(arguments.json, results, [reach])


if __name__ == "__main__":
    main()
