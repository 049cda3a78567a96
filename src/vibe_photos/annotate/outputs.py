"""Write the stage's outputs from the answers in the store: the same answers give the same bytes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from vibe_photos.annotate.answers import Answer, AnswerKey, Answers
from vibe_photos.annotate.budget import ChosenPhotos
from vibe_photos.annotate.reply import UnusableReply
from vibe_photos.records.failures import FAILURE_KINDS, Failure, FailureKind, failures_path
from vibe_photos.records.ground_truth import RawAnnotation
from vibe_photos.records.photos import Photo
from vibe_photos.settings import Settings
from vibe_photos.storage.files import replace_together, write_json


@dataclass(slots=True)
class Tally:
    """Counts over the photos: answers and their tokens, and failures by kind.

    `represented` counts photos in whose place a near-duplicate is asked. `pixels_versions` counts the answers
    by the version that prepared their photo (None: unknown).
    """

    failed: Counter[FailureKind] = field(default_factory=Counter)
    represented: int = 0
    pixels_versions: Counter[int | None] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)

    def add(self, answer: Answer) -> None:
        """Count a usable answer, and its tokens if the server reported them."""
        usage = answer.usage or {}
        self.tokens.update({name: count for name, count in usage.items() if isinstance(count, int)})
        self.pixels_versions[answer.pixels_version] += 1

    @property
    def answered(self) -> int:
        """Photos with a usable answer."""
        return self.pixels_versions.total()

    @property
    def photos(self) -> int:
        """All photos that were to be asked about."""
        return self.answered + self.failed.total()

    def describe_failures(self) -> str:
        """Return the kinds of failures with their numbers, e.g. `2 refused, 1 length`."""
        counts = [f"{self.failed[kind]} {kind}" for kind in FAILURE_KINDS if self.failed[kind]]
        return ", ".join(counts) or "none"

    def describe_pixels_versions(self) -> str:
        """Return the number of answers for each pixel version, e.g. `417 with pixel version 1`."""
        known = sorted(version for version in self.pixels_versions if version is not None)
        counts = [f"{self.pixels_versions[version]} with pixel version {version}" for version in known]
        if self.pixels_versions[None]:
            counts.append(f"{self.pixels_versions[None]} without a pixel version")
        return ", ".join(counts) or "no answers"


def write_outputs(
    settings: Settings, photos: ChosenPhotos, answers: Answers, failures: Mapping[str, Failure]
) -> Tally:
    """Write the raw annotations and `failures.jsonl` in the same folder, both in the photos' order.

    A photo is in exactly one of the two. `failures` has, by id, what went wrong in this run; for other
    photos without an answer, the store has an unusable reply that says why. A represented photo has no
    annotation, even if the store has an answer from before.
    """
    tally = Tally()
    raw_annotations, encode = settings.paths.raw_annotations, msgspec.json.Encoder().encode
    with (
        replace_together(raw_annotations, failures_path(raw_annotations)) as (new_annotated, new_failed),
        new_annotated.open("wb") as annotated,
        new_failed.open("wb") as failed,
    ):
        for photo in photos.read_all():
            record: RawAnnotation | Failure
            if asked := photos.represented.get(photo.image_id):
                tally.represented += 1
                record = _represent(photo, asked)
            else:
                answer = answers.find(photo.image_id)
                record = _make_record(photo, answer, settings.library.root)
                if isinstance(record, Failure):
                    record = failures.get(photo.image_id, record)
                    tally.failed[record.kind] += 1
                elif answer is not None:
                    tally.add(answer)
            (failed if isinstance(record, Failure) else annotated).write(encode(record) + b"\n")
    return tally


def _represent(photo: Photo, asked: Photo) -> Failure:
    return Failure(
        image_id=photo.image_id,
        rel_path=photo.rel_path,
        kind="represented",
        detail=f"a near-duplicate is asked in its place: {asked.rel_path}",
        represented_by=asked.image_id,
    )


def _make_record(photo: Photo, answer: Answer | None, root: str) -> RawAnnotation | Failure:
    """Return the photo's annotation, or why there is none in the store."""
    kind: FailureKind = "missing"
    detail, reply = "no answer is kept for this photo, model and question", None
    if answer is not None:
        try:
            place = f"{root.rstrip('/')}/{photo.rel_path}"
            return RawAnnotation(
                image_id=photo.image_id,
                server_path=place,
                image_path=place,
                rel_path=photo.rel_path,
                annotation=answer.read(),
                model=answer.model,
                prompt_id=answer.prompt_id,
                finish_reason=answer.finish_reason,
                usage=answer.usage,
                created_at=answer.created_at,
                simulated=answer.simulated,
            )
        except UnusableReply as error:
            kind, detail, reply = "length" if answer.is_cut else "unparsable", str(error), answer.reply
    return Failure(image_id=photo.image_id, rel_path=photo.rel_path, kind=kind, detail=detail, reply=reply)


def write_metric(path: Path, tally: Tally, key: AnswerKey) -> None:
    """Write the stage's metric: counts and tokens of all current answers, from this and earlier runs."""
    metric = {
        "photos": tally.photos,
        "answered": tally.answered,
        "represented": tally.represented,
        "failed": {kind: tally.failed[kind] for kind in FAILURE_KINDS},
        "prompt_tokens": tally.tokens["prompt_tokens"],
        "completion_tokens": tally.tokens["completion_tokens"],
        "model": key.model,
        "prompt_id": key.prompt_id,
    }
    write_json(path, metric)
