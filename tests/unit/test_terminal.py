"""What a terminal is sent of texts from elsewhere."""

import logging
import os
import pty
import subprocess
import sys
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


def read_terminal(program: str) -> str:
    """Return what a program writes to a terminal."""
    reading, terminal = pty.openpty()
    subprocess.run([sys.executable, "-c", program], stdout=terminal, stderr=terminal, check=True)
    os.close(terminal)
    written = b""
    with os.fdopen(reading, "rb", buffering=0) as file:
        try:
            while some := file.read(4096):
                written += some
        except OSError:  # Linux says so at the end
            pass
    return written.decode()


def test_what_a_command_prints_to_a_terminal_holds_none() -> None:
    program = (
        "from vibe_photos.terminal import run_command;"
        f"import sys; sys.exit(run_command(lambda: print({EVIL!r})))"
    )
    assert read_terminal(program) == SEEN.replace("\n", "\r\n") + "\r\n"
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert piped.decode() == EVIL + "\n"


def test_a_log_line_takes_the_place_of_a_progress_line() -> None:
    program = (
        "import logging, sys; from vibe_photos.terminal import log_to_terminal; log_to_terminal();"
        "sys.stderr.write('done=3'); logging.warning('a photo failed')"
    )
    assert read_terminal(program) == "done=3\r\x1b[Ka photo failed\r\n"


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
