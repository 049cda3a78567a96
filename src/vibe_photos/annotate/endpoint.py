"""The teacher's address and key from the environment, and whether photos may be sent there."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import SplitResult, urlsplit

from vibe_photos.errors import ConfigurationError
from vibe_photos.settings import Annotate, Teacher

MIN_SECRET_LENGTH = 8
"""Shorter keys (`dummy`, `EMPTY`) may be ordinary words: only whole words are masked, and not in answers."""

MASK = "[QWEN_API_KEY]"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server. `base_url` ends before `/chat/completions`; the key is never shown."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)

    @property
    def is_loopback(self) -> bool:
        """Whether the server runs on this machine."""
        return is_loopback(urlsplit(self.base_url).hostname or "")

    def mask_key(self, content: bytes, *, is_answer: bool = False) -> bytes:
        """Return the server's bytes with every copy of the key masked, also escaped ones."""
        if not self.api_key or (is_answer and len(self.api_key) < MIN_SECRET_LENGTH):
            return content
        return _key_pattern(self.api_key).sub(MASK.encode(), content)


@cache
def _key_pattern(key: str) -> re.Pattern[bytes]:
    r"""Match a key in which any character may be escaped: `\/`, `\u002F`, or `%2F` as in an address."""
    spellings = [
        rf"(?:\\{{0,9}}{re.escape(character)}|\\{{1,9}}u00{ord(character):02x}|%{ord(character):02x})"
        for character in key
    ]
    pattern = "".join(spellings)
    if len(key) < MIN_SECRET_LENGTH:
        pattern = rf"(?<!\w){pattern}(?!\w)"
    return re.compile(pattern.encode(), re.IGNORECASE)


def endpoint_from_environment(
    environment: Mapping[str, str], teacher: Teacher, annotate: Annotate
) -> Endpoint:
    """Read `QWEN_BASE_URL` and `QWEN_API_KEY`; check `QWEN_MODEL` against the configured model.

    Raises:
        ConfigurationError: the address is missing, malformed or plain http to another machine, the key
            cannot be sent in a header, or the environment names another model.
    """
    model = environment.get("QWEN_MODEL", "").strip()
    if model and model != teacher.model:
        raise ConfigurationError(
            f"QWEN_MODEL is {model!r} but teacher.model is {teacher.model!r}: answers are kept by model. "
            "Unset QWEN_MODEL, or choose the teacher that you mean (use.teacher, teacher.model)"
        )
    base_url = environment.get("QWEN_BASE_URL", "").strip().rstrip("/")
    if not base_url:
        raise ConfigurationError(
            "QWEN_BASE_URL is not set. It is the address of the teacher's OpenAI-compatible server, e.g.\n"
            "  export QWEN_BASE_URL=http://localhost:8000/v1"
        )
    if not (base_url.isprintable() and " " not in base_url):
        raise ConfigurationError("QWEN_BASE_URL has a space, a line break or another invisible character")
    parts = _split_address(base_url)
    if parts.username or parts.password:
        raise ConfigurationError("QWEN_BASE_URL has a user name or password; put the key into QWEN_API_KEY")
    if parts.query or parts.fragment:
        raise ConfigurationError("QWEN_BASE_URL has a ? or #; it must end before /chat/completions")
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not annotate.allow_plain_http:
        raise ConfigurationError(
            f"QWEN_BASE_URL sends photos unencrypted to {parts.hostname}. Use https, a tunnel "
            "(ssh -L 8000:localhost:8000 HOST), or allow it: annotate.allow_plain_http=true"
        )
    key = environment.get("QWEN_API_KEY", "").strip()
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigurationError("QWEN_API_KEY has characters that are not allowed in an HTTP header")
    return Endpoint(base_url, key or None)


def is_server_configured(environment: Mapping[str, str], teacher: Teacher) -> bool:
    """Return whether there is a server to ask."""
    has_address = bool(environment.get("QWEN_BASE_URL", "").strip())
    return teacher.server == "replay" or (teacher.server == "openai" and has_address)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _split_address(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigurationError(
            "QWEN_BASE_URL is not the address of a server; an example is http://localhost:8000/v1"
        )
    return parts
