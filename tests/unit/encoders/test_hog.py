import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from tests.unit.tiny_models import draw_photo

from vibe_photos.encoders.hog import HogEncoder

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
