"""An XMP file as bytes and where things stand in them, so that an edit leaves every other byte alone.

A parsed and rewritten tree loses what XML calls insignificant: quotes, line ends, the order of attributes,
padding. So the file is parsed for positions only (expat, of the standard library) and edited as bytes.
XMP is laid out in ISO 16684-1; a property holds a list as `rdf:Bag`, `rdf:Seq` or `rdf:Alt` of `rdf:li`.
"""

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from vibe_photos.errors import InputError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_WRAPPERS = {("adobe:ns:meta/", "xmpmeta"), ("adobe:ns:meta/", "xapmeta")}
_START_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")
_ENCODINGS = (None, "utf-8", "utf8", "us-ascii", "ascii")

Name = tuple[str, str]
"""A namespace's URI and a local name."""


@dataclass(slots=True)
class Element:
    """One element: `data[start:end]` is all of it, `data[inner_start:inner_end]` what is inside its tags.

    `prefix` is the namespace prefix that it is written with, colon included. `text` is its own text, without
    that of its children. `is_collapsed` says that it is written as one tag (`<rdf:Bag/>`).
    """

    name: Name
    prefix: str
    attributes: dict[Name, str]
    start: int
    inner_start: int
    is_collapsed: bool
    inner_end: int = 0
    end: int = 0
    text: str = ""
    children: "list[Element]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class KeywordList:
    """One property that holds a list: the description that it is in, itself, its container, the items."""

    description: Element
    owner: Element
    container: Element
    items: list[Element]


class Packet:
    """The bytes of one XMP file with the places of its properties.

    Raises:
        InputError: it is no XML, not UTF-8, has a document type (entities), or holds no `rdf:RDF`.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.rdf = _find_rdf(_parse(data))

    @property
    def descriptions(self) -> list[Element]:
        """The `rdf:Description` elements: each holds properties of the same photo."""
        return [child for child in self.rdf.children if child.name == (RDF, "Description")]

    @property
    def about(self) -> str:
        """What the descriptions say they are about; it must be the same in all of them."""
        said = (child.attributes.get((RDF, "about")) for child in self.descriptions)
        return next((value for value in said if value), "")

    def find_list(self, name: Name) -> KeywordList | None:
        """Return the property of that name.

        Raises:
            InputError: it stands there twice, or is no list.
        """
        found = [(one, owner) for one in self.descriptions for owner in one.children if owner.name == name]
        if len(found) > 1:
            raise InputError(f"has {name[1]} {len(found)} times, which XMP does not allow")
        if any(name in one.attributes for one in self.descriptions):
            raise InputError(f"has {name[1]} as an attribute, where XMP has a list")
        return _read_list(*found[0]) if found else None

    def gap_before(self, element: Element, parent: Element) -> int:
        """Return where the white space begins that stands before a child of `parent`."""
        place = parent.children.index(element)
        start = parent.children[place - 1].end if place else parent.inner_start
        return start if not self.data[start : element.start].strip() else element.start


def splice(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Return `data` with each `(start, end, replacement)` applied; the ranges do not overlap."""
    parts, at = [], 0
    for start, end, replacement in sorted(edits):
        parts += [data[at:start], replacement]
        at = end
    return b"".join([*parts, data[at:]])


def _read_list(description: Element, owner: Element) -> KeywordList:
    containers = [child for child in owner.children if child.name[0] == RDF]
    is_list = len(containers) == 1 and containers[0].name[1] in ("Bag", "Seq", "Alt")
    if not is_list or owner.text.strip():
        raise InputError(f"has {owner.name[1]} as something else than a list")
    items = [item for item in containers[0].children if item.name == (RDF, "li")]
    return KeywordList(description, owner, containers[0], items)


def _find_rdf(root: Element) -> Element:
    found = root.children if root.name in _WRAPPERS else [root]
    for element in found:
        if element.name == (RDF, "RDF"):
            return element
    raise InputError("holds no rdf:RDF: it is XML, and no XMP")


def _parse(data: bytes) -> Element:
    """Return the root element; positions are offsets into `data`."""
    try:
        data.decode()
    except UnicodeDecodeError:
        raise InputError("is not UTF-8") from None
    builder = _Builder(data)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise InputError(f"is no XML: {error}") from None
    return builder.root


class _Builder:
    """Collects the elements while expat walks over the bytes."""

    root: Element

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.open: list[Element] = []
        self.parser = expat.ParserCreate(namespace_separator="\n")
        self.parser.namespace_prefixes = True
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._check_encoding
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._add_text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        start = self.parser.CurrentByteIndex
        tag = _START_TAG.match(self.data, start)
        assert tag is not None, "expat has found a start tag here"
        (uri, local), prefix = _split_name(name)
        element = Element(
            name=(uri, local),
            prefix=prefix,
            attributes={_split_name(key)[0]: value for key, value in attributes.items()},
            start=start,
            inner_start=tag.end(),
            is_collapsed=tag[0].endswith(b"/>"),
        )
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def _end(self, _name: str) -> None:
        element = self.open.pop()
        if element.is_collapsed:
            element.inner_end = element.end = element.inner_start
        else:
            element.inner_end = self.parser.CurrentByteIndex
            element.end = self.data.index(b">", element.inner_end) + 1

    def _add_text(self, text: str) -> None:
        if self.open:
            self.open[-1].text += text

    def _check_encoding(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if (encoding.lower() if encoding else None) not in _ENCODINGS:
            raise InputError(f"is written in {encoding}, and only UTF-8 is edited")

    def _refuse_doctype(self, *_: object) -> None:
        raise InputError("has a document type, which may define entities")


def _split_name(name: str) -> tuple[Name, str]:
    """Turn what expat joins (`URI, local name, prefix`, or a local name alone) into a name and a prefix."""
    parts = name.split("\n")
    if len(parts) == 1:
        return ("", parts[0]), ""
    return (parts[0], parts[1]), f"{parts[2]}:" if len(parts) == 3 else ""
