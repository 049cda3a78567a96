"""Why a photo has no usable answer: the kinds, and the line in `failures.jsonl`."""

from typing import Literal, get_args

import msgspec

from vibe_photos.errors import VibePhotosError

FailureKind = Literal["unreadable", "refused", "no_answer", "length", "unparsable", "missing"]
"""`unreadable`: the photo could not be decoded. `refused`: the server takes everything but this request.
`no_answer`: every attempt failed. `length`: the reply broke off, also with the larger cap. `unparsable`: the
reply is no annotation. `missing`: nobody asked, and there is no server to ask (`teacher.server: store`)."""

FAILURE_KINDS: tuple[FailureKind, ...] = get_args(FailureKind)


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One photo without a usable answer; `reply` is the raw text where there is one."""

    image_id: str
    rel_path: str
    kind: FailureKind
    detail: str
    reply: str | None = None


class AskFailed(VibePhotosError):
    """Asking about one photo failed for good; becomes a `Failure`."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
