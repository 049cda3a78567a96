"""Prepare a photo for the teacher, against its scaled decode alone, and against simpler ways.

"Plain Pillow" does the same to the pixels, without any checks. "PNG at 2048 px" is what simple scripts send.
One thread; the photos are rendered. The smooth one is decoded faster, so the rest takes a larger share.
"""

import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from benchmarks.rounds import at_least, at_most, measure, parse_arguments, print_table, write_results
from PIL import Image

from vibe_photos.annotate.question import prepare_jpeg
from vibe_photos.settings import SentImage

EDGE_PX = 1024
PEER_EDGE_PX = 2048
PHOTOS = {
    "12 megapixels": (4000, 3000, 44),
    "12 megapixels, smooth": (4000, 3000, 16),
    "0.2 megapixels": (512, 384, 44),
}
"""Width and height in pixels, and contrast."""
SENT = SentImage(max_edge_px=EDGE_PX, max_pixels=EDGE_PX * EDGE_PX, jpeg_quality=88)


def render_photo(path: Path, width: int, height: int, contrast: float = 44) -> None:
    """Write a JPEG of detail at every scale, as photographs have it, with grain.

    With the usual contrast 12 megapixels have the bytes of a camera's photo, as they are (3.7 MB) and
    shrunk to 1,024 pixels (190 kB): how long a decode takes depends on them more than on anything else.
    """
    rng = np.random.default_rng(0)
    light = contrast * render_detail(rng, width, height)
    colours = [light + 10 * render_detail(rng, width, height) for _ in "RGB"]
    grain = rng.normal(0, 5, (height, width, 1))
    pixels = 128 + np.stack(colours, axis=-1) + grain
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def render_detail(rng: np.random.Generator, width: int, height: int) -> npt.NDArray[np.float64]:
    """Return noise of mean 0 and deviation 1 whose amplitude falls with frequency, [height, width].

    In photographs it falls with an exponent of about 1 to 1.5 (Field 1987, "Relations between the statistics
    of natural images and the response properties of cortical cells").
    """
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf  # no mean
    spectrum = np.fft.rfft2(rng.normal(size=(height, width))) / frequency**1.35
    detail = np.fft.irfft2(spectrum, (height, width))
    return detail / detail.std()


def decode_scaled(path: Path) -> None:
    """The floor: the smallest decode that is still large enough."""
    with Image.open(path) as image:
        image.draft("RGB", (EDGE_PX, EDGE_PX * image.height // image.width))
        image.load()


def prepare_plainly(path: Path) -> bytes:
    """The scaled decode, shrunk by Pillow as it does it by itself, and encoded; nothing is checked."""
    with Image.open(path) as image:
        image.draft("RGB", (EDGE_PX, EDGE_PX * image.height // image.width))
        small = image.resize((EDGE_PX, EDGE_PX * image.height // image.width), Image.Resampling.BICUBIC)
    jpeg = BytesIO()
    small.save(jpeg, "JPEG", quality=88)
    return jpeg.getvalue()


def prepare_png(path: Path) -> bytes:
    """Shrink to 2048 pixels and encode without loss."""
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((PEER_EDGE_PX, PEER_EDGE_PX))
    png = BytesIO()
    small.save(png, "PNG")
    return png.getvalue()


def main() -> None:
    """Print a table for a camera's photo, one that is smoother, and one for a small picture."""
    arguments = parse_arguments(__doc__, rounds=7)
    results, share_of_bytes = {}, 1.0
    with tempfile.TemporaryDirectory() as folder:
        for name, (width, height, contrast) in PHOTOS.items():
            path = Path(folder) / f"{name}.jpg"
            render_photo(path, width, height, contrast)
            ours = {
                "floor: scaled decode": lambda path=path: decode_scaled(path),
                "prepare": lambda path=path: prepare_jpeg(path, SENT, 10**9),
                "plain Pillow": lambda path=path: prepare_plainly(path),
            }
            # Apart: it takes and gives back so much memory that the next candidate pays for page faults.
            simpler = {"PNG at 2048 px": lambda path=path: prepare_png(path)}
            results[name] = measure(ours, 3 * arguments.rounds) | measure(simpler, arguments.rounds)
            print_table(
                f"{name}, {path.stat().st_size:,} bytes", results[name], "floor: scaled decode", 1, "photos"
            )
            sent, as_png = len(prepare_jpeg(path, SENT, 10**9)), len(prepare_png(path))
            print(f"bytes sent: {sent:,}; as PNG {as_png:,}")
            share_of_bytes = min(share_of_bytes, sent / as_png)

    def times_as_long(name: str, candidate: str) -> float:
        return results[name][candidate] / results[name]["floor: scaled decode"]

    large, smooth = "12 megapixels", "12 megapixels, smooth"
    prepare, png = "prepare", "PNG at 2048 px"
    reaches = [
        at_most(
            f"prepare a {name} photo, times its scaled decode",
            times_as_long(key, prepare),
            1.8,
            times_as_long(key, png),
        )
        for name, key in (("12 MP", large), ("smooth 12 MP", smooth))
    ]
    faster = results[large][png] / results[large][prepare]
    reaches.append(at_least("prepare a 12 MP photo, times as fast as the PNG way", faster, 15))
    reaches.append(at_most("bytes sent of a 12 MP photo, share of the PNG's", share_of_bytes, 1 / 20))
    write_results(arguments.json, results, reaches)


if __name__ == "__main__":
    main()
