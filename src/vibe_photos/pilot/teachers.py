"""Ask teachers about a few photos, and compare them: quality, with paired intervals, and price.

The answers stay in the store under each teacher's own key. A label is a photo's scene, each judged attribute,
and each object (the most specific) that is there or that the teacher gives; a photo without an answer has
none right. Every figure is weighted as those of the library. Differences are paired (`statistics.paired`):
all pairs' intervals hold at once.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from msgspec.structs import replace

from vibe_photos.annotate.answers import AnswerStore
from vibe_photos.annotate.imports import absorb_output
from vibe_photos.annotate.stage import annotate_library
from vibe_photos.compare.compare import (
    JudgedSides,
    LabelChange,
    find_changed,
    measure_changes,
    show_labels,
    show_truth,
)
from vibe_photos.convert.stage import convert_annotations
from vibe_photos.errors import InputError
from vibe_photos.human_truth.draws import find_strata, read_draws
from vibe_photos.human_truth.sample import MeasuredSample, read_measured_sample
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, RawAnnotation
from vibe_photos.records.photos import Photo, read_manifest
from vibe_photos.records.pictures import number_photos, pictures_path, read_pictures
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.settings import Evaluate, Rates, Settings, Taxonomy
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.intervals import Interval, estimate_intervals
from vibe_photos.statistics.label_arrays import (
    JudgedPhotos,
    LabelArrays,
    arrays_of_records,
    most_specific,
    read_keys,
)
from vibe_photos.statistics.metrics import UNJUDGED, Floats, Ratio
from vibe_photos.statistics.paired import PairedRatio, simultaneous_intervals
from vibe_photos.statistics.summary import Figures, summarise
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TeacherAnswers:
    """What one teacher, named by its file in `conf/teacher/`, says of the pilot's photos that it answered.

    `usage`: the prompt and completion tokens of each answer whose server reported them.
    """

    name: str
    records: list[GroundTruth]
    usage: list[tuple[int, int]]
    rates: Rates


def read_measured(settings: Settings) -> tuple[MeasuredSample, dict[str, Membership]]:
    """Return the measured photos of the library, and all photos' memberships, from what is there.

    Only near-duplicate groups come from stage `split`; before it has run, each photo is alone.
    """
    paths, number_of = settings.paths, number_photos(settings)
    pictures = read_pictures(paths.photos)
    earlier, current_ids = pictures.find_earlier_ids(number_of), pictures.find_current_ids(number_of)
    known = read_splits(paths.splits) if paths.splits.exists() else {}
    strata = find_strata(read_draws(paths.human), list(number_of), current_ids)
    memberships = {
        image_id: Membership(
            group=known[image_id].group if image_id in known else image_id,
            fold=0,
            role="reserved",
            number=number,
            stratum=strata.get(image_id),
            earlier_ids=earlier.get(image_id, []),
        )
        for image_id, number in number_of.items()
    }
    return read_measured_sample(paths.human, settings.taxonomy, memberships), memberships


def choose_pilot(settings: Settings, measured: Sequence[str], photos: int | None) -> list[Photo]:
    """Return the measured photos; before anybody measured, those with the lowest permanent numbers.

    Raises:
        InputError: a number of photos is given although people have measured.
    """
    manifest = read_manifest(settings.paths.photos)
    if measured and photos is not None:
        raise InputError(
            f"people have measured {len(measured)} photos, and teachers are compared on these: leave out "
            "--photos"
        )
    if measured:
        chosen = set(measured)
        return [photo for photo in manifest if photo.image_id in chosen]
    number_of = number_photos(settings)
    return sorted(manifest, key=lambda one: number_of[one.image_id])[: photos or 200]


def ask_teacher(name: str, settings: Settings, photos: Sequence[Photo], store: Path) -> TeacherAnswers:
    """Ask about the photos that the teacher has not answered yet, and return all its answers.

    Raises:
        VibePhotosError: as stage `annotate`.
    """
    with AnswerStore(store) as answer_store:
        absorb_output(settings.paths.raw_annotations, answer_store)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        paths = replace(
            settings.paths,
            photos=folder / "photos.jsonl",
            raw_annotations=folder / "raw.jsonl",
            auto=folder / "auto",
            eval=folder,
        )
        annotate = replace(settings.annotate, budget=None, bursts="all", max_failed_share=1.0, dry_run=False)
        write_jsonl(paths.photos, photos)
        write_jsonl(pictures_path(paths.photos), read_pictures(settings.paths.photos).records)
        logger.info("pilot: %s", name)
        own = replace(settings, paths=paths, annotate=annotate)
        annotate_library(own, store)
        convert_annotations(own)
        raw = list(read_jsonl(paths.raw_annotations, RawAnnotation))
        records = list(read_jsonl(paths.auto / ALL_LABELS, GroundTruth))
    usage = [
        (one.usage["prompt_tokens"], one.usage["completion_tokens"])
        for one in raw
        if one.usage and {"prompt_tokens", "completion_tokens"} <= one.usage.keys()
    ]
    return TeacherAnswers(name, records, usage, settings.rates)


@dataclass(frozen=True, slots=True)
class TeacherCost:
    """What a teacher costs for the whole library, from the tokens really used; in `currency`."""

    hours: float
    price: float
    currency: str


@dataclass(frozen=True, slots=True)
class JudgedTeacher:
    """One teacher on the checked photos; `answered` counts all photos of the pilot that it answered.

    `right` is the share of its labels that are right, with `interval`; `figures` are per label, as stage
    `agreement` has them. `cost` is None where no server reported tokens; `price_of_thousand` is that of 1,000
    right labels.
    """

    name: str
    answered: int
    right: float | None
    interval: Interval
    figures: Figures
    cost: TeacherCost | None
    price_of_thousand: float | None


@dataclass(frozen=True, slots=True)
class TeacherPair:
    """Two teachers: by how much `second` has a larger share of right labels, and each label's change."""

    first: str
    second: str
    difference: float
    interval: Interval
    labels: list[LabelChange]

    @property
    def better(self) -> str | None:
        """The teacher that is better beyond chance, if one is."""
        if self.interval.reason or self.interval.low <= 0 <= self.interval.high:
            return None
        return self.second if self.interval.low > 0 else self.first


def compare_teachers(
    teachers: Sequence[TeacherAnswers],
    checked: Sequence[GroundTruth],
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
    evaluate: Evaluate,
    library: int,
) -> tuple[list[JudgedTeacher], list[TeacherPair]]:
    """Return the teachers, the best first, and all pairs.

    `checked` are people's records of the measured photos, with their design; `library` is the number of
    photos of the whole library.
    """
    keys, design = read_keys(taxonomy), read_design(checked, memberships)
    ids, truth = [record.image_id for record in checked], arrays_of_records(checked, keys)
    said = {}
    for teacher in teachers:
        answer_of = {record.image_id: record for record in teacher.records}
        said[teacher.name] = arrays_of_records([answer_of.get(image_id) for image_id in ids], keys)
    ratios = {name: count_right(truth, arrays, keys.object) for name, arrays in said.items()}
    intervals = estimate_intervals(list(ratios.values()), design, evaluate)
    judged = []
    for teacher, interval in zip(teachers, intervals, strict=True):
        ratio, cost = ratios[teacher.name], estimate_cost(teacher, library)
        per_photo = float(np.average(ratio.numerator, weights=design.weights))
        photos = JudgedPhotos(ids, keys, truth, said[teacher.name], design)
        judged.append(
            JudgedTeacher(
                name=teacher.name,
                answered=len(teacher.records),
                right=ratio.value(design.weights),
                interval=interval,
                figures=summarise(photos, evaluate),
                cost=cost,
                price_of_thousand=1000 * cost.price / (per_photo * library) if cost and per_photo else None,
            )
        )
    judged.sort(key=lambda one: (-(one.right or 0.0), one.name))
    pairs = list(combinations([one.name for one in judged[::-1]], 2))
    paired = [PairedRatio(ratios[a], ratios[b]) for a, b in pairs]
    found = simultaneous_intervals(paired, design, evaluate.confidence_level)
    compared = []
    for (a, b), pair, interval in zip(pairs, paired, found, strict=True):
        before, after = (show_labels(said[name], keys) for name in (a, b))
        sides = JudgedSides(ids, keys, show_truth(truth, keys), before, after, design)
        values = [one.value(design.weights) or 0.0 for one in (pair.before, pair.after)]
        labels = measure_changes(sides, find_changed(before, after, keys), evaluate)
        compared.append(TeacherPair(a, b, values[1] - values[0], interval, labels))
    return judged, compared


def count_right(truth: LabelArrays, said: LabelArrays, objects: Sequence[str]) -> Ratio:
    """Return the share of labels that are right: per photo, how many are, of how many."""
    has_scene, judged = truth.scene >= 0, truth.attributes >= 0
    right: Floats = (has_scene & (truth.scene == said.scene)).astype(np.float64)
    right += (judged & (truth.attributes == said.attributes)).sum(axis=1)
    there, given = (most_specific(one.objects, objects) == 1 for one in (truth, said))
    given &= truth.objects != UNJUDGED
    right += (there & given).sum(axis=1)
    total = has_scene.astype(np.float64) + judged.sum(axis=1) + (there | given).sum(axis=1)
    return Ratio(right, total, int((total > 0).sum()))


def estimate_cost(teacher: TeacherAnswers, library: int) -> TeacherCost | None:
    """Return the cost of the whole library at the tokens that this teacher's answers took on average."""
    if not teacher.usage:
        return None
    prompt, completion = (np.array(teacher.usage).mean(axis=0) * library).tolist()
    rates = teacher.rates
    return TeacherCost(rates.hours(prompt, completion), rates.price(prompt, completion), rates.currency)
