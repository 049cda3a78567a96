"""Add our keywords to an XMP sidecar and remove them; everything else in it stays unchanged.

Three properties hold keywords: `dc:subject` (flat words), `lr:hierarchicalSubject` (`A|B|C`) and
`digiKam:TagsList` (`A/B/C`). A program reads only the last of them that it knows and finds, and prefers the
sidecar to the photo. So a list that we create also gets the other keywords that it would hide.

The words that we wrote are recorded in the sidecar itself, in properties of our own namespace with the same
names. A word that was there before is neither written again nor recorded, and so never removed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from vibe_photos.keywords.packet import RDF, Edit, Element, KeywordList, Name, Packet, splice

OUR_NAMESPACE = "urn:vibe-photos:keywords:1.0/"
"""The namespace of our records."""

_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    f' <rdf:RDF xmlns:rdf="{RDF}">\n'
    " </rdf:RDF>\n"
    "</x:xmpmeta>\n"
    '<?xpacket end="w"?>\n'
).encode()
"""A new sidecar without keywords."""

KeywordPath = tuple[str, ...]
"""A keyword from its root to its leaf."""

Cut = tuple[Element, Element]
"""An element to be removed, and its parent."""


@dataclass(frozen=True, slots=True)
class Keywords:
    """A photo's keywords: paths in the tree, and flat words for programs without hierarchical keywords."""

    paths: tuple[KeywordPath, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeywordProperty:
    """One of the three properties, its RDF container (`Bag`, `Seq`), and how it writes a keyword.

    Without a separator it holds flat words.
    """

    name: Name
    prefix: str
    container: str
    separator: str | None

    def write(self, path: KeywordPath) -> str:
        """Return a keyword in the list's notation; a separator inside a part is replaced by the other one."""
        if self.separator is None:
            return path[-1]
        other = "|" if self.separator == "/" else "/"
        return self.separator.join(part.replace(self.separator, other) for part in path)

    def read(self, text: str) -> KeywordPath:
        """Return an item of the list as a keyword."""
        return tuple(text.split(self.separator)) if self.separator else (text,)


# In order of increasing precedence.
_PROPERTIES = (
    KeywordProperty(("http://purl.org/dc/elements/1.1/", "subject"), "dc", "Bag", None),
    KeywordProperty(("http://ns.adobe.com/lightroom/1.0/", "hierarchicalSubject"), "lr", "Bag", "|"),
    KeywordProperty(("http://www.digikam.org/ns/1.0/", "TagsList"), "digiKam", "Seq", "/"),
)


def set_keywords(
    data: bytes | None, keywords: Keywords, embedded: Sequence[KeywordPath] = ()
) -> bytes | None:
    """Return the sidecar with exactly these keywords of ours; None means no file.

    Args:
        data: the sidecar as it is.
        keywords: our keywords.
        embedded: keywords in the photo itself, which a list that we create would hide.

    Raises:
        InputError: the sidecar cannot be edited; the message, to be put after the file's name, says why.
    """
    others = None if data is None else strip_keywords(data)
    return add_keywords(others, keywords, embedded) if keywords.paths else others


def strip_keywords(data: bytes) -> bytes | None:
    """Return the sidecar without what we wrote; None if we created it and nobody added anything.

    It undoes `add_keywords` to the byte, except for lists that were there but empty.

    Raises:
        InputError: as `set_keywords`.
    """
    packet = Packet(data)
    cut: dict[int, Cut] = {}
    for each in _PROPERTIES:
        record = packet.find_list((OUR_NAMESPACE, each.name[1]))
        if record is not None:
            ours = [(record.owner, record.description), *_find_ours(packet.find_list(each.name), record)]
            cut |= {element.start: (element, parent) for element, parent in ours}
    for description in packet.descriptions:
        starts = {child.start for child in description.children}
        says_more = description.attributes.keys() - {(RDF, "about"), ("", "about")}
        if starts and not says_more and starts <= cut.keys():
            # Nothing would be left in the description: cut it instead of its properties.
            cut = {start: one for start, one in cut.items() if start not in starts}
            cut[description.start] = (description, packet.rdf)
    edits = [(packet.gap_before(element, parent), element.end, b"") for element, parent in cut.values()]
    bare = splice(data, edits)
    return None if bare == _EMPTY else bare


def read_foreign_keywords(data: bytes) -> list[KeywordPath]:
    """Return the keywords that are not ours, from the list that most programs would read.

    Raises:
        InputError: the data is not XMP.
    """
    packet = Packet(data)
    found: list[KeywordPath] = []
    for each in _PROPERTIES:
        words = Counter(packet.read_words(each.name))
        words -= Counter(packet.read_words((OUR_NAMESPACE, each.name[1])))
        found = [each.read(word) for word in words] or found
    return found


def add_keywords(data: bytes | None, keywords: Keywords, embedded: Sequence[KeywordPath] = ()) -> bytes:
    """Add our keywords to a sidecar that has none of ours.

    Raises:
        InputError: as `set_keywords`.
    """
    packet = Packet(_EMPTY if data is None else data)
    edits: list[Edit] = []
    created, records = "", ""
    hidden: list[KeywordPath] = []
    for each in _PROPERTIES:
        there = packet.find_list(each.name)
        theirs = _read_words(there)
        carried = [] if theirs else [*embedded, *hidden]
        own = map(each.write, keywords.paths) if each.separator else keywords.words
        wanted = [*map(each.write, carried), *own]
        ours = [word for word in dict.fromkeys(wanted) if word not in theirs]
        hidden = [each.read(word) for word in theirs] or hidden
        if there and ours:
            edits.append(_append_items(packet, there, ours))
        elif not there:
            created += _write_list(f"{each.prefix}:{each.name[1]}", each.container, ours)
        records += _write_list(f"vibePhotos:{each.name[1]}", "Bag", ours)
    if records:
        edits.append(_append_description(packet, created + records))
    written = splice(packet.data, edits)
    # Check that the result can be read again.
    Packet(written)
    return written


def _read_words(there: KeywordList | None) -> list[str]:
    return [item.text for item in there.items if item.text.strip()] if there else []


def _find_ours(there: KeywordList | None, record: KeywordList) -> list[Cut]:
    """Return the items that we recorded (the last of equal ones), or the whole property if all are ours."""
    if there is None:
        return []
    left = Counter(item.text for item in record.items)
    ours: list[Cut] = []
    for item in reversed(there.items):
        if left[item.text] > 0:
            left[item.text] -= 1
            ours.append((item, there.container))
    return ours if len(ours) < len(there.items) else [(there.owner, there.description)]


def _append_items(packet: Packet, there: KeywordList, words: list[str]) -> Edit:
    """Return the edit that puts the words after the last item of a list, laid out like that item."""
    container = there.container
    tag = container.prefix
    items = [f"<{tag}li>{escape(word)}</{tag}li>".encode() for word in words]
    if there.items:
        last = there.items[-1]
        gap = packet.data[packet.gap_before(last, container) : last.start]
        return last.end, last.end, b"".join(gap + item for item in items)
    name = f"{tag}{container.name[1]}".encode()
    return container.start, container.end, b"<%s>%s</%s>" % (name, b"".join(items), name)


def _write_list(name: str, container: str, words: list[str]) -> str:
    if not words:
        return ""
    items = "".join(f"     <rdf:li>{escape(word)}</rdf:li>\n" for word in words)
    return f"   <{name}>\n    <rdf:{container}>\n{items}    </rdf:{container}>\n   </{name}>\n"


def _append_description(packet: Packet, properties: str) -> Edit:
    """Return the edit that puts a description of our own after the others."""
    rdf = packet.rdf
    spaces = "".join(f'\n    xmlns:{each.prefix}="{each.name[0]}"' for each in _PROPERTIES)
    block = (
        f'\n  <rdf:Description xmlns:rdf="{RDF}" rdf:about={quoteattr(packet.about)}{spaces}'
        f'\n    xmlns:vibePhotos="{OUR_NAMESPACE}">\n{properties}  </rdf:Description>'
    ).encode()
    if rdf.is_collapsed:
        return rdf.inner_start - 2, rdf.inner_start, b">%s</%sRDF>" % (block, rdf.prefix.encode())
    end = rdf.children[-1].end if rdf.children else rdf.inner_start
    return end, end, block
