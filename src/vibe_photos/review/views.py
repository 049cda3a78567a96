"""What the page is told: about a photo, about the labels that can be chosen, and about the progress."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from vibe_photos.records.ground_truth import Decision, GroundTruth, read_proposals
from vibe_photos.records.photos import Photo
from vibe_photos.records.taxonomy import HEADS, head_keys, label_name, show_meaning, show_name
from vibe_photos.review import api
from vibe_photos.review.sources import ReviewSources
from vibe_photos.settings import HeadName, Settings

_PAUSE_SECONDS = 300.0
_RECENT = 50
_MIN_FOR_SPEED = 5


def list_labels(settings: Settings) -> dict[HeadName, list[api.Label]]:
    """Return the labels of each head with the words that find them, scenes and attributes as configured."""
    taxonomy, rules = settings.taxonomy, settings.classify.attribute_from_scene
    mappings: dict[HeadName, Mapping[str, str]] = {
        "scene": taxonomy.scenes,
        "attribute": taxonomy.attributes,
        "object": taxonomy.objects,
    }
    labels = {}
    for head in HEADS:
        words: dict[str, list[str]] = defaultdict(list)
        for word, key in mappings[head].items():
            words[key].append(word.replace("_", " "))
        # Words stand in the order of the vocabulary; objects are sorted, as a tree.
        keys = head_keys(taxonomy, head)
        if head != "object":
            keys = list(dict.fromkeys([*words, *keys]))
        labels[head] = [
            api.Label(
                key=key,
                name=show_name(key, taxonomy),
                means=show_meaning(key, taxonomy),
                words=words[key],
                rule_scene=rules.get(label_name(key)) if head == "attribute" else None,
            )
            for key in keys
        ]
    return labels


def show_item(sources: ReviewSources, photo: Photo, with_student: bool) -> api.PhotoItem:
    """Return a photo of a list, with what everybody says of it."""
    student = show_student(sources, photo.image_id) if with_student else api.StudentView()
    return api.PhotoItem(**_describe(sources, photo), student=student.student, scores=student.scores)


def show_photo(sources: ReviewSources, photo: Photo, with_reasons: bool) -> api.PhotoView:
    """Return everything about a photo, without the student's labels."""
    image_id, state = photo.image_id, sources.decisions.state(photo.image_id)
    is_unassisted = image_id in sources.unassisted
    reasons: list[str] = []
    if with_reasons and not is_unassisted:  # the reasons name the teacher's scene
        in_sample = image_id in sources.queued
        reasons = sources.queued[image_id]() if in_sample else sources.teaching.tell(image_id)
    return api.PhotoView(
        **_describe(sources, photo),
        effect=_describe_effect(sources, image_id),
        reasons=reasons,
        is_unassisted=is_unassisted,
        decided_by=state.decided_by,
        conflicting_decisions=[
            api.ReviewerDecision(reviewer=one.reviewer, truth=show_truth(one.truth) or api.Truth())
            for one in state.conflicting_decisions
        ],
    )


def show_student(sources: ReviewSources, image_id: str) -> api.StudentView:
    """Return what the student says of a photo; nothing if its labels are hidden or not known."""
    opinions, row = sources.opinions, sources.row_of[image_id]
    said_of = zip(opinions.keys, opinions.values("student")[row].tolist(), strict=True)
    values = {key: value for key, value in said_of if value >= 0}
    if not values:
        return api.StudentView()
    said = [key for key, value in values.items() if value]
    truth = api.Truth(
        scene=next((key for key in said if key.startswith("scene.")), None),
        attributes={key: value == 1 for key, value in values.items() if key.startswith("attr.")},
        objects=[key for key in said if key.startswith("object.")],
    )
    teacher = opinions.teacher(image_id) or GroundTruth(image_id=image_id)
    shown = {*said, *truth.attributes, *teacher.scene, *(teacher.objects or [])} & values.keys()
    scores = {key: float(opinions.scores()[row, opinions.column_of[key]]) for key in shown}
    known = {key: round(score, 3) for key, score in scores.items() if score == score}
    return api.StudentView(student=truth, scores=known)


def find_purpose(sources: ReviewSources, image_id: str) -> api.Purpose:
    """Return the purpose of a decision: photos that may train teach, others measure."""
    if image_id in sources.queued or sources.decisions.state(image_id).measures:
        return "measure"
    row = sources.row_of[image_id]
    return "teach" if sources.trains[row] or sources.is_holdout[row] else "measure"


def show_truth(record: GroundTruth | None) -> api.Truth | None:
    """Return a truth in the form of the API."""
    if record is None:
        return None
    scene = record.scene[0] if record.scene else None
    return api.Truth(
        scene=scene, attributes=record.attributes, objects=record.objects, proposed=read_proposals(record)
    )


def measure_progress(sources: ReviewSources) -> api.Progress:
    """Return the progress of both queues, and how often the teacher's scene was right so far."""
    states = {
        i: state for i, state in sources.decisions.states().items() if state.truth and i in sources.row_of
    }
    # The teacher is compared on measured photos only: the others were chosen, so they are no random sample.
    measured = [sources.row_of[i] for i, state in states.items() if i in sources.queued and state.measures]
    teacher, people = (sources.opinions.scene(who)[measured] for who in ("teacher", "people"))
    both = (teacher >= 0) & (people >= 0)
    return api.Progress(
        queued=len(sources.queued),
        audited=len(measured),
        teachable=int(sources.trains.sum()),
        taught=sum(not state.measures for state in states.values()),
        scenes=int(both.sum()),
        scenes_same=int(np.sum(teacher[both] == people[both])),
        per_hour=measure_speed(sources.decisions.own_lines()),
    )


def measure_speed(lines: Sequence[Decision]) -> int | None:
    """Return the recent decisions per hour, or None if there are too few.

    A pause of more than five minutes starts a new session; only the last session counts, and of it what was
    decided one at a time.
    """
    one_by_one = [line for line in lines[-_RECENT:] if line.kind == "decision" and not line.action]
    times = [datetime.fromisoformat(line.decided_at) for line in one_by_one]
    begin = len(times) - 1
    while begin > 0 and (times[begin] - times[begin - 1]).total_seconds() <= _PAUSE_SECONDS:
        begin -= 1
    session = times[max(begin, 0) :]
    if len(session) < _MIN_FOR_SPEED:
        return None
    seconds = (session[-1] - session[0]).total_seconds()
    return round(3600 * (len(session) - 1) / seconds) if seconds > 0 else None


def _describe(sources: ReviewSources, photo: Photo) -> dict[str, Any]:
    state = sources.decisions.state(photo.image_id)
    return {
        "image_id": photo.image_id,
        "rel_path": photo.rel_path,
        "version": state.version,
        "purpose": find_purpose(sources, photo.image_id),
        "is_flagged": state.is_flagged,
        "note": state.note,
        "teacher": show_truth(sources.opinions.teacher(photo.image_id)),
        "people": show_truth(state.truth),
    }


def _describe_effect(sources: ReviewSources, image_id: str) -> str:
    if find_purpose(sources, image_id) == "teach":
        if sources.is_holdout[sources.row_of[image_id]]:
            return "Kept out of training and of the sample: your answer counts for this photo alone."
        return "Teaches: the student learns your answer instead of the teacher's."
    if image_id in sources.unassisted:
        return (
            "Measures: this photo is judged without the teacher's answer, to measure its influence. "
            "Attributes begin as “no”."
        )
    if image_id in sources.queued:
        return "Measures: your answer counts in the figures about the library. This photo never trains."
    return "Not in the sample: this photo never trains, and is in no figure about the library."
