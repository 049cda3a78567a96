"""What the store knows about the listed photos, as the stage's outs: the same answers give the same bytes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from vibe_photos.annotate.answer import Answer, AnswerKey
from vibe_photos.annotate.answers import Answers
from vibe_photos.annotate.failures import FAILURE_KINDS, Failure, FailureKind
from vibe_photos.annotate.reply import UnusableReply
from vibe_photos.records.ground_truth import Annotation, RawAnnotation
from vibe_photos.records.photos import Photo
from vibe_photos.storage.files import open_atomically, write_json


@dataclass(slots=True)
class Tally:
    """How many of the photos are answered, how many failed and why, and the tokens of the answers."""

    answered: int = 0
    failed: Counter[FailureKind] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def photos(self) -> int:
        """All photos."""
        return self.answered + self.failed.total()

    @property
    def without_answer(self) -> int:
        """Photos that were to be answered and are not; those that nobody could ask about aside."""
        return self.failed.total() - self.failed["missing"]

    def describe_failures(self) -> str:
        """Return the kinds of failures with their numbers, as text."""
        return (
            ", ".join(f"{self.failed[kind]} {kind}" for kind in FAILURE_KINDS if self.failed[kind]) or "none"
        )

    def count_tokens(self, usage: Mapping[str, object]) -> None:
        """Add the tokens of one answer, where its server said how many."""
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        self.prompt_tokens += prompt if isinstance(prompt, int) else 0
        self.completion_tokens += completion if isinstance(completion, int) else 0


def project_answers(
    photos: Iterable[Photo],
    answers: Answers,
    failures: Mapping[str, Failure],
    root: str,
    raw_annotations: Path,
) -> Tally:
    """Write the raw annotations and, beside them, `failures.jsonl`, both in the photos' order.

    A photo is in exactly one of the two. `failures` says what went wrong in this run, by id; where it says
    nothing, an unusable reply in the store does.
    """
    tally = Tally()
    encoder = msgspec.json.Encoder()
    with (
        open_atomically(raw_annotations) as annotated,
        open_atomically(raw_annotations.with_name("failures.jsonl")) as failed,
    ):
        for photo in photos:
            judged = judge_photo(photo, answers.find(photo.image_id), failures.get(photo.image_id), root)
            if isinstance(judged, RawAnnotation):
                tally.answered += 1
                tally.count_tokens(judged.usage or {})
                annotated.write(encoder.encode(judged) + b"\n")
            else:
                tally.failed[judged.kind] += 1
                failed.write(encoder.encode(judged) + b"\n")
    return tally


def judge_photo(
    photo: Photo, answer: Answer | None, failure: Failure | None, root: str
) -> RawAnnotation | Failure:
    """Return the photo's annotation, or why it has none."""
    if answer is None:
        return failure or _fail(photo, "missing", "no answer is kept for this photo, model and question")
    try:
        return _annotate(photo, answer, answer.read(), root)
    except UnusableReply as error:
        return failure or _fail(photo, "length" if answer.is_cut else "unparsable", str(error), answer.reply)


def write_metric(path: Path, tally: Tally, key: AnswerKey) -> None:
    """Write the stage's metric: counts and tokens of the photos as they now are, whenever they were paid."""
    metric = {
        "photos": tally.photos,
        "answered": tally.answered,
        "failed": {kind: tally.failed[kind] for kind in FAILURE_KINDS},
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        "model": key.model,
        "prompt_id": key.prompt_id,
    }
    write_json(path, metric)


def _annotate(photo: Photo, answer: Answer, annotation: Annotation, root: str) -> RawAnnotation:
    place = f"{root.rstrip('/')}/{photo.rel_path}"
    return RawAnnotation(
        image_id=photo.image_id,
        server_path=place,
        image_path=place,
        rel_path=photo.rel_path,
        annotation=annotation,
        model=answer.model,
        prompt_id=answer.prompt_id,
        finish_reason=answer.finish_reason,
        usage=answer.usage,
        created_at=answer.created_at,
        simulated=answer.simulated,
    )


def _fail(photo: Photo, kind: FailureKind, detail: str, reply: str | None = None) -> Failure:
    return Failure(image_id=photo.image_id, rel_path=photo.rel_path, kind=kind, detail=detail, reply=reply)
