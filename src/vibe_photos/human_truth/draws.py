"""Recorded draws: which photo was in which stratum when people began to measure (`data/human/draws/`).

Figures about the library weight each stratum by its size. So the strata must stay those of the draw, even if
teacher, mapping or library change later: the file lists their members. Photos that are in no recorded draw
(they were added later) form the strata of the next draw.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import NO_IDS
from vibe_photos.storage.files import write_bytes

DRAWS_FOLDER = "draws"

NO_SCENE = "none"
"""The stratum of photos without a scene by the teacher."""

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
    numbers = np.unique(_shorten(sorted(image_ids)))
    octets = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - _SHORT_ID_BYTES :]
    return Stratum(photos=len(numbers), members=octets.tobytes())


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
    """Return the stratum of each photo that is in a draw of stage `sample`; the first such draw counts.

    `current_ids` is as in `read_human_truth`: a photo is also in a draw under an earlier id.
    From the second draw on, strata have its number in their name: `scene.food (draw 2)`.
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
                found.setdefault(image_id, name_drawn(name, draw.number))
    return found


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
