"""The view of mistakes in a real Chromium: many photos are set right from the matrix, by few actions."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page
from tests.e2e.review.reviewed_library import Library, copy_library
from tests.unit.review.review_library import SCENES, read_settings, write_doubts, write_review_library
from tests.unit.review.running_review import RunningReview

from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import Decision
from vibe_photos.records.photos import say_count
from vibe_photos.records.splits import read_splits
from vibe_photos.review.decision_index import format_time
from vibe_photos.storage.jsonl import write_jsonl
from vibe_photos.storage.vectors import Embeddings, write_embeddings

FOOD, DOCUMENT, LANDSCAPE = SCENES
CELLS = [(FOOD, DOCUMENT), (FOOD, LANDSCAPE), (DOCUMENT, FOOD), (DOCUMENT, LANDSCAPE), (LANDSCAPE, FOOD)]
A_CELL = 8


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> tuple[Path, dict[str, str]]:
    """A library of which the teacher has 40 scenes wrong, in five cells; the student has them right."""
    folder = tmp_path_factory.mktemp("mistakes") / "library"
    names = [f"{2020 + n % 2}/IMG_{n:04}.JPG" for n in range(60)]
    ids = write_review_library(folder, repository, names, 6)
    settings = read_settings(folder)
    trains = {i for i, one in read_splits(settings.paths.splits).items() if one.role == "train"}
    teacher = {image_id: SCENES[n % 3] for n, image_id in enumerate(ids) if image_id in trains}
    student: dict[str, str] = dict(teacher)
    for said, meant in CELLS:
        waiting = [i for i in teacher if teacher[i] == said and student[i] == said]
        student |= dict.fromkeys(waiting[:A_CELL], meant)
    write_doubts(settings, student)
    vectors = np.eye(3, 16, dtype=np.float32)[[n % 3 for n in range(len(ids))]]
    vectors += 0.05 * np.random.default_rng(0).standard_normal(vectors.shape, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    settings.paths.embeddings.mkdir(parents=True)
    write_embeddings(settings.paths.embeddings / "embeddings.sqlite", Embeddings(ids, vectors, "test"))
    return folder, {i: scene for i, scene in student.items() if scene != teacher[i]}


@pytest.fixture
def library(mistaken: tuple[Path, dict[str, str]], tmp_path: Path) -> Library:
    return copy_library(mistaken[0], tmp_path / "library")


class Person:
    """Somebody at the page, whose every click and key is counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.actions: Counter[str] = Counter()
        page.set_default_timeout(30_000)

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.page.locator("#matrix button").first.wait_for()
        self.settle()

    def click(self, selector: str) -> None:
        self.actions["click"] += 1
        self.page.locator(selector).first.click()
        self.settle()

    def press(self, key: str) -> None:
        self.actions["key"] += 1
        self.page.keyboard.press(key)
        self.settle()

    def open_cell(self, teacher: str, student: str, photos: int) -> None:
        names = [key.partition(".")[2].capitalize() for key in (teacher, student)]
        self.click(f"#matrix [aria-label='the teacher: {names[0]}, the student: {names[1]}, {photos}']")
        self.page.locator(f"#count:text-is('{say_count(photos)}')").wait_for()
        self.settle()

    def settle(self) -> None:
        self.page.locator("body:not([aria-busy])").wait_for()

    def wait_for_picture(self, image_id: str) -> None:
        loaded = "(id) => document.querySelector(`[data-image='${id}'] img`)?.naturalWidth > 0"
        self.page.wait_for_function(loaded, arg=image_id)

    def say(self, text: str) -> None:
        self.page.locator("#announcement", has_text=text).wait_for(state="attached")


@contextmanager
def changed_file(path: Path) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(before + b"more")
    yield
    path.write_bytes(before)


def read_scenes(library: Library) -> dict[str, str]:
    truth = read_human_truth(read_settings(library.folder).paths.human, {})
    assert not truth.measured
    return {image_id: record.scene[0] for image_id, record in truth.taught.items()}


def test_forty_wrong_scenes_are_set_right_in_few_actions_and_survive_a_dead_server(
    library: Library, mistaken: tuple[Path, dict[str, str]], context
) -> None:
    right = mistaken[1]
    assert len(right) == len(CELLS) * A_CELL == 40
    person = Person(context.new_page())
    # One cell by the key of its scene, the others by what the student says.
    keys = {CELLS[0]: "7"}

    def find_in_cell(cell: tuple[str, str]) -> str:
        return next(i for i in right if (*library.teacher(i).scene, right[i]) == cell)

    def set_right(cells: list[tuple[str, str]]) -> None:
        for cell in cells:
            person.open_cell(*cell, A_CELL)
            person.press("Control+a")
            person.press(keys.get(cell, "Enter"))
            said = "Document set" if cell in keys else "Student’s label confirmed"
            person.say(f"{said} for {A_CELL} photos")
            assert person.page.locator("#empty").inner_text() == "Done. Choose another number in the table."

    with RunningReview(library.folder, "--reviewer", "ada") as review:
        person.open(f"{review.address}mistakes")
        scene_keys = person.page.evaluate(
            "fetch('api/session').then((r) => r.json()).then((s) => s.scenes.map(({ key }) => key))"
        )
        keys[CELLS[0]] = "1234567890"[scene_keys.index(DOCUMENT)]
        set_right(CELLS[:3])
        review.kill()
    assert len(read_scenes(library)) == 3 * A_CELL
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        person.open(f"{review.address}mistakes")
        said_before = read_scenes(library)
        # Its picture is there before the file changes: what has no picture is not sent at all.
        person.wait_for_picture(find_in_cell(CELLS[3]))
        with changed_file(library.photo(find_in_cell(CELLS[3]))):
            person.open_cell(*CELLS[3], A_CELL)
            person.press("Control+a")
            person.press("Enter")
            person.page.locator("#problem", has_text="the file has changed since the scan").wait_for()
        person.open(f"{review.address}mistakes")  # what was refused is not sent again by the next page
        assert (
            person.page.evaluate("Object.keys(localStorage).filter((key) => key.includes('decision'))") == []
        )
        assert read_scenes(library) == said_before
        set_right(CELLS[3:])
        assert read_scenes(library) == right
        # Nobody judged the other labels: they stay the teacher's.
        taught = read_human_truth(read_settings(library.folder).paths.human, {}).taught.values()
        assert [(one.attributes, one.objects) for one in taught] == [({}, None)] * len(right)
        assert person.actions.total() < 60
        assert person.page.locator("#matrix td:not(.is-same) button").count() == 0

        # Each undo takes back a whole action, also those of the server that died.
        for left in (4, 3, 2, 1, 0):
            person.press("u")
            person.say(f"{A_CELL} undone")
            assert len(read_scenes(library)) == left * A_CELL
        set_right(CELLS)
        assert read_scenes(library) == right
        assert person.actions.total() < 60

        # What people said beside the scene stays when the student's scene is confirmed.
        image_id = find_in_cell(CELLS[4])
        said = {"scene": [CELLS[4][0]], "objects": ["object.food"], "proposed": ["tent"]}
        line = Decision(
            image_id=image_id, decided_at=format_time(datetime.now(UTC)), purpose="teach", after=said
        )
        write_jsonl(library.folder / "data/human/decisions/bob.jsonl", [line])
        person.open(f"{review.address}mistakes?status=&judge=bob")
        person.open_cell(*CELLS[4], 1)
        person.press("Control+a")
        person.press("Enter")
        person.say("Student’s label confirmed for 1 photo")
    after = read_human_truth(read_settings(library.folder).paths.human, {}).taught[image_id]
    assert after.scene == [CELLS[4][1]]
    assert (after.objects, after.extra["proposed"]) == (["object.food"], ["tent"])


def test_chips_are_kept_in_the_address_and_removed_one_by_one(library: Library, context) -> None:
    person = Person(context.new_page())
    page = person.page
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        person.open(f"{review.address}mistakes")
        person.open_cell(FOOD, LANDSCAPE, A_CELL)
        marks = page.locator(".tile").first.locator(".says .mark")
        assert marks.all_inner_texts() == ["T", "S 90 %"]
        page.locator("#narrow summary").click()
        page.get_by_label("Folder").select_option("2020")
        page.get_by_role("button", name="Remove: folder 2020").wait_for()
        person.settle()
        found = page.locator("#count").inner_text()
        assert found != "8 photos"
        page.reload()
        page.get_by_role("button", name="Remove: folder 2020").wait_for()
        person.settle()
        assert page.locator("#count").inner_text() == found
        page.get_by_role("button", name="Remove: folder 2020").click()
        page.locator("#count:text-is('8 photos')").wait_for()
        page.locator(".tile").first.focus()
        with page.expect_navigation():
            page.keyboard.press("Enter")
        page.locator("#viewport .picture").wait_for()
        # The next photo is the next of the grid.
        first = page.url
        page.keyboard.press("ArrowRight")
        page.wait_for_url(lambda url: url != first)
        assert "says=teacher" in page.url


def test_alike_photos_and_the_map_lead_into_the_same_grid(
    library: Library, mistaken: tuple[Path, dict[str, str]], context
) -> None:
    person = Person(context.new_page())
    page = person.page
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        person.open(f"{review.address}mistakes?says=teacher:{FOOD}")
        page.locator(".tile").first.focus()
        page.keyboard.press("l")
        page.get_by_role("button", name="Remove: like one photo").wait_for(timeout=60_000)
        person.settle()
        # The nearest are the 20 of its kind, first of all itself.
        scenes = page.locator(".tile").evaluate_all(
            "tiles => tiles.slice(0, 20).map((tile) => tile.querySelector('.says .name').textContent)"
        )
        assert Counter(scenes)["Food"] >= 17
        page.get_by_role("button", name="Remove: like one photo").click()
        person.settle()
        page.locator("#show-map").click()
        page.locator("#map-legend li").first.wait_for()
        box = page.locator("#map").bounding_box()
        assert box
        page.mouse.move(box["x"] + 2, box["y"] + 2)
        page.mouse.down()
        for x, y in ((0.99, 0.01), (0.99, 0.99), (0.01, 0.99)):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.mouse.up()
        page.get_by_role("button", name="Remove: drawn on the map").wait_for()
        person.settle()
        assert page.locator("#count").inner_text() == "60 photos"


def test_a_photo_of_the_report_is_opened_by_its_id_or_path(library: Library, context) -> None:
    (one, *_) = library.queue
    path = library.photo(one).relative_to(library.folder / "photos")
    for name in (one, str(path)):
        with RunningReview(library.folder, "--reviewer", "ada", "--only", name) as review:
            page = context.new_page()
            page.goto(review.address)
            page.locator("#viewport .picture").wait_for()
            assert f"photo={one}" in page.url
            page.keyboard.press("l")
            page.get_by_role("button", name="Remove: like one photo").wait_for(timeout=60_000)


def test_a_tile_gives_people_only_what_they_set_and_the_page_says_when_labels_changed(
    library: Library, context
) -> None:
    person = Person(context.new_page())
    page = person.page
    resolved = library.folder / "data/config/resolved.yaml"

    def read_tile(address: str) -> tuple[list[str], list[str]]:
        person.open(address)
        tile = page.locator(".tile").first
        return tile.locator(".says").all_inner_texts(), tile.locator(".tag .mark").all_inner_texts()

    with RunningReview(library.folder, "--reviewer", "ada") as review:
        person.open(f"{review.address}mistakes")
        assert page.locator("#matrix .axis").all_inner_texts() == ["Student says →", "Teacher says ↓"]
        person.open_cell(FOOD, LANDSCAPE, A_CELL)
        person.press("Control+a")
        person.press("Enter")
        says, marks = read_tile(f"{review.address}mistakes?status=audited")
        assert [said.split() for said in says] == [["P", "S", "90", "%", "Landscape"], ["T", "Food"]]
        assert marks == ["T", "S 80 %"]

        person.open(f"{review.address}mistakes")
        person.open_cell(DOCUMENT, LANDSCAPE, A_CELL)
        person.press("Control+a")
        person.click("#keys button:has-text('Text')")
        person.say(f"Text taken away from {A_CELL} photos")
        says, marks = read_tile(f"{review.address}mistakes?status=audited&says=teacher:{DOCUMENT}")
        assert [said.split() for said in says] == [["T", "Document"], ["S", "90", "%", "Landscape"]]
        assert marks[:2] == ["P no", "T"]

        assert page.locator("#changed").is_hidden()
        resolved.write_text(resolved.read_text().replace("scene.snapshot", "scene.moment"))
        page.reload()
        page.get_by_text("The labels have changed: restart vibe-photos review").wait_for()
