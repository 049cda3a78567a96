"""The lists of photos on the page: the queues, flagged or disputed photos, the whole library.

A photo is a row of the manifest; a list is an array of rows. The last few lists are cached until a decision
or a repro changes them.
"""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Literal

import msgspec

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.taxonomy import all_keys, head_keys
from vibe_photos.review.requests import LibraryQuery, ListName, Purpose, QueueQuery, StatusName
from vibe_photos.review.sources import ReviewSources

Rows = Sequence[int]

_MAX_CACHED = 32


class Listings:
    """Lists of the library's photos."""

    def __init__(self, sources: ReviewSources) -> None:
        self._photos = sources.photos
        self._row_of = sources.row_of
        self._queues = {
            "measure": [sources.row_of[image_id] for image_id in sources.queued],
            "teach": [sources.row_of[image_id] for image_id in sources.teaching],
        }
        self._decisions, self._teacher, self._student = sources.decisions, sources.teacher, sources.student
        self._unassisted = {sources.row_of[image_id] for image_id in sources.unassisted}
        taxonomy = sources.settings.taxonomy
        self._objects = set(head_keys(taxonomy, "object"))
        self._keys = all_keys(taxonomy)
        self._cache: OrderedDict[Hashable, Rows] = OrderedDict()
        self._lock = threading.Lock()

    def list_review(self, query: QueueQuery) -> Rows:
        """Return all rows of a list, whatever page the query asks for."""
        whole = msgspec.structs.replace(query, offset=0, limit=1)
        return self._cached(whole, lambda: self._find_review(query))

    def list_alike(self, queue: Purpose, scene: str, by: Literal["teacher", "student"]) -> Rows:
        """Return the open photos of a queue that the teacher, or the student, gives a scene.

        Photos that are judged without these labels are left out.
        """
        source = self._student if by == "student" else self._teacher
        rows = self.list_review(QueueQuery(list=queue, status="open"))
        shown = (row for row in rows if row not in self._unassisted)
        return self._cached((queue, scene, by), lambda: _select(shown, source.mask(scene)))

    def list_library(self, query: LibraryQuery) -> Rows:
        """Return the rows of the library's photos that match, by final label."""
        whole = msgspec.structs.replace(query, offset=0, limit=1)
        return self._cached(whole, lambda: self._find_library(query))

    def count_final(self) -> dict[str, int]:
        """Return how many photos have each final label."""
        return {key: sum(self._with_decisions(self._student.mask(key), key)) for key in self._keys}

    def _find_review(self, query: QueueQuery) -> Rows:
        rows = self._rows_of_list(query.list)
        if query.label:
            rows = _select(rows, self._with_decisions(self._teacher.mask(query.label), query.label))
        return array("I", self._search(self._order(rows, query.status), query.text))

    def _find_library(self, query: LibraryQuery) -> Rows:
        rows: Iterable[int] = range(len(self._photos))
        if query.label:
            rows = _select(rows, self._with_decisions(self._student.mask(query.label), query.label))
        return array("I", self._search(rows, query.text))

    def _rows_of_list(self, name: ListName) -> Iterable[int]:
        if name in self._queues:
            return self._queues[name]
        if name == "all":
            return range(len(self._photos))
        return sorted(
            self._row_of[image_id]
            for image_id, state in self._decisions.states().items()
            if image_id in self._row_of and (state.is_flagged if name == "flagged" else state.opinions)
        )

    def _order(self, rows: Iterable[int], status: StatusName | None) -> Iterable[int]:
        """Keep the photos with a status; `open` has the skipped ones at its end."""
        skipped: list[tuple[str, int]] = []
        kept: list[int] = []
        for row in rows:
            state = self._decisions.state(self._photos[row].image_id)
            if state.skipped_at is not None:
                skipped.append((state.skipped_at, row))
            elif status is None or (status == "audited") == (state.truth is not None):
                kept.append(row)
        waiting = [row for _, row in sorted(skipped)]
        if status == "skipped":
            return waiting
        return kept if status == "audited" else [*kept, *waiting]

    def _search(self, rows: Iterable[int], text: str) -> Iterable[int]:
        """Keep the photos whose path, id or note contains a text."""
        wanted = text.casefold()
        if not wanted:
            return rows
        photos, decisions = self._photos, self._decisions
        return [
            row
            for row in rows
            if wanted in photos[row].rel_path.casefold()
            or wanted in photos[row].image_id
            or wanted in decisions.state(photos[row].image_id).note.casefold()
        ]

    def _with_decisions(self, mask: bytearray, key: str) -> bytearray:
        """Return a copy of a label's mask, with people's labels for audited photos."""
        merged = bytearray(mask)
        for image_id, state in self._decisions.states().items():
            row = self._row_of.get(image_id)
            if row is not None and state.truth is not None:
                verdict = self._has_label(state.truth, key)
                merged[row] = merged[row] if verdict is None else verdict
        return merged

    def _has_label(self, truth: GroundTruth, key: str) -> bool | None:
        """Return whether a truth has a label (objects imply their ancestors); None if it was not judged."""
        if key in truth.attributes:
            return truth.attributes[key]
        if key in self._objects:
            return any(said == key or said.startswith(f"{key}.") for said in truth.objects)
        return key in truth.scene if truth.scene and key.startswith("scene.") else None

    def _cached(self, query: Hashable, find: Callable[[], Rows]) -> Rows:
        key = (query, self._decisions.revision, self._student.signature())
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        rows = find()
        with self._lock:
            self._cache[key] = rows
            while len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        return rows


def _select(rows: Iterable[int], mask: bytearray) -> Rows:
    return array("I", (row for row in rows if mask[row]))
