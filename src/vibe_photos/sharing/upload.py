"""A file that would leave the machine, and which kind of thing it is."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_KINDS = {
    "data/library": "manifest of the photos",
    "data/annotations": "teacher's answers",
    "data/ground_truth/auto": "labels by the teacher",
    "data/ground_truth": "review sample and splits",
    "data/human": "human truth",
    "data/embeddings": "embeddings",
    "models": "heads",
    "data/labels": "labels by the heads",
    "data/eval": "metrics and plots",
    "data/report": "report",
    "data/config": "configuration",
    "conf": "configuration",
    "params.yaml": "configuration",
    "dvc.lock": "configuration",
    "dvc.yaml": "configuration",
    ".dvc": "configuration",
}
PHOTOS = "photos"
OTHER = "code and other files"
_PHOTO_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"}
)


@dataclass(frozen=True, slots=True)
class Upload:
    """One content that would be uploaded: the paths it has here, its size, and where to read it.

    `content` is None where nothing needs to be read to know what it holds.
    """

    paths: tuple[str, ...]
    size_bytes: int
    content: Path | None

    @property
    def kind(self) -> str:
        """What it is, in a user's words."""
        return name_kind(self.paths[0])


def name_kind(path: str) -> str:
    """Return what a file of the project is, by where it lies; a photo is a photo anywhere."""
    pure = PurePosixPath(path)
    if pure.suffix.lower() in _PHOTO_ENDINGS:
        return PHOTOS
    if pure.name == ".gitignore":
        return OTHER
    folders = (pure.as_posix(), *(parent.as_posix() for parent in pure.parents))
    return next((_KINDS[folder] for folder in folders if folder in _KINDS), OTHER)
