import json

from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.records.photos import path_to_text, text_to_path


@given(st.binary(max_size=40))
def test_any_path_comes_back_through_json(path):
    text = path_to_text(path)
    assert text_to_path(json.loads(json.dumps(text))) == path
    assert text_to_path(json.loads(json.dumps(text, ensure_ascii=False).encode())) == path


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_two_paths_never_get_the_same_text(a, b):
    assert (path_to_text(a) == path_to_text(b)) == (a == b)


def test_ordinary_names_stay_readable():
    assert path_to_text("Ferien/Köln 🌞.jpg".encode()) == "Ferien/Köln 🌞.jpg"
    assert path_to_text(b"a\xffb\\x41.jpg") == r"a\xffb\\x41.jpg"
