"""Decoding in a process of its own, with limits on time and memory, for formats that may be hostile.

BMP, GIF, TIFF, WebP, HEIF and AVIF decoders can be made to work without a bound that a header tells, or
have crashed on crafted files. Here the worst they do is end one child process: the photo is recorded and
the run goes on. A child is kept for the next photo; there are as many as threads that decode at a time.
"""

import atexit
import os
import queue
import resource
import signal
import struct
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from typing import BinaryIO

import msgspec
from PIL import Image

from vibe_photos.errors import DecodeError
from vibe_photos.library.pixels import read_pixels

TIME_LIMIT_SECONDS = 120.0
"""For one photo: ten times what a picture of 250 megapixels takes on one slow core."""

_BASE_MEMORY_BYTES = 2 << 30
_MEMORY_BYTES_PER_PIXEL = 16
_LENGTH = struct.Struct("<I")


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What the child is to decode."""

    path: bytes
    image_format: str
    max_pixels: int


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What became of it: a size, with `width * height * 3` bytes of RGB to follow, or why not."""

    width: int = 0
    height: int = 0
    reason: str = ""
    message: str = ""


class DecoderProcess:
    """One child process that decodes photo after photo, until it is closed or dies."""

    def __init__(self) -> None:
        # A crafted file that takes the child over finds no keys in its environment.
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "vibe_photos.library.decoder_process"],
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
            reply = msgspec.msgpack.decode(self._receive(*_LENGTH.unpack(self._receive(4))), type=Reply)
            if reply.reason:
                raise DecodeError(reply.reason, reply.message)
            size = (reply.width, reply.height)
            return Image.frombytes("RGB", size, self._receive(3 * reply.width * reply.height))
        except (EOFError, BrokenPipeError):
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
        self._child.stdin.write(_LENGTH.pack(len(message)) + message)
        self._child.stdin.flush()

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


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until there are no more: the child's whole life."""
    while length := requests.read(_LENGTH.size):
        request = msgspec.msgpack.decode(requests.read(*_LENGTH.unpack(length)), type=Request)
        pixels = b""
        try:
            limit_memory(request.max_pixels)
            with open(os.fsdecode(request.path), "rb") as file:
                image = read_pixels(file, request.image_format, request.max_pixels)
            reply, pixels = Reply(*image.size), image.tobytes()
        except DecodeError as error:
            reply = Reply(reason=error.reason, message=str(error))
        except OSError as error:
            reply = Reply(reason="unreadable", message=error.strerror or str(error))
        except MemoryError:
            reply = Reply(reason="too_much_memory", message="decoding takes more memory than is allowed")
        message = msgspec.msgpack.encode(reply)
        replies.write(_LENGTH.pack(len(message)) + message)
        replies.write(pixels)
        replies.flush()


def limit_memory(max_pixels: int) -> None:
    """Cap this process's address space at what honest pictures of so many pixels take."""
    wanted = _BASE_MEMORY_BYTES + _MEMORY_BYTES_PER_PIXEL * max_pixels
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def main() -> None:
    """Be the child: requests from standard input, replies to standard output, nothing else to either."""
    # Ctrl-C reaches the whole foreground group, and the parent decides when its children end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None
    replies = os.fdopen(os.dup(1), "wb")
    # Libraries complain about crafted files on both outputs.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
