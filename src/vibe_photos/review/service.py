"""The service behind the review page: every operation of its API, independent of HTTP."""

import secrets
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import msgspec

from vibe_photos.configuration import RESOLVED, read_resolved
from vibe_photos.errors import ConfigurationError, DecodeError
from vibe_photos.human_truth.draws import DRAWS_FOLDER, find_strata, read_draws
from vibe_photos.records.ground_truth import PROPOSED, Decision, GroundTruth
from vibe_photos.records.photos import Photo, photo_path, verified
from vibe_photos.records.splits import read_current_ids
from vibe_photos.records.taxonomy import describe_unknown_key, normal_word
from vibe_photos.review import api, views
from vibe_photos.review.decision_index import truth_value
from vibe_photos.review.draw_record import record_draw
from vibe_photos.review.likeness import Likeness
from vibe_photos.review.listings import Listings
from vibe_photos.review.record_file import fingerprint
from vibe_photos.review.sources import ReviewSources

HERE = Path()
_ONE_BY_ONE = "photos of Measure are changed one at a time"


class ReviewService:
    """All operations of one reviewer; may be called from several threads.

    `is_blind` hides the student: its labels, its grid, and the reasons why a photo is in the queue.
    In the folder `project` the page notices that labels or settings changed.

    Raises:
        Refusal: by every method, if the request cannot be granted.
    """

    def __init__(
        self, sources: ReviewSources, likeness: Likeness, *, is_blind: bool = False, project: Path = HERE
    ) -> None:
        self._sources = sources
        self._decisions = sources.decisions
        self._is_blind = is_blind
        self._draw_numbers: dict[str, int] | None = None
        self._labels = views.list_labels(sources.settings)
        self._listings = Listings(sources, likeness, is_blind=is_blind)
        self._project = project
        self._settings_fingerprint, self._change = fingerprint(project / RESOLVED), ""

    def find_photo(self, image_id: str) -> Photo:
        """Return a photo of the library."""
        row = self._sources.row_of.get(image_id)
        if row is None:
            raise api.Refusal(HTTPStatus.NOT_FOUND, "there is no such photo in the library")
        return self._sources.photos[row]

    def open_session(self) -> api.Session:
        """Return what the page needs when it opens."""
        self._decisions.refresh()
        return api.Session(
            reviewer=self._decisions.reviewer,
            is_blind=self._is_blind,
            scenes=self._labels["scene"],
            attributes=self._labels["attribute"],
            objects=self._labels["object"],
            progress=self._measure_progress(),
        )

    def list_photos(self, query: api.PhotosQuery) -> api.PhotosPage:
        """Return one page of the photos that match."""
        self._decisions.refresh()
        rows = self._listings.find(query)
        photos = [self._sources.photos[row] for row in rows[query.offset : query.offset + query.limit]]
        with_student = not (self._is_blind or query.brief)
        items = [views.show_item(self._sources, photo, with_student) for photo in photos]
        return api.PhotosPage(total=len(rows), items=items)

    def count_chips(self, query: api.PhotosQuery) -> dict[str, dict[str, int]]:
        """Return how many photos each chip would leave, by chip and value; the other chips hold."""
        self._decisions.refresh()
        return self._listings.count_chips(query)

    def compare(self, query: api.PhotosQuery) -> api.Matrix:
        """Return the confusion of two speakers over a list."""
        self._decisions.refresh()
        return self._listings.compare(query)

    def encode_map(self, query: api.PhotosQuery) -> bytes:
        """Return the map of the library; see `Listings.encode_map`."""
        self._decisions.refresh()
        return self._listings.encode_map(query)

    def show_photo(self, image_id: str) -> api.PhotoView:
        """Return everything about a photo, without the student's labels."""
        self._decisions.refresh()
        return views.show_photo(self._sources, self.find_photo(image_id), with_reasons=not self._is_blind)

    def show_student(self, image_id: str) -> api.StudentView:
        """Return the student's labels of a photo; none if they are hidden."""
        photo = self.find_photo(image_id)
        return api.StudentView() if self._is_blind else views.show_student(self._sources, photo.image_id)

    def decide(self, decisions: Sequence[api.DecisionRequest]) -> api.Recorded:
        """Record the decisions whose photo nobody decided since the page read it; the others are `stale`.

        What is recorded is on disk when this returns.
        """
        if len({request.image_id for request in decisions}) < len(decisions):
            raise api.Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "a photo is decided twice in one request")
        lines = [self._read_decision(request) for request in decisions]
        if len(lines) > 1:
            if any(line.purpose == "measure" and line.after != line.shown for line in lines):
                raise api.Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, _ONE_BY_ONE)
            action = secrets.token_hex(4)
            lines = [msgspec.structs.replace(line, action=action) for line in lines]
        stale = self._decisions.record(lines, [request.version for request in decisions])
        return self._report([line.image_id for line in lines if line.image_id not in stale], stale)

    def note(self, request: api.NoteRequest, kind: Literal["skip", "remark"]) -> api.Recorded:
        """Skip a photo (it goes to the end of the queue), or flag it or write a note; this sets no labels."""
        image_id = self.find_photo(request.image_id).image_id
        state = self._decisions.state(image_id)
        line = Decision(
            image_id=image_id,
            decided_at="",
            kind=kind,
            purpose=views.find_purpose(self._sources, image_id),
            draw=self._find_or_record_draw(image_id) if kind == "skip" else None,
            reason=request.reason if kind == "skip" else "",
            is_flagged=state.is_flagged if request.is_flagged is None else request.is_flagged,
            note=state.note if request.note is None else request.note,
        )
        self._decisions.record([line], [None])
        return self._report([image_id])

    def undo(self) -> api.Recorded:
        """Undo this reviewer's last action: a decision or a skip, or all that was decided together."""
        return self._report([line.image_id for line in self._decisions.undo()])

    def _report(self, taken: Sequence[str], stale: Sequence[str] = ()) -> api.Recorded:
        return api.Recorded(
            versions={image_id: self._decisions.state(image_id).version for image_id in taken},
            stale=[self.show_photo(image_id) for image_id in stale],
            progress=self._measure_progress(),
        )

    def _measure_progress(self) -> api.Progress:
        progress = views.measure_progress(self._sources)
        return msgspec.structs.replace(progress, changed=self._find_change())

    def _find_change(self) -> str:
        """Return what a `dvc repro` has changed of the settings that the server read; empty if nothing."""
        current = fingerprint(self._project / RESOLVED)
        if current != self._settings_fingerprint:
            was, change = self._sources.settings, ""
            try:
                now = read_resolved(self._project)
            except ConfigurationError:  # it is just being written
                return self._change
            if was.taxonomy != now.taxonomy:
                change = "The labels have changed"
            elif (was.sample, was.split, was.classify) != (now.sample, now.split, now.classify):
                change = "The settings have changed"
            self._settings_fingerprint, self._change = current, change
        return self._change

    def _read_decision(self, request: api.DecisionRequest) -> Decision:
        image_id = self.find_photo(request.image_id).image_id
        self._refuse_changed(image_id)
        return Decision(
            image_id=image_id,
            decided_at="",
            purpose=views.find_purpose(self._sources, image_id),
            draw=self._find_or_record_draw(image_id),
            shown=truth_value(self._sources.opinions.teacher(image_id)),
            unassisted=image_id in self._sources.unassisted,
            after=truth_value(self._read_truth(image_id, request.after)),
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
                raise api.Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"{photo.rel_path}: {error}") from None

    def _read_truth(self, image_id: str, truth: api.Truth) -> GroundTruth:
        """Return a truth record, with attributes in the order of the menu; an unknown label is refused."""
        scenes, objects = filter(None, [truth.scene]), truth.objects or []
        said = {"scene": scenes, "attribute": truth.attributes, "object": objects}
        for head, labels in self._labels.items():
            for key in set(said[head]) - {label.key for label in labels}:
                unknown = describe_unknown_key(key, self._sources.settings.taxonomy)
                raise api.Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, unknown)
        words = {word for word in map(normal_word, truth.proposed) if word}
        judged = [label.key for label in self._labels["attribute"] if label.key in truth.attributes]
        return GroundTruth(
            image_id=image_id,
            scene=[truth.scene] if truth.scene else [],
            attributes={key: truth.attributes[key] for key in judged},
            objects=None if truth.objects is None else sorted(set(truth.objects)),
            extra={PROPOSED: sorted(words)} if words else {},
        )

    def _find_or_record_draw(self, image_id: str) -> int | None:
        """Return the draw of a sampled photo, else None; record the draw first if its file is missing."""
        if image_id not in self._sources.queued:
            return None
        settings = self._sources.settings
        # Looked for each time: a checkout may have removed the file.
        if self._draw_numbers is None or not any((settings.paths.human / DRAWS_FOLDER).glob("*.json")):
            sampled = list(self._sources.queued)
            record_draw(settings)
            numbers: dict[str, int] = {}
            for draw in read_draws(settings.paths.human):
                for sampled_id in find_strata([draw], sampled, read_current_ids(settings.paths.splits)):
                    numbers.setdefault(sampled_id, draw.number)
            self._draw_numbers = numbers
        return self._draw_numbers.get(image_id)
