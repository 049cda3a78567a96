"""Mistakes of the student, and probable ones of the teacher, by kind, with pictures of the worst of each."""

import base64
import io
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vibe_photos.errors import DecodeError
from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.pixels.decode import decode_photo, resize
from vibe_photos.records.photos import Photo, photo_path, verified
from vibe_photos.records.taxonomy import label_name, show_absence, show_name, shown_names
from vibe_photos.settings import HeadName, Settings, Taxonomy
from vibe_photos.statistics.label_arrays import JudgedPhotos, with_parents
from vibe_photos.statistics.suspects import find_suspects

MOST_PHOTOS_OF_A_KIND = 6
MOST_SUSPECTS_OF_A_HEAD = 8
THUMBNAIL_PX = 240
JPEG_QUALITY = 68


@dataclass(frozen=True, slots=True)
class Mistake:
    """One photo's mistake. `score` is how sure the student was, 0..1, None if unknown."""

    image_id: str
    said: str
    true: str
    score: float | None


@dataclass(frozen=True, slots=True)
class MistakeKind:
    """All mistakes of one kind: their number, and the worst of them, surest first.

    `anchor` is the id by which the page's links find it.
    """

    anchor: str
    title: str
    count: int
    worst: list[Mistake]


def find_mistakes(photos: JudgedPhotos, taxonomy: Taxonomy) -> dict[str, list[MistakeKind]]:
    """Return the kinds of mistakes of each level that has any, frequent ones first."""
    kinds = {
        f"{head.capitalize()}s": _group(found) for head, found in list_mistakes(photos, taxonomy).items()
    }
    return {level: found for level, found in kinds.items() if found}


def list_mistakes(
    photos: JudgedPhotos, taxonomy: Taxonomy
) -> dict[HeadName, Iterator[tuple[str, str, Mistake]]]:
    """Return every mistake of each level, with the anchor and the title of its kind."""
    return {
        "scene": _scene_mistakes(photos, taxonomy),
        "attribute": _flag_mistakes(photos, taxonomy, "attribute"),
        "object": _flag_mistakes(photos, taxonomy, "object"),
    }


def find_teacher_mistakes(held_out: Mapping[HeadName, OutOfFold], taxonomy: Taxonomy) -> list[MistakeKind]:
    """Return for each head the teacher's answers that are probably wrong, the least likely ones first.

    `said` is the teacher's answer, `true` the head's, `score` the head's probability of its own.
    """
    kinds = []
    for head, predictions in held_out.items():
        suspects, names = find_suspects(predictions, head).suspects, shown_names(taxonomy, head)
        worst = [
            Mistake(
                image_id=suspect.image_id,
                said=names.get(suspect.teacher, suspect.teacher),
                true=names.get(suspect.student, suspect.student),
                score=suspect.student_probability,
            )
            for suspect in suspects[:MOST_SUSPECTS_OF_A_HEAD]
        ]
        if worst:
            kinds.append(MistakeKind(f"suspects-{head}", f"{head.capitalize()}s", len(suspects), worst))
    return kinds


def make_thumbnails(photos: Iterable[Photo], settings: Settings) -> dict[str, str]:
    """Return `data:` URIs of JPEGs by `image_id`, for the photos that can be read.

    They are encoded from pixels alone: no metadata of the photo gets into the page.
    """
    root = Path(settings.library.root)
    if not os.access(root, os.R_OK):
        return {}
    thumbnails = {photo.image_id: _make_thumbnail(root, photo, settings.embed.max_pixels) for photo in photos}
    return {image_id: thumbnail for image_id, thumbnail in thumbnails.items() if thumbnail}


def scene_anchor(true: str, said: str) -> str:
    """Return the anchor of a kind of scene mistakes, by short names; `said` may be `missing`."""
    return f"scene-{true}-{said}"


def _group(mistakes: Iterator[tuple[str, str, Mistake]]) -> list[MistakeKind]:
    by_kind: dict[tuple[str, str], list[Mistake]] = defaultdict(list)
    for anchor, title, mistake in mistakes:
        by_kind[anchor, title].append(mistake)
    kinds = [
        MistakeKind(anchor, title, len(found), sorted(found, key=_surest_first)[:MOST_PHOTOS_OF_A_KIND])
        for (anchor, title), found in by_kind.items()
    ]
    return sorted(kinds, key=lambda kind: (-kind.count, kind.title))


def _scene_mistakes(photos: JudgedPhotos, taxonomy: Taxonomy) -> Iterator[tuple[str, str, Mistake]]:
    keys = photos.keys.scene
    y_true, y_pred, scores = photos.truth.scene, photos.prediction.scene, photos.prediction.scene_score
    for row in np.flatnonzero((y_true >= 0) & (y_true != y_pred)):
        key, given = keys[y_true[row]], keys[y_pred[row]] if y_pred[row] >= 0 else None
        true, said = show_name(key, taxonomy), show_name(given, taxonomy) if given else "no scene"
        anchor = scene_anchor(label_name(key), label_name(given) if given else "missing")
        mistake = Mistake(photos.image_ids[row], said, true, _to_score(scores[row]))
        yield anchor, f"{true} labelled as {said}", mistake


def _flag_mistakes(
    photos: JudgedPhotos, taxonomy: Taxonomy, head: HeadName
) -> Iterator[tuple[str, str, Mistake]]:
    """Yield false positives, then false negatives (scored by the label's absence) and missing labels.

    An object's ancestors are true with it, so electronics is right for a phone. Objects that the student
    never gives are left out: the page lists them once.
    """
    truth, prediction = photos.truth, photos.prediction
    if head == "attribute":
        keys, scores = photos.keys.attribute, prediction.attribute_scores
        y_true, y_pred = truth.attributes, prediction.attributes
        columns = list(range(len(keys)))
    else:
        keys, scores = photos.keys.object, prediction.object_scores
        y_true, y_pred = with_parents(truth.objects, keys), with_parents(prediction.objects, keys)
        columns = np.flatnonzero(prediction.gives_object).tolist()
    for column in columns:
        name, absence = show_name(keys[column], taxonomy), show_absence(keys[column], taxonomy)
        anchor = f"{head}-{label_name(keys[column])}"
        for row in np.flatnonzero((y_true[:, column] == 0) & (y_pred[:, column] == 1)):
            score = _to_score(scores[row, column])
            yield (
                f"{anchor}-given",
                f"{name} wrongly given",
                Mistake(photos.image_ids[row], name, absence, score),
            )
        for row in np.flatnonzero((y_true[:, column] == 1) & (y_pred[:, column] != 1)):
            score = _to_score(1 - scores[row, column])
            kind = "not judged" if score is None else "overlooked"
            yield f"{anchor}-missed", f"{name} {kind}", Mistake(photos.image_ids[row], absence, name, score)


def _to_score(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _surest_first(mistake: Mistake) -> tuple[float, str]:
    return -(-1.0 if mistake.score is None else mistake.score), mistake.image_id


def _make_thumbnail(root: Path, photo: Photo, max_pixels: int) -> str | None:
    path = photo_path(root, photo)
    try:
        with verified(path, photo):
            image = decode_photo(path, max_pixels=max_pixels, needed_size=_thumbnail_size)
    except DecodeError:
        return None
    small = resize(image, _thumbnail_size(*image.size))
    # Pillow would otherwise write comments and profiles into the file.
    small.info = {}
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """Return the size at which the longer edge is at most `THUMBNAIL_PX`, each edge at least 1."""
    scale = min(1.0, THUMBNAIL_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
