"""Contact sheets: the worst mistakes of each kind, and what the teacher probably got wrong, in pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibe_photos.records.photos import Photo
from vibe_photos.report.mistakes import MOST_KINDS_OF_A_LEVEL, Mistake, MistakeKind
from vibe_photos.report.sources import Sources
from vibe_photos.report.tables import format_share
from vibe_photos.report.thumbnails import has_photos, make_thumbnail
from vibe_photos.settings import Settings
from vibe_photos.statistics.suspects import find_suspects

MOST_SUSPECTS_OF_A_HEAD = 8


@dataclass(frozen=True, slots=True)
class Picture:
    """One mistake on a contact sheet; `source` is a `data:` URI, or None where there is no picture."""

    source: str | None
    image_id: str
    name: str
    said: str
    true: str
    score: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One kind of mistake on the contact sheet."""

    title: str
    count: int
    pictures: list[Picture]


@dataclass(frozen=True, slots=True)
class Level:
    """The sheets of one level of labels, and how many rarer kinds of mistakes are left out."""

    title: str
    sheets: list[Sheet]
    kinds_left_out: int


def make_levels(kinds_of: dict[str, list[MistakeKind]], sources: Sources) -> list[Level]:
    """Return the sheets of each level that has mistakes; without pictures where no photos are at hand."""
    kept = {title: kinds[:MOST_KINDS_OF_A_LEVEL] for title, kinds in kinds_of.items() if kinds}
    sheets = iter(_make_sheets([kind for kinds in kept.values() for kind in kinds], sources))
    return [
        Level(title, [next(sheets) for _ in kinds], len(kinds_of[title]) - len(kinds))
        for title, kinds in kept.items()
    ]


def make_suspect_sheets(sources: Sources) -> list[Sheet]:
    """Return a sheet for each head that suspects the teacher, of what it finds least likely."""
    suspicions = [find_suspects(held_out, head) for head, held_out in sources.held_out.items()]
    kinds = [
        MistakeKind(
            title=f"{suspicion.head.capitalize()}s",
            count=len(suspicion.suspects),
            worst=[
                Mistake(one.image_id, one.teacher, one.student, one.student_probability)
                for one in suspicion.suspects[:MOST_SUSPECTS_OF_A_HEAD]
            ],
        )
        for suspicion in suspicions
        if suspicion.suspects
    ]
    return _make_sheets(kinds, sources)


def _make_sheets(kinds: Sequence[MistakeKind], sources: Sources) -> list[Sheet]:
    photos = {photo.image_id: photo for photo in sources.photos or []}
    shown = sorted({mistake.image_id for kind in kinds for mistake in kind.worst} & photos.keys())
    thumbnails = _make_thumbnails([photos[image_id] for image_id in shown], sources.settings)
    return [
        Sheet(kind.title, kind.count, [_picture(mistake, photos, thumbnails) for mistake in kind.worst])
        for kind in kinds
    ]


def _make_thumbnails(photos: list[Photo], settings: Settings) -> dict[str, str | None]:
    root = Path(settings.library.root)
    if not has_photos(root):
        return {}
    return {photo.image_id: make_thumbnail(root, photo, settings.embed.max_pixels) for photo in photos}


def _picture(mistake: Mistake, photos: dict[str, Photo], thumbnails: dict[str, str | None]) -> Picture:
    photo = photos.get(mistake.image_id)
    return Picture(
        source=thumbnails.get(mistake.image_id),
        image_id=mistake.image_id,
        name=photo.rel_path if photo else mistake.image_id,
        said=mistake.said,
        true=mistake.true,
        score="" if mistake.score is None else format_share(mistake.score),
    )
