"""An XMP file as bytes, with the positions of its elements, so that an edit changes no other byte.

Parsing a tree and writing it again would lose quotes, line ends, the order of attributes and padding. So
expat (standard library) only finds positions, and the file is edited as bytes. ISO 16684-1 defines
XMP; a property holds a list as `rdf:Bag`, `rdf:Seq` or `rdf:Alt` of `rdf:li`.
"""

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from vibe_photos.errors import InputError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_WRAPPERS = {("adobe:ns:meta/", "xmpmeta"), ("adobe:ns:meta/", "xapmeta")}
_START_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")
_ENCODINGS = ("utf-8", "utf8", "us-ascii", "ascii")

Name = tuple[str, str]
"""A namespace's URI and a local name."""

Edit = tuple[int, int, bytes]
"""`data[start:end]` becomes these bytes."""


@dataclass(slots=True)
class Element:
    """One element: `data[start:end]` is all of it, `inner_start` is where its start tag ends.

    `prefix` is its namespace prefix in the file, colon included. `text` is its own text, without that of its
    children. `is_collapsed`: it is written as one tag (`<rdf:Bag/>`).
    """

    name: Name
    prefix: str
    attributes: dict[Name, str]
    start: int
    inner_start: int
    is_collapsed: bool
    end: int = 0
    text: str = ""
    children: "list[Element]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class KeywordList:
    """A property that holds a list: its description, the property itself, the container, the items."""

    description: Element
    owner: Element
    container: Element
    items: list[Element]


class Packet:
    """The bytes of one XMP file with the positions of its properties.

    Raises:
        InputError: it is not XML, not UTF-8, has a document type (entities), or holds no `rdf:RDF`.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        root = _parse(data)
        found = root.children if root.name in _WRAPPERS else [root]
        rdf = next((element for element in found if element.name == (RDF, "RDF")), None)
        if rdf is None:
            raise InputError("holds no rdf:RDF: it is XML, but not XMP")
        self.rdf = rdf
        # Each rdf:Description holds properties of the same photo.
        self.descriptions = [child for child in rdf.children if child.name == (RDF, "Description")]

    @property
    def about(self) -> str:
        """The value of `rdf:about`, which XMP requires to be the same in all descriptions."""
        about = (child.attributes.get((RDF, "about")) for child in self.descriptions)
        return next((value for value in about if value), "")

    def find_list(self, name: Name) -> KeywordList | None:
        """Return the property of that name, None if there is none.

        Raises:
            InputError: it occurs twice, or is not a list.
        """
        found = [(one, owner) for one in self.descriptions for owner in one.children if owner.name == name]
        if len(found) > 1:
            raise InputError(f"has {name[1]} {len(found)} times, which XMP does not allow")
        if any(name in one.attributes for one in self.descriptions):
            raise InputError(f"has {name[1]} as an attribute, but XMP wants a list")
        if not found:
            return None
        description, owner = found[0]
        containers = [child for child in owner.children if child.name[0] == RDF]
        is_list = len(containers) == 1 and containers[0].name[1] in ("Bag", "Seq", "Alt")
        if not is_list or owner.text.strip():
            raise InputError(f"has {name[1]} as something else than a list")
        items = [item for item in containers[0].children if item.name == (RDF, "li")]
        return KeywordList(description, owner, containers[0], items)

    def read_words(self, name: Name) -> list[str]:
        """Return the words of a property in whatever form RDF allows: nothing is changed, so all are read.

        That is a list, plain text, an attribute, or a property that occurs several times; an item may be a
        structure with `rdf:value` and qualifiers.
        """
        words: list[str] = []
        for node in self.rdf.children:
            words += [node.attributes[name]] if name in node.attributes else []
            for owner in node.children:
                words += _list_texts(owner) if owner.name == name else []
        return [word for word in words if word.strip()]

    def gap_before(self, element: Element, parent: Element) -> int:
        """Return the start of the white space before a child of `parent`."""
        place = parent.children.index(element)
        start = parent.children[place - 1].end if place else parent.inner_start
        return start if not self.data[start : element.start].strip() else element.start


def _list_texts(element: Element) -> list[str]:
    value = (RDF, "value")
    if value in element.attributes:
        return [element.attributes[value]]
    valued = [child for child in element.children if child.name == value]
    if element.children:
        return [text for child in valued or element.children for text in _list_texts(child)]
    return [element.text]


def splice(data: bytes, edits: list[Edit]) -> bytes:
    """Return `data` with all edits applied; their ranges do not overlap."""
    parts, at = [], 0
    for start, end, replacement in sorted(edits):
        parts += [data[at:start], replacement]
        at = end
    return b"".join([*parts, data[at:]])


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
        raise InputError(f"is not XML: {error}") from None
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
        full_name, prefix = _split_name(name)
        element = Element(
            name=full_name,
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
            element.end = element.inner_start
        else:
            element.end = self.data.index(b">", self.parser.CurrentByteIndex) + 1

    def _add_text(self, text: str) -> None:
        if self.open:
            self.open[-1].text += text

    def _check_encoding(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() not in _ENCODINGS:
            raise InputError(f"is written in {encoding}; only UTF-8 can be edited")

    def _refuse_doctype(self, *_: object) -> None:
        raise InputError("has a document type, which may define entities")


def _split_name(name: str) -> tuple[Name, str]:
    """Split expat's name (`URI, local name, prefix`, or only a local name) into a name and a prefix."""
    uri, local, *prefix = name.split("\n") if "\n" in name else ("", name)
    return (uri, local), f"{prefix[0]}:" if prefix else ""
