import json
import shutil
import subprocess
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.keywords.sidecars import DARKTABLE, DIGIKAM, LIGHTROOM, RDF

from vibe_photos.errors import InputError
from vibe_photos.keywords.sidecar import Keywords, add_keywords, set_keywords, strip_keywords

FOOD = Keywords(
    paths=(("vibe-photos", "scene", "food"), ("vibe-photos", "object", "food", "dessert")),
    words=("food", "dessert"),
)
PLACE = Keywords(paths=(("vibe-photos", "scene", "landscape"),), words=("landscape",))
FOREIGN = {"darktable": DARKTABLE, "digikam": DIGIKAM, "lightroom": LIGHTROOM}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_wrote_is_the_same_bytes_again_once_our_keywords_are_gone(name):
    written = add_keywords(FOREIGN[name], FOOD)
    assert written != FOREIGN[name]
    assert strip_keywords(written) == FOREIGN[name]


def test_a_sidecar_that_we_began_is_gone_with_our_keywords():
    assert strip_keywords(add_keywords(None, FOOD)) is None
    assert set_keywords(None, Keywords()) is None


def test_a_sidecar_that_we_began_stays_when_somebody_wrote_into_it():
    theirs = b'<rdf:Description rdf:about="" xmlns:x="x:" x:note="mine"/>'
    written = add_keywords(None, FOOD).replace(b" </rdf:RDF>", theirs + b" </rdf:RDF>")
    left = strip_keywords(written)
    assert left is not None
    assert theirs in left
    assert b"vibe" not in left


@pytest.mark.parametrize("name", [None, *FOREIGN])
def test_writing_again_changes_no_byte_and_other_labels_replace_ours(name):
    data = FOREIGN.get(name)
    written = set_keywords(data, FOOD)
    assert set_keywords(written, FOOD) == written
    assert set_keywords(written, PLACE) == set_keywords(data, PLACE)
    assert set_keywords(written, Keywords()) == data


def test_a_word_that_somebody_wrote_before_us_is_neither_doubled_nor_taken_back():
    written = add_keywords(DIGIKAM, FOOD)
    words = written[written.index(b"<dc:subject>") : written.index(b"</dc:subject>")]
    assert words.count(b"<rdf:li>food</rdf:li>") == 1
    assert b"<rdf:li>food</rdf:li>" in strip_keywords(written)


def test_a_list_that_hides_another_one_gets_its_words():
    """Immich and digiKam read TagsList where there is one, and only else what Darktable wrote."""
    written = add_keywords(DARKTABLE, FOOD).decode()
    tags = written[written.index("<digiKam:TagsList>") : written.index("</digiKam:TagsList>")]
    assert "<rdf:li>places/Zürich</rdf:li>" in tags
    assert "<rdf:li>vibe-photos/object/food/dessert</rdf:li>" in tags


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not XML"),
        (b"\xff\xd8\xff\xe0 JFIF", "is not UTF-8"),
        (b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf", "is not XML"),
        (b"<html/>", "holds no rdf:RDF"),
        (DARKTABLE.replace(b'"UTF-8"', b'"ISO-8859-1"'), "is written in ISO-8859-1"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]>' + LIGHTROOM, "document type"),
        (DIGIKAM.replace(b"rdf:Bag>", b"rdf:Description>"), "subject as something else than a list"),
        (DIGIKAM.replace(b' rdf:about=""', b' rdf:about="" dc:subject="food"'), "subject as an attribute"),
        (DARKTABLE.replace(b"lr:hierarchicalSubject>", b"dc:subject>"), "subject 2 times"),
    ],
)
def test_a_sidecar_that_cannot_be_edited_says_why(data, reason):
    with pytest.raises(InputError, match=reason):
        set_keywords(data, FOOD)


def test_an_entity_bomb_is_refused_before_it_grows():
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x"}">' for n in range(12))
    with pytest.raises(InputError, match="document type"):
        set_keywords(f"<!DOCTYPE x [{entities}]><x>&e11;</x>".encode(), FOOD)


LETTERS = st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=8), unique=True, max_size=4)


@st.composite
def foreign_sidecars(draw):
    """Draw valid XMP: any of the three lists, any container, one or two descriptions, any layout."""
    space = draw(st.sampled_from(["", " ", "\n ", "\r\n\t"]))
    quote = draw(st.sampled_from("'\""))

    def draw_list(name):
        words = draw(WORDS)
        if not words:
            return ""
        container = draw(st.sampled_from(["Bag", "Seq"]))
        items = space.join(f"<r:li>{escape(word)}</r:li>" for word in words)
        return f"{space}<{name}>{space}<r:{container}>{space}{items}{space}</r:{container}></{name}>"

    properties = [draw_list(name) for name in ("dc:subject", "lr:hierarchicalSubject", "digiKam:TagsList")]
    split_at = draw(st.integers(0, 3))
    start = (
        f"{space}<r:Description r:about={quote}{quote} xmlns:dc='http://purl.org/dc/elements/1.1/'"
        " xmlns:lr='http://ns.adobe.com/lightroom/1.0/' xmlns:digiKam='http://www.digikam.org/ns/1.0/'"
        " dc:format='a > b'"
    )
    parts = [properties[:split_at], properties[split_at:]]
    descriptions = [
        f"{start}>{''.join(part)}{space}<!-- a > b --></r:Description>" if any(part) else f"{start}/>"
        for part in parts
    ]
    mark = draw(st.sampled_from(["", "\ufeff"]))
    body = f"<r:RDF {RDF.replace('rdf=', 'r=')}>{''.join(descriptions)}{space}</r:RDF>"
    return f"{mark}{body}{space}".encode()


@given(foreign_sidecars(), WORDS, WORDS)
def test_any_sidecar_comes_back_to_the_byte(data, first, second):
    def to_keywords(words):
        return Keywords(paths=tuple(("vibe-photos", word) for word in words), words=tuple(words))

    written = set_keywords(data, to_keywords(first))
    assert set_keywords(written, to_keywords(first)) == written
    assert set_keywords(written, to_keywords(second)) == set_keywords(data, to_keywords(second))
    assert set_keywords(written, Keywords()) == data


def read_with_exiftool(path):
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed (Debian: libimage-exiftool-perl)")
    result = subprocess.run(
        ["exiftool", "-json", "-a", str(path)], capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)[0]


def edit_with(command, path):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    subprocess.run([*command, str(path)], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("data", "theirs"),
    [
        (DARKTABLE, {"Subject": ["places", "Zürich"], "HierarchicalSubject": ["places|Zürich"], "Rating": 4}),
        (DIGIKAM, {"Subject": ["food", "Ada & Bob"], "TagsList": ["People/Ada & Bob"]}),
        (LIGHTROOM, {"Rating": 3, "CreatorTool": "Lightroom & co"}),
    ],
)
def test_exiftool_reads_our_keywords_and_those_of_others(tmp_path, data, theirs):
    path = tmp_path / "photo.xmp"
    path.write_bytes(add_keywords(data, FOOD))
    found = read_with_exiftool(path)
    assert set(found["Subject"]) == {*theirs.get("Subject", []), "food", "dessert"}
    ours = {"vibe-photos|scene|food", "vibe-photos|object|food|dessert"}
    assert set(found["HierarchicalSubject"]) >= ours
    assert set(found["TagsList"]) >= {path.replace("|", "/") for path in ours}
    for name, value in theirs.items():
        assert set(value) <= set(found[name]) if isinstance(value, list) else found[name] == value


@pytest.mark.parametrize(
    "command",
    [
        ["exiftool", "-overwrite_original", "-Subject+=hello"],
        ["exiv2", "-M", "add Xmp.dc.subject hello"],
    ],
    ids=["exiftool", "exiv2"],
)
@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_our_keywords_are_found_again_after_another_program_rewrote_the_file(tmp_path, data, command):
    plain, written = tmp_path / "plain.xmp", tmp_path / "written.xmp"
    plain.write_bytes(data)
    written.write_bytes(add_keywords(data, FOOD))
    for path in (plain, written):
        edit_with(command, path)
    left = tmp_path / "left.xmp"
    left.write_bytes(strip_keywords(written.read_bytes()))
    assert b"<vibePhotos:" not in left.read_bytes()
    of_file = (
        "SourceFile",
        "FileName",
        "FileSize",
        "FileModifyDate",
        "FileAccessDate",
        "FileInodeChangeDate",
    )
    expected, found = read_with_exiftool(plain), read_with_exiftool(left)
    for name in of_file:
        del expected[name], found[name]
    assert found == expected
