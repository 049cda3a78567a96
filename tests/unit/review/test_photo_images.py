import io
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from PIL import Image

from vibe_photos.errors import DecodeError
from vibe_photos.records.photos import Photo
from vibe_photos.review.photo_images import PhotoImages, encode_photo

MAX_PIXELS = 10**7


def write_photo(path: Path, size: tuple[int, int] = (400, 200), **options: object) -> Photo:
    Image.effect_noise(size, 60).convert("RGB").save(path, "JPEG", **options)
    return name_photo(path.name, path.stat().st_size)


def name_photo(name: str, size_bytes: int = 1) -> Photo:
    return Photo(image_id=f"id-{name}", rel_path=name, bytes=size_bytes, format="JPEG")


@contextmanager
def open_images(root: Path, cache_bytes: int = 1 << 20) -> Iterator[PhotoImages]:
    with closing(PhotoImages(root, MAX_PIXELS, cache_bytes)) as images:
        yield images


def read(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("size", "edge_px", "shown"),
    [
        ((400, 200), 100, (100, 50)),
        ((200, 400), 100, (50, 100)),
        ((90, 30), 100, (90, 30)),
        ((900, 1), 100, (100, 1)),
    ],
    ids=["wide", "tall", "small", "thin"],
)
def test_the_longer_edge_fits_and_nothing_is_enlarged(
    tmp_path: Path, size: tuple[int, int], edge_px: int, shown: tuple[int, int]
) -> None:
    write_photo(tmp_path / "a.jpg", size)
    assert read(encode_photo(tmp_path / "a.jpg", edge_px, MAX_PIXELS)).size == shown


def test_it_is_upright_and_says_nothing_of_where_and_when(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    write_photo(tmp_path / "a.jpg", exif=exif, comment=b"SECRET", icc_profile=b"SECRET profile")
    data = encode_photo(tmp_path / "a.jpg", 1600, MAX_PIXELS)
    image = read(data)
    assert image.size == (200, 400)
    assert not image.getexif()
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert b"SECRET" not in data


def test_what_cannot_be_read_raises_and_is_tried_again(tmp_path: Path) -> None:
    with open_images(tmp_path) as images:
        with pytest.raises(DecodeError) as missing:
            images.request_jpeg(name_photo("a.jpg"), 100).result()
        assert missing.value.reason == "missing"
        photo = write_photo(tmp_path / "a.jpg")
        assert read(images.request_jpeg(photo, 100).result()).size == (100, 50)


def test_a_picture_with_too_many_pixels_is_refused(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", (400, 200))
    with pytest.raises(DecodeError, match="more than the 1000"):
        encode_photo(tmp_path / "a.jpg", 100, 1000)


def test_memory_stays_within_its_bound_while_paging_and_the_oldest_go(tmp_path: Path) -> None:
    photos = [write_photo(tmp_path / f"{number}.jpg") for number in range(30)]
    room_bytes = 4 * len(encode_photo(tmp_path / "0.jpg", 200, MAX_PIXELS))
    most_bytes = 0
    with open_images(tmp_path, room_bytes) as images:
        for photo in photos:
            images.request_jpeg(photo, 200).result()
            images.request_jpeg(photos[0], 200).result()
            most_bytes = max(most_bytes, images.cached_bytes)
        assert room_bytes / 2 < most_bytes <= room_bytes
        # What was looked at again and again is still there, though its file is gone; the others are not.
        for path in tmp_path.iterdir():
            path.unlink()
        assert images.request_jpeg(photos[0], 200).result()
        with pytest.raises(DecodeError):
            images.request_jpeg(photos[1], 200).result()


def test_a_photo_larger_than_the_whole_memory_is_shown_and_not_kept(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.jpg")
    with open_images(tmp_path, 10) as images:
        assert images.request_jpeg(photo, 200).result()
        assert images.cached_bytes == 0


def test_many_who_want_one_photo_at_once_share_one_decoding(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.jpg", (2000, 1500))
    with open_images(tmp_path) as images:
        futures = [images.request_jpeg(photo, 1000) for _ in range(20)]
        wait(futures)
        assert len({id(future.result()) for future in futures}) == 1


def test_threads_that_page_at_once_leave_the_count_right(tmp_path: Path) -> None:
    photos = [write_photo(tmp_path / f"{number}.jpg") for number in range(6)]
    with open_images(tmp_path) as images:

        def page(first: int) -> None:
            for turn in range(12):
                images.request_jpeg(photos[(first + turn) % 6], 100 + 50 * (turn % 2)).result()

        threads = [threading.Thread(target=page, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sizes = [
            len(images.request_jpeg(photo, edge_px).result()) for photo in photos for edge_px in (100, 150)
        ]
        assert images.cached_bytes == sum(sizes)
