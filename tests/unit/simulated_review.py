"""Reviews of a library whose whole truth is known: the demo's truth and teacher, with a simulated student."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from tests.unit.stage_settings import settings_in

from vibe_photos.configuration import read_resolved
from vibe_photos.convert.stage import convert_annotations
from vibe_photos.human_truth.draws import find_strata, read_draws
from vibe_photos.human_truth.labels import HumanTruth
from vibe_photos.human_truth.sample import MeasuredSample, read_sampled, weigh_drawn
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, read_truth_file, truth_object
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.photos import Photo as ManifestPhoto
from vibe_photos.records.photos import permanent_number
from vibe_photos.records.splits import Membership
from vibe_photos.review.draw_record import record_draw
from vibe_photos.sample.stage import sample_for_review
from vibe_photos.settings import Convert, Sample, Taxonomy
from vibe_photos.statistics.label_arrays import arrays_of_labels, arrays_of_records, read_keys
from vibe_photos.statistics.metrics import Ratio
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

Photo = tuple[GroundTruth, GroundTruth]
"""What is true of a photo, and what the teacher says of it."""


def read_demo(repository: Path, taxonomy: Taxonomy, folder: Path) -> list[Photo]:
    """Return the demo's photos, sorted by id; the teacher's answers are converted into `folder`."""
    demo = repository / "data" / "demo"
    convert = Convert(min_object_confidence=0.7, include_non_main=False)
    answers = demo / "teacher_answers.simulated.jsonl"
    settings = settings_in(folder, {"raw_annotations": answers}, taxonomy=taxonomy, convert=convert)
    convert_annotations(settings)
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


class SimulatedReview:
    """A library, its student, and what people who never err say of the review sample."""

    def __init__(self, photos: Sequence[Photo], taxonomy: Taxonomy, folder: Path, repository: Path) -> None:
        keys, base = read_keys(taxonomy), read_resolved(repository)
        places = {"photos": folder / "photos.jsonl", "sample": folder / "to_review.json"}
        places |= {name: folder / "review" / name for name in ("auto", "human")}
        self._settings = msgspec.structs.replace(base, paths=msgspec.structs.replace(base.paths, **places))
        write_jsonl(places["auto"] / ALL_LABELS, [truth_object(teacher) for _, teacher in photos])
        self._truth = {truth.image_id: truth for truth, _ in photos}
        self._row_of = {image_id: row for row, image_id in enumerate(self._truth)}
        self.ids = list(self._truth)
        self.true = arrays_of_records([truth for truth, _ in photos], keys)
        labels = self._simulate_student(keys.scene, keys.attribute)
        self.student = arrays_of_labels(labels, self.ids, keys)
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

    def begin(self) -> None:
        """Forget all draws."""
        shutil.rmtree(self._settings.paths.human, ignore_errors=True)

    def draw(self, strategy: str, size: int, seed: int, library: Iterable[str] | None = None) -> list[str]:
        """Draw the sample of a library (default: all photos) and record the draw, as the page does.

        Returns the sampled photos in the order in which they are shown.
        """
        sample = Sample(size=size, seed=seed, strategy=strategy, min_per_stratum=8)  # type: ignore[arg-type]
        settings = msgspec.structs.replace(self._settings, sample=sample)
        photos = [ManifestPhoto(image_id=i, rel_path=i, bytes=1, format="JPEG") for i in library or self.ids]
        write_jsonl(settings.paths.photos, photos)
        sample_for_review(settings)
        record_draw(settings)
        return list(read_sampled(settings.paths.sample))

    def measure(
        self,
        shown: Sequence[str],
        seed: int,
        rng: np.random.Generator,
        library: Sequence[str] | None = None,
        skips: float = 0.0,
        half: str | None = None,
    ) -> MeasuredSample:
        """Let people say the truth of the photos shown, but for a share that they skip at random."""
        ids = library or self.ids
        strata = find_strata(read_draws(self._settings.paths.human), ids, {})
        members = {
            image_id: Membership(
                group=image_id,
                fold=0,
                role="reserved",
                number=permanent_number(seed, image_id),
                half="tune" if is_tune else "score",
                stratum=strata.get(image_id),
            )
            for image_id, is_tune in zip(ids, rng.random(len(ids)) < 0.5, strict=True)
        }
        is_skipped = dict(zip(shown, rng.random(len(shown)) < skips, strict=True))
        said = {i: self._truth[i] for i in shown if not is_skipped[i]}
        return weigh_drawn(
            HumanTruth(said, {}, {i: "" for i in shown if is_skipped[i]}), members, set(), half
        )

    def find_rows(self, records: Iterable[GroundTruth]) -> NDArray[np.int64]:
        """Return the places of photos in the library."""
        return np.array([self._row_of[record.image_id] for record in records], dtype=np.int64)

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
