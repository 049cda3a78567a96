"""Audits of a library whose whole truth is known: the demo's truth and teacher, with a simulated student."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.convert.stage import convert_annotations
from vibe_photos.human_truth.inclusion import split_by_hand, weigh_audited
from vibe_photos.human_truth.rounds import Round
from vibe_photos.human_truth.sample import DESIGN_FIELDS, read_sampled
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, read_truth_file, truth_object
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.review.next_round import choose_round
from vibe_photos.review.review_reasons import find_reasons, read_library
from vibe_photos.sample.stage import sample_for_review
from vibe_photos.settings import Convert, Sample, Taxonomy
from vibe_photos.statistics.label_arrays import arrays_of_records, read_keys
from vibe_photos.statistics.metrics import Ratio
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

Photo = tuple[GroundTruth, GroundTruth]
"""What is true of a photo, and what the teacher says of it."""


def read_demo(repository: Path, taxonomy: Taxonomy, folder: Path) -> list[Photo]:
    """Return the demo's photos, sorted by id; the teacher's answers are converted into `folder`."""
    demo = repository / "data" / "demo"
    convert = Convert(min_object_confidence=0.7, include_non_main=False)
    answers = demo / "teacher_answers.simulated.jsonl"
    convert_annotations(answers, folder / "auto", taxonomy, convert, folder / "convert.json")
    auto = {record.image_id: record for record in read_jsonl(folder / "auto" / ALL_LABELS, GroundTruth)}
    truth = {record.image_id: record for record in read_truth_file(demo / "truth.jsonl")}
    return [(msgspec.structs.replace(truth[i], extra={}), auto[i]) for i in sorted(auto)]


def enlarge(photos: Sequence[Photo], size: int, rng: np.random.Generator) -> list[Photo]:
    """Return a library of `size` photos with the same habits: photos are drawn anew, under new ids.

    Of those that the teacher calls no document 0.3 % are one, and 8 % of those that it does are none, since
    the demo's teacher errs on no document at all.
    """
    return [_err_on_document(photos[i], f"{n:06d}", rng) for n, i in enumerate(rng.choice(len(photos), size))]


def _err_on_document(photo: Photo, image_id: str, rng: np.random.Generator) -> Photo:
    truth, teacher = (msgspec.structs.replace(record, image_id=image_id) for record in photo)
    is_called = teacher.scene == ["scene.document"]
    if rng.random() < (0.08 if is_called else 0.003):
        attributes = truth.attributes | {"attr.is_document": not is_called}
        truth = msgspec.structs.replace(truth, attributes=attributes)
    return truth, teacher


@dataclass(frozen=True)
class Audit:
    """What a person audited, and in which rounds; `rows` int64 are the places of `weighed` in the library."""

    records: list[GroundTruth]
    rounds: list[Round]
    weighed: list[GroundTruth]
    rows: NDArray[np.int64]


class SimulatedReview:
    """A library, its student, and the review of it by people who never err."""

    def __init__(self, photos: Sequence[Photo], taxonomy: Taxonomy, folder: Path) -> None:
        self._folder = folder
        self._auto = [teacher for _, teacher in photos]
        write_jsonl(folder / "auto.jsonl", map(truth_object, self._auto))
        keys = read_keys(taxonomy)
        self._truth = {truth.image_id: truth for truth, _ in photos}
        self._row_of = {image_id: row for row, image_id in enumerate(self._truth)}
        self.true = arrays_of_records([truth for truth, _ in photos], keys)
        labels = self._simulate_student(keys.scene, keys.attribute)
        library = read_library(self._auto, labels, keys)
        self.student, self._reasons = library.student, find_reasons(library)
        self.has = {key: column for column, key in enumerate(keys.attribute)}

    def _simulate_student(self, scenes: list[str], attributes: list[str]) -> LabelTable:
        """Return the labels of a student who is right on 84 of 100 scenes and unsure where it errs."""
        rng = np.random.default_rng(1)
        logits = rng.normal(0, 1.5, (len(self._truth), len(scenes)))
        logits[np.arange(len(logits)), self.true.scene] += 3.9
        probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        noise = rng.normal(0, 1.2, self.true.attributes.shape)
        score = 1 / (1 + np.exp(1.9 - 3.0 * (self.true.attributes == 1) - noise))
        scene = np.arange(len(scenes)) == probability.argmax(axis=1)[:, np.newaxis]
        return LabelTable(
            image_ids=list(self._truth),
            keys=[*scenes, *attributes],
            level={},
            source={},
            threshold={key: None for key in scenes} | {key: 0.5 for key in attributes},
            score=np.hstack([probability, score]),
            value=np.hstack([scene, score >= 0.5]).astype(np.int8),
        )

    def sample(self, strategy: str, size: int, seed: int, audited: int) -> list[GroundTruth]:
        """Draw the review sample and audit the first of it."""
        to_review = self._folder / "to_review.json"
        sample = Sample(size=size, seed=seed, strategy=strategy, min_per_stratum=8)  # type: ignore[arg-type]
        sample_for_review(self._folder / "auto.jsonl", to_review, self._folder, sample)
        drawn = read_sampled(to_review)
        return [
            msgspec.structs.replace(self._truth[i], extra={name: drawn[i][name] for name in DESIGN_FIELDS})
            for i in list(drawn)[:audited]
        ]

    def audit(self, sample: list[GroundTruth], rounds: Sequence[int], seed: int) -> Audit:
        """Audit, after the sample, so many new photos of one round after the other."""
        records, drawn = {record.image_id: record for record in sample}, []
        for number, audited in enumerate(rounds, start=1):
            drawn.append(choose_round(self._auto, self._reasons, number, seed, 120, set(records)))
            asked = [photo.image_id for photo in drawn[-1].asked if photo.image_id not in records]
            records |= {image_id: self._truth[image_id] for image_id in asked[:audited]}
        weighed, by_hand = split_by_hand(weigh_audited(list(records.values()), drawn))
        assert not by_hand
        rows = np.array([self._row_of[record.image_id] for record in weighed], dtype=np.int64)
        return Audit(list(records.values()), drawn, weighed, rows)

    def shares(self, rows: NDArray[np.int64] | slice = slice(None)) -> dict[str, Ratio]:
        """Return figures of some photos, all photos by default, each a share of photos."""
        person = self.has["attr.has_person"]
        is_person, said = self.true.attributes[:, person] == 1, self.student.attributes[:, person] == 1
        flags = {
            "scene accuracy": self.true.scene == self.student.scene,
            "is_document": self.true.attributes[:, self.has["attr.is_document"]] == 1,
            "has_animal": self.true.attributes[:, self.has["attr.has_animal"]] == 1,
            "has_person true positives": is_person & said,
            "has_person false positives": ~is_person & said,
            "has_person false negatives": is_person & ~said,
        }
        values = {name: flag[rows].astype(np.float64) for name, flag in flags.items()}
        return {name: Ratio(value, np.ones(len(value)), len(value)) for name, value in values.items()}
