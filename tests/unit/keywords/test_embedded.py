import shutil
import subprocess

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.unit.keywords.sidecars import DARKTABLE, DIGIKAM

from vibe_photos.errors import InputError
from vibe_photos.keywords.export import export_keywords, read_embedded, to_keywords
from vibe_photos.keywords.sidecar import add_keywords, strip_keywords
from vibe_photos.records.photos import Photo


def save(path, image_format, xmp):
    options = {"xmp": xmp}
    if image_format == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options = {"pnginfo": info}
    elif image_format == "TIFF":
        options = {"tiffinfo": {700: xmp}}
    Image.new("RGB", (8, 8)).save(path, image_format, **options)
    return path


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_the_most_telling_list_in_a_photo_is_read(tmp_path, image_format):
    photo = save(tmp_path / "photo", image_format, DIGIKAM)
    assert read_embedded(photo, image_format) == [("People", "Ada & Bob")]
    photo = save(tmp_path / "photo", image_format, DARKTABLE)
    assert read_embedded(photo, image_format) == [("places", "Zürich")]


def test_a_photo_without_keywords_has_none(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.jpg")
    assert read_embedded(tmp_path / "photo.jpg", "JPEG") == []


def test_our_own_keywords_that_somebody_copied_into_the_photo_are_not_those_of_others(tmp_path):
    xmp = add_keywords(DARKTABLE, to_keywords(["scene.people"]))
    assert read_embedded(save(tmp_path / "photo", "JPEG", xmp), "JPEG") == [("places", "Zürich")]


def test_xmp_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(InputError, match="the XMP in its photo is not XML"):
        read_embedded(save(tmp_path / "photo", "JPEG", b"<x:xmpmeta"), "JPEG")


def test_old_keywords_are_read_whatever_their_encoding_and_without_control_characters(tmp_path):
    def field(value):
        return b"\x1c\x02\x19" + len(value).to_bytes(2, "big") + value

    data = b"".join(map(field, ["Zürich".encode(), b"caf\xe9", b"a\x01<b", b"\x00"]))
    block = (
        b"Photoshop 3.0\x008BIM\x04\x04\x00\x00"
        + len(data).to_bytes(4, "big")
        + data
        + b"\x00" * (len(data) % 2)
    )
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (8, 8)).save(path)
    plain = path.read_bytes()
    path.write_bytes(plain[:2] + b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block + plain[2:])
    words = read_embedded(path, "JPEG")
    assert words == [("Zürich",), ("café",), ("a<b",)]
    assert strip_keywords(add_keywords(None, to_keywords(["scene.food"]), words)) is None


def test_a_sidecar_hides_no_keyword_of_the_photo_and_gives_them_back(tmp_path):
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed (Debian: libimage-exiftool-perl)")
    path = save(tmp_path / "a.jpg", "JPEG", DARKTABLE)
    write = ["exiftool", "-overwrite_original", "-IPTC:Keywords=caf\u00e9", "-IPTC:CodedCharacterSet=UTF8"]
    subprocess.run([*write, str(path)], check=True, capture_output=True)
    before = path.read_bytes()
    photo = Photo(image_id="id-a", rel_path="a.jpg", bytes=len(before), format="JPEG")
    report = export_keywords([photo], tmp_path, {"id-a": to_keywords(["scene.people"])}, "full", True)
    assert report.problems == []
    read = ["exiftool", "-s3", "-sep", ";", "-TagsList", "-HierarchicalSubject", "-Subject"]
    found = subprocess.run([*read, f"{path}.xmp"], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == [
        "places/Zürich;café;vibe-photos/scene/people",
        "places|Zürich;café;vibe-photos|scene|people",
        "Zürich;café;people",
    ]
    export_keywords([photo], tmp_path, {}, "full", True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jpg"]
    assert path.read_bytes() == before


def test_xmp_after_the_pixels_of_a_png_is_read(tmp_path):
    png = save(tmp_path / "photo.png", "PNG", DIGIKAM).read_bytes()
    chunks = {}
    at = 8
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        chunks[png[at + 4 : at + 8]] = png[at:end]
        at = end
    names = [b"IHDR", b"IDAT", b"iTXt", b"IEND"]
    (tmp_path / "photo.png").write_bytes(png[:8] + b"".join(chunks[name] for name in names))
    assert read_embedded(tmp_path / "photo.png", "PNG") == [("People", "Ada & Bob")]


ODD = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:q="http://ns.adobe.com/xmp/q/">%s</rdf:RDF></x:xmpmeta>"""
ITEM = "<rdf:Bag><rdf:li>Ada</rdf:li></rdf:Bag>"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ('<rdf:Description dc:subject="Ada"/>', ["Ada"]),
        ("<rdf:Description><dc:subject>Ada</dc:subject></rdf:Description>", ["Ada"]),
        (
            f"<rdf:Description><dc:subject>{ITEM}</dc:subject></rdf:Description>"
            "<rdf:Description><dc:subject><rdf:Seq><rdf:li>Bob</rdf:li></rdf:Seq></dc:subject>"
            "</rdf:Description>",
            ["Ada", "Bob"],
        ),
        (
            '<rdf:Description><dc:subject><rdf:Bag><rdf:li rdf:parseType="Resource"><rdf:value>Ada'
            "</rdf:value><q:by>me</q:by></rdf:li></rdf:Bag></dc:subject></rdf:Description>",
            ["Ada"],
        ),
        (
            "<rdf:Description><dc:subject><rdf:Bag><rdf:li><rdf:Description><rdf:value>Ada</rdf:value>"
            "<q:by>me</q:by></rdf:Description></rdf:li></rdf:Bag></dc:subject></rdf:Description>",
            ["Ada"],
        ),
        (f"<q:Photo><dc:subject>{ITEM}</dc:subject></q:Photo>", ["Ada"]),
    ],
    ids=["attribute", "text", "twice", "qualified", "described", "typed node"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_odd_but_legal_xmp_in_a_photo_is_carried_into_the_sidecar(tmp_path, form, words, encoding):
    """Forms that RDF/XML allows for the same list (XMP specification, part 1, C.2)."""
    photo = save(tmp_path / "photo.jpg", "JPEG", (ODD % form).encode(encoding))
    assert [path[-1] for path in read_embedded(photo, "JPEG")] == words
