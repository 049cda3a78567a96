"""Keywords, and the three XMP properties that hold them, each in a notation of its own."""

from collections.abc import Iterable
from dataclasses import dataclass

from vibe_photos.keywords.packet import Name

OURS = "urn:vibe-photos:keywords:1.0/"
"""The namespace of what we record about ourselves."""

KeywordPath = tuple[str, ...]
"""A keyword from its root to its leaf."""


@dataclass(frozen=True, slots=True)
class Keywords:
    """What is to be said of a photo: keywords in the tree, and flat words for programs that know no tree."""

    paths: tuple[KeywordPath, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notation:
    """One of the three properties and how it writes a keyword; without a separator it holds flat words.

    `uri`, `prefix` and `local` are its name, `container` is the RDF container it uses (`Bag`, `Seq`).
    """

    uri: str
    prefix: str
    local: str
    container: str
    separator: str | None

    @property
    def name(self) -> Name:
        """The property's name."""
        return self.uri, self.local

    @property
    def record(self) -> Name:
        """The name of our own property that lists what we wrote into this one."""
        return OURS, self.local

    def write(self, path: KeywordPath) -> str:
        """Return a keyword as it stands in the list; a separator within a part becomes the other one."""
        if self.separator is None:
            return path[-1]
        other = "|" if self.separator == "/" else "/"
        return self.separator.join(part.replace(self.separator, other) for part in path)

    def read(self, text: str) -> KeywordPath:
        """Return an item of the list as a keyword."""
        return tuple(text.split(self.separator)) if self.separator else (text,)

    def write_all(self, keywords: Keywords) -> Iterable[str]:
        """Return what of the keywords belongs into the list."""
        return keywords.words if self.separator is None else map(self.write, keywords.paths)


NOTATIONS = (
    Notation("http://purl.org/dc/elements/1.1/", "dc", "subject", "Bag", None),
    Notation("http://ns.adobe.com/lightroom/1.0/", "lr", "hierarchicalSubject", "Bag", "|"),
    Notation("http://www.digikam.org/ns/1.0/", "digiKam", "TagsList", "Seq", "/"),
)
"""From the one that a program reads last to the one that it reads first."""
