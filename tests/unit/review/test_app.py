"""The routes, as the page uses them, through the real command on a real socket."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.review.review_library import hide_labels, write_review_library
from tests.unit.review.running_review import RunningReview

from vibe_photos.records.taxonomy import all_keys
from vibe_photos.settings import Taxonomy

PHOTOS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    folder = tmp_path_factory.mktemp("app") / "library"
    write_review_library(folder, repository, [f"IMG_{n:02}.JPG" for n in range(PHOTOS)], PHOTOS)
    shutil.copytree(folder / "photos", folder / "kept")
    return folder


@pytest.fixture(scope="module")
def review(folder: Path) -> Iterator[RunningReview]:
    with RunningReview(folder, "--reviewer", "ada") as running:
        yield running


@pytest.fixture
def photo(review: RunningReview) -> dict[str, object]:
    """Return the first photo that waits, as the page knows it."""
    item = review.get("api/photos?status=open&limit=1").json()["items"][0]
    view: dict[str, object] = review.get(f"api/photo/{item['image_id']}").json()
    return view


def test_pages_and_what_they_load(review: RunningReview) -> None:
    for path in ("", "mistakes", "photos"):
        page = review.get(path)
        assert (page.status, page.body.lstrip()[:15]) == (200, b"<!doctype html>")
    script = review.get("static/api.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert review.get("static/theme.css").headers["content-type"] == "text/css; charset=utf-8"


def test_a_session_has_every_label_once(review: RunningReview, taxonomy: Taxonomy) -> None:
    session = review.get("api/session").json()
    assert (session["reviewer"], session["is_blind"]) == ("ada", False)
    assert session["scenes"][2] == {
        "key": "scene.people",
        "name": "People",
        "means": taxonomy.definitions["scene.people"].means,
        "words": ["people", "selfie"],
    }
    rules = {label["key"]: label["rule_scene"] for label in session["attributes"] if "rule_scene" in label}
    assert rules == {"attr.is_document": "scene.document", "attr.is_screenshot": "scene.screenshot"}
    mouse = next(label for label in session["objects"] if label["name"] == "Mouse")
    assert mouse["key"] == "object.electronics.peripheral.mouse"
    keys = [label["key"] for kind in ("scenes", "attributes", "objects") for label in session[kind]]
    assert sorted(keys) == all_keys(taxonomy)
    assert session["progress"]["queued"] == PHOTOS


def test_a_photo_is_shown_small_large_and_whole(review: RunningReview, photo: dict[str, object]) -> None:
    for query in ("", "?size=320", "?size=1600", "?size=full"):
        reply = review.get(f"photo/{photo['image_id']}{query}")
        assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")
        assert reply.headers["cache-control"] == "private, max-age=3600, immutable"
    assert review.get(f"photo/{photo['image_id']}?size=9999").status == 400
    assert review.get("photo/0123").status == 404


def test_a_photo_that_cannot_be_shown_says_why(review: RunningReview, folder: Path) -> None:
    *_, last = review.get("api/photos?limit=500").json()["items"]
    path = folder / "photos" / last["rel_path"]
    path.write_bytes(path.read_bytes()[:200])
    reply = review.get(f"photo/{last['image_id']}")
    assert reply.status == 422
    assert reply.json() == {
        "error": "This photo cannot be shown: the file has changed since the scan: run dvc repro"
    }
    path.unlink()
    assert (
        review.get(f"photo/{last['image_id']}").json()["error"].endswith("the file does not exist any more")
    )
    shutil.copy(folder / "kept" / last["rel_path"], path)
    assert review.get(f"photo/{last['image_id']}").status == 200


def test_a_conflict_says_how_the_photo_stands(review: RunningReview, photo: dict[str, object]) -> None:
    decision = {
        "image_id": photo["image_id"],
        "version": photo["version"],
        "after": {"scene": "scene.people"},
    }
    recorded = review.post("api/decisions", {"decisions": [decision]}).json()
    assert recorded["progress"]["audited"] >= 1
    later = {**decision, "after": {"scene": "scene.food"}}
    conflict = review.post("api/decisions", {"decisions": [later]}).json()
    assert conflict["versions"] == {}
    (said,) = conflict["stale"]
    assert said == review.get(f"api/photo/{photo['image_id']}").json()
    assert said["people"] == {"scene": "scene.people", "attributes": {}, "objects": [], "proposed": []}
    undone = review.post("api/undo", {}).json()
    assert undone["versions"] == {photo["image_id"]: said["version"] + 1}
    assert review.get(f"api/photo/{photo['image_id']}").json()["version"] == said["version"] + 1


def test_the_grid_is_recorded_at_once_but_for_what_changed(review: RunningReview) -> None:
    food = "api/photos?list=all&status=open&says=teacher:scene.food"
    grid = review.get(food).json()
    assert grid["total"] == len(grid["items"]) == PHOTOS // 3
    decisions = [
        {"image_id": item["image_id"], "version": item["version"], "after": item["teacher"]}
        for item in grid["items"]
    ]
    decisions[0]["version"] += 7
    recorded = review.post("api/decisions", {"decisions": decisions}).json()
    assert [view["image_id"] for view in recorded["stale"]] == [decisions[0]["image_id"]]
    assert sorted(recorded["versions"]) == sorted(one["image_id"] for one in decisions[1:])
    assert review.get(food).json()["total"] == 1
    review.post("api/undo", {})
    assert review.get(food).json()["total"] == PHOTOS // 3


@pytest.mark.parametrize(
    "path",
    [
        "api/photos?offset=-1",
        "api/photos?limit=501",
        "api/photos?limit=ten",
        "api/photos?list=everything",
        "api/photos?status=lost",
        "api/photos?surprise=1",
        "api/photos?offset=5000000000",
        "api/photos?says=teacher:scene.fod",
        "api/photos?says=grandmother:scene.food",
        "api/chips?about=scene.fod&sure=0-50",
        "api/matrix?pair=teacher",
        "api/map?lasso=here",
    ],
)
def test_a_query_that_makes_no_sense_is_told_so(review: RunningReview, path: str) -> None:
    reply = review.get(path)
    assert reply.status == 400
    assert reply.json().keys() == {"error"}


def test_a_label_nobody_has_and_a_piece_past_the_end_are_empty(review: RunningReview) -> None:
    for path in ("api/photos?label=scene.nothing", "api/photos?by=final&label=scene.nothing"):
        assert review.get(path).json() == {"total": 0, "items": []}
    assert review.get("api/photos?offset=4000000000").json() == {"total": PHOTOS, "items": []}


def test_a_blind_review_hides_the_student(folder: Path) -> None:
    with RunningReview(folder, "--reviewer", "bob", "--blind") as review:
        assert review.get("api/session").json()["is_blind"] is True
        (item,) = review.get("api/photos?limit=1").json()["items"]
        assert item["student"] is None
        view = review.get(f"api/photo/{item['image_id']}/student").json()
        assert view == {"student": None, "scores": {}}
        for query in ("photos?says=student:scene.food", "photos?sort=sure", "matrix", "photos?apart=true"):
            assert review.get(f"api/{query}").status == 403


def test_a_photo_of_the_tenth_is_judged_without_anybodys_labels(tmp_path: Path, repository: Path) -> None:
    folder = tmp_path / "library"
    names = [f"IMG_{n:02}.JPG" for n in range(PHOTOS)]
    ids = write_review_library(folder, repository, names, PHOTOS)
    hidden, shown = ids[1], ids[4]  # the teacher calls both a document
    hide_labels(folder, ids, {hidden})
    after = {"scene": "scene.food", "attributes": {"attr.has_text": False}, "objects": []}
    with RunningReview(folder, "--reviewer", "ada") as review:
        items = {item["image_id"]: item for item in review.get("api/photos").json()["items"]}
        assert items.keys() == set(ids)
        assert (items[hidden]["teacher"], items[hidden]["student"]) == (None, None)
        view = review.get(f"api/photo/{hidden}").json()
        assert (view["is_unassisted"], view["teacher"], view["people"]) == (True, None, None)
        assert "judged without the teacher's answer, to measure its influence" in view["effect"]
        assert review.get(f"api/photo/{hidden}/student").json() == {"student": None, "scores": {}}
        # No list tells which scene the teacher or the student gives it.
        for query in ("label=", "by=final&label=", "says=teacher:", "says=student:"):
            listed = review.get(f"api/photos?{query}scene.document").json()["items"]
            assert {item["image_id"] for item in listed} == {shown, ids[7], ids[10]}
        for image_id in (hidden, shown):
            decision = {"image_id": image_id, "version": 0, "after": after}
            assert review.post("api/decisions", {"decisions": [decision]}).status == 200
    log = folder / "data" / "human" / "decisions" / "ada.jsonl"
    lines = {line["image_id"]: line for line in map(json.loads, log.read_text().splitlines())}
    assert lines[hidden]["unassisted"] is True
    assert "shown" not in lines[hidden]
    assert "unassisted" not in lines[shown]
    assert lines[shown]["shown"]["scene"] == ["scene.document"]

    # Who judged a photo with the labels cannot forget them; one judged without them stays so.
    hide_labels(folder, ids, {shown})
    with RunningReview(folder, "--reviewer", "bob") as review:
        views = {image_id: review.get(f"api/photo/{image_id}").json() for image_id in (hidden, shown)}
    assert [views[image_id]["is_unassisted"] for image_id in (hidden, shown)] == [True, False]
    assert views[hidden]["teacher"] is None
    assert views[shown]["teacher"]["scene"] == "scene.document"
