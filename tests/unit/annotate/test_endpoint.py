import json
import os
from collections.abc import Callable
from unittest.mock import patch
from urllib.parse import quote

import pytest
from tests.unit.annotate.small_library import MakeSettings

from vibe_photos.annotate.client import Endpoint, endpoint_from_environment, is_loopback
from vibe_photos.errors import ConfigurationError


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("192.168.1.5", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def read(make_settings: MakeSettings, *, allow_plain_http: bool = False, **environment: str) -> Endpoint:
    settings = make_settings(annotate={"allow_plain_http": allow_plain_http})
    with patch.dict(os.environ, environment):
        return endpoint_from_environment(settings.teacher, settings.annotate)


def test_address_and_key_are_taken(make_settings: MakeSettings) -> None:
    endpoint = read(make_settings, QWEN_BASE_URL="http://localhost:8000/v1/", QWEN_API_KEY=" secret-key\n")
    assert endpoint == Endpoint("http://localhost:8000/v1", "secret-key")
    assert "secret" not in repr(endpoint)


def test_without_an_address_an_example_is_given(make_settings: MakeSettings) -> None:
    with pytest.raises(ConfigurationError, match="export QWEN_BASE_URL=http://localhost:8000/v1"):
        read(make_settings)


@pytest.mark.parametrize("address", ["http://a\nb/v1", "http://a b/v1", "http://a/v1\x1b[2J"])
def test_an_address_with_invisible_characters_is_refused(make_settings: MakeSettings, address: str) -> None:
    with pytest.raises(ConfigurationError, match="a space, a line break"):
        read(make_settings, QWEN_BASE_URL=address)


@pytest.mark.parametrize(
    "address", ["localhost:8000", "ftp://a/v1", "http://", "http://a:99999/v1", "https://[::1/v1", "/v1"]
)
def test_what_is_no_address_is_refused(make_settings: MakeSettings, address: str) -> None:
    with pytest.raises(ConfigurationError, match="not the address of a server"):
        read(make_settings, QWEN_BASE_URL=address)


@pytest.mark.parametrize(
    "address", ["https://user:canary@host/v1", "https://host/v1?key=canary", "https://host/v1#canary"]
)
def test_secrets_in_the_address_are_refused_and_not_repeated(
    make_settings: MakeSettings, address: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(make_settings, QWEN_BASE_URL=address)
    assert "canary" not in str(caught.value)


def test_plain_http_to_another_machine_needs_leave(make_settings: MakeSettings) -> None:
    address = "http://192.168.1.5:8000/v1"
    with pytest.raises(ConfigurationError, match=r"allow_plain_http=true"):
        read(make_settings, QWEN_BASE_URL=address)
    assert read(make_settings, allow_plain_http=True, QWEN_BASE_URL=address).base_url == address
    assert read(make_settings, QWEN_BASE_URL="https://192.168.1.5/v1").base_url


def test_another_model_in_the_environment_stops_and_both_are_named(make_settings: MakeSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"'Other/Model'.*'Qwen/Qwen3-VL-32B-Instruct'"):
        read(make_settings, QWEN_MODEL="Other/Model", QWEN_BASE_URL="http://localhost/v1")
    assert read(make_settings, QWEN_MODEL="Qwen/Qwen3-VL-32B-Instruct", QWEN_BASE_URL="http://localhost/v1")


def test_a_key_that_cannot_stand_in_a_header_is_refused_and_not_repeated(
    make_settings: MakeSettings,
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(make_settings, QWEN_BASE_URL="http://localhost/v1", QWEN_API_KEY="canary\nX: y")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("is_answer", [True, False])
@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text,
        lambda text: text.replace("/", "\\/"),
        lambda text: text.replace("+", "\\u002B"),
        lambda text: json.dumps(json.dumps(text.replace("/", "\\/"))),
        lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
        lambda text: quote(text, safe=""),
        str.upper,
    ],
)
def test_an_echoed_key_is_masked_in_every_spelling(spell: Callable[[str], str], is_answer: bool) -> None:
    key = "sk-live/ab+cd\\0123"
    said = Endpoint("http://a", key).mask_key(f"bad <{spell(key)}>!".encode(), is_answer=is_answer)
    assert b"[QWEN_API_KEY]" in said
    assert said.replace(b"\\", b"").replace(b'"', b"") == b"bad <[QWEN_API_KEY]>!"


def test_a_reply_of_backslashes_only_does_not_stop_the_run() -> None:
    said = Endpoint("http://a", "sk-live-0123").mask_key(b"\\" * 1_000_000 + b"sk-live-0123")
    assert said == b"\\" * 999_991 + b"[QWEN_API_KEY]"


def test_a_short_key_is_masked_as_a_whole_word_and_never_in_answers() -> None:
    endpoint = Endpoint("http://a", "food")
    assert endpoint.mask_key(b"bad key food, no seafood") == b"bad key [QWEN_API_KEY], no seafood"
    assert endpoint.mask_key(b'{"scene":"food"}', is_answer=True) == b'{"scene":"food"}'
    assert Endpoint("http://a").mask_key(b"x") == b"x"
