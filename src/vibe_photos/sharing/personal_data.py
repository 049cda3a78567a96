"""What uploads tell of people, kind by kind."""

from collections.abc import Sequence

import msgspec

from vibe_photos.sharing.inspection import KINDS, Finding, inspect_upload
from vibe_photos.sharing.upload import PHOTOS, Upload


class PersonalData(msgspec.Struct, frozen=True):
    """One kind of personal data over several files.

    `count` is the number of records of the file that has most of it (of photos: of all files); `examples`
    are the first few of that file.
    """

    kind: str
    count: int
    examples: list[str]
    files: list[str]


def find_personal_data(uploads: Sequence[Upload]) -> list[PersonalData]:
    """Return what the uploads tell of people, most telling first."""
    found: dict[str, list[tuple[str, Finding]]] = {}
    for upload in uploads:
        for kind, finding in inspect_upload(upload).items():
            found.setdefault(kind, []).append((upload.paths[0], finding))
    return [_merge(kind, found[kind]) for kind in KINDS if kind in found]


def _merge(kind: str, findings: Sequence[tuple[str, Finding]]) -> PersonalData:
    most = max((finding for _, finding in findings), key=lambda finding: finding.count)
    count = len(findings) if kind == PHOTOS else most.count
    return PersonalData(kind, count, most.examples, sorted({path for path, _ in findings}))
