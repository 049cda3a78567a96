"""Stages by hand, on a machine that has no DVC: a copy of the code and a folder of photos."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from tests.preloaded import preloaded_environment

from vibe_photos.records.photos import permanent_number

STAGES = Path(__file__).parents[2] / "stages"
SHARED = ("composition", "entrypoint")


@pytest.fixture
def plain_copy(repository, tmp_path, preloaded_commands):
    copy = tmp_path / "copy"
    for folder in ("conf", "stages"):
        shutil.copytree(repository / folder, copy / folder)
    shutil.copy(repository / "params.yaml", copy / "params.yaml")
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(3):
        Image.new("RGB", (80 + index, 60), (40 * index, 90, 10)).save(photos / f"{index}.jpg")
    return copy


def run_stage(copy, stage, *arguments):
    return subprocess.run(
        ["python", f"stages/{stage}.py", *arguments],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        env=preloaded_environment(),
    )


def test_annotate_needs_no_other_stage_and_no_dvc(plain_copy, tmp_path):
    """The user's own night: one command on a GPU server, photos and output elsewhere, only a few at first."""
    scan = run_stage(plain_copy, "scan_library", "library.root=../photos")
    assert scan.returncode == 0, scan.stderr
    manifest = plain_copy / "data/library/photos.jsonl"
    ids = [json.loads(line)["image_id"] for line in manifest.read_text().splitlines()]
    manifest.unlink()
    recordings = tmp_path / "recordings.jsonl"
    answers = [{"image_id": image_id, "annotation": {"scene": "food", "objects": []}} for image_id in ids]
    recordings.write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    result = run_stage(
        plain_copy,
        "annotate_photos",
        "library.root=../photos",
        f"teacher.replay.recordings={recordings}",
        f"paths.raw_annotations={tmp_path}/cache/qwen.jsonl",
        "annotate.budget=2",
    )
    assert result.returncode == 0, result.stderr
    lowest = sorted(ids, key=lambda image_id: permanent_number(42, image_id))[:2]
    written = [json.loads(line) for line in (tmp_path / "cache" / "qwen.jsonl").read_text().splitlines()]
    assert [record["image_id"] for record in written] == [image_id for image_id in ids if image_id in lowest]
    assert written[0]["server_path"] == f"../photos/{written[0]['rel_path']}"
    assert written[0]["annotation"]["scene"] == "food"


def test_without_a_server_it_says_what_to_set(plain_copy):
    result = run_stage(plain_copy, "annotate_photos", "teacher=qwen3_vl_8b", "library.root=../photos")
    assert result.returncode == 1
    assert "QWEN_BASE_URL" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("root", "message"),
    [("../nowhere", "nowhere"), ("../empty", "no photos")],
)
def test_a_folder_without_photos_is_a_clear_error(plain_copy, root, message):
    (plain_copy.parent / "empty").mkdir()
    result = run_stage(plain_copy, "scan_library", f"library.root={root}")
    assert result.returncode == 1
    assert message in result.stderr.lower()
    assert "library.root" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_that_went_away_keeps_its_manifest_and_warns(plain_copy):
    run_stage(plain_copy, "scan_library", "library.root=../photos")
    before = (plain_copy / "data/library/photos.jsonl").read_bytes()
    (plain_copy.parent / "photos").rename(plain_copy.parent / "unplugged")
    result = run_stage(plain_copy, "scan_library", "library.root=../photos")
    assert result.returncode == 0
    assert "kept" in result.stderr.lower() or "keep" in result.stderr.lower()
    assert (plain_copy / "data/library/photos.jsonl").read_bytes() == before


def test_a_corrupt_and_an_empty_photo_are_recorded(plain_copy):
    (plain_copy.parent / "photos" / "empty.jpg").touch()
    (plain_copy.parent / "photos" / "text.jpg").write_text("this is not a picture")
    result = run_stage(plain_copy, "scan_library", "library.root=../photos")
    assert result.returncode == 0, result.stderr
    problems = (plain_copy / "data/library/problems.jsonl").read_text().splitlines()
    assert {json.loads(line)["rel_path"] for line in problems} == {"empty.jpg", "text.jpg"}
    assert len((plain_copy / "data/library/photos.jsonl").read_text().splitlines()) == 3


def test_a_torn_raw_file_is_named(plain_copy, tmp_path):
    raw = tmp_path / "raw.jsonl"
    raw.write_text('{"image_id":"a","annotation":{"scene":"food"}}\n{"image_id":"b","annota')
    result = run_stage(plain_copy, "convert_annotations", f"paths.raw_annotations={raw}")
    assert result.returncode == 1
    assert f"{raw}, line 2" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "stage", sorted(path.stem for path in STAGES.glob("*.py") if path.stem not in SHARED)
)
def test_the_code_beside_the_script_runs(plain_copy, stage):
    """Not the code of the folder whose environment runs it: DVC hashes the one beside the script."""
    package = plain_copy / "src" / "vibe_photos"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit(__file__)")
    assert run_stage(plain_copy, stage, "--help").stderr == f"{package / '__init__.py'}\n"
