"""Recorded draws: which photo was in which stratum when people began to measure (`data/human/draws/`).

Figures about the library weight each stratum by its size. So the strata must stay those of the draw, even if
teacher, mapping or library change later: the file lists their members. Photos that are in no recorded draw
(they were added later) form the strata of the next draw.

Photos that `annotate.budget` kept from being asked are listed as `NOT_ASKED`. The asked photos of the draw, a
simple random sample, stand for them. When more are asked, the draw grows (`place_photos`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import xxhash
from msgspec.structs import replace
from numpy.typing import NDArray

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import NO_IDS
from vibe_photos.storage.files import write_bytes

DRAWS_FOLDER = "draws"

NO_SCENE = "none"
"""The stratum of photos without a scene by the teacher."""

NO_ANSWER = "no answer"
"""The stratum of photos that the teacher was to be asked about, but that have no answer."""

NOT_ASKED = "not asked"
"""No stratum: photos of a draw that the teacher was not to be asked about yet. Others stand for them."""

WHOLE_LIBRARY = "all"
"""The one stratum of the strategy `random`."""

_SHORT_ID_BYTES = 5
"""With 200,000 photos, one library in 50 has two with the same short id; both get the same stratum."""


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """The photos of one stratum; `members`: sorted short ids, 5 bytes each (base64 in the file)."""

    photos: int
    members: bytes


class Draw(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One draw: a file `draws/<number>.json`.

    `how` is `stratified` or `random` for a draw of stage `sample`, and `uniform` for imported photos that
    were drawn at random elsewhere; its one stratum holds just those. `teacher` (the model's name) and
    `mapping` (a hash of the scenes' mapping) say where the strata came from.
    """

    number: int
    how: Literal["stratified", "random", "uniform"]
    seed: int | None = None
    teacher: str = ""
    mapping: str = ""
    strata: dict[str, Stratum]


def make_stratum(image_ids: Iterable[str]) -> Stratum:
    """Return a stratum of these photos."""
    return _pack(np.unique(_shorten(sorted(image_ids))))


def _pack(numbers: NDArray[np.uint64]) -> Stratum:
    octets = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - _SHORT_ID_BYTES :]
    return Stratum(photos=len(numbers), members=octets.tobytes())


def grow_draw(draw: Draw, library: Draw, earlier_ids: Iterable[str] = ()) -> Draw:
    """Return a draw with the photos of today's library in the strata of `library`.

    Photos that left the library keep their stratum. `earlier_ids` are those of photos whose file was
    rewritten: they have the stratum of their present id.
    """
    today = [_members(stratum) for stratum in library.strata.values()]
    moved = np.concatenate([*today, _shorten([*earlier_ids])])
    strata = {}
    for name in sorted(draw.strata.keys() | library.strata.keys()):
        old, new = (
            _members(one.strata[name]) if name in one.strata else np.zeros(0, np.uint64)
            for one in (draw, library)
        )
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
    draws: Sequence[Draw], image_ids: Sequence[str], current_ids: Mapping[str, str] = NO_IDS
) -> dict[str, str]:
    """Return the stratum of each photo that is in a draw of stage `sample`, or `NOT_ASKED`.

    The first draw counts in which it was asked about. `current_ids` is as in `read_human_truth`: a photo is
    also in a draw under an earlier id. From the second draw on, strata have its number in their name:
    `scene.food (draw 2)`.
    """
    found: dict[str, str] = {}
    known = [*image_ids, *current_ids]
    numbers = _shorten(known)
    for draw in draws:
        if draw.how == "uniform":
            continue
        for name, stratum in draw.strata.items():
            for place in np.flatnonzero(np.isin(numbers, _members(stratum))).tolist():
                image_id = current_ids.get(known[place], known[place])
                if image_id not in found or split_name(found[image_id])[0] == NOT_ASKED:
                    found[image_id] = name_drawn(name, draw.number)
    return found


def place_photos(
    own: Mapping[str, str],
    not_asked: Sequence[str],
    draws: Sequence[Draw],
    shown: set[str],
    current_ids: Mapping[str, str] = NO_IDS,
) -> dict[str, str]:
    """Return the stratum of each photo of the library, `NOT_ASKED` where it has none yet.

    Recorded photos keep theirs, and photos in no draw are those of the next. If photos are asked about that a
    draw has as not asked, the draw grows. They join its strata, as long as the teacher of today says of the
    draw's photos what the strata say. Or, if people were shown all of the draw's photos, so that these are a
    random part of any strata, all get the strata of today. Else they stay not asked: measured photos would
    not be a random part of the strata.

    Args:
        own: the stratum of each photo that was to be asked about, by the teacher's answer of today.
        not_asked: the other photos.
        draws: the recorded draws.
        shown: the photos that people judged or skipped.
        current_ids: as in `find_strata`.
    """
    recorded = find_strata(draws, [*own, *not_asked], current_ids)
    members: dict[int, list[str]] = defaultdict(list)
    waiting = set()
    for image_id, name in recorded.items():
        stratum, number = split_name(name)
        if stratum != NOT_ASKED:
            members[number].append(image_id)
        elif image_id in own:
            waiting.add(number)
    redrawn = {number for number in waiting if set(members[number]) <= shown}
    grown = redrawn | {
        number
        for number in waiting
        if all(
            name_drawn(own[i], number) == recorded[i] or NO_ANSWER in (own[i], split_name(recorded[i])[0])
            for i in members[number]
            if i in own
        )
    }
    placed = {}
    for image_id, today in [*own.items(), *((image_id, NOT_ASKED) for image_id in not_asked)]:
        stratum, number = split_name(recorded.get(image_id, name_drawn(today, next_number(draws))))
        if (stratum == NOT_ASKED and number in grown) or (number in redrawn and today != NOT_ASKED):
            stratum = today
        placed[image_id] = name_drawn(stratum, number)
    return placed


def find_uniform(
    draws: Sequence[Draw], image_ids: Sequence[str], current_ids: Mapping[str, str] = NO_IDS
) -> set[str]:
    """Return the photos that were drawn uniformly at random elsewhere; parameters as in `find_strata`."""
    known = [*image_ids, *current_ids]
    numbers = _shorten(known)
    strata = [one for draw in draws if draw.how == "uniform" for one in draw.strata.values()]
    return {
        current_ids.get(known[place], known[place])
        for one in strata
        for place in np.flatnonzero(np.isin(numbers, _members(one))).tolist()
    }


def name_drawn(stratum: str, number: int) -> str:
    """Return a name of the stratum that is unique over all draws."""
    return stratum if number == 1 else f"{stratum} (draw {number})"


def split_name(name: str) -> tuple[str, int]:
    """Return the stratum and the number of the draw that `name_drawn` joined."""
    stratum, _, number = name.partition(" (draw ")
    return stratum, int(number[:-1]) if number else 1


def next_number(draws: Sequence[Draw]) -> int:
    """Return the number of the next draw."""
    return max((draw.number for draw in draws), default=0) + 1


def hash_mapping(scenes: Mapping[str, str]) -> str:
    """Return a short hash of the mapping from the teacher's words to scenes."""
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode(dict(scenes), order="sorted"))[:12]


def _members(stratum: Stratum) -> NDArray[np.uint64]:
    octets = np.frombuffer(stratum.members, np.uint8).reshape(-1, _SHORT_ID_BYTES)
    padded = np.zeros((len(octets), 8), np.uint8)
    padded[:, 8 - _SHORT_ID_BYTES :] = octets
    return padded.view(">u8").ravel().astype(np.uint64)


def _shorten(image_ids: Sequence[str]) -> NDArray[np.uint64]:
    hashed = (xxhash.xxh3_64_intdigest(image_id.encode()) for image_id in image_ids)
    return np.fromiter(hashed, np.uint64, len(image_ids)) >> np.uint64(64 - 8 * _SHORT_ID_BYTES)
