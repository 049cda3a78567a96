"""Measure labels against any ground truth, for `python -m vibe_photos.eval.labels`.

The truth is human labels (the folder `data/human`, or one reviewer's log) or a truth file.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.evaluate.text_report import format_figures
from vibe_photos.heads.out_of_fold import read_trained
from vibe_photos.human_truth.labels import AUDITED_FILE, DECISIONS_FOLDER, read_human_truth, read_log_truth
from vibe_photos.human_truth.sample import MeasuredSample, read_measured_sample, weigh_stated
from vibe_photos.records.ground_truth import ALL_LABELS, fit_keys, read_objects, read_truth_file
from vibe_photos.records.label_tables import LabelTable, read_decisions
from vibe_photos.records.photos import say_count
from vibe_photos.records.splits import Membership, find_current_ids, read_splits
from vibe_photos.settings import Settings
from vibe_photos.statistics.label_arrays import JudgedPhotos, judge_photos
from vibe_photos.statistics.summary import Figures, summarise


@dataclass(frozen=True, slots=True)
class TruthFigures:
    """The figures against one ground truth, and how many of its records count.

    Left out are `not_in_database` records of photos without a row in the label database, `by_hand` records of
    photos that no draw reached (`human_truth.sample`), `tuned_on` photos of the half used to tune thresholds,
    `taught` photos, which were not drawn at random, and `skipped` ones, which have no label. `trained_on`
    counts photos used to train a head; None if no head records its training photos. `is_own_set` is true if
    no record says how its photo was drawn. `photos` are those that count.
    """

    photos: JudgedPhotos
    figures: Figures
    records: int
    by_hand: int
    not_in_database: int
    trained_on: int | None
    tuned_on: int
    taught: int
    skipped: int
    is_own_set: bool


@dataclass(frozen=True, slots=True)
class _Truth:
    """The records that may count, the number of all records, and counts of taught and skipped photos."""

    sample: MeasuredSample
    records: int
    taught: int = 0
    skipped: int = 0


def measure_truth(truth: Path, labels: Path, settings: Settings) -> TruthFigures:
    """Measure the labels of a database against a truth: a folder like `data/human`, a log or a truth file.

    Near-duplicate groups and roles come from `paths.splits` if that file exists. Photos on which thresholds
    were tuned (`classify.tuned_on`) are left out. For the folder, the figures equal those of `evaluate`.

    Raises:
        InputError: a file is missing, malformed or has no truth, or a record has an unknown label key.
    """
    splits = settings.paths.splits
    memberships = read_splits(splits) if splits.exists() else {}
    table = read_decisions(labels)
    if truth.is_dir():
        read = _read_folder(truth, settings, memberships)
    else:
        read = _read_file(truth, settings, memberships, table)
    sample = read.sample
    # If no record says how its photo was drawn, all records count equally.
    records, by_hand = (sample.records, sample.own_set) if sample.records else (sample.own_set, [])
    photos = judge_photos(records, memberships, table, settings.taxonomy)
    trained = read_trained(settings.paths.models)
    return TruthFigures(
        photos=photos,
        figures=summarise(photos, settings.evaluate) if records else {"n": 0},
        records=read.records,
        by_hand=len(by_hand) + len(sample.waiting),
        not_in_database=sample.not_in_library,
        trained_on=None if trained is None else len(trained.intersection(photos.image_ids)),
        tuned_on=sample.left_out,
        taught=read.taught,
        skipped=read.skipped,
        is_own_set=bool(records) and not sample.records,
    )


def _read_folder(folder: Path, settings: Settings, memberships: Mapping[str, Membership]) -> _Truth:
    said = read_human_truth(folder, find_current_ids(memberships)).fit(settings.taxonomy, folder)
    if not (said.everything or said.skipped):
        raise InputError(
            f"{folder} has no human labels (no {AUDITED_FILE}, no log in {DECISIONS_FOLDER}/). "
            f"The project's folder is {settings.paths.human}; `vibe-photos review` fills it"
        )
    if memberships:
        sample = read_measured_sample(folder, settings.taxonomy, memberships, settings.classify.scored_half)
    else:
        sample = weigh_stated(list(said.measured.values()), {})
    return _Truth(sample, len(said.measured), len(said.taught), len(said.skipped))


def _read_file(
    file: Path, settings: Settings, memberships: Mapping[str, Membership], labels: LabelTable
) -> _Truth:
    taxonomy, paths = settings.taxonomy, settings.paths
    fields = {name for _, value in read_objects(file) for name in value}
    taught = skipped = 0
    if "decided_at" in fields:
        said = read_log_truth(file).fit(taxonomy, file)
        records, taught, skipped = list(said.measured.values()), len(said.taught), len(said.skipped)
    elif "annotation" in fields:
        raise InputError(
            f"{file} has the teacher's raw answers, in words and not in label keys. "
            f"Use the labels made from them: --gt {paths.auto / ALL_LABELS}"
        )
    elif fields.isdisjoint({"scene", "attributes", "objects"}):
        raise InputError(
            f"{file} has no truth: none of its records has scene, attributes or objects. "
            f"Human labels: --gt {paths.human}; the teacher's labels: --gt {paths.auto / ALL_LABELS}"
        )
    else:
        records = fit_keys(read_truth_file(file), taxonomy, file)
        # As in `evaluate`, so that seeded intervals are the same.
        records.sort(key=lambda record: record.image_id)
    labelled = set(labels.image_ids)
    _refuse_other_ids(file, {record.image_id for record in records}, labelled)
    in_database = [record for record in records if record.image_id in labelled]
    tuned: set[str] = set()
    if settings.classify.tuned_on != "none":
        tuned = {image_id for image_id, membership in memberships.items() if membership.half == "tune"}
    kept = [record for record in in_database if record.image_id not in tuned]
    sample = weigh_stated(kept, {})
    sample.not_in_library = len(records) - len(in_database)
    sample.left_out = len(in_database) - len(kept)
    return _Truth(sample, len(records), taught, skipped)


def _refuse_other_ids(file: Path, ids: Set[str], labelled: Set[str]) -> None:
    """Raise an error if the file's ids are hashes of another length than those of the labels."""
    theirs, ours = ({len(image_id) for image_id in some} for some in (ids, labelled))
    if theirs | ours == {16, 32} and not theirs & ours:
        raise InputError(
            f"{file} has ids of {max(theirs)} digits, and the labels have ids of {max(ours)}: they match no "
            "photo. library.content_hash in params.yaml is xxh64 for 16 digits, xxh3_128 for 32"
        )


def format_json(found: TruthFigures) -> str:
    """Return the figures and counts as indented JSON."""
    counts: Figures = {"records": found.records, "not_in_database": found.not_in_database}
    counts |= {} if found.trained_on is None else {"trained_on": found.trained_on}
    counts |= {"tuned_on": found.tuned_on} if found.tuned_on else {}
    others = {"by_hand": found.by_hand, "taught": found.taught, "skipped": found.skipped}
    counts |= {name: count for name, count in others.items() if count}
    return msgspec.json.format(msgspec.json.encode(found.figures | counts), indent=2).decode()


def format_text(found: TruthFigures, truth: Path, labels: Path) -> str:
    """Return what was compared and left out, then the figures as tables, for a terminal."""
    figures = found.figures
    notes = [
        ("not in the database, left out", found.not_in_database),
        ("reached by no draw, left out because they stand for no others", found.by_hand),
        ("thresholds were tuned on their half, left out", found.tuned_on),
        ("chosen by people to teach, left out because they stand for no others", found.taught),
        ("shown to people and skipped, so without an answer", found.skipped),
        ("without any label, counted as wrong", figures.get("missing")),
        ("trained a head, so the figures flatter it", figures["n"] and found.trained_on),
    ]
    lines = [
        f"{truth} against {labels}: {say_count(found.records, 'record')}, {say_count(figures['n'])} compared",
        *(f"  {note}: {say_count(count)}" for note, count in notes if count),
    ]
    if figures["n"] == 0:
        lines.append("nothing to compare: no other photo of the truth has a label in the database")
        return "\n".join(lines)
    if found.is_own_set:
        lines.append("how these photos were drawn is not said: the figures are about them, not the library")
    if figures["weights"] != "none":
        lines.append("some kinds of photos were checked more often than others; the figures correct for that")
    return "\n".join([*lines, "", format_figures(figures)])
