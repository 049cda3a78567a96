"""The review page in a real Chromium, served by the real command: what is pressed is what is on disk."""

import json
import signal

from tests.e2e.review.audit_page import AuditPage
from tests.e2e.review.reviewed_library import Library
from tests.unit.review.review_library import hide_labels
from tests.unit.review.running_review import RunningReview

from vibe_photos.records.ground_truth import GroundTruth


def labels(record: GroundTruth) -> tuple[list[str], dict[str, bool], list[str]]:
    return record.scene, record.attributes, record.objects


def test_a_whole_audit_by_keyboard_is_on_disk_as_typed(library, context, open_audit):
    expected = {image_id: labels(library.teacher(image_id)) for image_id in library.queue}
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        port = str(review.port)
        audit = open_audit(review.address)
        assert audit.image_id == library.queue[0]
        audit.go_on("Enter")

        typed = audit.image_id
        audit.press("3", "p", "t", "t", "o")
        audit.page.keyboard.type("keyb")
        audit.press("Enter")
        audit.go_on("Enter")
        expected[typed] = (
            ["scene.people"],
            typed_attributes(expected[typed][1]),
            typed_objects(expected[typed][2]),
        )
        assert labels(library.audited[typed]) == expected[typed]

        undone = audit.image_id
        audit.press("9", "u")
        assert audit.scene == expected[undone][0][0]
        audit.press("9")
        audit.go_on("Enter")
        assert labels(library.audited[undone])[0] == ["scene.other"]
        audit.go_on("u")
        assert audit.image_id == undone
        assert undone not in library.audited
        audit.go_on("Enter")

        skipped = audit.image_id
        audit.press("f")
        audit.wait_until_said("Flagged")
        audit.press("n")
        audit.page.keyboard.type("ask <b>Grandma</b>")
        audit.press("Enter")
        audit.wait_until_said("Note saved")
        assert skipped not in library.audited
        assert all(line["kind"] == "remark" for line in library.log if line["image_id"] == skipped)
        audit.skip()

        reloaded = audit.image_id
        audit.press("8")
        audit.page.reload()
        audit.page.locator(".picture").wait_for()
        assert (audit.image_id, audit.scene) == (reloaded, "scene.animals")
        audit.go_on("Enter")
        expected[reloaded] = (["scene.animals"], *expected[reloaded][1:])

        killed = audit.image_id
        before = library.log
        review.kill()
        audit.press("2", "Enter")
        problem = audit.page.locator("#problem")
        problem.get_by_text("does not answer").wait_for()
        assert audit.image_id == killed
        assert library.log == before
        expected[killed] = (["scene.snapshot"], *expected[killed][1:])

    with RunningReview(library.folder, "--reviewer", "ada", "--port", port) as review:
        problem.get_by_text("no longer valid").wait_for()
        audit = open_audit(review.address)
        audit.wait_until_said("is saved now")
        assert labels(library.audited[killed]) == expected[killed]

        confirm_grid(library, audit, review.address)
        audit.page.goto(review.address)
        audit.page.locator(".picture").wait_for()
        while audit.image_id != skipped:
            audit.go_on("Enter")
        assert audit.page.locator("#note").input_value() == "ask <b>Grandma</b>"
        assert audit.page.locator("#flag").get_attribute("aria-pressed") == "true"
        audit.press("Enter")
        audit.page.get_by_role("heading", name="Every photo of the sample is checked").wait_for()

    assert {image_id: labels(record) for image_id, record in library.audited.items()} == expected
    last = [line for line in library.log if line["image_id"] == skipped][-1]
    assert (last["is_flagged"], last["note"]) == (True, "ask <b>Grandma</b>")


def test_a_photo_of_the_tenth_is_judged_with_nothing_filled_in(library, open_audit):
    hidden, shown, *_ = library.queue
    hide_labels(library.folder, library.queue, {hidden})
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        audit = open_audit(review.address)
        page = audit.page
        scene, marks = (
            page.locator("#scenes [aria-pressed=true]"),
            page.locator(".panel #labels section .mark"),
        )
        assert audit.image_id == hidden
        assert (scene.count(), marks.count()) == (0, 0)
        answers = page.locator("#attributes [aria-pressed=true]")
        assert {each.get_attribute("title") for each in answers.all()} == {"no"}
        assert page.locator("#objects").inner_text() == "No objects"
        assert "judged without the teacher's answer, to measure its influence" in (
            page.locator("#photo-effect").inner_text()
        )
        audit.press("Enter")
        audit.wait_until_said("Choose a scene first")
        audit.press("s")
        audit.wait_until_said("are hidden")
        assert marks.count() == 0
        assert library.log == []

        # P goes from "no" to "yes", over "not judged" back to "no", and to "yes" again.
        audit.press("3", "p", "p", "p", "p")
        audit.go_on("Enter")
        (line,) = library.log
        assert (line["image_id"], line["unassisted"]) == (hidden, True)
        assert line.keys().isdisjoint({"shown", "seen"})
        assert line["after"]["scene"] == ["scene.people"]
        assert [key for key, value in line["after"]["attributes"].items() if value] == ["attr.has_person"]
        assert False in line["after"]["attributes"].values()

        assert audit.image_id == shown
        assert audit.scene == library.teacher(shown).scene[0]
        audit.go_on("Enter")
        assert "unassisted" not in library.log[-1]
        assert library.log[-1]["seen"] == ["teacher"]


def typed_attributes(teacher: dict[str, bool]) -> dict[str, bool]:
    """P goes from "no" to "yes"; T T goes over the other of yes and no to "not judged"."""
    assert teacher["attr.has_person"] is False
    others = {key: value for key, value in teacher.items() if key != "attr.has_text"}
    return {**others, "attr.has_person": True}


def typed_objects(teacher: list[str]) -> list[str]:
    return sorted([*teacher, "object.electronics.peripheral.keyboard"])


def confirm_grid(library: Library, audit: AuditPage, address: str) -> None:
    """Confirm all landscapes but one at once; then take that back, and confirm again."""
    page = audit.page
    page.goto(f"{address}mistakes?list=measure&says=teacher:scene.landscape")
    before = set(library.audited)
    for is_last in (False, True):
        page.locator(".tile").first.wait_for()
        page.wait_for_load_state("networkidle")
        shown = [tile.get_attribute("data-image") for tile in page.locator(".tile").all()]
        assert len(shown) > 2
        page.locator("#whose").select_option("teacher")
        page.locator(".tile").first.focus()
        audit.press("Control+a", "x", "Enter")
        audit.wait_until_said(f"Teacher’s label confirmed for {len(shown) - 1} photos")
        assert set(library.audited) - before == set(shown[1:])
        audit.wait_until_idle()
        if not is_last:
            audit.press("u")
            audit.wait_until_said(f"{len(shown) - 1} undone")
            audit.wait_until_idle()
            assert set(library.audited) == before


def test_an_object_without_a_label_is_proposed_by_typing_it(library, open_audit):
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        audit = open_audit(review.address)
        page, image_id = audit.page, audit.image_id
        audit.press("o")
        page.keyboard.type("mouse")
        options = page.locator("#object-options [role=option]")
        assert "Propose" not in options.last.inner_text(), "that is a label"
        page.locator("#object-search").fill("")
        page.keyboard.type("Tent")
        assert options.all_inner_texts() == ["Propose “Tent”\nnot a label yet"]
        audit.press("Enter")
        page.keyboard.type("sleping bag")
        audit.press("Enter", "Escape")
        chips = page.locator(".chip.is-proposed")
        assert [text.split("\n")[0] for text in chips.all_inner_texts()] == ["sleping bag", "tent"]
        chips.first.click()
        page.reload()
        page.locator(".picture").wait_for()
        assert chips.count() == 1, "an edit survives a reload"
        audit.go_on("Enter")
        assert library.audited[image_id].extra == {"proposed": ["tent"]}
        audit.go_on("ArrowLeft")
        assert chips.count() == 1


def test_what_a_label_means_is_on_its_button_and_in_the_help(reading, open_audit, taxonomy):
    page = open_audit(reading.address).page
    for key in ("scene.snapshot", "attr.has_animal"):
        means = taxonomy.definitions[key].means
        assert page.locator(f"#labels [title='{means}']").count() == 1
        page.locator("#help-button").click()
        page.locator("#help-labels summary").first.click()
        assert means in page.locator("#help-labels").text_content()
        page.locator("#help header button").click()


def test_the_next_photo_shows_only_when_the_decision_is_on_disk(library, open_audit):
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        audit = open_audit(review.address)
        audit.page.wait_for_load_state("networkidle")
        review.process.send_signal(signal.SIGSTOP)
        audit.press("5", "Enter", "Enter", "k")
        audit.page.wait_for_timeout(300)
        assert audit.image_id == library.queue[0]
        assert library.log == []
        review.process.send_signal(signal.SIGCONT)
        audit.page.locator("#screen-reader", has_text="Saved.").wait_for(state="attached")
        audit.wait_until_idle()
        assert audit.image_id == library.queue[1]
        assert [line["image_id"] for line in library.log] == library.queue[:1]


def test_the_next_photo_is_there_before_it_is_asked_for(library, open_audit):
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        audit = open_audit(review.address)
        audit.page.wait_for_load_state("networkidle")
        requests: list[str] = []
        audit.page.on("request", lambda request: requests.append(request.url))
        audit.go_on("Enter")
        assert audit.image_id == library.queue[1]
        assert not [url for url in requests if library.queue[1] in url]


def test_of_two_tabs_that_disagree_a_person_chooses(library, open_audit):
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        one, other = open_audit(review.address), open_audit(review.address)
        for button, kept in (
            ("Keep what is on disk", "scene.food"),
            ("Replace it by mine", "scene.people"),
        ):
            disputed = other.image_id
            assert one.image_id == disputed
            one.press("4")
            one.go_on("Enter")
            other.press("3", "Enter")
            dialog = other.page.get_by_role("dialog")
            assert "Food" in dialog.locator("#conflict-saved").inner_text()
            assert "People" in dialog.locator("#conflict-mine").inner_text()
            assert library.audited[disputed].scene == ["scene.food"]
            dialog.get_by_role("button", name=button).click()
            other.wait_until_idle()
            assert library.audited[disputed].scene == [kept]
            if other.image_id == disputed:
                assert other.scene == kept
                other.go_on("ArrowRight")


def test_a_flag_of_another_tab_is_no_conflict(library, open_audit):
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        one, other = open_audit(review.address), open_audit(review.address)
        first = one.image_id
        one.press("f")
        one.wait_until_said("Flagged")
        other.press("3")
        other.go_on("Enter")
        assert library.audited[first].scene == ["scene.people"]
        assert library.log[-1]["is_flagged"]


def test_a_photo_that_cannot_be_shown_says_why_and_is_skipped(library, open_audit):
    library.photo(library.queue[0]).write_bytes(b"no picture")
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        audit = open_audit(review.address)
        audit.page.locator("#unshown-reason", has_text="cannot be shown").wait_for()
        audit.press("Enter")
        audit.wait_until_said("cannot be judged")
        audit.skip("1")
        assert audit.image_id == library.queue[1]
        assert library.audited == {}
        assert (library.log[-1]["kind"], library.log[-1]["reason"]) == ("skip", "cannot tell")
        (scene,) = library.teacher(library.queue[0]).scene
        audit.page.goto(f"{review.address}mistakes?list=all&says=teacher:{scene}")
        audit.page.get_by_text("cannot be shown").wait_for()
        audit.page.wait_for_load_state("networkidle")
        audit.page.locator("#whose").select_option("teacher")
        audit.page.locator(".tile").first.focus()
        audit.press("Control+a", "Enter")
        audit.wait_until_said("1 photo not saved")
        assert library.queue[0] not in library.audited
        assert library.audited


def test_the_student_speaks_when_asked_and_the_log_says_so(library, open_audit):
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        audit = open_audit(review.address)
        marks = audit.page.locator("#labels section .is-student")
        assert marks.count() == 0
        audit.press("s")
        marks.first.wait_for()
        audit.go_on("Enter")
        assert marks.count() == 0
        audit.go_on("Enter")
        assert [line["seen"] for line in library.log] == [["teacher", "student"], ["teacher"]]


def test_blind_the_student_is_not_asked(library, open_audit):
    with RunningReview(library.folder, "--reviewer", "ada", "--blind") as review:
        audit = open_audit(review.address)
        requests: list[str] = []
        audit.page.on("request", lambda request: requests.append(request.url))
        assert not audit.page.locator("#student").is_visible()
        audit.press("s")
        audit.wait_until_said("blind")
        assert not [url for url in requests if "student" in url]


def test_what_reviewers_disagree_on_is_found_shown_and_settled(library, open_audit):
    disputed = library.queue[3]
    folder = library.folder / "data/human/decisions"
    folder.mkdir(parents=True)
    for name, scene, second in (("bob", "scene.food", 1), ("cleo", "scene.people", 2)):
        after = {"scene": [scene], "attributes": {}, "objects": []}
        line = {"image_id": disputed, "decided_at": f"2026-01-01T00:00:0{second}.000000Z", "after": after}
        (folder / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        audit = open_audit(review.address)
        audit.press("/")
        audit.page.locator("#filter-list").select_option("disagreements")
        audit.page.locator("#filter-status").select_option("")
        audit.page.get_by_role("button", name="Show them").click()
        audit.page.locator("#opinions-list").get_by_text("bob").wait_for()
        assert audit.image_id == disputed
        assert "People" in audit.page.locator("#opinions-list").inner_text()
        audit.press("4", "Enter")
        audit.page.get_by_role("heading", name="No photo left with this filter").wait_for()
        assert library.audited[disputed].scene == ["scene.food"]
        assert "reviewers" in library.log[0]["seen"]


def test_fingers_do_what_keys_do(library, browser):
    phone = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    with RunningReview(library.folder, "--reviewer", "ada") as review:
        audit = AuditPage(phone.new_page(), review.address)
        page, first = audit.page, audit.image_id
        panel, attributes = (page.locator(place).bounding_box() for place in ("#labels", "#attributes"))
        assert attributes["y"] + attributes["height"] <= panel["y"] + panel["height"], "all in view"
        page.get_by_role("button", name="Food").tap()
        page.get_by_role("button", name="Person: yes").tap()
        page.locator("#object-search").tap()
        page.get_by_role("option", name="Bank card").tap()
        page.get_by_role("button", name="Accept and next").tap()
        audit.page.locator("#screen-reader", has_text="Saved.").wait_for(state="attached")
        assert library.audited[first].scene == ["scene.food"]
        assert library.audited[first].attributes["attr.has_person"] is True
        assert "object.document.bank_card" in library.audited[first].objects
    assert audit.errors == []
    phone.close()
