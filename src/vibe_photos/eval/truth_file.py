"""Measure labels against any ground truth, for `python -m vibe_photos.eval.labels`.

The truth is human labels (the folder `data/human`, or one reviewer's log) or a truth file.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.evaluate.text_report import format_figures
from vibe_photos.heads.out_of_fold import read_trained
from vibe_photos.human_truth.labels import (
    AUDITED_FILE,
    DECISIONS_FOLDER,
    HumanTruth,
    read_human_truth,
    read_log_truth,
    rename_checked,
)
from vibe_photos.human_truth.sample import MeasuredSample, read_measured_sample, weigh_stated
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, read_objects, read_placed_truth
from vibe_photos.records.label_tables import LabelTable, read_decisions
from vibe_photos.records.photos import say_count
from vibe_photos.records.pictures import read_pictures
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.settings import Settings, Taxonomy
from vibe_photos.statistics.label_arrays import JudgedPhotos, judge_photos
from vibe_photos.statistics.summary import Figures, summarise


@dataclass(frozen=True, slots=True)
class TruthFigures:
    """The figures against one ground truth.

    `photos` are those that count. `counts` says how many `records` there are and why others do not count: the
    photo is `not_in_database`, no draw reached it (`by_hand`, see `human_truth.sample`), thresholds were
    `tuned_on` its half, it was `taught` and so not drawn at random, or it was `skipped` and has no label.
    `trained_on` counts photos used to train a head; it is left out if no head records its training photos.
    `is_own_set` is true if no record says how its photo was drawn.
    """

    photos: JudgedPhotos
    figures: Figures
    counts: dict[str, int]
    is_own_set: bool


def measure_truth(truth: Path, labels: Path, settings: Settings) -> TruthFigures:
    """Measure the labels of a database against a truth: a folder like `data/human`, a log or a truth file.

    Near-duplicate groups and roles come from `paths.splits` if that file exists. Photos on which thresholds
    were tuned (`classify.tuned_on`) are left out. For the folder, the figures equal those of `evaluate`.
    Records of a photo under its earlier ids count.

    Raises:
        InputError: a file is missing, malformed or has no truth, or a record has an unknown label key.
    """
    memberships = read_splits(settings.paths.splits) if settings.paths.splits.exists() else {}
    table = read_decisions(labels)
    # Of the database, which may be older than the library of today.
    current_ids = read_pictures(settings.paths.photos).find_current_ids(table.image_ids)
    if truth.is_dir():
        said = read_human_truth(truth, current_ids).fit(settings.taxonomy, truth)
        if not (said.everything or said.skipped):
            raise InputError(
                f"{truth} has no human labels (no {AUDITED_FILE}, no log in {DECISIONS_FOLDER}/). "
                f"The project's folder is {settings.paths.human}; `vibe-photos review` fills it"
            )
    else:
        said = _read_file(truth, settings, current_ids)
    if truth.is_dir() and memberships:
        sample = read_measured_sample(truth, settings.taxonomy, memberships, settings.classify.scored_half)
    else:
        sample = _weigh_records(truth, list(said.measured.values()), settings, memberships, table)
    # If no record says how its photo was drawn, all records count equally.
    records, by_hand = (sample.records, sample.own_set) if sample.records else (sample.own_set, [])
    photos = judge_photos(records, memberships, table, settings.taxonomy)
    trained = read_trained(settings.paths.models)
    counts = {"records": len(said.measured), "not_in_database": sample.not_in_library}
    if trained is not None:
        counts["trained_on"] = len(trained.intersection(photos.image_ids))
    others = {
        "tuned_on": sample.left_out,
        "by_hand": len(by_hand) + len(sample.waiting),
        "taught": len(said.taught),
        "skipped": len(said.skipped),
    }
    return TruthFigures(
        photos=photos,
        figures=summarise(photos, settings.evaluate) if records else {"n": 0},
        counts=counts | {name: count for name, count in others.items() if count},
        is_own_set=bool(records) and not sample.records,
    )


def _read_file(file: Path, settings: Settings, current_ids: Mapping[str, str]) -> HumanTruth:
    taxonomy, paths = settings.taxonomy, settings.paths
    fields = {name for _, value in read_objects(file) for name in value}
    if "decided_at" in fields:
        return read_log_truth(file, current_ids).fit(taxonomy, file)
    if "annotation" in fields:
        raise InputError(
            f"{file} has the teacher's raw answers, in words and not in label keys. "
            f"Use the labels made from them: --gt {paths.auto / ALL_LABELS}"
        )
    if fields.isdisjoint({"scene", "attributes", "objects"}):
        raise InputError(
            f"{file} has no truth: none of its records has scene, attributes or objects. "
            f"Human labels: --gt {paths.human}; the teacher's labels: --gt {paths.auto / ALL_LABELS}"
        )
    placed = rename_checked(read_placed_truth(file), current_ids)
    # In the order of `evaluate`, so that seeded intervals are the same.
    measured = {one.image_id: one for _, one in sorted(placed, key=lambda one: one[1].image_id)}
    places = {one.image_id: place for place, one in placed}
    return HumanTruth(measured, taught={}, skipped={}, places=places).fit(taxonomy, file)


def _weigh_records(
    truth: Path,
    records: Sequence[GroundTruth],
    settings: Settings,
    memberships: Mapping[str, Membership],
    labels: LabelTable,
) -> MeasuredSample:
    """Weight records by what they say themselves."""
    labelled, is_tuned = set(labels.image_ids), settings.classify.tuned_on != "none"
    _refuse_other_ids(truth, {record.image_id for record in records}, labelled)
    in_database = [record for record in records if record.image_id in labelled]
    kept = [
        record
        for record in in_database
        if not (is_tuned and (one := memberships.get(record.image_id)) and one.half == "tune")
    ]
    sample = weigh_stated(kept, {})
    sample.not_in_library = len(records) - len(in_database)
    sample.left_out = len(in_database) - len(kept)
    return sample


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
    return msgspec.json.format(msgspec.json.encode(found.figures | found.counts), indent=2).decode()


def format_text(found: TruthFigures, truth: Path, labels: Path, taxonomy: Taxonomy) -> str:
    """Return what was compared and left out, then the figures as tables, for a terminal."""
    figures, counts = found.figures, found.counts
    notes = {
        "not in the database, left out": counts["not_in_database"],
        "reached by no draw, left out because they stand for no others": counts.get("by_hand"),
        "thresholds were tuned on their half, left out": counts.get("tuned_on"),
        "chosen by people to teach, left out because they stand for no others": counts.get("taught"),
        "shown to people and skipped, so without an answer": counts.get("skipped"),
        "without any label, counted as wrong": figures.get("missing"),
        "trained a head, so the figures flatter it": figures["n"] and counts.get("trained_on"),
    }
    lines = [
        f"{truth} against {labels}: {say_count(counts['records'], 'record')}, "
        f"{say_count(figures['n'])} compared",
        *(f"  {note}: {say_count(count)}" for note, count in notes.items() if count),
    ]
    if figures["n"] == 0:
        lines.append("nothing to compare: no other photo of the truth has a label in the database")
        return "\n".join(lines)
    if found.is_own_set:
        lines.append("how these photos were drawn is not said: the figures are about them, not the library")
    if figures["weights"] != "none":
        lines.append("some kinds of photos were checked more often than others; the figures correct for that")
    return "\n".join([*lines, "", format_figures(figures, taxonomy)])
