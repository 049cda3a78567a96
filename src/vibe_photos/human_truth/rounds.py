"""Further rounds of review: draws of which any beginning is a probability sample, and their files.

Every photo of a round has a positive `size_measure` (how much a look at it is worth, 1 on average) and a
`priority`, a keyed hash in 0..1 of its id. Photos are asked about in the order of priority / size measure
(priority sampling: Duffield, Lund and Thorup 2007, "Priority sampling for estimation of arbitrary subset
sums"). When the first n have been audited, tau is the ratio of the next one, and each photo's inclusion
probability is min(1, size measure * tau): weights from it are unbiased for every n (theorem 1 there).

`data/human/rounds/<n>.jsonl` keeps what is needed for the probability of any photo of that day's library,
also one that another round asks about: the first line is the round, then one line for all photos of the same
stratum and size measure, as 4-byte hashes of their ids, then one line a photo that is asked about. That is
about 5.4 bytes a photo: 55 kB for 10,000, 1.1 MB for 200,000.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from vibe_photos.errors import InputError
from vibe_photos.records.keyed_hash import unit_interval
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

ROUNDS_FOLDER = "rounds"

_FINGERPRINT = np.dtype(">u4")
"""Two of 200,000 photos share one in about five cases, and then count as the one that is found first."""


class RoundHead(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="round"):
    """The draw as a whole: `next_ratio` is tau after the last photo asked about, null where none is left."""

    number: int
    seed: int
    photos: int
    next_ratio: float | None


class Level(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="level"):
    """All photos of one stratum and size measure; `members` are their hashes, sorted, base64 in the file."""

    stratum: str
    size_measure: float
    photos: int
    members: bytes

    def hold(self, fingerprints: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the places of those hashes that are among its photos."""
        members = np.frombuffer(self.members, _FINGERPRINT).astype(np.uint32)
        at = np.minimum(np.searchsorted(members, fingerprints), len(members) - 1)
        return np.flatnonzero(members[at] == fingerprints)


class AskedPhoto(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="asked"):
    """A photo that the round asks about; `reasons` are sentences for people."""

    image_id: str
    stratum: str
    size_measure: float
    reasons: list[str]


_Line: Any = RoundHead | Level | AskedPhoto


@dataclass(frozen=True, slots=True)
class Round:
    """A round as it stands in its file; `asked` is in the order in which to audit."""

    head: RoundHead
    levels: list[Level]
    asked: list[AskedPhoto]

    def find(self, image_ids: Collection[str]) -> dict[str, tuple[str, float]]:
        """Return stratum and size measure of those photos that the library had then."""
        ids = sorted(image_ids)
        fingerprints = np.array([_fingerprint(image_id) for image_id in ids], dtype=np.uint32)
        found = {
            ids[row]: (level.stratum, level.size_measure)
            for level in reversed(self.levels)
            for row in level.hold(fingerprints)
        }
        asked = {photo.image_id: (photo.stratum, photo.size_measure) for photo in self.asked}
        return found | {image_id: asked[image_id] for image_id in asked.keys() & set(ids)}

    def ratio(self, position: int) -> float:
        """Return priority / size measure at a place of the order, infinity where no photo is left."""
        if position < len(self.asked):
            photo = self.asked[position]
            return priority(self.head.seed, self.head.number, photo.image_id) / photo.size_measure
        return float("inf") if self.head.next_ratio is None else self.head.next_ratio

    def count_strata(self) -> dict[str, int]:
        """Return how many photos each stratum had."""
        counts: dict[str, int] = {}
        for level in self.levels:
            counts[level.stratum] = counts.get(level.stratum, 0) + level.photos
        return counts


@dataclass(frozen=True, slots=True)
class Candidates:
    """A library to draw from: ids, their strata, and how much a look at each is worth: float64 [n] > 0."""

    image_ids: Sequence[str]
    strata: Sequence[str]
    size_measures: NDArray[np.float64]


def priority(seed: int, number: int, image_id: str) -> float:
    """Return a photo's priority in a round, in [0, 1)."""
    return unit_interval(seed, f"round {number}", image_id)


def draw_round(
    candidates: Candidates, number: int, seed: int, size: int, audited: Collection[str]
) -> tuple[RoundHead, list[int]]:
    """Return a round's head and the candidates' places in the order in which they are to be audited.

    The order reaches as far as `size` photos that nobody has audited yet; audited ones take part in it.
    """
    ids = candidates.image_ids
    priorities = np.array([priority(seed, number, image_id) for image_id in ids], dtype=np.float64)
    ratios = priorities / candidates.size_measures
    order = sorted(range(len(ids)), key=lambda row: (ratios[row], ids[row]))
    is_new = np.array([ids[row] not in audited for row in order], dtype=np.bool_)
    length = int(np.searchsorted(np.cumsum(is_new), size)) + 1 if is_new.sum() > size else len(order)
    following = float(ratios[order[length]]) if length < len(order) else None
    head = RoundHead(number=number, seed=seed, photos=len(ids), next_ratio=following)
    return head, order[:length]


def build_round(
    head: RoundHead, order: Sequence[int], candidates: Candidates, reasons: Mapping[str, list[str]]
) -> Round:
    """Return a drawn round with what its file keeps of every candidate."""
    rows: dict[tuple[str, float], list[int]] = {}
    measures = candidates.size_measures.tolist()
    for row, key in enumerate(zip(candidates.strata, measures, strict=True)):
        rows.setdefault(key, []).append(row)
    return Round(
        head,
        [_build_level(*key, [candidates.image_ids[row] for row in rows[key]]) for key in sorted(rows)],
        [
            AskedPhoto(
                image_id=candidates.image_ids[row],
                stratum=candidates.strata[row],
                size_measure=measures[row],
                reasons=reasons[candidates.image_ids[row]],
            )
            for row in order
        ],
    )


def write_round(human: Path, drawn: Round) -> Path:
    """Write a round to its file in `data/human/rounds/` and return the path."""
    path = human / ROUNDS_FOLDER / f"{drawn.head.number}.jsonl"
    write_jsonl(path, [drawn.head, *drawn.levels, *drawn.asked])
    return path


def read_rounds(human: Path) -> list[Round]:
    """Return all rounds in the order of their numbers.

    Raises:
        InputError: a file is damaged, or its name is not its round's number.
    """
    found = [_read_round(path) for path in (human / ROUNDS_FOLDER).glob("*.jsonl")]
    return sorted(found, key=lambda one: one.head.number)


def _read_round(path: Path) -> Round:
    lines = list(read_jsonl(path, _Line))
    heads = [line for line in lines if isinstance(line, RoundHead)]
    if len(heads) != 1 or f"{heads[0].number}.jsonl" != path.name:
        raise InputError(
            f"{path} is not one whole round of review; `git checkout -- {path}` brings it back as committed"
        )
    return Round(
        heads[0],
        [line for line in lines if isinstance(line, Level)],
        [line for line in lines if isinstance(line, AskedPhoto)],
    )


def _build_level(stratum: str, size_measure: float, image_ids: Sequence[str]) -> Level:
    members = np.sort(np.array([_fingerprint(image_id) for image_id in image_ids], dtype=_FINGERPRINT))
    return Level(stratum=stratum, size_measure=size_measure, photos=len(members), members=members.tobytes())


def _fingerprint(image_id: str) -> int:
    return xxhash.xxh32_intdigest(image_id.encode())
