"""The two queues of the review page: photos that measure, and photos that teach.

- *Measure*: the review sample, in its order. Figures about the library come from people's labels of it. These
  photos never train.
- *Teach*: photos that may train, the most useful first: labels that the teacher probably got wrong, then
  photos on which student and teacher disagree, on which the student is unsure, or that may have a rare label.
  People's labels replace the teacher's in training, and are in no figure about the library.
"""

import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.out_of_fold import out_of_fold_path
from vibe_photos.human_truth.draws import NO_ANSWER, NO_SCENE, WHOLE_LIBRARY, split_name
from vibe_photos.human_truth.sample import read_sampled
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.photos import unit_interval
from vibe_photos.records.splits import read_splits
from vibe_photos.records.taxonomy import HEADS, show_name, shown_names
from vibe_photos.review.opinions import (
    LARGE_LIBRARY,
    StudentFingerprint,
    fingerprint_student,
    list_suspects,
    read_unseen_labels,
)
from vibe_photos.review.teaching_reasons import (
    SCENE,
    estimate_usefulness,
    explain,
    find_reasons,
    read_library,
)
from vibe_photos.settings import Settings, Taxonomy
from vibe_photos.statistics.suspects import Suspect
from vibe_photos.storage.jsonl import read_jsonl

UNASSISTED_SHARE = 0.1
"""The share of the review sample that is judged without the teacher's labels, to measure their influence."""


_BLOCK = 64


Queue = Mapping[str, Callable[[], list[str]]]
"""Photos by image_id, in their order; each with a function that says why it is in the queue, in sentences."""


def read_measuring_queue(settings: Settings) -> Queue:
    """Return the photos of the review sample in their order, also those already checked.

    Raises:
        InputError: the file of sampled photos is missing, or malformed.
    """
    sampled = read_sampled(settings.paths.sample)
    strata = {i: sys.intern(str(record.get("stratum", WHOLE_LIBRARY))) for i, record in sampled.items()}
    why: dict[str, Callable[[], list[str]]] = {
        one: partial(list, [_why_sampled(one, settings.taxonomy)]) for one in set(strata.values())
    }
    return {image_id: why[stratum] for image_id, stratum in strata.items()}


def is_unassisted(seed: int, image_id: str) -> bool:
    """Return whether a sampled photo is judged without the teacher's and the student's labels.

    It does not depend on the photo's permanent number, so in every stratum and however far the queue was
    judged, these photos are a random part. `seed` is `sample.seed`.
    """
    return unit_interval(seed, "unassisted", image_id) < UNASSISTED_SHARE


def read_teaching_queue(settings: Settings) -> Queue:
    """Return the photos that may teach, most useful first; none before stage `train` has run.

    Photos on which teacher and student agree and the student is sure are left out.

    Raises:
        InputError: a file of a stage is malformed.
    """
    paths = settings.paths
    made = [paths.splits, *(out_of_fold_path(paths.models, head) for head in HEADS)]
    if not all(path.exists() for path in made):
        return {}
    is_train = {image_id for image_id, one in read_splits(paths.splits).items() if one.role == "train"}
    answered = read_jsonl(paths.auto / ALL_LABELS, GroundTruth)
    records = sorted((one for one in answered if one.image_id in is_train), key=lambda one: one.image_id)
    labels = read_unseen_labels(settings, [one.image_id for one in records])
    reasons = find_reasons(read_library(records, labels, settings.taxonomy))
    usefulness = estimate_usefulness(reasons, len(records))
    suspected = _order_suspects(list_suspects(paths), settings.taxonomy)
    row_of = {record.image_id: row for row, record in enumerate(records)}

    def tell(image_id: str) -> list[str]:
        doubts, row = suspected.get(image_id, {}), row_of.get(image_id)
        return [*doubts.values(), *([] if row is None else explain(reasons, row, doubts))]

    ranked = [image_id for image_id in suspected if image_id in is_train]
    useful = np.flatnonzero(usefulness > 0)
    # Records are sorted by id: so are photos that are as useful.
    ranked += [
        records[row].image_id
        for row in useful[np.argsort(-usefulness[useful], kind="stable")]
        if records[row].image_id not in suspected
    ]
    return {image_id: partial(tell, image_id) for image_id in ranked}


class Ranking:
    """The teaching queue of a library, ranked again after a repro; a large one by another process.

    Ten bytes a photo are kept, and the sentences, packed. Rows are those of `row_of`.
    """

    def __init__(self, settings: Settings, row_of: Mapping[str, int]) -> None:
        self._settings, self._row_of = settings, row_of
        self._lock = threading.Lock()
        self._future: Future[tuple[bytes, list[bytes]]] | None = None
        self._read: tuple[NDArray[np.uint32], NDArray[np.int32], list[bytes]] | None = None
        self._fingerprint: StudentFingerprint | None = None

    def begin(self) -> None:
        """Begin to rank a large library, so that who asks later waits less."""
        with self._lock:
            self._begin()

    def rows(self) -> NDArray[np.uint32]:
        """Return the rows of the photos, most useful first."""
        return self._rank()[0]

    def tell(self, image_id: str) -> list[str]:
        """Return why a photo is in the queue, in sentences; none if it is not."""
        _, ranks, packed = self._rank()
        rank = int(ranks[self._row_of[image_id]])
        block, number = divmod(rank, _BLOCK)
        if rank < 0:
            return []
        return msgspec.json.decode(zlib.decompress(packed[block]), type=list[list[str]])[number]

    def _begin(self) -> None:
        current = fingerprint_student(self._settings.paths)
        if current != self._fingerprint:
            self._fingerprint, self._read, self._future = current, None, None
        if self._read is None and self._future is None and len(self._row_of) > LARGE_LIBRARY:
            pool = ProcessPoolExecutor(1, get_context("spawn"))
            self._future = pool.submit(_pack_ranking, self._settings)
            pool.shutdown(wait=False)

    def _rank(self) -> tuple[NDArray[np.uint32], NDArray[np.int32], list[bytes]]:
        with self._lock:
            self._begin()
            if self._read is None:
                ids, packed = self._future.result() if self._future else _pack_ranking(self._settings)
                found = [self._row_of.get(i, -1) for i in msgspec.json.decode(ids, type=list[str])]
                rows, ranks = np.array(found, np.int64), np.full(len(self._row_of), -1, np.int32)
                ranks[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
                self._read, self._future = (rows[rows >= 0].astype(np.uint32), ranks, packed), None
            return self._read


def _pack_ranking(settings: Settings) -> tuple[bytes, list[bytes]]:
    """Return the ids of the teaching queue as JSON, and their sentences as packed JSON, a block at a time."""
    queue = read_teaching_queue(settings)
    said, blocks = iter(queue.values()), []
    while block := [tell() for tell in islice(said, _BLOCK)]:
        blocks.append(zlib.compress(msgspec.json.encode(block), 1))
    return msgspec.json.encode(list(queue)), blocks


def _order_suspects(suspects: Iterable[Suspect], taxonomy: Taxonomy) -> Mapping[str, dict[str, str]]:
    """Return a sentence by question, by photo; the least likely answers of the teacher come first."""
    names = {head: shown_names(taxonomy, head) for head in HEADS}
    found: dict[str, dict[str, str]] = {}
    for suspect in sorted(suspects, key=lambda one: (one.teacher_probability, one.image_id)):
        teacher, student = (names[suspect.head].get(one, one) for one in (suspect.teacher, suspect.student))
        said = f"probably wrong: the teacher says {teacher}, the student {student}"
        question = SCENE if suspect.head == "scene" else suspect.keys[0]
        found.setdefault(suspect.image_id, {})[question] = said
    return found


def _why_sampled(stratum: str, taxonomy: Taxonomy) -> str:
    name, draw = split_name(stratum)
    if name == WHOLE_LIBRARY:
        return "drawn at random from the library"
    later = ", among photos added after the first draw" if draw > 1 else ""
    if name == NO_ANSWER:
        return f"drawn at random from the photos that have no answer of the teacher{later}"
    scene = "gives no scene" if name == NO_SCENE else f"calls {show_name(name, taxonomy)}"
    return f"drawn at random from the photos that the teacher {scene}{later}"
