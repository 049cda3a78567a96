import base64
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from vibe_photos.annotate.question import (
    build_question,
    data_url,
    fill_placeholders,
    fit_size,
    prepare_jpeg,
    reply_schema,
    request_body,
)
from vibe_photos.errors import ConfigurationError, DecodeError
from vibe_photos.settings import Definition, SentImage, Taxonomy, Teacher

SENT = SentImage(max_edge_px=64, max_pixels=3000, jpeg_quality=90)
CANARY = b"CANARY-0457"


def save_with_secrets(path: Path, orientation: int = 6) -> None:
    """A JPEG with the canary in EXIF (text and GPS), XMP, IPTC, comment and an embedded thumbnail."""
    image = Image.new("RGB", (200, 100), (200, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = CANARY.decode()
    exif.get_ifd(0x8825)[29] = CANARY.decode()
    image.save(path, exif=exif, comment=CANARY, xmp=b"<x:xmpmeta>" + CANARY + b"</x:xmpmeta>")
    jpeg = path.read_bytes()
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + len(CANARY).to_bytes(4, "big") + CANARY
    segment = b"\xff\xed" + (len(iptc) + 2).to_bytes(2, "big") + iptc
    path.write_bytes(jpeg[:2] + segment + jpeg[2:])


def test_no_metadata_survives(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    save_with_secrets(path)
    assert path.read_bytes().count(CANARY) >= 4
    sent = prepare_jpeg(path, SENT, 10**6)
    assert CANARY not in sent
    with Image.open(BytesIO(sent)) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert image.size == (32, 64)  # turned a quarter, longest edge 64
        assert "progressive" not in image.info


def test_no_metadata_survives_of_a_photo_that_is_sent_as_large_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    save_with_secrets(path, orientation=1)
    sent = prepare_jpeg(path, SentImage(max_edge_px=1000, max_pixels=10**6, jpeg_quality=90), 10**6)
    assert CANARY not in sent
    with Image.open(BytesIO(sent)) as image:
        assert not image.getexif()
        assert image.size == (200, 100)


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    save_with_secrets(path)
    assert prepare_jpeg(path, SENT, 10**6) == prepare_jpeg(path, SENT, 10**6)


def test_pixels_agree_with_a_plain_decode(tmp_path: Path) -> None:
    """A shrinking JPEG decode and an exact one differ by about a quantisation step, not by a shift."""
    across, down = np.meshgrid(np.arange(640), np.arange(480))
    pixels = np.stack([across * 255 // 640, down * 255 // 480, (across + down) % 256], axis=2)
    path = tmp_path / "photo.jpg"
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)
    with Image.open(BytesIO(prepare_jpeg(path, SENT, 10**6))) as sent, Image.open(path) as whole:
        reference = ImageOps.exif_transpose(whole).resize(sent.size, Image.Resampling.BICUBIC)
        difference = np.asarray(sent, dtype=float)[..., :2] - np.asarray(reference, dtype=float)[..., :2]
        assert np.abs(difference).mean() < 3


def test_too_many_pixels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (100, 100)).save(path)
    with pytest.raises(DecodeError) as caught:
        prepare_jpeg(path, SENT, 9999)
    assert caught.value.reason == "too_many_pixels"


@given(st.integers(1, 40_000), st.integers(1, 40_000))
def test_sizes_keep_to_the_limits_and_never_grow(width: int, height: int) -> None:
    across, down = fit_size(width, height, SENT)
    assert 1 <= across <= min(width, SENT.max_edge_px)
    assert 1 <= down <= min(height, SENT.max_edge_px)
    assert across * down <= SENT.max_pixels


def test_small_photos_keep_their_size() -> None:
    assert fit_size(50, 40, SENT) == (50, 40)


def test_the_body_is_a_chat_completion_request(teacher: Teacher, taxonomy: Taxonomy) -> None:
    question = build_question(teacher, taxonomy)
    body = msgspec.json.decode(
        request_body(question, "m", data_url(b"jpeg"), response_format="json_schema", max_tokens=9)
    )
    system, user = body["messages"]
    assert system == {"role": "system", "content": question.system}
    image, text = user["content"]
    assert base64.b64decode(image["image_url"]["url"].removeprefix("data:image/jpeg;base64,")) == b"jpeg"
    assert text == {"type": "text", "text": question.user}
    assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == ("m", 9, 0.0, 0)
    assert body["response_format"]["json_schema"] == {
        "name": "photo_annotation",
        "strict": True,
        "schema": question.schema,
    }


def test_the_body_without_schema_and_seed(teacher: Teacher, taxonomy: Taxonomy) -> None:
    sampling = msgspec.structs.replace(teacher.sampling, seed=None)
    question = build_question(msgspec.structs.replace(teacher, sampling=sampling), taxonomy)
    body = msgspec.json.decode(
        request_body(question, "m", data_url(b""), response_format="json_object", max_tokens=9)
    )
    assert body["response_format"] == {"type": "json_object"}
    assert "seed" not in body


def test_the_words_stand_in_the_prompt(teacher: Teacher, taxonomy: Taxonomy) -> None:
    question = build_question(teacher, taxonomy)
    assert '"landscape", "snapshot", "people"' in question.user
    assert '"has_person", "has_text"' in question.user
    assert "{" not in question.user


def test_braces_that_are_no_places_stay(teacher: Teacher, taxonomy: Taxonomy) -> None:
    asked = msgspec.structs.replace(teacher, user_prompt='like {"scene": "food"} of {scenes} {}')
    assert build_question(asked, taxonomy).user.startswith('like {"scene": "food"} of "landscape"')


def test_words_are_not_searched_for_places() -> None:
    assert fill_placeholders("{scenes}", {"scenes": "{objects}", "objects": "x"}) == "{objects}"


def test_an_unknown_place_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"user_prompt: \{colours\} is not one of \{scenes\}"):
        fill_placeholders("{colours}", {"scenes": "x"})


def test_the_schema_is_closed_enumerated_and_capped() -> None:
    schema = reply_schema(["food", "other"], ["has_text"], ["mug"])
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["scene", "has_text", "objects"]
    assert schema["properties"]["scene"]["enum"] == ["food", "other"]
    objects = schema["properties"]["objects"]
    assert objects["maxItems"] == 8
    assert objects["items"]["additionalProperties"] is False
    assert objects["items"]["properties"]["coarse_type"]["enum"] == ["mug"]
    assert objects["items"]["properties"]["name_free"]["maxLength"] == 80


def test_the_prompt_id_follows_everything_that_is_asked_but_the_model(
    teacher: Teacher, taxonomy: Taxonomy
) -> None:
    replace = msgspec.structs.replace
    first = build_question(teacher, taxonomy).prompt_id
    assert len(first) == 16
    assert build_question(replace(teacher, model="another"), taxonomy).prompt_id == first
    words = replace(taxonomy.vocabulary, scenes=[*taxonomy.vocabulary.scenes, "party"])
    others = [
        build_question(replace(teacher, system_prompt="x"), taxonomy),
        build_question(replace(teacher, user_prompt="{scenes}"), taxonomy),
        build_question(replace(teacher, response_format="json_object"), taxonomy),
        build_question(replace(teacher, image=replace(teacher.image, jpeg_quality=80)), taxonomy),
        build_question(replace(teacher, sampling=replace(teacher.sampling, max_tokens=7)), taxonomy),
        build_question(teacher, replace(taxonomy, vocabulary=words)),
    ]
    assert len({first, *(question.prompt_id for question in others)}) == 7


def test_a_given_prompt_id_is_taken(teacher: Teacher, taxonomy: Taxonomy) -> None:
    given = msgspec.structs.replace(teacher, prompt_id="imported")
    assert build_question(given, taxonomy).prompt_id == "imported"


def test_remapping_words_asks_the_same_question(teacher: Teacher, taxonomy: Taxonomy) -> None:
    remapped = msgspec.structs.replace(taxonomy, objects={"mug": "object.drink"}, scenes={})
    assert build_question(teacher, remapped).prompt_id == build_question(teacher, taxonomy).prompt_id


def test_definitions_are_told_only_if_the_teacher_file_says_so(teacher: Teacher, taxonomy: Taxonomy) -> None:
    """Off, an edited definition asks the question that is already paid; on, it asks another one."""
    replace = msgspec.structs.replace
    key = "scene.snapshot"
    other = replace(
        taxonomy,
        definitions={**taxonomy.definitions, key: Definition(name="Moment", means="An everyday moment.")},
    )
    plain, edited = build_question(teacher, taxonomy), build_question(teacher, other)
    assert edited == plain
    assert taxonomy.definitions[key].means not in plain.user
    telling = replace(teacher, definitions=True)
    told, told_other = build_question(telling, taxonomy), build_question(telling, other)
    assert told.user.startswith(plain.user)
    assert f"- snapshot: {taxonomy.definitions[key].means}" in told.user.splitlines()
    assert "- snapshot: An everyday moment." in told_other.user.splitlines()
    assert "Moment" not in told_other.user, "the teacher answers by words, not by names for people"
    assert len({plain.prompt_id, told.prompt_id, told_other.prompt_id}) == 3
