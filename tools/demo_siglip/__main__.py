"""Render pictures, train the demo's miniature SigLIP on them, and write the folder it ships in."""

import argparse
from pathlib import Path
from statistics import fmean

import msgspec
import numpy as np
import torch

from tools.demo_siglip.cutouts import draw_cutouts
from tools.demo_siglip.lessons import prepare_lessons
from tools.demo_siglip.model import build_model, write_weights
from tools.demo_siglip.pictures import plan_pictures, render_pictures
from tools.demo_siglip.training import Schedule, train
from vibe_photos.settings import Taxonomy

CUTOUTS_OF_EACH = 60
THREADS = 1
"""Fixed, because sums over another number of threads differ in their last bits."""


def train_folder(
    folder: Path, pictures: Path, picture_seed: int, count: int, schedule: Schedule, taxonomy: Taxonomy
) -> None:
    """Render what the folder `pictures` lacks, train on it, and write the model's folder."""
    torch.set_num_threads(THREADS)
    shots = plan_pictures(picture_seed, count)
    paths = render_pictures(shots, picture_seed, pictures / f"seed-{picture_seed}", THREADS)
    cutouts = draw_cutouts(np.random.default_rng(schedule.seed), CUTOUTS_OF_EACH)
    lessons, config = prepare_lessons(shots, paths, cutouts, taxonomy, folder)
    model = build_model(config, schedule.seed)
    print(f"{sum(weights.numel() for weights in model.parameters())} parameters, {len(shots)} pictures")
    losses = []
    for loss in train(model, lessons, schedule):
        losses.append(loss)
        if len(losses) % 50 == 0:
            print(f"step {len(losses)}: loss {fmean(losses[-50:]):.3f}", flush=True)
    print(f"{write_weights(folder, model)} bytes of weights in {folder}")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_siglip", description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("data/demo/siglip"), help="default: %(default)s")
    parser.add_argument(
        "--pictures", type=Path, default=Path("build/demo_siglip"), help="default: %(default)s"
    )
    parser.add_argument("--taxonomy", type=Path, default=Path("conf/taxonomy/m2.yaml"), help="its prompts")
    parser.add_argument(
        "--seed", type=int, default=7, help="of the pictures and the training; not the demo's"
    )
    parser.add_argument("--count", type=int, default=4704, help="how many pictures to render")
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    taxonomy = msgspec.convert(msgspec.yaml.decode(arguments.taxonomy.read_bytes()), Taxonomy)
    schedule = Schedule(arguments.epochs, arguments.seed)
    train_folder(arguments.into, arguments.pictures, arguments.seed, arguments.count, schedule, taxonomy)


if __name__ == "__main__":
    main()
