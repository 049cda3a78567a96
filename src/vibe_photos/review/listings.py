"""One query over all photos: which match its chips, in which order, and how many each further chip leaves.

A photo is a row of the manifest, a chip a mask of rows. The last lists are cached until a decision or a repro
changes them.
"""

import re
import threading
from array import array
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.records.taxonomy import HEADS
from vibe_photos.review.likeness import Likeness, lies_within
from vibe_photos.review.opinions import Opinions
from vibe_photos.review.photo_state import PhotoState
from vibe_photos.review.refusals import refuse
from vibe_photos.review.replies import Facets, Matrix
from vibe_photos.review.requests import ListName, PhotosQuery, StatusName
from vibe_photos.review.sources import ReviewSources
from vibe_photos.statistics.metrics import Bools

Rows = Sequence[int] | NDArray[np.int64]
T = TypeVar("T")

SURENESS = ("0-50", "50-80", "80-95", "95-100")
"""The steps of the chip of sureness, in percent."""

NO_SCENE = "scene"
_SPEAKERS = ("teacher", "student", "people")
_MAX_CACHED = 32
_MAX_FOLDERS = 60
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:[-_.]?(0[1-9]|1[0-2])(?:[-_.]?([0-2]\d|3[01]))?)?(?!\d{3})")


class Listings:
    """Lists of the library's photos."""

    def __init__(self, sources: ReviewSources, likeness: Likeness, *, is_blind: bool) -> None:
        self._photos, self._row_of, self._sources = sources.photos, sources.row_of, sources
        self._decisions, self._student = sources.decisions, sources.student
        self._likeness, self._is_blind = likeness, is_blind
        self.opinions: Opinions = sources.opinions
        self._hidden = [sources.row_of[image_id] for image_id in sources.unassisted]
        self._measure = [sources.row_of[image_id] for image_id in sources.queued]
        self._fixed: dict[str, Any] = {}
        self._cache: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, query: PhotosQuery) -> Rows:
        """Return all rows that match, in order, whatever page the query asks for.

        Raises:
            Refusal: a chip names what there is not, or in a blind review what the student says.
        """
        whole = msgspec.structs.replace(query, offset=0, limit=1)
        return self._cached(whole, lambda: self._sort(self._match(whole), whole))

    def count_chips(self, query: PhotosQuery) -> Facets:
        """Return how many photos each value of each chip would leave."""
        whole = msgspec.structs.replace(query, offset=0, limit=1, sort="")
        return self._cached(("facets", whole), lambda: self._count_chips(whole))

    def compare(self, query: PhotosQuery) -> Matrix:
        """Return the confusion of the query's pair over the photos that its other chips leave."""
        whole = msgspec.structs.replace(
            query, offset=0, limit=1, sort="", says="", apart=False, label="", near="", about="scene", sure=""
        )
        return self._cached(("matrix", whole), lambda: self._compare(whole))

    def places(self) -> NDArray[np.float32]:
        """Return the map; see `Likeness.places`."""
        return self._likeness.places()

    def describe_places(self, query: PhotosQuery) -> NDArray[np.uint8]:
        """Return uint8 [photos, 3]: scene by people or teacher, scene by the student, the map's flags."""
        said = self._scene("people")
        said = np.where(said >= 0, said, self._scene("teacher"))
        student = np.full(len(said), -1) if self._is_blind else self._scene("student")
        flags = np.zeros(len(said), np.uint8)
        flags[np.asarray(self.find(query), np.int64)] = 1
        if not self._is_blind:
            flags |= 2 * (self.opinions.suspicion() > 0).any(axis=1).astype(np.uint8)
        flags |= 4 * self._of_states(lambda state: state.truth is not None).astype(np.uint8)
        return np.column_stack([said.astype(np.uint8), student.astype(np.uint8), flags])

    def dates(self) -> NDArray[np.int32]:
        """Return each photo's date as its path tells it: YYYYMMDD with zeros for what is not told, else 0."""
        return self._kept("dates", lambda: np.array([_read_date(p.rel_path) for p in self._photos], np.int32))

    def _match(self, query: PhotosQuery) -> Rows:
        masks = self._masks(query)
        rows = self._rows_of_list(query.list)
        if masks:
            listed = np.asarray(rows, np.int64)
            rows = listed[np.logical_and.reduce(list(masks.values()))[listed]].tolist()
        return self._search(self._order(rows, query.status), query.text)

    def _masks(self, query: PhotosQuery) -> dict[str, Bools]:
        """Return the mask of each chip that is set, but for list, status and text."""
        masks: dict[str, Bools] = {}
        if query.label:
            column = self.opinions.column_of.get(query.label)
            final = self._final(query.by)
            masks["label"] = np.zeros(len(final), bool) if column is None else final[:, column] == 1
        for number, said in enumerate(filter(None, query.says.split(","))):
            masks[f"says{number}"] = self._says(said)
        if query.apart:
            masks["apart"] = self._are_apart(query)
        if query.sure:
            masks["sure"] = _lies_in(query.sure, self._sureness(query.about))
        if query.suspected:
            masks["suspected"] = self._suspicion(query.about) > 0
        if query.flagged:
            masks["flagged"] = self._of_states(lambda state: state.is_flagged)
        if query.folder:
            names, codes = self._folders()
            masks["folder"] = codes == (names.index(query.folder) if query.folder in names else -1)
        if query.year:
            year = int(query.year) if query.year.isascii() and query.year.isdigit() else -1
            masks["year"] = self.dates() // 10000 == year
        if query.judge == "nobody":
            masks["judge"] = ~self._of_states(lambda state: state.truth is not None)
        elif query.judge:
            masks["judge"] = self._of_states(lambda state: name_judge(state) == query.judge)
        if query.only:
            masks["only"] = self._mask_ids(query.only.split(","))
        if query.near:
            if query.near not in self._row_of:
                raise refuse(HTTPStatus.NOT_FOUND, "there is no such photo in the library")
            masks["near"] = self._likeness.nearest(self._row_of[query.near]) >= 0
        if query.lasso:
            masks["lasso"] = lies_within(self._likeness.places(), query.lasso)
        return masks

    def _sort(self, found: Rows, query: PhotosQuery) -> Rows:
        rows, key = np.asarray(found, np.int64), cast(NDArray[Any], None)
        sort = query.sort or ("alike" if query.near else "")
        if not sort or not len(rows):
            return array("I", found)
        if sort in ("sure", "unsure"):
            key = self._sureness(query.about)[rows].astype(np.float32)
            key = np.nan_to_num(-key if sort == "sure" else key, nan=2.0)
        elif sort == "apart":
            key = -self._disagreement(query)[rows]
        elif sort == "suspicion":
            key = -self._suspicion(query.about)[rows].astype(np.float32)
        elif sort in ("newest", "oldest"):
            date = self.dates()[rows].astype(np.float64)
            key = np.where(date == 0, np.inf, -date if sort == "newest" else date)
        elif sort == "alike" and query.near:
            key = self._likeness.nearest(self._row_of[query.near])[rows]
        else:
            key = rows
        return array("I", rows[np.argsort(key, kind="stable")].tolist())

    def _says(self, said: str) -> Bools:
        who, _, key = said.partition(":")
        if who not in _SPEAKERS:
            raise refuse(HTTPStatus.BAD_REQUEST, f"{who!r} is none of {', '.join(_SPEAKERS)}")
        values = self._voice(who)
        is_no, key = key.startswith("!"), key.removeprefix("!")
        if key == NO_SCENE:
            has_scene = (values[:, self.opinions.columns["scene"]] == 1).any(axis=1)
            return np.asarray(has_scene != is_no)
        return np.asarray(values[:, self._column(key)] == (0 if is_no else 1))

    def _voice(self, who: str) -> NDArray[np.int8]:
        if self._is_blind and who == "student":
            raise refuse(HTTPStatus.FORBIDDEN, "the student's labels are hidden: this review is blind")
        return self.opinions.voice(who).values  # type: ignore[arg-type]

    def _column(self, key: str) -> int:
        column = self.opinions.column_of.get(key)
        if column is None:
            raise refuse(HTTPStatus.BAD_REQUEST, f"there is no label {key}")
        return column

    def _final(self, by: str) -> NDArray[np.int8]:
        """Return int8 [photos, labels]: people's labels, and where nobody judged those of `by`."""
        people = self.opinions.voice("people").values
        if by == "teacher":
            return np.where(people >= 0, people, self.opinions.teacher.values)
        if self._is_blind:
            return people
        final = np.where(people >= 0, people, self._student.finals(self.opinions.keys))
        final[self._hidden] = people[self._hidden]
        return final

    def _are_apart(self, query: PhotosQuery) -> Bools:
        one, other = query.pair.split(",")
        if query.about == "scene":
            first, second = self._scene(one), self._scene(other)
        else:
            column = self._column(query.about)
            first, second = self._voice(one)[:, column], self._voice(other)[:, column]
        return np.asarray((first >= 0) & (second >= 0) & (first != second))

    def _scene(self, who: str) -> NDArray[np.int8]:
        self._voice(who)
        return self.opinions.scene(who)  # type: ignore[arg-type]

    def _scores(self) -> NDArray[np.float16]:
        self._voice("student")
        scores = self.opinions.voice("student").scores
        assert scores is not None
        return scores

    def _sureness(self, about: str) -> NDArray[np.float16]:
        """Return the student's probability of its own answer: float16 [photos], NaN without one."""
        if about == "scene":
            scenes = self._scores()[:, self.opinions.columns["scene"]]
            return np.where(np.isnan(scenes).all(axis=1), np.nan, np.nan_to_num(scenes).max(axis=1))
        column = self._column(about)
        score = self._scores()[:, column]
        return np.where(self._voice("student")[:, column] == 1, score, 1 - score)

    def _disagreement(self, query: PhotosQuery) -> NDArray[np.float32]:
        """Return how far the student is from the other of the pair: 1 if it excludes the other's answer."""
        other = "people" if query.pair.endswith("people") else "teacher"
        scores = self._scores()
        if query.about == "scene":
            said = self._scene(other)
            rows = np.arange(len(said))
            of_said = scores[rows, said].astype(np.float32)
            gap = np.nan_to_num(self._sureness("scene").astype(np.float32)) - of_said
            return np.where(said < 0, -1, np.nan_to_num(gap, nan=-1.0)).astype(np.float32)
        column = self._column(query.about)
        value = self._voice(other)[:, column]
        gap = np.abs(value.astype(np.float32) - scores[:, column].astype(np.float32))
        return np.where(value < 0, -1, np.nan_to_num(gap, nan=-1.0)).astype(np.float32)

    def _suspicion(self, about: str) -> NDArray[np.float16]:
        self._voice("student")
        head = "scene" if about == "scene" else "attribute" if about.startswith("attr.") else "object"
        return self.opinions.suspicion()[:, HEADS.index(head)]

    def _count_chips(self, query: PhotosQuery) -> Facets:
        """Count by dropping one chip at a time; photos of the query's list, status and text only."""
        base = msgspec.structs.replace(PhotosQuery(), list=query.list, status=query.status, text=query.text)
        rows = np.asarray(self._match(base), np.int64)
        masks = {name: mask[rows] for name, mask in self._masks(query).items()}

        def without(*names: str) -> NDArray[np.int64]:
            kept = [mask for name, mask in masks.items() if name not in names]
            return rows[np.logical_and.reduce(kept)] if kept else rows

        matching, counts = without(), {}
        keys = self.opinions.keys
        for who in _SPEAKERS:
            if not (self._is_blind and who == "student"):
                said = (self._voice(who)[matching] == 1).sum(axis=0)
                counts[who] = {key: int(said[column]) for column, key in enumerate(keys)}
        final = (self._final(query.by)[without("label")] == 1).sum(axis=0)
        counts["label"] = {key: int(final[column]) for column, key in enumerate(keys)}
        names, codes = self._folders()
        found = np.bincount(codes[without("folder")], minlength=len(names))
        counts["folder"] = {name: int(count) for name, count in zip(names, found, strict=True) if count}
        years = Counter((self.dates()[without("year")] // 10000).tolist())
        counts["year"] = {str(year): years[year] for year in sorted(years) if year}
        counts["flagged"] = {"true": int(self._of_states(lambda s: s.is_flagged)[without("flagged")].sum())}
        if not self._is_blind:
            sure = self._sureness(query.about)[without("sure")]
            counts["sure"] = {step: int(_lies_in(step, sure).sum()) for step in SURENESS}
            counts["apart"] = {"true": int(self._are_apart(query)[without("apart")].sum())}
            doubt = self._suspicion(query.about)[without("suspected")]
            counts["suspected"] = {"true": int((doubt > 0).sum())}
        left = without("judge")
        in_left = np.zeros(len(self._photos), bool)
        in_left[left] = True
        judges = Counter(
            name_judge(state)
            for image_id, state in self._decisions.states().items()
            if state.truth is not None and image_id in self._row_of and in_left[self._row_of[image_id]]
        )
        counts["judge"] = {"nobody": len(left) - judges.total(), **dict(sorted(judges.items()))}
        return Facets(total=len(matching), counts={k: v for k, v in counts.items() if v})

    def _compare(self, query: PhotosQuery) -> Matrix:
        one, other = query.pair.split(",")
        rows = np.asarray(self._match(query), np.int64)
        columns = self.opinions.columns
        scenes = self.opinions.keys[columns["scene"]]
        first, second = self._scene(one)[rows], self._scene(other)[rows]
        size = len(scenes) + 1
        both = (self._has_voice(one) & self._has_voice(other))[rows]
        codes = (first[both] % size).astype(np.int64) * size + second[both] % size
        counts = np.bincount(codes, minlength=size * size).reshape(size, size)
        flags: dict[str, list[int]] = {}
        for column in range(columns["attribute"].start, len(self.opinions.keys)):
            a, b = self._voice(one)[rows, column], self._voice(other)[rows, column]
            is_known = (a >= 0) & (b >= 0)
            pairs = np.bincount(2 * a[is_known] + b[is_known], minlength=4)
            flags[self.opinions.keys[column]] = [int(pairs[code]) for code in (3, 2, 1, 0)]
        return Matrix(pair=[one, other], scenes=[*scenes, ""], counts=counts.tolist(), flags=flags)

    def _has_voice(self, who: str) -> Bools:
        return np.asarray((self._voice(who) >= 0).any(axis=1))

    def _rows_of_list(self, name: ListName) -> Rows:
        if name == "measure":
            return self._measure
        if name == "teach":
            rows = self._sources.teaching.rows()
            return rows[~self._mask_ids(self._sources.queued)[rows]].astype(np.int64)
        if name == "all":
            return range(len(self._photos))
        if name == "train":
            return self._kept("train", lambda: np.flatnonzero(self._sources.trains))
        return sorted(
            self._row_of[image_id]
            for image_id, state in self._decisions.states().items()
            if image_id in self._row_of and (state.is_flagged if name == "flagged" else state.opinions)
        )

    def _order(self, rows: Rows, status: StatusName | None) -> Rows:
        """Keep the photos with a status; `open` has the skipped ones at its end.

        A sampled photo that was only taught is open: its labels measure once a person confirms them.
        """
        touched = self._of_states(lambda state: state.truth is not None or state.skipped_at is not None)
        taught = self._of_states(lambda state: state.truth is not None and not state.measures)
        touched &= ~(taught & self._mask_ids(self._sources.queued))
        if not len(rows) or not touched.any():
            return [] if status in ("audited", "skipped") else rows
        skipped: list[tuple[str, int]] = []
        kept: list[int] = []
        for row, is_touched in zip(rows, touched[np.asarray(rows, np.int64)].tolist(), strict=True):
            if not is_touched:
                if status is None or status == "open":
                    kept.append(row)
                continue
            state = self._decisions.state(self._photos[row].image_id)
            if state.skipped_at is not None:
                skipped.append((state.skipped_at, row))
            elif status is None or status == "audited":
                kept.append(row)
        waiting = [row for _, row in sorted(skipped)]
        if status == "skipped":
            return waiting
        return kept if status == "audited" else [*kept, *waiting]

    def _search(self, rows: Rows, text: str) -> Rows:
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

    def _of_states(self, holds: Callable[[PhotoState], bool]) -> Bools:
        states = self._decisions.states()
        return self._mask_ids(image_id for image_id, state in states.items() if holds(state))

    def _mask_ids(self, image_ids: Iterable[str]) -> Bools:
        mask = np.zeros(len(self._photos), bool)
        mask[[self._row_of[image_id] for image_id in image_ids if image_id in self._row_of]] = True
        return mask

    def _folders(self) -> tuple[list[str], NDArray[np.int32]]:
        """Return the largest folders, two levels deep at most, and each photo's place; `…` has the rest."""

        def read() -> tuple[list[str], NDArray[np.int32]]:
            of_photo = ["/".join(photo.rel_path.split("/")[:-1][:2]) for photo in self._photos]
            names = [name for name, _ in Counter(of_photo).most_common(_MAX_FOLDERS)]
            places = {name: place for place, name in enumerate(sorted(names))}
            codes = np.array([places.get(name, len(places)) for name in of_photo], np.int32)
            return [*(name or "." for name in sorted(names)), "…"], codes

        return self._kept("folders", read)

    def _kept(self, name: str, make: Callable[[], T]) -> T:
        """Return what does not change while the page is open."""
        with self._lock:
            if name not in self._fixed:
                self._fixed[name] = make()
            return cast(T, self._fixed[name])

    def _cached(self, query: Hashable, find: Callable[[], T]) -> T:
        key = (query, self._decisions.revision, self.opinions.signature())
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return cast(T, self._cache[key])
        found = find()
        with self._lock:
            self._cache[key] = found
            while len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        return found


def _lies_in(step: str, sure: NDArray[np.float16]) -> Bools:
    """Return which probabilities are in a step, `FROM-TO` in percent; TO is excluded but for 100."""
    low, high = map(int, step.split("-"))
    percent = 100 * sure
    return np.asarray((percent >= low) & ((percent < high) | (high >= 100)))


def name_judge(state: PhotoState) -> str:
    """Return who decided: a reviewer, `file`, or `nobody`, also where a reviewer took the decision back."""
    return "nobody" if state.truth is None else state.decided_by or "file"


def _read_date(path: str) -> int:
    """Return the last date in a path as YYYYMMDD; 0 if it tells none."""
    found = list(_YEAR.finditer(path))
    if not found:
        return 0
    # A whole date says more than a folder's year.
    year, month, day = max(
        (match.groups("0") for match in found), key=lambda parts: sum(p != "0" for p in parts)
    )
    return int(year) * 10000 + int(month) * 100 + int(day)
