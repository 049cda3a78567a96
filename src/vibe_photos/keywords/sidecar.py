"""Our keywords in an XMP sidecar: put in, taken out again, and all that others wrote left as it is.

Three properties hold keywords, and each program reads the last of them that it knows and finds:
`dc:subject` (flat words), `lr:hierarchicalSubject` (`A|B|C`), `digiKam:TagsList` (`A/B/C`); and those of a
sidecar before those in the photo. So a list that we begin also gets the words of others that it now hides.

Which words we wrote stands in the sidecar itself, in properties of our own namespace with the same names.
A word that somebody else wrote first is neither written again nor recorded, and so never taken back.
"""

from collections import Counter
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from vibe_photos.keywords.notation import NOTATIONS, OURS, KeywordPath, Keywords, Notation
from vibe_photos.keywords.packet import RDF, Element, KeywordList, Packet, splice

_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    f' <rdf:RDF xmlns:rdf="{RDF}">\n'
    " </rdf:RDF>\n"
    "</x:xmpmeta>\n"
    '<?xpacket end="w"?>\n'
).encode()
"""What a sidecar that we began holds without our keywords: nothing of anybody."""

Cut = tuple[Element, Element]
"""An element to be taken out, and its parent."""


def set_keywords(
    data: bytes | None, keywords: Keywords, embedded: Sequence[KeywordPath] = ()
) -> bytes | None:
    """Return the sidecar with exactly these of our keywords; None stands for no file.

    Args:
        data: the sidecar as it is.
        keywords: ours.
        embedded: what others wrote into the photo itself, which a list that we begin would hide.

    Raises:
        InputError: the sidecar cannot be edited; the message says why, the caller where.
    """
    others = None if data is None else strip_keywords(data)
    return add_keywords(others, keywords, embedded) if keywords.paths else others


def strip_keywords(data: bytes) -> bytes | None:
    """Return the sidecar without what we wrote; None where we began it and nobody added anything.

    It is the inverse of `add_keywords` to the byte, but for lists that were there and empty.

    Raises:
        InputError: as `set_keywords`.
    """
    packet = Packet(data)
    cut: dict[int, Cut] = {}
    for notation in NOTATIONS:
        record = packet.find_list(notation.record)
        if record is not None:
            ours = [(record.owner, record.description), *_find_ours(packet.find_list(notation.name), record)]
            cut |= {element.start: (element, parent) for element, parent in ours}
    for description in packet.descriptions:
        _cut_left_over(packet, description, cut)
    edits = [(packet.gap_before(element, parent), element.end, b"") for element, parent in cut.values()]
    bare = splice(data, edits)
    return None if bare == _EMPTY else bare


def read_keywords(data: bytes) -> list[KeywordPath]:
    """Return the keywords that others wrote, from the one list that most programs would read.

    Raises:
        InputError: as `set_keywords`.
    """
    bare = strip_keywords(data)
    found: list[KeywordPath] = []
    if bare is not None:
        packet = Packet(bare)
        for notation in NOTATIONS:
            found = [notation.read(word) for word in _read_words(packet, notation)] or found
    return found


def add_keywords(data: bytes | None, keywords: Keywords, embedded: Sequence[KeywordPath] = ()) -> bytes:
    """Return the sidecar, which has none of our keywords, with them.

    Raises:
        InputError: as `set_keywords`.
    """
    packet = Packet(_EMPTY if data is None else data)
    edits: list[tuple[int, int, bytes]] = []
    begun, recorded = [], []
    hidden: list[KeywordPath] = []
    for notation in NOTATIONS:
        there = packet.find_list(notation.name)
        theirs = _read_words(packet, notation)
        carried = [] if theirs else [*embedded, *hidden]
        wanted = [*map(notation.write, carried), *notation.write_all(keywords)]
        ours = [word for word in dict.fromkeys(wanted) if word not in theirs]
        hidden = [notation.read(word) for word in theirs] or hidden
        if there and ours:
            edits.append(_append_items(packet, there, ours))
        elif not there:
            begun.append(_write_list(f"{notation.prefix}:{notation.local}", notation.container, ours))
        recorded.append(_write_list(f"vibePhotos:{notation.local}", "Bag", ours))
    edits.append(_append_description(packet, "".join([*begun, *recorded])))
    written = splice(packet.data, edits)
    Packet(written)  # nothing is put in a file's place that could not be read again
    return written


def _read_words(packet: Packet, notation: Notation) -> list[str]:
    there = packet.find_list(notation.name)
    return [item.text for item in there.items if item.text.strip()] if there else []


def _find_ours(there: KeywordList | None, record: KeywordList) -> list[Cut]:
    """Return the items that we recorded, the last of equal ones; the whole property where all are ours."""
    if there is None:
        return []
    left = Counter(item.text for item in record.items)
    ours: list[Cut] = []
    for item in reversed(there.items):
        if left[item.text] > 0:
            left[item.text] -= 1
            ours.append((item, there.container))
    return ours if len(ours) < len(there.items) else [(there.owner, there.description)]


def _cut_left_over(packet: Packet, description: Element, cut: dict[int, Cut]) -> None:
    """Cut a description whose properties are all cut, in place of these."""
    starts = [child.start for child in description.children]
    says_more = description.attributes.keys() - {(RDF, "about"), ("", "about")}
    if starts and not says_more and cut.keys() >= set(starts):
        for start in starts:
            del cut[start]
        cut[description.start] = (description, packet.rdf)


def _append_items(packet: Packet, there: KeywordList, words: list[str]) -> tuple[int, int, bytes]:
    """Return the edit that puts the words after the last item of a list, laid out as that one."""
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


def _append_description(packet: Packet, properties: str) -> tuple[int, int, bytes]:
    """Return the edit that puts a description of our own after the others; none where it would be empty."""
    rdf = packet.rdf
    spaces = "".join(f'\n    xmlns:{one.prefix}="{one.uri}"' for one in NOTATIONS)
    text = (
        f'\n  <rdf:Description xmlns:rdf="{RDF}" rdf:about={quoteattr(packet.about)}{spaces}'
        f'\n    xmlns:vibePhotos="{OURS}">\n{properties}  </rdf:Description>'
    )
    block = text.encode() if properties else b""
    if rdf.is_collapsed and block:
        return rdf.inner_start - 2, rdf.inner_start, b">%s</%sRDF>" % (block, rdf.prefix.encode())
    end = rdf.children[-1].end if rdf.children else rdf.inner_start
    return end, end, block
