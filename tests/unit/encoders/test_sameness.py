"""The demo's encoder and the classic features give the same bytes, whichever instructions a processor has."""

import os
import subprocess
import sys
from pathlib import Path

OLD_PROCESSOR = {
    "OPENBLAS_CORETYPE": "Prescott",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
    "OMP_NUM_THREADS": "1",
}
"""Makes every numeric library compute as on a processor of 2006, on one thread."""

EVERY = "51"
"""Of the demo's photos. So the 357th is among them, whose HOG was another one where arctangents differed."""

SCRIPT = """
import sys
from pathlib import Path
import msgspec, numpy as np, xxhash
from vibe_photos.encoders.encoder import load_encoder
from vibe_photos.pixels.decode import decode_photo
from vibe_photos.settings import Embed, Embedder, Taxonomy
embed = Embed(
    max_pixels=10**7, max_failed_share=0.0, precision="float32", batch_size=32, workers=1, device="auto"
)
photos = sorted(path for path in Path("data/demo/photos").rglob("*") if path.is_file())[::int(sys.argv[1])]
images = [decode_photo(path, max_pixels=embed.max_pixels) for path in photos]
taxonomy = msgspec.convert(msgspec.yaml.decode(Path("conf/taxonomy/m2.yaml").read_bytes()), Taxonomy)
for name in ("demo_siglip", "hog"):
    embedder = msgspec.yaml.decode(Path(f"conf/embedder/{name}.yaml").read_bytes(), type=Embedder)
    encoder = load_encoder(embedder, embed)
    batch = np.stack([encoder.preprocess(image) for image in images])
    print(name, len(images), xxhash.xxh3_64_hexdigest(encoder.encode(batch).tobytes()))
    if name == "demo_siglip":
        groups = msgspec.structs.asdict(taxonomy.prompts).values()
        texts = [text for group in groups for wordings in group.values() for text in wordings]
        print("texts", len(texts), xxhash.xxh3_64_hexdigest(encoder.encode_texts(texts).tobytes()))
        print("logit", encoder.logit_scale.hex(), encoder.logit_bias.hex())
"""


def start(repository: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start encoding a few demo photos and all prompts under an environment."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, EVERY],
        cwd=repository,
        env=os.environ | {"PYTHONPATH": str(repository / "src"), "HF_HUB_OFFLINE": "1"} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_an_old_processor_computes_the_same_bytes(repository: Path) -> None:
    runs = [start(repository, environment) for environment in ({}, OLD_PROCESSOR)]
    new, old = (run.communicate(timeout=300)[0].splitlines() for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert len(new) == 4
    assert old == new
