"""Embed 12-megapixel files, against the model fed from memory, and against open_clip's own transform.

The model has SigLIP 2's B/32 photo tower with random weights (its text tower, which photos do not meet, is
cut small). Loading is not counted. bfloat16 and a GPU are measured too where the machine has them.
"""

import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import torch
from benchmarks.prepare import render_photo
from benchmarks.rounds import Reach, at_least, measure, parse_arguments, print_table, write_results
from PIL import Image
from safetensors.torch import save_file

from vibe_photos.embed.local import Job, LocalEngine
from vibe_photos.embed.stage import save_batches
from vibe_photos.encoders.encoder import Encoder, load_encoder
from vibe_photos.encoders.image_tower import Pixels, run_module
from vibe_photos.encoders.siglip import import_open_clip
from vibe_photos.records.photos import Photo
from vibe_photos.settings import Embed, Embedder
from vibe_photos.storage.saved_work import open_saved_work
from vibe_photos.storage.vectors import Vectors, to_unit_norm

ARCHITECTURE = "ViT-B-32-SigLIP2-256"
FLOOR = "floor: float32 from memory"
PHOTOS = 32
EMBED = Embed(
    max_pixels=10**9, max_failed_share=0.0, precision="float32", batch_size=32, workers=2, device="cpu"
)


def make_checkpoint(folder: Path) -> str:
    """Write a folder with the architecture's photo tower; return its `local-dir:` name."""
    open_clip = import_open_clip()
    config = open_clip.get_model_config(ARCHITECTURE)
    config["text_cfg"] |= {"vocab_size": 8, "layers": 1}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    torch.manual_seed(0)
    towers = {key: value for key, value in config.items() if key != "custom_text"}
    state = open_clip.CustomTextCLIP(**towers).state_dict()
    save_file(
        {key: tensor.contiguous() for key, tensor in state.items()}, folder / "open_clip_model.safetensors"
    )
    return f"local-dir:{folder}"


def make_library(root: Path) -> list[Photo]:
    """Write one camera-sized photo under as many names as there are photos; return their records."""
    render_photo(root / "0.jpg", 4000, 3000)
    for number in range(1, PHOTOS):
        (root / f"{number}.jpg").hardlink_to(root / "0.jpg")
    size = (root / "0.jpg").stat().st_size
    return [
        Photo(image_id=f"{number:032x}", rel_path=f"{number}.jpg", bytes=size, format="JPEG")
        for number in range(PHOTOS)
    ]


def embed_files(encoder: Encoder, photos: list[Photo], job: Job) -> None:
    """Embed all photos into a new store, with the loaded encoder."""
    engine = LocalEngine(job, lambda: encoder)
    with (
        tempfile.TemporaryDirectory() as store,
        open_saved_work(Path(store) / "vectors.sqlite") as vectors,
        open_saved_work(Path(store) / "hashes.sqlite") as hashes,
    ):
        problems = save_batches(engine.embed(photos, frozenset()), len(photos), vectors, hashes)
        if problems or len(vectors.image_ids()) != PHOTOS:
            raise SystemExit(f"not every photo was embedded: {problems}")


def run_from_memory(network: torch.nn.Module, pixels: Pixels) -> torch.Tensor:
    """The floor: one large batch in memory, in float32, on torch's own threads."""
    torch.set_num_threads(os.cpu_count() or 1)
    with torch.inference_mode():
        return run_module(network, torch.from_numpy(pixels), torch.float32)


def run_peer(network: torch.nn.Module, transform: Callable[[Image.Image], torch.Tensor], root: Path) -> None:
    """Decode fully, transform as open_clip does, run: one step after the other."""
    torch.set_num_threads(os.cpu_count() or 1)
    tensors = [transform(Image.open(root / f"{number}.jpg")) for number in range(PHOTOS)]
    with torch.inference_mode():
        network(torch.stack(tensors))


def find_variants() -> dict[str, Embed]:
    """Return the settings that this machine can run, and say which it cannot."""
    capabilities = torch.cpu.get_capabilities()
    variants = {"float32": EMBED}
    if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
        variants["bfloat16"] = msgspec.structs.replace(EMBED, precision="bfloat16")
    else:
        print("bfloat16 on the processor: not measured, this one has none")
    if torch.cuda.is_available():
        variants["GPU, bfloat16"] = msgspec.structs.replace(
            EMBED, precision="bfloat16", device="cuda", workers=os.cpu_count() or 1
        )
    else:
        print("GPU: not measured, there is none")
    return variants


def load_transform() -> Callable[[Image.Image], torch.Tensor]:
    """Return open_clip's own transform, set as SigLIP wants it."""
    transform = import_open_clip().transform
    config = transform.PreprocessCfg(
        size=256, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic", resize_mode="squash"
    )
    loaded: Callable[[Image.Image], torch.Tensor] = transform.image_transform_v2(config, is_train=False)
    return loaded


def check_vectors(encoders: dict[str, Encoder], pixels: Pixels, expected: Vectors) -> None:
    """Print how far each encoder's vectors are from the floor's."""
    for title, encoder in encoders.items():
        cosine = (encoder.encode(pixels) * expected).sum(axis=1).min()
        print(f"{title}: smallest cosine to the floor's vectors {cosine:.6f}")


def find_reaches(seconds: dict[str, float]) -> list[Reach]:
    """Return how near files come to memory, and what bfloat16 gains where this machine has it."""
    peer = seconds["peer: open_clip's transform"]
    reaches = [
        at_least(
            f"embed 12 MP files on the {place}, share of the model fed from memory",
            seconds[f"{variant}, from memory"] / seconds[f"{variant}, from files"],
            0.9,
            seconds[f"{variant}, from memory"] / peer,
        )
        for variant, place in (("float32", "CPU"), ("GPU, bfloat16", "GPU"))
        if f"{variant}, from files" in seconds
    ]
    if "bfloat16, from files" in seconds:
        gain = seconds[FLOOR] / seconds["bfloat16, from files"]
        reaches.append(at_least("embed in bfloat16 on the CPU, times float32 from memory", gain, 1.7))
    return reaches


def main() -> None:
    """Print the table of rates, and how far the variants' vectors are from float32's."""
    arguments = parse_arguments(__doc__, rounds=3)
    variants = find_variants()
    with tempfile.TemporaryDirectory() as model_folder, tempfile.TemporaryDirectory() as photo_folder:
        root = Path(photo_folder)
        photos = make_library(root)
        embedder = Embedder(kind="siglip", name="b32", checkpoint=make_checkpoint(Path(model_folder)))
        encoders = {title: load_encoder(embedder, embed) for title, embed in variants.items()}
        network = import_open_clip().create_model(embedder.checkpoint).visual.eval()
        transform = load_transform()
        pixels = np.random.default_rng(0).integers(0, 256, (PHOTOS, 256, 256, 3), np.uint8)
        candidates: dict[str, Callable[[], object]] = {
            FLOOR: lambda: run_from_memory(network, pixels),
            "peer: open_clip's transform": lambda: run_peer(network, transform, root),
        }
        for title, encoder in encoders.items():
            candidates[f"{title}, from memory"] = partial(encoder.encode, pixels)
            job = Job(root, embedder, variants[title], encoder.model)
            candidates[f"{title}, from files"] = partial(embed_files, encoder, photos, job)
        results = {"embed": measure(candidates, arguments.rounds)}
        check_vectors(encoders, pixels, to_unit_norm(run_from_memory(network, pixels).numpy()))
    print_table(f"{PHOTOS} photos of 12 megapixels", results["embed"], FLOOR, PHOTOS, "photos")
    write_results(arguments.json, results, find_reaches(results["embed"]))


if __name__ == "__main__":
    main()
