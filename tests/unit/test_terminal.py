"""What a terminal is sent of texts from elsewhere."""

import logging

import pytest

from vibe_photos.errors import InputError
from vibe_photos.terminal import escape_control_characters, log_to_terminal, show_error

EVIL = "a\x1b[2Jb\rc\x9b1m\u202etxt.exe\tü 猫\nd"
SEEN = "a\\x1b[2Jb\\rc\\x9b1m\\u202etxt.exe\tü 猫\nd"


def test_control_characters_are_spelled_out_and_text_stays() -> None:
    assert escape_control_characters(EVIL) == SEEN


def test_log_lines_and_errors_hold_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "root", root)
    log_to_terminal()
    root.info("photo %s", EVIL)
    show_error(InputError(EVIL))
    assert capsys.readouterr().err == f"photo {SEEN}\nerror: {SEEN}\n"
