"""Decode in a child process, with limits on time and memory, for formats that may be malicious.

Crafted BMP, GIF, TIFF, WebP, HEIF, AVIF and JPEG XL files can make a decoder run much longer than the header
suggests, or crash it. Then only the child process ends: the photo becomes a problem record and the run
continues. A child is reused for the next photo; there is one per decoding thread.

Parent and child exchange a request and a reply in MessagePack, then the pixels. Nothing is unpickled, because
a crafted file may have taken control of the child.
"""

import atexit
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import msgspec
from PIL import Image

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.conversion import read_pixels

TIME_LIMIT_SECONDS = 120.0
"""Per photo: ten times what a picture of 250 megapixels takes on one slow core."""

_BASE_MEMORY_BYTES = 2 << 30
_MEMORY_BYTES_PER_PIXEL = 16
_STRIP_BYTES = 1 << 19
_MAX_REPLY_BYTES = 1 << 16


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A photo to decode."""

    path: bytes
    image_format: str
    max_pixels: int


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The size of the picture whose RGB pixels follow in strips, or the reason of the error."""

    width: int = 0
    height: int = 0
    reason: str = ""
    message: str = ""


class DecoderProcess:
    """A child process that decodes one photo after another, until it is closed or dies."""

    def __init__(self) -> None:
        # A crafted file that takes control of the child must find no keys in its environment.
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        self._connection, childs_end = Pipe()
        with childs_end:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "vibe_photos.pixels.decoder_process", str(childs_end.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[childs_end.fileno()],
                env=kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def decode(self, request: Request, time_limit_seconds: float) -> Image.Image:
        """Return the pixels of one photo.

        Raises:
            DecodeError: the child's reason, or `too_slow`, or `decoder_died`.
        """
        killer = threading.Timer(time_limit_seconds, self._child.kill)
        started_at = time.monotonic()
        killer.start()
        try:
            self._connection.send_bytes(msgspec.msgpack.encode(request))
            reply = msgspec.msgpack.decode(self._connection.recv_bytes(_MAX_REPLY_BYTES), type=Reply)
            if reply.reason:
                raise DecodeError(reply.reason, reply.message)
            if reply.width * reply.height > request.max_pixels:
                raise ValueError("more pixels than were allowed")
            return self._receive_pixels(reply.width, reply.height)
        except DecodeError:
            raise
        except (EOFError, OSError, msgspec.DecodeError, ValueError):
            self.close()
            if time.monotonic() - started_at >= time_limit_seconds:
                raise DecodeError("too_slow", f"decoding took more than {time_limit_seconds:g} s") from None
            raise DecodeError("decoder_died", f"the decoder ended with {self._child.returncode}") from None
        except BaseException:
            # Ctrl-C: the rest of this photo must not become the next photo's pixels.
            self.close()
            raise
        finally:
            killer.cancel()

    def _receive_pixels(self, width: int, height: int) -> Image.Image:
        image = Image.new("RGB", (width, height))
        for top, rows in _cut_strips(width, height):
            strip = self._connection.recv_bytes(3 * width * rows)
            image.paste(Image.frombytes("RGB", (width, rows), strip), (0, top))
        return image

    def is_alive(self) -> bool:
        """Return whether the child can decode another photo."""
        return self._child.poll() is None

    def close(self) -> None:
        """End the child."""
        self._connection.close()
        self._child.kill()
        self._child.wait()


_idle: queue.LifoQueue[DecoderProcess] = queue.LifoQueue()


def decode_apart(
    path: bytes, image_format: str, max_pixels: int, time_limit_seconds: float = TIME_LIMIT_SECONDS
) -> Image.Image:
    """Decode one photo in a child process; parameters and errors as in `decode.decode_photo`."""
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
    """End the child processes that wait for a photo."""
    with suppress(queue.Empty):
        while True:
            _idle.get_nowait().close()


def serve(connection: Connection) -> None:
    """Answer requests until the parent closes its end; runs in the child."""
    while True:
        try:
            request = msgspec.msgpack.decode(connection.recv_bytes(), type=Request)
        except EOFError:
            return
        image = None
        try:
            limit_memory(0)
            with open(request.path, "rb") as file:
                image = read_pixels(file, request.image_format, request.max_pixels, prepare_for=limit_memory)
            reply = Reply(*image.size)
        except DecodeError as error:
            reply = Reply(reason=error.reason, message=str(error)[:10_000])
        except OSError as error:
            reply = Reply(reason="unreadable", message=error.strerror or str(error))
        connection.send_bytes(msgspec.msgpack.encode(reply))
        if image is not None:
            for top, rows in _cut_strips(*image.size):
                connection.send_bytes(image.crop((0, top, image.width, top + rows)).tobytes())


def _cut_strips(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the number of rows of strips that fit in the processor's cache."""
    rows = max(1, _STRIP_BYTES // (3 * width))
    return ((top, min(rows, height - top)) for top in range(0, height, rows))


def limit_memory(pixels: int) -> None:
    """Limit this process's address space to what a normal picture with that many pixels needs."""
    wanted = _BASE_MEMORY_BYTES + _MEMORY_BYTES_PER_PIXEL * pixels
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def main() -> None:
    """Run the child; the argument is the file descriptor of the connection to the parent."""
    # Ctrl-C reaches all processes of the terminal; the parent ends its children itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None
    # Drop the messages that C libraries print about crafted files.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
