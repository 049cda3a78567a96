"""What apps take, from a real `dvc repro`: the exported folder, the published database, and back."""

import os
import re
import sqlite3
import sys
from contextlib import closing

import msgspec
import psycopg
from tests.unit.export.test_bundle import run_example

from vibe_photos.classifier import Classifier
from vibe_photos.storage.vectors import read_embeddings


def test_an_exported_folder_labels_photos_without_torch(checkout, monkeypatch):
    said = checkout.run("vibe-photos", "export", "model", "--with-encoder").stdout
    assert "encoder.onnx  differs by at most" in said
    folder = checkout.root / "model"
    photos = sorted((checkout.root / "data" / "demo" / "photos").rglob("*.*"))[::12]
    assert len(photos) >= 15
    monkeypatch.chdir(checkout.root)
    classifier = Classifier("models")
    for photo, (scene, labels) in zip(photos, run_example(folder, photos), strict=True):
        expected = classifier.label(photo)
        attributes = {key: value for key, value in labels.items() if key.startswith("attr.")}
        objects = sorted(key for key, value in labels.items() if value and key.startswith("object."))
        assert (scene, attributes, objects) == (expected.scene, expected.attributes, expected.objects)

    card = (folder / "MODEL_CARD.md").read_text()
    assert "Rendered photos, simulated teacher." in card
    assert checkout.run("git", "rev-parse", "HEAD").stdout.strip() in card
    assert re.search(r"`scene\.landscape` \([0-9]+\)", card)
    (accuracy,) = [line for line in card.splitlines() if line.startswith("| Scene | right |")]
    assert "–" in accuracy.split("|")[4]
    assert accuracy.split("|")[4].strip() != "–"
    for file in folder.iterdir():
        content = file.read_bytes()
        assert str(checkout.root).encode() not in content
        assert b"site-packages" not in content
    if os.environ.get("VIBE_PHOTOS_PROVE"):
        first = {file.name: file.read_bytes() for file in folder.iterdir()}
        checkout.run("vibe-photos", "export", "model", "--with-encoder")
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == first


def test_published_vectors_come_back_bit_for_bit(checkout, app_database):
    run = ("vibe-photos", "publish", "--embeddings", "--version", "first")
    planned = checkout.run(*run, "--dry-run", app_database).stdout
    assert "would get version first" in planned
    with psycopg.connect(app_database) as connection:
        assert connection.execute("SELECT to_regnamespace('vibe_photos')").fetchone() == (None,)
    published = checkout.run(*run, VIBE_PHOTOS_DATABASE_URL=app_database).stdout
    assert "now has version first" in published
    assert "already had" in checkout.run(*run, app_database).stdout
    assert "secret" not in planned + published
    with (
        psycopg.connect(app_database) as there,
        closing(sqlite3.connect(checkout.root / "data/labels/labels.sqlite")) as here,
    ):
        query = "SELECT image_id, scene FROM {}photo_labels ORDER BY image_id"
        assert there.execute(query.format("vibe_photos.current_").encode()).fetchall() == (
            here.execute(query.format("")).fetchall()
        )

    before = read_embeddings(checkout.root / "data/embeddings/embeddings.sqlite")
    checkout.run(
        sys.executable,
        "stages/embed_photos.py",
        "embedder=database",
        f"embedder.source_model={before.model}",
        f"embedder.dim={before.vectors.shape[1]}",
        "paths.embeddings=from_app",
        VIBE_PHOTOS_DATABASE_URL=f"{app_database}?options=-csearch_path%3Dvibe_photos,public",
    )
    after = read_embeddings(checkout.root / "from_app" / "embeddings.sqlite")
    assert after.image_ids == before.image_ids
    assert after.vectors.tobytes() == before.vectors.tobytes()
    assert (checkout.root / "from_app" / "perceptual_hashes.jsonl").read_bytes() == checkout.bytes(
        "data/embeddings/perceptual_hashes.jsonl"
    )


def test_dvc_embeds_from_the_apps_database_when_it_is_chosen(checkout, tmp_path):
    app = tmp_path / "app.sqlite"
    app.write_bytes(checkout.bytes("data/embeddings/embeddings.sqlite"))
    digest = msgspec.json.decode(checkout.bytes("data/embeddings/digest.json"))
    text = (checkout.root / "params.yaml").read_text().replace("embedder: demo_siglip", "embedder: database")
    changed = f"{text}\nembedder: {{source_model: {digest['model']}, dim: {digest['dim']}}}\n"
    (checkout.root / "params.yaml").write_text(changed)
    failed = checkout.repro("embed", check=False)
    assert failed.status != 0
    assert "VIBE_PHOTOS_DATABASE_URL" in failed.text
    done = checkout.run("dvc", "repro", "embed", VIBE_PHOTOS_DATABASE_URL=f"sqlite:///{app}").stdout
    assert (
        f"{digest['n']} vectors of {digest['model']} read from the app's database, 0 of them scaled" in done
    )
    renewed = msgspec.json.decode(checkout.bytes("data/embeddings/digest.json"))
    assert renewed["rows_digest"] == digest["rows_digest"]
    assert renewed["model"].startswith("database-")
    # Nothing reads it again, so nobody needs the address, until the revision says that vectors changed.
    assert checkout.repro("embed").status == 0
    (checkout.root / "params.yaml").write_text(changed.replace("dim:", "revision: 2, dim:"))
    assert "VIBE_PHOTOS_DATABASE_URL" in checkout.repro("embed", check=False).text
