import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tests.unit.pictures import draw_picture, encode_picture

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.decoder_process import DecoderProcess, Request, close_idle_decoders, decode_apart


@pytest.fixture
def webp(tmp_path):
    path = tmp_path / "a.webp"
    path.write_bytes(encode_picture(draw_picture(0), "WEBP"))
    return os.fsencode(path)


@pytest.fixture
def process():
    process = DecoderProcess()
    yield process
    process.close()


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def test_one_child_decodes_photo_after_photo(process, webp):
    request = Request(webp, "WEBP", 10_000)
    assert process.decode(request, 60.0).size == process.decode(request, 60.0).size == (96, 64)
    with pytest.raises(DecodeError) as error:
        process.decode(Request(webp, "WEBP", 10), 60.0)
    assert error.value.reason == "too_many_pixels"
    with pytest.raises(DecodeError) as error:
        process.decode(Request(webp + b"x", "WEBP", 10), 60.0)
    assert error.value.reason == "unreadable"
    assert process.decode(request, 60.0).size == (96, 64)


def test_a_photo_that_takes_too_long_ends_its_child_only(process, tmp_path):
    os.mkfifo(tmp_path / "endless")
    with pytest.raises(DecodeError) as error:
        process.decode(Request(os.fsencode(tmp_path / "endless"), "WEBP", 10_000), 0.2)
    assert error.value.reason == "too_slow"
    assert not process.is_alive()


def test_a_decoder_that_crashes_is_a_reason(process, tmp_path, webp):
    assert process.decode(Request(webp, "WEBP", 10_000), 60.0)
    os.kill(process._child.pid, signal.SIGSEGV)
    with pytest.raises(DecodeError) as error:
        process.decode(Request(webp, "WEBP", 10_000), 60.0)
    assert error.value.reason == "decoder_died"


def test_the_next_photo_gets_a_new_child(tmp_path, webp):
    os.mkfifo(tmp_path / "endless")
    with pytest.raises(DecodeError):
        decode_apart(os.fsencode(tmp_path / "endless"), "WEBP", 10_000, time_limit_seconds=0.2)
    assert decode_apart(webp, "WEBP", 10_000).size == (96, 64)


def test_more_memory_than_allowed_is_a_reason_and_does_not_end_the_run():
    # The whole child may use 2 GiB and 16 bytes a pixel: reserving more fails there, not here.
    code = (
        "from vibe_photos.pixels.decoder_process import limit_memory; limit_memory(1_000_000)\n"
        "try: bytearray(3 << 30)\n"
        "except MemoryError: print('refused')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "refused\n"


def test_idle_children_end_when_asked_and_see_no_keys(webp, monkeypatch):
    close_idle_decoders()
    monkeypatch.setenv("QWEN_API_KEY", "canary")
    before = children()
    decode_apart(webp, "WEBP", 10_000)
    (child,) = children() - before
    with open(f"/proc/{child}/environ", "rb") as file:
        assert b"canary" not in file.read()
    close_idle_decoders()
    deadline = time.monotonic() + 10
    while child in children() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert child not in children()
