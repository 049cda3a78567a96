"""Which requests to the replay server go wrong, and how: drawn by hash, so that a rehearsal repeats."""

from enum import Enum, auto

import xxhash

from vibe_photos.settings import Replay


class Fault(Enum):
    """What goes wrong with one request."""

    ERROR = auto()
    RATE_LIMIT = auto()
    MALFORMED = auto()
    STALL = auto()


def draw_fault(replay: Replay, image_id: str, attempt: int) -> Fault | None:
    """Return the fault of a photo's request number `attempt` (from 1), or None for a good answer.

    The shares are of all requests; where they sum to more than 1, the later ones come short.
    """
    drawn = xxhash.xxh3_64_intdigest(f"{replay.seed}/{image_id}/{attempt}".encode()) / 2**64
    shares = {
        Fault.ERROR: replay.error_share,
        Fault.RATE_LIMIT: replay.rate_limit_share,
        Fault.MALFORMED: replay.malformed_share,
        Fault.STALL: replay.stall_share,
    }
    reached = 0.0
    for fault, share in shares.items():
        reached += share
        if drawn < reached:
            return fault
    return None
