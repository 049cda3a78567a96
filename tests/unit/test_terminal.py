"""What a terminal is sent of texts from elsewhere."""

import logging
import warnings
from pathlib import Path

import pytest
from PIL import Image

from vibe_photos.errors import InputError
from vibe_photos.pixels.decode import decode_photo
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


def test_a_librarys_warning_names_the_photo_every_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "broken.jpg"
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0"  # says that five entries follow
    Image.new("RGB", (8, 8)).save(file, exif=exif)
    with warnings.catch_warnings():
        log_to_terminal()
        for _ in range(2):
            decode_photo(file, max_pixels=100)
    said = [message for message in caplog.messages if "Corrupt EXIF data" in message]
    assert len(said) >= 2
    assert all(message.startswith(f"{file}: ") for message in said)
