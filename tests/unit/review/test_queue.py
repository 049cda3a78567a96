import msgspec
import pytest
from tests.unit.review.conftest import Library, OpenService
from tests.unit.review.review_library import write_doubts

from vibe_photos.human_truth.draws import find_strata, read_draws
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.human_truth.sample import read_sampled
from vibe_photos.records.ground_truth import Decision
from vibe_photos.records.taxonomy import show_name
from vibe_photos.review import queue as queues
from vibe_photos.review.api import DecisionRequest, NoteRequest, PhotosQuery, Truth
from vibe_photos.review.queue import Ranking, read_measuring_queue, read_teaching_queue


def test_the_sample_measures_in_its_order_and_says_how_it_was_drawn(library: Library) -> None:
    queue = read_measuring_queue(library.settings)
    sampled = read_sampled(library.settings.paths.sample)
    assert list(queue) == list(sampled)
    first = next(iter(queue))
    scene = show_name(sampled[first]["stratum"], library.settings.taxonomy)
    assert queue[first]() == [f"drawn at random from the photos that the teacher calls {scene}"]


def test_before_training_nothing_is_there_to_teach(library: Library) -> None:
    assert read_teaching_queue(library.settings) == {}


def test_the_first_answer_about_the_sample_writes_down_the_draw(
    library: Library, open_service: OpenService
) -> None:
    service, _ = open_service()
    human = library.settings.paths.human
    assert read_draws(human) == []
    other = next(image_id for image_id in library.image_ids if image_id not in library.queue)
    after = Truth(scene="scene.people")
    service.decide([DecisionRequest(image_id=other, version=0, after=after)])
    assert read_draws(human) == []  # it teaches: no weight rests on a draw
    service.decide([DecisionRequest(image_id=library.queue[0], version=0, after=after)])
    (draw,) = read_draws(human)
    assert (draw.number, draw.how, draw.teacher) == (1, "stratified", library.settings.teacher.model)
    # All photos are in it, not only those that were sampled.
    assert find_strata([draw], library.image_ids, {}).keys() == set(library.image_ids)
    service.note(NoteRequest(image_id=library.queue[1], reason="cannot tell"), "skip")
    assert len(read_draws(human)) == 1


def test_a_decision_says_what_it_was_made_for_and_what_was_shown(
    library: Library, open_service: OpenService
) -> None:
    service, sources = open_service()
    other = next(image_id for image_id in library.image_ids if image_id not in library.queue)
    for image_id in (library.queue[0], other):
        service.decide([DecisionRequest(image_id=image_id, version=0, after=Truth(scene="scene.people"))])
    service.note(NoteRequest(image_id=library.queue[1], reason="private"), "skip")
    measured, taught, skipped = sources.decisions.own_lines()
    assert (measured.purpose, measured.draw) == ("measure", 1)
    assert (taught.purpose, taught.draw) == ("teach", None)
    assert (skipped.kind, skipped.reason, skipped.purpose) == ("skip", "private", "measure")
    teacher = sources.opinions.teacher(other)
    assert taught.shown is not None
    assert teacher is not None
    assert taught.shown["scene"] == teacher.scene
    truth = read_human_truth(library.settings.paths.human, {})
    assert set(truth.measured) == {library.queue[0]}
    assert set(truth.taught) == {other}


def test_a_taught_photo_that_the_sample_reaches_is_confirmed_before_it_measures(
    library: Library, open_service: OpenService
) -> None:
    paths, image_id = library.settings.paths, library.queue[0]
    after = {"scene": ["scene.people"], "attributes": {}, "objects": []}
    line = Decision(image_id=image_id, decided_at="2026-01-02T10:00:00.000000Z", after=after, purpose="teach")
    (paths.human / "decisions").mkdir(parents=True)
    (paths.human / "decisions" / "bob.jsonl").write_bytes(msgspec.json.encode(line) + b"\n")
    service, _ = open_service()
    first = service.list_photos(PhotosQuery(status="open")).items[0]
    assert (first.image_id, first.purpose) == (image_id, "measure")
    assert service.show_photo(image_id).people == Truth(scene="scene.people")
    request = DecisionRequest(image_id=image_id, version=first.version, after=Truth(scene="scene.people"))
    assert service.decide([request]).progress.audited == 1
    assert set(read_human_truth(paths.human, {}).measured) == {image_id}
    assert image_id not in {one.image_id for one in service.list_photos(PhotosQuery(status="open")).items}


def test_a_photo_says_what_an_answer_does(library: Library, open_service: OpenService) -> None:
    service, _ = open_service()
    other = next(image_id for image_id in library.image_ids if image_id not in library.queue)
    assert service.show_photo(library.queue[0]).effect.startswith("Measures:")
    assert service.show_photo(other).effect.startswith("Teaches:")


@pytest.mark.parametrize("largest", [10**6, 0])
def test_a_queue_that_another_process_ranks_is_the_same(
    library: Library, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    write_doubts(library.settings)
    monkeypatch.setattr(queues, "LARGE_LIBRARY", largest)
    queue = read_teaching_queue(library.settings)
    ranking = Ranking(library.settings, {i: n for n, i in enumerate(library.image_ids)})
    ranking.begin()
    assert queue
    assert [library.image_ids[row] for row in ranking.rows()] == list(queue)
    assert [ranking.tell(image_id) for image_id in queue] == [tell() for tell in queue.values()]
    assert all(len(tell()) == len(set(tell())) > 0 for tell in queue.values())
    assert ranking.tell(library.queue[0]) == []


def test_the_ranking_is_read_again_after_a_repro(library: Library) -> None:
    row_of = {image_id: row for row, image_id in enumerate(library.image_ids)}
    ranking = Ranking(library.settings, row_of)
    assert ranking.rows().tolist() == []
    write_doubts(library.settings)
    assert sorted(ranking.rows()) == sorted(row_of[i] for i in read_teaching_queue(library.settings))
    assert ranking.rows().size
