"""One query over all photos: which match its chips, in which order, and how many each further chip leaves.

A photo is a row of the manifest, a chip a mask of rows. The last lists are cached until a decision or a repro
changes them.
"""

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable
from http import HTTPStatus
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.records.taxonomy import HEADS
from vibe_photos.review.api import Matrix, PhotosQuery, Refusal, Speaker
from vibe_photos.review.decision_index import PhotoState
from vibe_photos.review.likeness import Likeness, lies_within
from vibe_photos.review.sources import ReviewSources
from vibe_photos.statistics.metrics import Bools

Rows = NDArray[np.uint32]
Values = NDArray[np.int8]
T = TypeVar("T")

SURENESS = ("0-50", "50-80", "80-95", "95-100")
"""The ranges of the student's confidence, in percent."""

ANY_SCENE = "scene"
_SPEAKERS: tuple[Speaker, ...] = ("teacher", "student", "people")
_MAX_CACHED = 16
_MAX_FOLDERS = 60
# 2019, 2019-07, 2019_07_31, 20190731
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:[-_.]?(0[1-9]|1[0-2])(?:[-_.]?([0-2]\d|3[01]))?)?(?!\d{3})")


class Listings:
    """Lists of the library's photos."""

    def __init__(self, sources: ReviewSources, likeness: Likeness, *, is_blind: bool) -> None:
        self._sources, self._photos, self._row_of = sources, sources.photos, sources.row_of
        self._decisions, self._opinions = sources.decisions, sources.opinions
        self._likeness, self._is_blind = likeness, is_blind
        self._measure = np.array([sources.row_of[image_id] for image_id in sources.queued], np.uint32)
        self._in_sample = self._mask_ids(sources.queued)
        self._folders_and_dates: tuple[list[str], NDArray[np.int32], NDArray[np.int32]] | None = None
        self._cache: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, query: PhotosQuery) -> Rows:
        """Return all rows that match, in order, whatever page the query asks for.

        Raises:
            Refusal: a chip names what there is not, or in a blind review what the student says.
        """
        return self._cached("rows", query, lambda: self._sort(self._match(query), query))

    def count_chips(self, query: PhotosQuery) -> dict[str, dict[str, int]]:
        """Return how many photos each value of each chip would leave."""
        unsorted = msgspec.structs.replace(query, sort="")
        return self._cached("chips", unsorted, lambda: self._count_chips(unsorted))

    def compare(self, query: PhotosQuery) -> Matrix:
        """Return the confusion of the query's pair over the photos that its other chips leave."""
        unset = {
            "says": "",
            "apart": False,
            "label": "",
            "near": "",
            "about": "scene",
            "sure": "",
            "sort": "",
        }
        others = msgspec.structs.replace(query, **unset)
        return self._cached("matrix", others, lambda: self._compare(others))

    def encode_map(self, query: PhotosQuery) -> bytes:
        """Return the map as 8 little-endian bytes a photo, in the order of the rows.

        0-1, 2-3: x and y, 65535 is 1.0; both are 0 without a vector
        4, 5: the number of the scene by people, else by the teacher, and by the student; 255 without one
        6, 7: the sum of 1 (matches the query), 2 (is suspected) and 4 (is decided by people); a zero
        """
        xy = self._likeness.map_positions()
        points = np.zeros(len(xy), [("x", "<u2"), ("y", "<u2"), ("scenes", "u1", 2), ("flags", "u1", 2)])
        for axis, name in enumerate("xy"):
            points[name] = np.nan_to_num(65535 * xy[:, axis]).astype(np.uint16)
        people, scenes, flags = self._scene("people"), points["scenes"], points["flags"][:, 0]
        scenes[:, 0] = np.where(people >= 0, people, self._scene("teacher")).astype(np.uint8)
        scenes[:, 1] = 255 if self._is_blind else self._scene("student").astype(np.uint8)
        flags[self.find(query)] = 1
        if not self._is_blind:
            flags |= 2 * (self._opinions.suspicion() > 0).any(axis=1).astype(np.uint8)
        flags |= 4 * self._of_states(_is_decided).astype(np.uint8)
        return points.tobytes()

    def _match(self, query: PhotosQuery) -> Rows:
        rows = self._rows_of_list(query)
        for mask in self._masks(query).values():
            rows = rows[mask[rows]]
        return self._keep_status(rows, query)

    def _masks(self, query: PhotosQuery) -> dict[str, Bools]:
        """Return the mask of each chip that is set, except list and status."""
        masks: dict[str, Bools] = {}
        if query.label:
            column = self._opinions.column_of.get(query.label)
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
            names, folder_numbers, _ = self._read_folders_and_dates()
            masks["folder"] = folder_numbers == (names.index(query.folder) if query.folder in names else -1)
        if query.year:
            year = int(query.year) if query.year.isascii() and query.year.isdigit() else -1
            masks["year"] = self._dates() // 10000 == year
        if query.judge:
            judged = self._of_states(_is_decided)
            by = self._of_states(lambda state: name_judge(state) == query.judge)
            masks["judge"] = ~judged if query.judge == "nobody" else by
        if query.only:
            masks["only"] = self._mask_ids(query.only.split(","))
        if query.near:
            masks["near"] = self._distance(query.near) >= 0
        if query.lasso:
            masks["lasso"] = lies_within(self._likeness.map_positions(), query.lasso)
        if query.text:
            wanted = query.text.casefold()
            named = (wanted in one.rel_path.casefold() or wanted in one.image_id for one in self._photos)
            noted = self._of_states(lambda state: wanted in state.note.casefold())
            masks["text"] = noted | np.fromiter(named, bool, len(self._photos))
        return masks

    def _sort(self, rows: Rows, query: PhotosQuery) -> Rows:
        sort = query.sort or ("alike" if query.near else "")
        key: NDArray[Any] = rows
        if not sort:
            return rows
        if sort in ("sure", "unsure"):
            key = self._sureness(query.about)[rows].astype(np.float32)
            key = np.nan_to_num(-key if sort == "sure" else key, nan=2.0)
        elif sort == "apart":
            key = -self._disagreement(query)[rows]
        elif sort == "suspicion":
            key = -self._suspicion(query.about)[rows].astype(np.float32)
        elif sort in ("newest", "oldest"):
            date = self._dates()[rows].astype(np.float64)
            key = np.where(date == 0, np.inf, -date if sort == "newest" else date)
        elif sort == "alike" and query.near:
            key = self._distance(query.near)[rows]
        return rows[np.argsort(key, kind="stable")]

    def _distance(self, image_id: str) -> NDArray[np.float32]:
        if image_id not in self._row_of:
            raise Refusal(HTTPStatus.NOT_FOUND, "there is no such photo in the library")
        return self._likeness.nearest(self._row_of[image_id])

    def _says(self, said: str) -> Bools:
        who, _, key = said.partition(":")
        is_no, key = key.startswith("!"), key.removeprefix("!")
        if key == ANY_SCENE:
            return np.asarray((self._scene(who) >= 0) != is_no)
        return np.asarray(self._values(who)[:, self._column(key)] == (0 if is_no else 1))

    def _values(self, who: str) -> Values:
        if who not in _SPEAKERS:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{who!r} is none of {', '.join(_SPEAKERS)}")
        if self._is_blind and who == "student":
            raise Refusal(HTTPStatus.FORBIDDEN, "the student's labels are hidden: this review is blind")
        return self._opinions.values(who)

    def _column(self, key: str) -> int:
        column = self._opinions.column_of.get(key)
        if column is None:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"there is no label {key}")
        return column

    def _final(self, by: str) -> Values:
        """Return int8 [photos, labels]: people's label; if nobody judged it, the label of `by`."""
        people = self._values("people")
        if by == "teacher":
            return np.where(people >= 0, people, self._values("teacher"))
        if self._is_blind:
            return people
        hidden = self._mask_ids(self._sources.unassisted)[:, np.newaxis]
        return np.where((people >= 0) | hidden, people, self._opinions.finals())

    def _about(self, who: str, about: str) -> Values:
        """Return int8 [photos]: the column of the scene, or 0 or 1 for a label; -1 if nothing is said."""
        return self._scene(who) if about == "scene" else self._values(who)[:, self._column(about)]

    def _are_apart(self, query: PhotosQuery) -> Bools:
        first, second = (self._about(who, query.about) for who in query.pair.split(","))
        return np.asarray((first >= 0) & (second >= 0) & (first != second))

    def _scene(self, who: str) -> Values:
        self._values(who)
        return self._opinions.scene(cast(Speaker, who))

    def _scores(self) -> NDArray[np.float16]:
        self._values("student")
        return self._opinions.scores()

    def _sureness(self, about: str) -> NDArray[np.float16]:
        """Return the student's probability of its own answer: float16 [photos], NaN without one."""
        if about == "scene":
            scenes = self._scores()[:, self._opinions.columns["scene"]]
            return np.where(np.isnan(scenes).all(axis=1), np.nan, np.nan_to_num(scenes).max(axis=1))
        score = self._scores()[:, self._column(about)]
        return np.where(self._about("student", about) == 1, score, 1 - score)

    def _disagreement(self, query: PhotosQuery) -> NDArray[np.float32]:
        """Return how far the student is from the other of the pair: 1 if it excludes the other's answer."""
        value = self._about("people" if query.pair.endswith("people") else "teacher", query.about)
        if query.about == "scene":
            # -1 reads the last column; these photos are left out at the end.
            said_score = self._scores()[np.arange(len(value)), value].astype(np.float32)
            gap = np.nan_to_num(self._sureness("scene").astype(np.float32)) - said_score
        else:
            score = self._scores()[:, self._column(query.about)]
            gap = np.abs(value.astype(np.float32) - score.astype(np.float32))
        return np.where(value < 0, -1, np.nan_to_num(gap, nan=-1.0)).astype(np.float32)

    def _suspicion(self, about: str) -> NDArray[np.float16]:
        self._values("student")
        head = "scene" if about == "scene" else "attribute" if about.startswith("attr.") else "object"
        return self._opinions.suspicion()[:, HEADS.index(head)]

    def _count_chips(self, query: PhotosQuery) -> dict[str, dict[str, int]]:
        """For each chip, count its values over the photos of the list that all other chips leave."""
        base = msgspec.structs.replace(PhotosQuery(), list=query.list, status=query.status, text=query.text)
        rows = self._match(base)
        masks = {name: mask[rows] for name, mask in self._masks(query).items()}

        def rows_left(ignoring: str = "") -> Rows:
            kept = [mask for chip, mask in masks.items() if chip != ignoring]
            return rows[np.logical_and.reduce(kept)] if kept else rows

        def count_labels(values: Values) -> dict[str, int]:
            return dict(zip(self._opinions.keys, (values == 1).sum(axis=0).tolist(), strict=True))

        counts: dict[str, dict[str, int]] = {}
        for who in _SPEAKERS:
            if not (self._is_blind and who == "student"):
                counts[who] = count_labels(self._values(who)[rows_left()])
        counts["label"] = count_labels(self._final(query.by)[rows_left("label")])
        names, folder_numbers, _ = self._read_folders_and_dates()
        found = np.bincount(folder_numbers[rows_left("folder")], minlength=len(names))
        counts["folder"] = {name: int(count) for name, count in zip(names, found, strict=True) if count}
        years = Counter((self._dates()[rows_left("year")] // 10000).tolist())
        counts["year"] = {str(year): years[year] for year in sorted(years) if year}
        counts["flagged"] = {"true": int(self._of_states(lambda s: s.is_flagged)[rows_left("flagged")].sum())}
        if not self._is_blind:
            sure = self._sureness(query.about)[rows_left("sure")]
            counts["sure"] = {span: int(_lies_in(span, sure).sum()) for span in SURENESS}
            counts["apart"] = {"true": int(self._are_apart(query)[rows_left("apart")].sum())}
            doubt = self._suspicion(query.about)[rows_left("suspected")]
            counts["suspected"] = {"true": int((doubt > 0).sum())}
        left = rows_left("judge")
        in_left = np.zeros(len(self._photos), bool)
        in_left[left] = True
        judges = Counter(
            name_judge(state)
            for image_id, state in self._decisions.states().items()
            if _is_decided(state) and image_id in self._row_of and in_left[self._row_of[image_id]]
        )
        counts["judge"] = {"nobody": len(left) - judges.total(), **dict(sorted(judges.items()))}
        return counts

    def _compare(self, query: PhotosQuery) -> Matrix:
        one, other = query.pair.split(",")
        rows = self._match(query)
        columns, keys = self._opinions.columns, self._opinions.keys
        first, second = self._values(one)[rows], self._values(other)[rows]
        scenes = keys[columns["scene"]]
        size = len(scenes) + 1
        both = (first >= 0).any(axis=1) & (second >= 0).any(axis=1)
        if other == "people":  # who gives no scene has not judged it
            both &= self._scene(other)[rows] >= 0
        # The last row and column have the photos without a scene.
        pairs = [self._scene(who)[rows][both].astype(np.int64) % size for who in (one, other)]
        counts = np.bincount(pairs[0] * size + pairs[1], minlength=size * size).reshape(size, size)
        flags: dict[str, list[int]] = {}
        for column in range(columns["attribute"].start, len(keys)):
            a, b = first[:, column], second[:, column]
            is_known = (a >= 0) & (b >= 0)
            found = np.bincount(2 * a[is_known] + b[is_known], minlength=4)
            flags[keys[column]] = [int(found[code]) for code in (3, 2, 1, 0)]
        return Matrix(scenes=[*scenes, ""], counts=counts.tolist(), flags=flags)

    def _rows_of_list(self, query: PhotosQuery) -> Rows:
        if query.list == "measure":
            return self._measure
        if query.list == "teach":
            rows = self._sources.teaching.rows()
            return rows[~self._in_sample[rows]]
        if query.list == "all":
            return np.arange(len(self._photos), dtype=np.uint32)
        if query.list == "train":
            return np.flatnonzero(self._sources.trains).astype(np.uint32)
        is_flagged = query.list == "flagged"
        listed = self._of_states(lambda s: s.is_flagged if is_flagged else bool(s.conflicting_decisions))
        return np.flatnonzero(listed).astype(np.uint32)

    def _keep_status(self, rows: Rows, query: PhotosQuery) -> Rows:
        """Keep the photos with a status; `open` has the skipped ones at its end.

        A sampled photo that was only taught is open: its labels measure once a person confirms them.
        """
        taught = self._of_states(lambda state: _is_decided(state) and not state.measures) & self._in_sample
        audited = (self._of_states(_is_decided) & ~taught)[rows]
        skipped = self._of_states(lambda state: state.skipped_at is not None)[rows]
        waiting = np.array(sorted(rows[skipped].tolist(), key=self._skipped_at), np.uint32)
        if query.status == "skipped":
            return waiting
        if query.status == "audited":
            return rows[audited]
        left = ~(audited | skipped) if query.status == "open" else ~skipped
        return np.concatenate([rows[left], waiting])

    def _skipped_at(self, row: int) -> str:
        return self._decisions.state(self._photos[row].image_id).skipped_at or ""

    def _of_states(self, holds: Callable[[PhotoState], bool]) -> Bools:
        states = self._decisions.states()
        return self._mask_ids(image_id for image_id, state in states.items() if holds(state))

    def _mask_ids(self, image_ids: Iterable[str]) -> Bools:
        mask = np.zeros(len(self._photos), bool)
        mask[[self._row_of[image_id] for image_id in image_ids if image_id in self._row_of]] = True
        return mask

    def _dates(self) -> NDArray[np.int32]:
        """Return each photo's date as its path tells it: YYYYMMDD with zeros for what is not told, else 0."""
        return self._read_folders_and_dates()[2]

    def _read_folders_and_dates(self) -> tuple[list[str], NDArray[np.int32], NDArray[np.int32]]:
        """Return the largest folders, the number of each photo's folder, and each photo's date.

        Folders are two levels deep at most; `…` has the rest.
        """
        with self._lock:
            if self._folders_and_dates is None:
                folders, dates = [], np.zeros(len(self._photos), np.int32)
                for row, photo in enumerate(self._photos):
                    folders.append("/".join(photo.rel_path.split("/")[:-1][:2]))
                    dates[row] = _read_date(photo.rel_path)
                names = sorted(name for name, _ in Counter(folders).most_common(_MAX_FOLDERS))
                number_of = {name: number for number, name in enumerate(names)}
                codes = np.array([number_of.get(name, len(names)) for name in folders], np.int32)
                self._folders_and_dates = [*(name or "." for name in names), "…"], codes, dates
            return self._folders_and_dates

    def _cached(self, what: str, query: PhotosQuery, find: Callable[[], T]) -> T:
        whole = msgspec.structs.replace(query, offset=0, limit=1)  # the page does not change the list
        key = (what, whole, self._decisions.revision, self._opinions.fingerprint())
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


def _is_decided(state: PhotoState) -> bool:
    return state.truth is not None


def _lies_in(span: str, sure: NDArray[np.float16]) -> Bools:
    """Return which probabilities are in a range, `FROM-TO` in percent; TO is excluded, except 100."""
    low, high = map(int, span.split("-"))
    percent = 100 * sure
    return np.asarray((percent >= low) & ((percent < high) | (high >= 100)))


def name_judge(state: PhotoState) -> str:
    """Return who decided: a reviewer, `file`, or `nobody`, also where a reviewer took the decision back."""
    return "nobody" if state.truth is None else state.decided_by or "file"


def _read_date(path: str) -> int:
    """Return the most exact date in a path (the first of equals) as YYYYMMDD; 0 if it tells none."""
    dates = [match.groups("0") for match in _DATE.finditer(path)]
    if not dates:
        return 0
    year, month, day = max(dates, key=lambda date: -date.count("0"))
    return int(year) * 10000 + int(month) * 100 + int(day)
