"""Hide credentials in the addresses of remotes."""

import re

_SECRET_PARAMETER = re.compile(
    r"[?&#;][^=&#;]*(secret|passw|token|key|sig|auth|credential)[^=&#;]*=[^&#;]", re.IGNORECASE
)
_PARAMETER = re.compile(r"([?&#;])([^=&#;]+)(=[^&#;]*)?")
_HOST = re.compile(r"(\[[^]]*\]|[^:]*)(:\d*)?")
_SCP_PASSWORD = re.compile(r"^[^/\\@:]+:[^/\\@]+@")
_URL_IN_TEXT = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\"]+")


def hide_credentials(address: str) -> str:
    """Return an address without its password or token and without the values of its query.

    A user name without a password is kept (`ssh://anna@host/`, `git@host:path`), except in HTTP addresses,
    where it may be a token.
    """
    if "://" not in address:
        return _SCP_PASSWORD.sub("***@", address)
    scheme, user, place, query = _split_url(address)
    if _is_secret(scheme, user):
        user = "***"
    query = _PARAMETER.sub(lambda found: f"{found[1]}{found[2]}=***" if found[3] else f"{found[1]}***", query)
    return f"{scheme}://{user}{'@' if user else ''}{place}{query}"


def hide_credentials_in(text: str) -> str:
    """Return a text with the credentials of all URLs hidden."""
    return _URL_IN_TEXT.sub(lambda url: hide_credentials(url[0]), text)


def has_credentials(address: str) -> bool:
    """Return whether an address holds a password, a token or another secret."""
    if "://" not in address:
        return bool(_SCP_PASSWORD.match(address))
    scheme, user, _, query = _split_url(address)
    return _is_secret(scheme, user) or bool(_SECRET_PARAMETER.search(query))


def _is_secret(scheme: str, user: str) -> bool:
    return ":" in user or (bool(user) and scheme.lower() in ("http", "https"))


def _split_url(address: str) -> tuple[str, str, str, str]:
    """Return scheme, user with password, host with path, and query with fragment; each may be empty."""
    scheme, _, rest = address.partition("://")
    end = len(re.split("[/?#]", rest, maxsplit=1)[0])
    if "@" not in rest[:end] and not _HOST.fullmatch(rest[:end]):
        # No host: the beginning of a password with one of these characters, which ends before the last "@".
        end = len(rest)
    user, _, host = rest[:end].rpartition("@")
    place = host + rest[end:]
    start = len(re.split("[?#]", place, maxsplit=1)[0])
    return scheme, user, place[:start], place[start:]
