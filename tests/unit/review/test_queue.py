import numpy as np
from tests.unit.review.conftest import Library

from vibe_photos.human_truth.rounds import Candidates, build_round, draw_round, write_round
from vibe_photos.human_truth.sample import DESIGN_FIELDS, read_sampled
from vibe_photos.review.queue import read_queue


def write_whole_round(library: Library) -> list[str]:
    """Write a round that asks about every photo, and return their order."""
    ids = sorted(library.image_ids)
    candidates = Candidates(ids, ["scene.food"] * len(ids), np.ones(len(ids)))
    head, order = draw_round(candidates, 1, 3, len(ids), set())
    write_round(library.settings.paths.human, build_round(head, order, candidates, {i: ["why"] for i in ids}))
    return [ids[row] for row in order]


def test_the_sample_comes_first_and_then_what_rounds_add(library: Library) -> None:
    order = write_whole_round(library)
    queue = read_queue(library.settings)
    assert [photo.image_id for photo in queue[: len(library.queue)]] == library.queue
    later = [photo.image_id for photo in queue[len(library.queue) :]]
    assert later == [image_id for image_id in order if image_id not in library.queue]


def test_reasons_of_all_draws_and_what_a_decision_keeps(library: Library) -> None:
    write_whole_round(library)
    queue = read_queue(library.settings)
    sampled = read_sampled(library.settings.paths.sample)[queue[0].image_id]
    scene = sampled["stratum"].removeprefix("scene.")
    assert queue[0].reasons == (f"drawn at random from the photos that the teacher calls {scene}", "why")
    assert queue[0].design_fields() == {name: sampled[name] for name in DESIGN_FIELDS}
    assert queue[-1].reasons == ("why",)
    assert queue[-1].design_fields() == {}
