import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.drawn_library import embed_into, embed_settings
from tests.unit.tiny_models import draw_photo, list_photos

from vibe_photos import pixels
from vibe_photos.embed.outs import Digest
from vibe_photos.encoders.encoder import load_encoder
from vibe_photos.encoders.recipe import name_encoder
from vibe_photos.errors import EncoderError, InputError, LibraryError, TooManyFailures
from vibe_photos.pixels.decode import decode_photo
from vibe_photos.records.photos import HashRecord, PhotoProblem, read_manifest
from vibe_photos.records.pictures import KnownPicture
from vibe_photos.settings import Embed, Embedder, Settings
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl
from vibe_photos.storage.vectors import read_embeddings

OUTS = ["digest.json", "embeddings.sqlite", "perceptual_hashes.jsonl", "problems.jsonl"]


def read_outs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_photo_gets_a_vector_and_a_hash_in_the_manifests_order(
    manifest: Path, root: Path, hog: Embedder, embed: Embed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "vibe_photos.embed"):
        embed_into(manifest, root, hog, embed, tmp_path / "out", tmp_path / "store")
    ids = [photo.image_id for photo in read_manifest(manifest)]
    embeddings = read_embeddings(tmp_path / "out" / "embeddings.sqlite")
    assert embeddings.image_ids == ids
    assert embeddings.model == name_encoder(hog, embed)
    np.testing.assert_allclose(np.linalg.norm(embeddings.vectors, axis=1), 1, rtol=1e-6)
    hashes = list(read_jsonl(tmp_path / "out" / "perceptual_hashes.jsonl", HashRecord))
    assert [record.image_id for record in hashes] == ids
    assert len({record.perceptual_hash for record in hashes}) == len(ids)
    assert all(len(record.perceptual_hash) == 16 * 25 for record in hashes)
    assert sorted(read_outs(tmp_path / "out")) == OUTS
    assert (tmp_path / "out" / "problems.jsonl").read_bytes() == b""
    digest = msgspec.json.decode((tmp_path / "out" / "digest.json").read_bytes(), type=Digest)
    assert (digest.model, digest.dim, digest.n) == (embeddings.model, embeddings.vectors.shape[1], 10)
    assert [record.getMessage() for record in caplog.records] == [
        "embed: 10 photos, 0 vectors reused, 10 computed, 0 photos failed; "
        f"model {embeddings.model}, dimension {digest.dim}"
    ]


def test_workers_batches_and_runs_leave_no_trace_in_the_outs(
    manifest: Path, root: Path, hog: Embedder, embed: Embed, tmp_path: Path
) -> None:
    embed_into(manifest, root, hog, embed, tmp_path / "a", tmp_path / "store-a")
    other = msgspec.structs.replace(embed, workers=3, batch_size=3)
    write_jsonl(tmp_path / "some.jsonl", read_manifest(manifest)[3:6])
    embed_into(tmp_path / "some.jsonl", root, hog, other, tmp_path / "b", tmp_path / "store-b")
    embed_into(manifest, root, hog, other, tmp_path / "b", tmp_path / "store-b")
    assert read_outs(tmp_path / "a") == read_outs(tmp_path / "b")


def test_the_perceptual_hash_knows_no_encoder(
    manifest: Path, root: Path, hog: Embedder, onnx: Embedder, siglip: Embedder, embed: Embed, tmp_path: Path
) -> None:
    # Larger than what is decoded for a hash, so that this encoder decodes for itself.
    large = msgspec.structs.replace(onnx, resize_px=600)
    hashes = []
    for number, embedder in enumerate((hog, onnx, siglip, large)):
        out = tmp_path / f"out-{number}"
        embed_into(manifest, root, embedder, embed, out, tmp_path / f"store-{number}")
        hashes.append((out / "perceptual_hashes.jsonl").read_bytes())
    assert len(set(hashes)) == 1


def test_an_encoder_that_looks_closer_gets_more_pixels(
    manifest: Path, root: Path, onnx: Embedder, embed: Embed, tmp_path: Path
) -> None:
    large = msgspec.structs.replace(onnx, resize_px=600)
    embed_into(manifest, root, large, embed, tmp_path / "out", tmp_path / "store")
    encoder = load_encoder(large, embed)
    # 0.jpg is 1600 x 1200: half its size still covers 600 pixels, and is what the hash's decode gives too.
    photo = decode_photo(root / "0.jpg", max_pixels=embed.max_pixels, needed_size=encoder.needed_size)
    assert photo.size == (800, 600)
    expected = encoder.encode(encoder.preprocess(photo)[np.newaxis])[0]
    np.testing.assert_array_equal(
        read_embeddings(tmp_path / "out" / "embeddings.sqlite").vectors[0], expected
    )


def test_nothing_is_computed_again_for_an_encoder_tried_and_left(
    manifest: Path, root: Path, hog: Embedder, onnx: Embedder, embed: Embed, tmp_path: Path
) -> None:
    store, out = tmp_path / "store", tmp_path / "out"
    embed_into(manifest, root, hog, embed, out, store)
    first = read_outs(out)
    embed_into(manifest, root, onnx, embed, out, store)
    assert read_outs(out)["embeddings.sqlite"] != first["embeddings.sqlite"]
    # With the photos out of reach, anything computed would be an error.
    embed_into(manifest, tmp_path / "unmounted", hog, embed, out, store)
    assert read_outs(out) == first


def test_outs_brought_by_a_pull_are_not_computed_again(
    manifest: Path, root: Path, hog: Embedder, embed: Embed, tmp_path: Path
) -> None:
    embed_into(manifest, root, hog, embed, tmp_path / "out", tmp_path / "store")
    pulled = read_outs(tmp_path / "out")
    embed_into(manifest, tmp_path / "unmounted", hog, embed, tmp_path / "out", tmp_path / "new-store")
    assert read_outs(tmp_path / "out") == pulled


def test_hashes_that_another_recipe_made_are_not_taken_over(
    manifest: Path, root: Path, hog: Embedder, embed: Embed, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    embed_into(manifest, root, hog, embed, out, tmp_path / "store")
    hashes = (out / "perceptual_hashes.jsonl").read_bytes()
    old = msgspec.json.decode((out / "digest.json").read_bytes(), type=Digest)
    (out / "digest.json").write_bytes(
        msgspec.json.encode(msgspec.structs.replace(old, perceptual_hash="old"))
    )
    write_jsonl(
        out / "perceptual_hashes.jsonl",
        [HashRecord(image_id=p.image_id, perceptual_hash="0" * 256) for p in read_manifest(manifest)],
    )
    embed_into(manifest, root, hog, embed, out, tmp_path / "new-store")
    assert (out / "perceptual_hashes.jsonl").read_bytes() == hashes


def test_other_pixels_are_embedded_and_hashed_again(
    manifest: Path, root: Path, hog: Embedder, embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, store = tmp_path / "out", tmp_path / "store"
    embed_into(manifest, root, hog, embed, out, store)
    before = msgspec.json.decode((out / "digest.json").read_bytes(), type=Digest)
    monkeypatch.setattr(pixels, "PIXELS_VERSION", pixels.PIXELS_VERSION + 1)
    # Neither the store nor the outs are reused.
    with pytest.raises(LibraryError, match="10 photos have no embedding yet"):
        embed_into(manifest, tmp_path / "unmounted", hog, embed, out, store)
    embed_into(manifest, root, hog, embed, out, store)
    after = msgspec.json.decode((out / "digest.json").read_bytes(), type=Digest)
    assert after.model != before.model
    assert after.perceptual_hash != before.perceptual_hash
    assert after.n == 10


@pytest.mark.parametrize("name", ["embeddings.sqlite", "perceptual_hashes.jsonl"])
def test_a_damaged_out_is_named_and_written_anew(
    manifest: Path,
    root: Path,
    hog: Embedder,
    embed: Embed,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    embed_into(manifest, root, hog, embed, tmp_path / "out", tmp_path / "store")
    whole = read_outs(tmp_path / "out")
    (tmp_path / "out" / name).write_bytes(b"torn")
    embed_into(manifest, root, hog, embed, tmp_path / "out", tmp_path / "new-store")
    assert read_outs(tmp_path / "out") == whole
    assert f"{name} cannot be used" in caplog.text


def test_photos_that_cannot_be_read_are_listed_every_time_and_tried_again(
    root: Path, hog: Embedder, embed: Embed, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(root, photos)
    half = (photos / "4.jpg").read_bytes()
    (photos / "4.jpg").write_bytes(half[: len(half) // 2])
    write_jsonl(tmp_path / "photos.jsonl", list_photos(photos))
    (photos / "2.jpg").write_bytes(draw_photo(77, (50, 50)).tobytes())
    (photos / "7.jpg").unlink()
    for _ in range(2):
        embed_into(tmp_path / "photos.jsonl", photos, hog, embed, tmp_path / "out", tmp_path / "store")
        problems = list(read_jsonl(tmp_path / "out" / "problems.jsonl", PhotoProblem))
        assert [(p.rel_path, p.reason) for p in problems] == [
            ("2.jpg", "changed"),
            ("4.jpg", "truncated"),
            ("7.jpg", "missing"),
        ]
        assert all(problem.image_id and problem.detail for problem in problems)
        embedded = set(read_embeddings(tmp_path / "out" / "embeddings.sqlite").image_ids)
        assert len(embedded) == 7
        assert not embedded & {problem.image_id for problem in problems}
    shutil.copy(root / "7.jpg", photos)
    embed_into(tmp_path / "photos.jsonl", photos, hog, embed, tmp_path / "out", tmp_path / "store")
    assert len(read_embeddings(tmp_path / "out" / "embeddings.sqlite").image_ids) == 8


def test_a_file_changed_since_the_scan_gets_no_vector_under_the_old_id(
    root: Path, hog: Embedder, embed: Embed, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(root, photos)
    write_jsonl(tmp_path / "photos.jsonl", list_photos(photos))
    draw_photo(50, (400, 300)).save(photos / "3.jpg")
    embed_into(tmp_path / "photos.jsonl", photos, hog, embed, tmp_path / "out", tmp_path / "store")
    (problem,) = read_jsonl(tmp_path / "out" / "problems.jsonl", PhotoProblem)
    assert (problem.rel_path, problem.reason) == ("3.jpg", "changed")


def test_a_vector_without_direction_is_a_problem_of_that_photo(
    root: Path, onnx: Embedder, embed: Embed, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(root, photos)
    draw_photo(0, (40, 40)).point(lambda _: 0).save(photos / "black.png")
    write_jsonl(tmp_path / "photos.jsonl", list_photos(photos))
    embed_into(tmp_path / "photos.jsonl", photos, onnx, embed, tmp_path / "out", tmp_path / "store")
    (problem,) = read_jsonl(tmp_path / "out" / "problems.jsonl", PhotoProblem)
    assert (problem.rel_path, problem.reason) == ("black.png", "no_vector")
    assert len(read_embeddings(tmp_path / "out" / "embeddings.sqlite").image_ids) == 10


def test_too_many_failures_stop_the_stage_and_keep_what_was_computed(
    manifest: Path, root: Path, hog: Embedder, embed: Embed, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(root, photos)
    (photos / "7.jpg").unlink()
    strict = msgspec.structs.replace(embed, max_failed_share=0.05)
    with pytest.raises(TooManyFailures, match=r"1 of 10 photos.*embed\.max_failed_share \(0\.05\)"):
        embed_into(manifest, photos, hog, strict, tmp_path / "out", tmp_path / "store")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["problems.jsonl"]
    # Now only the one photo is read.
    for path in photos.iterdir():
        path.unlink()
    shutil.copy(root / "7.jpg", photos)
    embed_into(manifest, photos, hog, strict, tmp_path / "out", tmp_path / "store")
    assert len(read_embeddings(tmp_path / "out" / "embeddings.sqlite").image_ids) == 10


def test_a_missing_folder_or_manifest_is_named(
    manifest: Path, hog: Embedder, embed: Embed, tmp_path: Path
) -> None:
    with pytest.raises(LibraryError, match=r"unmounted is not a folder .* 10 photos have no embedding"):
        embed_into(manifest, tmp_path / "unmounted", hog, embed, tmp_path / "out", tmp_path / "store")
    with pytest.raises(InputError, match=r"gone\.jsonl"):
        embed_into(tmp_path / "gone.jsonl", tmp_path, hog, embed, tmp_path / "out", tmp_path / "store")


def test_an_encoder_that_cannot_be_loaded_stops_the_stage(
    manifest: Path, root: Path, onnx: Embedder, embed: Embed, tmp_path: Path
) -> None:
    (tmp_path / "cat.onnx").write_bytes(b"meow")
    broken = msgspec.structs.replace(onnx, checkpoint=str(tmp_path / "cat.onnx"))
    with pytest.raises(EncoderError, match=r"cat\.onnx is not an ONNX model"):
        embed_into(manifest, root, broken, embed, tmp_path / "out", tmp_path / "store")


RUN = """
import sys, msgspec
from pathlib import Path
from vibe_photos.configuration import from_mapping
from vibe_photos.embed.stage import embed_library
embed_library(from_mapping(msgspec.json.decode(sys.argv[1])), Path(sys.argv[2]))
print(sorted({"torch", "open_clip", "onnxruntime", "skimage", "scipy"} & set(sys.modules)))
"""


def test_a_paid_run_imports_no_encoder_library(
    manifest: Path, root: Path, siglip: Embedder, embed: Embed, tmp_path: Path, repository: Path
) -> None:
    embed_into(manifest, root, siglip, embed, tmp_path / "out", tmp_path / "store")
    settings = embed_settings(manifest, tmp_path / "unmounted", siglip, embed, tmp_path / "again")
    ran = subprocess.run(
        [sys.executable, "-c", RUN, encode_settings(settings), str(tmp_path / "store")],
        env=os.environ | {"PYTHONPATH": str(repository / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[]\n"
    assert read_outs(tmp_path / "again") == read_outs(tmp_path / "out")


def test_a_killed_run_goes_on_where_it_was_and_gives_the_same_bytes(
    hog: Embedder, embed: Embed, tmp_path: Path, repository: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(40):
        draw_photo(number, (500, 400)).save(photos / f"{number:02}.jpg")
    manifest = tmp_path / "photos.jsonl"
    write_jsonl(manifest, list_photos(photos))
    out, store = tmp_path / "out", tmp_path / "store"
    run = subprocess.Popen(
        [
            *(sys.executable, "-c", RUN),
            encode_settings(embed_settings(manifest, photos, hog, embed, out)),
            str(store),
        ],
        env=os.environ | {"PYTHONPATH": str(repository / "src")},
    )
    wait_for_rows(store, run)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert not (out / "digest.json").exists()
    saved = next((store / "embeddings").glob("*.sqlite"))
    n_saved = count_rows(saved)
    assert 0 < n_saved < 40
    # What was saved is not computed again: its photos are gone.
    for photo in read_manifest(manifest)[: n_saved - embed.batch_size]:
        (photos / photo.rel_path).rename(tmp_path / photo.rel_path)
    embed_into(manifest, photos, hog, embed, out, store)
    for photo in tmp_path.glob("*.jpg"):
        photo.rename(photos / photo.name)
    embed_into(manifest, photos, hog, embed, tmp_path / "whole", tmp_path / "other-store")
    assert read_outs(out) == read_outs(tmp_path / "whole")


def encode_settings(settings: Settings) -> str:
    return msgspec.json.encode(settings, enc_hook=str).decode()


def wait_for_rows(store: Path, run: "subprocess.Popen[bytes]") -> None:
    """Return once a few batches are saved."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and run.poll() is None:
        files = list((store / "embeddings").glob("*.sqlite"))
        if files and count_rows(files[0]) >= 8:
            return
        time.sleep(0.01)
    raise AssertionError("the run ended before it was killed")


def count_rows(path: Path) -> int:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return int(connection.execute("SELECT count(*) FROM saved").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_a_vector_follows_a_picture_whose_file_was_rewritten(
    root: Path, hog: Embedder, embed: Embed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos, manifest = tmp_path / "photos", tmp_path / "photos.jsonl"
    shutil.copytree(root, photos)
    before = list_photos(photos)
    write_jsonl(manifest, before)
    places = (manifest, photos, hog, embed, tmp_path / "out", tmp_path / "store")
    embed_into(*places)
    old = read_embeddings(tmp_path / "out" / "embeddings.sqlite")
    for name in ("3.jpg", "5.jpg"):
        data = (photos / name).read_bytes()
        (photos / name).write_bytes(data[:2] + b"\xff\xfe\0\x06five" + data[2:])
    after = list_photos(photos)
    write_jsonl(manifest, after)
    # 3.jpg was also turned: that is another picture for the encoder.
    turned = {photo.image_id for photo in after if photo.rel_path == "3.jpg"}
    known = (
        KnownPicture(
            image_id=photo.image_id,
            picture=photo.rel_path,
            rendering="turned" if photo.image_id in turned else "",
        )
        for photo in (*before, *after)
    )
    write_jsonl(tmp_path / "pictures.jsonl", known)
    with caplog.at_level(logging.INFO, "vibe_photos.embed"):
        embed_into(*places)
    assert "1 picture with a vector from another file" in caplog.text
    assert "9 vectors reused, 1 computed" in caplog.text
    new = read_embeddings(tmp_path / "out" / "embeddings.sqlite")
    assert new.image_ids == [photo.image_id for photo in after]
    np.testing.assert_array_equal(new.vectors, old.vectors)


def test_photos_that_change_places_after_the_scan_get_no_vector(
    root: Path, hog: Embedder, embed: Embed, tmp_path: Path
) -> None:
    photos, manifest = tmp_path / "photos", tmp_path / "photos.jsonl"
    photos.mkdir()
    for number, name in enumerate(("a.bmp", "b.bmp")):
        draw_photo(number, (64, 64)).save(photos / name)
    write_jsonl(manifest, list_photos(photos))
    (photos / "a.bmp").rename(photos / "x")
    (photos / "b.bmp").rename(photos / "a.bmp")
    (photos / "x").rename(photos / "b.bmp")
    with pytest.raises(TooManyFailures):
        embed_into(manifest, photos, hog, embed, tmp_path / "out", tmp_path / "store")
    problems = list(read_jsonl(tmp_path / "out" / "problems.jsonl", PhotoProblem))
    assert [(one.rel_path, one.reason) for one in problems] == [("a.bmp", "changed"), ("b.bmp", "changed")]
