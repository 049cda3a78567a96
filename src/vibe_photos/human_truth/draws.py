"""Recorded draws: which photo was in which stratum when people began to measure (`data/human/draws/`).

Figures about the library weight each stratum by its size. So each draw's strata are kept in a file, even if
teacher, mapping or library change later. Photos that are in no recorded draw (they were added later) form the
strata of the next one.

Photos that the teacher is not asked about because of `annotate.budget` are listed as `NOT_ASKED`. Those that
it is asked about, a simple random sample, represent them. When it is asked about more, the draw grows
(`assign_strata`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import xxhash
from msgspec.structs import replace
from numpy.typing import NDArray

from vibe_photos.errors import InputError
from vibe_photos.storage.files import write_bytes

DRAWS_FOLDER = "draws"

NO_SCENE = "none"
"""The stratum of photos to which the teacher gave no scene."""

NO_ANSWER = "no answer"
"""The stratum of photos that `annotate.budget` includes, but that have no answer."""

NOT_ASKED = "not asked"
"""Not a stratum: photos that `annotate.budget` leaves out, which the others of the draw represent."""

WHOLE_LIBRARY = "all"
"""The one stratum of the strategy `random`."""

_SHORT_ID_BYTES = 5
"""One in 50 libraries of 200,000 photos has two with the same short id; both get the same stratum."""


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """The photos of one stratum; `members`: sorted short ids, 5 bytes each (base64 in the file)."""

    photos: int
    members: bytes


class Draw(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One draw: a file `draws/<number>.json`.

    `how` is `stratified` or `random` for a draw of stage `sample`. It is `uniform` for imported photos that
    were drawn at random elsewhere, which are its only stratum. The strata came from the answers of `teacher`
    (a model's name) and `mapping` (a hash of the mapping to scenes).
    """

    number: int
    how: Literal["stratified", "random", "uniform"]
    seed: int | None = None
    teacher: str = ""
    mapping: str = ""
    strata: dict[str, Stratum]


def make_stratum(image_ids: Iterable[str]) -> Stratum:
    """Return a stratum of these photos."""
    return _pack(np.unique(_hash_ids([*image_ids])))


def _pack(numbers: NDArray[np.uint64]) -> Stratum:
    octets = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - _SHORT_ID_BYTES :]
    return Stratum(photos=len(numbers), members=octets.tobytes())


def grow_draw(draw: Draw, current: Draw, earlier_ids: Iterable[str] = ()) -> Draw:
    """Return a draw with today's photos in the strata of `current`, and photos that left in their old ones.

    `earlier_ids`, of photos whose file was rewritten, are removed: their present id has the stratum.
    """
    moved = np.concatenate([*map(_unpack, current.strata.values()), _hash_ids([*earlier_ids])])
    strata, nobody = {}, Stratum(photos=0, members=b"")
    for name in sorted(draw.strata.keys() | current.strata.keys()):
        old, new = (_unpack(one.strata.get(name, nobody)) for one in (draw, current))
        numbers = np.union1d(new, np.setdiff1d(old, moved))
        if len(numbers):
            strata[name] = _pack(numbers)
    return replace(draw, strata=strata)


def read_draws(human: Path) -> list[Draw]:
    """Return the recorded draws by number; none before people begin to measure.

    Raises:
        InputError: a file is malformed.
    """
    draws = []
    for path in (human / DRAWS_FOLDER).glob("*.json"):
        try:
            draws.append(msgspec.json.decode(path.read_bytes(), type=Draw))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}: {error}; restore it from git: the weights of photos depend on it"
            ) from None
    return sorted(draws, key=lambda draw: draw.number)


def write_draw(human: Path, draw: Draw) -> Path:
    """Write a draw as indented JSON; return its path."""
    path = human / DRAWS_FOLDER / f"{draw.number}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, msgspec.json.format(msgspec.json.encode(draw), indent=1) + b"\n")
    return path


def find_strata(
    draws: Sequence[Draw], image_ids: Sequence[str], current_ids: Mapping[str, str]
) -> dict[str, str]:
    """Return the stratum of each photo that is in a draw of stage `sample`, or `NOT_ASKED`.

    If a photo is in several draws, the first counts in which it has a stratum. `current_ids` maps earlier
    ids to present ones: a photo is also found under its earlier ids. From the second draw on, names of strata
    contain its number: `scene.food (draw 2)`.
    """
    found: dict[str, str] = {}
    sampled = [draw for draw in draws if draw.how != "uniform"]
    for name, image_id in _find_members(sampled, image_ids, current_ids):
        if split_name(found.get(image_id, NOT_ASKED))[0] == NOT_ASKED:
            found[image_id] = name
    return found


def find_uniformly_drawn(
    draws: Sequence[Draw], image_ids: Sequence[str], current_ids: Mapping[str, str]
) -> set[str]:
    """Return the photos that were drawn uniformly at random elsewhere; arguments as in `find_strata`."""
    uniform = [draw for draw in draws if draw.how == "uniform"]
    return {image_id for _, image_id in _find_members(uniform, image_ids, current_ids)}


def _find_members(
    draws: Sequence[Draw], image_ids: Sequence[str], current_ids: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield each stratum's name with the present id of each of its photos, draw by draw."""
    known = [*image_ids, *current_ids]
    numbers = _hash_ids(known)
    for draw in draws:
        for name, stratum in draw.strata.items():
            for index in np.flatnonzero(np.isin(numbers, _unpack(stratum))).tolist():
                yield join_name(name, draw.number), current_ids.get(known[index], known[index])


def assign_strata(
    strata_today: Mapping[str, str],
    not_asked: Sequence[str],
    draws: Sequence[Draw],
    shown: set[str],
    current_ids: Mapping[str, str],
) -> dict[str, str]:
    """Return the stratum of each photo of the library, `NOT_ASKED` where it has none yet.

    Photos in a recorded draw keep their stratum; photos in none belong to the next draw. If the teacher is
    now asked about photos that a draw lists as `NOT_ASKED`, then:

    - If people were shown all other photos of the draw, all its photos get today's strata: those shown are a
      random part of any strata.
    - Else, if today's strata of the draw's photos are those recorded, the new photos join them.
    - Else they stay `NOT_ASKED`: measured photos would not be a random part of the strata.

    `strata_today` has the stratum, by today's answers, of each photo that `annotate.budget` includes;
    `not_asked` are the others. `shown` are the photos that people judged or skipped. `current_ids` is that of
    `find_strata`.
    """
    recorded = find_strata(draws, [*strata_today, *not_asked], current_ids)
    members: dict[int, list[str]] = defaultdict(list)
    waiting = set()
    for image_id, name in recorded.items():
        stratum, number = split_name(name)
        if stratum != NOT_ASKED:
            members[number].append(image_id)
        elif image_id in strata_today:
            waiting.add(number)
    redrawn = {number for number in waiting if shown.issuperset(members[number])}
    grown = redrawn | {
        number
        for number in waiting
        if all(
            join_name(strata_today[i], number) == recorded[i]
            or NO_ANSWER in (strata_today[i], split_name(recorded[i])[0])
            for i in members[number]
            if i in strata_today
        )
    }
    placed = {}
    for image_id, today in [*strata_today.items(), *((image_id, NOT_ASKED) for image_id in not_asked)]:
        stratum, number = split_name(recorded.get(image_id, join_name(today, next_draw_number(draws))))
        if (stratum == NOT_ASKED and number in grown) or (number in redrawn and today != NOT_ASKED):
            stratum = today
        placed[image_id] = join_name(stratum, number)
    return placed


def join_name(stratum: str, number: int) -> str:
    """Return the stratum's name with the draw's number, which makes it unique."""
    return stratum if number == 1 else f"{stratum} (draw {number})"


def split_name(name: str) -> tuple[str, int]:
    """Return the stratum and the draw's number; the inverse of `join_name`."""
    stratum, _, number = name.partition(" (draw ")
    return stratum, int(number[:-1]) if number else 1


def next_draw_number(draws: Sequence[Draw]) -> int:
    """Return the number of the next draw."""
    return max((draw.number for draw in draws), default=0) + 1


def hash_mapping(scenes: Mapping[str, str]) -> str:
    """Return a short hash of the mapping from the teacher's words to scenes."""
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode(dict(scenes), order="sorted"))[:12]


def _unpack(stratum: Stratum) -> NDArray[np.uint64]:
    octets = np.frombuffer(stratum.members, np.uint8).reshape(-1, _SHORT_ID_BYTES)
    padded = np.zeros((len(octets), 8), np.uint8)
    padded[:, 8 - _SHORT_ID_BYTES :] = octets
    return padded.view(">u8").ravel().astype(np.uint64)


def _hash_ids(image_ids: Sequence[str]) -> NDArray[np.uint64]:
    hashed = (xxhash.xxh3_64_intdigest(image_id.encode()) for image_id in image_ids)
    return np.fromiter(hashed, np.uint64, len(image_ids)) >> np.uint64(64 - 8 * _SHORT_ID_BYTES)
