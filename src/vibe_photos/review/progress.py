"""Progress of the review, its speed, and how often the teacher was right so far."""

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from vibe_photos.records.ground_truth import Decision, GroundTruth
from vibe_photos.review.photo_state import PhotoState
from vibe_photos.review.replies import Agreement, Progress
from vibe_photos.review.sources import ReviewSources

NOTE = "your answers are used at the next dvc repro"

_PAUSE_SECONDS = 300.0
_RECENT = 50
_MIN_FOR_SPEED = 5


class ProgressCounter:
    """Counts over all photos of the library; only changed photos are counted again."""

    def __init__(self, sources: ReviewSources) -> None:
        self._queued = sources.queued
        self._trains = int(sources.trains.sum())
        self._library = sources.row_of
        self._decisions = sources.decisions
        self._teacher = sources.teacher
        self._lock = threading.Lock()
        self._counted: dict[str, tuple[PhotoState, Counter[str]]] = {}
        self._total: Counter[str] = Counter()

    def read(self) -> Progress:
        """Return the current progress."""
        with self._lock:
            states = self._decisions.states()
            for image_id in [*states, *(self._counted.keys() - states.keys())]:
                if image_id in self._library:
                    self._recount(image_id, states.get(image_id))
            total = Counter(self._total)
        return Progress(
            queued=len(self._queued),
            audited=total["audited"],
            skipped=total["skipped"],
            teachable=self._trains,
            taught=total["taught"],
            flagged=total["flagged"],
            disagreements=total["disagreements"],
            per_hour=measure_speed(self._decisions.own_lines()),
            agreement=_read_agreement(total),
            note=NOTE,
        )

    def _recount(self, image_id: str, state: PhotoState | None) -> None:
        known = self._counted.get(image_id)
        if known is not None:
            if known[0] is state:
                return
            self._total.subtract(known[1])
            del self._counted[image_id]
        if state is not None:
            counts = self._count(image_id, state)
            self._counted[image_id] = (state, counts)
            self._total.update(counts)

    def _count(self, image_id: str, state: PhotoState) -> Counter[str]:
        is_queued = image_id in self._queued
        teaches = state.truth is not None and not state.measures
        is_measured = is_queued and state.truth is not None and state.measures
        counts = Counter(
            audited=int(is_measured),
            taught=int(teaches),
            skipped=int(is_queued and state.skipped_at is not None),
            flagged=int(state.is_flagged),
            disagreements=int(bool(state.opinions)),
        )
        # Only on measured photos: the others were chosen, so they are not a random sample.
        said = self._teacher.get(image_id) if is_measured else None
        if said is not None and state.truth is not None:
            counts.update(compare(said, state.truth))
        return counts


def compare(said: GroundTruth, truth: GroundTruth) -> Counter[str]:
    """Count the labels of a photo that both judged, and those on which they agree."""
    judged = said.attributes.keys() & truth.attributes.keys()
    has_scene = bool(said.scene and truth.scene)
    return Counter(
        photos=1,
        scenes=int(has_scene),
        scenes_same=int(has_scene and said.scene == truth.scene),
        attributes=len(judged),
        attributes_same=sum(said.attributes[key] == truth.attributes[key] for key in judged),
        objects=1,
        objects_same=int(set(said.objects) == set(truth.objects)),
    )


def measure_speed(lines: Sequence[Decision]) -> int | None:
    """Return the recent decisions per hour, or None if there are too few.

    A pause of more than five minutes starts a new session; only the last session counts.
    """
    times = [datetime.fromisoformat(line.decided_at) for line in lines[-_RECENT:] if line.kind == "decision"]
    begin = len(times) - 1
    while begin > 0 and (times[begin] - times[begin - 1]).total_seconds() <= _PAUSE_SECONDS:
        begin -= 1
    session = times[max(begin, 0) :]
    if len(session) < _MIN_FOR_SPEED:
        return None
    seconds = (session[-1] - session[0]).total_seconds()
    return round(3600 * (len(session) - 1) / seconds) if seconds > 0 else None


def _read_agreement(total: Counter[str]) -> Agreement | None:
    if not total["photos"]:
        return None
    return Agreement(**{field: total[field] for field in Agreement.__struct_fields__})
