"""The classic features are the same bytes whichever instructions a processor has.

The demo's own encoder is in tests/e2e/test_same_bytes.py.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.profiles import make_environment

EVERY = "51"
"""Of the demo's photos. So the 357th is among them, whose HOG was another one where arctangents differed."""

SCRIPT = """
import sys
from pathlib import Path
import msgspec, numpy as np
from vibe_photos.encoders.encoder import load_encoder
from vibe_photos.pixels.decode import decode_photo
from vibe_photos.settings import Embed, Embedder
embed = Embed(
    max_pixels=10**7, max_failed_share=0.0, precision="float32", batch_size=32, workers=1, device="auto"
)
photos = sorted(path for path in Path("data/demo/photos").rglob("*") if path.is_file())[::int(sys.argv[1])]
encoder = load_encoder(msgspec.yaml.decode(Path("conf/embedder/hog.yaml").read_bytes(), type=Embedder), embed)
batch = [encoder.preprocess(decode_photo(path, max_pixels=embed.max_pixels)) for path in photos]
sys.stdout.buffer.write(encoder.encode(np.stack(batch)).tobytes())
"""


def test_an_old_processor_computes_the_same_bytes(repository: Path) -> None:
    new, old = (
        subprocess.check_output(
            [sys.executable, "-c", SCRIPT, EVERY],
            cwd=repository,
            env=environment | {"PYTHONPATH": str(repository / "src")},
        )
        for environment in (dict(os.environ), make_environment("oldest") | {"OMP_NUM_THREADS": "1"})
    )
    assert len(new) > 1000
    assert old == new
