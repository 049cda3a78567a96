"""Scan and rescan a library, against reading and listing alone, and against a plain script.

The plain script is what people write first: `Path.rglob`, then every file hashed again through one-megabyte
reads. Files lie in the page cache, so this measures the program and not the disk.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import xxhash
from benchmarks.rounds import at_least, measure, parse_arguments, print_table, write_results

from vibe_photos.scan.stage import find_photos, scan_library
from vibe_photos.settings import Library

LARGE_FILES = 200
LARGE_BYTES = 3_500_000
SMALL_FILES = 40_000
SMALL_BYTES = 1_000
FILES_IN_A_FOLDER = 500
LONG_AGO_SECONDS = 1_500_000_000


def make_photos(root: Path, count: int, size_bytes: int) -> None:
    """Write files that scan takes for JPEGs: the markers of one around random bytes, none like another."""
    for number in range(count):
        folder = root / f"{number // FILES_IN_A_FOLDER:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"IMG_{number:06d}.jpg"
        path.write_bytes(b"\xff\xd8\xff\xda" + os.urandom(size_bytes - 6) + b"\xff\xd9")
        os.utime(path, (LONG_AGO_SECONDS, LONG_AGO_SECONDS))


def read_files(root: Path) -> None:
    """The floor of a first scan: every byte read once, into one buffer."""
    buffer = bytearray(1 << 18)
    for path in sorted(root.rglob("*.jpg")):
        file = os.open(path, os.O_RDONLY)
        while os.readv(file, [buffer]):
            pass
        os.close(file)


def list_files(folder: bytes) -> None:
    """The floor of a rescan: every entry listed and its status asked for."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                list_files(entry.path)
            else:
                entry.stat()


def hash_plainly(root: Path) -> dict[Path, str]:
    """The plain script."""
    hashes = {}
    for path in root.rglob("*"):
        if path.is_file() and path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            hasher = xxhash.xxh64()
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    hasher.update(block)
            hashes[path] = hasher.hexdigest()
    return hashes


def describe_library(root: Path) -> Library:
    """Return the settings of a library at `root`."""
    return Library(
        root=str(root), content_hash="xxh3_128", extensions=["jpg", "jpeg", "png"], skip_folders=[".*"]
    )


def scan_anew(root: Path, work: Path) -> Callable[[], object]:
    """Return a first scan: each with a store of its own."""
    return lambda: find_photos(describe_library(root), Path(tempfile.mkdtemp(dir=work)))


def scan_again(root: Path, work: Path) -> Callable[[], object]:
    """Return a whole rescan of a library that has not changed, manifest and all."""
    library, out = describe_library(root), work / "out"
    return lambda: scan_library(library, out / "photos.jsonl", out / "problems.jsonl", out / "store")


def main() -> None:
    """Print both tables."""
    arguments = parse_arguments(__doc__, rounds=7)
    with tempfile.TemporaryDirectory() as folder:
        large, small, work = (Path(folder) / name for name in ("large", "small", "work"))
        work.mkdir()
        make_photos(large, LARGE_FILES, LARGE_BYTES)
        make_photos(small, SMALL_FILES, SMALL_BYTES)
        first = measure(
            {
                "floor: read every byte": lambda: read_files(large),
                "first scan": scan_anew(large, work),
                "plain script": lambda: hash_plainly(large),
            },
            arguments.rounds,
        )
        again = measure(
            {
                "floor: scandir and stat": lambda: list_files(os.fsencode(small)),
                "rescan, nothing changed": scan_again(small, work),
                "plain script": lambda: hash_plainly(small),
            },
            arguments.rounds,
        )
    megabytes = LARGE_FILES * LARGE_BYTES / 1e6
    print_table(f"{LARGE_FILES} photos of 3.5 MB", first, "floor: read every byte", megabytes, "MB")
    print_table(f"{SMALL_FILES} small photos", again, "floor: scandir and stat", SMALL_FILES, "photos")
    read, listed = first["floor: read every byte"], again["floor: scandir and stat"]
    reaches = [
        at_least(
            "first scan, share of the read floor",
            read / first["first scan"],
            0.65,
            read / first["plain script"],
        ),
        at_least(
            "rescan, share of scandir and stat",
            listed / again["rescan, nothing changed"],
            0.6,
            listed / again["plain script"],
        ),
    ]
    write_results(arguments.json, {"first scan": first, "rescan": again}, reaches)


if __name__ == "__main__":
    main()
