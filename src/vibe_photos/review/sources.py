"""The data of the review page: library, queues, decisions, and what everybody says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vibe_photos.errors import InputError, StoreError
from vibe_photos.records.photos import Photo
from vibe_photos.records.splits import find_current_ids, read_splits
from vibe_photos.review.decisions import DecisionLog
from vibe_photos.review.opinions import Opinions
from vibe_photos.review.queue import Queue, Ranking, is_unassisted, read_measuring_queue
from vibe_photos.review.record_file import RecordFile
from vibe_photos.settings import Settings
from vibe_photos.statistics.metrics import Bools


class Manifest:
    """The library's photos by row, read from the manifest when they are asked for.

    Attributes:
        row_of: the row of each image_id.
    """

    def __init__(self, path: Path) -> None:
        self._file = RecordFile(path, Photo)
        self.row_of: dict[str, int] = {}
        self._offsets = np.zeros(0, np.int64)
        for offsets, photos in self._file.read_blocks():
            self.row_of |= {photo.image_id: row for row, photo in enumerate(photos, start=len(self._offsets))}
            self._offsets = np.concatenate([self._offsets, offsets])

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self._offsets)

    def __getitem__(self, row: int) -> Photo:
        """Return the photo of a row."""
        return self._file.read(int(self._offsets[row]))

    def __iter__(self) -> Iterator[Photo]:
        """Yield all photos."""
        return (photo for _, photos in self._file.read_blocks() for photo in photos)


@dataclass(frozen=True, slots=True)
class ReviewSources:
    """All data of the page.

    Attributes:
        settings: the configuration.
        photos: the manifest; a photo's place in it is its row.
        row_of: the row of each image_id.
        queued: the photos that measure, by image_id, in their order; only those in the library.
        not_in_library: how many photos of the sample are not in the library any more.
        teaching: the photos that may teach, most useful first.
        trains: which photos of the manifest may train, bool [photos].
        is_holdout: which photos are in the holdout, bool [photos].
        opinions: what teacher, student and people say.
        decisions: people's decisions.
        unassisted: the photos that are judged without the teacher's and the student's labels; `opinions` has
            none of these.
    """

    settings: Settings
    photos: Manifest
    row_of: Mapping[str, int]
    queued: Queue
    not_in_library: int
    trains: Bools
    is_holdout: Bools
    decisions: DecisionLog
    opinions: Opinions
    unassisted: frozenset[str]
    teaching: Ranking


def open_sources(settings: Settings, reviewer: str, store: Path) -> ReviewSources:
    """Read what the page needs, and lock the reviewer's log.

    Raises:
        InputError: a file is missing or damaged; for a missing file, the message says what makes it.
        StoreError: another server holds this reviewer's log.
    """
    paths = settings.paths
    for path, what in ((paths.photos, "the list of photos"), (paths.sample, "the photos to review")):
        if not path.is_file():
            raise InputError(f"{path} does not exist yet ({what}): run `dvc repro sample` first")
    memberships = read_splits(paths.splits) if paths.splits.is_file() else {}
    photos = Manifest(paths.photos)
    roles = [memberships[i].role if i in memberships else None for i in photos.row_of]
    trains, is_holdout = (np.array([role == one for role in roles], bool) for one in ("train", "holdout"))
    current_ids = find_current_ids(memberships)
    del memberships, roles  # tens of megabytes
    queue = read_measuring_queue(settings)
    queued = {image_id: tell for image_id, tell in queue.items() if image_id in photos.row_of}
    try:
        decisions = DecisionLog(paths.human, reviewer, settings.taxonomy, store, current_ids)
    except StoreError as error:
        raise StoreError(
            f"{reviewer} cannot review here: {error}\nIf another `vibe-photos review` is open, use its page "
            "or end it; a second person gives another --reviewer"
        ) from None
    unassisted = set()
    for image_id in queued:
        state = decisions.state(image_id)
        # A photo that was judged with the labels cannot be judged without them.
        if state.is_unassisted if state.truth else is_unassisted(settings.sample.seed, image_id):
            unassisted.add(image_id)
    hidden = [photos.row_of[image_id] for image_id in unassisted]
    return ReviewSources(
        settings=settings,
        photos=photos,
        row_of=photos.row_of,
        queued=queued,
        not_in_library=len(queue) - len(queued),
        trains=trains,
        is_holdout=is_holdout,
        decisions=decisions,
        opinions=Opinions(settings, photos.row_of, decisions, hidden, store),
        unassisted=frozenset(unassisted),
        teaching=Ranking(settings, photos.row_of),
    )
