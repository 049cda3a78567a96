import io
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from vibe_photos.pixels.near_duplicates import cut_large_groups, find_leaders, group_near_duplicates
from vibe_photos.pixels.perceptual_hash import find_framed, perceptual_hashes
from vibe_photos.records.photos import FEATURELESS


@cache
def draw_scene(seed: int, width: int = 640, height: int = 480) -> Image.Image:
    """A picture whose detail falls off with frequency as in photos (amplitude 1/f), in random colours."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width)[None, :] * width)
    spectrum = np.fft.fft2(rng.normal(size=(height, width))) / np.maximum(frequency, 1.0)
    grey = np.fft.ifft2(spectrum).real
    grey = 128 + 50 * (grey - grey.mean()) / grey.std()
    tint = rng.uniform(0.7, 1.0, 3)
    return Image.fromarray((grey[..., None] * tint).clip(0, 255).astype(np.uint8))


def distance(a: Image.Image, b: Image.Image) -> int:
    """Bits between the one as a whole and the nearest hash of the other, whichever is the one."""
    hashes_a, hashes_b = perceptual_hashes(a), perceptual_hashes(b)
    return int(
        min(np.bitwise_count(hashes_a[0] ^ hashes_b).min(), np.bitwise_count(hashes_b[0] ^ hashes_a).min())
    )


def compress(image: Image.Image, **options: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return Image.open(buffer)


def crop(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    margin_x, margin_y = round(width * share / 2), round(height * share / 2)
    return image.crop((margin_x, margin_y, width - margin_x, height - margin_y))


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Cut these shares of width and height off the sides."""
    width, height = image.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return image.crop(tuple(map(round, box)))


def as_array(rows: list[list[int]]) -> np.ndarray:
    return np.array(rows, dtype=np.uint64).reshape(len(rows), -1 if rows else 1)


def is_near(a: list[int], b: list[int], max_distance: int) -> bool:
    near = [(a[0], window) for window in b] + [(b[0], window) for window in a]
    return any(FEATURELESS not in pair and (pair[0] ^ pair[1]).bit_count() <= max_distance for pair in near)


def group_all_pairs(hashes: list[list[int]], max_distance: int) -> list[int]:
    """The definition: groups are the connected parts of the graph of near pairs."""
    labels = list(range(len(hashes)))
    for i, a in enumerate(hashes):
        for j, b in enumerate(hashes[:i]):
            if is_near(a, b, max_distance) and labels[i] != labels[j]:
                low, high = sorted((labels[i], labels[j]))
                labels = [low if label == high else label for label in labels]
    return labels


def show_in_frame(image: Image.Image, width: int, height: int, level: int) -> Image.Image:
    """A screen of one level with the picture as wide as it, in the middle, and a clock in its upper bar."""
    screen = Image.new("RGB", (width, height), (level,) * 3)
    shown = image.resize((width, round(width * image.height / image.width)))
    screen.paste(shown, (0, (height - shown.height) // 2))
    screen.paste((128, 128, 128), (width // 10, 10, width // 5, 30))
    return screen


TWINS = {
    "compressed": lambda image: compress(image, quality=40),
    "smaller": lambda image: image.resize((320, 240), Image.Resampling.LANCZOS),
    "decoded at a quarter": lambda image: compress(image, quality=90).reduce(4),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "paler": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    "grey": lambda image: image.convert("L"),
    "cropped by 2 %": lambda image: crop(image, 0.02),
    "6 % off the left": lambda image: cut(image, 0.06, 0, 0, 0),
    "6 % off the right": lambda image: cut(image, 0, 0, 0.06, 0),
    "6 % off above": lambda image: cut(image, 0, 0.06, 0, 0),
    "6 % off below": lambda image: cut(image, 0, 0, 0, 0.06),
    "6 % off two sides": lambda image: cut(image, 0.06, 0.06, 0, 0),
    "6 % off every side": lambda image: cut(image, 0.06, 0.06, 0.06, 0.06),
    "10 % off every side": lambda image: cut(image, 0.1, 0.1, 0.1, 0.1),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "upside down": lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned by 180 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "turned by 270 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "transposed": lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    "transversed": lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    "black bars": lambda image: show_in_frame(image, 540, 1170, 0),
    "white bars": lambda image: show_in_frame(image, 540, 1170, 255),
}


@pytest.mark.parametrize("change", TWINS)
def test_twins_are_near(change):
    distances = [distance(scene, TWINS[change](scene)) for scene in map(draw_scene, range(20))]
    assert np.median(distances) <= 4
    assert np.mean(np.array(distances) <= 6) >= 0.9


def test_different_pictures_are_far():
    hashes = np.array([perceptual_hashes(draw_scene(seed, 160, 120)) for seed in range(200)])
    distances = np.bitwise_count(hashes[:, :1] ^ hashes[None, :, 0])[np.triu_indices(200, 1)]
    assert distances.min() > 10
    assert 28 < distances.mean() < 36
    assert group_near_duplicates(hashes, 6).tolist() == list(range(200))


def test_the_hash_of_known_pixels():
    # One cosine, of two half waves across: its one coefficient, at row 0 and column 2, is above the
    # median, which is 0; so are those that rounding to whole levels makes positive. The first bit is
    # always set.
    wave = 128 + 100 * np.cos(2 * (2 * np.arange(32) + 1) * np.pi / 64)
    image = Image.fromarray(np.tile(np.rint(wave).astype(np.uint8), (32, 1)))
    bits = f"{int(perceptual_hashes(image)[0]):064b}"
    assert (bits[0], bits[2]) == ("1", "1")
    # All rows are the same, so nothing changes downwards: rows 1 to 7 are zero, and not above zero.
    assert set(bits[8:]) == {"0"}


@pytest.mark.parametrize("level", [0, 17, 255])
def test_blank_pictures_are_featureless(level):
    assert set(perceptual_hashes(Image.new("RGB", (300, 200), (level,) * 3)).tolist()) == {FEATURELESS}


def test_a_blank_page_with_noise_is_featureless_and_a_written_one_is_not():
    noise = np.random.default_rng(0).normal(245, 4, (1200, 900))
    page = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    assert perceptual_hashes(page)[0] == FEATURELESS
    written = page.copy()
    for row in range(100, 1100, 60):
        written.paste(40, (90, row, 700, row + 20))
    assert perceptual_hashes(written)[0] != FEATURELESS


def test_a_window_without_the_only_detail_is_featureless():
    page = Image.new("L", (320, 320), 250)
    page.paste(0, (0, 0, 12, 320))
    is_blank = perceptual_hashes(page) == FEATURELESS
    # Of an edge: all, without the left, without the right, without both; four rows of these.
    assert is_blank[:16].tolist() == [False, True, False, True] * 4


def test_the_box_within_a_frame():
    pixels = np.full((128, 128), 250.0)
    pixels[40:90, 30:100] = np.random.default_rng(0).uniform(0, 200, (50, 70))
    pixels[4:8, 10:25] = 0  # a clock: 15 of 128 pixels of a row
    assert find_framed(pixels) == (30, 40, 100, 90)


def test_a_page_of_text_is_no_photo_in_a_frame():
    page = np.full((128, 128), 250.0)
    for row in range(16, 112, 6):
        page[row : row + 2, 16:112] = 0  # two dark rows of six: two thirds of the box are background
    assert find_framed(page) is None


@pytest.mark.parametrize("level", [0, 250])
def test_a_plain_picture_has_no_frame(level):
    assert find_framed(np.full((128, 128), float(level))) is None


def test_featureless_pictures_stay_alone():
    rows = [[FEATURELESS], [2**63], [FEATURELESS], [2**63], [FEATURELESS]]
    assert group_near_duplicates(as_array(rows), 6).tolist() == [0, 1, 2, 1, 4]


def test_windows_are_compared_with_wholes_and_not_with_windows():
    a, b, c = 2**63, 2**63 | 0xFFFF, 2**63 | 0xFFFF0000
    window = 0x5555555555555555
    assert group_near_duplicates(as_array([[a, window], [b, window], [c, b]]), 6).tolist() == [0, 1, 1]


def test_groups_are_closed_over_chains():
    chain = [2**63 | ((1 << 6 * step) - 1) for step in range(6)]
    rows = as_array([[bits] for bits in chain])
    assert group_near_duplicates(rows, 6).tolist() == [0] * 6
    assert group_near_duplicates(rows, 5).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_chain_that_is_too_large_is_cut_where_its_pictures_differ_most():
    # Steps of 1, 1, 5, 1, 1 bits: one group at a distance of 6; two of three pictures each below 5.
    chain = [2**63 | ((1 << bits) - 1) for bits in (0, 1, 2, 7, 8, 9)]
    rows = as_array([[bits] for bits in chain])
    groups = group_near_duplicates(rows, 6)
    assert groups.tolist() == [0] * 6
    assert cut_large_groups(rows, groups, 6, largest=6).tolist() == [0] * 6
    assert cut_large_groups(rows, groups, 6, largest=3).tolist() == [0, 0, 0, 3, 3, 3]


def test_equal_pictures_beyond_the_largest_group_are_cut_in_order():
    rows = as_array([[2**63]] * 5 + [[2**62]] * 2)
    groups = group_near_duplicates(rows, 6)
    assert cut_large_groups(rows, groups, 1, largest=2).tolist() == [0, 0, 2, 2, 4, 5, 5]


def test_none_at_all():
    assert group_near_duplicates(as_array([]), 6).tolist() == []


@given(
    centres=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=6),
    flips=st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(0, 63), max_size=7)), max_size=40),
    max_distance=st.integers(0, 16),
)
def test_groups_are_those_of_all_pairs(centres, flips, max_distance):
    bits = [centres[index % len(centres)] ^ sum(1 << bit for bit in bits) for index, bits in flips]
    # No two pictures that are equal as a whole: of such the first one's windows speak for all.
    wholes = list(dict.fromkeys(bits))
    # Where the whole is featureless, so is every window.
    hashes = [
        [whole, window if whole else FEATURELESS] for whole, window in zip(wholes, bits[::-1], strict=False)
    ]
    labels = group_near_duplicates(as_array(hashes), max_distance)
    assert labels.tolist() == group_all_pairs(hashes, max_distance)


@pytest.mark.parametrize("few", [0, 1_000_000])
def test_many_hashes_keep_exactly_their_planted_twins(monkeypatch, few):
    monkeypatch.setattr("vibe_photos.pixels.near_duplicates._FEW_PICTURES", few)
    rng = np.random.default_rng(1)
    hashes = rng.integers(1, 2**64, 20_000, dtype=np.uint64)
    hashes[:1000] = hashes[1000:2000] ^ np.uint64(0b111111)
    labels = group_near_duplicates(hashes[:, None], 6)
    assert labels[1000:2000].tolist() == list(range(1000))
    assert len(np.unique(labels)) == 19_000


def test_leaders_are_the_first_of_their_kind_and_later_pictures_change_nothing() -> None:
    # A chain in steps of 4 bits: each is near (6 bits) only to its neighbours.
    chain = [np.uint64(0x5A5A5A5A5A5A5A5A) ^ np.uint64((1 << 4 * step) - 1) for step in range(5)]
    hashes = np.array([chain[0], chain[2], chain[1], chain[4], chain[3]], np.uint64)[:, None]
    assert find_leaders(hashes, 6).tolist() == [0, 1, 0, 3, 1]
    for reach in range(6):
        assert find_leaders(hashes[:reach], 6).tolist() == [0, 1, 0, 3, 1][:reach]
    assert find_leaders(np.zeros((3, 1), np.uint64), 6).tolist() == [0, 1, 2]
