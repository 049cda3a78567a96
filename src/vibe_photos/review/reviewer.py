"""The reviewer's name, which is also a file name."""

import getpass
import re
import subprocess
import unicodedata

from vibe_photos.errors import ConfigurationError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_reviewer(name: str) -> str:
    """Return the name, if it can be a file name.

    Raises:
        ConfigurationError: it has other characters than letters, digits, `-`, `_` and `.`.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"--reviewer {name!r}: a reviewer's name is also a file's name; use letters, digits, - _ and ., "
            "beginning with a letter or digit"
        )
    return name


def guess_reviewer() -> str:
    """Return git's `user.name` as a name for a log, else the login name, else `reviewer`."""
    return _slug(_read_git_name()) or _slug(_read_login()) or "reviewer"


def _read_git_name() -> str:
    try:
        found = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return found.stdout


def _read_login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _slug(name: str) -> str:
    """Write a name in lower-case ASCII letters and digits: `Ada Lovelace` is `ada-lovelace`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall(r"[a-z0-9]+", plain))[:64].strip("-")
