"""Decoding in a process of its own, with limits on time and memory, for formats that may be hostile.

BMP, GIF, TIFF, WebP, HEIF and AVIF decoders can be made to work without a bound that a header tells, or
have crashed on crafted files. Here the worst they do is end one child process: the photo is recorded and
the run goes on. A child is kept for the next photo; there are as many as threads that decode at a time.
"""

import atexit
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress

import msgspec
from PIL import Image

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.decoder_child import LENGTH, Reply, Request, cut_strips
from vibe_photos.pixels.formats import check_pixels

TIME_LIMIT_SECONDS = 120.0
"""For one photo: ten times what a picture of 250 megapixels takes on one slow core."""


class DecoderProcess:
    """One child process that decodes photo after photo, until it is closed or dies."""

    def __init__(self) -> None:
        # A crafted file that takes the child over finds no keys in its environment.
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "vibe_photos.pixels.decoder_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def decode(self, request: Request, time_limit_seconds: float) -> Image.Image:
        """Return the pixels of one photo.

        Raises:
            DecodeError: as the child says; or it was ended as `too_slow`; or `decoder_died`.
        """
        timer = threading.Timer(time_limit_seconds, self._child.kill)
        timer.start()
        try:
            self._send(msgspec.msgpack.encode(request))
            reply = msgspec.msgpack.decode(self._receive(*LENGTH.unpack(self._receive(4))), type=Reply)
            if reply.reason:
                raise DecodeError(reply.reason, reply.message)
            # A child that a crafted file took over may say anything.
            check_pixels(reply.width, reply.height, request.max_pixels)
            return self._receive_pixels(reply.width, reply.height)
        except (EOFError, BrokenPipeError, msgspec.DecodeError, ValueError):
            self.close()
            if timer.finished.is_set():
                raise DecodeError("too_slow", f"decoding took more than {time_limit_seconds:g} s") from None
            raise DecodeError("decoder_died", f"the decoder ended with {self._child.returncode}") from None
        finally:
            timer.cancel()

    def is_alive(self) -> bool:
        """Tell whether the child can decode another photo."""
        return self._child.poll() is None

    def close(self) -> None:
        """End the child."""
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._child.kill()
        self._child.wait()

    def _send(self, message: bytes) -> None:
        assert self._child.stdin
        self._child.stdin.write(LENGTH.pack(len(message)) + message)
        self._child.stdin.flush()

    def _receive_pixels(self, width: int, height: int) -> Image.Image:
        image = Image.new("RGB", (width, height))
        for top, rows in cut_strips(width, height):
            strip = Image.frombytes("RGB", (width, rows), self._receive(3 * width * rows))
            image.paste(strip, (0, top))
        return image

    def _receive(self, count_bytes: int) -> bytes:
        assert self._child.stdout
        data = self._child.stdout.read(count_bytes)
        if len(data) < count_bytes:
            raise EOFError
        return data


_idle: queue.LifoQueue[DecoderProcess] = queue.LifoQueue()


def decode_apart(
    path: bytes, image_format: str, max_pixels: int, time_limit_seconds: float = TIME_LIMIT_SECONDS
) -> Image.Image:
    """Decode one photo in a child process; parameters and errors as `decode.decode_photo`."""
    try:
        process = _idle.get_nowait()
    except queue.Empty:
        process = DecoderProcess()
    try:
        return process.decode(Request(os.path.abspath(path), image_format, max_pixels), time_limit_seconds)
    finally:
        if process.is_alive():
            _idle.put(process)


@atexit.register
def close_idle_decoders() -> None:
    """End the children that wait for a photo."""
    with suppress(queue.Empty):
        while True:
            _idle.get_nowait().close()
