"""The contact sheet: the worst mistakes of each kind, as small pictures with what was said and is true."""

from dataclasses import dataclass
from pathlib import Path

from vibe_photos.library.photos import Photo
from vibe_photos.report.mistakes import MOST_KINDS_OF_A_LEVEL, Mistake, MistakeKind
from vibe_photos.report.sources import Sources
from vibe_photos.report.tables import format_share
from vibe_photos.report.thumbnails import has_photos, make_thumbnail
from vibe_photos.settings import Settings


@dataclass(frozen=True, slots=True)
class Picture:
    """One mistake on the contact sheet; `source` is a `data:` URI, or None where there is no picture."""

    source: str | None
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
    photos = {photo.image_id: photo for photo in sources.photos or []}
    mistakes = [mistake for kinds in kept.values() for kind in kinds for mistake in kind.worst]
    shown = sorted({mistake.image_id for mistake in mistakes} & photos.keys())
    thumbnails = _make_thumbnails([photos[image_id] for image_id in shown], sources.settings)

    def sheet(kind: MistakeKind) -> Sheet:
        return Sheet(
            kind.title, kind.count, [_picture(mistake, photos, thumbnails) for mistake in kind.worst]
        )

    return [
        Level(title, [sheet(kind) for kind in kinds], len(kinds_of[title]) - len(kinds))
        for title, kinds in kept.items()
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
        name=photo.rel_path if photo else mistake.image_id,
        said=mistake.said,
        true=mistake.true,
        score="" if mistake.score is None else format_share(mistake.score),
    )
