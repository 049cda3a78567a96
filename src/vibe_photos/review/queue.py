"""The two queues of the review page: photos that measure, and photos that teach.

- *Measure*: the review sample, in its order. Figures about the library come from people's labels of it. These
  photos never train.
- *Teach*: photos that may train, the most useful first: labels that the teacher probably got wrong, then
  photos on which student and teacher disagree, on which the student is unsure, or that may have a rare label.
  People's labels replace the teacher's in training, and are in no figure about the library.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vibe_photos.errors import InputError
from vibe_photos.heads.out_of_fold import read_out_of_fold
from vibe_photos.human_truth.draws import NO_ANSWER, NO_SCENE, WHOLE_LIBRARY, split_name
from vibe_photos.human_truth.sample import read_sampled
from vibe_photos.records import keyed_hash
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.splits import read_splits
from vibe_photos.records.taxonomy import HEADS, label_name
from vibe_photos.review.teaching_reasons import (
    estimate_usefulness,
    explain,
    find_reasons,
    read_library,
    read_unseen_labels,
)
from vibe_photos.settings import Settings
from vibe_photos.statistics.label_arrays import read_keys
from vibe_photos.statistics.suspects import Suspect, find_suspects
from vibe_photos.storage.jsonl import read_jsonl

UNASSISTED_SHARE = 0.1
"""The share of the review sample that is judged without the teacher's labels, to measure their influence."""


@dataclass(frozen=True, slots=True)
class QueuedPhoto:
    """A photo of a queue; `reasons` are sentences for the page."""

    image_id: str
    reasons: tuple[str, ...]


def read_measuring_queue(settings: Settings) -> list[QueuedPhoto]:
    """Return the photos of the review sample in their order, also those already checked.

    Raises:
        InputError: the file of sampled photos is missing, or malformed.
    """
    sampled = read_sampled(settings.paths.sample)
    return [QueuedPhoto(image_id, (_why_sampled(record),)) for image_id, record in sampled.items()]


def is_unassisted(seed: int, image_id: str) -> bool:
    """Return whether a sampled photo is judged without the teacher's and the student's labels.

    It does not depend on the photo's permanent number, so in every stratum and however far the queue was
    judged, these photos are a random part. `seed` is `sample.seed`.
    """
    return keyed_hash.unit_interval(seed, "unassisted", image_id) < UNASSISTED_SHARE


def read_teaching_queue(settings: Settings) -> list[QueuedPhoto]:
    """Return the photos that may teach, most useful first; none before stage `train` has run.

    Photos on which teacher and student agree and the student is sure are left out.

    Raises:
        InputError: a file of a stage is malformed.
    """
    paths = settings.paths
    try:
        memberships = read_splits(paths.splits)
        held_out = {head: read_out_of_fold(paths.models, head) for head in HEADS}
        labels = read_unseen_labels(settings, list(held_out.values()))
    except InputError:
        return []
    answered = read_jsonl(paths.auto / ALL_LABELS, GroundTruth)
    is_train = {image_id for image_id, one in memberships.items() if one.role == "train"}
    records = sorted((one for one in answered if one.image_id in is_train), key=lambda one: one.image_id)
    reasons = find_reasons(read_library(records, labels, read_keys(settings.taxonomy)))
    usefulness = estimate_usefulness(reasons, len(records))
    sentences = {
        records[row].image_id: explain(reasons, row)
        for row in sorted(range(len(records)), key=lambda row: (-usefulness[row], records[row].image_id))
    }
    suspected = _order_suspects(
        suspect for head in HEADS for suspect in find_suspects(held_out[head], head).suspects
    )
    ranked = [image_id for image_id in suspected if image_id in is_train]
    ranked += [image_id for image_id, why in sentences.items() if why and image_id not in suspected]
    return [
        QueuedPhoto(image_id, tuple([*suspected.get(image_id, []), *sentences.get(image_id, [])]))
        for image_id in ranked
    ]


def _order_suspects(suspects: Iterable[Suspect]) -> Mapping[str, list[str]]:
    """Return a sentence per suspected label, by photo; the least likely answers of the teacher come first."""
    found: dict[str, list[str]] = {}
    for suspect in sorted(suspects, key=lambda one: (one.teacher_probability, one.image_id)):
        found.setdefault(suspect.image_id, []).append(
            f"probably wrong: the teacher says {suspect.teacher}, the student {suspect.student}"
        )
    return found


def _why_sampled(record: Mapping[str, Any]) -> str:
    stratum = str(record.get("stratum", WHOLE_LIBRARY))
    name, draw = split_name(stratum)
    if name == WHOLE_LIBRARY:
        return "drawn at random from the library"
    later = ", among photos added after the first draw" if draw > 1 else ""
    if name == NO_ANSWER:
        return f"drawn at random from the photos that have no answer of the teacher{later}"
    scene = "gives no scene" if name == NO_SCENE else f"calls {label_name(name)}"
    return f"drawn at random from the photos that the teacher {scene}{later}"
