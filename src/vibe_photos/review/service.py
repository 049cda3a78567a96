"""The service behind the review page: every operation of its API, independent of HTTP."""

import secrets
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from vibe_photos.errors import DecodeError
from vibe_photos.human_truth.draws import DRAWS_FOLDER, find_strata, read_draws
from vibe_photos.records.ground_truth import PROPOSED, Decision, GroundTruth
from vibe_photos.records.photos import Photo, photo_path, verified
from vibe_photos.records.splits import read_current_ids
from vibe_photos.records.taxonomy import normal_word
from vibe_photos.review import replies, requests
from vibe_photos.review.draw_record import record_draw
from vibe_photos.review.label_menu import LabelMenu
from vibe_photos.review.likeness import Likeness
from vibe_photos.review.listings import Listings
from vibe_photos.review.photo_state import truth_value
from vibe_photos.review.progress import ProgressCounter
from vibe_photos.review.refusals import refuse
from vibe_photos.review.sources import ReviewSources
from vibe_photos.review.views import PhotoViews

_STALE = "this photo was decided in the meantime, in another tab or by another reviewer"
_ONE_BY_ONE = "photos of Measure are changed one at a time"


class ReviewService:
    """All operations of one reviewer; may be called from several threads.

    `is_blind` hides the student: its labels, its grid, and the reasons why a photo is in the queue.

    Raises:
        Refusal: by every method, if the request cannot be granted.
    """

    def __init__(self, sources: ReviewSources, likeness: Likeness, *, is_blind: bool = False) -> None:
        self._sources = sources
        self._decisions = sources.decisions
        self._is_blind = is_blind
        self._draw_numbers: dict[str, int] | None = None
        self._menu = LabelMenu(sources.settings.taxonomy, sources.settings.classify)
        self._listings = Listings(sources, likeness, is_blind=is_blind)
        self._progress = ProgressCounter(sources)
        self._views = PhotoViews(sources, is_blind=is_blind)

    def find_photo(self, image_id: str) -> Photo:
        """Return a photo of the library."""
        row = self._sources.row_of.get(image_id)
        if row is None:
            raise refuse(HTTPStatus.NOT_FOUND, "there is no such photo in the library")
        return self._sources.photos[row]

    def open_session(self) -> replies.Session:
        """Return what the page needs when it opens."""
        self._decisions.refresh()
        return replies.Session(
            reviewer=self._decisions.reviewer,
            is_blind=self._is_blind,
            scenes=self._menu.scenes,
            attributes=self._menu.attributes,
            objects=self._menu.objects,
            progress=self._progress.read(),
        )

    def list_photos(self, query: requests.PhotosQuery) -> replies.PhotosPage:
        """Return one page of the photos that match."""
        self._decisions.refresh()
        rows = self._listings.find(query)
        photos = [self._sources.photos[row] for row in rows[query.offset : query.offset + query.limit]]
        return replies.PhotosPage(total=len(rows), items=self._views.list_items(photos, query.brief))

    def count_chips(self, query: requests.PhotosQuery) -> replies.Facets:
        """Return how many photos each chip would leave."""
        self._decisions.refresh()
        return self._listings.count_chips(query)

    def compare(self, query: requests.PhotosQuery) -> replies.Matrix:
        """Return the confusion of two speakers over a list."""
        self._decisions.refresh()
        return self._listings.compare(query)

    def draw_map(self, query: requests.PhotosQuery) -> bytes:
        """Return the map, one photo after the other, 8 bytes each, little-endian.

        They are x and y (uint16, 65535 is 1.0; both 0 without a vector), the number of the scene among the
        sorted keys, by people or else the teacher, and by the student (uint8, 255: none), whether the photo
        matches the query (1), is suspected (2) or decided by people (4), and a zero.
        """
        self._decisions.refresh()
        places = self._listings.places()
        points = np.zeros(len(places), [("x", "<u2"), ("y", "<u2"), ("flags", "u1", 4)])
        for axis, name in enumerate("xy"):
            points[name] = np.nan_to_num(65535 * places[:, axis]).astype(np.uint16)
        points["flags"][:, :3] = self._listings.describe_places(query)
        return points.tobytes()

    def show_photo(self, image_id: str) -> replies.PhotoView:
        """Return everything about a photo except the student's labels."""
        self._decisions.refresh()
        return self._views.photo(self.find_photo(image_id))

    def show_student(self, image_id: str) -> replies.StudentView:
        """Return the student's labels of a photo; none if they are hidden."""
        photo = self.find_photo(image_id)
        is_hidden = self._is_blind or image_id in self._sources.unassisted
        labels = [] if is_hidden else self._sources.student.get(photo.image_id)
        return replies.StudentView(blind=self._is_blind, labels=labels)

    def decide(self, request: requests.DecisionRequest) -> replies.Recorded:
        """Record one decision; it is on disk when this returns."""
        outcome = self.decide_several([request])
        for view in outcome.stale:
            raise replies.Refusal(
                HTTPStatus.CONFLICT, replies.Conflict(**msgspec.structs.asdict(view), error=_STALE)
            )
        version = outcome.versions[request.image_id]
        return replies.Recorded(image_id=request.image_id, version=version, progress=outcome.progress)

    def decide_several(self, decisions: Sequence[requests.DecisionRequest]) -> replies.RecordedSeveral:
        """Record the decisions whose photo did not change since the page loaded it, and return the others."""
        lines = [self._read_decision(request) for request in decisions]
        if len(lines) > 1:
            if any(line.purpose == "measure" and line.after != line.shown for line in lines):
                raise refuse(HTTPStatus.UNPROCESSABLE_ENTITY, _ONE_BY_ONE)
            action = secrets.token_hex(4)
            lines = [msgspec.structs.replace(line, action=action) for line in lines]
        stale = self._decisions.record(lines, [request.version for request in decisions])
        taken = {line.image_id for line in lines} - set(stale)
        return replies.RecordedSeveral(
            versions={image_id: self._decisions.state(image_id).version for image_id in sorted(taken)},
            stale=[self._views.photo(self.find_photo(image_id)) for image_id in stale],
            progress=self._progress.read(),
        )

    def skip(self, request: requests.SkipRequest) -> replies.Recorded:
        """Put a photo at the end of the queue; the line in the log sets no labels."""
        return self._note(request, "skip")

    def remark(self, request: requests.SkipRequest) -> replies.Recorded:
        """Flag a photo or write a note; the line in the log sets no labels."""
        return self._note(request, "remark")

    def _note(self, request: requests.SkipRequest, kind: Literal["skip", "remark"]) -> replies.Recorded:
        image_id = self.find_photo(request.image_id).image_id
        state = self._decisions.state(image_id)
        line = Decision(
            image_id=image_id,
            decided_at="",
            kind=kind,
            purpose=self._views.purpose(image_id),
            draw=self._draw_of(image_id) if kind == "skip" else None,
            reason=request.reason if kind == "skip" else "",
            is_flagged=state.is_flagged if request.is_flagged is None else request.is_flagged,
            note=state.note if request.note is None else request.note,
        )
        self._decisions.record([line], [None])
        return replies.Recorded(
            image_id=image_id, version=self._decisions.state(image_id).version, progress=self._progress.read()
        )

    def undo(self) -> replies.Undone:
        """Undo this reviewer's last action: a decision or a skip, or all that was decided at once."""
        undone = self._decisions.undo()
        return replies.Undone(
            image_id=undone[0].image_id if undone else None,
            image_ids=[line.image_id for line in undone],
            progress=self._progress.read(),
        )

    def _read_decision(self, request: requests.DecisionRequest) -> Decision:
        image_id = self.find_photo(request.image_id).image_id
        self._refuse_changed(image_id)
        after = request.after
        unknown = self._menu.find_unknown(after) if after else None
        if unknown:
            raise refuse(HTTPStatus.UNPROCESSABLE_ENTITY, unknown)
        is_remark = after is None and self._decisions.state(image_id).truth is None
        return Decision(
            image_id=image_id,
            decided_at="",
            kind="remark" if is_remark else "decision",
            purpose=self._views.purpose(image_id),
            draw=self._draw_of(image_id),
            shown=truth_value(self._sources.teacher.get(image_id)),
            unassisted=image_id in self._sources.unassisted,
            after=truth_value(self._read_truth(image_id, after)) if after else None,
            is_flagged=request.is_flagged,
            note=request.note,
            seen=list(request.seen),
        )

    def _refuse_changed(self, image_id: str) -> None:
        """Refuse a decision about a photo whose file is another one now: nobody knows which was judged."""
        photo = self.find_photo(image_id)
        try:
            with verified(photo_path(Path(self._sources.settings.library.root), photo), photo):
                pass
        except DecodeError as error:
            if error.reason == "changed":
                raise refuse(HTTPStatus.UNPROCESSABLE_ENTITY, f"{photo.rel_path}: {error}") from None

    def _read_truth(self, image_id: str, truth: requests.Truth) -> GroundTruth:
        """Return a truth record, with attributes in the order of the menu."""
        words = {word for word in map(normal_word, truth.proposed) if word}
        return GroundTruth(
            image_id=image_id,
            scene=[truth.scene] if truth.scene else [],
            attributes={
                label.key: truth.attributes[label.key]
                for label in self._menu.attributes
                if label.key in truth.attributes
            },
            objects=sorted(set(truth.objects)),
            extra={PROPOSED: sorted(words)} if words else {},
        )

    def _draw_of(self, image_id: str) -> int | None:
        """Return the recorded draw of a sampled photo; record it first if its file is missing."""
        if image_id not in self._sources.queued:
            return None
        settings = self._sources.settings
        if self._draw_numbers is None or not any((settings.paths.human / DRAWS_FOLDER).glob("*.json")):
            sampled = list(self._sources.queued)
            record_draw(settings)
            numbers: dict[str, int] = {}
            for draw in read_draws(settings.paths.human):
                for known in find_strata([draw], sampled, read_current_ids(settings.paths.splits)):
                    numbers.setdefault(known, draw.number)
            self._draw_numbers = numbers
        return self._draw_numbers.get(image_id)
