"""Training, scoring and classifying write the same bytes, whichever instructions a processor has."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from tests.profiles import list_missing, make_environment
from tests.unit.heads.simulation import draw_classes, write_library

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.splits import Membership

SCENES = ("scene.animals", "scene.food", "scene.people", "scene.product")
OBJECTS = ("object.food.dessert", "object.drink", "object.electronics.phone")
COUNT, DIM = 300, 48

SCRIPT = """
import sys
from pathlib import Path
from msgspec.structs import replace
from tests.unit.stage_settings import settings_in
from vibe_photos.classify.stage import classify_photos
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.score.stage import score_photos
from vibe_photos.settings import Embedder
from vibe_photos.train.stage import train_head
library, out = map(Path, sys.argv[1:])
inputs = {"embeddings": library / "embeddings", "training": library / "training"}
settings = settings_in(out, inputs, embedder=Embedder(kind="hog", name="hog"))
for head in HEADS:
    train_head(replace(settings, head=head))
score_photos(settings, out / "store")
classify_photos(settings)
"""


def make_library(folder: Path) -> None:
    """Write photos of classes that overlap, with a teacher that errs and leaves attributes out."""
    vectors, classes = draw_classes(0, COUNT, DIM, [0.4, 0.3, 0.2, 0.1], distance=0.5)
    generator = np.random.default_rng(1)
    said = np.where(generator.random(COUNT) < 0.1, generator.integers(0, 4, COUNT), classes)
    shown = vectors @ generator.standard_normal((DIM, 5)) + 0.3 * generator.standard_normal((COUNT, 5)) > 0.5
    records = [
        GroundTruth(
            image_id=f"{number:032x}",
            scene=[SCENES[said[number]]],
            attributes={"attr.has_text": bool(row[0])}
            | ({"attr.has_person": bool(row[1])} if row[2] else {}),
            objects=[key for key, is_shown in zip(OBJECTS, row[2:], strict=True) if is_shown],
        )
        for number, row in enumerate(shown)
    ]
    members = {
        r.image_id: Membership(group=r.image_id, fold=i % 5, role="train", number=0.9)
        for i, r in enumerate(records)
    }
    write_library(folder, vectors, records, members)


def test_other_processors_and_thread_counts_write_the_same_bytes(tmp_path: Path, repository: Path) -> None:
    make_library(tmp_path / "library")
    profiles = [name for name in ("oldest", "avx2") if not list_missing(name)]
    environments = {"native": dict(os.environ)} | {name: make_environment(name) for name in profiles}
    environments["oldest"]["OMP_NUM_THREADS"] = "1"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, tmp_path / "library", tmp_path / name],
            cwd=repository,
            env=environment | {"PYTHONPATH": f"{repository / 'src'}{os.pathsep}{repository}"},
        )
        for name, environment in environments.items()
    ]
    assert [run.wait() for run in runs] == [0] * len(runs)
    written = {
        name: {
            str(file.relative_to(tmp_path / name)): file.read_bytes()
            for file in sorted((tmp_path / name).rglob("*"))
            if file.is_file()
        }
        for name in environments
    }
    assert len(written["native"]) == 11
    for name in profiles:
        different = [file for file, data in written["native"].items() if written[name].get(file) != data]
        assert (name, different) == (name, [])
