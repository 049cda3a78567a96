"""The real command: begun, interrupted, killed, held twice, and what it says when it cannot begin."""

import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.review.review_library import read_settings, write_review_library
from tests.unit.review.running_review import RunningReview

from vibe_photos.cli import main
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.storage.append_log import read_lines

IS_PROOF = os.environ.get("VIBE_PHOTOS_PROVE") == "1"
KILLS = 30 if IS_PROOF else 3
PHOTOS = 40


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    folder = tmp_path_factory.mktemp("process") / "library"
    write_review_library(folder, repository, [f"IMG_{number}.JPG" for number in range(PHOTOS)], PHOTOS)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "library")
    return tmp_path / "library"


def decide(review: RunningReview, image_id: str, scene: str, version: int) -> int:
    body = {"image_id": image_id, "version": version, "after": {"scene": scene}, "seen": ["teacher"]}
    return review.post("api/decisions", {"decisions": [body]}).status


def list_queue(review: RunningReview) -> list[str]:
    return [item["image_id"] for item in review.get("api/photos?limit=500").json()["items"]]


def scenes_on_disk(folder: Path) -> dict[str, str]:
    return {
        record.image_id: record.scene[0]
        for record in [*read_human_truth(folder / "data" / "human", {}).everything.values()]
    }


def test_a_review_ends_calmly_and_goes_on_where_it_was(folder: Path) -> None:
    with RunningReview(folder, "--reviewer", "ada") as review:
        assert review.printed[0] == f"ada has {PHOTOS} photos to measure with, 0 to teach with, at\n"
        first, second, third, *_ = list_queue(review)
        assert decide(review, first, "scene.food", 0) == 200
        assert review.post("api/skip", {"image_id": second}).status == 200
        status, rest = review.interrupt()
        assert status == 0
        assert rest.endswith("\nEvery decision is in data/human/decisions/ada.jsonl\nNow: dvc repro\n")
        assert review.errors.read_text() == ""
    with RunningReview(folder, "--reviewer", "ada") as review:
        queue = [item["image_id"] for item in review.get("api/photos?status=open").json()["items"]]
        assert (queue[0], queue[-1], len(queue)) == (third, second, PHOTOS - 1)
        assert list(review.post("api/undo", {}).json()["versions"]) == [second]
        assert second not in [i["image_id"] for i in review.get("api/photos?status=skipped").json()["items"]]
        assert list(review.post("api/undo", {}).json()["versions"]) == [first]
    assert scenes_on_disk(folder) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_review_without_a_decision_leaves_no_file_however_it_is_ended(folder: Path, number: int) -> None:
    with RunningReview(folder, "--reviewer", "ada") as review:
        list_queue(review)
        status, rest = review.interrupt(number)
        assert (status, review.errors.read_text()) == (0, "")
        assert "Every decision is in" in rest
    assert not (folder / "data/human/decisions/ada.jsonl").exists()


def test_two_tabs_overwrite_nothing(folder: Path) -> None:
    with RunningReview(folder, "--reviewer", "ada") as review:
        image_id = list_queue(review)[0]
        assert decide(review, image_id, "scene.food", 0) == 200
        late = {"image_id": image_id, "version": 0, "after": {"scene": "scene.people"}}
        (stale,) = review.post("api/decisions", {"decisions": [late]}).json()["stale"]
        assert (stale["image_id"], stale["version"]) == (image_id, 1)
        assert scenes_on_disk(folder) == {image_id: "scene.food"}
        assert decide(review, image_id, "scene.people", 1) == 200
    assert scenes_on_disk(folder) == {image_id: "scene.people"}


def test_a_server_killed_at_random_moments_has_every_decision_it_answered(folder: Path) -> None:
    """What was answered is on disk; of what was under way, at most the last line, and that whole."""
    moments, answered = random.Random(5), {}
    log = folder / "data" / "human" / "decisions" / "ada.jsonl"
    for _ in range(KILLS):
        with RunningReview(folder, "--reviewer", "ada") as review:
            views = review.get("api/photos?limit=500").json()["items"]
            versions = {item["image_id"]: item["version"] for item in views}
            for image_id, scene in answered.items():
                assert review.get(f"api/photo/{image_id}").json()["people"]["scene"] == scene
            threading.Timer(moments.uniform(0.02, 0.3), review.process.kill).start()
            under_way = decide_until_killed(review, versions, moments, answered)
        on_disk = scenes_on_disk(folder)
        assert {image_id: scene for image_id, scene in on_disk.items() if image_id != under_way} == {
            image_id: scene for image_id, scene in answered.items() if image_id != under_way
        }
        answered = on_disk
        assert len(log.read_bytes().splitlines()) == len(list(read_lines(log)))
    assert answered


def decide_until_killed(
    review: RunningReview, versions: dict[str, int], moments: random.Random, answered: dict[str, str]
) -> str:
    """Decide random photos until the server is gone; return the one that got no answer."""
    while True:
        image_id = moments.choice(sorted(versions))
        scene = moments.choice(["scene.food", "scene.people", "scene.other"])
        try:
            status = decide(review, image_id, scene, versions[image_id])
        except (OSError, IndexError):
            return image_id
        assert status == 200
        versions[image_id] += 1
        answered[image_id] = scene


def test_a_second_server_of_one_reviewer_says_so(folder: Path) -> None:
    with RunningReview(folder, "--reviewer", "ada"), RunningReview(folder, "--reviewer", "bob"):
        program = "from vibe_photos.cli import main; raise SystemExit(main())"
        refused = subprocess.run(
            [sys.executable, "-c", program, "review", "--no-browser", "--reviewer", "ada"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ada cannot review here: data/human/decisions/ada.jsonl is held")
    assert refused.stderr.count("\n") == 2


def test_a_file_that_breaks_while_the_page_is_open_is_named_on_the_terminal_only(folder: Path) -> None:
    with RunningReview(folder, "--reviewer", "ada") as review:
        image_id = list_queue(review)[0]
        audited = folder / "data" / "human" / "ground_truth_human.audited.json"
        audited.write_text("<<<<<<< HEAD")
        reply = review.get(f"api/photo/{image_id}")
        assert (reply.status, "terminal" in reply.json()["error"]) == (500, True)
        assert b"data" not in reply.body
        assert decide(review, image_id, "scene.food", 0) == 500
        assert "data/human/ground_truth_human.audited.json is neither JSON" in review.errors.read_text()
        audited.unlink()
        assert decide(review, image_id, "scene.food", 0) == 200


def test_a_full_disk_and_a_damaged_log_need_no_restart(folder: Path) -> None:
    log = folder / "data" / "human" / "decisions" / "ada.jsonl"
    with RunningReview(folder, "--reviewer", "ada") as review:

        def fail(image_id: str) -> str:
            body = {"image_id": image_id, "version": 0, "after": {"scene": "scene.food"}, "seen": ["teacher"]}
            reply = review.post("api/decisions", {"decisions": [body]})
            assert reply.status == 500
            return reply.json()["error"]

        first, second, third, *_ = list_queue(review)
        assert decide(review, first, "scene.food", 0) == 200
        whole = log.read_bytes()
        # No file may grow beyond this size: what a write then meets is what a full disk gives.
        limits = resource.prlimit(review.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(review.process.pid, resource.RLIMIT_FSIZE, (len(whole), limits[1]))
        assert "do it again here; nothing needs to be started again" in fail(second)
        assert "cannot be written: File too large" in review.errors.read_text()
        resource.prlimit(review.process.pid, resource.RLIMIT_FSIZE, limits)
        assert decide(review, second, "scene.food", 0) == 200

        whole = log.read_bytes()
        log.write_bytes(b"<<<<<<< HEAD\n" + whole)
        assert "Fix it, then do this again here" in fail(third)
        assert "data/human/decisions/ada.jsonl, line 1: " in review.errors.read_text()
        log.write_bytes(whole)
        assert decide(review, third, "scene.food", 0) == 200
    assert scenes_on_disk(folder) == dict.fromkeys((first, second, third), "scene.food")


def test_two_peoples_work_merges_in_git_without_a_conflict(folder: Path, tmp_path: Path) -> None:
    def git(where: Path, *arguments: str) -> None:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=where, check=True, capture_output=True)

    git(folder, "init", "--initial-branch=main")
    (folder / ".gitignore").write_text("stderr.txt\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--message=begin")
    other = tmp_path / "other"
    git(tmp_path, "clone", str(folder), str(other))
    scenes = {"ada": "scene.food", "bob": "scene.people"}
    for where, reviewer in ((folder, "ada"), (other, "bob")):
        with RunningReview(where, "--reviewer", reviewer) as review:
            first, second, *_ = list_queue(review)
            for image_id in {"ada": (first,), "bob": (first, second)}[reviewer]:
                assert decide(review, image_id, scenes[reviewer], 0) == 200
        git(where, "add", "data/human")
        git(where, "commit", "--message=audit")
    with RunningReview(folder, "--reviewer", "ada") as review:
        git(folder, "pull", "--no-rebase", "--no-edit", str(other), "main")
        (disputed,) = review.get("api/photos?list=disagreements").json()["items"]
        assert disputed["image_id"] == first
        decisions = review.get(f"api/photo/{first}").json()["conflicting_decisions"]
        assert {one["reviewer"]: one["truth"]["scene"] for one in decisions} == scenes
        body = {"image_id": first, "version": 2, "after": {"scene": "scene.food"}, "seen": ["reviewers"]}
        assert review.post("api/decisions", {"decisions": [body]}).status == 200
        assert review.get("api/photos?list=disagreements").json()["items"] == []
    assert scenes_on_disk(folder) == {first: "scene.food", second: "scene.people"}


def remove(*parts: str) -> Callable[[Path], None]:
    return lambda folder: shutil.move(folder.joinpath(*parts), folder / "elsewhere")


@pytest.mark.parametrize(
    ("harm", "options", "message"),
    [
        (remove("data", "library"), [], "data/library/photos.jsonl does not exist yet"),
        (remove("data", "ground_truth", "to_review.json"), [], "run `dvc repro sample` first"),
        (remove("data", "config"), [], "run `dvc repro compose` first"),
        (remove("photos"), [], "the photos are not here"),
        (lambda folder: None, ["--reviewer", "../bob"], "use letters, digits"),
        (lambda folder: None, ["--port", "{taken}"], "Address already in use"),
        (lambda folder: None, ["--port", "99999"], "leave --port out"),
    ],
    ids=["manifest", "sample", "compose", "photos", "reviewer", "taken", "port"],
)
def test_what_is_in_the_way_is_one_sentence(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Path], None],
    options: list[str],
    message: str,
) -> None:
    root = str(folder / "photos")
    resolved = folder / "data" / "config" / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace(read_settings(folder).library.root, root))
    harm(folder)
    monkeypatch.chdir(folder)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        status = main(["review", "--no-browser", *(option.format(taken=taken) for option in options)])
    assert status == 1
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
