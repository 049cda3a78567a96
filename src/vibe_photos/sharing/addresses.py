"""Addresses of remotes, fit to be shown."""

from urllib.parse import urlsplit, urlunsplit


def hide_credentials(address: str) -> str:
    """Return an address without the password or token that may stand before its host.

    A user's name stays only where no password follows it (`ssh://anna@host/`, `git@host:path`).
    """
    parts = urlsplit(address)
    if "@" not in parts.netloc:
        return address
    user, host = parts.netloc.rsplit("@", 1)
    is_secret = ":" in user or parts.scheme in ("http", "https")
    return urlunsplit(parts._replace(netloc=f"***@{host}")) if is_secret else address
