import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from tests.unit.tiny_models import draw_photo

from vibe_photos.encoders.hog import HogEncoder, _describe_gradients

encoder = HogEncoder("hog-0")


def embed(image: Image.Image) -> np.ndarray:
    return encoder.encode(encoder.preprocess(image)[np.newaxis])[0]


def test_vectors_are_unit_float32_of_the_stated_dimension() -> None:
    vectors = encoder.encode(np.stack([encoder.preprocess(draw_photo(i, (300, 200))) for i in range(3)]))
    assert vectors.dtype == np.float32
    # 7 x 7 blocks of 2 x 2 cells with 9 directions; 4 quarters of 8 x 4 x 4 colours; 1 + 1 + 4 + 4 cells
    # of 59 textures.
    assert vectors.shape == (3, 7 * 7 * 4 * 9 + 4 * 128 + 10 * 59) == (3, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


def test_a_blank_picture_has_a_direction_too() -> None:
    assert np.isfinite(embed(Image.new("RGB", (50, 80), "white"))).all()


def test_the_same_photo_darker_stays_nearer_than_another_photo() -> None:
    photo = draw_photo(1, (640, 480))
    darker = ImageEnhance.Brightness(photo).enhance(0.9)
    assert embed(photo) @ embed(darker) > embed(photo) @ embed(draw_photo(2, (640, 480)))


def test_each_block_of_features_sees_what_it_is_for() -> None:
    photo = draw_photo(1, (256, 256))
    gradients, colour, texture = slice(0, 1764), slice(1764, 2276), slice(2276, 2866)
    recoloured = Image.merge("RGB", photo.split()[::-1])
    grey = ImageOps.grayscale(photo).convert("RGB")
    turned = photo.rotate(90)
    assert compare(photo, grey, gradients) > 0.99
    assert compare(photo, grey, colour) < 0.5
    assert compare(photo, recoloured, colour) < 0.9
    assert compare(photo, turned, gradients) < 0.9
    assert compare(photo, turned, texture) < 0.99


def compare(a: Image.Image, b: Image.Image, block: slice) -> float:
    """Return the cosine between the same block of two pictures."""
    left, right = embed(a)[block], embed(b)[block]
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_those_of_scikit_image(seed: int) -> None:
    from skimage.feature import hog

    noise = np.random.default_rng(seed).integers(0, 256, (128, 128), np.uint8)
    smooth = np.asarray(draw_photo(seed, (128, 128)).convert("L"))
    for grey in (noise, smooth):
        expected = hog(grey, 9, (16, 16), (2, 2), block_norm="L2-Hys", transform_sqrt=True)
        # Its sums are in float32.
        np.testing.assert_allclose(np.square(_describe_gradients(grey)), expected, rtol=0, atol=1e-6)


def test_a_gradient_on_the_border_of_two_directions_has_the_later_one() -> None:
    """At 60 degrees exactly; arctangents find it on either side, depending on the processor."""
    grey = np.zeros((128, 128), np.uint8)
    # Down: sqrt(12) - sqrt(3) = sqrt(3); right: sqrt(4) - sqrt(1) = 1.
    grey[4, 5], grey[6, 5], grey[5, 4], grey[5, 6], grey[5, 5] = 3, 12, 1, 4, 0
    cell = np.square(_describe_gradients(grey)).reshape(7, 7, 4, 9)[0, 0, 0]
    assert cell[3] > 0
    assert cell[2] == 0
