"""Scan and rescan a library, against reading and listing alone, and against a plain script.

The plain script is what people write first: `Path.rglob`, then every file hashed again through one-megabyte
reads. Files lie in the page cache, so this measures the program and not the disk.
"""

import os
import tempfile
from itertools import count
from pathlib import Path

import msgspec
import xxhash
from benchmarks.rounds import at_least, measure, parse_arguments, print_table, write_results

from vibe_photos.configuration import read_resolved
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Settings

LARGE_FILES = 200
LARGE_BYTES = 3_500_000
SMALL_FILES = 40_000
SMALL_BYTES = 1_000
FILES_IN_A_FOLDER = 500
LONG_AGO_SECONDS = 1_500_000_000


def make_photos(root: Path, count: int, size_bytes: int) -> None:
    """Write files that scan accepts as JPEGs: random bytes between the markers of a JPEG, all different."""
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


def scan(base: Settings, root: Path, work: Path) -> None:
    """Scan a library; manifest and store are in `work`, and a scan into the same is a rescan."""
    library = msgspec.structs.replace(base.library, root=str(root))
    paths = msgspec.structs.replace(base.paths, photos=work / "photos.jsonl")
    scan_library(msgspec.structs.replace(base, library=library, paths=paths), work / "store")


def main() -> None:
    """Print both tables."""
    arguments = parse_arguments(__doc__, rounds=7)
    with tempfile.TemporaryDirectory() as folder:
        large, small, work = (Path(folder) / name for name in ("large", "small", "work"))
        make_photos(large, LARGE_FILES, LARGE_BYTES)
        make_photos(small, SMALL_FILES, SMALL_BYTES)
        base, numbers = read_resolved(Path(__file__).resolve().parent.parent), count()
        first = measure(
            {
                "floor: read every byte": lambda: read_files(large),
                "first scan": lambda: scan(base, large, work / str(next(numbers))),
                "plain script": lambda: hash_plainly(large),
            },
            arguments.rounds,
        )
        again = measure(
            {
                "floor: scandir and stat": lambda: list_files(os.fsencode(small)),
                "rescan, nothing changed": lambda: scan(base, small, work / "again"),
                "plain script": lambda: hash_plainly(small),
            },
            arguments.rounds,
        )
    megabytes = LARGE_FILES * LARGE_BYTES / 1e6
    print_table(f"{LARGE_FILES} photos of 3.5 MB", first, "floor: read every byte", megabytes, "MB")
    print_table(f"{SMALL_FILES} small photos", again, "floor: scandir and stat", SMALL_FILES, "photos")
    read, listed = first["floor: read every byte"], again["floor: scandir and stat"]
    first_share, again_share = read / first["first scan"], listed / again["rescan, nothing changed"]
    reaches = [
        at_least("first scan, share of the read floor", first_share, 0.65, read / first["plain script"]),
        at_least("rescan, share of scandir and stat", again_share, 0.6, listed / again["plain script"]),
    ]
    write_results(arguments.json, {"first scan": first, "rescan": again}, reaches)


if __name__ == "__main__":
    main()
