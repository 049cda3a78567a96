"""Sixty photos as the stages leave them, sampled, scored and labelled, for what reads their files.

Photos 0 to 39 are reserved or held out, the last twenty train.
"""

from pathlib import Path

import msgspec
import numpy as np

from vibe_photos.classify.stage import classify_photos
from vibe_photos.configuration import read_resolved
from vibe_photos.human_truth.draws import find_strata, read_draws
from vibe_photos.human_truth.labels import AUDITED_FILE
from vibe_photos.human_truth.sample import DESIGN_FIELDS, read_sampled
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, truth_object
from vibe_photos.records.label_tables import ScoreTable, write_scores
from vibe_photos.records.photos import Photo, permanent_number
from vibe_photos.records.splits import Membership
from vibe_photos.sample.stage import sample_for_review
from vibe_photos.settings import Sample, Settings
from vibe_photos.split.stage import write_splits
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

IDS = [f"p{number:02}" for number in range(60)]
KEYS = ["scene.food", "scene.people", "attr.has_text"]
TRAINED = IDS[40:]


def write_reviewed_library(folder: Path, repository: Path) -> Settings:
    """Write the files and return settings that point at them.

    The teacher calls photos 0 to 19 food, without text, and the others people, with text. The student
    agrees but for p00, which it calls people. The heads learnt from the last twenty; when they had not
    seen them, they called p59 food.
    """
    settings = _settings(folder, repository)
    paths = settings.paths
    truths = [_teach(number, image_id) for number, image_id in enumerate(IDS)]
    write_jsonl(paths.auto / ALL_LABELS, map(truth_object, truths))
    photos = [Photo(image_id=i, rel_path=f"{i}.jpg", bytes=1, format="JPEG") for i in IDS]
    write_jsonl(paths.photos, photos)
    sample_for_review(settings)
    write_memberships(settings)
    food = np.where(np.arange(60) < 20, 0.9, 0.1)
    food[0] = 0.05
    scores = np.column_stack([food, 1 - food, np.where(np.arange(60) < 20, 0.1, 0.9)])
    write_scores(paths.probabilities, ScoreTable(IDS, KEYS, scores, scores, np.full(scores.shape, np.nan)))
    classify_photos(settings)
    unseen = scores[40:].astype(np.float32)
    unseen[19, :2] = 0.8, 0.2
    _write_out_of_fold(paths.models, "scene", KEYS[:2], unseen[:, :2], np.ones(20, np.int64))
    _write_out_of_fold(paths.models, "attribute", KEYS[2:], unseen[:, 2:], np.ones((20, 1), np.int8))
    _write_out_of_fold(paths.models, "object", [], np.zeros((20, 0), np.float32), np.zeros((20, 0), np.int8))
    return settings


def write_memberships(settings: Settings) -> None:
    """Write `splits.json` as stage `split` would, but for the roles: those who train are always the same."""
    strata = find_strata(read_draws(settings.paths.human), IDS, {})
    members = {
        i: Membership(
            group=i,
            fold=0,
            role="train" if i in TRAINED else "reserved",
            number=permanent_number(settings.sample.seed, i),
            stratum=strata.get(i),
        )
        for i in IDS
    }
    write_splits(settings.paths.splits, members)


def audit(settings: Settings, image_ids: list[str]) -> None:
    """Let a person agree with the teacher on some photos, sampled ones with their design."""
    truths = {record.image_id: record for record in read_jsonl(settings.paths.auto / ALL_LABELS, GroundTruth)}
    sampled = read_sampled(settings.paths.sample)
    design = {i: {name: sampled[i][name] for name in DESIGN_FIELDS} for i in sampled}
    records = [truth_object(truths[i]) | design.get(i, {}) for i in image_ids]
    write_json(settings.paths.human / AUDITED_FILE, records)


def _settings(folder: Path, repository: Path) -> Settings:
    defaults = read_resolved(repository)
    names = msgspec.structs.asdict(defaults.paths)
    paths = msgspec.structs.replace(defaults.paths, **{name: folder / path for name, path in names.items()})
    sample = Sample(size=24, seed=5, strategy="stratified", min_per_stratum=4)
    return msgspec.structs.replace(defaults, paths=paths, sample=sample)


def _teach(number: int, image_id: str) -> GroundTruth:
    is_food = number < 20
    scene = "scene.food" if is_food else "scene.people"
    return GroundTruth(image_id=image_id, scene=[scene], attributes={"attr.has_text": not is_food})


def _write_out_of_fold(
    models: Path, head: str, labels: list[str], probabilities: np.ndarray, y: np.ndarray
) -> None:
    models.mkdir(exist_ok=True)
    np.savez(
        models / f"{head}_out_of_fold.npz",
        image_ids=np.array(TRAINED),
        labels=np.array(labels, dtype=np.str_),
        logits=probabilities,
        probabilities=probabilities,
        y=y,
        by_people=np.zeros((len(TRAINED), 1), bool),
    )
