"""`vibe-photos check`: each thing that a run needs is ok, or says what to do; nothing is written or paid."""

import json
import re
import shutil
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest
import xxhash
from msgspec.structs import replace
from PIL import Image

from vibe_photos.annotate.answers import AnswerKey, read_answered_ids
from vibe_photos.annotate.imports import import_annotations
from vibe_photos.configuration import compose_settings
from vibe_photos.errors import ConfigurationError
from vibe_photos.project.check import check_project, print_checks
from vibe_photos.scan.stage import scan_library

PARAMS = "use: {teacher: offline, taxonomy: m2, embedder: hog}\nlibrary: {root: PHOTOS}\n"
TEACHER = """\
defaults: [/question@_here_, _self_]
server: replay
model: recorded
replay: {recordings: recordings.jsonl, latency_seconds: 0.0, error_share: 0.0, rate_limit_share: 0.0,
  malformed_share: 0.0, stall_share: 0.0, retry_after_seconds: 1, seed: 0}
"""


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        Image.linear_gradient("L").rotate(20 * index).convert("RGB").save(folder / f"{index}.jpg")
    return folder


@pytest.fixture
def project(repository, tmp_path, photos, monkeypatch):
    """A folder with the configuration and the stages, in a git repository without remotes."""
    folder = tmp_path / "project"
    for name in ("conf", "stages"):
        shutil.copytree(repository / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "params.yaml").write_text(PARAMS.replace("PHOTOS", str(photos)))
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    monkeypatch.chdir(folder)
    for name in ("VIBE_PHOTOS_STORE", "DVC_ROOT", "QWEN_BASE_URL", "QWEN_API_KEY", "QWEN_MODEL"):
        monkeypatch.delenv(name, raising=False)
    return folder


def answer_all(photos, folder, **fields):
    """Write answers about all photos to a file."""
    file = folder / "answers.jsonl"
    with file.open("w") as lines:
        for photo in sorted(photos.iterdir()):
            image_id = xxhash.xxh3_128_hexdigest(photo.read_bytes())
            answer = {"image_id": image_id, "annotation": {"scene": "food", "objects": []}, **fields}
            lines.write(json.dumps(answer) + "\n")
    return file


def check(asks=False):
    return {result.name: (result.is_ok, result.detail) for result in check_project(asks)}


def test_all_is_well(project, photos, capsys):
    import_annotations([answer_all(photos, project)], project / ".store", compose_settings())
    before = {path for path in (project / "data").rglob("*") if path.is_file()}
    print_checks(asks=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:18].rstrip() for line in lines] == [
        f"ok   {name}"
        for name in (
            "configuration",
            "photos",
            "disk space",
            "human labels",
            "answers",
            "teacher",
            "encoder",
            "git",
            "dvc",
        )
    ]
    said = "\n".join(lines)
    assert f"3 in {photos}, all readable" in said
    assert "all 3 photos have an answer: no request is needed" in said
    assert "hog-" in said
    assert "no remote to push to: human labels stay on this machine" in said
    assert {path for path in (project / "data").rglob("*") if path.is_file()} == before


def test_everything_that_is_wrong_is_said_at_once(project, photos, monkeypatch):
    """Photos that cannot be read are no reason to stop, and an unreadable one is named."""
    (photos / "torn.jpg").write_bytes(b"no picture")
    (photos / "alone.CR2").write_bytes(b"II*\0")
    truth = [{"image_id": "a", "scene": "scene.nowhere", "attributes": {}, "objects": []}]
    (project / "data/human").mkdir(parents=True)
    (project / "data/human/ground_truth_human.audited.json").write_text(json.dumps(truth))
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("embedder: hog", "embedder: onnx"))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(1, 1, 50_000))
    shutil.rmtree(project / ".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    found = check()
    assert found["photos"][0]
    assert "1 files cannot be used, such as torn.jpg" in found["photos"][1]
    assert found["photos"][1].endswith("left out: 1 .cr2 (RAW is not supported: export JPEGs beside it)")
    wrong = {name: said for name, (is_ok, said) in found.items() if not is_ok}
    assert wrong.keys() == {"disk space", "human labels", "answers", "encoder", "git"}
    assert "has 50.0 kB free, and this library takes about 105.0 kB" in wrong["disk space"]
    assert "scene.nowhere" in wrong["human labels"]
    assert (
        "3 of 3 photos have no answer, and no server is set: vibe-photos import-annotations"
        in wrong["answers"]
    )
    assert "checkpoint" in wrong["encoder"]
    assert "not in a git repository" in wrong["git"]
    with pytest.raises(
        ConfigurationError, match="not ready: disk space, human labels, answers, encoder, git"
    ):
        print_checks(asks=False)


def test_a_threshold_of_no_label_ends_it(project, capfd):
    params = project / "params.yaml"
    params.write_text(params.read_text() + "classify: {object_threshold: {keybord: 0.5}}\n")
    assert check() == {"configuration": (False, "fix the configuration first: the errors are listed above")}
    assert "classify.object_threshold.keybord" in capfd.readouterr().err


def test_other_values_and_choices_are_checked_and_written_nowhere(project, photos, tmp_path):
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "0.jpg").write_bytes((photos / "0.jpg").read_bytes())
    overrides = [f"library.root={tmp_path / 'others'}", "teacher=qwen3_vl_8b"]
    found = {result.name: result for result in check_project(False, overrides)}
    assert found["photos"].detail.startswith(f"1 in {tmp_path / 'others'}")
    assert "QWEN_BASE_URL" in found["teacher"].detail
    (wrong,) = check_project(False, ["+classify.object_threshold.keybord=0.5"])
    assert not wrong.is_ok
    assert "classify.object_threshold.keybord: no label has that name; did you mean keyboard" in wrong.detail
    assert not (project / "data").exists()


def test_answers_by_another_hash(project, photos):
    key = AnswerKey("imported", "imported")
    settings = compose_settings()
    other = replace(settings, library=replace(settings.library, content_hash="xxh64"))
    file = project / "m2.jsonl"
    file.write_text('{"image_id": "44bc2cf5ad770999", "annotation": {"scene": "food"}}\n')
    import_annotations([file], project / ".store", other)
    assert read_answered_ids(project / ".store", key) == {"44bc2cf5ad770999"}
    is_ok, said = check()["answers"]
    assert not is_ok
    assert "write `content_hash: xxh64` under `library:`" in said


def test_one_photo_is_asked_about_and_its_answer_kept(project, photos):
    recordings = answer_all(photos, project, model="recorded")
    recordings.rename(project / "recordings.jsonl")
    (project / "conf/teacher/recorded.yaml").write_text(TEACHER)
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("offline", "recorded"))
    assert "3 requests; about" in check()["answers"][1]
    assert check(asks=True)["one answer"] == (True, "asked about 0.jpg; the answer is paid for and kept")
    assert "1 already paid" in check()["answers"][1]
    scan_library(compose_settings(), project / ".store")
    data = (photos / "0.jpg").read_bytes()
    for name, rating in (("0.jpg", b"five"), ("copy.jpg", b"four")):
        (photos / name).write_bytes(data[:2] + b"\xff\xfe\0\x06" + rating + data[2:])
    assert check()["answers"][1].startswith("4 photos, 2 already paid, 0 unreadable, 2 requests")
    assert not (project / "data/annotations").exists()


def test_who_can_read_what_is_pushed(project, tmp_path, monkeypatch):
    subprocess.run(
        ["git", "remote", "add", "origin", "https://anna:pw@git.example.org/x?token=t"], check=True
    )
    subprocess.run(["git", "remote", "add", "upstream", "https://example.org/code"], check=True)
    subprocess.run(["git", "config", "remote.upstream.pushurl", "only-fetched-never-pushed"], check=True)
    nas = tmp_path / "nas"
    nas.mkdir(mode=0o750)
    (project / ".dvc").mkdir()
    (project / ".dvc/config").write_text(
        f"['remote \"nas\"']\n    url = {nas}\n['remote \"web\"']\n    url = https://h.example.org/d?sig=t\n"
    )
    found = check()
    assert found["git"][1].startswith(
        "origin (https://***@git.example.org/x?token=***): the settings of that host"
    )
    assert "upstream" not in found["git"][1]
    assert f"nas ({nas}): readable by its group on " in found["dvc"][1]
    assert "web (https://h.example.org/d?sig=***): the settings of that host decide" in found["dvc"][1]
    (project / ".dvc/config").write_text(f"['remote \"nas\"']\n    url = {Path('gone') / 'x'}\n")
    monkeypatch.chdir(project.rename(project.with_name("Fotos für alle")))
    assert re.search(r"nas \(gone/x\).*; `dvc exp run --queue` fails here", check()["dvc"][1])
