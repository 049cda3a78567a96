from pathlib import Path

import msgspec
import pytest
from tests.unit.review.conftest import PHOTOS, SAMPLED, Library, OpenService

from vibe_photos.configuration import RESOLVED
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import Decision
from vibe_photos.records.photos import photo_path
from vibe_photos.review.api import DecisionRequest, NoteRequest, PhotosQuery, Refusal, Truth
from vibe_photos.review.decision_index import DecisionIndex
from vibe_photos.review.service import ReviewService
from vibe_photos.review.status import describe_status
from vibe_photos.storage.jsonl import read_jsonl


def decide(service: ReviewService, image_id: str, scene: str = "scene.people", **fields: object) -> int:
    version = service.show_photo(image_id).version
    after = Truth(scene=scene, attributes={"attr.has_text": False}, objects=["object.drink", "object.drink"])
    request = DecisionRequest(image_id=image_id, version=version, after=after, **fields)  # type: ignore[arg-type]
    return service.decide([request]).versions[image_id]


def listed(service: ReviewService, **query: object) -> list[str]:
    return [item.image_id for item in service.list_photos(PhotosQuery(**query)).items]  # type: ignore[arg-type]


def in_library(service: ReviewService, **query: object) -> list[str]:
    return listed(service, list="all", by="final", **query)


def count_final(service: ReviewService, key: str) -> int:
    return service.count_chips(PhotosQuery(list="all", by="final"))["label"][key]


def test_a_decision_judges_only_what_was_judged(library: Library, open_service: OpenService) -> None:
    service, _ = open_service()
    image_id = library.queue[0]
    decide(service, image_id)
    (record,) = [*read_human_truth(library.settings.paths.human, {}).everything.values()]
    assert record.scene == ["scene.people"]
    assert record.attributes == {"attr.has_text": False}
    assert record.objects == ["object.drink"]
    assert record.extra == {}


def test_the_queue_keeps_its_order_and_what_was_skipped_waits_at_its_end(
    library: Library, open_service: OpenService
) -> None:
    service, _ = open_service()
    first, second, third, *rest = library.queue
    service.note(NoteRequest(image_id=second), "skip")
    service.note(NoteRequest(image_id=first, note="what is this?"), "skip")
    decide(service, rest[0])
    assert listed(service) == [third, *rest, second, first]
    assert listed(service, status="open") == [third, *rest[1:], second, first]
    assert listed(service, status="skipped") == [second, first]
    assert listed(service, status="audited") == [rest[0]]
    assert listed(service, offset=1, limit=2) == rest[:2]
    assert service.show_photo(first).note == "what is this?"
    progress = service.open_session().progress
    assert (progress.queued, progress.audited) == (SAMPLED, 1)


def test_lists_by_label_flag_text_and_note(library: Library, open_service: OpenService) -> None:
    """The teacher calls every third photo food; what people say counts before that."""
    service, _ = open_service()
    food = [image_id for n, image_id in enumerate(library.image_ids) if n % 3 == 0]
    assert sorted(listed(service, list="all", label="scene.food")) == sorted(food)
    assert set(listed(service, label="scene.food")) == set(food) & set(library.queue)
    decide(service, food[0], is_flagged=True, note="Grandmother's soup")
    assert sorted(listed(service, list="all", label="scene.food")) == sorted(food[1:])
    assert listed(service, list="all", label="scene.people") == [food[0]]
    assert listed(service, list="flagged") == listed(service, list="all", text="grandMOTHER") == [food[0]]
    assert listed(service, list="all", text=food[1]) == [food[1]]
    assert len(listed(service, list="all", text="img_00")) == min(10, PHOTOS)
    service.undo()
    assert listed(service, list="flagged") == []
    assert sorted(listed(service, list="all", label="scene.food")) == sorted(food)


def test_photos_that_left_the_library_are_counted_and_not_asked_about(
    library: Library, open_service: OpenService
) -> None:
    manifest = library.settings.paths.photos
    gone = library.queue[0]
    manifest.write_text(
        "".join(line for line in manifest.read_text().splitlines(keepends=True) if gone not in line)
    )
    service, sources = open_service()
    assert sources.not_in_library == 1
    assert listed(service) == library.queue[1:]
    with pytest.raises(Refusal, match="no such photo"):
        service.show_photo(gone)


def test_the_library_shows_people_before_the_student(library: Library, open_service: OpenService) -> None:
    """The student calls the first photo a landscape, the others as the teacher does."""
    service, _ = open_service()
    first, second = library.image_ids[:2]
    assert first in in_library(service, label="scene.landscape")
    assert count_final(service, "scene.landscape") == PHOTOS // 3 + 1
    decide(service, first, "scene.document")
    assert first not in in_library(service, label="scene.landscape")
    assert first in in_library(service, label="object.drink")
    assert count_final(service, "scene.landscape") == PHOTOS // 3
    assert len(listed(service, list="all")) == PHOTOS
    assert listed(service, list="all", status="audited") == [first]
    session = service.open_session()
    keys = [label.key for label in (*session.scenes, *session.attributes, *session.objects)]
    final = {one: {key for key in keys if one in in_library(service, label=key)} for one in (first, second)}
    assert {key for key in final[first] if not key.startswith("attr.")} == {"scene.document", "object.drink"}
    assert final[second] == {"scene.document", "attr.has_text"}


def test_an_attribute_nobody_judged_stays_the_students(library: Library, open_service: OpenService) -> None:
    service, _ = open_service()
    document = library.image_ids[1]
    request = DecisionRequest(image_id=document, version=0, after=Truth(scene="scene.other"))
    service.decide([request])
    assert document in in_library(service, label="attr.has_text")


def test_a_photo_under_an_object_is_found_under_its_ancestor(
    library: Library, open_service: OpenService
) -> None:
    service, _ = open_service()
    mouse = Truth(scene="scene.product", objects=["object.electronics.peripheral.mouse"])
    service.decide([DecisionRequest(image_id=library.image_ids[1], version=0, after=mouse)])
    assert in_library(service, label="object.electronics") == [library.image_ids[1]]


def test_a_cell_of_the_matrix_counts_down_as_one_works(library: Library, open_service: OpenService) -> None:
    """The student calls the first photo, which is food to the teacher, a landscape."""
    service, _ = open_service()
    food, landscape = "scene.food", "scene.landscape"

    def count(one: str, other: str) -> int:
        matrix = service.compare(PhotosQuery(list="all", status="open"))
        return matrix.counts[matrix.scenes.index(one)][matrix.scenes.index(other)]

    assert (count(food, food), count(food, landscape)) == (PHOTOS // 3 - 1, 1)
    cell = {"list": "all", "status": "open", "says": f"teacher:{food},student:{landscape}"}
    assert listed(service, **cell) == library.image_ids[:1]
    assert listed(service, list="all", apart=True) == library.image_ids[:1]
    decide(service, library.image_ids[0], landscape)
    assert (count(food, food), count(food, landscape)) == (PHOTOS // 3 - 1, 0)
    assert listed(service, **cell) == []
    assert listed(service, list="all", says=f"people:{landscape},teacher:{food}") == library.image_ids[:1]
    service.undo()
    assert count(food, landscape) == 1


def test_a_scene_that_nobody_judged_is_not_in_the_matrix(library: Library, open_service: OpenService) -> None:
    service, _ = open_service()
    after = Truth(attributes={"attr.has_text": False}, objects=None)
    service.decide([DecisionRequest(image_id=library.image_ids[1], version=0, after=after)])
    matrix = service.compare(PhotosQuery(list="all", pair="teacher,people"))
    assert sum(map(sum, matrix.counts)) == 0
    assert sum(matrix.flags["attr.has_text"]) == 1
    assert sum(matrix.flags["object.drink"]) == 0


def test_chips_combine_and_each_tells_how_many_it_would_leave(
    library: Library, open_service: OpenService
) -> None:
    """Photo n lies in the folder of 2020 + n % 3: in that of 2021 all are documents to the teacher."""
    service, _ = open_service()
    query = PhotosQuery(list="all", says="teacher:scene.document")
    chips = service.count_chips(query)
    assert chips["folder"] == {"2021": PHOTOS // 3}
    assert chips["teacher"]["attr.has_text"] == PHOTOS // 3
    assert chips["year"] == {"2021": PHOTOS // 3}
    assert chips["judge"] == {"nobody": PHOTOS // 3}
    decide(service, library.image_ids[1], is_flagged=True)
    chips = service.count_chips(msgspec.structs.replace(query, judge="ada"))
    assert chips["flagged"] == {"true": 1}
    assert chips["judge"] == {"ada": 1, "nobody": PHOTOS // 3 - 1}
    assert (
        listed(service, list="all", judge="ada", folder="2021", year="2021", flagged=True)
        == (library.image_ids[1:2])
    )
    assert listed(service, list="all", folder="2020", says="teacher:scene.document") == []
    newest = listed(service, list="all", sort="newest")
    assert newest[:4] == [i for n, i in enumerate(library.image_ids) if n % 3 == 2]


def test_all_that_was_decided_at_once_is_undone_at_once(library: Library, open_service: OpenService) -> None:
    service, _ = open_service()
    teaches = [image_id for image_id in library.image_ids if image_id not in library.queue]
    decide(service, teaches[0])
    several = [
        DecisionRequest(
            image_id=image_id, version=service.show_photo(image_id).version, after=Truth(scene=scene)
        )
        for image_id, scene in zip(teaches, ["scene.food"] * len(teaches), strict=True)
    ]
    service.decide(several)
    assert len(listed(service, list="all", says="people:scene.food")) == len(teaches)
    assert sorted(service.undo().versions) == sorted(teaches)
    assert listed(service, list="all", says="people:scene.people") == teaches[:1]
    assert list(service.undo().versions) == teaches[:1]
    assert service.undo().versions == {}


def test_measured_photos_are_changed_one_at_a_time(library: Library, open_service: OpenService) -> None:
    service, _ = open_service()
    several = [
        DecisionRequest(image_id=image_id, version=0, after=Truth(scene="scene.other"))
        for image_id in library.queue
    ]
    with pytest.raises(Refusal, match="one at a time"):
        service.decide(several)
    with pytest.raises(Refusal, match="twice"):
        service.decide([several[0], several[0]])
    assert listed(service, status="audited") == []
    service.decide(several[:1])
    assert listed(service, status="audited") == library.queue[:1]


def test_the_student_of_the_repro_that_ran_meanwhile_is_asked(
    library: Library, open_service: OpenService
) -> None:
    service, _ = open_service()
    assert in_library(service, label="scene.food")
    assert service.show_student(library.image_ids[1]).student
    library.settings.paths.labels.unlink()
    assert in_library(service, label="scene.food") == []
    assert service.show_student(library.image_ids[1]).student is None
    assert len(in_library(service)) == PHOTOS


def test_the_teachers_scene_is_compared_on_measured_photos(
    library: Library, open_service: OpenService
) -> None:
    """Photos that were chosen to teach do not count: they were chosen because the teacher may be wrong."""
    service, _ = open_service()
    for image_id in library.image_ids:
        if image_id not in library.queue:
            decide(service, image_id, "scene.other")
    progress = service.open_session().progress
    assert (progress.scenes, progress.taught) == (0, PHOTOS - SAMPLED)
    first, second = library.queue[:2]
    same = service.show_photo(first).teacher
    assert same is not None
    service.decide([DecisionRequest(image_id=first, version=0, after=same)])
    decide(service, second, "scene.other")
    progress = service.open_session().progress
    assert (progress.audited, progress.scenes, progress.scenes_same) == (2, 2, 1)
    service.undo()
    assert service.open_session().progress.scenes == 1


def test_unknown_photos_and_labels_are_refused_and_nothing_is_written(
    library: Library, open_service: OpenService
) -> None:
    service, _ = open_service()
    with pytest.raises(Refusal, match="no such photo"):
        service.show_photo("nobody")
    for truth in (
        Truth(scene="attr.has_text"),
        Truth(attributes={"scene.food": True}),
        Truth(objects=["object.foood"]),
    ):
        with pytest.raises(Refusal, match="unknown label key"):
            service.decide([DecisionRequest(image_id=library.queue[0], version=0, after=truth)])
    assert (library.decisions / "ada.jsonl").read_bytes() == b""


def test_disagreements_are_listed_until_settled(library: Library, open_service: OpenService) -> None:
    (ada, _), (bob, _) = open_service("ada"), open_service("bob")
    image_id = library.queue[0]
    decide(ada, image_id, "scene.food")
    decide(bob, image_id, "scene.people")
    assert listed(ada, list="disagreements") == [image_id]
    for service in (ada, bob):
        assert [one.reviewer for one in service.show_photo(image_id).conflicting_decisions] == ["ada", "bob"]
    decide(ada, image_id, "scene.food", seen=["reviewers"])
    assert listed(bob, list="disagreements") == []
    assert bob.show_photo(image_id).conflicting_decisions == []


def test_a_proposed_object_is_in_the_log_and_on_the_page_until_it_is_undone(
    library: Library, open_service: OpenService
) -> None:
    service, _ = open_service()
    image_id = library.queue[0]
    after = Truth(scene="scene.people", proposed=["Mountain_bike", " mountain  bike", "tent"])
    service.decide([DecisionRequest(image_id=image_id, version=0, after=after)])
    (line,) = read_jsonl(library.decisions / "ada.jsonl", Decision)
    assert line.after is not None
    assert line.after["proposed"] == ["mountain bike", "tent"]
    current = service.show_photo(image_id).people
    assert current is not None
    assert current.proposed == ["mountain bike", "tent"]
    status = describe_status(library.settings).splitlines()
    assert "  mountain bike (1 photo), tent (1 photo)" in status
    service.undo()
    assert "PROPOSED" not in describe_status(library.settings)


def test_after_the_edit_of_the_taxonomy_a_proposal_is_a_label(
    library: Library, open_service: OpenService
) -> None:
    service, _ = open_service()
    image_id, human = library.queue[0], library.settings.paths.human
    after = Truth(scene="scene.people", proposed=["bicycle", "tent"])
    service.decide([DecisionRequest(image_id=image_id, version=0, after=after)])
    taxonomy = library.settings.taxonomy
    grown = msgspec.structs.replace(
        taxonomy, objects={**taxonomy.objects, "bicycle": "object.vehicle.bicycle"}
    )
    for record in (
        read_human_truth(human, {}).fit(grown, human).measured[image_id],  # what the stages read
        DecisionIndex(human, grown).state(image_id).truth,  # what the page shows
    ):
        assert record is not None
        assert record.objects == ["object.vehicle.bicycle"]
        assert record.extra["proposed"] == ["tent"]


def test_no_decision_is_taken_about_a_photo_that_was_replaced(
    library: Library, open_service: OpenService
) -> None:
    service, _ = open_service()
    first, second = library.queue[:2]
    root = Path(library.settings.library.root)
    path = photo_path(root, service.find_photo(first))
    whole = path.read_bytes()
    path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    with pytest.raises(Refusal) as refused:
        decide(service, first)
    assert "the file has changed since the scan" in str(refused.value)
    decide(service, second)
    path.write_bytes(whole)
    decide(service, first)
    assert set(read_human_truth(library.settings.paths.human, {}).everything) == {first, second}


def test_the_page_says_when_a_repro_changed_labels_or_settings(
    library: Library, open_service: OpenService
) -> None:
    service, _ = open_service()
    resolved = library.folder / RESOLVED
    written = resolved.read_text()
    seed = f"seed: {library.settings.sample.seed}"
    assert service.open_session().progress.changed == ""
    for text, says in [
        (written, ""),
        (written.replace(seed, f"seed: {library.settings.sample.seed + 1}"), "The settings have changed"),
        (written.replace("scene.landscape", "scene.outdoors"), "The labels have changed"),
        (written, ""),
    ]:
        assert not says or text != written
        resolved.unlink()  # as DVC does before the stage writes it
        service.open_session()
        resolved.write_text(text)
        assert service.open_session().progress.changed == says
        assert service.note(NoteRequest(image_id=library.queue[0]), "remark").progress.changed == says
